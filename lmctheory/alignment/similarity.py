"""How alike the neurons of two networks are, layer by layer, given which neurons of the neighbouring layers meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory.kernels import relu_kernel
from lmctheory.networks import Network, as_layered
from lmctheory.objectives import DataLoss, Objective

SIMILARITIES = ("weights", "activations")

Parts = Sequence[IntArray | None]  # gather indices of each hidden layer; None where they are not known yet


class Similarity(Protocol):
    """A similarity of two networks that is linear in the permutation of each layer.

    Permutations ``parts_a``, ``parts_b`` hold gather indices of each hidden layer: neurons at the same place meet.
    """

    widths: tuple[int, ...]

    def of_layer(self, layer: int, parts_a: Parts, parts_b: Parts) -> FloatArray:
        """Return the similarity ``(m_l, m_l)`` of the neurons of a layer, in the networks' own numbering.

        Of the neighbouring layers, those whose permutation is not known yet are left out.
        """

    def total(self, parts_a: Sequence[IntArray], parts_b: Sequence[IntArray]) -> float:
        """Return the similarity of the networks."""


class WeightSimilarity:
    """``W_l W_l' + b_l b_l' + W_{l+1}' W_{l+1}``, second factors those of B: in all the inner product of all parameters."""

    def __init__(self, net_a: Network, net_b: Network) -> None:
        self.net_a, self.net_b = as_layered(net_a), as_layered(net_b)
        self.widths = self.net_a.widths
        self._first = self.net_a.weights[0] @ self.net_b.weights[0].T
        self._last = self.net_a.weights[-1].T @ self.net_b.weights[-1]

    def of_layer(self, layer: int, parts_a: Parts, parts_b: Parts) -> FloatArray:
        found = np.outer(self.net_a.biases[layer], self.net_b.biases[layer])
        if layer == 0:
            found += self._first
        elif (below_a := parts_a[layer - 1]) is not None and (below_b := parts_b[layer - 1]) is not None:
            found += self.net_a.weights[layer][:, below_a] @ self.net_b.weights[layer][:, below_b].T
        if layer == len(self.widths) - 1:
            found += self._last
        elif (above_a := parts_a[layer + 1]) is not None and (above_b := parts_b[layer + 1]) is not None:
            found += self.net_a.weights[layer + 1][above_a].T @ self.net_b.weights[layer + 1][above_b]
        return found

    def total(self, parts_a: Sequence[IntArray], parts_b: Sequence[IntArray]) -> float:
        net_a, net_b = (net.permute(join(parts)) for net, parts in ((self.net_a, parts_a), (self.net_b, parts_b)))
        arrays = zip((*net_a.weights, *net_a.biases), (*net_b.weights, *net_b.biases), strict=True)
        return float(sum(np.vdot(array, other) for array, other in arrays))


class ActivationSimilarity:
    """``(W_{l+1}' W_{l+1}) * E[h_l h_l']``, second factors those of B: inner products of what neurons add to the next layer."""

    def __init__(self, net_a: Network, net_b: Network, loss: Objective | None) -> None:
        self.net_a, self.net_b = as_layered(net_a), as_layered(net_b)
        self.widths = self.net_a.widths
        if isinstance(loss, DataLoss):
            self._moments = loss.moments(net_a, net_b)
        else:
            self._moments = (relu_kernel(self.net_a.weights[0], self.net_b.weights[0]),)

    def of_layer(self, layer: int, parts_a: Parts, parts_b: Parts) -> FloatArray:
        found = np.zeros((self.widths[layer],) * 2)
        outgoing_a, outgoing_b = self.net_a.weights[layer + 1], self.net_b.weights[layer + 1]
        if layer == len(self.widths) - 1:
            found += (outgoing_a.T @ outgoing_b) * self._moments[layer]
        elif (above_a := parts_a[layer + 1]) is not None and (above_b := parts_b[layer + 1]) is not None:
            found += (outgoing_a[above_a].T @ outgoing_b[above_b]) * self._moments[layer]
        if layer > 0 and (below_a := parts_a[layer - 1]) is not None and (below_b := parts_b[layer - 1]) is not None:
            incoming_a, incoming_b = self.net_a.weights[layer][:, below_a], self.net_b.weights[layer][:, below_b]
            found += (incoming_a * self._moments[layer - 1][below_a, below_b]) @ incoming_b.T
        return found

    def total(self, parts_a: Sequence[IntArray], parts_b: Sequence[IntArray]) -> float:
        depth = len(self.widths)
        alone = [[part if k >= layer else None for k, part in enumerate(parts_a)] for layer in range(depth)]
        return float(sum(self.of_layer(k, alone[k], parts_b)[parts_a[k], parts_b[k]].sum() for k in range(depth)))


class WeightedSum:
    """A weighted sum of similarities of several pairs of networks of one architecture."""

    def __init__(self, similarities: Sequence[Similarity], weights: FloatArray) -> None:
        self._terms = [(weight, term) for weight, term in zip(weights.tolist(), similarities, strict=True) if weight > 0]
        self.widths = similarities[0].widths

    def of_layer(self, layer: int, parts_a: Parts, parts_b: Parts) -> FloatArray:
        total = np.zeros((self.widths[layer],) * 2)
        for weight, term in self._terms:
            total += weight * term.of_layer(layer, parts_a, parts_b)
        return total

    def total(self, parts_a: Sequence[IntArray], parts_b: Sequence[IntArray]) -> float:
        return sum(weight * term.total(parts_a, parts_b) for weight, term in self._terms)


def similarity_of(net_a: Network, net_b: Network, method: str, loss: Objective | None) -> Similarity:
    """Return the similarity of one of `SIMILARITIES`; activations are on the data of a `DataLoss`, else on Gaussian inputs."""
    return WeightSimilarity(net_a, net_b) if method == "weights" else ActivationSimilarity(net_a, net_b, loss)


def identity(widths: Sequence[int]) -> list[IntArray]:
    """Return the permutations that change nothing."""
    return [np.arange(m) for m in widths]


def join(parts: Sequence[IntArray]) -> IntArray:
    """Return one permutation of all hidden neurons, from gather indices of each layer."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    return np.concatenate([start + part for start, part in zip(starts[:-1], parts, strict=True)])
