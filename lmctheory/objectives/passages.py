"""Where neurons pass the origin on the way between two networks, and which of these passages a grid would miss."""

from __future__ import annotations

import numpy as np

from lmctheory._checks import FloatArray

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
