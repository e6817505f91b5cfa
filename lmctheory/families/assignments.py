"""One permutation a network by linear assignments alone: through a reference, to the mean of the others, or by synchronising."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from lmctheory._checks import FloatArray, IntArray
from lmctheory._parallel import blas
from lmctheory.alignment.assignment import assign, raised
from lmctheory.alignment.similarity import similarity_of
from lmctheory.families.members import Family, from_the_first


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
    """Align each network with the mean of the others until nothing changes, from the reference of highest similarity.

    The similarity is linear in the permutation of one layer of one network: layers are raised in turn, the last first.
    """
    measures = {(i, j): similarity_of(family.members[i], family.members[j], pairwise, family.loss) for i, j in family.pairs}
    layers = family.layers

    def parts(permutations: IntArray) -> list[list[IntArray]]:
        return [[row[layer] - layer.start for layer in layers] for row in permutations]

    def total(permutations: IntArray) -> float:
        of = parts(permutations)
        return sum(measure.total(of[i], of[j]) for (i, j), measure in measures.items())

    candidates = family.matchings(pairwise)
    permutations = candidates[np.argmax([total(candidate) for candidate in candidates])].copy()
    trace = [total(permutations)]
    unchanged, k = 0, len(layers)
    while unchanged < len(layers):
        k = (k - 1) % len(layers)
        of, layer = parts(permutations), layers[k]
        blocks = {(i, j): measure.of_layer(k, of[i], of[j]) for (i, j), measure in measures.items()}
        ascended = ascend(blocks, permutations[:, layer] - layer.start)
        permutations[:, layer] = ascended.permutations + layer.start
        trace += (trace[-1] + ascended.trace[1:] - ascended.trace[0]).tolist()
        unchanged = unchanged + 1 if len(ascended.trace) == 1 else 1
    return Assigned(from_the_first(permutations), np.array(trace))


def by_synchronising(family: Family, pairwise: str) -> Assigned:
    """Make the pairwise matchings agree: from their leading eigenvectors, then network by network until nothing changes.

    The objective is the share of neurons, over all pairs, that meet the neuron which the pairwise matching gives them. Layers do
    not touch each other in it.
    """
    matchings = family.matchings(pairwise)
    permutations, trace = np.empty_like(matchings[0]), np.zeros(1)
    for layer in family.layers:
        ascended = _synchronised(matchings[:, :, layer] - layer.start, family.pairs)
        permutations[:, layer] = ascended.permutations + layer.start
        share = (layer.stop - layer.start) / family.width
        trace = np.append(trace + share * ascended.trace[0], trace[-1] + share * ascended.trace[1:])
    return Assigned(permutations, trace)


def _synchronised(matchings: IntArray, pairs: list[tuple[int, int]]) -> Assigned:
    """Make matchings ``(n, n, m)`` of one layer agree."""
    n, m = len(matchings), matchings.shape[2]
    matrices = np.zeros((n, m, n, m))
    for i in range(n):
        for j in range(n):
            matrices[i, np.arange(m), j, matchings[i, j]] = 1.0
    size = n * m
    with blas().limit(limits=1):
        vectors = eigh(matrices.reshape(size, size), subset_by_index=(size - m, size - 1))[1].reshape(n, m, m)
    anchored = np.array([[assign(anchor @ block.T) for block in vectors] for anchor in vectors])
    blocks = {(i, j): matrices[i, :, j] / (m * len(pairs)) for i, j in pairs}
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
        better = raised(_similarity_with_others(blocks, permutations, k), permutations[k])
        if better is not None:
            permutations[k], unchanged = better, 0
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
