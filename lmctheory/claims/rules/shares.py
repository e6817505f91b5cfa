"""The rules `share_above` and `share_below`: how often something happens, by the interval of Clopper and Pearson."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import BoolArray
from lmctheory.claims import figures
from lmctheory.claims.data import Measured, Sample, label
from lmctheory.claims.interval import at_least, at_most, number_text
from lmctheory.claims.rules.rule import Rule, Worlds, at_cell
from lmctheory.claims.statistics import share_interval
from lmctheory.claims.verdict import Condition, Conditions, Verdict
from lmctheory.errors import InvalidInputError


def share_above(
    p: float, *, where: Callable[..., Any] | None = None, of: str = "heights", resolution: float = 0.1, level: float = 0.95
) -> Rule:
    """Return the rule that something happens with probability at least `p` in every cell.

    Parameters
    ----------
    p : float
        In (0, 1).
    where : callable, optional
        ``where(values, **cell)`` says of each value whether it happened, with the parameters of the cell that it takes:
        ``lambda heights, width: heights <= 1 / width``. Not needed where the values are True and False, or 1 and 0.
    of : str
        The field of the results.
    resolution : float
        Distance of the planted shares from `p`.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Notes
    -----
    The interval of Clopper and Pearson, which is exact, needs independent trials. Where results have `pairs`, pairs that share no
    network are drawn at random: half as many trials as networks.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, share_above
    >>> data = Measured([({"width": 4}, np.arange(200) >= 10)])  # 190 of 200
    >>> share_above(0.9).judge(data, np.random.default_rng(0)).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    return _share(p, True, where, of, resolution, level)


def share_below(
    p: float, *, where: Callable[..., Any] | None = None, of: str = "heights", resolution: float = 0.1, level: float = 0.95
) -> Rule:
    """Return the rule that something happens with probability at most `p` in every cell; see `share_above`.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, share_below
    >>> data = Measured([({"width": 4}, np.linspace(0, 1, 200))])
    >>> share_below(0.2, where=lambda heights: heights > 0.9).judge(data, np.random.default_rng(0)).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    return _share(p, False, where, of, resolution, level)


def _share(p: float, above: bool, where: Callable[..., Any] | None, of: str, resolution: float, level: float) -> Rule:
    resolution = _checks.real("resolution", resolution, positive=True)
    return Share(level=level, p=_checks.probability("p", p), above=above, where=where, of=of, resolution=resolution)


@dataclass(frozen=True)
class Share(Rule):
    """See `share_above` and `share_below`."""

    p: float = 0.5
    above: bool = True
    where: Callable[..., Any] | None = None
    of: str = "heights"
    resolution: float = 0.1

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        side, end, other = ("at least", "lower", "upper") if self.above else ("at most", "upper", "lower")
        what = self.of if self.where is None else f"{self.of} with the property asked for"
        return (
            f"Supported if in every cell the {end} end of the {self.level:.0%} interval of the share of {what} (Clopper and "
            f"Pearson, independent trials) is {side} {number_text(self.p)}; refuted if the {other} end of one of the intervals "
            "that hold together at this level is on the other side."
        )

    def count(self, data: Measured) -> int:
        """One condition a cell."""
        return len(data.samples(self.of))

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Judge the share in each cell."""
        varying, found = data.varying(), []
        bound = at_least(self.p) if self.above else at_most(self.p)
        for sample in data.samples(self.of):
            trials = Sample(sample.cell, self._happened(sample), sample.pairs).independent(rng)
            k, n = int(trials.sum()), len(trials)
            refuting = None
            if refuting_level > self.level:
                refuting = share_interval(k, n, refuting_level).of_kind("simultaneous")
            where = label(sample.cell, varying)
            name = f"share at {where}" if where else "share"
            found.append(Condition.judged(name, k / n, share_interval(k, n, self.level), bound, refuting, n))
        return Conditions(found)

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured trials, as many of them relabelled as make the share false, and true."""
        sign = 1 if self.above else -1
        false, true = self._clipped(self.p - sign * self.resolution), self._clipped(self.p + sign * self.resolution)
        return {
            f"share {number_text(false)}": (self._with_share(data, false, rng), Verdict.REFUTED),
            f"share {number_text(true)}": (self._with_share(data, true, rng), Verdict.SUPPORTED),
        }

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Shares in the cells, with their intervals and the bound."""
        figures.points(axes, data, self.conditions(data, rng, self.level), "share")

    def _clipped(self, share: float) -> float:
        return min(1.0, max(0.0, share))

    def _happened(self, sample: Sample) -> BoolArray:
        values = sample.values
        if values.dtype.kind == "b":
            return np.asarray(values)
        if self.where is not None:
            answer = at_cell(self.where, sample.cell, values)
            found = np.asarray(answer)
            if found.dtype.kind != "b" or found.shape != values.shape:
                raise InvalidInputError(
                    f"where must return True or False for each of {len(values)} values, got {_checks.describe(answer)}"
                )
            return found
        if not np.isin(values, (0, 1)).all():
            raise InvalidInputError(f"{self.of} must be True and False, or where must say when something has happened")
        return np.asarray(values == 1)

    def _with_share(self, data: Measured, share: float, rng: np.random.Generator) -> Measured:
        def relabelled(_: int, sample: Sample) -> BoolArray:
            n = len(sample.values)
            chosen = np.zeros(n, dtype=bool)
            chosen[rng.permutation(n)[: round(share * n)]] = True
            return chosen

        return data.replace(self.of, relabelled)
