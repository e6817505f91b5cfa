"""Exact probabilities that independent uniform minima are connected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from lmctheory.minima.laws import log_cell_weight


@dataclass(frozen=True)
class Probability:
    """A computed probability and its rounding error."""

    value: float
    error: float


def common_neighbour_probability(M: int, m: int, k: int) -> Probability:
    """Return the probability that k independent uniform minima have a minimum linearly connected to all, M <= 4.

    Without zero neurons there is one iff for each class j the number ``X_j`` of neurons that are in class j in all k minima is
    not zero. As ``1{X >= 1} = sum_{e >= 1} (-1)^(e+1) binom(X, e)``, the probability is an alternating sum over e in
    {1, 2, ...}^M of the expected number of choices of ``e_j`` such neurons for every j. Given their sizes n the classes are
    arranged uniformly at random, hence with ``|e| = sum_j e_j`` and falling factorials ``(m)_e``

        P = sum_e prod_j (-1)^(e_j + 1) / e_j!  (m)_|e|  h(e)^k,    h(e) = E[prod_j (n_j)_{e_j}] / (m)_|e|.
    """
    e = np.arange(1, m - M + 2)
    h = factorial_moments(M, m)
    total = sum(np.ix_(*[e] * M))
    log_falling = np.where(total <= m, gammaln(m + 1) - gammaln(np.maximum(m - total, 0) + 1), 0.0)
    log_factorials = sum(np.ix_(*[gammaln(e + 1)] * M))
    with np.errstate(divide="ignore"):
        size = np.where(total <= m, np.exp(k * np.log(h) - (k - 1) * log_falling - log_factorials), 0.0)
    signs = np.where((total - M) % 2 == 0, 1.0, -1.0)
    return Probability(float((signs * size).sum()), float(1e3 * np.finfo(float).eps * size.sum()))


@lru_cache(maxsize=4)
def factorial_moments(M: int, m: int) -> np.ndarray:
    """Return ``E[prod_j (n_j)_{e_j}]`` of the class sizes of the uniform law for all e, with e - 1 as the index of M axes."""
    n = np.arange(1.0, m - M + 2)
    p = np.exp(log_cell_weight(n) - log_cell_weight(n).max())
    with np.errstate(divide="ignore"):
        falling = np.exp(gammaln(n + 1) - np.where(n >= n[:, None], gammaln(np.maximum(n - n[:, None], 0) + 1), np.inf))
    tables = np.zeros((len(n), m + 1))
    tables[:, 1 : len(n) + 1] = p * falling
    plain = np.zeros(m + 1)
    plain[1 : len(n) + 1] = p
    left, right = M // 2, M - M // 2
    halves = [convolved(tables, plain, count, m) for count in (left, right)]
    (a, norm_a), (b, norm_b) = halves
    return (a @ b[:, ::-1].T).reshape((len(n),) * M) / (norm_a @ norm_b[::-1])


def convolved(tables: np.ndarray, plain: np.ndarray, count: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all products of `count` tables, as power series up to degree m, in the rows of a matrix; and that of `plain`."""
    rows, norm = np.eye(1, m + 1), np.eye(1, m + 1)[0]
    for _ in range(count):
        rows = np.stack([np.convolve(row, table)[: m + 1] for row in rows for table in tables])
        norm = np.convolve(norm, plain)[: m + 1]
    return rows, norm


def equal_sizes_probability(M: int, m: int) -> float:
    """Return the probability that two independent uniform minima have the same class sizes: one piece modulo permutation."""
    n = np.arange(1.0, m - M + 2)
    log_weights = log_cell_weight(n)
    tilt = log_weights[np.clip(m // M - 1, 0, max(len(n) - 2, 0))] - log_weights[min(m // M, len(n) - 1)]
    p = np.exp(log_weights + tilt * n - (log_weights + tilt * n).max())

    def coefficient(table: np.ndarray) -> float:
        series = np.eye(1, m - M + 1)[0]
        for _ in range(M):
            series = np.convolve(series, table)[: m - M + 1]
        return float(series[m - M])

    return coefficient(p**2) / coefficient(p) ** 2


def printed_bound(M: int, m: int, k: int = 2) -> float:
    """Return the bound of [LLW], Theorems 8 and 10: ``1 - M ((M^k - 1) / M^k)^(m - k M)``."""
    return 1 - M * (1 - M**-k) ** (m - k * M)
