"""Derivatives on data: against finite differences, automatic differentiation, and the loss on samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_layered import SHAPES, inputs, random_layered, random_permutation

import lmctheory as lmc

LOSSES = ("squared", "cross-entropy", "targets")


def away_from_kinks(net, X, margin=1e-3):
    """The inputs at which no neuron of any layer is near its kink."""
    before, kept = X, np.ones(len(X), dtype=bool)
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        z = before @ W.T + b
        kept &= np.abs(z).min(axis=1) > margin
        before = np.maximum(z, 0)
    return X[kept]


def data_for(net, loss, seed, n=40):
    X, draw = away_from_kinks(net, inputs(net.input_dim, n, seed)), np.random.default_rng(seed + 1)
    if loss == "targets":
        return lmc.DataLoss(X, draw.normal(size=(len(X), net.output_dim)))
    return lmc.DataLoss(X, draw.integers(net.output_dim, size=len(X)), loss)


def dense_hessian(data, net):
    product = data.hessian_product(net)
    return np.stack([product(unit) for unit in np.eye(net.parameters.size)])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [2**20, 64, 1])
def test_derivatives_are_central_differences(loss, shape, block, monkeypatch):
    """Also where inputs are taken in blocks of a few, or one by one, and nothing is kept between products."""
    monkeypatch.setattr("lmctheory.objectives.backpropagation.BLOCK_FLOATS", block)
    monkeypatch.setattr("lmctheory.objectives.backpropagation.KEPT_FLOATS", 2**25 if block > 1 else 0)
    net = random_layered(shape, 1)
    data, h = data_for(net, loss, 7), 1e-5
    value, gradient = data.value_and_gradient(net)
    product = data.hessian_product(net)
    assert value == pytest.approx(data(net), rel=1e-14)
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=gradient.shape)
        direction /= np.linalg.norm(direction)
        ends = [data.value_and_gradient(net.with_parameters(net.parameters + s * h * direction)) for s in (1, -1)]
        scale = max(value, np.linalg.norm(gradient))
        assert (ends[0][0] - ends[1][0]) / (2 * h) == pytest.approx(gradient @ direction, abs=1e-7 * scale)
        difference = (ends[0][1] - ends[1][1]) / (2 * h)
        found = product(direction)
        np.testing.assert_allclose(found, difference, rtol=0, atol=1e-7 * max(1.0, np.abs(found).max()))


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_are_those_of_automatic_differentiation(loss):
    jax = pytest.importorskip("jax")
    in_double = jax.enable_x64 if hasattr(jax, "enable_x64") else pytest.importorskip("jax.experimental").enable_x64
    net = random_layered((4, 3, 5, 3), 2)
    data = data_for(net, loss, 3)
    targets = data.targets if data.labels is None else np.eye(3)[data.labels]

    def by_definition(parameters):
        h, start = data.X, 0
        for k, W in enumerate(net.weights):
            V = parameters[start : start + W.size].reshape(W.shape)
            h = h @ V.T + parameters[start + W.size : start + W.size + len(W)]
            h = jax.nn.relu(h) if k < net.depth else h
            start += W.size + len(W)
        if loss == "cross-entropy":
            return -(targets * jax.nn.log_softmax(h)).sum(axis=1).mean()
        return ((h - targets) ** 2).sum(axis=1).mean()

    with in_double(True):
        p = jax.numpy.asarray(net.parameters)
        gradient, hessian = np.asarray(jax.grad(by_definition)(p)), np.asarray(jax.hessian(by_definition)(p))
    np.testing.assert_allclose(data.value_and_gradient(net)[1], gradient, rtol=0, atol=1e-13 * np.abs(gradient).max())
    np.testing.assert_allclose(dense_hessian(data, net), hessian, rtol=0, atol=1e-13 * np.abs(hessian).max())


@given(st.sampled_from(SHAPES), st.sampled_from(LOSSES), st.integers(0, 2**20))
def test_permuting_neurons_permutes_the_derivatives(shape, loss, seed):
    """And the Hessian is symmetric, kinks or not."""
    net, X, draw = random_layered(shape, seed), inputs(shape[0], seed=seed), np.random.default_rng(seed)
    y = draw.normal(size=(len(X), shape[-1])) if loss == "targets" else draw.integers(shape[-1], size=len(X))
    data, perm = lmc.DataLoss(X, y, "squared" if loss == "targets" else loss), random_permutation(net, seed)
    u, v = draw.normal(size=(2, net.parameters.size))
    permuted, along = net.permute(perm), net.with_parameters(v).permute(perm).parameters
    gradient = data.value_and_gradient(net)[1]
    changed = data.hessian_product(net)(v)
    for found, expected in (
        (data.value_and_gradient(permuted)[1], net.with_parameters(gradient).permute(perm).parameters),
        (data.hessian_product(permuted)(along), net.with_parameters(changed).permute(perm).parameters),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * (1 + np.abs(expected).max()))
    size = np.linalg.norm(changed) * np.linalg.norm(u)
    assert data.hessian_product(net)(u) @ v == pytest.approx(u @ changed, rel=1e-9, abs=1e-10 * (1 + size))


@given(st.integers(0, 2**20), st.integers(1, 5), st.integers(1, 4))
def test_two_layer_networks_have_the_derivatives_of_the_loss_on_samples(seed, m, d):
    draw = np.random.default_rng(seed)
    net, teacher = (lmc.TwoLayerNet(draw.normal(size=(k, d)), draw.normal(size=k)) for k in (m, 2))
    points = draw.normal(size=(7, d))
    data, sample = lmc.DataLoss(points, teacher(points)), lmc.SampleLoss(teacher, points)
    value, gradient = data.value_and_gradient(net)
    expected, expected_gradient, _ = sample.value_and_gradients(net)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-12 * (1 + np.abs(expected_gradient).max()))
    direction = draw.normal(size=(m, d))
    changes = (points @ net.W.T > 0) * net.a  # the closed form: (2/n) sum_i g_i g_i' with g_i the gradient of f(x_i)
    closed = 2 / 7 * (changes * (changes * (points @ direction.T)).sum(axis=1, keepdims=True)).T @ points
    for found in (data.hessian_product(net)(direction), sample.hessian_product(net)(direction)):
        np.testing.assert_allclose(found, closed, rtol=0, atol=1e-12 * (1 + np.abs(closed).max()))


def test_parameters_come_back():
    net = random_layered((3, 4, 5, 2), 0)
    other = random_layered((3, 4, 5, 2), 1)
    back = net.with_parameters(other.parameters)
    for array, expected in zip((*back.weights, *back.biases), (*other.weights, *other.biases), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_neuron_that_no_input_reaches_has_no_derivatives():
    net = random_layered((3, 4, 2), 0)
    biases = [net.biases[0].copy(), net.biases[1]]
    biases[0][2] = -1e3
    net, data = lmc.LayeredNet(net.weights, biases), lmc.DataLoss(inputs(3), np.zeros(40, dtype=int), "cross-entropy")
    gradient = net.with_parameters(data.value_and_gradient(net)[1])
    product = net.with_parameters(data.hessian_product(net)(np.ones(net.parameters.size)))
    for found in (gradient, product):
        assert not found.weights[0][2].any()
        assert found.biases[0][2] == 0
        assert not found.weights[1][:, 2].any()


def test_outputs_beyond_the_range_of_the_exponential_have_finite_derivatives():
    net = lmc.LayeredNet([[[1.0]], [[1e4], [-1e4]]])
    data = lmc.DataLoss([[1.0], [2.0]], [1, 0], "cross-entropy")
    value, gradient = data.value_and_gradient(net)
    assert value == pytest.approx(1e4)
    assert np.isfinite(gradient).all()
    assert np.isfinite(data.hessian_product(net)(np.ones(gradient.size))).all()
