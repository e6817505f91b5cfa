"""Intervals of shares, means and ranks, for independent samples and for pairs that share networks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, binom

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray, Rng
from lmctheory.bootstrap import bootstrap_means
from lmctheory.claims.interval import Interval
from lmctheory.errors import InvalidInputError


def share_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return the interval of Clopper and Pearson for a probability: exact coverage, at least `level`.

    Raises
    ------
    InvalidInputError
        Unless ``0 <= successes <= trials``, there is a trial, and `level` lies in (0, 1).

    References
    ----------
    Clopper and Pearson, Biometrika 26, 1934.

    Examples
    --------
    >>> from lmctheory.claims import share_interval
    >>> print(share_interval(0, 60))
    [0, 0.0596]
    """
    trials = _checks.integer("trials", trials, 1)
    successes = _checks.integer("successes", successes, 0)
    if successes > trials:
        raise InvalidInputError(f"successes must be at most trials, {trials}, got {successes}")
    tail = (1 - _checks.probability("level", level)) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.isf(tail, successes + 1, trials - successes) if successes < trials else 1.0
    return Interval(float(low), float(high), level)


def mean_interval(
    values: ArrayLike, *, pairs: ArrayLike | None = None, level: float = 0.95, rng: Rng = None, n_resamples: int = 2000
) -> Interval:
    """Return the symmetric bootstrap-t interval of a mean; with `pairs`, networks are resampled.

    Parameters
    ----------
    values : array_like, shape (n,)
    pairs : array_like of int, shape (n, 2), optional
        The networks behind each value.
    level : float
    rng : int, SeedSequence, Generator or None
    n_resamples : int
        At least 100.

    Returns
    -------
    Interval
        Unbounded where there is nothing to go by: fewer than two values or three networks, or all values the same.

    Raises
    ------
    InvalidInputError
        If values are not finite, or pairs do not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import mean_interval
    >>> values = np.random.default_rng(0).normal(3.0, 1.0, size=50)
    >>> mean_interval(values, rng=0).inside(2, 4)
    True
    """
    level = _checks.probability("level", level)
    return mean_intervals(values, (level,), pairs=pairs, rng=rng, n_resamples=n_resamples)[0]


def mean_intervals(
    values: ArrayLike, levels: Sequence[float], *, pairs: ArrayLike | None, rng: Rng, n_resamples: int = 2000
) -> list[Interval]:
    """Return the intervals of a mean at several levels, from the same resamples; see `mean_interval`."""
    values = _checks.real_array("values", values, 1)
    indices = None if pairs is None else np.asarray(pairs)
    unbounded = [Interval(-math.inf, math.inf, level) for level in levels]
    if len(values) < 2 or np.ptp(values) == 0 or (indices is not None and len(np.unique(indices)) < 3):
        return unbounded
    root = _checks.seed_sequence(rng)
    boot = bootstrap_means([values], [indices], n_resamples=_checks.integer("n_resamples", n_resamples, 100), root=root)
    if not len(boot.replicate_means):
        return unbounded
    return [Interval(*boot.interval(np.ones(1), level)[1], level) for level in levels]


def rank_interval(values: ArrayLike, quantile: float = 0.5, *, level: float = 0.95) -> Interval:
    """Return the interval of a quantile between two order statistics: it holds whatever the distribution.

    Parameters
    ----------
    values : array_like, shape (n,)
        Independent.
    quantile, level : float
        In (0, 1).

    Returns
    -------
    Interval
        Its end is infinite where no order statistic is far enough out.

    Raises
    ------
    InvalidInputError
        If values are not finite, or `quantile` or `level` does not lie in (0, 1).

    Examples
    --------
    >>> from lmctheory.claims import rank_interval
    >>> print(rank_interval(range(1, 101)))
    [40.0, 61.0]
    """
    ordered = np.sort(_checks.real_array("values", np.asarray(list(np.ravel(np.asarray(values)))), 1))
    quantile, level = _checks.probability("quantile", quantile), _checks.probability("level", level)
    n, tail = len(ordered), (1 - level) / 2
    # the number of values below the quantile is binomial; X_(k) <= quantile unless fewer than k are
    low = int(binom.ppf(tail, n, quantile))
    high = int(binom.isf(tail, n, quantile)) + 1
    return Interval(
        float(ordered[low - 1]) if low >= 1 else -math.inf, float(ordered[high - 1]) if high <= n else math.inf, level
    )


def disjoint_pairs(pairs: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the indices of pairs no two of which share a network, drawn at random: these are independent of each other."""
    used: set[int] = set()
    chosen = []
    for k in rng.permutation(len(pairs)):
        i, j = (int(end) for end in pairs[k])
        if i not in used and j not in used:
            used |= {i, j}
            chosen.append(int(k))
    return np.sort(np.array(chosen, dtype=np.intp))


def with_mean(values: FloatArray, mean: float) -> FloatArray:
    """Return the values with another mean: rescaled where that is possible, else shifted."""
    now = float(values.mean())
    if now * mean > 0:
        return values * (mean / now)
    return values - now + mean
