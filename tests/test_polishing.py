import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.training import polishing, trust_region
from lmctheory.training.polishing import polish

TEACHER = lmc.orthonormal_teacher(4, 4)


def near(net, size, seed=0):
    return lmc.TwoLayerNet(net.W + size * np.random.default_rng(seed).normal(size=net.W.shape), net.a)


def gradient_norm(net, teacher=TEACHER):
    return np.linalg.norm(lmc.population_gradient(net, teacher)[0])


SPLIT = lmc.TwoLayerNet(np.vstack([np.eye(4) * [0.7, 1, 0.2, 1], np.eye(4)[[0, 2]] * [[0.3], [0.8]]]))


@pytest.mark.parametrize("minimum", [TEACHER, SPLIT], ids=["m = M", "m > M"])
@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e-2])
def test_nearby_minimum_is_reached(minimum, size):
    start = near(minimum, size)
    net, report = polish(start, TEACHER)
    assert report.success
    assert report.method == "newton"
    assert gradient_norm(net) <= 1e-12
    assert report.gradient_norm == pytest.approx(gradient_norm(net), abs=1e-14)
    assert report.distance == pytest.approx(np.linalg.norm(net.W - start.W), rel=1e-9)
    assert report.distance < 30 * size
    assert report.message


def test_span_of_many_dimensions_gives_the_same_polish():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(300, 4)))[0]
    start = near(TEACHER, 1e-2)
    net, report = polish(lmc.TwoLayerNet(start.W @ basis.T), lmc.TwoLayerNet(TEACHER.W @ basis.T))
    assert report.success
    np.testing.assert_allclose(net.W @ basis, polish(start, TEACHER)[0].W, rtol=0, atol=1e-11)


def test_critical_point_is_left_alone():
    zero = lmc.TwoLayerNet(np.zeros((2, 4)))
    net, report = polish(zero, TEACHER)
    assert report.success
    assert (report.iterations, report.distance) == (0, 0.0)
    np.testing.assert_array_equal(net.W, zero.W)


def test_negligible_neuron_may_be_zeroed_and_is_counted():
    W = np.vstack([np.eye(4), -1e-8 * np.ones(4)])
    net, report = polish(lmc.TwoLayerNet(W), TEACHER)
    assert report.success
    assert report.zeroed == np.sum(~net.W.any(axis=1))
    assert gradient_norm(net) <= 1e-12


ONES = np.full(4, 0.5)
HARD = {
    "saddle of duplicates": (lmc.TwoLayerNet([ONES, ONES]), TEACHER),
    "saddle of opposites": (lmc.TwoLayerNet([ONES, -ONES]), TEACHER),
    "far side of the teacher": (lmc.TwoLayerNet([-ONES]), TEACHER),
    "gradient drowned in rounding": (near(lmc.TwoLayerNet(1e6 * np.eye(4)), 1e-2), lmc.TwoLayerNet(1e6 * np.eye(4))),
}


@pytest.mark.parametrize(("start", "teacher"), HARD.values(), ids=HARD)
def test_failure_is_reported_and_makes_nothing_worse(start, teacher):
    net, report = polish(start, teacher)
    assert report.success == (gradient_norm(net, teacher) <= 1e-12)
    assert report.message
    assert np.isfinite(net.W).all()
    assert lmc.population_loss(net, teacher) <= lmc.population_loss(start, teacher) + 2 * lmc.loss_floor(start, teacher)
    assert gradient_norm(net, teacher) <= gradient_norm(start, teacher)


@pytest.mark.parametrize("name", ["saddle of duplicates", "far side of the teacher", "gradient drowned in rounding"])
def test_impossible_cases_are_not_called_a_success(name):
    _, report = polish(*HARD[name])
    assert not report.success
    assert report.gradient_norm > 1e-12


def test_iteration_limit_is_a_reason(monkeypatch):
    monkeypatch.setattr(polishing, "MAX_ITERATIONS", 2)
    _, report = polish(near(SPLIT, 0.1), TEACHER)
    assert not report.success
    assert "after 2 iterations" in report.message


@pytest.fixture
def no_dense(monkeypatch):
    monkeypatch.setattr(polishing, "DENSE_LIMIT", 0)


@pytest.mark.parametrize("minimum", [TEACHER, SPLIT], ids=["m = M", "m > M"])
@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e-2])
def test_products_alone_reach_a_nearby_minimum(no_dense, minimum, size):
    start = near(minimum, size)
    net, report = polish(start, TEACHER)
    assert report.success
    assert report.method == "trust-region"
    assert gradient_norm(net) <= 1e-12
    assert report.distance == pytest.approx(np.linalg.norm(net.W - start.W), rel=1e-9)
    assert report.distance < 30 * size
    assert lmc.population_loss(net, TEACHER) <= lmc.loss_floor(net, TEACHER)


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_both_methods_end_in_the_same_isolated_minimum(monkeypatch, m):
    """Narrower students than the teacher have minima of positive loss, where the Hessian is not the Gauss-Newton matrix."""
    teacher = lmc.orthonormal_teacher(6, 6)
    start = lmc.train(teacher, m, learning_rate=1 / m, gradient_tol=1e-3, rng=1).networks[0]
    dense, _ = polish(start, teacher)
    monkeypatch.setattr(polishing, "DENSE_LIMIT", 0)
    net, report = polish(start, teacher)
    assert report.method == "trust-region"
    assert report.success
    assert lmc.population_loss(net, teacher) > 0.01
    np.testing.assert_allclose(net.W, dense.W, rtol=0, atol=1e-10)


@pytest.mark.jit
def test_ends_of_descent_are_polished_without_the_hessian(no_dense):
    """Small neurons off the axes among them, at the tips of cones of the loss; more dimensions than the teacher has neurons."""
    teacher = lmc.orthonormal_teacher(4, 12)
    options = {"learning_rate": 1 / 48, "rng": 0, "n_runs": 3, "loss_tol": 1e-5}
    rough, result = lmc.train(teacher, 48, **options), lmc.train(teacher, 48, polish=True, **options)
    for before, after, report in zip(rough.networks, result.networks, result.polish, strict=True):
        assert (report.success, report.method) == (True, "trust-region")
        assert lmc.is_global_minimum(after, teacher, atol=1e-5)
        assert report.distance < 0.1 * np.linalg.norm(before.W)
        assert report.zeroed == np.sum(~after.W.any(axis=1))


@pytest.mark.parametrize(("start", "teacher"), HARD.values(), ids=HARD)
def test_without_the_hessian_failure_is_reported_and_no_loss_gained(no_dense, start, teacher):
    net, report = polish(start, teacher)
    assert report.success == (gradient_norm(net, teacher) <= 1e-12)
    assert report.message
    assert np.isfinite(net.W).all()
    assert lmc.population_loss(net, teacher) <= lmc.population_loss(start, teacher) + 2 * lmc.loss_floor(start, teacher)


def test_without_the_hessian_the_iteration_limit_is_a_reason(no_dense, monkeypatch):
    monkeypatch.setattr(trust_region, "MAX_ITERATIONS", 2)
    _, report = polish(near(SPLIT, 0.1), TEACHER)
    assert not report.success
    assert "after 2 iterations" in report.message


def saddle(product):
    """One step from a point with gradient (1, 0.1) of the quadratic with this Hessian."""
    return trust_region._conjugate_gradients(product, np.array([[1.0, 0.1]]), np.ones((1, 1)), 10.0)


def test_steps_solve_the_quadratic_model_or_end_at_the_boundary():
    bowl = saddle(lambda x: x * [2.0, 4.0])
    assert not bowl.at_boundary
    assert not bowl.negative_curvature
    assert np.linalg.norm(bowl.change * [2.0, 4.0] + [1.0, 0.1]) <= 0.1 * np.linalg.norm([1.0, 0.1])
    expected = -(bowl.change @ [[1.0], [0.1]] + 0.5 * np.sum(bowl.change**2 * [2.0, 4.0])).item()
    assert bowl.decrease == pytest.approx(expected, rel=1e-14)
    ridge = saddle(lambda x: x * [-2.0, 4.0])
    assert ridge.at_boundary
    assert ridge.negative_curvature
    assert np.linalg.norm(ridge.change) == pytest.approx(10.0, rel=1e-14)
    assert ridge.decrease > 0
    flat = saddle(lambda x: 0.0 * x)
    assert flat.at_boundary
    assert not flat.negative_curvature
    np.testing.assert_allclose(flat.change, -10 * np.array([[1.0, 0.1]]) / np.hypot(1.0, 0.1), rtol=1e-14)


def test_train_reports_an_unsuccessful_polish():
    """A run that meets no tolerance is not converged, and its report says why."""
    name = "saddle of duplicates"
    start, teacher = HARD[name]
    with pytest.warns(lmc.ConvergenceWarning, match="1 met no tolerance"):
        result = lmc.train(teacher, init=start, learning_rate=1e-3, max_steps=1, polish=True)
    assert not result.converged[0]
    assert not result.polish[0].success
    assert result.polish[0].message
