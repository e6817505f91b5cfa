"""What a study is: named cells of parameters and the function that turns each into numbers."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.errors import InvalidInputError
from lmctheory.sweep.keys import Fingerprint, fingerprint

Cell = Mapping[str, int | float | str | bool | None]


def grid(**axes: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of the named axes, the last one varying fastest.

    Scalars and arrays of NumPy become the Python numbers that they are equal to.

    Raises
    ------
    InvalidInputError
        If an axis is not a sequence of at least one value, or a value has no exact JSON form.

    Examples
    --------
    >>> from lmctheory.sweep import grid
    >>> grid(width=[8, 16], run=[0, 1])
    [{'width': 8, 'run': 0}, {'width': 8, 'run': 1}, {'width': 16, 'run': 0}, {'width': 16, 'run': 1}]
    """
    values = []
    for name, axis in axes.items():
        members = _checks.items(name, None if isinstance(axis, np.ndarray) and axis.ndim == 0 else axis, "values")
        values.append([_parameter(f"{name}[{k}]", value) for k, value in enumerate(members)])
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*values)]


@dataclass(frozen=True, eq=False)
class Study:
    """A grid of cells and the function from a cell to numbers.

    Parameters
    ----------
    name : str
        Part of every cell's key; two studies of one name in one folder share cells that agree in everything else.
    function : callable
        ``function(seed, **cell)`` returns a dict of numbers, strings and arrays. It must depend on nothing but its arguments and
        what its source reaches; see `lmctheory.sweep.keys.fingerprint`.
    cells : sequence of dict
        Parameters of each cell: numbers, strings, booleans or None that have an exact JSON form. See `grid`.
    seed : int
        Handed to every cell; of any size.
    cost : callable, optional
        ``cost(cell)``, an estimate of the work in a cell in any unit, for the time left; one by default.

    Raises
    ------
    InvalidInputError
        If there are no cells, or a parameter has no exact JSON form; if the function reaches what has no value, such as a lock,
        or names made at run time, or its source cannot be found.
    """

    name: str
    function: Callable[..., Mapping[str, Any]]
    cells: Sequence[Cell]
    seed: int = 0
    cost: Callable[[Any], float] = lambda _: 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not _is_text(self.name):
            raise InvalidInputError(f"name must be a non-empty string, got {self.name!r}")
        for name in ("function", "cost"):
            if not callable(getattr(self, name)):
                raise InvalidInputError(f"{name} must be callable, got {getattr(self, name)!r}")
        object.__setattr__(self, "seed", _parameter("seed", _checks.integer("seed", self.seed, 0)))
        cells = []
        for k, cell in enumerate(_checks.items("cells", self.cells, "dicts of parameters")):
            if not isinstance(cell, Mapping):
                raise InvalidInputError(f"cells[{k}] must be a dict of parameters, got {cell!r}")
            for parameter in cell:
                if not isinstance(parameter, str) or parameter == "seed":
                    raise InvalidInputError(f"cells[{k}] must map names other than 'seed' to values, got {parameter!r}")
            cells.append({str(name): _parameter(f"cells[{k}][{name!r}]", value) for name, value in cell.items()})
        object.__setattr__(self, "cells", cells)
        fingerprint(self.function)  # refuses what cannot be part of a key before anything is computed

    @property
    def fingerprint(self) -> Fingerprint:
        """The function's fingerprint now: globals that it reaches may have changed since the study was made."""
        return fingerprint(self.function)

    @property
    def code(self) -> str:
        """Hash of the function and of all that it reaches."""
        return self.fingerprint.code

    def key(self, cell: Cell, code: str | None = None) -> str:
        """The cell's key in the database: study, parameters, seed and code (by default the present one), and nothing else."""
        identity = [self.name, sorted(cell.items()), self.seed, self.code if code is None else code]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def _parameter(name: str, value: Any) -> Any:
    """A parameter in its JSON form."""
    plain = value.item() if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0) else value
    if plain is None or type(plain) in (int, float, str, bool):
        try:
            json.dumps(plain)
        except ValueError as error:  # more digits than Python writes
            raise InvalidInputError(f"{name} must have an exact JSON form ({error})") from None
        return plain
    raise InvalidInputError(f"{name} must be a number, a string, a boolean or None, got {_checks.describe(value)}")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
