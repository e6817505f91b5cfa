"""Up to which learning rate descent can rest at dense minima of the population loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.stability.curvature import top_eigenvalue


def stability_threshold(M: int, width: int, class_sizes: ArrayLike | None = None) -> float:
    """Return the largest learning rate at which gradient descent is linearly stable at minima with these class sizes.

    ``eta_c = 2 / lambda_max`` of the Hessian. For balanced classes, ``n_j = m / M``, it is ``M / (m mu)`` with mu the larger
    eigenvalue of ``[[1/2 + (M-1)/(2 pi), (M-1)/4], [1/4, M/4 + 1/(2 pi)]]``:

        mu = 1/4 + M/8 + M/(4 pi) + sqrt((M/4 - M/(2 pi) + 1/pi - 1/2)^2 + (M - 1)/4) / 2

    Parameters
    ----------
    M : int
        Width of the teacher: orthonormal, output weights one.
    width : int
        Width m of the student, at least M; output weights one.
    class_sizes : array_like of int, shape (M,), optional
        Numbers ``n_j >= 1`` of neurons on each teacher axis, zero neurons not counted: their sum is at most `width`. By default
        ``n_j = m / M``, also where that is not an integer: eta_c is then the least upper bound that class sizes allow.

    Returns
    -------
    float
        For Gaussian inputs, whatever d; on the unit sphere the threshold is d times as large.

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Notes
    -----
    At a minimum with classes n the nonzero spectrum of the Hessian is that of the blocks, a and b in ``1..M``,

        H_ab = 2 sqrt(n_a n_b) E[1{x_a > 0} 1{x_b > 0} x x'],
        E[...] = I/2 for a = b,  I/4 + (e_a e_b' + e_b e_a') / (2 pi) otherwise,

    whatever the weights within classes. Beyond the multiple of the identity each block is traceless on the teacher's span, so
    directions off the span never dominate, and d does not enter. On the span, H maps matrices Z ``(M, M)``, a row a class, in
    ``O(M^2)`` operations; its entries are non-negative. For equal classes the top eigenvector can therefore be taken
    invariant under permutations of the axes: one value on the diagonal, one off it, which is the problem in two
    dimensions. As lambda_max is convex and symmetric in n, balanced classes minimise it: for eta > eta_c at least the
    share ``1 - eta_c / eta`` of the neurons cannot be active at a stable minimum.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> round(32 * lmc.stability_threshold(4, 32), 3)
    2.648
    >>> lmc.stability_threshold(4, 32, [9, 8, 8, 7]) < lmc.stability_threshold(4, 32)
    True
    """
    M = _checks.integer("M", M, 1)
    width = _checks.integer("width", width, 1)
    if width < M:
        raise InvalidInputError(f"width must be at least M = {M} for a minimum of zero loss, got {width}")
    if class_sizes is None:
        trace, difference = 0.5 + M / 4 + M / (2 * np.pi), M / 4 - M / (2 * np.pi) + 1 / np.pi - 0.5
        return float(2 * M / (width * (trace + np.sqrt(difference**2 + (M - 1) / 4))))
    sizes = _checks.integer_array("class_sizes", class_sizes, (M,))
    if sizes.min() < 1 or sizes.sum() > width:
        raise InvalidInputError(f"class_sizes must be at least 1 and add up to at most the width, {width}, got {sizes.tolist()}")
    return 2.0 / _class_sharpness(sizes)


def _class_sharpness(sizes: IntArray) -> float:
    """Return the largest eigenvalue of ``Z -> H Z`` on matrices ``(M, M)``, for classes of these sizes."""
    M, root = len(sizes), np.sqrt(sizes)[:, None]

    def product(Z: FloatArray) -> FloatArray:
        scaled = root * Z
        off = scaled.T / (2 * np.pi)
        diagonal = scaled.diagonal()
        np.fill_diagonal(off, (diagonal.sum() - diagonal) / (2 * np.pi))
        return 2 * root * ((scaled.sum(axis=0) + scaled) / 4 + off)

    return top_eigenvalue(product, (M, M))
