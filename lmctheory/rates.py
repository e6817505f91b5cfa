"""Power laws in the width: fits of the logarithm of mean barriers, with bootstrap intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, Rng
from lmctheory.bootstrap import ROUNDING, LogMeanBootstrap, bootstrap_log_means, exp_of
from lmctheory.errors import ConvergenceWarning, InvalidInputError

MAX_DROPPED = 0.01


@dataclass(frozen=True, eq=False)
class RateFit:
    """A power law ``mean barrier ~ exp(intercept) * m^exponent`` and the evidence for it.

    Attributes
    ----------
    exponent, intercept : float
        Ordinary least squares of ``log(mean)`` on ``log(m)``.
    interval : tuple of float
        Interval of the exponent at confidence `level`.
    level : float
    widths : ndarray, shape (n_widths,)
        Increasing.
    means, mean_intervals : ndarray, shape (n_widths,) and (n_widths, 2)
        Mean at each width and its interval, each at `level`.
    curvature, curvature_interval : float, tuple of float
        Coefficient of ``(log m)^2`` when a parabola is fitted instead, NaN for two widths; an interval without 0 says that
        the data do not follow one power law.
    lack_of_fit : float
        Bootstrap p-value of the hypothesis that the means lie on one power law (weighted sum of squared residuals, calibrated
        on the replicates); NaN for two widths or without spread.
    local_slopes, local_intervals : ndarray, shape (n_widths - 1,) and (n_widths - 1, 2)
        Exponents between neighbouring widths.
    resampled : str
        "samples" or "networks": the unit of the bootstrap.
    n_resamples, dropped_resamples : int
        Bootstrap replicates drawn, and those left out because the mean at some width was zero or undefined.
    seed : tuple
        Entropy and spawn key of the bootstrap's SeedSequence.
    """

    exponent: float
    intercept: float
    interval: tuple[float, float]
    level: float
    widths: FloatArray
    means: FloatArray
    mean_intervals: FloatArray
    curvature: float
    curvature_interval: tuple[float, float]
    lack_of_fit: float
    local_slopes: FloatArray
    local_intervals: FloatArray
    resampled: str
    n_resamples: int
    dropped_resamples: int
    seed: tuple[object, tuple[int, ...]]

    def predict(self, widths: ArrayLike) -> FloatArray:
        """Return the fitted mean at `widths`."""
        return np.exp(self.intercept) * np.asarray(widths, dtype=float) ** self.exponent


def fit_rate(
    widths: ArrayLike,
    samples: Sequence[ArrayLike],
    *,
    rng: Rng = None,
    pairs: Sequence[ArrayLike] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> RateFit:
    """Fit ``mean barrier ~ C m^exponent`` by least squares on logarithms of the mean over pairs, with a bootstrap interval.

    Barriers of single pairs may be exactly zero, so the mean is taken before the logarithm.

    Parameters
    ----------
    widths : array_like, shape (n_widths,)
        At least two, positive and increasing.
    samples : sequence of array_like
        For each width at least two non-negative barriers, not all zero.
    rng : int, SeedSequence, Generator or None
        Source of the resamples.
    pairs : sequence of array_like of shape (n, 2), optional
        For each width the networks behind each barrier, as indices. Networks are then resampled: barriers that share a
        network are not independent. At least three networks a width.
    level : float
        Confidence of every interval, in (0, 1).
    n_resamples : int
        Bootstrap replicates, at least 100.

    Returns
    -------
    RateFit

    Raises
    ------
    InvalidInputError
        If there are fewer than two widths, arrays do not fit together, a barrier is negative or not finite, or the mean
        at a width is zero.

    Warns
    -----
    ConvergenceWarning
        If more than 1 % of the replicates had to be dropped: too few non-zero barriers for a trustworthy interval.

    Notes
    -----
    Intervals are ``estimate +- q * standard error`` with q the `level` quantile of ``|estimate* - estimate| / standard error*``
    over replicates (symmetric bootstrap-t); standard errors by the infinitesimal jackknife over units, which for
    networks counts every pair that a network takes part in. Widths are taken as independent of one another.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 11 and 12.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> draw = np.random.default_rng(0)
    >>> widths = np.array([8, 16, 32, 64])
    >>> samples = [draw.lognormal(np.log(1 / m), 0.5, size=200) for m in widths]
    >>> fit = lmc.fit_rate(widths, samples, rng=0)
    >>> fit.interval[0] < -1 < fit.interval[1]
    True
    """
    widths = _checks.real_array("widths", widths, 1)
    if len(widths) < 2:
        raise InvalidInputError(f"widths must hold at least two widths, got {len(widths)}")
    if widths[0] <= 0 or (np.diff(widths) <= 0).any():
        raise InvalidInputError(f"widths must be positive and increasing, got {widths.tolist()}")
    level = _checks.probability("level", level)
    root = _checks.seed_sequence(rng)
    boot = bootstrap_log_means(samples, pairs, n_resamples=n_resamples, root=root)
    if len(boot.log_means) != len(widths):
        raise InvalidInputError(f"samples must hold one array a width, {len(widths)}, got {len(boot.log_means)}")

    x = np.log(widths)
    line = np.linalg.pinv(np.stack([np.ones_like(x), x], axis=1))
    exponent, interval = boot.interval(line[1], level)
    curvature, curvature_interval, lack_of_fit = np.nan, (np.nan, np.nan), np.nan
    if len(widths) > 2:
        centred = x - x.mean()
        parabola = np.linalg.pinv(np.stack([np.ones_like(x), centred, centred**2], axis=1))
        curvature, curvature_interval = boot.interval(parabola[2], level)
        lack_of_fit = _lack_of_fit(x, boot)
    steps = (np.eye(len(x))[1:] - np.eye(len(x))[:-1]) / np.diff(x)[:, None]
    slopes = [boot.interval(step, level) for step in steps]
    if boot.dropped > MAX_DROPPED * n_resamples:
        warnings.warn(
            f"{boot.dropped} of {n_resamples} resamples have a mean of zero at some width: the interval is not trustworthy",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    return RateFit(
        exponent=exponent,
        intercept=float(line[0] @ boot.log_means),
        interval=interval,
        level=level,
        widths=widths,
        means=np.exp(boot.log_means),
        mean_intervals=exp_of([boot.interval(row, level)[1] for row in np.eye(len(x))]),
        curvature=curvature,
        curvature_interval=curvature_interval,
        lack_of_fit=lack_of_fit,
        local_slopes=np.array([slope for slope, _ in slopes]),
        local_intervals=np.array([slope_interval for _, slope_interval in slopes]),
        resampled="samples" if pairs is None else "networks",
        n_resamples=n_resamples,
        dropped_resamples=boot.dropped,
        seed=(root.entropy, tuple(root.spawn_key)),
    )


def _lack_of_fit(x: FloatArray, boot: LogMeanBootstrap) -> float:
    """Share of replicates whose deviations from the estimate fit a line worse than the estimate itself does."""

    def misfit(y: FloatArray, errors: FloatArray) -> FloatArray:
        weights = 1 / errors**2
        weights = weights / weights.sum(axis=-1, keepdims=True)
        dx, dy = (v - (weights * v).sum(axis=-1, keepdims=True) for v in (np.broadcast_to(x, y.shape), y))
        slope = (weights * dx * dy).sum(axis=-1, keepdims=True) / (weights * dx**2).sum(axis=-1, keepdims=True)
        residuals: FloatArray = (((dy - slope * dx) / errors) ** 2).sum(axis=-1)
        return residuals

    usable = (boot.replicate_errors > ROUNDING).all(axis=1)
    if not ((boot.errors > ROUNDING).all() and usable.any()):
        return float("nan")
    replicates = misfit(boot.replicate_log_means[usable] - boot.log_means, boot.replicate_errors[usable])
    return float((1 + np.sum(replicates >= misfit(boot.log_means, boot.errors))) / (1 + len(replicates)))
