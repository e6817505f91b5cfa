"""Hypothesis strategies for networks and for what acts on them.

Small networks are drawn entry by entry, so that failures shrink to simple numbers. Of large ones a seed is drawn, and which
neurons are zero, copies or opposites: they take milliseconds at any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet, orthonormal_teacher
from lmctheory.strategies import seeded
from lmctheory.strategies.cases import INPUTS, NEURONS, Arrays, Case
from lmctheory.strategies.seeded import MAX_ENTRIES, entries
from lmctheory.strategies.symmetries import NETWORK, reflected

MAX_WIDTH = 6
MAX_DIM = 5
MAX_RANKED = 20  # units whose order is drawn one by one

Size: TypeAlias = int | tuple[int, int]


def widths(max_width: int = MAX_WIDTH) -> st.SearchStrategy[int]:
    """Numbers of neurons from 1."""
    return st.integers(1, _checks.integer("max_width", max_width, 1))


def weights(shape: tuple[int, ...]) -> st.SearchStrategy[FloatArray]:
    """Weight arrays with entries that are 0 or of size 2^-10 to 10, so that failures shrink to simple numbers.

    Arrays of more than 128 entries come from a seed: uniform numbers, small whole numbers, or zeros, with rows that may be equal.
    """
    if math.prod(shape) > MAX_ENTRIES:
        return seeded.array(shape)
    return npst.arrays(np.float64, shape, elements=entries())


def vectors(d: int) -> st.SearchStrategy[list[float]]:
    return st.lists(entries(), min_size=d, max_size=d)


def networks(
    width: Size | None = None, input_dim: Size | None = None, *, unit_output: bool = False
) -> st.SearchStrategy[TwoLayerNet]:
    """Networks in which a neuron may be zero, a copy of another, or exactly opposite to it.

    Parameters
    ----------
    width, input_dim : int or (int, int), optional
        The number m of neurons and the input dimension d, or the smallest and the largest; by default from 1 to
        `MAX_WIDTH` and `MAX_DIM`. Widths and dimensions of 1000 take tens of milliseconds a network.
    unit_output : bool
        Whether all output weights are one; else they are drawn too, of either sign or zero.

    Raises
    ------
    InvalidInputError
        If a size is not a positive integer or an increasing pair of them.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(networks(width=3, input_dim=(1, 4)))
    ... def test_doubling_the_inputs_doubles_the_output(net):
    ...     x = np.ones((1, net.input_dim))
    ...     np.testing.assert_allclose(net(2 * x), 2 * net(x), rtol=1e-12)
    >>> test_doubling_the_inputs_doubles_the_output()
    """
    drawn = cases(width, input_dim, unit_output, st.none(), lambda shares: {}, lambda m, d: st.just({}))
    return drawn.map(lambda case: TwoLayerNet(case.weights["W"], case.weights["a"]))


def cases(
    width: Size | None,
    input_dim: Size | None,
    unit_output: bool,
    share: st.SearchStrategy[Any],
    gathered: Callable[[list[Any]], Arrays],
    moves: Callable[[int, int], st.SearchStrategy[Arrays]],
) -> st.SearchStrategy[Case]:
    """Networks and what is done to them.

    In a small network each neuron is drawn with its `share`, so that a failure shrinks neuron by neuron, and `gathered` makes the
    moves of all shares; in a large one of m neurons the moves are drawn from ``moves(m, d)``.
    """
    widths, dims = sizes("width", width, MAX_WIDTH), sizes("input_dim", input_dim, MAX_DIM)
    kinds = []
    if (limits := _small(widths, dims)) is not None:
        kinds.append(_small_cases(*limits, unit_output, share, gathered))
    if not all_small(widths, dims):
        kinds.append(_large_cases(widths, dims, unit_output, moves))
    return st.one_of(kinds)


def all_small(widths: tuple[int, int], dims: tuple[int, int]) -> bool:
    return widths[1] * (dims[1] + 1) <= MAX_ENTRIES


def _small(widths: tuple[int, int], dims: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the ranges of sizes that are drawn entry by entry, None if all are too large."""
    if all_small(widths, dims):
        return widths, dims
    if widths[0] * (dims[0] + 1) > MAX_ENTRIES:
        return None
    d = max(dims[0], min(dims[1], MAX_DIM, MAX_ENTRIES // widths[0] - 1))
    return (widths[0], min(widths[1], MAX_ENTRIES // (d + 1))), (dims[0], d)


def _small_cases(
    widths: tuple[int, int],
    dims: tuple[int, int],
    unit_output: bool,
    share: st.SearchStrategy[Any],
    gathered: Callable[[list[Any]], Arrays],
) -> st.SearchStrategy[Case]:
    relations = st.sampled_from(["free", "free", "free", "copy", "opposite"])
    output = st.just(1.0) if unit_output else entries()
    neuron = st.tuples(vectors(dims[1]), relations, st.integers(0, widths[1] - 1), output, share)
    neurons = st.lists(neuron, min_size=widths[0], max_size=widths[1])
    return st.builds(lambda d, drawn: _assemble(d, drawn, unit_output, gathered), st.integers(*dims), neurons)


@st.composite
def _large_cases(
    draw: st.DrawFn,
    widths: tuple[int, int],
    dims: tuple[int, int],
    unit_output: bool,
    moves: Callable[[int, int], st.SearchStrategy[Arrays]],
) -> Case:
    m, d = draw(st.integers(*widths)), draw(st.integers(*dims))
    weights = draw(seeded.arrays({NEURONS: m, INPUTS: d}, NETWORK, [NEURONS]))
    if unit_output:
        weights["a"] = np.ones(m, dtype=int)  # whole numbers stay as they are
    return Case(weights, draw(moves(m, d)))


def _assemble(
    d: int, neurons: list[tuple[list[float], str, int, float, Any]], unit_output: bool, gathered: Callable[[list[Any]], Arrays]
) -> Case:
    rows, _, _, a, shares = (list(column) for column in zip(*neurons, strict=True))
    W = np.array(rows)[:, -d:]  # shrinking moves what matters to the end
    for i, (_, relation, other, _, _) in enumerate(neurons):
        if i > 0 and relation != "free":
            W[i] = W[other % i] * (1.0 if relation == "copy" else -1.0)
    return Case({"W": W, "a": np.ones(len(a), dtype=int) if unit_output else np.array(a)}, gathered(shares))


@st.composite
def network_pairs(
    draw: st.DrawFn, width: Size | None = None, input_dim: Size | None = None, *, unit_output: bool = False
) -> tuple[TwoLayerNet, TwoLayerNet]:
    """Pairs of `networks` of one shape, as barriers and alignments need them."""
    first = draw(networks(width, input_dim, unit_output=unit_output))
    return first, draw(networks(first.width, first.input_dim, unit_output=unit_output))


@st.composite
def teachers(draw: st.DrawFn, input_dim: int) -> TwoLayerNet:
    """Orthonormal teachers and arbitrary ones, of the given input dimension."""
    if draw(st.booleans()):
        return orthonormal_teacher(draw(st.integers(1, input_dim)), input_dim)
    return draw(networks(input_dim=input_dim))


@st.composite
def students_and_teachers(draw: st.DrawFn, students: int = 1) -> tuple[TwoLayerNet, ...]:
    """Tuples of `students` networks of one shape, and a teacher of the same input dimension last."""
    m, d = draw(widths()), draw(st.integers(1, MAX_DIM))
    return (*(draw(networks(width=m, input_dim=d)) for _ in range(students)), draw(teachers(d)))


def permutations(width: int) -> st.SearchStrategy[IntArray]:
    """Gather indices of `width` neurons, for `TwoLayerNet.permute`; they shrink to the identity."""
    if _checks.integer("width", width, 1) > MAX_RANKED:
        return seeded.permutations(width)
    return st.permutations(range(width)).map(np.array)


def rescalings(width: int) -> st.SearchStrategy[FloatArray]:
    """Positive factors ``(m,)``: dividing a by them and multiplying the rows of W leaves the function unchanged."""
    if _checks.integer("width", width, 1) > MAX_RANKED:
        return seeded.factors(width, factors())
    return st.lists(factors(), min_size=width, max_size=width).map(np.array)


def factors() -> st.SearchStrategy[float]:
    return st.one_of(st.just(1.0), st.floats(0.125, 8.0, width=32))


def rotations(input_dim: int, fixing: ArrayLike | TwoLayerNet | None = None) -> st.SearchStrategy[FloatArray]:
    """Orthogonal matrices Q ``(d, d)`` of either determinant: products of reflections, which shrink to the identity.

    Parameters
    ----------
    input_dim : int
        The dimension d.
    fixing : array_like of shape (k, d), or TwoLayerNet, optional
        Vectors v, or a teacher whose weights they are, that stay where they are: ``Q v = v``.

    Raises
    ------
    InvalidInputError
        If the fixed vectors have another dimension, or span the whole space: only the identity fixes them.
    """
    projection = free_projection(_checks.integer("input_dim", input_dim, 1), fixing)
    return normals(input_dim).map(lambda rows: reflected(np.eye(input_dim), rows, projection).T)


def normals(d: int) -> st.SearchStrategy[FloatArray]:
    """The directions ``(k, d)`` of the reflections of a rotation."""
    if d * d > MAX_ENTRIES:
        return seeded.normals(d)
    return st.lists(vectors(d), max_size=d).map(lambda rows: np.array(rows).reshape(len(rows), d))


def free_projection(d: int, fixing: ArrayLike | TwoLayerNet | None) -> FloatArray | None:
    """Return the orthogonal projection ``(d, d)`` onto the directions that a rotation may move, None if all are free."""
    if fixing is None:
        return None
    fixed = fixed_vectors(fixing)
    _checks.same_dimension("fixing", fixed.shape[1], "the rotations", d)
    _, values, axes = np.linalg.svd(fixed)
    rank = int(np.sum(values > 1e-10 * values[0]))
    if rank == d:
        raise InvalidInputError(f"fixing must leave a direction free, got vectors that span all {d} dimensions")
    return axes[rank:].T @ axes[rank:]


def fixed_vectors(fixing: ArrayLike | TwoLayerNet) -> FloatArray:
    return fixing.W if isinstance(fixing, TwoLayerNet) else _checks.real_array("fixing", fixing, 2)


def sizes(name: str, value: Size | None, largest: int) -> tuple[int, int]:
    """Return the smallest and the largest size that `value` asks for."""
    if value is None:
        return 1, largest
    if not isinstance(value, tuple):
        return (size := _checks.integer(name, value, 1)), size
    if len(value) != 2 or not all(isinstance(bound, int) for bound in value) or not 1 <= value[0] <= value[1]:
        raise InvalidInputError(f"{name} must be a positive integer, or the smallest and the largest of them, got {value!r}")
    return value
