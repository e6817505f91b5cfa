"""Population loss on the simplex spanned by k networks."""

import math

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH, sine_and_supplement
from lmctheory._compiled.caching import njit

BLOCK = 4096  # pairs evaluated in one vectorised pass; the buffers stay in the first-level cache


@njit(cache=True, nogil=True)
def simplex_losses(points, grams, teacher_products, triangles, outputs, teacher_norms, b, teacher_energy):
    """Return the loss at each ``theta_s = sum_k s_k theta_k``, `points` ``(T, k)`` holding the barycentric coordinates s.

    `grams` ``(m, k (k + 1) / 2, m)`` holds the rows of ``W_p W_q' + W_q W_p'``, half of it for p = q, in the order (0, 0),
    (0, 1), ..., (1, 1), ...; `teacher_products` ``(m, k, M)`` the rows of ``W_p V'``; `outputs` is ``(k, m)``. Neuron i of
    theta_s has the norm of ``triangles[i] @ s``. Blocks of rows are the outer loop: Gram blocks are read once for all points.
    """
    n, k = points.shape
    m, M = outputs.shape[1], b.size
    coefficients = np.empty((n, k * (k + 1) // 2))
    inverse_norms, mass = np.empty((n, m + M)), np.empty((n, m + M))
    losses = np.full(n, teacher_energy)
    for t in range(n):
        s = points[t]
        _products(s, coefficients[t])
        for i in range(m):
            norm = _norm(triangles[i], s)
            inverse_norms[t, i] = 1.0 / norm if norm > 0.0 else 0.0
            output = 0.0
            for p in range(k):
                output += s[p] * outputs[p, i]
            mass[t, i] = output * norm
        for j in range(M):
            inverse_norms[t, m + j] = 1.0 / teacher_norms[j] if teacher_norms[j] > 0.0 else 0.0
            mass[t, m + j] = -b[j] * teacher_norms[j]
    cosines, products = np.empty(BLOCK + m + M), np.empty(BLOCK + m + M)
    first = 0
    while first < m:
        last, size = first, 0
        while last < m and size < BLOCK:
            size += last + M
            last += 1
        for t in range(n):
            filled = 0
            for i in range(first, last):
                _mixed_row(cosines, filled, grams[i], coefficients[t], i)
                _scaled_row(cosines, products, filled, inverse_norms[t], mass[t], i, 0, i)
                filled += i
                _mixed_row(cosines, filled, teacher_products[i], points[t], M)
                _scaled_row(cosines, products, filled, inverse_norms[t], mass[t], i, m, M)
                filled += M
                losses[t] += 0.5 * mass[t, i] * mass[t, i]
            losses[t] += _kernel_sum(cosines, products, filled) / math.pi
        first = last
    return losses


@njit(nogil=True)
def _products(s, coefficients):
    """Write ``s_p s_q`` for p <= q, row by row."""
    filled = 0
    for p in range(s.size):
        for q in range(p, s.size):
            coefficients[filled] = s[p] * s[q]
            filled += 1


@njit(nogil=True)
def _norm(triangle, s):
    total = 0.0
    for row in range(triangle.shape[0]):
        entry = 0.0
        for p in range(s.size):
            entry += triangle[row, p] * s[p]
        total += entry * entry
    return math.sqrt(total)


@njit(fastmath=VECTOR_MATH)
def _mixed_row(target, start, rows, coefficients, size):
    """Write ``sum_p coefficients_p rows_p`` over the first `size` columns; on a face most coefficients are 0."""
    for j in range(size):
        target[start + j] = 0.0
    for p in range(coefficients.size):
        coefficient = coefficients[p]
        if coefficient != 0.0:
            for j in range(size):
                target[start + j] += coefficient * rows[p, j]


@njit(fastmath=VECTOR_MATH)
def _scaled_row(cosines, products, start, inverse_norms, mass, i, column, size):
    """Turn inner products of neuron i with neurons ``column + j`` into cosines, and write the products of their masses."""
    inverse, own = inverse_norms[i], mass[i]
    for j in range(size):
        cosines[start + j] *= inverse * inverse_norms[column + j]
        products[start + j] = own * mass[column + j]


@njit(fastmath=VECTOR_MATH)
def _kernel_sum(cosines, products, size):
    """Return ``sum products * (sin p + (pi - p) cos p)``."""
    total = 0.0
    for q in range(size):
        sine, supplement = sine_and_supplement(cosines[q])
        total += products[q] * (sine + supplement * min(1.0, max(-1.0, cosines[q])))
    return total
