"""What a claim is: a statement, what is measured for it, and the rule that decides."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lmctheory import _checks
from lmctheory.claims.context import Context, function_name, plain_cell
from lmctheory.claims.rules import Rule
from lmctheory.errors import InvalidInputError
from lmctheory.sweep import grid

KINDS = ("theorem", "proof", "measurement")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MAX_NAME = 200  # characters: file systems take 255, with an ending


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Claim:
    r"""A statement that numbers can support or refute.

    Parameters
    ----------
    name : str
        At most 200 letters, digits, hyphens, dots and underscores: it names files.
    statement : str
        What is claimed, in plain text; formulas between dollar signs may use simple LaTeX.
    measure : callable
        ``measure(rng, **cell)`` returns what is measured in one cell: a number, a dict of numbers and arrays, or a result of the
        library. `rng` is a `numpy.random.Generator` of the cell's own. It must depend on its arguments alone. Without `cells`:
        ``measure(context)`` returns the data that the rule judges, with all computing in `context.sweep`.
    rule : Rule or callable
        A ready rule, or ``judge(data, rng)`` or ``judge(data)``, a pure function that returns `Conditions`.
    cells : mapping, optional
        For each scale, as "quick" and "full", the cells: a dict of the values of each parameter, every combination of which
        is a cell, or a sequence of dicts.
    planted : callable, optional
        ``planted(data, rng)`` or ``planted(data)`` returns data made out of the measured ones for which the statement is false,
        and true: a dict from names to pairs ``(data, "REFUTED")`` or ``(data, "SUPPORTED")``, one of each kind at least. Ready
        rules bring their own.
    figure : callable, optional
        ``draw(data, axes)`` draws into a matplotlib Axes. Ready rules bring their own.
    source, scope : str
        Where the statement is from; for which parameters it was tested, and by what.
    kind : {"measurement", "theorem", "proof"}
        What SUPPORTED means: that numbers agree with the statement, that the code agrees with a theorem, that certificates
        prove it.

    Raises
    ------
    InvalidInputError
        If an argument is not as above; the message names the claim.

    Examples
    --------
    >>> from lmctheory.claims import Claim, agrees_with
    >>> def dice(rng, sides):
    ...     return rng.integers(1, sides + 1, size=400)
    >>> Claim(name="dice", statement="The mean of a die with s sides is (s + 1) / 2.", measure=dice,
    ...       cells={"quick": {"sides": [6, 20]}}, rule=agrees_with(lambda sides: (sides + 1) / 2))
    Claim('dice')
    """

    name: str
    statement: str
    measure: Callable[..., Any]
    rule: Rule | Callable[..., Any]
    cells: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]] | None = None
    planted: Callable[..., Any] | None = None
    figure: Callable[..., Any] | None = None
    source: str = ""
    scope: str = ""
    kind: str = "measurement"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidInputError(f"name must be letters, digits, hyphens, dots and underscores, got {self.name!r}")
        if len(self.name) > MAX_NAME:
            raise InvalidInputError(f"name must have at most {MAX_NAME} characters, since it names files, got {len(self.name)}")
        with _about(self.name):
            for field in ("statement", "source", "scope"):
                text = getattr(self, field)
                if not isinstance(text, str) or (field == "statement" and not text.strip()):
                    raise InvalidInputError(f"{field} must be a text, got {text!r}")
            _checks.choice("kind", self.kind, KINDS)
            function_name(self.measure)
            self._check_rule()
            if self.cells is not None:
                self._check_cells()
            elif len(inspect.signature(self.measure).parameters) != 1:
                given = f"{self.measure.__name__}{inspect.signature(self.measure)}"
                raise InvalidInputError(f"cells must be given where measure takes rng and parameters, as {given} does")

    @property
    def scales(self) -> list[str] | None:
        """The scales at which it can be run; None where `measure` knows them."""
        return None if self.cells is None else list(self.cells)

    def cells_at(self, scale: str) -> list[dict[str, Any]]:
        """Return the cells of a scale.

        Raises
        ------
        InvalidInputError
            If there is no such scale.
        """
        with _about(self.name):
            if self.cells is None:
                raise InvalidInputError("cells are made by measure itself")
            given = self.cells[_checks.choice("scale", scale, self.cells)]
            return [plain_cell(cell) for cell in (grid(**given) if isinstance(given, Mapping) else given)]

    def run(self, context: Context) -> Any:
        """Measure; return the data that the rule judges."""
        if self.cells is None:
            return self.measure(context)
        return context.sweep(self.measure, self.cells_at(context.scale))

    def __repr__(self) -> str:
        return f"Claim({self.name!r})"

    def _check_rule(self) -> None:
        for field in ("rule", "planted", "figure"):
            given = getattr(self, field)
            if given is not None and not callable(given) and not isinstance(given, Rule):
                expected = "a ready rule or a function" if field == "rule" else "a function"
                raise InvalidInputError(f"{field} must be {expected}, got {_checks.describe(given)}")
        if self.rule is None:
            raise InvalidInputError("rule must be a ready rule or a function, got None")
        if isinstance(self.rule, type):
            raise InvalidInputError(f"rule must be a ready rule or a function, got the class {self.rule.__name__}")
        if not isinstance(self.rule, Rule) and self.planted is None:
            raise InvalidInputError(
                "planted must be given where rule is a function: without data for which the statement is false, and data for "
                "which it is true, nothing shows that the rule can tell"
            )

    def _check_cells(self) -> None:
        if not isinstance(self.cells, Mapping) or not self.cells:
            raise InvalidInputError(f"cells must map scales, as 'quick', to cells, got {_checks.describe(self.cells)}")
        for scale, given in self.cells.items():
            where = f"cells[{scale!r}]"
            if isinstance(given, Mapping):
                values = {name: _axis(where, name, axis) for name, axis in given.items()}
                cells: Sequence[Any] = grid(**values)
            else:
                cells = _checks.items(where, given, "dicts of parameters")
                if not all(isinstance(cell, Mapping) for cell in cells):
                    raise InvalidInputError(
                        f"{where} must map parameters to their values, as {{'quick': {{'width': [8, 16]}}}}, got {given!r}"
                    )
            twice = next((cell for k, cell in enumerate(cells) if cell in cells[:k]), None)
            if twice is not None:
                raise InvalidInputError(f"{where} must hold each cell once, got {twice} twice: more data take a parameter block")
            signature = inspect.signature(self.measure)
            try:
                signature.bind(None, **cells[0])
            except TypeError as error:
                raise InvalidInputError(
                    f"measure must take rng and the parameters of its cells, ({', '.join(['rng', *cells[0]])}), "
                    f"got {self.measure.__name__}{signature}: {error}"
                ) from None


def _axis(where: str, name: str, axis: Any) -> list[Any]:
    if isinstance(axis, (str, bytes)) or not hasattr(axis, "__iter__"):
        raise InvalidInputError(f"{where}[{name!r}] must be a sequence of values, got {axis!r}")
    return _checks.items(f"{where}[{name!r}]", axis, "values")


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Say which claim an error is about."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"claim {name!r}: {error}") from None


def takes_rng(function: Callable[..., Any]) -> bool:
    """Whether a function of the data takes a Generator too."""
    positional = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
        and parameter.default is parameter.empty
    ]
    return len(positional) > 1 or "rng" in inspect.signature(function).parameters
