"""Arc-cosine kernels, and the population loss for Gaussian inputs along segments, from Gram blocks."""

import math

import numpy as np
from numba import njit

from lmctheory._compiled.angles import VECTOR_MATH, sine_and_supplement


@njit(cache=True, nogil=True)
def kernel_from_cosines(cosines, u_norms, v_norms):
    """Return ``K(u_i, v_j)`` from the cosines ``(p, q)``, which are overwritten."""
    for i in range(cosines.shape[0]):
        _kernel_entries(cosines[i], u_norms[i] / (2.0 * math.pi), v_norms)
    return cosines


@njit(fastmath=VECTOR_MATH)
def _kernel_entries(cosines, scale, norms):
    for j in range(cosines.shape[0]):
        sine, supplement = sine_and_supplement(cosines[j])
        cosines[j] = scale * norms[j] * (sine + supplement * min(1.0, max(-1.0, cosines[j])))


BLOCK = 4096  # pairs evaluated in one vectorised pass; the buffers stay in the first-level cache


@njit(cache=True, nogil=True)
def segment_losses(paths, ts, gram_aa, gram_ab, gram_bb, teacher_a, teacher_b, feet, a_a, a_b, teacher_norms, b, teacher_energy):
    """Return the loss at positions `ts` ``(Q, T)`` of segments `paths` ``(Q,)``; other arrays have one entry a segment."""
    losses = np.empty(ts.shape)
    for q in range(paths.size):
        p = paths[q]
        losses[q] = _losses_on_segment(
            ts[q], gram_aa[p], gram_ab[p], gram_bb[p], teacher_a[p], teacher_b[p], feet[p], a_a[p], a_b[p],
            teacher_norms, b, teacher_energy,
        )  # fmt: skip
    return losses


@njit(cache=True, nogil=True)
def _losses_on_segment(ts, gram_aa, gram_ab, gram_bb, teacher_a, teacher_b, feet, a_a, a_b, teacher_norms, b, teacher_energy):
    """Return the loss at each ``theta_t = (1 - t) theta_A + t theta_B`` from the Gram blocks of the ends.

    `gram_ab` is ``W_A W_B' + W_B W_A'``, `teacher_a` is ``W_A V'``. A row of `feet` ``(m, 3)`` holds position, squared norm of
    the point of the neuron's line nearest to the origin, and squared length. Blocks of rows are the outer loop, so that
    the Gram blocks are read once however many positions are asked for.
    """
    n, m, M = ts.size, gram_aa.shape[0], b.size
    inverse_norms = np.empty((n, m + M))
    mass = np.empty((n, m + M))
    losses = np.full(n, teacher_energy)
    for k in range(n):
        for i in range(m):
            norm = math.sqrt(feet[i, 1] + (ts[k] - feet[i, 0]) ** 2 * feet[i, 2])
            inverse_norms[k, i] = 1.0 / norm if norm > 0.0 else 0.0
            mass[k, i] = ((1.0 - ts[k]) * a_a[i] + ts[k] * a_b[i]) * norm
        for j in range(M):
            inverse_norms[k, m + j] = 1.0 / teacher_norms[j] if teacher_norms[j] > 0.0 else 0.0
            mass[k, m + j] = -b[j] * teacher_norms[j]
    cosines = np.empty(BLOCK + m + M)
    products = np.empty(BLOCK + m + M)
    first = 0
    while first < m:
        last, size = first, 0
        while last < m and size < BLOCK:
            size += last + M
            last += 1
        for k in range(n):
            t, s = ts[k], 1.0 - ts[k]
            filled = 0
            for i in range(first, last):
                _student_pairs(cosines, products, filled, gram_aa, gram_ab, gram_bb, s, t, inverse_norms, mass, k, i)
                _teacher_pairs(cosines, products, filled + i, teacher_a, teacher_b, s, t, inverse_norms, mass, k, i)
                filled += i + M
                losses[k] += 0.5 * mass[k, i] * mass[k, i]
            losses[k] += kernel_sum(cosines, products, filled) / math.pi
        first = last
    return losses


@njit(fastmath=VECTOR_MATH)
def _student_pairs(cosines, products, start, gram_aa, gram_ab, gram_bb, s, t, inverse_norms, mass, k, i):
    """Fill in the pairs of neuron i with neurons j < i at position t."""
    inverse, own = inverse_norms[k, i], mass[k, i]
    for j in range(i):
        gram = s * s * gram_aa[i, j] + s * t * gram_ab[i, j] + t * t * gram_bb[i, j]
        cosines[start + j] = gram * inverse * inverse_norms[k, j]
        products[start + j] = own * mass[k, j]


@njit(fastmath=VECTOR_MATH)
def _teacher_pairs(cosines, products, start, teacher_a, teacher_b, s, t, inverse_norms, mass, k, i):
    """Fill in the pairs of neuron i with the teacher's neurons."""
    inverse, own, m = inverse_norms[k, i], mass[k, i], inverse_norms.shape[1] - teacher_a.shape[1]
    for j in range(teacher_a.shape[1]):
        cosines[start + j] = (s * teacher_a[i, j] + t * teacher_b[i, j]) * inverse * inverse_norms[k, m + j]
        products[start + j] = own * mass[k, m + j]


@njit(fastmath=VECTOR_MATH)
def kernel_sum(cosines, products, size):
    """Return ``sum products * (sin p + (pi - p) cos p)``."""
    total = 0.0
    for q in range(size):
        sine, supplement = sine_and_supplement(cosines[q])
        total += products[q] * (sine + supplement * min(1.0, max(-1.0, cosines[q])))
    return total
