"""Whether a network that was read computes what it was read from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import LayeredNet

SCALES = (0.0, 1e-3, 1.0, 1e3)  # of the inputs at which outputs are compared
INPUTS = 4  # of each


def refuse_other_outputs(
    name: str, net: LayeredNet, original: Callable[[FloatArray], Any], link: Callable[[FloatArray], FloatArray] | None = None
) -> None:
    """Refuse the argument `name` unless its outputs `original` at a few inputs are those of `net`, up to rounding.

    Where there is a `link`, it maps the outputs of `net` to those of the original, and changes no two of them by more than they
    differ, as softmax does.
    """
    X = probes(net.input_dim)
    with np.errstate(over="ignore", invalid="ignore"):  # an input at which the bound overflows is passed over
        expected, tolerance = net(X), rounding(net, X)
        if link is not None:
            expected, tolerance = link(expected), tolerance.max(axis=1, keepdims=True) + 64 * np.finfo(float).eps
        try:
            outputs = np.asarray(original(X), dtype=np.float64)
            difference = np.abs(outputs.reshape(len(X), -1) - expected)
        except Exception as error:  # whatever foreign code raises
            shape = f"inputs of shape (n, {net.input_dim}) and outputs of shape (n, {expected.shape[1]})"
            raise InvalidInputError(f"{name} must be a function with {shape}, got {type(error).__name__}: {error}") from error
    if not (difference <= tolerance)[np.isfinite(tolerance).all(axis=1)].all():
        raise InvalidInputError(
            f"{name} must compute what its linear layers with ReLU between compute, got outputs that differ by "
            f"{difference.max():.2g} from theirs"
        )


def probes(dimension: int) -> FloatArray:
    """Return inputs of several sizes, zeros among them, always the same."""
    draws = np.random.default_rng(0).normal(size=(len(SCALES), INPUTS, dimension))
    return (np.array(SCALES)[:, None, None] * draws).reshape(-1, dimension)


def rounding(net: LayeredNet, X: FloatArray) -> FloatArray:
    """Return a bound of the difference that two evaluations at `X` in double precision may have, whatever their order of sums.

    A product with fan-in n errs by at most ``(n + 1) eps |W| |h|``; ReLU enlarges no error.
    """
    size = np.abs(X)
    for W, b in zip(net.weights, net.biases, strict=True):
        size = size @ np.abs(W).T + np.abs(b)
    return 4 * np.finfo(float).eps * sum(W.shape[1] + 1 for W in net.weights) * size
