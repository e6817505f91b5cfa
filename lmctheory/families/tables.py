"""Barriers of pairs under all permutations."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory.alignment.exact import FLOORS
from lmctheory.alignment.path import path_under
from lmctheory.alignment.quadratic import quadratic_excess
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss
from lmctheory.paths import maximise_excess

POSITIONS = (0.25, 0.5, 0.75)  # where permutations are screened: the barrier is at least the excess there
CHUNK_FLOATS = 2**20  # size of the Gram blocks of the paths that are evaluated together


@lru_cache(maxsize=8)
def all_permutations(m: int) -> IntArray:
    """Return all permutations of m neurons, ``(m!, m)``, in lexicographic order."""
    return np.array(list(permutations(range(m))), dtype=np.intp)


def barrier_table(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, grid_size: int, below: float) -> FloatArray:
    """Return the barrier under each of `all_permutations` of `net_b`, ``(m!,)``; infinity where it is at least `below`."""
    group = all_permutations(net_a.width)
    slack = FLOORS * path_under(loss, net_a, net_b, group[0], grid_size).floor
    heights = np.full(len(group), np.inf)
    promising = np.flatnonzero(_lower_bounds(loss, net_a, net_b, group) - slack < below)
    chunk = max(1, CHUNK_FLOATS // (3 * net_a.width**2))
    for start in range(0, len(promising), chunk):
        rows = promising[start : start + chunk]
        nets = [net_b.permute(permutation) for permutation in group[rows]]
        found = maximise_excess(loss.segments([net_a] * len(nets), nets), len(nets), "chord", grid_size)
        heights[rows] = np.where(found.heights < below, found.heights, np.inf)
    return heights


def _lower_bounds(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, group: IntArray) -> FloatArray:
    """Return the highest excess at `POSITIONS` under each permutation."""
    m = net_a.width
    bounds = np.zeros(len(group))
    for t in POSITIONS:
        excess = quadratic_excess(loss, net_a, net_b, t)
        total = np.full(len(group), excess.constant)
        for i in range(m):
            total += excess.linear[i, group[:, i]]
            for j in range(i):
                total += 2 * excess.quadratic[i, group[:, i], j, group[:, j]]
        np.maximum(bounds, total * loss.scale, out=bounds)
    return bounds
