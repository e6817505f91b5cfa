"""Hypothesis strategies for networks and for what acts on them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet, orthonormal_teacher

MAX_WIDTH = 6
MAX_DIM = 5

Size: TypeAlias = int | tuple[int, int]


def widths(max_width: int = MAX_WIDTH) -> st.SearchStrategy[int]:
    """Numbers of neurons from 1."""
    return st.integers(1, _checks.integer("max_width", max_width, 1))


def weights(shape: tuple[int, ...]) -> st.SearchStrategy[FloatArray]:
    """Weight arrays with entries that are 0 or of size 2^-10 to 10, so that failures shrink to simple numbers."""
    return npst.arrays(np.float64, shape, elements=_entries())


def _entries() -> st.SearchStrategy[float]:
    sizes = st.floats(2.0**-10, 10.0, allow_nan=False, width=32)
    return st.one_of(st.just(0.0), sizes, sizes.map(lambda x: -x))


def vectors(d: int) -> st.SearchStrategy[list[float]]:
    return st.lists(_entries(), min_size=d, max_size=d)


def networks(
    width: Size | None = None, input_dim: Size | None = None, *, unit_output: bool = False
) -> st.SearchStrategy[TwoLayerNet]:
    """Networks in which a neuron may be zero, a copy of another, or exactly opposite to it.

    Parameters
    ----------
    width, input_dim : int or (int, int), optional
        The number m of neurons and the input dimension d, or the smallest and the largest; by default from 1 to
        `MAX_WIDTH` and `MAX_DIM`.
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
    return networks_and_shares(width, input_dim, unit_output, st.none()).map(lambda drawn: drawn[0])


def networks_and_shares(
    width: Size | None, input_dim: Size | None, unit_output: bool, share: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[TwoLayerNet, list[Any]]]:
    """Networks, and for each neuron its share in a transformation, drawn together: a failure then shrinks neuron by neuron."""
    (fewest, most), dims = sizes("width", width, MAX_WIDTH), sizes("input_dim", input_dim, MAX_DIM)
    relations = st.sampled_from(["free", "free", "free", "copy", "opposite"])
    output = st.just(1.0) if unit_output else _entries()
    neuron = st.tuples(vectors(dims[1]), relations, st.integers(0, most - 1), output, share)
    return st.builds(_assemble, st.integers(*dims), st.lists(neuron, min_size=fewest, max_size=most))


def _assemble(d: int, neurons: list[tuple[list[float], str, int, float, Any]]) -> tuple[TwoLayerNet, list[Any]]:
    rows, _, _, a, shares = (list(column) for column in zip(*neurons, strict=True))
    W = np.array(rows)[:, -d:]  # shrinking moves what matters to the end
    for i, (_, relation, other, _, _) in enumerate(neurons):
        if i > 0 and relation != "free":
            W[i] = W[other % i] * (1.0 if relation == "copy" else -1.0)
    return TwoLayerNet(W, a), shares


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
    return st.permutations(range(_checks.integer("width", width, 1))).map(np.array)


def rescalings(width: int) -> st.SearchStrategy[FloatArray]:
    """Positive factors ``(m,)``: dividing a by them and multiplying the rows of W leaves the function unchanged."""
    width = _checks.integer("width", width, 1)
    return st.lists(factors(), min_size=width, max_size=width).map(np.array)


def factors() -> st.SearchStrategy[float]:
    return st.one_of(st.just(1.0), st.floats(0.125, 8.0, width=32))


def rotations(input_dim: int, fixing: ArrayLike | TwoLayerNet | None = None) -> st.SearchStrategy[FloatArray]:
    """Orthogonal matrices Q ``(d, d)`` of either determinant: products of up to d reflections, which shrink to the identity.

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
    return st.lists(vectors(input_dim), max_size=input_dim).map(lambda normals: reflections(normals, projection))


def reflections(normals: list[list[float]], projection: FloatArray) -> FloatArray:
    """Return the product of the reflections along the projections of `normals`, of which the last d entries count."""
    d = len(projection)
    Q = np.eye(d)
    for entries in normals:
        normal = np.array(entries[-d:])
        free = projection @ normal
        length = np.linalg.norm(free)
        if length > 1e-6 * np.linalg.norm(normal):  # else there is nothing to reflect but rounding errors
            free = free / length
            Q = Q - 2 * np.outer(free, free @ Q)
    return Q


def free_projection(d: int, fixing: ArrayLike | TwoLayerNet | None) -> FloatArray:
    """Return the orthogonal projection ``(d, d)`` onto the directions that a rotation may move."""
    if fixing is None:
        return np.eye(d)
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
