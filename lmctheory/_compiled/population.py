"""Population loss and gradient for Gaussian inputs.

Student and teacher are stacked: ``X = [W; V]`` of shape ``(m + M, d)`` with signed output weights ``c = (a, -b)``. Then
``L = c' K(X, X) c`` and ``dL/dw_i = 2 a_i sum_j c_j grad_u K(x_i, x_j)``: one matrix product, one elementwise pass over the
``(m, m + M)`` Gram block, one matrix product back.
"""

import math

import numpy as np
from numba import njit

from lmctheory._compiled.angles import VECTOR_MATH, sine_and_supplement


@njit(fastmath=VECTOR_MATH)
def kernel_row(gram, inverse_norm, inverse_norms, mass, start, stop):
    """Return ``2 pi / |u| * sum_j c_j K(u, x_j)`` over ``start <= j < stop``; ``mass_j = c_j |x_j|``, ``gram_j = u . x_j``."""
    total = 0.0
    for j in range(start, stop):
        cosine = gram[j] * inverse_norm * inverse_norms[j]
        sine, supplement = sine_and_supplement(cosine)
        total += mass[j] * (sine + supplement * min(1.0, max(-1.0, cosine)))
    return total


@njit(cache=True, nogil=True)
def row_norms(X, norms, inverse_norms):
    """Write the Euclidean norms of the rows and their inverses; the inverse of 0 is 0: angles with a zero row are pi/2."""
    for i in range(X.shape[0]):
        norms[i] = math.sqrt(np.dot(X[i], X[i]))
        inverse_norms[i] = 1.0 / norms[i] if norms[i] > 0.0 else 0.0


@njit(fastmath=VECTOR_MATH)
def _gradient_row(gram, inverse_norm, inverse_norms, c, mass, start, stop):
    """Overwrite ``gram_j`` by ``c_j (pi - p_j)``; return ``sum_j mass_j sin p_j`` and the sum of `kernel_row`."""
    radial = 0.0
    kernel = 0.0
    for j in range(start, stop):
        cosine = gram[j] * inverse_norm * inverse_norms[j]
        sine, supplement = sine_and_supplement(cosine)
        gram[j] = c[j] * supplement
        radial += mass[j] * sine
        kernel += mass[j] * (sine + supplement * min(1.0, max(-1.0, cosine)))
    return radial, kernel


@njit(cache=True, nogil=True)
def loss_and_gradient(X, c, m, teacher_energy, norms, inverse_norms, mass, coefficients, gradient):
    """Write ``dL/dW`` into `gradient` ``(m, d)`` and return the loss; `teacher_energy` is ``b' K(V, V) b``.

    Norms of teacher rows must stand in `norms` and `inverse_norms`; those of the student are computed here.
    Scratch: `mass` ``(m + M,)``, `coefficients` ``(m, m + M)``. Rows of zero neurons get a zero gradient (relu'(0) = 0).
    """
    n = X.shape[0]
    W = X[:m]
    np.dot(W, X.T, coefficients)
    for i in range(m):
        norms[i] = math.sqrt(coefficients[i, i])
        inverse_norms[i] = 1.0 / norms[i] if norms[i] > 0.0 else 0.0
    for j in range(n):
        mass[j] = c[j] * norms[j]
    loss = teacher_energy
    for i in range(m):
        row = coefficients[i]
        if norms[i] == 0.0:
            row[:] = 0.0
            continue
        row[i] *= 2.0  # a cosine of 2 counts as exactly 1: the angle of a neuron with itself is 0, not 1e-8
        radial, student = _gradient_row(row, inverse_norms[i], inverse_norms, c, mass, 0, m)
        teacher_radial, cross = _gradient_row(row, inverse_norms[i], inverse_norms, c, mass, m, n)
        loss += mass[i] * (student + 2.0 * cross) / (2.0 * math.pi)
        row[i] += (radial + teacher_radial) * inverse_norms[i]
        scale = c[i] / math.pi
        for j in range(n):
            row[j] *= scale
    np.dot(coefficients, X, gradient)
    return loss


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


@njit(cache=True, nogil=True)
def segment_losses(ts, gram_aa, gram_ab, gram_bb, teacher_a, teacher_b, norms, a_a, a_b, teacher_norms, b, teacher_energy):
    """Return the loss at each ``theta_t = (1 - t) theta_A + t theta_B`` from the Gram blocks of the ends.

    `gram_ab` is ``W_A W_B' + W_B W_A'``, `teacher_a` is ``W_A V'``, `norms` ``(len(ts), m)`` are the row norms of ``W_t``. Rows
    are the outer loop, so that the Gram blocks are read once however many positions are asked for.
    """
    n, m, M = ts.size, gram_aa.shape[0], b.size
    inverse_norms = np.empty((n, m))
    mass = np.empty((n, m))
    losses = np.full(n, teacher_energy)
    for k in range(n):
        for i in range(m):
            inverse_norms[k, i] = 1.0 / norms[k, i] if norms[k, i] > 0.0 else 0.0
            mass[k, i] = ((1.0 - ts[k]) * a_a[i] + ts[k] * a_b[i]) * norms[k, i]
    teacher_inverse = np.empty(M)
    teacher_mass = np.empty(M)
    for j in range(M):
        teacher_inverse[j] = 1.0 / teacher_norms[j] if teacher_norms[j] > 0.0 else 0.0
        teacher_mass[j] = b[j] * teacher_norms[j]
    row = np.empty(max(m, M))
    for i in range(m):
        for k in range(n):
            t, s = ts[k], 1.0 - ts[k]
            inverse = inverse_norms[k, i]
            _combine(row, gram_aa[i], s * s, gram_ab[i], s * t, gram_bb[i], t * t, i)
            student = kernel_row(row, inverse, inverse_norms[k], mass[k], 0, i)
            _combine(row, teacher_a[i], s, teacher_b[i], t, teacher_b[i], 0.0, M)
            cross = kernel_row(row, inverse, teacher_inverse, teacher_mass, 0, M)
            losses[k] += mass[k, i] * (0.5 * mass[k, i] + (student - cross) / math.pi)
    return losses


@njit(fastmath=VECTOR_MATH)
def _combine(out, x, x_weight, y, y_weight, z, z_weight, size):
    for j in range(size):
        out[j] = x_weight * x[j] + y_weight * y[j] + z_weight * z[j]
