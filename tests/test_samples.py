"""The loss on a finite sample."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory._compiled.samples import BLOCK


def random_net(m, d, seed):
    draw = np.random.default_rng(seed)
    return lmc.TwoLayerNet(draw.normal(size=(m, d)), draw.normal(size=m))


@pytest.mark.parametrize("n", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
@pytest.mark.parametrize(("m", "M", "d"), [(1, 1, 1), (1, 3, 2), (5, 2, 4)])
def test_loss_and_gradients_agree_with_array_expressions(n, m, M, d):
    net, teacher = random_net(m, d, 0), random_net(M, d, 1)
    points = np.random.default_rng(2).normal(size=(n, d))
    found = lmc.SampleLoss(teacher, points).value_and_gradients(net)
    expected = reference.sample_loss_and_gradients(net.W, net.a, teacher.W, teacher.a, points)
    for value, oracle in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, oracle, rtol=1e-12, atol=1e-14)
    assert found[0] == pytest.approx(np.mean((net(points) - teacher(points)) ** 2), rel=1e-13)


def test_gradients_are_derivatives_of_the_loss():
    """The loss is quadratic in each weight while no input crosses a kink: central differences are exact up to rounding."""
    net, teacher = random_net(3, 2, 3), random_net(2, 2, 4)
    points, h = np.random.default_rng(5).normal(size=(20, 2)), 1e-5
    assert np.abs(points @ net.W.T).min() > 5 * h
    loss = lmc.SampleLoss(teacher, points)
    _, gradient, output_gradient = loss.value_and_gradients(net)

    def difference(dW, da):
        ends = [lmc.TwoLayerNet(net.W + sign * dW, net.a + sign * da) for sign in (1, -1)]
        return (loss.value_and_gradients(ends[0])[0] - loss.value_and_gradients(ends[1])[0]) / (2 * h)

    for k in range(net.W.size):
        move = h * np.eye(net.W.size)[k].reshape(net.W.shape)
        assert difference(move, np.zeros(3)) == pytest.approx(gradient.ravel()[k], abs=1e-9)
    for i in range(3):
        assert difference(np.zeros((3, 2)), h * np.eye(3)[i]) == pytest.approx(output_gradient[i], abs=1e-9)


def test_means_over_many_inputs_approach_the_population_loss_and_gradients():
    net, teacher, n = random_net(3, 4, 6), random_net(2, 4, 7), 40_000
    points = np.random.default_rng(8).normal(size=(n, 4))
    parts = [lmc.SampleLoss(teacher, part).value_and_gradients(net) for part in np.split(points, 100)]
    exact = (lmc.population_loss(net, teacher), *lmc.population_gradient(net, teacher))
    for found, expected in zip(zip(*parts, strict=True), exact, strict=True):
        errors = np.std(found, axis=0) / np.sqrt(len(found))
        assert (np.abs(np.mean(found, axis=0) - expected) < 4 * errors).all()


@pytest.mark.parametrize(("m", "d"), [(1, 1), (3, 2), (20, 8)])
def test_hessian_product_and_sharpness(m, d):
    """The Hessian is exact: gradients are linear while no input crosses a kink. Dense up to 128 weights, Lanczos beyond."""
    net, teacher, h = random_net(m, d, 3), random_net(2, d, 4), 1e-6
    points = np.random.default_rng(5).normal(size=(30, d))
    points = points[np.abs(points @ net.W.T).min(axis=1) > 1e-4]
    assert len(points) > 5
    loss = lmc.SampleLoss(teacher, points)
    hessian = np.empty((m * d, m * d))
    for k, unit in enumerate(np.eye(m * d).reshape(-1, m, d)):
        up, down = (loss.value_and_gradients(lmc.TwoLayerNet(net.W + s * h * unit, net.a))[1] for s in (1, -1))
        hessian[k] = ((up - down) / (2 * h)).ravel()
        np.testing.assert_allclose(loss.hessian_product(net)(unit).ravel(), hessian[k], rtol=0, atol=1e-8)
    assert lmc.sharpness(net, teacher, samples=points) == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-8)


def test_sharpness_where_no_input_reaches_a_neuron():
    for m in (2, 40):
        net, points = lmc.TwoLayerNet(np.ones((m, 4))), -np.ones((3, 4))
        assert lmc.sharpness(net, lmc.orthonormal_teacher(2, 4), samples=points) == 0


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 3), st.integers(1, 6))
def test_permuting_neurons_or_points_and_rotating_inputs_changes_nothing(seed, m, d, n):
    draw = np.random.default_rng(seed)
    net, teacher, points = random_net(m, d, seed), random_net(2, d, seed + 1), draw.normal(size=(n, d))
    value, gradient, output_gradient = lmc.SampleLoss(teacher, points).value_and_gradients(net)
    perm, rotation = draw.permutation(m), np.linalg.qr(draw.normal(size=(d, d)))[0]
    rotated = lmc.TwoLayerNet(net.W[perm] @ rotation, net.a[perm])
    moved = lmc.SampleLoss(lmc.TwoLayerNet(teacher.W @ rotation, teacher.a), draw.permutation(points) @ rotation)
    other_value, other_gradient, other_output_gradient = moved.value_and_gradients(rotated)
    assert other_value == pytest.approx(value, rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(other_gradient, gradient[perm] @ rotation, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(other_output_gradient, output_gradient[perm], rtol=1e-10, atol=1e-11)


def test_zero_neuron_and_exact_fit():
    teacher = lmc.orthonormal_teacher(2, 3)
    points = np.random.default_rng(9).normal(size=(10, 3))
    value, gradient, output_gradient = lmc.SampleLoss(teacher, points).value_and_gradients(teacher)
    assert value == 0
    assert not gradient.any()
    assert not output_gradient.any()
    dead = lmc.TwoLayerNet(np.vstack([np.zeros(3), np.ones(3)]))
    value, gradient, output_gradient = lmc.SampleLoss(teacher, points).value_and_gradients(dead)
    assert value > 0
    assert not gradient[0].any()
    assert gradient[1].any()
    assert output_gradient[0] == 0
