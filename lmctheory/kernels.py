"""The arc-cosine kernel of degree one, ``K(u, v) = E[relu(u.x) relu(v.x)]`` for ``x ~ N(0, I)``, and its second derivatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory._compiled.population import kernel_from_cosines


def relu_kernel(U: ArrayLike, V: ArrayLike) -> FloatArray:
    """Return the matrix of ``E[relu(u_i . x) relu(v_j . x)]``, ``x ~ N(0, I_d)``.

    With p the angle between u and v, ``K(u, v) = |u||v| / (2 pi) * (sin p + (pi - p) cos p)`` [CS]; a zero vector has K = 0.

    Parameters
    ----------
    U : array_like, shape (p, d)
    V : array_like, shape (q, d)

    Returns
    -------
    ndarray, shape (p, q)

    Raises
    ------
    InvalidInputError
        If an argument is not a non-empty finite matrix, or the numbers of columns differ.

    Notes
    -----
    The error is a few units of rounding of ``|u||v|``; the relative error grows as u and v become opposite, where K
    vanishes like the cube of ``pi - p``. Cost: one matrix product and p q evaluations of an arccosine.

    References
    ----------
    [CS] Cho and Saul, Kernel methods for deep learning, 2009.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> float(lmc.relu_kernel([[2.0, 0.0]], [[1.0, 0.0]])[0, 0])  # half of |u||v|
    1.0
    >>> bool(np.isclose(lmc.relu_kernel([[1.0, 0.0]], [[0.0, 1.0]])[0, 0], 1 / (2 * np.pi)))
    True
    """
    U = _checks.real_array("U", U, 2)
    V = _checks.real_array("V", V, 2)
    _checks.same_dimension("V", V.shape[1], "U", U.shape[1])
    u_norms, u_units = unit_rows(U)
    v_norms, v_units = unit_rows(V)
    return kernel_from_cosines(u_units @ v_units.T, u_norms, v_norms)


def unit_rows(X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the row norms ``(n,)`` and the normalised rows ``(n, d)``; zero rows stay zero."""
    norms = np.linalg.norm(X, axis=1)
    return norms, X / np.where(norms > 0, norms, 1.0)[:, None]


def kernel_hessian_row(
    u_norm: float, u_unit: FloatArray, v_norms: FloatArray, v_units: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the blocks ``d^2 K(u, v_j) / du du'`` and ``d^2 K(u, v_j) / du dv_j'``, each of shape ``(q, d, d)``, for ``u != 0``.

    In the plane of u and v let e be the unit vector along ``u/|u| + v/|v|``, f that along ``v/|v| - u/|u|``, and
    ``n = sin(p/2) e + cos(p/2) f`` the unit vector orthogonal to u on the side of v. Then, with ``^`` for unit vectors,

        d^2 K / du du' = |v| sin p / (2 pi |u|) * (I - u^ u^' + n n')
        d^2 K / du dv' = ((pi - p) I + sin p (e e' - f f')) / (2 pi)

    Half angles come from ``|u^ + v^| = 2 cos(p/2)`` and ``|v^ - u^| = 2 sin(p/2)``, so nothing cancels near collinearity; e
    and f are ill-defined only where ``sin p`` removes them. A zero v gives zero blocks.
    """
    d = u_unit.size
    total, difference = u_unit + v_units, v_units - u_unit
    total_norms, e = unit_rows(total)
    difference_norms, f = unit_rows(difference)
    half_sine, half_cosine = difference_norms / 2, total_norms / 2
    supplement = np.pi - 2 * np.arctan2(half_sine, half_cosine)
    sine = 2 * half_sine * half_cosine
    n = half_sine[:, None] * e + half_cosine[:, None] * f
    present = v_norms > 0
    identity = np.eye(d)
    same = (v_norms * sine / u_norm)[:, None, None] * (identity - np.outer(u_unit, u_unit) + n[:, :, None] * n[:, None, :])
    cross = supplement[:, None, None] * identity + sine[:, None, None] * (
        e[:, :, None] * e[:, None, :] - f[:, :, None] * f[:, None, :]
    )
    return same / (2 * np.pi), np.where(present[:, None, None], cross, 0.0) / (2 * np.pi)
