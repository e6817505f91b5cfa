"""Power laws in the width: fits of the logarithm of mean barriers, with bootstrap intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray, Rng
from lmctheory.errors import ConvergenceWarning, InvalidInputError

MAX_DROPPED = 0.01
ROUNDING = 1e-13  # of logarithms of means: smaller errors and deviations count as zero
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
        mean_intervals=_times_exp(boot.means, [boot.of([k]).half_width(np.ones(1), level) for k in range(len(x))]),
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


@dataclass(frozen=True, eq=False)
class LogMeanBootstrap:
    """Bootstrap of the logarithms of means of independent groups.

    `means`, their logarithms `log_means` and standard errors `errors` of these have shape ``(n_groups,)``. For each replicate,
    ``(n_replicates, n_groups)``, `deviations` are the logarithms of its means less `log_means`, with standard errors
    `replicate_errors`; `dropped` counts replicates left out because a mean was zero or undefined.
    """

    means: FloatArray
    log_means: FloatArray
    errors: FloatArray
    deviations: FloatArray
    replicate_errors: FloatArray
    dropped: int

    @property
    def without_spread(self) -> BoolArray:
        """Which groups have a standard error of 0, up to rounding ``(n_groups,)``."""
        return self.errors <= ROUNDING

    def of(self, groups: list[int]) -> LogMeanBootstrap:
        """Return the bootstrap of some groups alone."""
        columns = {name: value[..., groups] for name, value in vars(self).items() if name != "dropped"}
        return replace(self, **columns)

    def interval(self, weights: FloatArray, level: float) -> tuple[float, tuple[float, float]]:
        """Return ``weights . log_means`` and its symmetric bootstrap-t interval; NaN if a group has no spread."""
        estimate, half = float(weights @ self.log_means), self.half_width(weights, level)
        return estimate, (estimate - half, estimate + half)

    def half_width(self, weights: FloatArray, level: float) -> float:
        """Return half the width of the interval of ``weights . log_means``."""
        if self.without_spread.any():
            return float("nan")
        scale = np.abs(weights).max()
        relative = weights / scale
        replicate_errors = np.sqrt(self.replicate_errors**2 @ relative**2)
        quantile = np.quantile(_studentise(np.abs(self.deviations @ relative), replicate_errors), level, method="higher")
        return float(scale * np.sqrt(relative**2 @ self.errors**2) * quantile)

    def simultaneous_intervals(self, level: float) -> FloatArray:
        """Return intervals of the means, ``(n_groups, 2)``, that hold together at `level` (largest studentised deviation).

        They have width 0 where a group has no spread: for callers who know that its mean is then exact.
        """
        deviations = _studentise(np.abs(self.deviations), self.replicate_errors)
        quantile = np.quantile(deviations.max(axis=1), level, method="higher")
        half = np.zeros_like(self.errors)
        np.multiply(self.errors, quantile, out=half, where=~self.without_spread)
        return _times_exp(self.means, half)


def bootstrap_log_means(
    samples: Sequence[ArrayLike],
    pairs: Sequence[ArrayLike] | None,
    *,
    n_resamples: int,
    root: np.random.SeedSequence,
) -> LogMeanBootstrap:
    """Resample the samples of each group, or the networks behind them; see `fit_rate` for the arguments and errors."""
    n_resamples = _checks.integer("n_resamples", n_resamples, 100)
    samples = _checks.items("samples", samples, "arrays of barriers")
    if pairs is not None and len(pairs := _checks.items("pairs", pairs, "index arrays")) != len(samples):
        raise InvalidInputError(f"pairs must hold one array a width, {len(samples)}, got {len(pairs)}")
    groups, units = [], []
    for k, values in enumerate(samples):
        values = _checks.real_array(f"samples[{k}]", values, 1)
        if values.min() < 0:
            raise InvalidInputError(f"samples[{k}] must not be negative, got {values.min()}")
        if len(values) < 2:
            raise InvalidInputError(f"samples[{k}] must hold at least two barriers, got {len(values)}")
        if values.max() == 0:
            raise InvalidInputError(f"samples[{k}] must have a positive mean, got only zeros: their logarithm is undefined")
        indices = None if pairs is None else _pair_indices(f"pairs[{k}]", pairs[k], len(values))
        generator = np.random.default_rng(_checks.stream(root, "bootstrap", k))
        units.append(int(np.frexp(values.max())[1]))  # squares of barriers may be out of range, those in units of 2^k are not
        groups.append(_resample_mean(np.ldexp(values, -units[-1]), indices, n_resamples, generator))
    means, errors, replicate_means, replicate_errors = (np.stack(column, axis=-1) for column in zip(*groups, strict=True))
    with np.errstate(invalid="ignore"):
        usable = (replicate_means > 0).all(axis=1)
    replicate_means, replicate_errors = replicate_means[usable], replicate_errors[usable]
    if len(replicate_means) == 0:
        raise InvalidInputError("samples must hold more non-zero barriers: every resample had a mean of zero at some width")
    return LogMeanBootstrap(
        means=np.ldexp(means, units),
        log_means=np.log(means) + np.log(2.0) * np.array(units),
        errors=errors / means,
        deviations=np.log(replicate_means) - np.log(means),
        replicate_errors=replicate_errors / replicate_means,
        dropped=int(n_resamples - usable.sum()),
    )


def _pair_indices(name: str, value: ArrayLike, n: int) -> IntArray:
    raw = _checks.integer_array(name, value, (n, 2))
    if raw.min() < 0 or (raw[:, 0] == raw[:, 1]).any():
        raise InvalidInputError(f"{name} must hold non-negative indices of two different networks a row")
    labels, indices = np.unique(raw, return_inverse=True)
    if len(labels) < 3:
        raise InvalidInputError(f"{name} must name at least three networks, got {len(labels)}: networks are resampled")
    return indices.reshape(raw.shape)


def _resample_mean(
    values: FloatArray, pairs: IntArray | None, n_resamples: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the mean, its standard error, and both for every replicate, from multiplicities of the units."""
    n = len(values) if pairs is None else int(pairs.max()) + 1
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(float)
    counts = np.vstack([np.ones(n), counts])
    with np.errstate(invalid="ignore", divide="ignore"):
        means, errors = _sample_mean(counts, values) if pairs is None else _pair_mean(counts, values, pairs)
    errors *= np.sqrt(n / (n - 1))
    return means[0], errors[0], means[1:], errors[1:]


def _sample_mean(counts: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    n, centre = counts.shape[1], values.mean()
    shifts = counts @ (values - centre) / n
    return centre + shifts, np.sqrt(np.maximum(counts @ (values - centre) ** 2 / n - shifts**2, 0.0) / n)


def _pair_mean(counts: FloatArray, values: FloatArray, pairs: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean with weight ``c_i c_j`` for the pair (i, j), and the root of the sum of squared influences of the networks."""
    n = counts.shape[1]
    total, present = np.zeros((n, n)), np.zeros((n, n))
    for first, second in (pairs.T, pairs.T[::-1]):
        np.add.at(total, (first, second), values)
        np.add.at(present, (first, second), 1.0)
    sums, weights = counts @ total, counts @ present
    norm = (weights * counts).sum(axis=1)
    means = (sums * counts).sum(axis=1) / norm
    influences = 2 * (sums - means[:, None] * weights) / norm[:, None]
    return means, np.sqrt((counts * influences**2).sum(axis=1))


def _studentise(deviations: FloatArray, errors: FloatArray) -> FloatArray:
    """Return ``deviations / errors`` with 0/0 = 0, up to rounding: a replicate without spread that hits the estimate."""
    return np.divide(deviations, errors, out=np.where(deviations > ROUNDING, np.inf, 0.0), where=errors > ROUNDING)


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


def _times_exp(means: FloatArray, half: ArrayLike) -> FloatArray:
    """Return ``means exp(-half)`` and ``means exp(half)``, ``(n, 2)``."""
    half = np.asarray(half, dtype=float)
    with np.errstate(over="ignore"):  # an interval may be unbounded
        return np.stack([means * np.exp(-half), means * np.exp(half)], axis=1)


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
