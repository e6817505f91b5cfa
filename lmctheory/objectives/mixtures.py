"""The loss on data of networks mixed of others: along segments, and on simplices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory._parallel import blas
from lmctheory.networks import LayeredNet
from lmctheory.objectives.passages import feet_of_grams, narrow_passages

if TYPE_CHECKING:
    from lmctheory.objectives.data import DataLoss

BLOCK_FLOATS = 2**21  # of the first hidden layer of a block of inputs: both ends of a segment stay in cache or nearly
KEPT_FLOATS = 2**25  # of first layers that are kept between calls, 256 MB
FLOOR = 4.0 * np.finfo(float).eps  # rounding error of a loss, relative to the mean absolute value of its terms


class DataSimplex:
    """The loss on data at mixtures ``sum_k s_k theta_k`` of networks of one architecture.

    Before its activation the first layer is linear in s, ``sum_k s_k (W_k x + b_k)``: the products with the inputs are made
    once, and kept if all of them take no more than `kept_floats`; each point costs the products with the later layers.
    """

    def __init__(self, loss: DataLoss, networks: Sequence[LayeredNet], kept_floats: int = KEPT_FLOATS) -> None:
        self.loss, self.networks = loss, networks
        width = len(networks) * networks[0].widths[0]
        rows = max(1, BLOCK_FLOATS // width)
        self._blocks = [slice(start, min(start + rows, len(loss))) for start in range(0, len(loss), rows)]
        self._keep = width * len(loss) <= kept_floats
        self._kept: dict[int, list[FloatArray]] = {}

    def __len__(self) -> int:
        """Number of networks."""
        return len(self.networks)

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the loss at `points` ``(T, k)``."""
        return self._mean(points, self.loss.terms)

    def floor(self, points: FloatArray) -> FloatArray:
        """Return the rounding error to expect in the loss there: `FLOOR` times the mean of the absolute values of its terms."""
        return FLOOR * self._mean(points, self.loss.term_sizes)

    def outputs(self, points: FloatArray) -> Iterator[tuple[slice, int, FloatArray]]:
        """Yield rows of the data, the number of a point ``(T, k)``, and the outputs ``(n', k)`` of the network there."""
        for number, rows in enumerate(self._blocks):
            first = self._first_layers(number)
            for p, point in enumerate(points):
                h = _mixed(first, point)
                for layer in range(1, len(self.networks[0].weights)):
                    np.maximum(h, 0.0, out=h)
                    h = h @ _mixed([net.weights[layer] for net in self.networks], point).T
                    h += _mixed([net.biases[layer] for net in self.networks], point)
                yield rows, p, h

    def neuron_grams(self) -> FloatArray:
        """Return inner products ``(m_1, k, k)`` of the first layer's neurons of the networks, as functions on the data.

        Sums over the inputs of products of values before activation: a mixture that is 0 on all inputs has the norm 0.
        """
        k = len(self)
        grams = np.zeros((self.networks[0].widths[0], k, k))
        for number in range(len(self._blocks)):
            layers = self._first_layers(number)
            for p in range(k):
                for q in range(p + 1):
                    grams[:, p, q] += np.einsum("ij,ij->j", layers[p], layers[q])
        lower = np.tril(grams, -1)
        return grams + lower.transpose(0, 2, 1)

    def _first_layers(self, number: int) -> list[FloatArray]:
        """Return the first layer of each network before its activation, on a block of the inputs."""
        if number in self._kept:
            return self._kept[number]
        X = self.loss.X[self._blocks[number]]
        first = [X @ net.weights[0].T + net.biases[0] for net in self.networks]
        if self._keep:
            self._kept[number] = first
        return first

    def _mean(self, points: FloatArray, terms: Callable[[FloatArray, slice], FloatArray]) -> FloatArray:
        found = np.zeros(len(points))
        with blas().limit(limits=1):  # threads that wait for a busy core stall each of many small products
            for rows, p, outputs in self.outputs(points):
                found[p] += terms(outputs, rows).sum()
        return found / len(self.loss)


class DataSegments:
    """The loss on data along P straight lines between networks."""

    def __init__(self, loss: DataLoss, nets_a: Sequence[LayeredNet], nets_b: Sequence[LayeredNet]) -> None:
        kept_floats = KEPT_FLOATS // len(nets_a)
        self._lines = [DataSimplex(loss, ends, kept_floats) for ends in zip(nets_a, nets_b, strict=True)]

    def __len__(self) -> int:
        return len(self._lines)

    def __call__(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the loss at `positions` ``(Q, T)`` of segments `paths` ``(Q,)``."""
        return self._each(paths, positions, DataSimplex.__call__)

    def floor(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the rounding error to expect in the loss there."""
        return self._each(paths, positions, DataSimplex.floor)

    def passages(self, spacing: float) -> FloatArray:
        """Return where the first layer's neurons pass the origin more quickly than a grid can follow: see `narrow_passages`."""
        ends = np.array([0]), np.array([1])
        return narrow_passages(np.concatenate([feet_of_grams(line.neuron_grams(), *ends) for line in self._lines]), spacing)

    def outputs(self, path: int, positions: FloatArray) -> Iterator[tuple[slice, int, FloatArray]]:
        """Yield rows of the data, the number of a position ``(T,)``, and the outputs ``(n', k)`` of the network there."""
        return self._lines[path].outputs(_on_line(positions))

    def _each(
        self, paths: IntArray, positions: FloatArray, of_line: Callable[[DataSimplex, FloatArray], FloatArray]
    ) -> FloatArray:
        found = np.empty(positions.shape)
        for q, path in enumerate(paths):
            found[q] = of_line(self._lines[path], _on_line(positions[q]))
        return found


def _on_line(positions: FloatArray) -> FloatArray:
    return np.stack([1 - positions, positions], axis=1)


def _mixed(arrays: Sequence[FloatArray], point: FloatArray) -> FloatArray:
    """Return ``sum_k s_k array_k``."""
    total = point[0] * arrays[0]
    for share, array in zip(point[1:], arrays[1:], strict=True):
        if share != 0.0:
            total += share * array
    return total
