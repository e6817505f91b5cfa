"""What a study is: named cells of parameters and the function that turns each into numbers."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lmctheory import _checks
from lmctheory.errors import InvalidInputError
from lmctheory.sweep.code import fingerprint

Cell = Mapping[str, int | float | str | bool | None]


def grid(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return every combination of the named axes, the last one varying fastest.

    Examples
    --------
    >>> from lmctheory.sweep import grid
    >>> grid(width=[8, 16], run=[0, 1])
    [{'width': 8, 'run': 0}, {'width': 8, 'run': 1}, {'width': 16, 'run': 0}, {'width': 16, 'run': 1}]
    """
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


@dataclass(frozen=True, eq=False)
class Study:
    """A grid of cells and the function from a cell to numbers.

    Parameters
    ----------
    name : str
        Part of every cell's key; two studies of one name in one folder share cells that agree in everything else.
    function : callable
        ``function(seed, **cell)`` returns a dict of numbers, strings and arrays. It must depend on its arguments alone.
    cells : sequence of dict
        Parameters of each cell: JSON numbers, strings, booleans or None. See `grid`.
    seed : int
        Handed to every cell.
    cost : callable, optional
        ``cost(cell)``, an estimate of the work in a cell in any unit, for the time left; one by default.

    Raises
    ------
    InvalidInputError
        If there are no cells, or a parameter has no exact JSON form.
    """

    name: str
    function: Callable[..., Mapping[str, Any]]
    cells: Sequence[Cell]
    seed: int = 0
    cost: Callable[[Any], float] = lambda _: 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInputError(f"name must be a non-empty string, got {self.name!r}")
        if not callable(self.function):
            raise InvalidInputError(f"function must be callable, got {self.function!r}")
        _checks.integer("seed", self.seed, 0)
        object.__setattr__(self, "cells", _checks.items("cells", self.cells, "dicts of parameters"))
        for k, cell in enumerate(self.cells):
            if not isinstance(cell, Mapping):
                raise InvalidInputError(f"cells[{k}] must be a dict of parameters, got {cell!r}")
            for parameter, value in cell.items():
                if not isinstance(parameter, str) or not (value is None or type(value) in (int, float, str, bool)):
                    raise InvalidInputError(
                        f"cells[{k}] must map names to numbers, strings, booleans or None, got {parameter!r}: {value!r}"
                    )

    @cached_property
    def code(self) -> str:
        """Hash of the function's module and of every module of the same code base that it imports."""
        return fingerprint(self.function)

    def key(self, cell: Cell) -> str:
        """The cell's key in the database: study, parameters, seed and code, and nothing else."""
        identity = [self.name, sorted(cell.items()), self.seed, self.code]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
