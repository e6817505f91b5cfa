"""Local search: exchanges of the partners of two neurons that lower the barrier."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from lmctheory._checks import IntArray
from lmctheory._compiled.minima import next_lower_swap
from lmctheory.minima.heights import highest_loss, mismatched
from lmctheory.minima.manifold import Minimum

SWAP_GAIN = 1e-10  # a swap that lowers the height by a smaller part is rounding


def improve(min_a: Minimum, min_b: Minimum, perm: IntArray) -> tuple[IntArray, int]:
    """Return `perm` improved by swaps until none lowers the height, and how many there were.

    A swap can lower the height only if it lowers the loss at the present maximiser: that is tried first, at O(L) a swap.
    """
    perm, swaps, begin = perm.copy(), 0, 0
    neurons = mismatched(min_a, min_b, perm)
    top = highest_loss(min_a, min_b, neurons, perm[neurons])
    while len(neurons):
        bound = top.height * (1 - SWAP_GAIN)
        pairs = heaviest_pairs(min_a, min_b, neurons, perm[neurons])
        offered = heaviest_pairs(min_a, min_b, *exchange_offers(min_a, min_b, perm, neurons))
        i, j = np.concatenate([pairs, offered], axis=1)
        columns = min_a.classes[i], min_a.weights[i], min_b.classes[j], min_b.weights[j]
        tried, count = 0, len(neurons) * len(i)
        while tried < count:
            begin %= count
            found = next_lower_swap(expit(-top.logit), expit(top.logit), *columns, len(neurons), bound, begin)
            tried += (found - begin) % count + 1
            if found < 0 or tried > count:
                return perm, swaps
            begin = found + 1
            first, second = divmod(int(found), len(i))
            candidate = exchanged(perm, int(i[first]), int(i[second]), int(j[second]))
            left = mismatched(min_a, min_b, candidate)
            new_top = highest_loss(min_a, min_b, left, candidate[left])
            if new_top.height <= bound:
                perm, neurons, top = candidate, left, new_top
                swaps += 1
                break
        else:
            return perm, swaps
    return perm, swaps


def heaviest_pairs(min_a: Minimum, min_b: Minimum, i: IntArray, j: IntArray) -> IntArray:
    """Return pairs of neurons ``(2, n)`` by product and sum of their weights: names and the order of the ends play no part."""
    alpha, beta = min_a.weights[i], min_b.weights[j]
    order = np.lexsort((-(alpha + beta), -(alpha * beta)))
    return np.stack([i[order], j[order]])


def exchanged(perm: IntArray, k: int, i: int, j: int) -> IntArray:
    """Return `perm` with i meeting j (by an exchange that costs nothing), then with the partners of k and i exchanged."""
    perm = perm.copy()
    holder = int(np.flatnonzero(perm == j)[0])
    perm[holder], perm[i] = perm[i], j
    perm[k], perm[i] = perm[i], perm[k]
    return perm


def exchange_offers(min_a: Minimum, min_b: Minimum, perm: IntArray, neurons: IntArray) -> tuple[IntArray, IntArray]:
    """Return pairs ``(i, j)`` that stand for all pairs of residual 0 with which the mismatched `neurons` may exchange partners.

    Which neuron meets which inside a class is free, and the loss increases with every weight of a mismatched pair: so for each
    class present in the matched pairs its lightest neuron of A and of B suffice, and beside zero neurons the lightest neuron
    of each class.
    """
    free = np.ones(min_a.width, dtype=bool)
    free[neurons] = False
    i = np.flatnonzero(free)
    a, b = min_a.classes[i], min_b.classes[perm[i]]
    order = np.lexsort((min_a.weights[i], b, a))
    offered_a = _first_of_each(i[order], a[order], b[order])
    order = np.lexsort((min_b.weights[perm[i]], b, a))
    offered_b = _first_of_each(perm[i][order], a[order], b[order])
    return offered_a, offered_b


def _first_of_each(values: IntArray, a: IntArray, b: IntArray) -> IntArray:
    first = np.append(True, (np.diff(a) != 0) | (np.diff(b) != 0)) if len(a) else np.zeros(0, dtype=bool)
    return values[first]
