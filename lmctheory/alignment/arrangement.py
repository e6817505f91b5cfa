"""What local searches try swaps on: two networks, the neurons of B in the order of their partners in A."""

from __future__ import annotations

import sys
from typing import Protocol

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled import population_swaps
from lmctheory.alignment.data_arrangement import DataArrangement
from lmctheory.networks import Network, TwoLayerNet
from lmctheory.objectives import DataLoss, Objective, PopulationLoss


class Arrangement(Protocol):
    """Two networks whose neurons meet, and the change of the loss when two neurons of a layer exchange their partners.

    Swaps are numbered layer by layer, and there row by row: (0, 1), (0, 2), ..., (1, 2), ...

    Attributes
    ----------
    permutation : ndarray of int, shape (m,)
        The neuron of B at each place.
    all_swaps : int
        How many swaps there are.
    screened : int
        At how many positions a swap is worth trying, before the whole path is looked at.
    """

    permutation: IntArray
    all_swaps: int
    screened: int

    def first_swap(self, ts: FloatArray, room: FloatArray, start: int, count: int) -> tuple[int, int, int]:
        """Return the first swap that changes the loss by less than `room` at each of `ts`, in cyclic order from number `start`.

        Returns ``(i, j, tried)``, with i = -1 if there is none among `count`. Most swaps should fail at ``ts[0]``.
        """

    def exchange(self, i: int, j: int) -> None:
        """Let neurons i and j of A exchange their partners."""


def arrange(loss: Objective, net_a: Network, net_b: Network, permutation: IntArray) -> Arrangement:
    """Return the arrangement of two networks in which neuron i of A meets neuron ``permutation[i]`` of B."""
    if isinstance(loss, DataLoss):
        return DataArrangement(loss, net_a, net_b, permutation)
    assert isinstance(loss, PopulationLoss)
    assert isinstance(net_a, TwoLayerNet)
    assert isinstance(net_b, TwoLayerNet)
    return PopulationArrangement(loss, net_a, net_b, permutation)


class PopulationArrangement:
    """Trial swaps on the population loss, from inner products computed once: ``O(m + M)`` kernel evaluations each."""

    screened = sys.maxsize

    def __init__(self, loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, permutation: IntArray) -> None:
        A, B, V = net_a.W, net_b.W[permutation], loss.teacher.W
        cross = A @ B.T
        norms = loss.teacher_norms
        self._scale = loss.scale
        self._arrays = population_swaps.Arrangement(
            gram_aa=A @ A.T,
            gram_ab=cross,
            gram_ba=np.ascontiguousarray(cross.T),
            gram_bb=B @ B.T,
            teacher_a=A @ V.T,
            teacher_b=B @ V.T,
            outputs_a=net_a.a.copy(),
            outputs_b=net_b.a[permutation],
            partners=permutation.copy(),
            feet=population_swaps.nearest_points(A, net_b.W),
            teacher_inverse_norms=np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0),
            teacher_mass=loss.teacher.a * norms,
        )
        self.permutation = self._arrays.partners
        self.all_swaps = net_a.width * (net_a.width - 1) // 2

    def first_swap(self, ts: FloatArray, room: FloatArray, start: int, count: int) -> tuple[int, int, int]:
        """As in `Arrangement`."""
        i, j, tried = population_swaps.first_swap(self._arrays, ts, room / self._scale, start, count)
        return i, j, tried

    def exchange(self, i: int, j: int) -> None:
        """As in `Arrangement`."""
        population_swaps.exchange(self._arrays, i, j)
