"""Power laws in the width: fits of the logarithm of mean barriers, with bootstrap intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, Rng
from lmctheory.bootstrap import ROUNDING, LogMeanBootstrap, bootstrap_log_means, times_exp
from lmctheory.errors import ConvergenceWarning, InvalidInputError

MAX_DROPPED = 0.01
LEAST_STEP = 1e-9  # between widths, relative to the smaller one


@dataclass(frozen=True, eq=False)
class RateFit:
    """A power law ``mean barrier ~ exp(intercept) * m^exponent`` and the evidence for it.

    Attributes
    ----------
    exponent, intercept : float
        Ordinary least squares of ``log(mean)`` on ``log(m)``.
    interval : tuple of float
        Interval of the exponent at confidence `level`. NaN at both ends if the barriers at some width show no spread, which is no
        certainty; infinite if too many resamples show none. So are the other intervals, by the widths that they depend on.
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
        """Return the fitted mean at `widths`, a positive number or several of shape (n,)."""
        at = _checks.real_array("widths", np.ma.atleast_1d(widths), 1)
        if at.min() <= 0:
            raise InvalidInputError(f"widths must be positive, got {at.min()}")
        with np.errstate(over="ignore"):
            means = np.exp(self.intercept + self.exponent * np.log(at))
        return means.reshape(np.shape(widths))


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
        At least two, positive and increasing, each by more than a part 1e-9.
    samples : sequence of array_like
        For each width at least two non-negative barriers, not all zero, in any unit.
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
        If there are fewer than two widths or two hardly differ, arrays do not fit together, a barrier is negative or not finite,
        or the mean at a width is zero.

    Warns
    -----
    ConvergenceWarning
        If more than 1 % of the replicates had to be dropped: too few non-zero barriers for a trustworthy interval. If all
        barriers at some width are equal, or barriers are too few for the interval of the exponent to be finite; the message
        says where and what is missing.

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
    if (np.diff(widths) <= LEAST_STEP * widths[:-1]).any():
        raise InvalidInputError(f"widths must differ by more than a part {LEAST_STEP:g}, got {widths.tolist()}")
    level = _checks.probability("level", level)
    root = _checks.seed_sequence(rng)
    boot = bootstrap_log_means(samples, pairs, n_resamples=n_resamples, root=root)
    if len(boot.log_means) != len(widths):
        raise InvalidInputError(f"samples must hold one array a width, {len(widths)}, got {len(boot.log_means)}")

    steps = _log_steps(widths)
    x = np.append(0.0, np.cumsum(steps))  # log(m / m_0)
    centred = x - x.mean()
    exponent, interval = boot.interval(centred / (centred @ centred), level)
    curvature, curvature_interval, lack_of_fit = np.nan, (np.nan, np.nan), np.nan
    if len(widths) > 2:
        unit = np.abs(centred).max()
        parabola = np.linalg.pinv(np.stack([np.ones_like(x), centred / unit, (centred / unit) ** 2], axis=1))
        curvature, curvature_interval = boot.interval(parabola[2] / unit**2, level)
        lack_of_fit = _lack_of_fit(x, boot)
    slopes = [boot.of([k, k + 1]).interval(np.array([-1.0, 1.0]) / step, level) for k, step in enumerate(steps)]
    resampled = "samples" if pairs is None else "networks"
    if missing := _missing_spread(widths, boot, bool(np.isinf(interval).any()), level, resampled):
        warnings.warn(missing, ConvergenceWarning, stacklevel=2)
    if boot.dropped > MAX_DROPPED * n_resamples:
        warnings.warn(
            f"{boot.dropped} of {n_resamples} resamples have a mean of zero at some width: the interval is not trustworthy",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    return RateFit(
        exponent=exponent,
        intercept=float(boot.log_means.mean() - exponent * (np.log(widths[0]) + x.mean())),
        interval=interval,
        level=level,
        widths=widths,
        means=boot.means,
        mean_intervals=times_exp(boot.means, [boot.of([k]).half_width(np.ones(1), level) for k in range(len(x))]),
        curvature=curvature,
        curvature_interval=curvature_interval,
        lack_of_fit=lack_of_fit,
        local_slopes=np.array([slope for slope, _ in slopes]),
        local_intervals=np.array([slope_interval for _, slope_interval in slopes]),
        resampled=resampled,
        n_resamples=n_resamples,
        dropped_resamples=boot.dropped,
        seed=(root.entropy, tuple(root.spawn_key)),
    )


def _lack_of_fit(x: FloatArray, boot: LogMeanBootstrap) -> float:
    """Share of replicates whose deviations from the estimate fit a line worse than the estimate itself does."""

    def misfit(y: FloatArray, errors: FloatArray) -> FloatArray:
        weights = (errors.min(axis=-1, keepdims=True) / errors) ** 2
        weights = weights / weights.sum(axis=-1, keepdims=True)
        dx, dy = (v - (weights * v).sum(axis=-1, keepdims=True) for v in (np.broadcast_to(x, y.shape), y))
        slope = (weights * dx * dy).sum(axis=-1, keepdims=True) / (weights * dx**2).sum(axis=-1, keepdims=True)
        residuals: FloatArray = (((dy - slope * dx) / errors) ** 2).sum(axis=-1)
        return residuals

    usable = (boot.replicate_errors > ROUNDING).all(axis=1)
    if boot.without_spread.any() or not usable.any():
        return float("nan")
    replicates = misfit(boot.deviations[usable], boot.replicate_errors[usable])
    return float((1 + np.sum(replicates >= misfit(boot.log_means, boot.errors))) / (1 + len(replicates)))


def _log_steps(widths: FloatArray) -> FloatArray:
    """Return the differences of the logarithms, also of widths that are close."""
    steps = np.diff(widths)
    near = steps < widths[:-1]
    return np.where(near, np.log1p(np.minimum(steps, widths[:-1]) / widths[:-1]), np.diff(np.log(widths)))


def _missing_spread(widths: FloatArray, boot: LogMeanBootstrap, unbounded: bool, level: float, resampled: str) -> str:
    """Return why the interval of the exponent is none or unbounded, and what is missing; empty if it is neither."""
    if boot.without_spread.any():
        where = ", ".join(f"{m:g}" for m in widths[boot.without_spread])
        return f"the barriers at width {where} show no spread, which is no certainty: intervals that depend on them are NaN"
    if not unbounded:
        return ""
    share = np.mean((boot.replicate_errors <= ROUNDING).all(axis=1))
    # n different barriers at a width are resampled as n times the same one with probability n^(1 - n)
    enough = next(n for n in range(2, 100) if float(n) ** ((1 - n) * len(widths)) <= (1 - level) / 2)
    missing = f"at least {enough} different barriers" if resampled == "samples" else "more networks"
    return (
        f"{share:.0%} of the resamples show no spread, too many for a finite interval at level {level:g}: "
        f"{missing} at each width are needed"
    )
