"""Gradients and Hessian-vector products of a mean loss on data, for ReLU networks of any depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.networks import LayeredNet
from lmctheory.networks.layered import flattened

BLOCK_FLOATS = 2**20  # of the layers and errors at a block of inputs
KEPT_FLOATS = 2**25  # of those that are kept between products, 256 MB


class MeanLoss(Protocol):
    """A mean over inputs ``X (n, d)`` of a smooth function of the outputs."""

    X: FloatArray

    def terms(self, outputs: FloatArray, rows: slice) -> FloatArray:
        """Return the loss at each of the inputs `rows`, shape ``(n',)``."""

    def slopes(self, outputs: FloatArray, rows: slice) -> FloatArray:
        """Return the gradient of each term with respect to its outputs, ``(n', k)``."""

    def slope_changes(self, outputs: FloatArray, changes: FloatArray) -> FloatArray:
        """Return the Hessian of each term with respect to its outputs, times the `changes` ``(n', k)`` of these."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One way through the network and back, at a block of inputs.

    `layers` are ``h_0 = x, h_1, ..., h_D``; `errors` the derivatives of the mean loss with respect to ``z_l = W_l h_l + b_l``,
    for l = 0, ..., D.
    """

    loss: float
    layers: tuple[FloatArray, ...]
    outputs: FloatArray
    errors: tuple[FloatArray, ...]


class Backpropagation:
    """The derivatives of a mean loss at one network, with respect to its `LayeredNet.parameters`; ``relu'(0) = 0``.

    Inputs are taken in blocks, so that memory does not grow with their number; what all products share is kept if it fits into
    256 MB.
    """

    def __init__(self, loss: MeanLoss, net: LayeredNet) -> None:
        self.loss, self.net = loss, net
        floats = net.input_dim + 2 * net.width + 2 * net.output_dim
        n, rows = len(loss.X), max(1, BLOCK_FLOATS // floats)
        self._blocks = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
        self._keep = n * floats <= KEPT_FLOATS
        self._kept: list[Pass] = []

    def value_and_gradient(self) -> tuple[float, FloatArray]:
        """Return the loss and its gradient: ``dL/dW_l = errors_l' h_l``, ``dL/db_l`` the sum of ``errors_l`` over the inputs."""
        value, gradient = 0.0, np.zeros(self.net.parameters.size)
        for one in self._passes():
            value += one.loss
            gradient += flattened(
                [error.T @ h for error, h in zip(one.errors, one.layers, strict=True)],
                [error.sum(axis=0) for error in one.errors],
            )
        return value, gradient

    def hessian_product(self, direction: FloatArray) -> FloatArray:
        """Return the Hessian times a direction, exactly where no neuron is on a kink at any input.

        Every quantity of a pass is differentiated along the direction ``(V, c)``: ``z_l`` changes by ``V_l h_l + c_l`` and what
        the change of ``h_l`` brings; errors on their way back likewise. Four to six matrix products a layer.
        """
        along, total = self.net.with_parameters(direction), np.zeros(direction.size)
        for one in self._passes():
            total += flattened(*self._differentiated(one, along))
        return total

    def _differentiated(self, one: Pass, along: LayeredNet) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return the derivatives of ``dL/dW_l`` and ``dL/db_l`` along a direction."""
        change, layer_changes = np.zeros_like(one.layers[0]), []
        for k, (h, V, c) in enumerate(zip(one.layers, along.weights, along.biases, strict=True)):
            layer_changes.append(change * (h > 0) if k > 0 else change)
            change = h @ V.T + c
            if k > 0:
                change += layer_changes[k] @ self.net.weights[k].T
        error_change = self.loss.slope_changes(one.outputs, change) / len(self.loss.X)
        weights, biases = [], []
        for k, h in reversed(list(enumerate(one.layers))):
            weights.append(error_change.T @ h)
            biases.append(error_change.sum(axis=0))
            if k > 0:
                weights[-1] += one.errors[k].T @ layer_changes[k]
                error_change = (error_change @ self.net.weights[k] + one.errors[k] @ along.weights[k]) * (h > 0)
        return weights[::-1], biases[::-1]

    def _passes(self) -> Iterator[Pass]:
        if self._kept:
            return iter(self._kept)
        passes = map(self._pass, self._blocks)
        if self._keep:
            self._kept = list(passes)
            return iter(self._kept)
        return passes

    def _pass(self, rows: slice) -> Pass:
        X = self.loss.X[rows]
        layers = (X, *self.net.hidden(X))
        outputs = layers[-1] @ self.net.weights[-1].T + self.net.biases[-1]
        n = len(self.loss.X)
        errors = [self.loss.slopes(outputs, rows) / n]
        for W, h in zip(self.net.weights[:0:-1], layers[:0:-1], strict=True):
            errors.append((errors[-1] @ W) * (h > 0))
        return Pass(float(self.loss.terms(outputs, rows).sum() / n), layers, outputs, tuple(errors[::-1]))
