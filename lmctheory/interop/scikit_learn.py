"""Networks of scikit-learn's multilayer perceptrons."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from scipy.special import softmax

from lmctheory import _checks
from lmctheory.errors import InvalidInputError
from lmctheory.interop.agreement import probes, refuse_other_outputs, rounding
from lmctheory.interop.extras import needs
from lmctheory.networks import LayeredNet


def from_sklearn(mlp: Any) -> LayeredNet:
    """Return the network of a fitted perceptron of scikit-learn, before its output activation.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        Fitted, with ``activation="relu"`` and at least one hidden layer.

    Returns
    -------
    LayeredNet
        Output c of a classifier belongs to ``mlp.classes_[c]``: `DataLoss` wants ``np.searchsorted(mlp.classes_, y)`` as labels.

    Raises
    ------
    InvalidInputError
        If `mlp` is not such a perceptron: not fitted, another activation, several labels or a single one, a Poisson loss; or if
        it predicts something else at a few inputs, as a subclass may.
    MissingDependencyError
        Without scikit-learn.

    Notes
    -----
    A classifier of two classes has one output z, of which the logistic function is taken. Here it has two, ``(0, z)``: their
    softmax is the same, and so are the cross-entropy, the decision (z = 0 counts as the first class) and, since all is linear in
    the last layer, the cross-entropy along segments.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> from sklearn.neural_network import MLPRegressor
    >>> X = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    >>> mlp = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0).fit(X, [1.0, 1.0, 0.0, 0.0])
    >>> lmc.from_sklearn(mlp)
    LayeredNet(widths=(3,), input_dim=2, output_dim=1)
    """
    with needs("scikit-learn", "from_sklearn", "data"):
        from sklearn.neural_network import MLPClassifier, MLPRegressor

    if not isinstance(mlp, MLPClassifier | MLPRegressor):
        raise InvalidInputError(f"mlp must be an MLPClassifier or MLPRegressor, got {_checks.describe(mlp)}")
    if mlp.activation != "relu":
        raise InvalidInputError(f"mlp must have activation='relu', got {mlp.activation!r}: only ReLU networks are supported")
    if not hasattr(mlp, "coefs_"):
        raise InvalidInputError("mlp must be fitted, got one without weights")
    if len(mlp.coefs_) < 2:
        raise InvalidInputError("mlp must have a hidden layer, got hidden_layer_sizes=()")
    if mlp.out_activation_ == "logistic" and mlp.n_outputs_ > 1:
        raise InvalidInputError(f"mlp must tell classes apart, one for each input, got {mlp.n_outputs_} labels at once")
    if len(getattr(mlp, "classes_", (0, 1))) < 2:
        raise InvalidInputError(f"mlp must tell classes apart, got one that was fitted to a single class, {mlp.classes_[0]!r}")
    if mlp.out_activation_ not in ("identity", "softmax", "logistic"):
        raise InvalidInputError(
            f"mlp must have linear outputs or class probabilities, got output activation {mlp.out_activation_!r}"
        )
    net = network_of(mlp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of inputs without the names of features
        if mlp.out_activation_ == "identity":
            refuse_other_outputs("mlp", net, mlp.predict)
        else:
            refuse_other_outputs("mlp", net, mlp.predict_proba, link=partial(softmax, axis=1))
            _refuse_other_decisions(mlp, net)
    return net


def _refuse_other_decisions(mlp: Any, net: LayeredNet) -> None:
    """Refuse a classifier that does not decide for the largest output."""
    X = probes(net.input_dim)
    outputs = net(X)
    clear = np.diff(np.sort(outputs), axis=1)[:, -1] > 2 * rounding(net, X).max(axis=1)
    expected, found = mlp.classes_[outputs.argmax(axis=1)], np.asarray(mlp.predict(X))
    if found.shape != expected.shape or (found != expected)[clear].any():
        raise InvalidInputError(f"mlp must predict the class of its largest output, got a {type(mlp).__name__} that does not")


def network_of(mlp: Any) -> LayeredNet:
    """Return the network of a fitted perceptron that is known to be supported."""
    weights, biases = [W.T for W in mlp.coefs_], list(mlp.intercepts_)
    if mlp.out_activation_ == "logistic":
        weights[-1] = np.vstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.concatenate([np.zeros(1), biases[-1]])
    return LayeredNet(weights, biases)
