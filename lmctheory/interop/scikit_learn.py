"""Networks of scikit-learn's multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmctheory.networks import LayeredNet


def network_of(mlp: Any) -> LayeredNet:
    """Return the network of a fitted perceptron with ReLU, before its output activation.

    The one output z of a classifier of two classes becomes two, ``(0, z)``: their softmax is the logistic function of z.
    """
    weights, biases = [W.T for W in mlp.coefs_], list(mlp.intercepts_)
    if mlp.out_activation_ == "logistic":
        weights[-1] = np.vstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.concatenate([np.zeros(1), biases[-1]])
    return LayeredNet(weights, biases)
