"""Hessian of the population loss for Gaussian inputs, as a matrix and as a product with directions.

In the plane of u and v let e be the unit vector along ``u/|u| + v/|v|``, f that along ``v/|v| - u/|u|``, and
``n = sin(p/2) e + cos(p/2) f`` the unit vector orthogonal to u on the side of v. Then, with ``^`` for unit vectors,

    d^2 K / du du' = |v| sin p / (2 pi |u|) * (I - u^ u^' + n n')
    d^2 K / du dv' = ((pi - p) I + sin p (e e' - f f')) / (2 pi)

Half angles come from ``|u^ + v^| = 2 cos(p/2)`` and ``|v^ - u^| = 2 sin(p/2)``, so nothing cancels near collinearity; e
and f are ill-defined only where ``sin p`` removes them. Blocks of zero neurons are zero.
"""

import math

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH
from lmctheory._compiled.caching import njit

COLLINEAR = 2.0**-50  # sines below this are rounding


@njit(cache=True, nogil=True)
def hessian_blocks(units, norms, c, m):
    """Return the Hessian of the loss with respect to W, shape ``(m, d, m, d)``, from unit rows and norms of ``X = [W; V]``."""
    n, d = units.shape
    hessian = np.zeros((m, d, m, d))
    e, f, normal = np.empty(d), np.empty(d), np.empty(d)
    for i in range(m):
        if norms[i] == 0.0:
            continue
        u = units[i]
        for k in range(d):
            hessian[i, k, i, k] += c[i] * c[i]
        for j in range(n):
            if j == i or norms[j] == 0.0:
                continue
            for k in range(d):
                e[k] = units[j, k] + u[k]
                f[k] = units[j, k] - u[k]
            e_norm, f_norm = math.sqrt(np.dot(e, e)), math.sqrt(np.dot(f, f))
            half_cosine, half_sine = 0.5 * e_norm, 0.5 * f_norm
            for k in range(d):
                e[k] = e[k] / e_norm if e_norm > 0.0 else 0.0
                f[k] = f[k] / f_norm if f_norm > 0.0 else 0.0
                normal[k] = half_sine * e[k] + half_cosine * f[k]
            sine = 2.0 * half_sine * half_cosine
            supplement = math.pi - 2.0 * math.atan2(half_sine, half_cosine)
            weight = c[i] * c[j] / math.pi
            own = weight * norms[j] * sine / norms[i]
            for k in range(d):
                hessian[i, k, i, k] += own
                for q in range(d):
                    hessian[i, k, i, q] += own * (normal[k] * normal[q] - u[k] * u[q])
            if j < m:
                for k in range(d):
                    hessian[i, k, j, k] += weight * supplement
                    for q in range(d):
                        hessian[i, k, j, q] += weight * sine * (e[k] * e[q] - f[k] * f[q])
    return hessian


@njit(cache=True, nogil=True)
def hessian_structure(units, norms, c, m):
    """Return what products with the Hessian need of unit rows and norms of ``X = [W; V]``: four matrices.

    `rise` and `fall` ``(m, m + M)`` are ``tan(p/2) / 2`` and ``cot(p/2) / 2``, 0 where ``sin p`` is rounding or a neuron zero;
    ``n = rise (u^ + v^) + fall (v^ - u^)`` and ``sin p (e e' - f f') = rise (u^ + v^)(u^ + v^)' - fall (v^ - u^)(v^ - u^)'``.
    `bend` ``(m, m + M)`` is ``c_i c_j |x_j| sin p / (pi |x_i|)``; `scalar` ``(m, m)`` holds what multiplies the identity.
    """
    n, d = units.shape
    rise, fall, bend = np.zeros((m, n)), np.zeros((m, n)), np.zeros((m, n))
    scalar = np.zeros((m, m))
    for i in range(m):
        if norms[i] == 0.0:
            continue
        scalar[i, i] += c[i] * c[i]
        for j in range(n):
            if j == i or norms[j] == 0.0:
                continue
            total, difference = 0.0, 0.0
            for k in range(d):
                total += (units[j, k] + units[i, k]) ** 2
                difference += (units[j, k] - units[i, k]) ** 2
            half_cosine, half_sine = 0.5 * math.sqrt(total), 0.5 * math.sqrt(difference)
            weight = c[i] * c[j] / math.pi
            if half_cosine * half_sine > COLLINEAR:
                rise[i, j] = 0.5 * half_sine / half_cosine
                fall[i, j] = 0.5 * half_cosine / half_sine
                bend[i, j] = weight * norms[j] * 2.0 * half_sine * half_cosine / norms[i]
                scalar[i, i] += bend[i, j]
            if j < m:
                scalar[i, j] += weight * (math.pi - 2.0 * math.atan2(half_sine, half_cosine))
    return rise, fall, bend, scalar


@njit(cache=True, nogil=True)
def hessian_product(units, c, rise, fall, bend, scalar, direction):
    """Return ``H D`` for directions D ``(m, d)``, from unit rows of ``X = [W; V]`` and their `hessian_structure`.

    All terms but the multiples of the identity are linear maps of unit rows, with coefficients from inner products of unit
    rows and directions: four matrix products and one pass over ``(m, m + M)``. Rounding in a coefficient that ``cot(p/2)``
    has blown up falls on ``v^ - u^``, which undoes it.
    """
    m = direction.shape[0]
    across = np.dot(direction, units.T)  # D_i . x_j^
    along = np.dot(units[:m], direction.T)  # x_i^ . D_j
    own = np.empty(m)
    for i in range(m):
        own[i] = along[i, i]
    for i in range(m):
        radial = _bending_row(across[i], own[i], rise[i], fall[i], bend[i])
        across[i, i] += radial + _coupling_row(across[i], along[i], own, c, c[i] / math.pi, rise[i], fall[i])
    return np.dot(scalar, direction) + np.dot(across, units)


@njit(fastmath=VECTOR_MATH)
def _bending_row(across, own, rise, fall, bend):
    """Overwrite ``D_i . x_j^`` by the coefficient of ``x_j^`` in ``sum_j bend (n n' - u^ u^') D_i``; return that of ``x_i^``."""
    radial = 0.0
    for j in range(across.size):
        normal = rise[j] * (across[j] + own) + fall[j] * (across[j] - own)
        across[j] = bend[j] * normal * (rise[j] + fall[j])
        radial += bend[j] * (normal * (rise[j] - fall[j]) - own)
    return radial


@njit(fastmath=VECTOR_MATH)
def _coupling_row(coefficients, along, own, c, scale, rise, fall):
    """Add the coefficients of ``x_j^`` in ``sum_j sin p (e e' - f f') D_j``; return that of ``x_i^``."""
    radial = 0.0
    for j in range(along.size):
        upper = scale * c[j] * rise[j] * (own[j] + along[j])
        lower = scale * c[j] * fall[j] * (own[j] - along[j])
        coefficients[j] += upper - lower
        radial += upper + lower
    return radial
