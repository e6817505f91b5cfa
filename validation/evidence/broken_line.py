"""Where a share starts to rise: the change point of a broken line, with intervals that hold for many cells at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESOLUTION = 0.002  # of candidate change points


@dataclass(frozen=True, eq=False)
class BrokenLine:
    """The line ``share = baseline + slope * max(0, 1 - change_point / x)`` of one cell: broken in 1/x, at the change point.

    `error` is the standard error of the change point, `step` what rounding to multiples of 1/m leaves open, `interval` one that
    holds at once for all cells fitted together.
    """

    baseline: float
    slope: float
    change_point: float
    error: float
    step: float
    interval: tuple[float, float]

    def agrees(self, prediction: float, margin: float) -> bool | None:
        """Return whether the interval over `prediction` lies within `margin` of 1; None if it does in part."""
        low, high = (end / prediction for end in self.interval)
        if low > 1 + margin or high < 1 - margin:
            return False
        return True if low >= 1 - margin and high <= 1 + margin else None


def fit_broken_lines(
    rates: np.ndarray,
    excess: Sequence[np.ndarray],
    widths: Sequence[int],
    root: np.random.SeedSequence,
    n_resamples: int,
    level: float,
) -> list[BrokenLine]:
    """Fit the share of neurons that have died against the rate, in each cell, by least squares.

    The line is broken in 1/x because what stability demands, ``1 - 1/x``, is straight there.

    Parameters
    ----------
    rates : ndarray, shape (n_rates,)
    excess : sequence of ndarray, shape (n_initialisations, n_rates)
        For each cell the number of neurons dead beyond the baseline of their initialisation; NaN where a run counts for nothing.
        Fewer than two initialisations, or three rates, give an unbounded interval.
    widths : sequence of int

    Notes
    -----
    A share is a multiple of 1/m: k deaths are what it takes if the need lies between k - 1 and k neurons, so they enter as
    (k - 1/2) / m; no deaths enter as none. Whole initialisations are resampled. The interval is the estimate +- (q * standard
    error + step): q is the quantile of the largest studentised deviation over all cells, and the step, change point / (m slope),
    covers what rounding does where all initialisations agree (in trials the estimate was wrong by up to 0.74 of it).
    """
    estimates, deviations = [], [np.zeros(n_resamples)]
    for k, (counts, width) in enumerate(zip(excess, widths, strict=True)):
        shares = np.where(counts > 0, counts - 0.5, counts) / width
        n = len(shares)
        if n < 2 or np.isfinite(shares).any(axis=0).sum() < 3:
            estimates.append((np.nan, np.nan, np.nan, np.inf, np.inf))
            continue
        generator = np.random.default_rng(np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, k)))
        weights = np.vstack([np.ones(n), generator.multinomial(n, np.full(n, 1 / n), size=n_resamples)])
        baselines, slopes, points = _least_squares(rates, shares, weights)
        error = np.sqrt(np.mean((points[1:] - points[0]) ** 2) * n / (n - 1))
        step = points[0] / (width * slopes[0]) if slopes[0] > 0 else np.inf
        estimates.append((baselines[0], slopes[0], points[0], error, step))
        deviations.append(np.abs(points[1:] - points[0]) / max(error, RESOLUTION))
    quantile = np.quantile(np.max(deviations, axis=0), level, method="higher")
    lines = []
    for baseline, slope, point, error, step in estimates:
        half = quantile * error + step if np.isfinite(error) else np.inf
        interval = (float(point - half), float(point + half)) if np.isfinite(half) else (-np.inf, np.inf)
        lines.append(BrokenLine(float(baseline), float(slope), float(point), float(error), float(step), interval))
    return lines


def _least_squares(rates: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return baseline, slope and change point for each row of `weights` ``(B, n)`` of the initialisations.

    Candidates keep at least one rate below and two above them; where nothing rises the change point is the last rate.
    """
    present = np.isfinite(shares)
    mass = weights @ present  # (B, n_rates)
    total = weights @ np.where(present, shares, 0.0)
    used = present.any(axis=0)
    low, high = rates[used][0], rates[used][-2]
    candidates = np.arange(low, high + RESOLUTION / 2, RESOLUTION)
    ramps = np.maximum(0.0, 1.0 - candidates / rates[:, None])  # (n_rates, K)
    n, y = mass.sum(axis=1, keepdims=True), total.sum(axis=1, keepdims=True)
    x, xx, xy = mass @ ramps, mass @ ramps**2, total @ ramps
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = xx - x**2 / n
        slopes = (xy - x * y / n) / spread
        gain = np.where((slopes > 0) & (spread > 0), slopes * (xy - x * y / n), 0.0)
    best = np.argmax(gain, axis=1)
    rows = np.arange(len(weights))
    rises = gain[rows, best] > 0
    slope = np.where(rises, slopes[rows, best], 0.0)
    point = np.where(rises, candidates[best], rates[used][-1])
    with np.errstate(invalid="ignore"):  # a resample in which nothing has settled
        baseline = (y[:, 0] - slope * np.where(rises, x[rows, best], 0.0)) / n[:, 0]
    return baseline, slope, point


def margin(M: int, width: int) -> float:
    """Return how far from 1 the change point may lie: 5 %, or two neurons of a balanced class."""
    return max(0.05, 2 * M / width)
