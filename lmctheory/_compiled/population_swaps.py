"""Trial swaps: what the loss between two networks changes by when two neurons exchange their partners.

At position t the mixed neuron (i, p) has weights ``(1-t) w_i + t v_p`` and output weight ``(1-t) a_i + t b_p``. A swap replaces
the mixed neurons i and j, so the change of the loss is made of the kernels of four neurons with all others: O(m + M) of them.
"""

import math
from typing import NamedTuple

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH, sine_and_supplement
from lmctheory._compiled.caching import njit


class Arrangement(NamedTuple):
    """Network A, network B with its neurons in the order of their partners, and the teacher.

    `gram_ba` is the transpose of `gram_ab`; both are kept, so that every loop runs along a row. A row ``feet[i, p]`` holds
    position, squared norm of the point of the line from neuron i of A to neuron p of B that is nearest to the origin, and the
    line's squared length; its p is B's own numbering, `partners` ``(m,)`` says which p stands at each place.
    """

    gram_aa: np.ndarray
    gram_ab: np.ndarray
    gram_ba: np.ndarray
    gram_bb: np.ndarray
    teacher_a: np.ndarray
    teacher_b: np.ndarray
    outputs_a: np.ndarray
    outputs_b: np.ndarray
    partners: np.ndarray
    feet: np.ndarray
    teacher_inverse_norms: np.ndarray
    teacher_mass: np.ndarray


@njit(cache=True, nogil=True)
def nearest_points(A, B):
    """Return `feet` ``(m, m, 3)`` of an arrangement: nothing cancels in norms computed from them where a neuron crosses 0."""
    m, d = A.shape
    feet = np.empty((m, m, 3))
    for i in range(m):
        for p in range(m):
            inner, length, squared = 0.0, 0.0, 0.0
            for k in range(d):
                inner -= A[i, k] * (B[p, k] - A[i, k])
                length += (B[p, k] - A[i, k]) ** 2
            position = inner / length if length > 0.0 else 0.0
            for k in range(d):
                squared += (A[i, k] + position * (B[p, k] - A[i, k])) ** 2
            feet[i, p, 0], feet[i, p, 1], feet[i, p, 2] = position, squared, length
    return feet


@njit(cache=True, nogil=True)
def exchange(arrangement, i, j):
    """Let neurons i and j of A exchange their partners, in place."""
    for rows in (arrangement.gram_ba, arrangement.gram_bb, arrangement.teacher_b):
        for k in range(rows.shape[1]):
            rows[i, k], rows[j, k] = rows[j, k], rows[i, k]
    for columns in (arrangement.gram_ab, arrangement.gram_bb):
        for k in range(columns.shape[0]):
            columns[k, i], columns[k, j] = columns[k, j], columns[k, i]
    outputs, partners = arrangement.outputs_b, arrangement.partners
    outputs[i], outputs[j] = outputs[j], outputs[i]
    partners[i], partners[j] = partners[j], partners[i]


@njit(cache=True, nogil=True)
def first_swap(arrangement, ts, room, start, count):
    """Return the first swap that changes the loss by less than `room` at each of `ts`, in cyclic order from number `start`.

    Returns ``(i, j, tried)``, with i = -1 if there is none among `count`. Swaps are numbered row by row, (0, 1), (0, 2), ...,
    (m - 2, m - 1). At ``ts[0]``, where most swaps fail, what the present neurons contribute is computed once for all.
    """
    m = arrangement.partners.size
    mass, inverse_norms = np.empty((ts.size, m)), np.empty((ts.size, m))
    for q in range(ts.size):
        for i in range(m):
            mass[q, i], inverse_norms[q, i] = _mixed_neuron(arrangement, ts[q], i, i)
    own = np.empty(m)
    for i in range(m):
        kept = mass[0, i]
        mass[0, i] = 0.0
        own[i] = _coupling(arrangement, ts[0], i, i, kept, inverse_norms[0, i], mass[0], inverse_norms[0])
        mass[0, i] = kept
    i, j = _pair(start, m)
    for tried in range(1, count + 1):
        if _fits(arrangement, ts, room, mass, inverse_norms, own, i, j):
            return i, j, tried
        j += 1
        if j == m:
            i = i + 1 if i < m - 2 else 0
            j = i + 1
    return -1, -1, count


@njit(nogil=True)
def _pair(number, m):
    i = 0
    while number >= m - 1 - i:
        number -= m - 1 - i
        i += 1
    return i, i + 1 + number


@njit(nogil=True)
def _fits(arrangement, ts, room, mass, inverse_norms, own, i, j):
    """Say whether the swap of i and j changes the loss by less than `room` at every position."""
    for q in range(ts.size):
        t = ts[q]
        row, inverses = mass[q], inverse_norms[q]
        mass_i, mass_j = row[i], row[j]
        mass_x, inverse_x = _mixed_neuron(arrangement, t, i, j)
        mass_y, inverse_y = _mixed_neuron(arrangement, t, j, i)
        pair_before = mass_i * mass_j * _kernel(_gram(arrangement, t, i, i, j, j) * inverses[i] * inverses[j])
        pair_after = mass_x * mass_y * _kernel(_gram(arrangement, t, i, j, j, i) * inverse_x * inverse_y)
        row[i], row[j] = 0.0, 0.0
        change = _coupling(arrangement, t, i, j, mass_x, inverse_x, row, inverses)
        change += _coupling(arrangement, t, j, i, mass_y, inverse_y, row, inverses)
        if q == 0:
            change -= own[i] + own[j] - 2.0 * pair_before
        else:
            change -= _coupling(arrangement, t, i, i, mass_i, inverses[i], row, inverses)
            change -= _coupling(arrangement, t, j, j, mass_j, inverses[j], row, inverses)
        row[i], row[j] = mass_i, mass_j
        change += pair_after - pair_before
        change += 0.25 * (mass_x * mass_x + mass_y * mass_y - mass_i * mass_i - mass_j * mass_j)
        if not 2.0 * change < room[q]:
            return False
    return True


@njit(nogil=True)
def _mixed_neuron(arrangement, t, i, p):
    """Return output weight times norm, and the inverse norm, of neuron i of A mixed with the neuron of B at place p."""
    foot = arrangement.feet[i, arrangement.partners[p]]
    norm = math.sqrt(foot[1] + (t - foot[0]) ** 2 * foot[2])
    mass = ((1.0 - t) * arrangement.outputs_a[i] + t * arrangement.outputs_b[p]) * norm
    return mass, (1.0 / norm if norm > 0.0 else 0.0)


@njit(nogil=True)
def _gram(arrangement, t, i, p, j, q):
    """Return the inner product of the mixed neurons (i, p) and (j, q)."""
    s = 1.0 - t
    across = arrangement.gram_ab[i, q] + arrangement.gram_ab[j, p]
    return s * s * arrangement.gram_aa[i, j] + s * t * across + t * t * arrangement.gram_bb[p, q]


@njit(nogil=True)
def _kernel(cosine):
    """Return the kernel of unit vectors."""
    sine, supplement = sine_and_supplement(cosine)
    return (sine + supplement * min(1.0, max(-1.0, cosine))) / (2.0 * math.pi)


@njit(nogil=True)
def _coupling(arrangement, t, i, p, own_mass, own_inverse, mass, inverse_norms):
    """Return ``E[g (sum_j g_j - f*)]`` for the mixed neuron g = (i, p) and the present ones g_j; a mass of 0 leaves one out."""
    student = _student_sum(
        arrangement.gram_aa[i], arrangement.gram_ab[i], arrangement.gram_ba[p], arrangement.gram_bb[p],
        t, own_inverse, mass, inverse_norms,
    )  # fmt: skip
    teacher = _teacher_sum(
        arrangement.teacher_a[i], arrangement.teacher_b[p],
        t, own_inverse, arrangement.teacher_mass, arrangement.teacher_inverse_norms,
    )  # fmt: skip
    return own_mass / (2.0 * math.pi) * (student - teacher)


@njit(fastmath=VECTOR_MATH)
def _student_sum(gram_aa, gram_ab, gram_ba, gram_bb, t, inverse, mass, inverse_norms):
    s = 1.0 - t
    aa, ab, bb = s * s * inverse, s * t * inverse, t * t * inverse
    total = 0.0
    for j in range(mass.size):
        cosine = (aa * gram_aa[j] + ab * (gram_ab[j] + gram_ba[j]) + bb * gram_bb[j]) * inverse_norms[j]
        sine, supplement = sine_and_supplement(cosine)
        total += mass[j] * (sine + supplement * min(1.0, max(-1.0, cosine)))
    return total


@njit(fastmath=VECTOR_MATH)
def _teacher_sum(teacher_a, teacher_b, t, inverse, mass, inverse_norms):
    s = (1.0 - t) * inverse
    t = t * inverse
    total = 0.0
    for j in range(mass.size):
        cosine = (s * teacher_a[j] + t * teacher_b[j]) * inverse_norms[j]
        sine, supplement = sine_and_supplement(cosine)
        total += mass[j] * (sine + supplement * min(1.0, max(-1.0, cosine)))
    return total
