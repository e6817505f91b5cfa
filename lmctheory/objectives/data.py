"""The loss on data: inputs with targets or class labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import DataWarning, InvalidInputError
from lmctheory.networks import LayeredNet, Network, TwoLayerNet, as_layered, same_architecture
from lmctheory.objectives.backpropagation import Backpropagation
from lmctheory.objectives.mixtures import BLOCK_FLOATS, DataSegments, DataSimplex

LOSSES = ("squared", "cross-entropy", "error")


class DataLoss:
    """The mean loss of a network on n inputs with targets.

    - "squared": ``(1/n) sum_i |f(x_i) - y_i|^2``, no factor 1/2; class labels count as unit vectors;
    - "cross-entropy": ``(1/n) sum_i log sum_c exp f_c(x_i) - f_{y_i}(x_i)``, of class labels;
    - "error": the share of inputs whose largest output is not that of their class; 1 less the accuracy.

    Parameters
    ----------
    X : array_like, shape (n, d)
        The inputs, one a row.
    y : array_like, shape (n,) or (n, k)
        Integers ``0 .. k - 1`` of shape (n,) are class labels. Floats are the targets of a regression, and so are integers of
        shape (n, 1), a column, or (n, k), one unit vector an input, say.
    loss : {"squared", "cross-entropy", "error"}
        "squared" by default.

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix, `y` does not fit it, `loss` is unknown or needs class labels.

    Warns
    -----
    DataWarning
        If targets look like class labels and `loss` is not given: whole numbers, at least two, that repeat or are each of
        ``0 .. k - 1``; unit vectors. With `loss` "squared" there is no doubt.

    Notes
    -----
    Networks are a `LayeredNet`, whose outputs must be as many as the targets have columns and more than the largest label, or a
    `TwoLayerNet`, for targets with one column.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> data = lmc.DataLoss([[1.0], [-1.0]], [2.0, 1.0])
    >>> data(lmc.TwoLayerNet([[2.0]]))
    0.5
    """

    def __init__(self, X: ArrayLike, y: ArrayLike, loss: str | None = None) -> None:
        self.X = _checks.real_array("X", X, 2)
        self.loss = "squared" if loss is None else _checks.choice("loss", loss, LOSSES)
        _checks.refuse_masked("y", y)
        try:
            targets = _checks.as_array(y)
        except ValueError:  # ragged, say
            targets = np.empty((0, 0, 0))
        self.labels: IntArray | None = None
        if targets.dtype.kind in "iu" and targets.ndim == 1:
            self.labels = _checks.integer_array("y", y, (len(self.X),))
            if self.labels.min() < 0:
                raise InvalidInputError(f"y must hold class labels from 0 on, got {self.labels.min()}")
        else:
            if self.loss != "squared":
                raise InvalidInputError(
                    f"y must hold integer class labels, of shape ({len(self.X)},), with loss={loss!r}, "
                    f"got {_checks.describe(y)}, dtype {targets.dtype}"
                )
            self.targets = _checks.real_array("y", y, targets.ndim if targets.ndim in (1, 2) else 2)
            if len(self.targets) != len(self.X):
                raise InvalidInputError(f"y must have one target an input, {len(self.X)}, got {len(self.targets)}")
            shape, self.targets = self.targets.shape, self.targets.reshape(len(self.X), -1)
            if loss is None and _like_labels(self.targets):
                warn_of_labels(shape, targets.dtype, stacklevel=3)

    def measuring(self, loss: str) -> DataLoss:
        """Return another loss on the same data: the error rate, say, beside the cross-entropy that was minimised."""
        y = self.targets if self.labels is None else self.labels
        return DataLoss(self.X, y, loss)

    def __len__(self) -> int:
        """Number n of inputs."""
        return len(self.X)

    def check(self, name: str, net: Any) -> None:
        """Refuse anything but a network of the data's input dimension, with outputs for its targets."""
        if not isinstance(net, LayeredNet):
            _checks.instance(name, net, TwoLayerNet)
        _checks.same_dimension(name, net.input_dim, "the data", self.X.shape[1])
        outputs = net.output_dim if isinstance(net, LayeredNet) else 1
        if self.labels is None:
            if outputs != self.targets.shape[1]:
                raise InvalidInputError(f"{name} must have one output a target, {self.targets.shape[1]}, got {outputs}")
        elif outputs <= self.labels.max():
            raise InvalidInputError(f"{name} must have an output for every class, {self.labels.max() + 1}, got {outputs}")

    def __call__(self, net: Network) -> float:
        """Return the loss of a network."""
        self.check("net", net)
        return float(self.segments([net], [net])(np.zeros(1, dtype=np.intp), np.zeros((1, 1)))[0, 0])

    def accuracy(self, net: Network) -> float:
        """Return the share of inputs whose largest output is that of their class."""
        return 1.0 - self.measuring("error")(net)

    def value_and_gradient(self, net: Network) -> tuple[float, FloatArray]:
        """Return the loss, and its gradient with respect to `LayeredNet.parameters`, or to W ``(m, d)`` of a `TwoLayerNet`.

        Exact where no neuron is on a kink at any input; ``relu'(0) = 0``.

        Raises
        ------
        InvalidInputError
            If the loss does not fit the network, or is "error", which has no derivatives.

        Examples
        --------
        >>> import lmctheory as lmc
        >>> data = lmc.DataLoss([[1.0], [-1.0]], [2.0, 1.0])
        >>> data.value_and_gradient(lmc.TwoLayerNet([[3.0]]))
        (1.0, array([[1.]]))
        """
        value, gradient = self._derivatives(net).value_and_gradient()
        return value, gradient if isinstance(net, LayeredNet) else gradient[: net.W.size].reshape(net.W.shape)

    def hessian_product(self, net: Network) -> Callable[[FloatArray], FloatArray]:
        """Return the map ``D -> H D``, with H the Hessian with respect to `LayeredNet.parameters`, or to W of a `TwoLayerNet`.

        Directions have the shape of the gradient. H is exact where no neuron is on a kink at any input, between layers too:
        derivatives of forward and backward pass along D, so that H is never formed. A product costs about twice as much as a
        gradient; inputs are taken in blocks, and layers kept between products if they fit into 256 MB.
        Errors as for `value_and_gradient`.

        Examples
        --------
        >>> import lmctheory as lmc
        >>> data = lmc.DataLoss([[1.0], [-1.0]], [2.0, 1.0])
        >>> data.hessian_product(lmc.TwoLayerNet([[3.0]]))([[1.0]])
        array([[1.]])
        """
        derivatives = self._derivatives(net)
        if isinstance(net, LayeredNet):
            return derivatives.hessian_product
        shape, others = net.W.shape, derivatives.net.parameters.size - net.W.size

        def product(direction: FloatArray) -> FloatArray:
            moved = np.concatenate([np.reshape(direction, -1), np.zeros(others)])
            return derivatives.hessian_product(moved)[:-others].reshape(shape)

        return product

    def _derivatives(self, net: Network) -> Backpropagation:
        self.check("net", net)
        if self.loss == "error":
            raise InvalidInputError("loss must be 'squared' or 'cross-entropy' for derivatives, got 'error'")
        return Backpropagation(self, as_layered(net))

    def terms(self, outputs: FloatArray, rows: slice) -> FloatArray:
        """Return the loss at each of the inputs `rows`, whose `outputs` are ``(n', k)``."""
        if self.labels is None:
            return np.square(outputs - self.targets[rows]).sum(axis=1)
        labels = self.labels[rows]
        own = outputs[np.arange(len(labels)), labels]
        if self.loss == "squared":
            residuals = outputs.copy()
            residuals[np.arange(len(labels)), labels] -= 1.0
            return np.square(residuals).sum(axis=1)
        winners = outputs.argmax(axis=1)
        if self.loss == "error":
            return (winners != labels).astype(np.float64)
        highest = outputs[np.arange(len(labels)), winners]
        others = np.exp(outputs - highest[:, None])
        others[np.arange(len(labels)), winners] = 0.0
        return np.log1p(others.sum(axis=1)) + (highest - own)

    def term_sizes(self, outputs: FloatArray, rows: slice) -> FloatArray:
        """Return the absolute values that are summed in each of `terms`, to which its rounding error is relative."""
        if self.loss == "error":
            return np.zeros(len(outputs))
        if self.loss == "cross-entropy":
            return 1.0 + 2.0 * np.abs(outputs).max(axis=1)
        targets = 1.0 if self.labels is not None else np.square(self.targets[rows]).sum(axis=1)
        return 2.0 * (np.square(outputs).sum(axis=1) + targets)

    def slopes(self, outputs: FloatArray, rows: slice) -> FloatArray:
        """Return the gradient of each of `terms` with respect to its outputs, shape ``(n', k)``."""
        if self.labels is None:
            return 2.0 * (outputs - self.targets[rows])
        if self.loss == "squared":
            slopes = 2.0 * outputs
            slopes[np.arange(len(outputs)), self.labels[rows]] -= 2.0
            return slopes
        slopes, own = _softmax(outputs), (np.arange(len(outputs)), self.labels[rows])
        slopes[own] = 0.0
        slopes[own] = -slopes.sum(axis=1)  # the share of the class less 1, of which nothing may be left
        return slopes

    def slope_changes(self, outputs: FloatArray, changes: FloatArray) -> FloatArray:
        """Return how `slopes` change with the outputs: the Hessian of each term times its `changes` ``(n', k)``."""
        if self.loss == "squared":
            return 2.0 * changes
        shares = _softmax(outputs)
        winners = outputs.argmax(axis=1)
        weighted = shares * (changes - changes[np.arange(len(outputs)), winners][:, None])
        return weighted - shares * weighted.sum(axis=1, keepdims=True)

    def moments(self, net_a: Network, net_b: Network) -> tuple[FloatArray, ...]:
        """Return ``(1/n) sum_x h(x) h'(x)'`` of each hidden layer, ``(m_l, m_l)``, with h of the first network."""
        nets = as_layered(net_a), as_layered(net_b)
        found = tuple(np.zeros((m, m)) for m in nets[0].widths)
        rows = max(1, BLOCK_FLOATS // (2 * nets[0].width))
        for start in range(0, len(self), rows):
            X = self.X[start : start + rows]
            for total, h_a, h_b in zip(found, nets[0].hidden(X), nets[1].hidden(X), strict=True):
                total += h_a.T @ h_b
        for total in found:
            total /= len(self)
        return found

    def segments(self, nets_a: Sequence[Any], nets_b: Sequence[Any]) -> DataSegments:
        """Return the loss on the straight lines from each of `nets_a` to its partner in `nets_b`; all have one architecture."""
        for net_a, net_b in zip(nets_a, nets_b, strict=True):
            self.check("net_a", net_a)
            same_architecture("net_a", net_a, "net_b", net_b)
        return DataSegments(self, [as_layered(net) for net in nets_a], [as_layered(net) for net in nets_b])

    def simplex(self, networks: Sequence[Any]) -> DataSimplex:
        """Return the loss on the simplex of networks of one architecture."""
        for k, net in enumerate(networks):
            self.check(f"networks[{k}]", net)
            same_architecture("networks[0]", networks[0], f"networks[{k}]", net)
        return DataSimplex(self, [as_layered(net) for net in networks])


def warn_of_labels(shape: tuple[int, ...], dtype: np.dtype[Any], stacklevel: int) -> None:
    """Warn that targets are whole numbers, and say how class labels are given."""
    columns = len(shape) == 2 and shape[1] > 1
    kind = "floats" if dtype.kind == "f" else "integers"
    labels = "y.argmax(axis=1)" if columns else "y.ravel().astype(int)" if len(shape) == 2 else "y.astype(int)"
    warnings.warn(
        f"y holds whole numbers ({kind} of shape {shape}), which are taken as targets of a regression with the squared loss: "
        f"class labels must be integers of shape ({shape[0]},), {labels} for instance; loss='squared' says that they are targets",
        DataWarning,
        stacklevel=stacklevel,
    )


def whole(targets: FloatArray) -> bool:
    """Say whether all targets are whole numbers."""
    return bool((targets == np.rint(targets)).all())


def _like_labels(targets: FloatArray) -> bool:
    """Say whether targets ``(n, k)`` have the values of class labels.

    They are whole, several, and repeated or each of ``0 .. k - 1``; or unit vectors.
    """
    if not whole(targets):
        return False
    values = np.unique(targets, axis=0)
    if values.shape[1] == 1:
        complete = np.array_equal(values[:, 0], np.arange(len(values)))
    else:
        complete = bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())
    return len(values) > 1 and (complete or len(values) < len(targets))


def _softmax(outputs: FloatArray) -> FloatArray:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares
