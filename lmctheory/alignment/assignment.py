"""Alignment by linear assignment on a similarity of neurons, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray, Rng
from lmctheory.alignment.alignment import Alignment
from lmctheory.alignment.similarity import Similarity, identity, join, similarity_of
from lmctheory.errors import InvalidInputError
from lmctheory.networks import Network
from lmctheory.objectives import Objective

N_ORDERS = 8
GAIN = 1e-12  # an assignment must raise the similarity by more than this share of it: less is rounding


@dataclass(frozen=True, eq=False)
class Assignment(Alignment):
    """An alignment that maximises a similarity of neurons, a proxy of the barrier: the best permutation may be another.

    Attributes
    ----------
    permutation, method
        As for `Alignment`; the method is "weights" or "activations".
    similarity : float
        The method's similarity, summed over matched neurons; the maximum for one hidden layer.
    unaligned_similarity : float
        The same sum for the identity. With "weights", never above `similarity`.
    traces : tuple of ndarray
        One for each order of the layers that was tried: the similarity after each sweep, never decreasing; the last sweep was in
        vain. One sweep is all there is for one hidden layer, and for "activations".
    """

    similarity: float
    unaligned_similarity: float
    traces: tuple[FloatArray, ...]


def by_similarity(
    net_a: Network,
    net_b: Network,
    method: str,
    loss: Objective | None = None,
    n_orders: int = N_ORDERS,
    rng: Rng = 0,
) -> Assignment:
    """Return the permutation that maximises the similarity, or for several layers a maximum in each of them."""
    return maximise(similarity_of(net_a, net_b, method, loss), method, n_orders, rng)


def maximise(similarity: Similarity, method: str, n_orders: int, rng: Rng) -> Assignment:
    """Return the permutation of B by the steps that `method` takes on a similarity: see `align`."""
    depth = len(similarity.widths)
    fixed = identity(similarity.widths)
    unaligned = similarity.total(fixed, fixed)
    if method == "activations":
        runs = [_sweep_once(similarity, range(depth)[::-1])]
    else:
        root = _checks.seed_sequence(rng)
        first_sweeps = _orders(depth, n_orders, np.random.default_rng(_checks.stream(root, "orders")))
        runs = []
        for k, order in enumerate(first_sweeps):
            parts, trace = _sweep_once(similarity, order)
            runs.append(_ascend(similarity, parts, trace, np.random.default_rng(_checks.stream(root, "sweeps", k))))
        if unaligned > max(trace[-1] for _, trace in runs):
            draw = np.random.default_rng(_checks.stream(root, "sweeps", len(runs)))
            runs.append(_ascend(similarity, fixed, [unaligned], draw))
    parts, trace = max(runs, key=lambda run: run[1][-1])
    return Assignment(
        permutation=join(parts),
        method=method,
        similarity=trace[-1],
        unaligned_similarity=unaligned,
        traces=tuple(np.array(trace) for _, trace in runs),
    )


def assign(similarities: FloatArray) -> IntArray:
    """Return the permutation of the highest sum, by linear assignment."""
    if not np.isfinite(similarities).all():
        raise InvalidInputError("networks must have weights whose products are finite, got an overflow in their similarity")
    return np.asarray(linear_sum_assignment(similarities, maximize=True)[1])


def raised(similarities: FloatArray, permutation: IntArray) -> IntArray | None:
    """Return the permutation of the highest sum; None if it gains nothing on the given one but rounding."""
    rows, best = np.arange(len(similarities)), assign(similarities)
    gain = similarities[rows, best].sum() - similarities[rows, permutation].sum()
    return best if gain > GAIN * np.abs(similarities[rows, best]).sum() else None


def _orders(depth: int, n_orders: int, draw: np.random.Generator) -> list[list[int]]:
    """Return orders of the layers in which each has a neighbour, or the input or output, before it: all, or so many of them."""
    if 2 ** (depth - 1) <= n_orders:
        choices = np.array(list(product((False, True), repeat=depth - 1)))
    else:
        choices = draw.random((n_orders, depth - 1)) < 0.5
    orders = []
    for from_above in choices.tolist():
        left = list(range(depth))
        orders.append([left.pop(-1 if choice else 0) for choice in from_above] + left)
    return orders


def _sweep_once(similarity: Similarity, order: range | list[int]) -> tuple[list[IntArray], list[float]]:
    """Decide layer by layer, each given those decided before it."""
    fixed = identity(similarity.widths)
    parts: list[IntArray | None] = [None] * len(fixed)
    for layer in order:
        parts[layer] = assign(similarity.of_layer(layer, fixed, parts))
    decided = [part for part in parts if part is not None]
    return decided, [similarity.total(fixed, decided)]


def _ascend(
    similarity: Similarity, start: list[IntArray], trace: list[float], draw: np.random.Generator
) -> tuple[list[IntArray], list[float]]:
    """Raise the similarity layer by layer, in random order, until no layer gains."""
    parts = list(start)
    fixed = identity(similarity.widths)
    improves = len(parts) > 1
    while improves:
        improves = False
        for layer in draw.permutation(len(parts)):
            better = raised(similarity.of_layer(layer, fixed, parts), parts[layer])
            if better is not None:
                parts[layer], improves = better, True
        trace.append(similarity.total(fixed, parts))
    return parts, trace
