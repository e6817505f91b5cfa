"""Alignment by linear assignment on a similarity of neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from lmctheory._checks import FloatArray
from lmctheory.alignment.alignment import Alignment
from lmctheory.kernels import relu_kernel
from lmctheory.networks import TwoLayerNet


@dataclass(frozen=True, eq=False)
class Assignment(Alignment):
    """An alignment that maximises a similarity of neurons, a proxy of the barrier: the best permutation may be another.

    Attributes
    ----------
    permutation, method
        As for `Alignment`; the method is "weights" or "activations".
    similarity : float
        The maximum of the method's similarity, summed over matched neurons.
    unaligned_similarity : float
        The same sum for the identity.
    """

    similarity: float
    unaligned_similarity: float


def _weight_similarity(net_a: TwoLayerNet, net_b: TwoLayerNet) -> FloatArray:
    return net_a.W @ net_b.W.T + np.outer(net_a.a, net_b.a)


def _activation_similarity(net_a: TwoLayerNet, net_b: TwoLayerNet) -> FloatArray:
    return np.outer(net_a.a, net_b.a) * relu_kernel(net_a.W, net_b.W)


SIMILARITIES = {"weights": _weight_similarity, "activations": _activation_similarity}


def by_similarity(net_a: TwoLayerNet, net_b: TwoLayerNet, method: str) -> Assignment:
    """Return the permutation that maximises the summed similarity, by linear assignment."""
    similarity = SIMILARITIES[method](net_a, net_b)
    rows, permutation = linear_sum_assignment(similarity, maximize=True)
    return Assignment(
        permutation=permutation,
        method=method,
        similarity=float(similarity[rows, permutation].sum()),
        unaligned_similarity=float(np.trace(similarity)),
    )
