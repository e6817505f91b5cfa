import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import EPS, hessian_scale

import lmctheory as lmc
from lmctheory.stability import DENSE_LIMIT
from lmctheory.strategies import networks, permutations, teachers


@given(st.data())
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(data):
    """Also where d > m + M + 1, so that the problem is reduced to the span, and with zero neurons."""
    d = data.draw(st.sampled_from([1, 2, 5, 9, 14]))
    net, teacher = data.draw(networks(input_dim=d, width=data.draw(st.integers(1, 3)))), data.draw(teachers(d))
    expected = np.linalg.eigvalsh(lmc.population_hessian(net, teacher))[-1]
    assert abs(lmc.sharpness(net, teacher) - expected) <= 64 * d * EPS * hessian_scale(net, teacher)


@pytest.mark.parametrize(("m", "M", "d"), [(45, 4, 3), (12, 1, 20), (10, 8, 30)])
def test_lanczos_agrees_with_the_dense_hessian(m, M, d):
    """Also in the span, where neurons are zero, equal, opposite, or nearly collinear."""
    rng = np.random.default_rng(m)
    W, a = rng.normal(size=(m, d)), rng.normal(size=m)
    W[0], W[1], W[2], W[4] = 0.0, W[3], -W[3], W[3] * (1 + 1e-9 * rng.normal(size=d))
    net, teacher = lmc.TwoLayerNet(W, a), lmc.TwoLayerNet(rng.normal(size=(M, d)))
    assert m * min(d, m + M) > DENSE_LIMIT
    expected = np.linalg.eigvalsh(lmc.population_hessian(net, teacher))[-1]
    assert lmc.sharpness(net, teacher) == pytest.approx(expected, rel=1e-10)
    assert lmc.sharpness(net, teacher) == lmc.sharpness(net, teacher)
    assert lmc.sharpness(net, teacher, "sphere") == pytest.approx(expected / d, rel=1e-10)


@given(st.data())
def test_sharpness_does_not_depend_on_the_order_of_neurons(data):
    net, teacher = data.draw(networks(input_dim=3)), data.draw(teachers(3))
    permuted = net.permute(data.draw(permutations(net.width)))
    assert abs(lmc.sharpness(permuted, teacher) - lmc.sharpness(net, teacher)) <= 64 * EPS * hessian_scale(net, teacher)


def test_sharpness_of_one_neuron_is_its_squared_output_weight():
    teacher = lmc.TwoLayerNet([[1.0, 0.0]], [3.0])
    assert lmc.sharpness(teacher, teacher) == pytest.approx(9.0, rel=1e-14)
    assert lmc.sharpness(teacher, teacher, "sphere") == pytest.approx(4.5, rel=1e-14)


@pytest.mark.parametrize("m", [2, 100])
def test_sharpness_of_zero_neurons_is_zero(m):
    assert lmc.sharpness(lmc.TwoLayerNet(np.zeros((m, 3))), lmc.orthonormal_teacher(2, 3)) == 0.0
    assert lmc.sharpness(lmc.TwoLayerNet(np.ones((m, 3)), np.zeros(m)), lmc.orthonormal_teacher(2, 3)) == 0.0


@pytest.mark.parametrize(("M", "copies", "d"), [(2, 1, 2), (4, 1, 4), (4, 8, 4), (4, 3, 40), (8, 2, 9)])
def test_sharpness_at_balanced_minima(M, copies, d):
    """The Hessian at a minimum with classes of equal size reduces to two dimensions, whatever the weights within classes."""
    alpha = np.random.default_rng(M).dirichlet(np.ones(copies), size=M)
    net = lmc.TwoLayerNet((alpha.T[:, :, None] * np.eye(M, d)).reshape(M * copies, d))
    assert lmc.population_loss(net, lmc.orthonormal_teacher(M, d)) <= lmc.loss_floor(net, net)
    reduced = [
        [1 / 2 + (M - 1) / (2 * np.pi), (M - 1) / 4],
        [1 / 4, 1 / 2 + 1 / (2 * np.pi) + (M - 2) / 4],
    ]
    expected = 2 * copies * np.linalg.eigvals(reduced).max()
    assert lmc.sharpness(net, lmc.orthonormal_teacher(M, d)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("factor", "stable"), [(0.95, True), (1.05, False)])
def test_descent_is_stable_up_to_two_over_the_sharpness(factor, stable):
    teacher = lmc.orthonormal_teacher(2, 2)
    start = lmc.TwoLayerNet(np.eye(2) + 1e-6 * np.random.default_rng(0).normal(size=(2, 2)))
    rate = factor * 2 / lmc.sharpness(teacher, teacher)
    end = lmc.train(teacher, init=start, learning_rate=rate, max_steps=60, gradient_tol=0).networks[0]
    growth = np.linalg.norm(end.W - teacher.W) / np.linalg.norm(start.W - teacher.W)
    assert growth < 0.2 if stable else growth > 5
