"""A case of a property test: weights by name, and what is done to them, all arrays with labelled axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from lmctheory._checks import FloatArray, IntArray

Arrays: TypeAlias = dict[str, Any]  # of NumPy arrays by name
Labels: TypeAlias = Mapping[str, tuple[str, ...]]
NEURONS, INPUTS = "neurons", "inputs"


class Case(NamedTuple):
    """Weights, and the arrays that a transformation of them is made of."""

    weights: Arrays
    moves: Arrays

    def __repr__(self) -> str:
        shapes = (f"{name} {array.shape}" for arrays in self for name, array in arrays.items())
        return f"Case({', '.join(shapes)})"  # Hypothesis warns of long ones


class Symmetry(Protocol):
    """A transformation of weights that a loss must not notice."""

    @property
    def title(self) -> str: ...

    @property
    def labels(self) -> Labels:
        """What the axes of the weights run over: a transformation acts on all axes of one label."""
        ...

    @property
    def move_labels(self) -> Labels: ...

    @property
    def neutral(self) -> float | None:
        """The entry of `moves` that does nothing; None if they are no numbers of this kind."""
        ...

    def transform(self, case: Case) -> Arrays:
        """Return the transformed weights."""
        ...

    def steps(self, case: Case) -> Iterator[tuple[Case, Case]]:
        """Yield pairs of cases that do the same one after the other."""
        ...


def lengths(arrays: Arrays, labels: Labels) -> dict[str, int]:
    """Return the length of the axes of each label."""
    return {label: n for name, array in arrays.items() for label, n in zip(labels[name], array.shape, strict=True)}


def deleted(arrays: Arrays, labels: Labels, label: str, indices: list[int]) -> Arrays:
    """Return the arrays without some positions of all axes of a label."""
    return _edited(arrays, labels, label, lambda array, axis: np.delete(array, indices, axis))


def cleared(arrays: Arrays, labels: Labels, label: str, indices: list[int], value: float) -> Arrays:
    """Return the arrays with `value` at some positions of all axes of a label; whole numbers stay as they are."""

    def clear(array: FloatArray, axis: int) -> FloatArray:
        if array.dtype.kind != "f":
            return array
        if not indices:
            return array
        array = array.copy()
        array[(slice(None),) * axis + (indices,)] = value
        return array

    return _edited(arrays, labels, label, clear)


def taken(arrays: Arrays, labels: Labels, orders: Mapping[str, IntArray]) -> Arrays:
    """Return the arrays with the positions of each label in another order."""
    for label, order in orders.items():
        arrays = _edited(arrays, labels, label, lambda array, axis, order=order: np.take(array, order, axis))
    return arrays


def _edited(arrays: Arrays, labels: Labels, label: str, edit: Callable[..., Any]) -> Arrays:
    edited = dict(arrays)
    for name in arrays:
        for axis, other in enumerate(labels[name]):
            if other == label:
                edited[name] = edit(edited[name], axis)
    return edited


def unequal(first: Arrays, second: Arrays) -> bool:
    return any(not np.array_equal(first[name], second[name]) for name in first)


def size(arrays: Arrays) -> int:
    return sum(math.prod(array.shape) for array in arrays.values())
