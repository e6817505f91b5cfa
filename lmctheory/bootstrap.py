"""The bootstrap of means: of independent samples, or of the networks behind pairs, which share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError

ROUNDING = 1e-13  # of logarithms of means, and of means relative to their size: smaller errors and deviations count as zero


class TooManyZerosError(InvalidInputError):
    """Every resample has a mean of zero somewhere: there is no logarithm to go by."""


@dataclass(frozen=True, eq=False)
class LogMeanBootstrap:
    """Bootstrap of the logarithms of means of independent groups.

    `log_means` and standard errors `errors` have shape ``(n_groups,)``, their replicates ``(n_replicates, n_groups)``; `dropped`
    counts replicates left out because a mean was zero or undefined.
    """

    log_means: FloatArray
    errors: FloatArray
    replicate_log_means: FloatArray
    replicate_errors: FloatArray
    dropped: int

    def interval(self, weights: FloatArray, level: float) -> tuple[float, tuple[float, float]]:
        """Return ``weights . log_means`` and its symmetric bootstrap-t interval."""
        return _symmetric(
            weights, self.log_means, self.errors, self.replicate_log_means, self.replicate_errors, level, ROUNDING
        )  # fmt: skip

    def simultaneous_intervals(self, level: float) -> FloatArray:
        """Return intervals of the means, ``(n_groups, 2)``, that hold together at `level` (largest studentised deviation)."""
        deviations = _studentise(np.abs(self.replicate_log_means - self.log_means), self.replicate_errors)
        quantile = np.quantile(deviations.max(axis=1), level, method="higher")
        half = np.zeros_like(self.errors)
        np.multiply(self.errors, quantile, out=half, where=self.errors > ROUNDING)
        return exp_of(np.stack([self.log_means - half, self.log_means + half], axis=1))


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
    groups = []
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
        groups.append(_resample_mean(values, indices, n_resamples, generator))
    means, errors, replicate_means, replicate_errors = (np.stack(column, axis=-1) for column in zip(*groups, strict=True))
    with np.errstate(invalid="ignore"):
        usable = (replicate_means > 0).all(axis=1)
    replicate_means, replicate_errors = replicate_means[usable], replicate_errors[usable]
    if len(replicate_means) == 0:
        raise TooManyZerosError("samples must hold more non-zero barriers: every resample had a mean of zero at some width")
    return LogMeanBootstrap(
        log_means=np.log(means),
        errors=errors / means,
        replicate_log_means=np.log(replicate_means),
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


def exp_of(values: ArrayLike) -> FloatArray:
    """Return ``exp(values)``; what overflows is infinite."""
    with np.errstate(over="ignore"):  # an interval may be unbounded
        return np.exp(np.asarray(values, dtype=float))
