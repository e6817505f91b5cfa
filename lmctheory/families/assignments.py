"""One permutation a network by linear assignments alone: through a reference, to the mean of the others, or by synchronising."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import linear_sum_assignment

from lmctheory._checks import FloatArray, IntArray
from lmctheory._parallel import blas
from lmctheory.alignment.assignment import SIMILARITIES
from lmctheory.families.members import Family, from_the_first

GAIN = 1e-12  # an assignment must raise the similarity by more than this share of it: less is rounding


@dataclass(frozen=True, eq=False)
class Assigned:
    """Permutations ``(n, m)``, and the objective after each improvement."""

    permutations: IntArray
    trace: FloatArray


def by_reference(family: Family, pairwise: str) -> Assigned:
    """Align all networks with one of them; of all references keep the one with the lowest worst barrier."""
    candidates = [from_the_first(permutations) for permutations in family.matchings(pairwise)]
    worst = np.array([family.barriers(permutations).heights.max() for permutations in candidates])
    trace = np.minimum.accumulate(worst)
    return Assigned(candidates[np.argmin(worst)], trace[np.append(True, np.diff(trace) < 0)])


def by_mean(family: Family, pairwise: str) -> Assigned:
    """Align each network with the mean of the others until nothing changes, from the reference of highest similarity."""
    blocks = {(i, j): SIMILARITIES[pairwise](family.members[i], family.members[j]) for i, j in family.pairs}
    return ascend(blocks, best_start(blocks, family.matchings(pairwise)))


def by_synchronising(family: Family, pairwise: str) -> Assigned:
    """Make the pairwise matchings agree: from their leading eigenvectors, then network by network until nothing changes.

    The objective is the share of neurons, over all pairs, that meet the neuron which the pairwise matching gives them.
    """
    n, m = len(family), family.width
    matchings = family.matchings(pairwise)
    matrices = np.zeros((n, m, n, m))
    for i in range(n):
        for j in range(n):
            matrices[i, np.arange(m), j, matchings[i, j]] = 1.0
    size = n * m
    with blas().limit(limits=1):
        vectors = eigh(matrices.reshape(size, size), subset_by_index=(size - m, size - 1))[1].reshape(n, m, m)
    anchored = np.array([[_assign(anchor @ block.T) for block in vectors] for anchor in vectors])
    blocks = {(i, j): matrices[i, :, j] / (m * len(family.pairs)) for i, j in family.pairs}
    return ascend(blocks, best_start(blocks, anchored))


def best_start(blocks: dict[tuple[int, int], FloatArray], candidates: IntArray) -> IntArray:
    """Return the permutations of highest similarity among `candidates` ``(C, n, m)``."""
    return from_the_first(candidates[np.argmax([similarity(blocks, permutations) for permutations in candidates])])


def similarity(blocks: dict[tuple[int, int], FloatArray], permutations: IntArray) -> float:
    """Return ``sum_{i<j} sum_q S_ij[perm_i[q], perm_j[q]]``."""
    return float(sum(block[permutations[i], permutations[j]].sum() for (i, j), block in blocks.items()))


def ascend(blocks: dict[tuple[int, int], FloatArray], permutations: IntArray) -> Assigned:
    """Raise the similarity network by network, each by the assignment that is best given the others, until none gains.

    The similarity is linear in the permutation of one network, so that an assignment cannot lower it; it takes finitely many
    values, so that the ascent ends.
    """
    permutations, n = permutations.copy(), len(permutations)
    trace = [similarity(blocks, permutations)]
    unchanged, k = 0, 1 % n
    while unchanged < n:
        gains = _similarity_with_others(blocks, permutations, k)
        rows, best = np.arange(len(gains)), _assign(gains)
        gain = gains[rows, best].sum() - gains[rows, permutations[k]].sum()
        if gain > GAIN * np.abs(gains[rows, best]).sum():
            permutations[k], unchanged = best, 0
            trace.append(similarity(blocks, permutations))
        else:
            unchanged += 1
        k = (k + 1) % n
    return Assigned(from_the_first(permutations), np.array(trace))


def _similarity_with_others(blocks: dict[tuple[int, int], FloatArray], permutations: IntArray, k: int) -> FloatArray:
    """Return entry (q, u): the similarity of neuron u of network k with the neurons of the others at place q."""
    total = np.zeros((permutations.shape[1],) * 2)
    for (i, j), block in blocks.items():
        if i == k:
            total += block.T[permutations[j]]
        elif j == k:
            total += block[permutations[i]]
    return total


def _assign(similarities: FloatArray) -> IntArray:
    return np.asarray(linear_sum_assignment(similarities, maximize=True)[1])
