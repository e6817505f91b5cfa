"""Hypothesis strategies for networks, teachers and permutations, degenerate ones included.

Needs the extra ``testing``.
"""

from __future__ import annotations

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.errors import MissingDependencyError
from lmctheory.networks import TwoLayerNet, orthonormal_teacher

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as npst
except ImportError as error:
    raise MissingDependencyError("strategies need hypothesis: pip install 'lmctheory[testing]'") from error

MAX_WIDTH = 6
MAX_DIM = 5


def widths(max_width: int = MAX_WIDTH) -> st.SearchStrategy[int]:
    """Numbers of neurons from 1."""
    return st.integers(1, max_width)


def weights(shape: tuple[int, ...]) -> st.SearchStrategy[FloatArray]:
    """Weight arrays with entries that are 0 or of size 2^-10 to 10, so that failures shrink to simple numbers."""
    sizes = st.floats(2.0**-10, 10.0, allow_nan=False, width=32)
    entries = st.one_of(st.just(0.0), sizes, sizes.map(lambda x: -x))
    return npst.arrays(np.float64, shape, elements=entries)


@st.composite
def networks(
    draw: st.DrawFn, width: int | None = None, input_dim: int | None = None, *, unit_output: bool = False
) -> TwoLayerNet:
    """Networks with up to `MAX_WIDTH` neurons; a neuron may be zero, a copy of another, or exactly opposite to it."""
    m = draw(widths()) if width is None else width
    d = draw(st.integers(1, MAX_DIM)) if input_dim is None else input_dim
    W = draw(weights((m, d)))
    for i in range(1, m):
        relation = draw(st.sampled_from(["free", "free", "free", "copy", "opposite"]))
        if relation != "free":
            W[i] = W[draw(st.integers(0, i - 1))] * (1.0 if relation == "copy" else -1.0)
    a = np.ones(m) if unit_output else draw(weights((m,)))
    return TwoLayerNet(W, a)


@st.composite
def teachers(draw: st.DrawFn, input_dim: int) -> TwoLayerNet:
    """Orthonormal teachers and arbitrary ones, of the given input dimension."""
    if draw(st.booleans()):
        return orthonormal_teacher(draw(st.integers(1, input_dim)), input_dim)
    return draw(networks(input_dim=input_dim))


def permutations(width: int) -> st.SearchStrategy[np.ndarray]:
    """Gather indices of `width` neurons."""
    return st.permutations(range(width)).map(np.array)


@st.composite
def students_and_teachers(draw: st.DrawFn, students: int = 1) -> tuple[TwoLayerNet, ...]:
    """Tuples of `students` networks of one shape, and a teacher of the same input dimension last."""
    m, d = draw(widths()), draw(st.integers(1, MAX_DIM))
    return (*(draw(networks(width=m, input_dim=d)) for _ in range(students)), draw(teachers(d)))


@st.composite
def rotations(draw: st.DrawFn, input_dim: int) -> FloatArray:
    """Orthogonal matrices ``(d, d)``, from the seed of a uniform draw."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    q, r = np.linalg.qr(rng.normal(size=(input_dim, input_dim)))
    return q * np.sign(np.diag(r))


def rescalings(width: int) -> st.SearchStrategy[FloatArray]:
    """Positive factors ``(m,)``: dividing a by them and multiplying the rows of W leaves the function unchanged."""
    return npst.arrays(np.float64, (width,), elements=st.floats(0.125, 8.0, width=32))
