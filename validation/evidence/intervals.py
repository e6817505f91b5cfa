"""Confidence intervals of shares and means."""

from __future__ import annotations

import numpy as np
from scipy import stats


def share_interval(successes: int, n: int, level: float) -> tuple[float, float]:
    """Return the Clopper-Pearson interval."""
    found = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def mean_and_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Return the mean of independent values and its t-interval, unbounded for fewer than two."""
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    if n < 2:
        return mean, (-np.inf, np.inf)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return mean, (mean - half, mean + half)
