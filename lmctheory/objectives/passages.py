"""Where neurons pass the origin on the way between two networks, and which of these passages a grid would miss."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from lmctheory._checks import FloatArray, IntArray

FINEST = 2.0**-40  # a narrower passage counts as a kink: the loss differs by its slope times the width


def nearest_points(A: FloatArray, B: FloatArray) -> FloatArray:
    """Return feet ``(..., m, 3)`` of the lines from rows of A to rows of B, ``(..., m, d)``.

    A foot is the point nearest to the origin: its position t, its squared norm, and the squared length of the line.
    """
    direction = B - A
    length = np.einsum("...ij,...ij->...i", direction, direction)
    position = -np.einsum("...ij,...ij->...i", A, direction) / np.where(length > 0, length, 1.0)
    foot = A + position[..., None] * direction
    return np.stack([position, np.einsum("...ij,...ij->...i", foot, foot), length], axis=-1)


def feet_of_grams(grams: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
    """Return feet ``(P, m, 3)``, as `nearest_points`, on the lines between networks `first` and `second` ``(P,)``.

    `grams` ``(m, k, k)`` holds the inner products of the k vectors of each neuron. A squared norm far below those of the ends is
    lost in the rounding error of these.
    """
    start, cross, end = (grams[:, i, j].T for i, j in ((first, first), (first, second), (second, second)))
    length = np.maximum(start - 2 * cross + end, 0.0)
    position = (start - cross) / np.where(length > 0, length, 1.0)
    return np.stack([position, np.maximum(start + (cross - start) * position, 0.0), length], axis=-1)


def narrow_zeros(grams: FloatArray, spacing: float) -> FloatArray:
    """Return points ``(n, k)`` of a simplex near which neurons pass the origin more quickly than a lattice can follow.

    On each triangle of networks, and on the whole simplex, a neuron's point is the one nearest to the centre where its norm is
    least; it counts if this norm is less than `spacing` times the longest edge. `grams` is as for `feet_of_grams`.
    """
    k = grams.shape[1]
    squares = np.diagonal(grams, axis1=1, axis2=2)
    lengths = squares[:, :, None] + squares[:, None] - 2 * grams
    found = [np.empty((0, k))]
    for corners in {*combinations(range(k), 3), tuple(range(k))} if k > 2 else ():
        centre = np.zeros(k)
        centre[[*corners]] = 1 / len(corners)
        along = np.diag((centre > 0).astype(np.float64)) - len(corners) * np.outer(centre, centre)
        steps = np.linalg.pinv(along @ grams @ along, hermitian=True) @ (along @ grams @ centre)[..., None]
        points = centre - steps[..., 0]
        norms = np.einsum("np,npq,nq->n", points, grams, points)
        speeds = lengths[np.ix_(range(len(grams)), corners, corners)].max(axis=(1, 2))
        found.append(points[(points >= 0).all(axis=1) & (norms < spacing**2 * speeds)])
    return np.unique(np.vstack(found), axis=0)


def narrow_passages(feet: FloatArray, spacing: float) -> FloatArray:
    """Return where neurons pass the origin more quickly than a grid can follow, ``(P, K)`` in (0, 1), filled up with ones.

    At a distance of s from its foot a neuron has the norm ``sqrt(norm^2 + (speed s)^2)``, and has turned by ``arctan(s / width)``
    with ``width = norm / speed``. Where the width is below `spacing`, the foot and one width on either side are returned, in
    ascending order for each path. Of a foot beyond an end of the path, the end stands for it. `feet` is ``(P, m, 3)``, see
    `nearest_points`.
    """
    position, norm, length = np.moveaxis(feet, -1, 0)
    nearest = np.clip(position, 0.0, 1.0)
    norm = norm + (nearest - position) ** 2 * length
    is_narrow = norm < spacing**2 * length
    if not is_narrow.any():
        return np.empty((len(feet), 0))
    width = np.sqrt(np.divide(norm, length, out=np.zeros_like(norm), where=is_narrow))
    width[width < FINEST] = 0.0
    around = np.stack([nearest - width, nearest, nearest + width], axis=-1)
    is_known = is_narrow[..., None] & (around > 0) & (around < 1)
    is_known[..., ::2] &= width[..., None] > 0
    found = np.sort(np.where(is_known, around, 1.0).reshape(len(feet), -1), axis=1)
    return found[:, : np.count_nonzero(found < 1, axis=1).max()]
