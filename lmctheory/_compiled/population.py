"""Arc-cosine kernels, and the population loss for Gaussian inputs along segments, from Gram blocks, in explicit vectors."""

import math

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH, sine_and_supplement, sines_and_supplements
from lmctheory._compiled.caching import njit
from lmctheory._compiled.vectors import LANES, count_up, fma, load, splat, total, where_less


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


ROWS, COLUMNS = 8, 512  # pairs whose Gram entries stay in the second-level cache for all positions


@njit(cache=True, nogil=True)
def segment_sums(paths, ts, grams, feet, c_a, c_b):
    """Return the share of some students in the loss at positions `ts` ``(Q, T)`` of segments `paths` ``(Q,)``.

    The other arrays have one entry a segment. Students are stacked over the teacher, and over zero neurons to fill up the last
    vector, with signed output weights `c_a` and `c_b` ``(n,)`` at the ends. A row of `feet` ``(n, 3)`` holds position and squared
    norm of the point of the neuron's line nearest to the origin, and squared length. Of the Gram blocks `grams` ``(3, h, w)``,
    that is ``X_A X_A'``, ``X_A X_B' + X_B X_A'`` and ``X_B X_B'``, rows are the students of this share, columns the last w
    neurons, from the first of these on. Each pair counts for the student that comes first.
    """
    sums = np.empty(ts.shape)
    for q in range(paths.size):
        p = paths[q]
        sums[q] = _sums_on_segment(ts[q], grams.shape[2], grams.shape[3], grams[p].ravel(), feet[p], c_a[p], c_b[p])
    return sums


@njit(cache=True, nogil=True)
def _sums_on_segment(ts, height, width, grams, feet, c_a, c_b):
    """Return ``sum_i c_i^2 |x_i|^2 / 2 + 2 sum_{i < j} c_i c_j K(x_i, x_j)`` over the rows i, at each position."""
    n, top = ts.size, c_a.size - width
    sums, inverse_norms, mass = np.zeros(n), np.empty(n * width), np.empty(n * width)
    for k in range(n):
        for j in range(width):
            foot = feet[top + j]
            norm = math.sqrt(foot[1] + (ts[k] - foot[0]) ** 2 * foot[2])
            inverse_norms[k * width + j] = 1.0 / norm if norm > 0.0 else 0.0
            mass[k * width + j] = ((1.0 - ts[k]) * c_a[top + j] + ts[k] * c_b[top + j]) * norm
        for i in range(height):
            sums[k] += 0.5 * mass[k * width + i] ** 2
    for first in range(0, height, ROWS):
        for left in range(first // LANES * LANES, width, COLUMNS):
            right = min(left + COLUMNS, width)
            for k in range(n):
                for i in range(first, min(first + ROWS, height)):
                    kernels = _row_sum(grams, height * width, i, width, left, right, ts[k], inverse_norms, mass, k * width)
                    sums[k] += mass[k * width + i] / math.pi * kernels
    return sums


@njit(inline="always")
def _row_sum(grams, block, i, width, left, right, t, inverse_norms, mass, start):
    """Return ``sum_j mass_j (sin p_ij + (pi - p_ij) cos p_ij)`` over the neurons j > i from `left` to `right`."""
    scale, s, row = inverse_norms[start + i], 1.0 - t, i * width
    aa, ab, bb = splat(scale * s * s), splat(scale * s * t), splat(scale * t * t)
    summed = splat(0.0)
    for j in range(max(left, (i + 1) // LANES * LANES), right, LANES):
        place = row + j
        gram = fma(bb, load(grams, place + 2 * block), fma(ab, load(grams, place + block), aa * load(grams, place)))
        sine, supplement, cosine = sines_and_supplements(gram * load(inverse_norms, start + j))
        factor = load(mass, start + j)
        if j <= i:
            factor = where_less(count_up(), splat(float(i + 1 - j)), splat(0.0), factor)
        summed = fma(factor, fma(supplement, cosine, sine), summed)
    return total(summed)
