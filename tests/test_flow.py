"""Gradient flow: closed forms, conservation laws, and gradient descent as its discretisation."""

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.training.flow import _Field, _with_output_weights
from lmctheory.training.schedule import times_of_interest

TEACHER = lmc.orthonormal_teacher(2, 4)
LINE = lmc.orthonormal_teacher(1, 1)


def flow(**options):
    """Follow the flow with no tolerance set."""
    return lmc.train(**{"teacher": TEACHER, "algorithm": "flow", "horizon": 10.0, "gradient_tol": 0, "rng": 0, **options})


def random_net(m, d, seed=0):
    draw = np.random.default_rng(seed)
    return lmc.TwoLayerNet(draw.normal(size=(m, d)) / 2, draw.normal(1.0, 0.2, size=m))


# --- closed forms


def test_one_weight_decays_exponentially():
    """``L = (w - 1)^2 / 2`` while w is positive: ``w - 1 = e^-t``, also between the solver's steps."""
    times = np.array([0.0, 0.3, 1.7, 5.0])
    result = flow(teacher=LINE, init=lmc.TwoLayerNet([[2.0]]), horizon=5.0, record=times, checkpoints=times)
    history, checkpoints = result.history[0], result.checkpoints[0]
    np.testing.assert_array_equal(history.times, times)
    np.testing.assert_allclose([net.W[0, 0] - 1 for net in checkpoints.networks], np.exp(-times), rtol=0, atol=1e-7)
    np.testing.assert_allclose(history.losses, np.exp(-2 * times) / 2, rtol=0, atol=1e-7)
    assert (np.diff(history.steps) > 0).all()
    assert history.steps[-1] == result.steps[0]
    assert result.times.tolist() == [5.0]


def test_product_of_two_weights_is_logistic():
    """From ``a = w`` the loss is ``(w^2 - 1)^2 / 2``, and ``u = w^2`` solves ``du/dt = 2 u (1 - u)``."""
    times = [0.5, 1.0, 2.0, 4.0]
    result = flow(teacher=LINE, init=lmc.TwoLayerNet([[0.1]], [0.1]), train_output=True, horizon=4.0, checkpoints=times)
    expected = 1 / (1 + (1 / 0.01 - 1) * np.exp(-2 * np.array(times)))
    found = result.checkpoints[0].networks
    np.testing.assert_allclose([net.W[0, 0] ** 2 for net in found], expected, rtol=1e-6)
    np.testing.assert_allclose([net.a[0] for net in found], [net.W[0, 0] for net in found], rtol=1e-7)


@pytest.mark.parametrize("d", [1, 3])
def test_neuron_falls_into_the_origin_and_stays(d):
    """Opposite to the teacher the gradient is ``w / 2 * 2``: the loss falls with ``|w|``, to which the teacher adds nothing."""
    start = np.zeros((2, d))
    start[0, 0], start[1, 0] = 1.0, -0.5
    result = flow(teacher=lmc.orthonormal_teacher(1, d), init=lmc.TwoLayerNet(start), horizon=40.0)
    np.testing.assert_allclose(result.networks[0].W[0], np.eye(d)[0], rtol=0, atol=1e-7)
    np.testing.assert_allclose(result.networks[0].W[1], 0, rtol=0, atol=1e-7)


def test_masked_neurons_that_fall_into_the_origin_stay_there():
    """Their free weights cannot turn: near the origin the loss rises in every free direction. The rest flows on."""
    mask = np.random.default_rng(0).random((5, 4)) < 0.7
    result = flow(width=5, n_runs=3, mask=mask, horizon=100.0)
    assert result.stopped_by == ("horizon",) * 3
    for net in result.networks:
        fallen = np.flatnonzero(np.linalg.norm(net.W, axis=1) < 1e-6)
        assert fallen.size
        for direction in np.random.default_rng(1).normal(size=(20, *net.W.shape)) * mask:
            for i in fallen:
                W = net.W.copy()
                W[i] = 1e-3 * direction[i]
                assert np.sum(direction[i] * lmc.population_gradient(lmc.TwoLayerNet(W, net.a), TEACHER)[0][i]) > 0


def test_neuron_that_passes_the_origin_comes_out_where_descent_does():
    """It turns within 1e-5 of the origin, where the directions in which it may grow are few, and far apart."""
    start = random_net(5, 4, 3)
    times = np.linspace(0.0, 10.0, 101)
    result = flow(init=start, record=times)
    assert result.history[0].neuron_norms.min() < 1e-4
    errors = []
    for steps in (10_000, 20_000):
        end = lmc.train(TEACHER, init=start, learning_rate=10 / steps, max_steps=steps, gradient_tol=0).networks[0]
        errors.append(np.abs(end.W - result.networks[0].W).max())
    assert errors[0] < 1e-3
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)


# --- laws of the flow


def test_loss_falls_at_the_rate_of_the_squared_gradient():
    """``dL/dt = -|gradient|^2``, integrated by Simpson's rule over a fine grid."""
    times = np.linspace(0.0, 2.0, 401)
    history = flow(width=5, horizon=2.0, record=times).history[0]
    assert (np.diff(history.losses) < 0).all()
    squares = history.gradient_norms**2
    simpson = (squares[:-2:2] + 4 * squares[1:-1:2] + squares[2::2]) * (times[1] - times[0]) / 3
    np.testing.assert_allclose(history.losses[::2][1:], history.losses[0] - np.cumsum(simpson), rtol=0, atol=1e-6)


@pytest.mark.parametrize("d", [4, 12])
def test_balance_of_the_layers_is_conserved(d):
    """``|w_i|^2 - a_i^2`` is constant where both layers are trained, for ``w_i . dL/dw_i = a_i dL/da_i`` (Euler)."""
    teacher, start = lmc.orthonormal_teacher(2, d), random_net(4, d, 6)
    grad_W, grad_a = lmc.population_gradient(start, teacher)
    np.testing.assert_allclose((start.W * grad_W).sum(axis=1), start.a * grad_a, rtol=0, atol=1e-14)

    def balance(net):
        return (net.W**2).sum(axis=1) - net.a**2

    end = flow(teacher=teacher, init=start, train_output=True, horizon=20.0).networks[0]
    assert np.abs(end.a - start.a).max() > 0.1
    np.testing.assert_allclose(balance(end), balance(start), rtol=0, atol=1e-6)
    alone = flow(teacher=teacher, init=start, horizon=20.0).networks[0]  # the negative control: a is fixed
    assert np.abs(balance(alone) - balance(start)).max() > 0.1


@pytest.mark.parametrize("train_output", [False, True])
def test_descent_tends_to_the_flow_at_first_order_in_the_rate(train_output):
    start = random_net(5, 4, 3)
    limit = flow(init=start, horizon=2.0, train_output=train_output, rtol=1e-10, atol=1e-12).networks[0]
    distances = []
    for steps in (100, 200, 400, 800):
        end = lmc.train(
            TEACHER, init=start, learning_rate=2.0 / steps, max_steps=steps, gradient_tol=0, train_output=train_output
        )
        assert end.times[0] == pytest.approx(2.0, rel=1e-12)
        distances.append(np.hypot(np.linalg.norm(end.networks[0].W - limit.W), np.linalg.norm(end.networks[0].a - limit.a)))
    orders = np.log2(np.array(distances[:-1]) / distances[1:])
    np.testing.assert_allclose(orders, 1.0, rtol=0, atol=0.05)
    assert abs(orders[2] - 1) < abs(orders[0] - 1)


def test_permuted_and_rotated_problem_has_the_permuted_and_rotated_flow():
    draw = np.random.default_rng(7)
    rotation, perm = np.linalg.qr(draw.normal(size=(4, 4)))[0], draw.permutation(5)
    start = random_net(5, 4, 8)
    end = flow(init=start).networks[0]
    moved = flow(teacher=lmc.TwoLayerNet(TEACHER.W @ rotation), init=lmc.TwoLayerNet(start.W[perm] @ rotation, start.a[perm]))
    np.testing.assert_allclose(moved.networks[0].W, end.W[perm] @ rotation, rtol=0, atol=1e-6)


def test_tighter_tolerances_come_nearer():
    start = random_net(5, 4, 1)
    ends = {rtol: flow(init=start, rtol=rtol, atol=rtol / 100).networks[0].W for rtol in (1e-4, 1e-7, 1e-11)}
    errors = [np.abs(ends[rtol] - ends[1e-11]).max() for rtol in (1e-4, 1e-7)]
    assert errors[1] < 0.01 * errors[0] < 1e-6


# --- the Jacobian


@pytest.mark.parametrize("train_output", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_jacobian_is_the_derivative_of_the_velocity(train_output, masked):
    net = random_net(4, 3, 1)
    net = lmc.TwoLayerNet(np.vstack([net.W, np.zeros(3)]), [*net.a, 0.7])
    net = lmc.TwoLayerNet(net.W, np.where(np.arange(5) == 1, 0.0, net.a))  # an output weight of zero
    mask = np.random.default_rng(2).random((5, 3)) < 0.7 if masked else None
    net = lmc.TwoLayerNet(net.W if mask is None else mask * net.W, net.a)
    field = _Field(net, random_net(2, 3, 5), mask, train_output, 1e-3)
    found, h = field.jacobian(0.0, field.start), 1e-6
    columns = np.arange(field.start.size).reshape(5, -1)
    trained = field.trained.copy()
    trained[4] = False  # the zero neuron has no derivative
    for k in columns[trained]:
        move = h * np.eye(field.start.size)[k]
        difference = (field.velocity(0.0, field.start + move) - field.velocity(0.0, field.start - move)) / (2 * h)
        np.testing.assert_allclose(found[:, k], difference, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-14)


def test_hessian_in_all_weights_is_singular_along_the_rescalings():
    """At a critical point: ``(w_i, -a_i)`` turns the two layers against one another, which changes nothing."""
    teacher = lmc.orthonormal_teacher(2, 3)
    hessian = lmc.population_hessian(teacher, teacher).reshape(2, 3, 2, 3)
    full = _with_output_weights(hessian, teacher, teacher).reshape(8, 8)
    for i in range(2):
        direction = np.zeros((2, 4))
        direction[i] = [*teacher.W[i], -teacher.a[i]]
        np.testing.assert_allclose(full @ direction.ravel(), 0, rtol=0, atol=1e-14)


# --- stops, looks, results


@pytest.mark.parametrize(("tolerance", "values"), [("gradient_tol", "gradient_norms"), ("loss_tol", "losses")])
def test_tolerances_stop_at_the_first_step_that_meets_them(tolerance, values):
    result = flow(width=3, n_runs=2, horizon=1e3, record=np.arange(0.0, 1000.0), **{tolerance: 1e-3})
    assert result.stopped_by == (tolerance,) * 2
    assert result.behaviour == ("converged",) * 2
    assert result.converged.all()
    assert (getattr(result, values) <= 1e-3).all()
    for k, history in enumerate(result.history):
        assert history.times[-1] == result.times[k] < 1e3
        assert history.losses[-1] == result.losses[k]
        before = flow(width=3, n_runs=2, horizon=1e3, max_steps=int(result.steps[k]) - 1)
        assert getattr(before, values)[k] > 1e-3


def test_flow_that_is_not_done_says_so():
    with pytest.warns(lmc.ConvergenceWarning, match="1 met no tolerance up to time 2"):
        result = flow(width=3, horizon=2.0, gradient_tol=1e-9)
    assert (result.stopped_by, result.behaviour, result.times.tolist()) == (("horizon",), ("drift",), [2.0])
    assert np.isnan(result.learning_rates).all()
    cut = flow(width=3, horizon=2.0, max_steps=5, checkpoints=[0.0, 2.0])
    assert (cut.stopped_by, cut.behaviour, cut.steps.tolist()) == (("max_steps",), ("unsettled",), [5])
    assert cut.times[0] < 2
    assert cut.checkpoints[0].times.tolist() == [0.0, cut.times[0]]
    assert cut.checkpoints[0].networks[-1].W.tobytes() == cut.networks[0].W.tobytes()


def test_loss_beyond_all_bounds_is_divergence():
    with pytest.warns(lmc.ConvergenceWarning, match="1 diverged"):
        result = flow(init=lmc.TwoLayerNet(np.full((2, 4), 1e60)))
    assert result.stopped_by == result.behaviour == ("diverged",)


def test_initial_weights_do_not_depend_on_the_algorithm_nor_on_threads(monkeypatch):
    first = flow(width=3, n_runs=3, checkpoints=[0.0, 10.0])
    start = lmc.train(TEACHER, 3, learning_rate=0.1, max_steps=1, rng=0, gradient_tol=0, checkpoints=[0]).checkpoints[0]
    assert first.checkpoints[0].networks[0].W.tobytes() == start.networks[0].W.tobytes()
    monkeypatch.setenv("LMCTHEORY_THREADS", "1")
    again = flow(width=3, n_runs=3)
    assert [net.W.tobytes() for net in first.networks] == [net.W.tobytes() for net in again.networks]


def test_flow_may_be_polished():
    result = flow(width=3, horizon=20.0, polish=True)
    assert result.polish[0].success
    assert result.converged.all()


@pytest.mark.parametrize("rate", [0.1, 0.02])
def test_histories_of_descent_carry_the_time_of_the_flow(rate):
    result = lmc.train(TEACHER, 3, learning_rate=rate, max_steps=10, gradient_tol=0, rng=0, record=[0, 3, 10], checkpoints=[3])
    np.testing.assert_allclose(result.history[0].times, rate * np.array([0, 3, 10]), rtol=1e-15)
    np.testing.assert_allclose(result.checkpoints[0].times, rate * np.array([3, 10]), rtol=1e-15)
    np.testing.assert_allclose(result.times, [10 * rate], rtol=1e-15)


def test_times_are_given_or_log_spaced():
    assert times_of_interest("record", None, 5.0).tolist() == []
    assert times_of_interest("record", 2, 5.0).tolist() == [0.0, 5.0]
    np.testing.assert_allclose(times_of_interest("record", 4, 5.0), [0.0, 5e-4, 0.05, 5.0], rtol=1e-15)
    assert times_of_interest("record", [0, 2.5], 5.0).tolist() == [0.0, 2.5]
