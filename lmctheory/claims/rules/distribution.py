"""The rule `distributed_as`: a distribution is the one claimed, up to a margin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.claims import figures
from lmctheory.claims.data import Measured, Sample, label
from lmctheory.claims.interval import Interval, at_most, number_text
from lmctheory.claims.rules.rule import Rule, Worlds
from lmctheory.claims.verdict import Condition, Conditions, Verdict
from lmctheory.errors import InvalidInputError

BISECTIONS = 200
LARGEST = 1e150


def distributed_as(
    cdf: Callable[[FloatArray], ArrayLike], *, margin: float = 0.1, resolution: float | None = None, of: str = "heights",
    level: float = 0.95,
) -> Rule:  # fmt: skip
    """Return the rule that values are distributed as `cdf` says, up to a distance `margin` in every cell.

    The distance is that of Kolmogorov and Smirnov, ``sup |F - cdf|``. Not rejecting the law would be no support: the upper end
    of the distance's interval must be at most the margin.

    Parameters
    ----------
    cdf : callable
        Distribution function of an array of values, continuous or not, such as ``scipy.stats.expon.cdf``.
    margin : float
        Largest distance that counts as the law claimed, in (0, 1).
    resolution : float, optional
        The planted laws are at distances ``margin + resolution`` and, at least, ``margin - resolution``; `margin` by default.
    of : str
        The field of the results.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Notes
    -----
    With n independent values the empirical distribution function is within ``sqrt(log(2 / (1 - level)) / (2 n))`` of the true
    one everywhere with probability `level`; the distance is then known up to as much. For a margin of 0.1 at 95 % that is
    the margin itself at n = 185. Where results have `pairs`, pairs that share no network are drawn at random.

    References
    ----------
    Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Annals of Probability 18, 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import expon
    >>> from lmctheory.claims import Measured, distributed_as
    >>> draw = np.random.default_rng(0)
    >>> data = Measured([({"width": 4}, draw.exponential(size=2000))])
    >>> distributed_as(expon.cdf).judge(data, draw).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    if not callable(cdf):
        raise InvalidInputError(f"cdf must be a function of an array of values, got {_checks.describe(cdf)}")
    margin = _checks.probability("margin", margin)
    return DistributedAs(
        level=level,
        cdf=cdf,
        margin=margin,
        resolution=margin if resolution is None else _checks.real("resolution", resolution, positive=True),
        of=of,
    )


@dataclass(frozen=True)
class DistributedAs(Rule):
    """See `distributed_as`."""

    cdf: Callable[[FloatArray], ArrayLike] = np.asarray
    margin: float = 0.1
    resolution: float = 0.1
    of: str = "heights"

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        return (
            f"Supported if in every cell the largest distance between the distribution functions of {self.of}, of independent "
            f"values, and of the law claimed is at most {number_text(self.margin)} by its {self.level:.0%} interval (Dvoretzky, "
            "Kiefer and Wolfowitz); refuted if one of the intervals that hold together at this level lies above."
        )

    def count(self, data: Measured) -> int:
        """One condition a cell."""
        return len(data.samples(self.of))

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Judge the distance in each cell."""
        varying, found = data.varying(), []
        for sample in data.samples(self.of):
            values = sample.independent(rng).astype(float)
            n, distance = len(values), self._distance(values)
            refuting = None
            if refuting_level > self.level:
                refuting = _around(distance, n, refuting_level, "simultaneous")
            where = label(sample.cell, varying)
            name = f"distance at {where}" if where else "distance"
            interval = _around(distance, n, self.level, "marginal")
            found.append(Condition.judged(name, distance, interval, at_most(self.margin), refuting, n))
        return Conditions(found)

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured ranks, with laws pushed to either side, and the law claimed or one pushed to within the margin."""
        far, near = min(1.0, self.margin + self.resolution), max(0.0, self.margin - self.resolution)
        return {
            f"law at distance {number_text(far)}, larger values": (self._pushed(data, far, up=True), Verdict.REFUTED),
            f"law at distance {number_text(far)}, smaller values": (self._pushed(data, far, up=False), Verdict.REFUTED),
            f"law at distance {number_text(near)}": (self._pushed(data, near, up=True), Verdict.SUPPORTED),
        }

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Distribution functions of the cells with the one claimed."""
        varying = data.varying()
        samples = {label(s.cell, varying): s.independent(rng).astype(float) for s in data.samples(self.of)}
        figures.distributions(axes, samples, self._at, self.margin, self.of)

    def _at(self, values: FloatArray) -> FloatArray:
        found = np.asarray(self.cdf(values), dtype=float)
        if found.shape != values.shape or not ((found >= 0) & (found <= 1)).all():
            raise InvalidInputError(
                f"cdf must return a probability for each of {values.size} values, got {_checks.describe(found)}"
            )
        return found

    def _distance(self, values: FloatArray) -> float:
        """``sup |F_n - cdf|``: at the values and just below, so that ties and jumps of the law count as they should."""
        points, counts = np.unique(values, return_counts=True)
        after = np.cumsum(counts) / len(values)
        before = after - counts / len(values)
        return float(max(
            np.abs(self._at(points) - after).max(), np.abs(self._at(np.nextafter(points, -np.inf)) - before).max()
        ))  # fmt: skip

    def _pushed(self, data: Measured, distance: float, *, up: bool) -> Measured:
        def transform(_: int, sample: Sample) -> FloatArray:
            ranks = np.argsort(np.argsort(sample.values.astype(float), kind="stable"), kind="stable")
            u = (ranks + 0.5) / len(ranks)
            return self._quantile(distance + (1 - distance) * u if up else (1 - distance) * u)

        return data.replace(self.of, transform)

    def _quantile(self, u: FloatArray) -> FloatArray:
        """The smallest values at which the distribution function reaches `u`, by bisection."""
        low, high = np.full_like(u, -1.0), np.full_like(u, 1.0)
        for _ in range(500):
            short = self._at(high) < u
            if not short.any() or high.max() > LARGEST:
                break
            high[short] *= 2
        for _ in range(500):
            long = self._at(low) >= u
            if not long.any() or low.min() < -LARGEST:
                break
            low[long] *= 2
        for _ in range(BISECTIONS):
            middle = low + (high - low) / 2
            reached = self._at(middle) >= u
            high, low = np.where(reached, middle, high), np.where(reached, low, middle)
        return high


def _around(distance: float, n: int, level: float, kind: str) -> Interval:
    half = float(np.sqrt(np.log(2 / (1 - level)) / (2 * n)))
    return Interval(max(0.0, distance - half), min(1.0, distance + half), level, kind)
