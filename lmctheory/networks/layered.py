"""ReLU networks of any depth, with biases and several outputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._archives import npz_weights, unreadable
from lmctheory._checks import FloatArray, IntArray
from lmctheory._files import atomic_file
from lmctheory.errors import InvalidInputError
from lmctheory.networks.two_layer import TwoLayerNet


@dataclass(frozen=True, eq=False, init=False, repr=False)
class LayeredNet:
    """The network ``f(x) = W_D h_D + b_D`` with ``h_0 = x`` and hidden layers ``h_l = relu(W_{l-1} h_{l-1} + b_{l-1})``.

    Parameters
    ----------
    weights : sequence of array_like
        ``W_0 (m_1, d), W_1 (m_2, m_1), ..., W_D (k, m_D)`` for D >= 1 hidden layers and k outputs, one neuron a row. Copied; the
        network's arrays are read-only.
    biases : sequence of array_like, optional
        ``b_0 (m_1,), ..., b_D (k,)``; zeros by default.

    Raises
    ------
    InvalidInputError
        If there are fewer than two weight matrices, shapes do not fit each other (the layer is named), or an entry is not finite.

    Notes
    -----
    Hidden neurons are numbered through all layers, from 0 to ``width - 1``, those next to the input first. A permutation of the
    network is one array of gather indices over them which maps every layer to itself.

    Every layer is fully connected: convolutional and residual networks are out of scope.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> net = lmc.LayeredNet([[[1.0, 0.0], [0.0, 1.0]], [[1.0, -1.0]], [[2.0], [1.0]]], [[0, 0], [0.5], [0, 1]])
    >>> net([[3.0, 1.0]])
    array([[5. , 3.5]])
    >>> net.widths, net.width
    ((2, 1), 3)
    >>> net.permute([1, 0, 2])([[3.0, 1.0]])
    array([[5. , 3.5]])
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    def __init__(self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike] | None = None) -> None:
        given = enumerate(_checks.items("weights", weights, "matrices", 2))
        matrices = [_checks.real_array(f"weights[{k}]", W, 2).copy() for k, W in given]
        vectors = [np.zeros(len(W)) for W in matrices]
        if biases is not None:
            given = enumerate(_checks.items("biases", biases, "vectors"))
            vectors = [_checks.real_array(f"biases[{k}]", b, 1).copy() for k, b in given]
        if len(vectors) != len(matrices):
            raise InvalidInputError(f"biases must be one vector a weight matrix, {len(matrices)}, got {len(vectors)}")
        for k, (W, b) in enumerate(zip(matrices, vectors, strict=True)):
            if k > 0 and W.shape[1] != len(matrices[k - 1]):
                expected = f"one column a row of weights[{k - 1}], {len(matrices[k - 1])}"
                raise InvalidInputError(f"weights[{k}] must have {expected}, got shape {W.shape}")
            if len(b) != len(W):
                raise InvalidInputError(f"biases[{k}] must have one entry a row of weights[{k}], {len(W)}, got {len(b)}")
        for array in (*matrices, *vectors):
            array.flags.writeable = False
        object.__setattr__(self, "weights", tuple(matrices))
        object.__setattr__(self, "biases", tuple(vectors))

    @staticmethod
    def from_two_layer(net: TwoLayerNet) -> LayeredNet:
        """Return the same function: one hidden layer, no biases, one output."""
        return LayeredNet([_checks.instance("net", net, TwoLayerNet).W, net.a[None, :]])

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of neurons of the hidden layers."""
        return tuple(len(W) for W in self.weights[:-1])

    @property
    def width(self) -> int:
        """Number of hidden neurons in all layers."""
        return sum(self.widths)

    @property
    def depth(self) -> int:
        """Number D of hidden layers."""
        return len(self.weights) - 1

    @property
    def input_dim(self) -> int:
        """Input dimension d."""
        return self.weights[0].shape[1]

    @property
    def output_dim(self) -> int:
        """Number k of outputs."""
        return len(self.weights[-1])

    @property
    def layers(self) -> tuple[slice, ...]:
        """Where the neurons of each hidden layer stand among all."""
        return tuple(slice(start, end) for start, end in pairwise(np.cumsum((0, *self.widths)).tolist()))

    def hidden(self, X: ArrayLike) -> tuple[FloatArray, ...]:
        """Return the hidden layers ``h_1 (n, m_1), ..., h_D (n, m_D)`` at each row of `X` ``(n, d)``."""
        h = _checks.real_array("X", X, 2)
        _checks.same_dimension("X", h.shape[1], "the network", self.input_dim)
        found = []
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = np.maximum(h @ W.T + b, 0.0)
            found.append(h)
        return tuple(found)

    def __call__(self, X: ArrayLike) -> FloatArray:
        """Return ``f(x)`` for each row of `X` ``(n, d)``, shape ``(n, k)``."""
        outputs: FloatArray = self.hidden(X)[-1] @ self.weights[-1].T + self.biases[-1]
        return outputs

    @property
    def parameters(self) -> FloatArray:
        """All weights and biases as one vector: ``W_0`` row by row, ``b_0, W_1, b_1, ..., W_D, b_D``."""
        return flattened(self.weights, self.biases)

    def with_parameters(self, parameters: ArrayLike) -> LayeredNet:
        """Return the network of this architecture with other `parameters`, in the order of the property of that name.

        Raises
        ------
        InvalidInputError
            If there are more or fewer than the network has, or one is not finite.

        Examples
        --------
        >>> import lmctheory as lmc
        >>> net = lmc.LayeredNet([[[1.0, 2.0]], [[3.0]]])
        >>> net.parameters
        array([1., 2., 0., 3., 0.])
        >>> net.with_parameters(2 * net.parameters).weights[1]
        array([[6.]])
        """
        vector = _checks.real_array("parameters", parameters, 1)
        arrays = [array for pair in zip(self.weights, self.biases, strict=True) for array in pair]
        sizes = [array.size for array in arrays]
        if vector.size != sum(sizes):
            raise InvalidInputError(f"parameters must be one number a weight and bias, {sum(sizes)}, got {vector.size}")
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        shaped = [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]
        return LayeredNet(shaped[::2], shaped[1::2])

    def permute(self, perm: ArrayLike) -> LayeredNet:
        """Return the same function with new hidden neuron i the old neuron ``perm[i]``; every layer is mapped to itself."""
        parts = self.split(perm)
        weights, biases = list(self.weights), list(self.biases)
        for k, part in enumerate(parts):
            weights[k], biases[k] = weights[k][part], biases[k][part]
            weights[k + 1] = weights[k + 1][:, part]
        return LayeredNet(weights, biases)

    def split(self, perm: ArrayLike, name: str = "perm") -> tuple[IntArray, ...]:
        """Return the permutation of each layer, as indices into that layer; `name` is what errors call it.

        Raises
        ------
        InvalidInputError
            If `perm` is not a permutation of all hidden neurons, or moves a neuron to another layer.
        """
        index = _checks.permutation(name, perm, self.width)
        parts = []
        for k, layer in enumerate(self.layers):
            part = index[layer] - layer.start
            if part.min() < 0 or part.max() >= self.widths[k]:
                raise InvalidInputError(
                    f"{name} must map every hidden layer to itself: neurons {layer.start} to {layer.stop - 1} are layer {k}, "
                    f"got {index[layer].tolist()}"
                )
            parts.append(part)
        return tuple(parts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to `path` as a NumPy ``.npz`` archive with arrays ``weight_0, bias_0, ...``, atomically."""
        arrays = {f"weight_{k}": W for k, W in enumerate(self.weights)} | {f"bias_{k}": b for k, b in enumerate(self.biases)}
        with atomic_file(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: str | os.PathLike[str]) -> LayeredNet:
        """Read a network written by `save`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidInputError
            If the file is not an ``.npz`` archive with arrays ``weight_0, bias_0, ...`` that fit each other, or anything beside
            them but single integers.
        """
        expected = "an .npz archive of weight_0, bias_0, ..."
        arrays = npz_weights(path, expected)
        count = len(arrays) // 2
        if set(arrays) != {f"{kind}_{k}" for kind in ("weight", "bias") for k in range(count)}:
            raise unreadable(path, expected, f"it holds {', '.join(sorted(arrays)) or 'nothing'}")
        weights = [arrays[f"weight_{k}"] for k in range(count)]
        biases = [arrays[f"bias_{k}"] for k in range(count)]
        return LayeredNet(weights, biases)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made anew from the arrays, and so are read-only too."""
        return type(self), (self.weights, self.biases)

    def __repr__(self) -> str:
        return f"LayeredNet(widths={self.widths}, input_dim={self.input_dim}, output_dim={self.output_dim})"


def flattened(weights: Sequence[FloatArray], biases: Sequence[FloatArray]) -> FloatArray:
    """Return weights and biases in the order of `LayeredNet.parameters`."""
    return np.concatenate([array.ravel() for pair in zip(weights, biases, strict=True) for array in pair])
