"""Two-layer ReLU networks ``f(x) = sum_i a_i relu(w_i . x)``: construction, evaluation, permuting, saving and loading."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._archives import npz_weights, unreadable
from lmctheory._checks import FloatArray
from lmctheory._files import atomic_file
from lmctheory.errors import InvalidInputError
from lmctheory.kernels import unit_rows


@dataclass(frozen=True, eq=False, init=False, repr=False)
class TwoLayerNet:
    """The network ``f(x) = sum_{i=1..m} a_i relu(w_i . x)``.

    Parameters
    ----------
    W : array_like, shape (m, d)
        Hidden weights, one neuron a row. Copied; the network's arrays are read-only.
    a : array_like, shape (m,), optional
        Output weights of any sign; ones by default.

    Raises
    ------
    InvalidInputError
        If `W` is not a non-empty finite matrix or `a` not a finite vector with one entry a neuron.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> net = lmc.TwoLayerNet([[1.0, 0.0], [0.0, 2.0]], [1.0, -1.0])
    >>> net([[3.0, 1.0]])
    array([1.])
    >>> net.permute([1, 0]).W
    array([[0., 2.],
           [1., 0.]])
    """

    W: FloatArray
    a: FloatArray

    def __init__(self, W: ArrayLike, a: ArrayLike | None = None) -> None:
        W = _checks.real_array("W", W, 2).copy()
        a = np.ones(len(W)) if a is None else _checks.real_array("a", a, 1).copy()
        if len(a) != len(W):
            raise InvalidInputError(f"a must have one entry a neuron, shape ({len(W)},), got shape {a.shape}")
        for name, array in (("W", W), ("a", a)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def width(self) -> int:
        """Number of hidden neurons m."""
        return self.W.shape[0]

    @property
    def input_dim(self) -> int:
        """Input dimension d."""
        return self.W.shape[1]

    @property
    def layers(self) -> tuple[slice, ...]:
        """Where the neurons of each hidden layer stand among all, as in a `LayeredNet`: here in one."""
        return (slice(0, self.width),)

    def __call__(self, X: ArrayLike) -> FloatArray:
        """Return ``f(x)`` for each row of `X` ``(n, d)``, shape ``(n,)``."""
        X = _checks.real_array("X", X, 2)
        _checks.same_dimension("X", X.shape[1], "the network", self.input_dim)
        return np.maximum(X @ self.W.T, 0.0) @ self.a

    def permute(self, perm: ArrayLike) -> TwoLayerNet:
        """Return the same function with new neuron i the old neuron ``perm[i]``."""
        index = _checks.permutation("perm", perm, self.width)
        return TwoLayerNet(self.W[index], self.a[index])

    def pad(self, width: int, output: float = 1.0) -> TwoLayerNet:
        """Return the same function with zero neurons appended up to `width`, so that networks of unequal width can be matched.

        On the way to a neuron ``(w, output)`` of another network a zero neuron contributes ``t output relu(w . x)``, with no
        barrier: `output` is the output weight of the neurons it is to meet, one by default.

        Raises
        ------
        InvalidInputError
            If `width` is less than that of the network, or `output` is not finite.

        Examples
        --------
        >>> import lmctheory as lmc
        >>> net, wide = lmc.TwoLayerNet([[1.0]]), lmc.TwoLayerNet([[0.25], [0.75]])
        >>> lmc.barrier(net.pad(2), wide, lmc.orthonormal_teacher(1, 1), align="weights").height < 1e-15
        True
        """
        extra = _checks.integer("width", width, self.width) - self.width
        output = _checks.real("output", output)
        return TwoLayerNet(np.pad(self.W, ((0, extra), (0, 0))), np.pad(self.a, (0, extra), constant_values=output))

    def balance(self) -> TwoLayerNet:
        """Return the same function with ``|w_i| = |a_i|`` for every neuron: ``w / r`` and ``r a`` with ``r = sqrt(|w| / |a|)``.

        A neuron with ``w = 0`` or ``a = 0``, which contributes nothing, becomes zero. Of all networks that differ by positive
        factors of their neurons this is the one of least Euclidean norm; so networks that differ by them alone become equal, up
        to rounding and the order of their neurons.

        Notes
        -----
        Exact up to a few units of rounding of each weight, for norms and output weights of any size. On the way to a neuron
        ``(w, a)`` of another network a zero neuron contributes ``t^2 a relu(w . x)``; see `pad` for one with an output weight.

        Examples
        --------
        >>> import lmctheory as lmc
        >>> net = lmc.TwoLayerNet([[3.0, 4.0], [8.0, 0.0], [1.0, 1.0]], [-5.0, 0.5, 0.0]).balance()
        >>> net.W, net.a
        (array([[3., 4.],
               [2., 0.],
               [0., 0.]]), array([-5.,  2.,  0.]))
        """
        norms, units = unit_rows(self.W)
        sizes = np.sqrt(norms) * np.sqrt(np.abs(self.a))  # their product may be out of range
        W: FloatArray = np.where(sizes > 0, sizes, 0.0)[:, None] * units
        return TwoLayerNet(W + 0.0, np.where(sizes > 0, np.copysign(sizes, self.a), 0.0))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to `path` as a NumPy ``.npz`` archive with arrays ``W`` and ``a``, atomically."""
        with atomic_file(path) as file:
            np.savez(file, W=self.W, a=self.a)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> TwoLayerNet:
        """Read a network written by `save`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidInputError
            If the file is not an ``.npz`` archive with valid arrays ``W`` and ``a``, or holds anything beside them but single
            integers.
        """
        expected = "an .npz archive of W and a"
        arrays = npz_weights(path, expected)
        if set(arrays) != {"W", "a"}:
            raise unreadable(path, expected, f"it holds {', '.join(sorted(arrays)) or 'nothing'}")
        return TwoLayerNet(arrays["W"], arrays["a"])

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made anew from the arrays, and so are read-only too."""
        return type(self), (self.W, self.a)

    def __repr__(self) -> str:
        return f"TwoLayerNet(width={self.width}, input_dim={self.input_dim})"


def orthonormal_teacher(M: int, d: int) -> TwoLayerNet:
    """Return the teacher ``f*(x) = sum_{j=1..M} relu(x_j)``: the first M basis vectors of R^d, output weights one.

    Raises
    ------
    InvalidInputError
        Unless ``1 <= M <= d``.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.orthonormal_teacher(2, 3).W
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    M = _checks.integer("M", M, 1)
    d = _checks.integer("d", d, 1)
    if d < M:
        raise InvalidInputError(f"M must be at most d = {d} for an orthonormal teacher, got {M}")
    return TwoLayerNet(np.eye(M, d))
