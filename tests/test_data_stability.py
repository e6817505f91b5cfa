"""Sharpness and sparsity on data: against dense Hessians, planted dead neurons, and descent that turns unstable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_backpropagation import LOSSES, dense_hessian
from test_layered import SHAPES, inputs, random_layered, random_permutation

import lmctheory as lmc
from lmctheory.stability import DENSE_LIMIT


def on_data(net, loss="cross-entropy", n=40, seed=0):
    X, draw = inputs(net.input_dim, n, seed), np.random.default_rng(seed + 1)
    if loss == "targets":
        return lmc.DataLoss(X, draw.normal(size=(n, net.output_dim)))
    return lmc.DataLoss(X, draw.integers(net.output_dim, size=n), loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(3, 4, 2), (4, 3, 3, 3, 2), (6, 15, 4), (5, 8, 7, 3)])
def test_sharpness_is_the_largest_eigenvalue(loss, shape):
    """Dense up to 128 parameters, Lanczos beyond; the Hessian is indefinite at random networks."""
    net = random_layered(shape, 3)
    data = on_data(net, loss)
    spectrum = np.linalg.eigvalsh(dense_hessian(data, net))
    assert spectrum[0] < 0
    assert lmc.sharpness(net, data) == pytest.approx(spectrum[-1], rel=1e-9)
    perm = random_permutation(net, 5)
    assert lmc.sharpness(net.permute(perm), data) == pytest.approx(spectrum[-1], rel=1e-9)


@pytest.mark.parametrize("m", [3, 60])
def test_sharpness_of_a_two_layer_network_is_that_on_a_sample(m):
    draw = np.random.default_rng(m)
    teacher, points = lmc.orthonormal_teacher(2, 4), draw.normal(size=(30, 4))
    net = lmc.TwoLayerNet(draw.normal(size=(m, 4)), draw.normal(size=m))
    on_sample = lmc.sharpness(net, teacher, samples=points)
    assert lmc.sharpness(net, lmc.DataLoss(points, teacher(points))) == pytest.approx(on_sample, rel=1e-9)
    assert lmc.sharpness(net, lmc.PopulationLoss(teacher)) == lmc.sharpness(net, teacher)


@pytest.mark.parametrize("width", [2, DENSE_LIMIT])
def test_sharpness_of_degenerate_hessians(width):
    """One input: rank one at a perfect fit, with the squared gradient of the output; no neuron active and zero outputs: zero."""
    net = lmc.LayeredNet([np.full((width, 1), 0.5), np.full((1, width), 2.0)])
    data = lmc.DataLoss([[3.0]], net([[3.0]])[0])
    gradient_of_output = 2 * (width * (2.0 * 3.0) ** 2 + width * 2.0**2 + width * 1.5**2 + 1)
    assert lmc.sharpness(net, data) == pytest.approx(gradient_of_output, rel=1e-12)
    dead = lmc.LayeredNet([-np.ones((width, 1)), np.zeros((2, width))], [np.zeros(width), [500.0, -500.0]])
    assert lmc.sharpness(dead, lmc.DataLoss([[3.0]], [0], "cross-entropy")) == 0.0


def test_descent_is_stable_up_to_two_over_sharpness():
    """Near a minimum a step multiplies the distance along the top eigenvector by ``1 - rate * sharpness``."""
    net = random_layered((4, 6, 2), 0)
    X = inputs(4, 30)
    data = lmc.DataLoss(X, net(X))
    top = lmc.sharpness(net, data)
    start = net.parameters + 1e-7 * np.random.default_rng(1).normal(size=net.parameters.size)
    for factor in (0.9, 1.1):
        here = start
        for _ in range(60):
            here = here - factor * 2 / top * data.value_and_gradient(net.with_parameters(here))[1]
        ratio = data(net.with_parameters(here)) / data(net.with_parameters(start))
        assert ratio < 1 if factor < 1 else ratio > 1e3


@given(st.sampled_from(SHAPES), st.integers(0, 2**20), st.data())
def test_dead_neurons_are_those_that_no_input_activates(shape, seed, data):
    net, draw = random_layered(shape, seed), np.random.default_rng(seed)
    planted = np.array(data.draw(st.lists(st.booleans(), min_size=net.width, max_size=net.width)))
    biases = [np.where(planted[layer], -1e4, b) for layer, b in zip(net.layers, net.biases, strict=False)]
    net = lmc.LayeredNet(net.weights, [*biases, net.biases[-1]])
    loss = on_data(net, n=int(draw.integers(1, 40)), seed=seed)
    found = lmc.sparsity(net, loss)
    activations = np.hstack(net.hidden(loss.X))
    dead = (activations == 0).all(axis=0)
    assert (found.activity == (activations > 0).mean(axis=0)).all()
    assert dead[planted].all()
    assert found.dead_share == pytest.approx(dead.mean())
    for layer, one, W in zip(net.layers, found.layers, net.weights[1:], strict=True):
        assert one.dead_share == pytest.approx(dead[layer].mean())
        masses = np.sqrt(np.square(activations[:, layer]).mean(axis=0)) * np.linalg.norm(W, axis=0)
        np.testing.assert_allclose(one.masses, np.sort(masses), rtol=1e-12)
        assert one.effective_neurons <= (~dead[layer]).sum() * (1 + 1e-12)
        assert (one.dead, one.class_sizes) == (0.0, None)
    permuted = lmc.sparsity(net.permute(perm := random_permutation(net, seed)), loss)
    np.testing.assert_array_equal(permuted.activity, found.activity[perm])
    assert permuted.dead_share == found.dead_share


def test_masses_on_data_ignore_rescaling_and_blocks(monkeypatch):
    net = random_layered((3, 4, 2), 0)
    loss, factors = on_data(net), np.array([0.25, 2.0, 8.0, 1.0])
    rescaled = lmc.LayeredNet(
        [net.weights[0] * factors[:, None], net.weights[1] / factors], [net.biases[0] * factors, net.biases[1]]
    )
    whole = lmc.sparsity(net, loss)
    np.testing.assert_allclose(lmc.sparsity(rescaled, loss).layers[0].masses, whole.layers[0].masses, rtol=1e-12)
    monkeypatch.setattr("lmctheory.stability.neurons.BLOCK_FLOATS", 12)
    np.testing.assert_allclose(lmc.sparsity(net, loss).layers[0].masses, whole.layers[0].masses, rtol=1e-12)
    np.testing.assert_array_equal(lmc.sparsity(net, loss).activity, whole.activity)


def test_two_layer_networks_on_gaussian_data_have_the_masses_of_their_weights():
    """``E relu(w . x)^2 = |w|^2 / 2``; and weights below the fraction that counts as dead are not dead on data."""
    draw = np.random.default_rng(0)
    net = lmc.TwoLayerNet(np.vstack([draw.normal(size=(3, 2)), [[1e-6, 0.0]], [[0.0, 0.0]]]), [1.0, -2.0, 0.5, 1.0, 1.0])
    loss = lmc.DataLoss(draw.normal(size=(100_000, 2)), np.zeros(100_000))
    found, by_weights = lmc.sparsity(net, loss), lmc.sparsity(net)
    np.testing.assert_allclose(np.sqrt(2) * found.layers[0].masses, by_weights.masses, rtol=0.02)
    assert (found.dead_share, by_weights.dead_share) == (0.2, 0.4)
