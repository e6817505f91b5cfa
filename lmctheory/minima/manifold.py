"""A point of the manifold of global minima."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet

SUM_TOL = 1e-9  # rounding of a sum of 10^6 weights is below 1e-12


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Minimum:
    """A global minimum: neuron i is ``weights[i] * v_{classes[i]}``, and in each class the weights sum to 1.

    For an orthonormal teacher ``f*(x) = sum_{j=1..M} relu(v_j . x)`` and unit output weights these are all the networks of
    loss 0 ([LLW] Theorem 6, with weights of one sign).

    Parameters
    ----------
    classes : array_like of int, shape (m,)
        Class of each neuron, 0-based; -1 for a zero neuron. Each of 0..M-1 must occur, M being the largest class plus one.
    weights : array_like, shape (m,)
        Non-negative; 0 for a zero neuron. In each class they must sum to 1 within 1e-9. A neuron of weight 0 is a zero
        neuron, whatever class was given: its class is stored as -1.

    Raises
    ------
    InvalidInputError
        If shapes differ, a class is not an integer from -1, a weight is negative or not finite, a neuron of class -1 has
        a weight, or a class is empty or does not sum to 1; the message says which.

    References
    ----------
    [LLW] Lin, Li, Wu, Exploring Neural Network Landscapes: Star-Shaped and Geodesic Connectivity, 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> minimum = lmc.Minimum([0, 1, 0, -1], [0.25, 1.0, 0.75, 0.0])
    >>> minimum.M, minimum.width, minimum.class_sizes
    (2, 4, array([2, 1]))
    >>> lmc.population_loss(minimum.to_network(), lmc.orthonormal_teacher(2, 2)) < 1e-15
    True
    """

    classes: IntArray
    weights: FloatArray

    def __init__(self, classes: ArrayLike, weights: ArrayLike) -> None:
        weights = _checks.real_array("weights", weights, 1).copy()
        _checks.refuse_masked("classes", classes)
        raw = np.asarray(classes)
        if raw.dtype.kind not in "iu" or raw.shape != weights.shape:
            raise InvalidInputError(
                f"classes must be integers, one a weight, shape {weights.shape}, got shape {raw.shape} and dtype {raw.dtype}"
            )
        classes = _checks.integer_array("classes", classes, weights.shape)
        _refuse("classes must be -1 or more", classes < -1, classes)
        _refuse("classes must be less than the width", classes >= len(classes), classes)
        _refuse("weights must not be negative", weights < 0, weights)
        _refuse("weights of neurons of class -1 must be 0", (classes == -1) & (weights > 0), weights)
        classes[weights == 0] = -1
        present = classes >= 0
        sums = np.bincount(classes[present], weights[present], max(1, int(np.max(raw)) + 1))
        wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOL)
        if len(wrong):
            listed = ", ".join(f"class {j} sums to {sums[j]:.12g}" for j in wrong[:5])
            rest = f" and {len(wrong) - 5} more classes do not" if len(wrong) > 5 else ""
            raise InvalidInputError(f"weights must sum to 1 in each class 0..{len(sums) - 1}, but {listed}{rest}")
        for name, array in (("classes", classes), ("weights", weights)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def width(self) -> int:
        """Number of neurons m, zero neurons included."""
        return len(self.classes)

    @property
    def M(self) -> int:  # noqa: N802
        """Width of the teacher, the number of classes."""
        return len(self.class_sizes)

    @cached_property
    def class_sizes(self) -> IntArray:
        """Number of neurons in each class ``(M,)``; zero neurons belong to none."""
        return np.bincount(self.classes[self.classes >= 0])

    def to_network(self, d: int | None = None) -> TwoLayerNet:
        """Return the network ``w_i = weights[i] e_{classes[i]}`` in R^d for ``orthonormal_teacher(M, d)``; d = M by default.

        Raises
        ------
        InvalidInputError
            If `d` is less than M.
        """
        d = self.M if d is None else _checks.integer("d", d, self.M)
        W = np.zeros((self.width, d))
        W[np.arange(self.width), self.classes] = self.weights  # class -1 writes a 0
        return TwoLayerNet(W)

    def permute(self, perm: ArrayLike) -> Minimum:
        """Return the same function with new neuron i the old neuron ``perm[i]``."""
        index = _checks.permutation("perm", perm, self.width)
        return Minimum(self.classes[index], self.weights[index])

    def __repr__(self) -> str:
        return f"Minimum(width={self.width}, M={self.M})"


def same_manifold(**minima: Minimum) -> None:
    """Refuse anything but minima, named by the keywords, of one width and one teacher width."""
    (first_name, first), *others = minima.items()
    _checks.instance(first_name, first, Minimum)
    for name, minimum in others:
        _checks.instance(name, minimum, Minimum)
        if minimum.width != first.width:
            raise InvalidInputError(f"{name} must have the width of {first_name}, m = {first.width}, got {minimum.width}")
        if minimum.M != first.M:
            raise InvalidInputError(
                f"{name} must belong to the teacher width of {first_name}, M = {first.M}, got M = {minimum.M}"
            )


def _refuse(rule: str, broken: np.ndarray, values: np.ndarray) -> None:
    if broken.any():
        i = int(np.argmax(broken))
        raise InvalidInputError(f"{rule}, got {values[i]} for neuron {i}")
