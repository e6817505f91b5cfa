"""Which neuron of A meets which neuron of B: a selection of those left over, by sorting."""

from __future__ import annotations

import numpy as np

from lmctheory._checks import IntArray
from lmctheory.minima.manifold import Minimum


def match(
    min_a: Minimum, min_b: Minimum, rng: np.random.Generator | None = None, pairs: tuple[IntArray, IntArray] | None = None
) -> IntArray:
    """Return gather indices: neuron i of A meets neuron ``perm[i]`` of B, with as few mismatched pairs as possible.

    Without `rng` the lightest neurons are left over, see `minima_barrier`; with it everything that is free is random. Neurons
    of A and B that shall meet whatever their classes may be given as `pairs`.
    """
    perm = np.full(min_a.width, -1, dtype=np.intp)
    left_a, left_b = [], []
    groups_a, groups_b = by_class(min_a, rng), by_class(min_b, rng)
    if pairs is not None:
        perm[pairs[0]] = pairs[1]
        groups_a, groups_b = (
            [group[~np.isin(group, taken)] for group in groups] for groups, taken in zip((groups_a, groups_b), pairs, strict=True)
        )
    for group_a, group_b in zip(groups_a[1:], groups_b[1:], strict=True):
        n = min(len(group_a), len(group_b))
        perm[group_a[:n]] = group_b[:n]
        left_a.append(group_a[n:])
        left_b.append(group_b[n:])
    surplus_a, surplus_b = heaviest_first(min_a, min_b, left_a, rng), heaviest_first(min_b, min_a, left_b, rng)
    zeros_a, zeros_b = groups_a[0], groups_b[0]
    absorbed_a, absorbed_b = min(len(surplus_a), len(zeros_b)), min(len(surplus_b), len(zeros_a))
    perm[surplus_a[:absorbed_a]] = zeros_b[:absorbed_a]
    perm[zeros_a[:absorbed_b]] = surplus_b[:absorbed_b]
    perm[zeros_a[absorbed_b:]] = zeros_b[absorbed_a:]
    perm[surplus_a[absorbed_a:]] = surplus_b[absorbed_b:][::-1]
    return perm


def by_class(minimum: Minimum, rng: np.random.Generator | None) -> list[IntArray]:
    """Return the neurons of class -1, 0, ..., M - 1, heaviest first or in random order."""
    order = np.argsort(-minimum.weights, kind="stable") if rng is None else rng.permutation(minimum.width)
    order = order[np.argsort(minimum.classes[order], kind="stable")]
    ends = np.cumsum(np.bincount(minimum.classes + 1, minlength=minimum.M + 1))
    return np.split(order, ends[:-1])


def heaviest_first(minimum: Minimum, other: Minimum, left: list[IntArray], rng: np.random.Generator | None) -> IntArray:
    """Return the neurons left over in all classes in one list: by weight, ties by `class_ranks`, or in random order."""
    neurons = np.concatenate(left)
    if rng is not None:
        return rng.permutation(neurons)
    weights, classes = minimum.weights[neurons], minimum.classes[neurons]
    if len(np.unique(weights)) < len(weights):
        classes = class_ranks(minimum, other)[classes]
    return neurons[np.lexsort((classes, -weights))]


def class_ranks(minimum: Minimum, other: Minimum) -> IntArray:
    """Return the rank of each class by its weights in both minima ``(M,)``, so that names of classes do not matter.

    Classes that agree in all weights are ranked by name: exchanging them changes nothing.
    """
    groups = zip(by_class(minimum, None)[1:], by_class(other, None)[1:], strict=True)
    profiles = [(minimum.weights[i].tolist(), other.weights[j].tolist()) for i, j in groups]
    ranks = np.empty(len(profiles), dtype=np.intp)
    ranks[sorted(range(len(profiles)), key=profiles.__getitem__)] = np.arange(len(profiles))
    return ranks
