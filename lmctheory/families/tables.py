"""Barriers of pairs under all permutations."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss
from lmctheory.paths import maximise_excess

CHUNK_FLOATS = 2**22  # size of the Gram blocks of the paths that are evaluated together


@lru_cache(maxsize=8)
def all_permutations(m: int) -> IntArray:
    """Return all permutations of m neurons, ``(m!, m)``, in lexicographic order."""
    return np.array(list(permutations(range(m))), dtype=np.intp)


def barrier_table(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, grid_size: int) -> FloatArray:
    """Return the barrier between `net_a` and `net_b` under each of `all_permutations`, ``(m!,)``."""
    group = all_permutations(net_a.width)
    chunk = max(1, CHUNK_FLOATS // (3 * net_a.width**2))
    heights = []
    for start in range(0, len(group), chunk):
        nets = [net_b.permute(permutation) for permutation in group[start : start + chunk]]
        heights.append(maximise_excess(loss.segments([net_a] * len(nets), nets), len(nets), "chord", grid_size).heights)
    return np.concatenate(heights)
