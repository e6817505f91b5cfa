"""The arc-cosine kernel of degree one, ``K(u, v) = E[relu(u.x) relu(v.x)]`` for ``x ~ N(0, I)``."""

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
    """Return the row norms ``(n,)`` and the normalised rows ``(n, d)``; zero rows stay zero.

    Rows are scaled by powers of two first, so that squares neither overflow nor vanish.
    """
    exponents = np.frexp(np.abs(X).max(axis=1))[1]
    scaled = np.ldexp(X, -exponents[:, None])
    norms = np.linalg.norm(scaled, axis=1)
    return np.ldexp(norms, exponents), scaled / np.where(norms > 0, norms, 1.0)[:, None]
