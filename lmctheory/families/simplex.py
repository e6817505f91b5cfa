"""The loss on the simplex spanned by several networks, and its lattice of barycentric points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Any, Protocol

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.simplex import simplex_losses
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import FLOOR, DataLoss, Objective, PopulationLoss
from lmctheory.objectives.passages import feet_of_grams, narrow_passages, narrow_zeros
from lmctheory.objectives.population import cancellation_error

NEARLY_ZERO = 0.1  # share of the mean norm of the vectors that a neuron is mixed of


class MixtureLosses(Protocol):
    """The loss at mixtures ``sum_k s_k theta_k`` of networks, for barycentric coordinates s."""

    def __len__(self) -> int:
        """Return the number k of networks."""

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the loss at `points` ``(T, k)``; rounding may leave it below zero."""

    def floor(self, points: FloatArray) -> FloatArray:
        """Return the rounding error to expect there."""

    def neuron_grams(self) -> FloatArray:
        """Return inner products ``(m, k, k)`` of the k vectors that each neuron, of the first layer, is mixed of."""


class Simplex:
    """The loss of an objective on the simplex of k networks."""

    def __init__(self, loss: Objective, networks: Sequence[Any]) -> None:
        self.losses: MixtureLosses
        if isinstance(loss, PopulationLoss):
            self.losses = PopulationSimplex(loss, networks)
        else:
            assert isinstance(loss, DataLoss)
            self.losses = loss.simplex(networks)
        self.floor = self.losses.floor
        self.pairs = np.stack(np.triu_indices(len(networks), 1), axis=1)
        self.corner_losses = self(np.eye(len(networks)))

    def __len__(self) -> int:
        """Number k of networks."""
        return len(self.losses)

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the loss at `points` ``(T, k)``."""
        return self.losses(points)

    def excess(self, points: FloatArray) -> FloatArray:
        """Return ``L(theta_s) - sum_k s_k L(theta_k)`` at `points` ``(T, k)``."""
        return self(points) - points @ self.corner_losses

    def zeros(self, spacing: float) -> FloatArray:
        """Return points ``(n, k)`` where neurons pass the origin more quickly than a lattice can follow: see `narrow_zeros`."""
        return narrow_zeros(self.losses.neuron_grams(), spacing)

    def crossing(self, point: FloatArray) -> FloatArray | None:
        """Return the map to points at which a neuron vanishes, as `PopulationSimplex`; None on data, where no kink stands out."""
        return self.losses.crossing(point) if isinstance(self.losses, PopulationSimplex) else None


class Edges:
    """The loss on the edges of a simplex, which lead from ``pairs[:, 0]`` to ``pairs[:, 1]``."""

    def __init__(self, simplex: Simplex) -> None:
        self.simplex = simplex

    def __call__(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the loss at `positions` ``(Q, T)`` of edges `paths` ``(Q,)``."""
        return self._each(self.simplex, paths, positions)

    def floor(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the rounding error to expect there."""
        return self._each(self.simplex.floor, paths, positions)

    def passages(self, spacing: float) -> FloatArray:
        """Return where neurons pass the origin more quickly than a grid can follow: see `narrow_passages`."""
        return narrow_passages(feet_of_grams(self.simplex.losses.neuron_grams(), *self.simplex.pairs.T), spacing)

    def points(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return barycentric coordinates ``(Q, T, k)``."""
        points = np.zeros((*positions.shape, len(self.simplex)))
        rows, (first, second) = np.arange(len(paths)), self.simplex.pairs[paths].T
        points[rows, :, first] = 1 - positions
        points[rows, :, second] = positions
        return points

    def _each(self, function: Callable[[FloatArray], FloatArray], paths: IntArray, positions: FloatArray) -> FloatArray:
        points = self.points(paths, positions)
        return function(points.reshape(-1, len(self.simplex))).reshape(positions.shape)


class PopulationSimplex:
    """The loss at ``theta_s = sum_k s_k theta_k`` for barycentric coordinates s, from Gram blocks computed once.

    ``W_s W_s' = sum_{p<=q} s_p s_q G_pq``, where G_pq is ``W_p W_q' + W_q W_p'``, half of it for p = q: the cost at each point
    does not depend on d. Norms come from the triangular factors of the k vectors that a neuron is mixed of, ``|w_s| = |R s|``:
    their error is that of rounding the vectors, also where a neuron crosses 0.
    """

    def __init__(self, loss: PopulationLoss, networks: Sequence[TwoLayerNet]) -> None:
        self.loss = loss
        weights = np.stack([net.W for net in networks])
        self._outputs = np.stack([net.a for net in networks])
        blocks = []
        for p, W in enumerate(weights):
            blocks.append(W @ W.T)
            for other in weights[p + 1 :]:
                cross = W @ other.T
                blocks.append(cross + cross.T)
        self._grams = np.stack(blocks, axis=1)
        self._teacher_products = np.stack([W @ loss.teacher.W.T for W in weights], axis=1)
        self._triangles = np.ascontiguousarray(np.linalg.qr(weights.transpose(1, 2, 0), mode="r"))

    def __len__(self) -> int:
        """Number k of networks."""
        return len(self._outputs)

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the loss at `points` ``(T, k)``; rounding may leave it below zero."""
        return self._sum(points, self._outputs, self.loss.teacher.a, self.loss.teacher_energy)

    def neuron_grams(self) -> FloatArray:
        """Return inner products ``(m, k, k)`` of the k vectors that each neuron is mixed of."""
        return np.einsum("irp,irq->ipq", self._triangles, self._triangles)

    def crossing(self, point: FloatArray) -> FloatArray | None:
        """Return the linear map ``(k, k)`` of s to the nearest s at which a neuron vanishes; None if none nearly does at `point`.

        It is the neuron whose norm is the smallest part of the mean norm of the vectors it is mixed of. Where it cannot vanish,
        the map leads to where its norm is least. Coordinates keep their sum, but may become negative.
        """
        norms = np.linalg.norm(self._triangles @ point, axis=1)
        mixed = np.linalg.norm(self._triangles, axis=1) @ point
        shares = np.divide(norms, mixed, out=np.ones_like(norms), where=mixed > 0)
        i = int(np.argmin(shares))
        if shares[i] > NEARLY_ZERO:
            return None
        k = len(self)
        along = np.eye(k) - 1 / k
        return np.eye(k) - along @ np.linalg.pinv(self._triangles[i] @ along) @ self._triangles[i]

    def floor(self, points: FloatArray) -> FloatArray:
        """Return the rounding error to expect in the loss there, `FLOOR` times the sum of the absolute values of its terms.

        Output weights count with ``sum_k s_k |a_k|``, which overestimates where their signs differ. The
        `cancellation_error` is added.
        """
        b, outputs = np.abs(self.loss.teacher.a), np.abs(self._outputs)
        terms = self._sum(points, outputs, -b, float(b @ self.loss.teacher_kernel @ b))
        ends, norms = np.linalg.norm(self._triangles, axis=1), np.linalg.norm(self._triangles @ points.T, axis=1)
        masses, teacher = np.abs(points @ self._outputs), float(b @ self.loss.teacher_norms)
        mixed, left = ((masses * n).sum(axis=1) + teacher for n in (points @ ends.T, norms.T))
        return FLOOR * terms + self.loss.scale * cancellation_error(mixed, left)

    def _sum(self, points: FloatArray, outputs: FloatArray, b: FloatArray, energy: float) -> FloatArray:
        losses = simplex_losses(
            np.ascontiguousarray(points), self._grams, self._teacher_products, self._triangles, outputs,
            self.loss.teacher_norms, b, energy,
        )  # fmt: skip
        return losses * self.loss.scale


def lattice_steps(k: int, most_steps: int, most_points: int) -> int:
    """Return the largest number of steps along an edge, at most `most_steps`, whose lattice has at most `most_points` points."""
    steps = 1
    while steps < most_steps and comb(steps + k, k - 1) <= most_points:
        steps += 1
    return steps


@lru_cache(maxsize=32)
def lattice(k: int, steps: int) -> tuple[FloatArray, IntArray]:
    """Return the points whose barycentric coordinates are multiples of ``1 / steps``, and for each its neighbours.

    There are ``G = comb(steps + k - 1, k - 1)`` points, ``(G, k)``; neighbours ``(G, k (k - 1))``, one step along an edge away,
    are indices of points, the point's own where that step would leave the simplex.
    """
    bars = np.array(list(combinations(range(steps + k - 1), k - 1)), dtype=np.intp).reshape(comb(steps + k - 1, k - 1), k - 1)
    counts = np.diff(np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, steps + k - 1))), axis=1) - 1
    index = {row.tobytes(): g for g, row in enumerate(counts)}
    moved = counts[:, None, :] + edge_directions(k)
    neighbours = np.array([[index.get(row.tobytes(), g) for row in rows] for g, rows in enumerate(moved)], dtype=np.intp)
    points = counts.astype(np.float64) / steps
    for array in (points, neighbours):
        array.flags.writeable = False
    return points, neighbours


def edge_directions(k: int) -> IntArray:
    """Return the differences ``e_i - e_j``, i != j, ``(k (k - 1), k)``: at every point they span the feasible directions."""
    corners = np.eye(k, dtype=np.intp)
    first, second = np.nonzero(1 - corners)
    return corners[first] - corners[second]
