"""The checks themselves are tested on losses that have the symmetry and on losses that lack it, each in a way of its own."""

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory import strategies

X = np.random.default_rng(0).normal(size=(20, 1000))
X32 = X.astype(np.float32)
CHECKS = {
    "permutation": strategies.assert_permutation_invariant,
    "rescaling": strategies.assert_rescaling_invariant,
    "rotation": strategies.assert_rotation_invariant,
}


def squares(W, a):
    return np.mean((np.maximum(X[:, : W.shape[1]] @ W.T, 0) @ a - 1) ** 2)


def squares32(W, a):
    W, a = W.astype(np.float32), a.astype(np.float32)
    return np.mean((np.maximum(X32[:, : W.shape[1]] @ W.T, 0) @ a - 1) ** 2)


def norms(W, a):
    return np.abs(a) @ np.linalg.norm(W, axis=1)


def norms32(W, a):
    return np.sum(np.abs(a.astype(np.float32)) * np.sqrt(np.sum(W.astype(np.float32) ** 2, axis=1)))


def in_turn(W, a):
    """Neurons added up one after the other, in single precision."""
    total = np.zeros(20, np.float32)
    for w, b in zip(W.astype(np.float32), a.astype(np.float32), strict=True):
        total = total + b * np.maximum(X32[:, : W.shape[1]] @ w, 0)
    return np.mean((total - 1) ** 2)


def logistic(W, a):
    return np.mean(np.logaddexp(0, np.maximum(X[:, : W.shape[1]] @ W.T, 0) @ a))


def gram(W, a):
    """The squared norm of a function in a kernel space, whose terms may cancel."""
    return a @ np.maximum(W @ W.T, 0) @ a


def gram32(W, a):
    W, a = W.astype(np.float32), a.astype(np.float32)
    return a @ np.maximum(W @ W.T, 0) @ a


def zero_neurons(W, a):
    return int(np.sum(~W.any(axis=1)))


def sign_of_first(W, a):
    return float(W[0, 0] > 0)


def teacher_loss(W, a):
    return lmc.population_loss(lmc.TwoLayerNet(W, a), lmc.orthonormal_teacher(1, W.shape[1]))


def merged(W, a):
    """Copies are merged first, correctly."""
    rows, inverse = np.unique(W, axis=0, return_inverse=True)
    return squares(rows, np.bincount(inverse.ravel(), weights=a, minlength=len(rows)))


RIGHT = {
    "permutation": [
        squares, squares32, norms, norms32, in_turn, logistic, gram, gram32, zero_neurons, teacher_loss, merged,
        lambda W, a: 3.0, lambda W, a: float(squares32(W, a)), lambda W, a: np.sort(a) @ np.arange(len(a)),
        lambda W, a: 1e-12 * norms(W, a), lambda W, a: 1e12 * squares(W, a), lambda W, a: a.max() + W.max(),
    ],
    "rescaling": [
        squares, squares32, norms, norms32, in_turn, logistic, gram, gram32, zero_neurons, teacher_loss,
        lambda W, a: 3.0, lambda W, a: float(squares32(W, a)), lambda W, a: float(np.sum(a > 0)), lambda W, a: 1e-12 * norms(W, a),
    ],
    "rotation": [
        norms, norms32, gram, gram32, lambda W, a: 3.0, zero_neurons, lambda W, a: np.sum(a), lambda W, a: np.trace(W @ W.T),
        lambda W, a: np.linalg.norm(W, 2), lambda W, a: norms(W, a) ** 2, lambda W, a: 1e-12 * norms(W, a),
        lambda W, a: np.log1p(norms(W, a)),
    ],
}  # fmt: skip
SIZES = [{}, {"width": 2, "input_dim": 1}, {"width": (1, 200), "input_dim": (1, 60)}, {"width": 40, "input_dim": 100}]


@pytest.mark.parametrize(("symmetry", "number"), [(name, k) for name, losses in RIGHT.items() for k in range(len(losses))])
def test_right_losses_pass(symmetry, number):
    for size in SIZES:
        CHECKS[symmetry](RIGHT[symmetry][number], **size, max_examples=20)


def with_fault(loss, fault):
    return lambda W, a: loss(W, a) + fault(W, a)


def at_copies(W, a):
    _, first = np.unique(W, axis=0, return_index=True)
    return np.sum(a[first])


def relative(size):
    """A relative error of one loss in two, by the order of the neurons."""
    return lambda W, a: squares(W, a) * (1 + size * (a[0] > a[-1]))


def relative32(size):
    return lambda W, a: np.float32(squares32(W, a) * np.float32(1 + size * (a[0] > a[-1])))


LARGE = {"width": 300, "input_dim": 3}
BROKEN = {
    "permutation": {
        "first neuron": (lambda W, a: a[0] ** 2, {}),
        "last neuron": (lambda W, a: W[-1] @ W[-1], {}),
        "first neuron of many": (sign_of_first, LARGE),
        "order of a sum": (lambda W, a: np.sum(np.cumsum(a) ** 2), {}),
        "order of a sum of many": (lambda W, a: np.sum(np.cumsum(a) ** 2), LARGE),
        "one pair": (lambda W, a: W[0] @ W[1] if len(a) > 1 else 0.0, {}),
        "one pair of many": (lambda W, a: W[100] @ W[200], LARGE),
        "sorted weights": (lambda W, a: np.sort(W[:, 0]) @ a, {}),
        "index": (lambda W, a: np.arange(len(a)) @ np.abs(a), {}),
        "zero neurons": (with_fault(squares, lambda W, a: 0.1 * a[0] * (not W[0].any())), {}),
        "copies": (at_copies, {}),
        "copies among many": (at_copies, LARGE),
        "large widths": (lambda W, a: a[0] if len(a) > 150 else norms(W, a), {"width": (1, 200), "input_dim": 2}),
        "blocks": (lambda W, a: norms(W[:256], a[:256]), {"width": 257, "input_dim": 4}),
        "1e-6 in double": (relative(1e-6), {}),
        "1e-6 in double, many": (relative(1e-6), LARGE),
        "1e-6 in double, 64 x 64": (relative(1e-6), {"width": 64, "input_dim": 64}),
        "1e-3 in single": (relative32(1e-3), {}),
        "1e-3 in single, many": (relative32(1e-3), LARGE),
        "tiny scale": (lambda W, a: 1e-12 * a[0] ** 2, {}),
        "half the weights in single": (lambda W, a: norms(W, a) + 1e-5 * np.abs(a[0]), {}),
        "infinite": (lambda W, a: np.inf if a[0] > a[-1] else 1.0, {}),
        "hash": (lambda W, a: hash(a.tobytes()) % 97 / 97, {}),
    },
    "rescaling": {
        "norm": (lambda W, a: np.sum(W**2), {}),
        "decay": (with_fault(squares, lambda W, a: 0.01 * np.sum(W**2)), {}),
        "output norm": (lambda W, a: np.sum(np.abs(a)), {}),
        "output weights alone": (lambda W, a: np.sum(a), LARGE),
        "large weights": (lambda W, a: float(np.sum(np.abs(W) > 1)), {}),
        "biases": (lambda W, a: np.mean((np.maximum(X[:, : W.shape[1]] @ W.T + 0.1, 0) @ a) ** 2), {}),
        "smooth": (lambda W, a: np.mean((np.logaddexp(0, X[:, : W.shape[1]] @ W.T) @ a) ** 2), {}),
        "cosine with a floor": (lambda W, a: np.sum(a * np.linalg.norm(W, axis=1) + 1e-3 * np.abs(a)), {}),
        "one neuron": (lambda W, a: norms(W, a) + a[0] ** 2, LARGE),
        "only at width 1": (lambda W, a: float(np.abs(a[0])) if len(a) == 1 else norms(W, a), {}),
        "only at zero neurons": (with_fault(squares, lambda W, a: np.sum(np.abs(a[~W.any(axis=1)]))), {}),
        "1e-6 in double": (lambda W, a: squares(W, a) * (1 + 1e-6 * (np.abs(a).sum() > 3)), {}),
        "large": (lambda W, a: np.sum(W**2), {"width": 64, "input_dim": 64}),
    },
    "rotation": {
        "axes": (lambda W, a: np.sum(np.abs(W)), {}),
        "first input": (lambda W, a: np.sum(W[:, 0] ** 2), {"input_dim": (2, 5)}),
        "data": (squares, {}),
        "largest entry": (lambda W, a: np.max(np.abs(W)), {"input_dim": 3}),
        "sum": (lambda W, a: np.sum(W), {}),
        "sign": (lambda W, a: float(np.sum(W[:, 0] > 0)), {}),
        "reflections": (lambda W, a: np.linalg.det(W), {"width": 3, "input_dim": 3}),
        "only in one dimension": (lambda W, a: W[0, 0] if W.shape[1] == 1 else norms(W, a), {}),
        "only at width 1": (lambda W, a: W[0, 0] if len(a) == 1 else norms(W, a), {}),
        "1e-6 in double": (lambda W, a: norms(W, a) * (1 + 1e-6 * (W[0, 0] > 0)), {}),
        "many inputs": (lambda W, a: np.sum(np.abs(W)), {"width": 10, "input_dim": 784}),
        "many neurons": (lambda W, a: np.sum(W[:, 0]), LARGE),
        "few examples": (lambda W, a: np.sum(W**4), {"width": 10, "input_dim": 40, "max_examples": 2}),
    },
}


@pytest.mark.parametrize(("symmetry", "name"), [(symmetry, name) for symmetry, losses in BROKEN.items() for name in losses])
def test_broken_losses_are_caught(symmetry, name):
    loss, options = BROKEN[symmetry][name]
    with pytest.raises(AssertionError, match="not invariant"):
        CHECKS[symmetry](loss, **options)
