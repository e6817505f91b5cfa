"""Mean-square stability of stochastic gradient descent at dense minima."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from scipy.optimize import brentq

HALF_NORMAL_MOMENTS = (1.0, np.sqrt(2 / np.pi), 1.0, 2 * np.sqrt(2 / np.pi), 3.0)  # E[|x|^k]


def mean_square_threshold(M: int, d: int, batch_size: int) -> float:
    """Return the largest learning rate at which SGD is stable in mean square, in units of the threshold of descent.

    At a minimum with balanced classes the sums u of the neurons of each class ``(M, d)`` obey, to first order,
    ``u <- u - k (1/B) sum_b g_b (g_b . u)`` with ``g = (1{x_a > 0} x)_a``, k proportional to the rate, and x Gaussian. The second
    moments ``S = E[u u']`` are mapped linearly, to ``S - k (H S + S H) + k^2 ((1 - 1/B) H S H + (1/B) E[g g' S g g'])`` with
    ``H = E[g g']``; they stay bounded while no eigenvalue of this map exceeds 1 (it preserves positive matrices, so its largest
    eigenvalue is its spectral radius). Descent itself needs ``k lambda_max(H) <= 2``.
    """
    second, fourth = _moments(M, d)
    size = M * d
    eye = np.eye(size)
    drift = np.kron(second, eye) + np.kron(eye, second)
    mean = np.kron(second, second)
    noise = fourth.reshape(size**2, size**2) - mean
    top = np.linalg.eigvalsh(second)[-1]

    def excess(ratio: float) -> float:
        k = 2 * ratio / top
        return float(np.linalg.eigvalsh(np.eye(size**2) - k * drift + k**2 * (mean + noise / batch_size))[-1]) - 1

    return float(brentq(excess, 1e-3, 1.0 + 1e-9, xtol=1e-6))


@cache
def _moments(M: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``E[g g']`` and ``E[g g' (x) g g']``, indexed so that the latter maps ``S`` to ``E[g (g' S g) g']``.

    Given the signs of the first M coordinates these are independent half-normals, and the others normal.
    """
    size = M * d
    second, fourth = np.zeros((size, size)), np.zeros((size,) * 4)
    for signs in product((1.0, -1.0), repeat=M):
        active = (np.array(signs) > 0).astype(float)
        weights = np.outer(active, active) / 2**M
        second += np.einsum("ab,ij->aibj", weights, _conditional_moments(signs, d, 2)).reshape(size, size)
        quadruples = np.einsum("ab,c,e,ijkl->aibjckel", weights, active, active, _conditional_moments(signs, d, 4))
        fourth += quadruples.reshape((size,) * 4)
    return second, fourth


def _conditional_moments(signs: tuple[float, ...], d: int, order: int) -> np.ndarray:
    """Return ``E[x_i x_j ...]`` given the signs of the first coordinates, an array with `order` axes of length d."""

    def moment(indices: tuple[int, ...]) -> float:
        value = 1.0
        for k in set(indices):
            power = indices.count(k)
            if k >= len(signs) and power % 2:
                return 0.0
            value *= HALF_NORMAL_MOMENTS[power] * (signs[k] ** power if k < len(signs) else 1.0)
        return value

    return np.array([moment(indices) for indices in product(range(d), repeat=order)]).reshape((d,) * order)
