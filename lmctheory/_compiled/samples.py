"""Loss on a finite sample and its gradient.

Student and teacher are stacked as for the population loss: ``X = [W; V]``, ``c = (a, -b)``. The residual at a point x is
``r = sum_j c_j relu(x_j . x)``, and ``dL/dw_i = (2 c_i / n) sum r 1{w_i . x > 0} x``, ``dL/da_i = (2 / n) sum r relu(w_i . x)``.
"""

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH
from lmctheory._compiled.caching import njit

BLOCK = 256  # points at a time: the projections of one block on all neurons stay in the cache


@njit(fastmath=VECTOR_MATH)
def _add_neuron(residuals, projections, c):
    """Add ``c relu(projection)`` to the residual of each point."""
    for b in range(residuals.size):
        projection = projections[b]
        residuals[b] += c * projection if projection > 0.0 else 0.0


@njit(fastmath=VECTOR_MATH)
def _sum_of_squares(values):
    total = 0.0
    for b in range(values.size):
        total += values[b] * values[b]
    return total


@njit(fastmath=VECTOR_MATH)
def _gradient_row(projections, residuals, scale):
    """Overwrite projections by ``scale r 1{projection > 0}``; return ``sum r relu(projection)``."""
    total = 0.0
    for b in range(projections.size):
        projection, active = projections[b], projections[b] > 0.0
        total += residuals[b] * projection if active else 0.0
        projections[b] = scale * residuals[b] if active else 0.0
    return total


@njit(cache=True, nogil=True)
def sample_loss_and_gradient(points, X, c, m, scratch, part, gradient, output_gradient):
    """Write ``dL/dW`` ``(m, d)`` and ``dL/da`` ``(m,)`` of the mean over `points` ``(n, d)``, and return the loss.

    Sums go block by block of points, in order. Scratch: `scratch` ``((m + M + 1) * min(n, BLOCK),)``, `part` ``(m, d)``.
    """
    n, d = points.shape
    neurons = X.shape[0]
    gradient[:] = 0.0
    output_gradient[:] = 0.0
    loss = 0.0
    for first in range(0, n, BLOCK):
        block = points[first : first + BLOCK]
        size = block.shape[0]
        projections = scratch[: neurons * size].reshape(neurons, size)
        residuals = scratch[neurons * size : (neurons + 1) * size]
        np.dot(X, block.T, projections)
        residuals[:] = 0.0
        for j in range(neurons):
            _add_neuron(residuals, projections[j], c[j])
        loss += _sum_of_squares(residuals)
        for i in range(m):
            output_gradient[i] += _gradient_row(projections[i], residuals, 2.0 * c[i] / n)
        np.dot(projections[:m], block, part)
        for i in range(m):
            for k in range(d):
                gradient[i, k] += part[i, k]
    for i in range(m):
        output_gradient[i] *= 2.0 / n
    return loss / n
