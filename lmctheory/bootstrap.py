"""The bootstrap of means: of independent samples, or of the networks behind pairs, which share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray
from lmctheory.errors import InvalidInputError

ROUNDING = 1e-13  # of logarithms of means, and of means relative to their size: smaller errors and deviations count as zero


class TooManyZerosError(InvalidInputError):
    """Every resample has a mean of zero somewhere: there is no logarithm to go by."""


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
        return times_exp(self.means, half)


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
        raise TooManyZerosError("samples must hold more non-zero barriers: every resample had a mean of zero at some width")
    return LogMeanBootstrap(
        means=np.ldexp(means, units),
        log_means=np.log(means) + np.log(2.0) * np.array(units),
        errors=errors / means,
        deviations=np.log(replicate_means) - np.log(means),
        replicate_errors=replicate_errors / replicate_means,
        dropped=int(n_resamples - usable.sum()),
    )


@dataclass(frozen=True, eq=False)
class MeanBootstrap:
    """Bootstrap of the means of independent groups, of either sign.

    `means` and standard errors `errors` have shape ``(n_groups,)``, their replicates ``(n_replicates, n_groups)``.
    """

    means: FloatArray
    errors: FloatArray
    replicate_means: FloatArray
    replicate_errors: FloatArray

    def interval(self, weights: FloatArray, level: float) -> tuple[float, tuple[float, float]]:
        """Return ``weights . means`` and its symmetric bootstrap-t interval."""
        rounding = ROUNDING * float(np.abs(weights) @ np.abs(self.means))
        return _symmetric(
            weights, self.means, self.errors, self.replicate_means, self.replicate_errors, level, rounding
        )  # fmt: skip


def bootstrap_means(
    samples: Sequence[FloatArray],
    pairs: Sequence[IntArray | None],
    *,
    n_resamples: int,
    root: np.random.SeedSequence,
) -> MeanBootstrap:
    """Resample each group: its samples or, where `pairs` holds their indices ``(n, 2)``, the networks behind them.

    Raises
    ------
    InvalidInputError
        If a group holds fewer than two values, or its pairs fewer than three networks.
    """
    groups = []
    for k, (sample, indices) in enumerate(zip(samples, pairs, strict=True)):
        values = _checks.real_array(f"samples[{k}]", sample, 1)
        if len(values) < 2:
            raise InvalidInputError(f"samples[{k}] must hold at least two values, got {len(values)}")
        checked = None if indices is None else _pair_indices(f"pairs[{k}]", indices, len(values))
        generator = np.random.default_rng(_checks.stream(root, "bootstrap", k))
        groups.append(_resample_mean(values, checked, n_resamples, generator))
    means, errors, replicate_means, replicate_errors = (np.stack(column, axis=-1) for column in zip(*groups, strict=True))
    usable = np.isfinite(replicate_means).all(axis=1)  # else all draws were of one network, which has no pair
    return MeanBootstrap(means, errors, replicate_means[usable], replicate_errors[usable])


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


def _symmetric(
    weights: FloatArray, values: FloatArray, errors: FloatArray, replicates: FloatArray, replicate_errors: FloatArray,
    level: float, rounding: float,
) -> tuple[float, tuple[float, float]]:  # fmt: skip
    """Return ``weights . values`` and the interval ``estimate +- q * error``, q the quantile of studentised deviations."""
    estimate = float(weights @ values)
    error = np.sqrt(weights**2 @ errors**2)
    deviations = np.abs(replicates @ weights - estimate)
    studentised = _studentise(deviations, np.sqrt(replicate_errors**2 @ weights**2), rounding)
    half = error * np.quantile(studentised, level, method="higher") if error > rounding else 0.0
    return estimate, (float(estimate - half), float(estimate + half))


def _studentise(deviations: FloatArray, errors: FloatArray, rounding: float = ROUNDING) -> FloatArray:
    """Return ``deviations / errors`` with 0/0 = 0, up to rounding: a replicate without spread that hits the estimate."""
    return np.divide(deviations, errors, out=np.where(deviations > rounding, np.inf, 0.0), where=errors > rounding)


def times_exp(means: FloatArray, half: ArrayLike) -> FloatArray:
    """Return ``means exp(-half)`` and ``means exp(half)``, ``(n, 2)``."""
    half = np.asarray(half, dtype=float)
    with np.errstate(over="ignore"):  # an interval may be unbounded
        return np.stack([means * np.exp(-half), means * np.exp(half)], axis=1)
