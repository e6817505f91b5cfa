"""Trial swaps on the loss on data, for networks of any depth."""

from __future__ import annotations

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.data_swaps import next_candidate, next_candidate_below, own_contributions
from lmctheory.networks import Network, as_layered
from lmctheory.objectives import DataLoss


class DataArrangement:
    """Two networks whose neurons meet, as `Arrangement`; arrays of activations are ``(neurons, n)``.

    A swap changes two mixed neurons, and what comes behind their layer: it costs O(n) for each neuron of the next layer, and
    matrix products from there on. A bound spares most swaps of the last two hidden layers that: in O(n), and in O(n m) for those
    of the layer before the last.
    """

    screened = 5  # a position costs as much as one of the whole path

    def __init__(self, loss: DataLoss, net_a: Network, net_b: Network, permutation: IntArray) -> None:
        a, b = as_layered(net_a), as_layered(net_b.permute(permutation))
        self.loss = loss
        self.permutation = permutation.copy()
        self.layers = a.layers
        self.weights_a, self.biases_a = a.weights, a.biases
        self.weights_b, self.biases_b = [W.copy() for W in b.weights], [c.copy() for c in b.biases]
        self.first_a, self.first_b = (net.weights[0] @ loss.X.T + net.biases[0][:, None] for net in (a, b))
        pairs = [np.stack(np.triu_indices(m, 1), axis=1) for m in a.widths]
        self._swaps = np.concatenate([np.insert(some, 0, layer, axis=1) for layer, some in enumerate(pairs)])
        self._ends = np.cumsum([len(some) for some in pairs])
        self.all_swaps = len(self._swaps)
        self._position: Position | None = None

    def exchange(self, i: int, j: int) -> None:
        """As in `Arrangement`."""
        layer = next(k for k, where in enumerate(self.layers) if i < where.stop)
        there, back = [i, j], [j, i]
        self.permutation[there] = self.permutation[back]
        there, back = ([k - self.layers[layer].start for k in pair] for pair in (there, back))
        self.weights_b[layer][there] = self.weights_b[layer][back]
        self.biases_b[layer][there] = self.biases_b[layer][back]
        self.weights_b[layer + 1][:, there] = self.weights_b[layer + 1][:, back]
        if layer == 0:
            self.first_b[there] = self.first_b[back]
        self._position = None

    def first_swap(self, ts: FloatArray, room: FloatArray, start: int, count: int) -> tuple[int, int, int]:
        """As in `Arrangement`."""
        if self._position is None or self._position.t != ts[0]:
            self._position = Position(self, float(ts[0]))
        position, number, tried = self._position, start, 0
        present: dict[int, float] = {}
        while tried < count:
            layer, i, j = self._swaps[number].tolist()
            failed = position.failures(layer, i, j, room[0], min(count - tried, int(self._ends[layer]) - number))
            if failed:
                tried, number = tried + failed, (number + failed) % self.all_swaps
                continue
            tried, number = tried + 1, (number + 1) % self.all_swaps
            if position.change(layer, i, j) < room[0]:
                i, j = i + self.layers[layer].start, j + self.layers[layer].start
                if self._fits(i, j, ts, room, present):
                    return i, j, tried
        return -1, -1, count

    def _fits(self, i: int, j: int, ts: FloatArray, room: FloatArray, present: dict[int, float]) -> bool:
        """Say whether a swap changes the loss by less than `room` at the other positions; `present` losses are kept."""
        position = self._position
        for q in range(1, len(ts)):
            if q not in present:
                present[q] = self.loss_at(ts[q])
            self.exchange(i, j)
            swapped = self.loss_at(ts[q])
            self.exchange(i, j)
            if not swapped - present[q] < room[q]:
                self._position = position
                return False
        self._position = position
        return True

    def mixed(self, layer: int, t: float) -> tuple[FloatArray, FloatArray]:
        """Return weights and biases from `layer` to the next at position t."""
        W = (1 - t) * self.weights_a[layer] + t * self.weights_b[layer]
        return W, (1 - t) * self.biases_a[layer] + t * self.biases_b[layer]

    def loss_at(self, t: float) -> float:
        """Return the loss at position t."""
        before = (1 - t) * self.first_a
        before += t * self.first_b
        return self.mean_loss(self.outputs(before, [self.mixed(k, t) for k in range(1, len(self.weights_a))]))

    def outputs(self, before: FloatArray, deeper: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
        """Return the outputs ``(k, n)``, from a layer before its activation, which is overwritten, and what comes behind it."""
        for W, b in deeper:
            np.maximum(before, 0.0, out=before)
            before = W @ before
            before += b[:, None]
        return before

    def mean_loss(self, outputs: FloatArray) -> float:
        return float(self.loss.terms(outputs.T, slice(None)).sum()) / len(self.loss)


class Position:
    """An arrangement at one position: every layer before its activation, with what the neurons of A and of B contribute to it."""

    def __init__(self, arrangement: DataArrangement, t: float) -> None:
        self.arrangement, self.t = arrangement, t
        self.weights = [arrangement.mixed(k, t) for k in range(len(arrangement.weights_a))]
        self.ends = [(arrangement.first_a, arrangement.first_b)]
        self.before = [(1 - t) * arrangement.first_a + t * arrangement.first_b]
        for k in range(1, len(self.weights)):
            h = np.maximum(self.before[-1], 0.0)
            ends_a = arrangement.weights_a[k] @ h + arrangement.biases_a[k][:, None]
            ends_b = arrangement.weights_b[k] @ h + arrangement.biases_b[k][:, None]
            self.ends.append((ends_a, ends_b))
            self.before.append((1 - t) * ends_a + t * ends_b)
        self.present = arrangement.mean_loss(self.before[-1])
        self._set_bounds()

    def _set_bounds(self) -> None:
        """Compute what bounds swaps of the last two hidden layers, where the loss is convex in the outputs."""
        arrangement, last = self.arrangement, len(self.weights) - 1
        self._slopes: FloatArray | None = None
        if arrangement.loss.loss == "error":
            return
        slopes = arrangement.loss.slopes(self.before[-1].T, slice(None)).T / len(arrangement.loss)
        self._slopes_a, self._slopes_b = (
            np.ascontiguousarray(W[last].T @ slopes) for W in (arrangement.weights_a, arrangement.weights_b)
        )
        self._slopes = (1 - self.t) * self._slopes_a + self.t * self._slopes_b
        self._own = np.empty(len(self._slopes))
        own_contributions(*self.ends[last - 1], self._slopes_a, self._slopes_b, self.t, self._own)

    def failures(self, layer: int, i: int, j: int, room: float, count: int) -> int:
        """Return how many swaps of a layer in a row, of `count` from (i, j) on, are known not to fit into `room` untried."""
        if self._slopes is None or layer < len(self.weights) - 3:
            return 0
        failed: int
        if layer == len(self.weights) - 2:
            slopes = self._slopes_a, self._slopes_b, self._own
            failed = next_candidate(*self.ends[layer], *slopes, self.t, room, i, j, count)
        else:
            to_a, to_b = self.arrangement.weights_a[layer + 1], self.arrangement.weights_b[layer + 1]
            next_layer = np.ascontiguousarray(to_a.T), np.ascontiguousarray(to_b.T), self.before[layer + 1], self._slopes
            failed = next_candidate_below(*self.ends[layer], *next_layer, float(self._own.sum()), self.t, room, i, j, count)
        return failed

    def change(self, layer: int, i: int, j: int) -> float:
        """Return the change of the loss when neurons i and j of a layer exchange their partners."""
        s, t, arrangement = 1 - self.t, self.t, self.arrangement
        (from_a, from_b), old = self.ends[layer], self.before[layer]
        rows = np.stack([s * from_a[i] + t * from_b[j], s * from_a[j] + t * from_b[i], old[i], old[j]])
        np.maximum(rows, 0.0, out=rows)
        to_a, to_b = arrangement.weights_a[layer + 1], arrangement.weights_b[layer + 1]
        W = self.weights[layer + 1][0]
        columns = np.stack([s * to_a[:, i] + t * to_b[:, j], s * to_a[:, j] + t * to_b[:, i], -W[:, i], -W[:, j]], axis=1)
        swapped = columns @ rows
        swapped += self.before[layer + 1]
        return arrangement.mean_loss(arrangement.outputs(swapped, self.weights[layer + 2 :])) - self.present
