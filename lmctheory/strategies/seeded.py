"""Large arrays from a seed that Hypothesis draws; which units are zero, copies, opposites or moved is drawn one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lmctheory._checks import FloatArray, IntArray
from lmctheory.strategies.cases import Arrays, Labels

MAX_ENTRIES = 128  # arrays with more of them come from a seed: entry by entry, Hypothesis would take minutes, or give up
NEAR = 8  # units that are drawn more often than others, so that a fault of the first few is found among many

KINDS = ["zeros", "repeated", "whole", *["real"] * 5]
RELATIONS = ["zero", "copy", "opposite", "one"]


def entries() -> st.SearchStrategy[float]:
    sizes = st.floats(2.0**-10, 10.0, allow_nan=False, width=32)
    return st.one_of(st.just(0.0), sizes, sizes.map(lambda x: -x))


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def units(n: int) -> st.SearchStrategy[int]:
    """Positions from 0 to n - 1, the first ones more often."""
    return st.one_of(st.integers(0, min(n, NEAR) - 1), st.integers(0, n - 1))


@st.composite
def arrays(draw: st.DrawFn, sizes: dict[str, int], labels: Labels, groups: Sequence[str]) -> Arrays:
    """Arrays with axes of the given labels, whose lengths are `sizes`; the units of `groups` may be degenerate.

    The background is zero, small whole numbers, rows that repeat, or uniform with neurons of different sizes, up to some unit of
    each group, and zero from there on. Drawn one by one are units that are zero, copies or opposites of another, in all arrays or
    in one, or have a single entry that is not zero.
    """
    rng = np.random.default_rng(draw(seeds()))
    kind = draw(st.sampled_from(KINDS))
    found = {name: _background(kind, tuple(sizes[label] for label in axes), rng) for name, axes in labels.items()}
    for group in groups:
        kept = draw(st.integers(0, 4 * sizes[group]))  # mostly all units; failures shrink to few
        for rows in (rows for name in labels for rows in _rows(found[name], labels[name], group)):
            rows[kept:] = 0.0
    for _ in range(draw(st.integers(0, 6))):
        group = draw(st.sampled_from(groups))
        names = [name for name, axes in labels.items() if group in axes]
        i, j, relation = draw(units(sizes[group])), draw(units(sizes[group])), draw(st.sampled_from(RELATIONS))
        where = draw(st.sampled_from([*names, None]))
        value = draw(entries()) if relation == "one" else 0.0
        for name in names if where is None else [where]:
            for rows in _rows(found[name], labels[name], group):
                if relation in ("copy", "opposite"):
                    rows[i] = rows[j] if relation == "copy" else -rows[j]
                else:
                    rows[i] = 0.0
                    rows[i, ...].flat[-1:] = value
    return found


def _rows(array: FloatArray, axes: tuple[str, ...], group: str) -> Iterator[FloatArray]:
    """Yield views of an array, one for each axis of the group, with this axis in front."""
    for axis in (k for k, label in enumerate(axes) if label == group):
        yield np.moveaxis(array, axis, 0)


def _background(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    if kind == "zeros":
        return np.zeros(shape)
    if kind == "whole":
        return rng.integers(-2, 3, shape, dtype=np.int8).astype(float)
    if kind == "repeated" and len(shape) > 1:
        rows = np.concatenate([np.zeros((1, *shape[1:])), rng.integers(-2, 3, (2, *shape[1:]))])
        rows = np.concatenate([rows, -rows[1:]])
        return rows[rng.integers(0, len(rows), shape[0])]
    scales = 2.0 ** rng.uniform(-3, 3, (*shape[:1], *(1 for _ in shape[1:])))
    found = rng.random(shape)  # thrice as fast as normal numbers
    found -= 0.5
    found *= scales * np.sqrt(12 / max(shape, default=1))
    return found


def array(shape: tuple[int, ...]) -> st.SearchStrategy[FloatArray]:
    """One array of many entries."""
    axes = tuple(map(str, range(len(shape))))
    return arrays(dict(zip(axes, shape, strict=True)), {"array": axes}, axes).map(lambda found: found["array"])


@st.composite
def permutations(draw: st.DrawFn, n: int, fewest: int = 0) -> IntArray:
    """Gather indices of n units: up to three exchanges, at least `fewest`, or all units in an order from a seed."""
    order = np.arange(n)
    if n > 1:
        for _ in range(draw(st.integers(fewest, 3))):
            i, j = draw(units(n)), draw(units(n - 1))
            j += j >= i
            order[[i, j]] = order[[j, i]]
        if draw(st.booleans()):
            order = np.random.default_rng(draw(seeds())).permutation(n)
    return order


@st.composite
def factors(draw: st.DrawFn, n: int, single: st.SearchStrategy[float], fewest: int = 0) -> FloatArray:
    """Positive factors of n neurons: up to three drawn one by one, at least `fewest`, the rest ones, or from a seed."""
    found = np.ones(n)
    if draw(st.booleans()):
        found = 2.0 ** np.random.default_rng(draw(seeds())).uniform(-3, 3, n)
    for _ in range(draw(st.integers(fewest, 3))):
        found[draw(units(n))] = draw(single)
    return found


@st.composite
def normals(draw: st.DrawFn, d: int, fewest: int = 0) -> FloatArray:
    """The directions ``(k, d)`` of up to four reflections: along an axis, between two axes, or from a seed."""
    rows = [_normal(draw, d) for _ in range(draw(st.integers(fewest, 4)))]
    return np.array(rows).reshape(len(rows), d)


def _normal(draw: Any, d: int) -> FloatArray:
    row = np.zeros(d)
    for _ in range(draw(st.integers(1, 2))):
        row[draw(units(d))] = draw(st.sampled_from([1.0, -1.0]))
    if draw(st.integers(0, 3)):  # mostly: the others renumber inputs and change signs, which many a loss survives
        row = np.random.default_rng(draw(seeds())).normal(size=d)
    return row
