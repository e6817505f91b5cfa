"""All minima of small width at once: reachability by straight pieces of zero loss, on arrays over all vectors of classes.

Which minima are linearly connected depends on the classes of their neurons alone. A set of minima is a boolean array with m axes
of length M + 1, index 0 for a zero neuron and j + 1 for class j: an independent check of everything that `lmctheory` constructs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, islice

import numpy as np


def everything(M: int, m: int) -> np.ndarray:
    """Return the set of all minima: each class must be present."""
    labels = np.indices((M + 1,) * m, dtype=np.int8)
    return np.logical_and.reduce([(labels == j).any(axis=0) for j in range(1, M + 1)])


def single(classes: np.ndarray, M: int) -> np.ndarray:
    """Return the set that holds the minimum with these classes, -1 for a zero neuron."""
    found = np.zeros((M + 1,) * len(classes), dtype=bool)
    found[tuple(np.asarray(classes) + 1)] = True
    return found


def neighbours(found: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the minima in `valid` that are linearly connected to one of `found`.

    Connected means compatible neuron by neuron, so that the relation is a Kronecker product, applied axis by axis: a zero
    neuron is compatible with everything, class j with itself and zero.
    """
    for axis in range(found.ndim):
        rows = np.moveaxis(found, axis, 0)
        rows = np.concatenate([rows.any(axis=0, keepdims=True), rows[1:] | rows[:1]])
        found = np.moveaxis(rows, 0, axis)
    return found & valid


def distances(classes: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the least number of pieces from a minimum to every other one, -1 where there is no path."""
    found = single(classes, valid.shape[0] - 1) & valid
    pieces = np.where(found, 0, -1)
    steps = 0
    while True:
        new = neighbours(found, valid) & (pieces < 0)
        if not new.any():
            return pieces
        steps += 1
        pieces[new] = steps
        found = found | new


def representatives(M: int, m: int) -> Iterator[np.ndarray]:
    """Yield classes, one vector for each orbit under permutations of neurons and of classes."""
    for sizes in combinations_with_replacement(range(1, m + 1), M):
        if sum(sizes) <= m:
            yield np.repeat(np.arange(-1, M), [m - sum(sizes), *sizes])


def longest_distance(M: int, m: int, limit: int | None = None) -> int:
    """Return the least number of pieces that joins every pair of minima, -1 if some pair is not joined."""
    valid = everything(M, m)
    largest = 0
    for classes in islice(representatives(M, m), limit):
        pieces = distances(classes, valid)[valid]
        if (pieces < 0).any():
            return -1
        largest = max(largest, int(pieces.max()))
    return largest
