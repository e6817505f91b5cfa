"""The transformations that the checks try: permutations of units, positive rescalings of neurons, rotations of the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory.strategies.cases import INPUTS, NEURONS, Arrays, Case, Labels, lengths, taken

NETWORK: Labels = {"W": (NEURONS, INPUTS), "a": (NEURONS,)}


@dataclass(frozen=True)
class Permutation:
    """Moves of each group of units: the rank that each unit gets among those of its group."""

    title: str = "permutation of the neurons"
    labels: Labels = field(default_factory=lambda: NETWORK)
    groups: tuple[str, ...] = (NEURONS,)
    neutral: None = None

    @property
    def move_labels(self) -> Labels:
        return {group: (group,) for group in self.groups}

    def orders(self, case: Case) -> dict[str, IntArray]:
        """Return the gather indices of each group."""
        return {group: np.argsort(case.moves[group], kind="stable") for group in self.groups}

    def transform(self, case: Case) -> Arrays:
        return taken(case.weights, self.labels, self.orders(case))

    def steps(self, case: Case) -> Iterator[tuple[Case, Case]]:
        """Yield the two halves of the exchanges that make up the permutation, the second on the weights after the first."""
        exchanges = [(group, i, j) for group, order in self.orders(case).items() for i, j in _exchanges(order)]
        if len(exchanges) > 1:
            half = len(exchanges) // 2
            first = self._exchange(case.weights, exchanges[:half])
            yield first, self._exchange(self.transform(first), exchanges[half:])

    def _exchange(self, weights: Arrays, exchanges: list[tuple[str, int, int]]) -> Case:
        found = lengths(weights, self.labels)
        orders = {group: np.arange(found[group]) for group in self.groups}
        for group, i, j in exchanges:
            orders[group][[i, j]] = orders[group][[j, i]]
        return Case(weights, {group: np.argsort(order) for group, order in orders.items()})


def _exchanges(order: IntArray) -> Iterator[tuple[int, int]]:
    """Yield exchanges of two positions which, one after the other, put ``0, 1, ...`` into the given order."""
    now = np.arange(len(order))
    where = np.arange(len(order))
    for i, wanted in enumerate(order):
        if now[i] != wanted:
            j = int(where[wanted])
            yield i, j
            now[[i, j]] = now[[j, i]]
            where[now[[i, j]]] = [i, j]


@dataclass(frozen=True)
class Rescaling:
    """Positive factors, one a neuron."""

    title: str = "positive rescaling of the neurons"
    labels: Labels = field(default_factory=lambda: NETWORK)
    move_labels: Labels = field(default_factory=lambda: {"factors": (NEURONS,)})
    neutral: float = 1.0

    def transform(self, case: Case) -> Arrays:
        factors = case.moves["factors"]
        return {"W": case.weights["W"] * factors[:, None], "a": case.weights["a"] / factors}

    def steps(self, case: Case) -> Iterator[tuple[Case, Case]]:
        yield from ()


@dataclass(frozen=True)
class Rotation:
    """Reflections along the rows of `normals`, one after the other, which leave the vectors of `fixing` where they are.

    `projection` is the orthogonal projection onto the directions that may move, None if all may.
    """

    projection: FloatArray | None = None
    title: str = "rotation of the inputs"
    labels: Labels = field(default_factory=lambda: NETWORK)
    move_labels: Labels = field(default_factory=lambda: {"normals": ("reflections", INPUTS)})
    neutral: float = 0.0

    def transform(self, case: Case) -> Arrays:
        return {"W": reflected(case.weights["W"], case.moves["normals"], self.projection), "a": case.weights["a"]}

    def steps(self, case: Case) -> Iterator[tuple[Case, Case]]:
        normals = case.moves["normals"]
        if len(normals) > 1:
            half = len(normals) // 2
            first = Case(case.weights, {"normals": normals[:half]})
            yield first, Case(self.transform(first), {"normals": normals[half:]})


def reflected(W: FloatArray, normals: FloatArray, projection: FloatArray | None) -> FloatArray:
    """Return the rows of `W`, reflected along the projections of `normals` one after the other.

    The product of k reflections is ``I - left right`` with ``left`` (d, k) and ``right`` (k, d), see `_factors`: `W` is passed
    over once, however many there are.
    """
    left, right = _factors(normals, projection)
    return W - (W @ left) @ right if len(right) else W


def _factors(normals: FloatArray, projection: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return factors of what the product of the reflections lacks to the identity."""
    d = normals.shape[1]
    left, right = np.zeros((d, 0)), np.zeros((0, d))
    for normal in normals:
        free = normal if projection is None else projection @ normal
        length = np.linalg.norm(free)
        if length > 1e-6 * np.linalg.norm(normal):  # else there is nothing to reflect but rounding errors
            free = free / length
            left = np.column_stack([left, 2 * (free - left @ (right @ free))])
            right = np.vstack([right, free])
    return left, right
