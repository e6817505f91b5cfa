"""Networks of any depth, and the loss on data along segments between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc

SHAPES = ((3, 4, 2), (2, 5, 3, 1), (4, 3, 3, 3, 2))


def random_layered(shape, seed):
    draw = np.random.default_rng(seed)
    sizes = list(zip(shape[1:], shape[:-1], strict=True))
    return lmc.LayeredNet([draw.normal(size=size) for size in sizes], [draw.normal(size=size[0]) for size in sizes])


def random_permutation(net, seed):
    draw = np.random.default_rng(seed)
    return np.concatenate([layer.start + draw.permutation(layer.stop - layer.start) for layer in net.layers])


def inputs(d, n=40, seed=7):
    return np.random.default_rng(seed).normal(size=(n, d))


@given(st.sampled_from(SHAPES), st.integers(0, 2**20))
def test_permutations_keep_the_function_and_compose_as_gather_indices(shape, seed):
    net, X = random_layered(shape, seed), inputs(shape[0])
    first, second = random_permutation(net, seed + 1), random_permutation(net, seed + 2)
    np.testing.assert_allclose(net.permute(first)(X), net(X), rtol=1e-12, atol=1e-12)
    once, twice = net.permute(first[second]), net.permute(first).permute(second)
    for W, V in zip(once.weights, twice.weights, strict=True):
        np.testing.assert_array_equal(W, V)
    back = net.permute(first).permute(np.argsort(first))
    for b, c in zip(back.biases, net.biases, strict=True):
        np.testing.assert_array_equal(b, c)


def test_one_hidden_layer_without_biases_is_a_two_layer_network():
    draw = np.random.default_rng(0)
    net = lmc.TwoLayerNet(draw.normal(size=(5, 3)), draw.normal(size=5))
    layered, X = lmc.LayeredNet.from_two_layer(net), inputs(3)
    np.testing.assert_array_equal(layered(X)[:, 0], net(X))
    perm = draw.permutation(5)
    np.testing.assert_array_equal(layered.permute(perm).weights[0], net.permute(perm).W)


def test_saved_networks_come_back(tmp_path):
    net = random_layered((3, 4, 5, 2), 0)
    net.save(tmp_path / "net.npz")
    back = lmc.LayeredNet.load(tmp_path / "net.npz")
    assert (back.widths, back.depth, back.output_dim) == ((4, 5), 2, 2)
    for array, other in zip((*net.weights, *net.biases), (*back.weights, *back.biases), strict=True):
        np.testing.assert_array_equal(array, other)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "net.npz").read_bytes()[:300])
    with pytest.raises(lmc.InvalidInputError, match="weight_0"):
        lmc.LayeredNet.load(tmp_path / "cut.npz")


def _direct(loss, outputs, y):
    """The definitions, as written."""
    if loss == "squared":
        targets = np.eye(outputs.shape[1])[y] if y.ndim == 1 and y.dtype.kind == "i" else y.reshape(len(y), -1)
        return np.mean(np.sum((outputs - targets) ** 2, axis=1))
    if loss == "error":
        return np.mean(outputs.argmax(axis=1) != y)
    probabilities = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    return -np.mean(np.log(probabilities[np.arange(len(y)), y]))


@pytest.mark.parametrize("loss", ["squared", "cross-entropy", "error"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_loss_along_a_segment_is_that_of_the_mixed_network(loss, shape, monkeypatch):
    monkeypatch.setattr("lmctheory.objectives.mixtures.BLOCK_FLOATS", 64)  # several blocks of inputs
    net_a, net_b, X = random_layered(shape, 1), random_layered(shape, 2), inputs(shape[0])
    y = np.random.default_rng(3).integers(shape[-1], size=len(X))
    data, ts = lmc.DataLoss(X, y, loss), np.array([[0.0, 0.3, 1.0]])
    segments = data.segments([net_a], [net_b])
    for t, value in zip(ts[0], segments(np.array([0]), ts)[0], strict=True):
        mixed = lmc.LayeredNet(
            [(1 - t) * W + t * V for W, V in zip(net_a.weights, net_b.weights, strict=True)],
            [(1 - t) * b + t * c for b, c in zip(net_a.biases, net_b.biases, strict=True)],
        )
        assert value == pytest.approx(_direct(loss, mixed(X), y), rel=1e-12, abs=1e-14)
        assert data(mixed) == pytest.approx(value, rel=1e-12, abs=1e-14)
    found = lmc.barrier(net_a, net_b, data)
    assert found.losses[[0, -1]] == pytest.approx([data(net_a), data(net_b)])
    assert data.accuracy(net_a) == pytest.approx(np.mean(net_a(X).argmax(axis=1) == y))


def test_the_barrier_on_gaussian_data_tends_to_that_of_the_population_loss():
    teacher, X = lmc.orthonormal_teacher(2, 3), np.random.default_rng(0).normal(size=(200_000, 3))
    draw = np.random.default_rng(1)
    net_a, net_b = (lmc.TwoLayerNet(draw.normal(size=(4, 3))) for _ in range(2))
    data = lmc.DataLoss(X, teacher(X))
    on_data, exact = lmc.barrier(net_a, net_b, data), lmc.barrier(net_a, net_b, teacher)
    spread = np.std(np.square(net_a(X) - teacher(X))) / np.sqrt(len(X))
    assert abs(on_data.height - exact.height) < 5 * spread
    both = [lmc.LayeredNet.from_two_layer(net) for net in (net_a, net_b)]
    assert lmc.barrier(*both, data).height == pytest.approx(on_data.height, rel=1e-12)
