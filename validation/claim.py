"""What a claim is, and what testing it returns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN
from decimal import Context as Rounding
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from lmctheory import _checks
from lmctheory.claims.verdict import Verdict as Verdict
from lmctheory.errors import LmcError
from lmctheory.sweep import Study, run_study

T = TypeVar("T")


class Progress(Protocol):
    """Receives the share of a claim's work that is done, and the number of cells that failed."""

    def __call__(self, done: float, failed: int = 0) -> None: ...


class FailedCellsError(LmcError):
    """Cells of a sweep raised; the others are kept, and the failed ones are tried again by the next run."""

    def __init__(self, failures: Sequence[tuple[dict[str, Any], str]]) -> None:
        cell, error = failures[0]
        super().__init__(f"{len(failures)} cells failed, the first of them {cell}: {error.strip().splitlines()[-1]}")


def stream(seed: int, name: str, *path: str | int) -> np.random.SeedSequence:
    """Return the random stream of these names: who asks for the same ones shares it, and nobody else does."""
    return _checks.stream(np.random.SeedSequence(seed), name, *path)


@dataclass(frozen=True)
class Context:
    """How to run: ``scale`` "quick" or "full", the seed, where progress is reported, and where cells are computed and kept.

    Without a `folder` cells are computed in this process and not kept. Claims on images take MNIST from the folder `mnist`;
    without one, the digits.
    """

    scale: str = "quick"
    seed: int = 0
    progress: Progress = lambda done, failed=0: None
    folder: Path | None = None
    executor: str | Executor = "processes"
    workers: int | None = None
    mnist: Path | None = None

    @property
    def images(self) -> str:
        """The name of the set of images: it changes with the files in the folder `mnist`."""
        if self.mnist is None:
            return "digits"
        digest = hashlib.sha256()
        for path in sorted(self.mnist.glob("*-ubyte*")):
            digest.update(path.read_bytes())
        return f"mnist {digest.hexdigest()[:12]}"

    def pick(self, quick: T, full: T) -> T:
        """Return the value for this scale."""
        return quick if self.scale == "quick" else full

    def rng(self, *key: int) -> np.random.SeedSequence:
        """Return the random stream with this key; it does not depend on the claim or on the order of requests."""
        return np.random.SeedSequence([self.seed, *key])

    def stream(self, name: str, *path: str | int) -> np.random.SeedSequence:
        """Return the random stream of these names; see `stream`."""
        return stream(self.seed, name, *path)

    def track(self, items: Sequence[T], cost: Callable[[T], float] = lambda _: 1.0) -> Iterator[T]:
        """Iterate over `items`, reporting progress in proportion to `cost`."""
        total, done = sum(map(cost, items)), 0.0
        for item in items:
            yield item
            done += cost(item)
            self.progress(done / total)

    def sweep(
        self,
        function: Callable[..., dict[str, Any]],
        cells: Sequence[dict[str, Any]],
        cost: Callable[[dict[str, Any]], float] = lambda _: 1.0,
    ) -> list[dict[str, Any]]:
        """Return each cell of parameters with the numbers and arrays of ``function(seed, **cell)``, as one dict.

        `function` must be importable by name and depend on nothing but its arguments.
        """
        if self.folder is None:
            return [cell | function(self.seed, **cell) for cell in self.track(cells, cost)]
        study = Study(f"{function.__module__}.{function.__qualname__}", function, cells, self.seed, cost)
        options: dict[str, Any] = {"executor": self.executor, "workers": self.workers}
        found = run_study(study, self.folder, **options, progress=lambda share, done, failed: self.progress(share, failed))
        if found.failures:
            raise FailedCellsError(found.failures)
        return found.records


@dataclass(frozen=True)
class Measurement:
    """A measured number with its 95 % interval, None where the number is exact.

    What is `proved` is no statistic: the number is exact, or its interval an enclosure, by a certificate.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    proved: bool = False

    @property
    def interval_text(self) -> str:
        """The interval to three digits, "exact" without; ends of a proved one are rounded outwards, so that it stays true."""
        if self.interval is None:
            return "exact"
        modes = (ROUND_FLOOR, ROUND_CEILING) if self.proved else (ROUND_HALF_EVEN, ROUND_HALF_EVEN)
        low, high = (Rounding(3, mode).create_decimal(end) for mode, end in zip(modes, self.interval, strict=True))
        return f"[{float(low):.3g}, {float(high):.3g}]"

    def __str__(self) -> str:
        parts = [self.name, f"{self.value:.3g}"]
        if self.interval is not None:
            parts.append(self.interval_text)
        return " ".join([*parts, "proved"] if self.proved else parts)


@dataclass(frozen=True)
class Outcome:
    """Verdicts of a claim and of its negative control, with the numbers behind them.

    `headline` are the measurements for the table; `findings` are sentences on what else was seen; `data` holds every number
    behind the table and the figures, as JSON types.
    """

    verdict: Verdict
    control: Verdict
    headline: Sequence[Measurement]
    findings: Sequence[str] = ()
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A statement that numbers can support or refute.

    `rule` is the decision rule and `control` the negative control, both to be fixed before the numbers are seen; `experiment`
    applies them. A figure of `paper_figures` names the claim whose data it draws. With `on_images` the numbers depend on the set
    of images, ``Context.mnist``.
    """

    name: str
    statement: str
    source: str
    prediction: str
    rule: str
    control: str
    experiment: Callable[[Context], Outcome]
    on_images: bool = False


def as_json(value: Any) -> Any:
    """Return `value` with arrays and NumPy scalars replaced by lists and numbers."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [as_json(item) for item in value]
    return value
