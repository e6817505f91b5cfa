"""The rule that one permutation serves all steps of two sequences of networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory._checks import stream
from validation.claim import Verdict, as_json

LEFT = 0.5  # of the unaligned barrier may be left by a permutation that aligns
LOST = 0.1  # of the unaligned barrier is how far it may stay behind a step's own permutation
JUDGED = 0.1  # of the largest mean unaligned barrier: steps below it leave nothing to align
LEVEL = 0.95
N_RESAMPLES = 20_000


@dataclass(frozen=True, eq=False)
class Comparison:
    """One permutation against none and against each step's own, at K judged steps, with simultaneous intervals ``(K, 2)``.

    `left` is the mean barrier as a share of the mean unaligned one; `lost` is the share by which it exceeds that of the own one.
    """

    judged: np.ndarray
    left: np.ndarray
    left_intervals: np.ndarray
    lost: np.ndarray
    lost_intervals: np.ndarray

    def record(self) -> dict[str, Any]:
        """Return every number, as JSON types."""
        return as_json(vars(self))


def ratios_of_means(
    numerators: np.ndarray, denominators: np.ndarray, level: float, root: np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray]:
    """Return ratios of the means over pairs ``(P, K)``, and their percentile intervals ``(K, 2)``; pairs are resampled whole."""
    n = len(numerators)
    counts = np.random.default_rng(root).multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES)
    counts = np.vstack([np.ones(n, dtype=counts.dtype), counts])
    totals = counts @ denominators
    ratios = np.divide(counts @ numerators, totals, out=np.zeros(totals.shape), where=totals > 0)
    return ratios[0], np.quantile(ratios[1:], [(1 - level) / 2, (1 + level) / 2], axis=0).T


def compare(
    one: np.ndarray, own: np.ndarray, unaligned: np.ndarray, candidates: np.ndarray, settings: int, root: np.random.SeedSequence
) -> Comparison:
    """Compare barriers ``(P, n)`` of P pairs at the steps among `candidates` which leave something to align.

    Intervals hold together for both ratios, all judged steps and all `settings`.
    """
    mean = unaligned.mean(axis=0)
    judged = candidates[mean[candidates] >= JUDGED * mean.max()]
    level = 1 - (1 - LEVEL) / (2 * max(1, len(judged)) * settings)
    one, own, unaligned = one[:, judged], own[:, judged], unaligned[:, judged]
    left, left_intervals = ratios_of_means(one, unaligned, level, stream(root, "left"))
    lost, lost_intervals = ratios_of_means(one - own, unaligned, level, stream(root, "lost"))
    return Comparison(judged, left, left_intervals, lost, lost_intervals)


def decide(comparisons: Sequence[Comparison]) -> Verdict:
    """Every share of every comparison certainly at most its limit: supported; one certainly above it: refuted."""

    def below(intervals: np.ndarray, limit: float) -> list[bool | None]:
        return [True if high <= limit else False if low > limit else None for low, high in intervals]

    conditions = [c for each in comparisons for c in below(each.left_intervals, LEFT) + below(each.lost_intervals, LOST)]
    return Verdict.of(*conditions) if conditions else Verdict.INCONCLUSIVE


def serving(barriers: np.ndarray, own: np.ndarray, unaligned: np.ndarray) -> np.ndarray:
    """Return which of the permutations serve a step, by the limits of `decide` on mean barriers.

    `barriers` ``(n, k)`` are those of n steps under k permutations, `own` and `unaligned` ``(n,)``.
    """
    return np.asarray(barriers <= np.minimum(LEFT * unaligned, own + LOST * unaligned)[:, None])
