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


def minimum(sizes, d, zeros=0, seed=0):
    """A global minimum with these class sizes, Dirichlet weights, and zero neurons besides, in random order."""
    rng = np.random.default_rng(seed)
    rows = [np.outer(rng.dirichlet(np.ones(n)), np.eye(len(sizes), d)[j]) for j, n in enumerate(sizes)]
    return lmc.TwoLayerNet(rng.permutation(np.vstack([*rows, np.zeros((zeros, d))])))


@pytest.mark.parametrize(("M", "copies", "d"), [(1, 1, 1), (1, 3, 2), (2, 1, 2), (4, 1, 4), (4, 8, 4), (4, 3, 40), (8, 2, 9)])
def test_balanced_threshold_is_two_over_the_sharpness(M, copies, d):
    """Whatever the weights within classes; also by the block spectrum, and from the problem in two dimensions."""
    net, width = minimum([copies] * M, d), M * copies
    assert lmc.population_loss(net, lmc.orthonormal_teacher(M, d)) <= lmc.loss_floor(net, net)
    threshold = lmc.stability_threshold(M, width)
    assert threshold == pytest.approx(2 / lmc.sharpness(net, lmc.orthonormal_teacher(M, d)), rel=1e-13)
    assert threshold == pytest.approx(lmc.stability_threshold(M, width, [copies] * M), rel=1e-13)
    reduced = [
        [1 / 2 + (M - 1) / (2 * np.pi), (M - 1) / 4],
        [1 / 4, 1 / 2 + 1 / (2 * np.pi) + (M - 2) / 4],
    ]
    assert threshold == pytest.approx(1 / (copies * np.linalg.eigvals(reduced).max()), rel=1e-13)


@given(st.data())
def test_threshold_of_class_sizes_is_two_over_the_sharpness(data):
    """In M dimensions and in more, with zero neurons besides."""
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    M, zeros = len(sizes), data.draw(st.integers(0, 2))
    d = M + data.draw(st.sampled_from([0, 1, 3, 20]))
    net = minimum(sizes, d, zeros, seed=sum(sizes))
    expected = 2 / np.linalg.eigvalsh(lmc.population_hessian(net, lmc.orthonormal_teacher(M, d)))[-1]
    assert lmc.stability_threshold(M, net.width, sizes) == pytest.approx(expected, rel=1e-10)


def test_thresholds_of_many_classes_agree_between_lanczos_and_the_closed_form():
    for M in (12, 40):
        assert lmc.stability_threshold(M, 3 * M, [3] * M) == pytest.approx(lmc.stability_threshold(M, 3 * M), rel=1e-10)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_no_class_sizes_are_stable_beyond_the_balanced_threshold(sizes, random):
    M, m = len(sizes), sum(sizes)
    threshold = lmc.stability_threshold(M, m, sizes)
    assert threshold <= lmc.stability_threshold(M, m) * (1 + 1e-13)
    shuffled = random.sample(sizes, M)
    assert lmc.stability_threshold(M, m, shuffled) == pytest.approx(threshold, rel=1e-13)
    larger = [n + (k == 0) for k, n in enumerate(sizes)]
    assert lmc.stability_threshold(M, m + 1, larger) < threshold  # more neurons, less stable


def test_threshold_of_another_teacher_is_not_two_over_the_sharpness():
    net, teacher = minimum([8] * 4, 4), lmc.orthonormal_teacher(4, 4)
    for M in (2, 8):
        assert abs(lmc.stability_threshold(M, 32) * lmc.sharpness(net, teacher) / 2 - 1) > 0.1


@pytest.mark.parametrize(("factor", "stable"), [(0.95, True), (1.05, False)])
def test_descent_is_stable_up_to_two_over_the_sharpness(factor, stable):
    teacher = lmc.orthonormal_teacher(2, 2)
    start = lmc.TwoLayerNet(np.eye(2) + 1e-6 * np.random.default_rng(0).normal(size=(2, 2)))
    rate = factor * 2 / lmc.sharpness(teacher, teacher)
    end = lmc.train(teacher, init=start, learning_rate=rate, max_steps=60, gradient_tol=0).networks[0]
    growth = np.linalg.norm(end.W - teacher.W) / np.linalg.norm(start.W - teacher.W)
    assert growth < 0.2 if stable else growth > 5


def test_sparsity_of_known_masses():
    """Rescaling a neuron changes nothing; a dead neuron belongs to no class."""
    net = lmc.TwoLayerNet([[0, 3, 0], [1, 0.1, 0], [0, 0, 0], [-2, 0, 0], [0, -1e-4, 0]], [1, 2, 5, 0.5, -1])
    found = lmc.sparsity(net, lmc.orthonormal_teacher(2, 3))
    masses = [0, 1e-4, 1, 2 * np.sqrt(1.01), 3]
    np.testing.assert_allclose(found.masses, masses, rtol=1e-15)
    assert found.dead_share == 0.4
    assert found.gap == pytest.approx((1e-4 / 3, 1 / 3))
    assert found.effective_neurons == pytest.approx(np.sum(masses) ** 2 / np.sum(np.square(masses)))
    differences = np.abs(np.subtract.outer(masses, masses)).mean()
    assert found.gini == pytest.approx(differences / (2 * np.mean(masses)))
    assert found.class_sizes.tolist() == [1, 2]  # (-2, 0, 0) is at right angles to axis 1, opposite to axis 0
    assert lmc.sparsity(net).class_sizes is None
    assert lmc.sparsity(net, dead=1e-5).dead_share == 0.2
    rescaled = lmc.TwoLayerNet(net.W * [[2], [3], [4], [5], [6]], net.a / [2, 3, 4, 5, 6])
    np.testing.assert_allclose(lmc.sparsity(rescaled).masses, masses, rtol=1e-15)


@given(st.data())
def test_sparsity_is_within_its_ranges_and_ignores_the_order_of_neurons(data):
    net, teacher = data.draw(networks(input_dim=3)), data.draw(teachers(3))
    found = lmc.sparsity(net, teacher)
    assert found.gap[0] < found.dead <= found.gap[1] <= 1
    active = round(net.width * (1 - found.dead_share))
    assert found.class_sizes.sum() == active
    if found.masses[-1] > 0:
        assert found.effective_neurons >= 1 - 4 * EPS
        assert found.effective_neurons <= net.width * (1 + 4 * EPS)
        assert -4 * EPS <= found.gini <= 1 - 1 / net.width + 4 * EPS
    permuted = lmc.sparsity(net.permute(data.draw(permutations(net.width))), teacher)
    assert np.array_equal(permuted.masses, found.masses)
    assert np.array_equal(permuted.class_sizes, found.class_sizes)


def test_sparsity_of_extremes():
    nothing = lmc.sparsity(lmc.TwoLayerNet(np.zeros((3, 2))), lmc.orthonormal_teacher(2, 2))
    assert (nothing.dead_share, nothing.effective_neurons, nothing.gini, nothing.gap) == (1, 0, 0, (0, 1))
    assert nothing.class_sizes.tolist() == [0, 0]
    equal = lmc.sparsity(lmc.TwoLayerNet(np.ones((7, 2))))
    assert (equal.dead_share, equal.gap) == (0, (0, 1))
    assert (equal.effective_neurons, equal.gini) == pytest.approx((7, 0), abs=1e-14)
    alone = lmc.sparsity(lmc.TwoLayerNet([[1, 0], [0, 0], [0, 0], [0, 0]]))
    assert (alone.dead_share, alone.effective_neurons, alone.gini) == (0.75, 1, 0.75)


@pytest.mark.jit
def test_descent_beyond_the_threshold_kills_at_least_the_share_that_cannot_be_stable():
    """And none below it; the norms leave a gap of a decade and more around the fraction that counts as dead."""
    teacher, m = lmc.orthonormal_teacher(4, 4), 32
    for factor in (0.8, 1.12):
        rate = factor * lmc.stability_threshold(4, m)
        result = lmc.train(teacher, width=m, learning_rate=rate, rng=5, n_runs=2, max_steps=5000, gradient_tol=0)
        for net in result.networks:
            found = lmc.sparsity(net, teacher)
            assert found.dead_share >= 1 - 1 / factor if factor > 1 else found.dead_share == 0
            assert found.gap[1] > 10 * found.gap[0]
            assert rate <= lmc.stability_threshold(4, m, found.class_sizes)
