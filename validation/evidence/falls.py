"""How fast barriers between networks trained on images fall with the width, and how much of them permutations remove."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lmctheory as lmc
from lmctheory.bootstrap import bootstrap_log_means
from validation.cells.images import ImageEnsemble
from validation.claim import Verdict
from validation.evidence import rates

LEVEL = 0.95
HALF = 0.5


@dataclass(frozen=True, eq=False)
class Fall:
    """Barriers at several widths: power laws over all widths and over the upper half, and what permutations leave.

    `shares` are the mean ratios, over pairs, of the barrier to the one without permutation, with intervals that hold at once,
    ``(n_widths, 2)``. Widths at which every barrier is zero are left out of the fits: they lie below any power law.
    """

    fits: tuple[lmc.RateFit, ...]
    shares: np.ndarray
    share_intervals: np.ndarray

    def bounded(self) -> Verdict:
        """Whether the exponents are at most -1/2, by the rule of `rates`."""
        return rates.decide(self.fits) if self.fits else Verdict.INCONCLUSIVE

    def falls(self) -> Verdict:
        """Whether the exponent over all widths is negative."""
        if not self.fits:
            return Verdict.INCONCLUSIVE
        low, high = self.fits[0].interval
        return Verdict.of(True if high < 0 else False if low > 0 else None)

    def halved(self, last: int | None = None) -> Verdict:
        """Whether permutations remove more than half of the barrier, at every width or at the `last` ones."""
        intervals = self.share_intervals if last is None else self.share_intervals[-last:]
        return Verdict.of(*(True if high < HALF else False if low > HALF else None for low, high in intervals))

    def record(self) -> dict[str, Any]:
        """Return every number, as JSON types."""
        return {
            "fits": [rates.fit_record(fit) for fit in self.fits],
            "shares": self.shares.tolist(),
            "share_intervals": self.share_intervals.tolist(),
        }


def fall(
    widths: Sequence[int],
    barriers: Sequence[np.ndarray],
    unaligned: Sequence[np.ndarray],
    pairs: Sequence[np.ndarray] | None,
    root: np.random.SeedSequence,
) -> Fall:
    """Return how the means of `barriers` fall, one array a width; networks are resampled if `pairs` are given."""
    fits = []
    for start in (0, len(widths) // 2):
        kept = [k for k in range(start, len(widths)) if barriers[k].any()]
        if len(kept) > 1:
            behind = None if pairs is None else [pairs[k] for k in kept]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # dropped resamples are in the record
                fits.append(lmc.fit_rate([widths[k] for k in kept], [barriers[k] for k in kept], pairs=behind, rng=root))
    ratios = [np.divide(b, u, out=np.ones_like(b), where=u > 0) for b, u in zip(barriers, unaligned, strict=True)]
    boot = bootstrap_log_means(ratios, pairs, n_resamples=2000, root=root)
    return Fall(tuple(fits), np.exp(boot.log_means), boot.simultaneous_intervals(LEVEL))


def fall_of(ensembles: Sequence[ImageEnsemble], alignment: str, split: str, measure: str, root: np.random.SeedSequence) -> Fall:
    """Return how the barriers of pairs fall."""
    barriers, unaligned = ([e.barriers(way, split, measure) for e in ensembles] for way in (alignment, "none"))
    return fall([e.width for e in ensembles], barriers, unaligned, [e.pairs for e in ensembles], root)
