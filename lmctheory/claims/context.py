"""How a claim is run: at which scale, with which seed, and where its cells are computed and kept."""

from __future__ import annotations

import functools
import inspect
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lmctheory import _checks
from lmctheory._progress import Progress
from lmctheory.claims.data import Measured
from lmctheory.claims.stored import restored, stored
from lmctheory.errors import InvalidInputError, LmcError
from lmctheory.sweep import Study, run_study


class FailedCellsError(LmcError):
    """Cells of a claim raised; the others are kept, and the failed ones are tried again by the next run.

    `failures` are the parameters and the traceback of each.
    """

    def __init__(self, failures: Sequence[tuple[dict[str, Any], str]], total: int) -> None:
        self.failures = failures
        cell, trace = failures[0]
        lines = trace.strip().splitlines()
        where = next((line.strip() for line in reversed(lines) if line.strip().startswith("File ")), "")
        first = ", ".join(f"{name}={value}" for name, value in cell.items()) or "without parameters"
        super().__init__(
            f"{len(failures)} of {total} cells failed, the first of them {first}: {lines[-1]}{f' ({where})' if where else ''}"
        )


@dataclass(frozen=True)
class Context:
    """How to run a claim; handed to a `measure` that computes by itself.

    Parameters
    ----------
    scale : str
        One of the claim's own scales, as "quick" or "full".
    seed : int
        Root of all random streams.
    folder : path, optional
        Where finished cells are kept; without one they are not.
    executor, workers, progress
        As for `run_study`.
    """

    scale: str = "quick"
    seed: int = 0
    folder: Path | None = None
    executor: str | Executor = "processes"
    workers: int | None = None
    progress: Progress | Literal["auto"] | None = None
    functions: list[str] = field(default_factory=list, compare=False)  # that were swept, by module and name

    def pick(self, **values: Any) -> Any:
        """Return the value for this scale: ``context.pick(quick=8, full=64)``.

        Raises
        ------
        InvalidInputError
            If there is none for it.
        """
        if self.scale not in values:
            raise InvalidInputError(f"scale must be one of {', '.join(values)}, got {self.scale!r}")
        return values[self.scale]

    def stream(self, *path: str | int | float) -> np.random.SeedSequence:
        """Return the random stream of this name; it depends on the seed and the name, not on the order of requests."""
        return _checks.stream(np.random.SeedSequence(self.seed), json.dumps(path))

    def sweep(
        self,
        function: Callable[..., Any],
        cells: Sequence[Mapping[str, Any]],
        cost: Callable[[Any], float] = lambda _: 1.0,
    ) -> Measured:
        """Return each cell with the result of ``function(rng, **cell)``, computed or kept from an earlier run.

        `rng` is a Generator whose stream is named by the seed, the function's module and name, and the cell. The result is a
        number, a dict of numbers and arrays, or a result of the library.

        Raises
        ------
        FailedCellsError
            If a cell raised.
        """
        name = function_name(function)
        self.functions.append(name)
        plain = [plain_cell(cell) for cell in cells]
        study = Study(name, _seeded(function, name), plain, self.seed, cost)
        options: dict[str, Any] = {"workers": self.workers, "progress": self.progress}
        if self.folder is None:
            with tempfile.TemporaryDirectory() as folder:
                found = run_study(study, folder, executor="serial", **options)
        else:
            found = run_study(study, self.folder, executor=self.executor, **options)
        if found.failures:
            order = {json.dumps(cell): k for k, cell in enumerate(plain)}
            named = [(cell, _named(trace, function)) for cell, trace in found.failures]
            raise FailedCellsError(sorted(named, key=lambda failure: order[json.dumps(failure[0])]), len(plain))
        records = []
        for cell, record in zip(plain, found.records, strict=True):
            records.append((cell, restored({part: value for part, value in record.items() if part not in cell})))
        return Measured(records)


def function_name(function: Callable[..., Any]) -> str:
    """Return module and name of a function, by which its streams and its cells are named."""
    if not inspect.isfunction(function):
        raise InvalidInputError(f"measure must be a function, made with def, got {_checks.describe(function)}")
    return f"{function.__module__}.{function.__qualname__}"


def cell_stream(seed: int, name: str, cell: Mapping[str, Any]) -> np.random.Generator:
    """Return the Generator of a cell: its stream is named by the seed, the function and the cell."""
    return np.random.default_rng(_checks.stream(np.random.SeedSequence(seed), name, json.dumps(sorted(cell.items()))))


def _named(trace: str, function: Callable[..., Any]) -> str:
    """Give the file of `function` its name in a traceback: code that has travelled to a worker has lost it."""
    lost, end = 'File "<dynamic-code>", line ', f", in {function.__name__}"
    return "\n".join(
        line.replace(lost, f'File "{function.__code__.co_filename}", line ') if line.endswith(end) else line
        for line in trace.splitlines()
    )


def plain_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with NumPy's scalars as Python's."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in cell.items()}


def _seeded(measure: Callable[..., Any], name: str) -> Callable[..., dict[str, Any]]:
    """Return `measure` as the engine calls it: with a seed, and returning columns."""

    @functools.wraps(measure)
    def cell_function(seed: int, **cell: Any) -> dict[str, Any]:
        return stored(measure(cell_stream(seed, name, cell), **cell), cell)

    return cell_function
