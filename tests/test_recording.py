"""Histories, checkpoints, and what runs were doing at their end."""

import warnings

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.training.behaviour import WINDOW, behaviour_of, steps_to_keep
from lmctheory.training.schedule import steps_of_interest

TEACHER = lmc.orthonormal_teacher(2, 4)
LINE = lmc.orthonormal_teacher(1, 1)
POINTS = np.random.default_rng(11).normal(size=(40, 4))
KINDS = {
    "gd": {},
    "gd, all weights": {"train_output": True},
    "gd, wide input": {"teacher": lmc.orthonormal_teacher(2, 12)},
    "gd, samples": {"samples": POINTS},
    "sgd": {"algorithm": "sgd", "batch_size": 6},
    "sgd, samples": {"algorithm": "sgd", "batch_size": 6, "samples": POINTS},
}


def short(**options):
    """Train for a few steps with no tolerance set."""
    defaults = {"teacher": TEACHER, "learning_rate": 0.05, "max_steps": 30, "gradient_tol": 0, "rng": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        return lmc.train(**{**defaults, **options})


# --- steps


@pytest.mark.parametrize(
    ("value", "max_steps", "expected"),
    [
        (None, 10, []),
        (2, 10, [0, 10]),
        (4, 100, [0, 1, 10, 100]),
        (50, 5, [0, 1, 2, 3, 4, 5]),
        (3, 1, [0, 1]),
        ([0, 3, 10], 10, [0, 3, 10]),
        (np.array([4.0]), 10, [4]),
    ],
)
def test_steps_are_given_or_log_spaced(value, max_steps, expected):
    assert steps_of_interest("record", value, max_steps).tolist() == expected


# --- histories and checkpoints


@pytest.mark.parametrize("kind", KINDS)
def test_history_is_what_the_networks_at_checkpoints_have(kind):
    steps = [0, 1, 7, 29, 30]
    options = {"width": 3, "n_runs": 2} | KINDS[kind]
    result = short(record=steps, checkpoints=steps, **options)
    teacher = options.get("teacher", TEACHER)
    for history, checkpoints, end in zip(result.history, result.checkpoints, result.networks, strict=True):
        assert history.steps.tolist() == checkpoints.steps.tolist() == steps
        assert checkpoints.networks[-1].W.tobytes() == end.W.tobytes()
        for k, net in enumerate(checkpoints.networks):
            assert history.losses[k] == lmc.population_loss(net, teacher)
            assert history.sharpness[k] == lmc.sharpness(net, teacher, samples=options.get("samples"))
            found, expected = history.sparsity[k], lmc.sparsity(net, teacher)
            assert (found.dead_share, found.gini, *found.class_sizes) == (
                expected.dead_share,
                expected.gini,
                *expected.class_sizes,
            )
            np.testing.assert_allclose(history.neuron_norms[k], np.linalg.norm(net.W, axis=1), rtol=1e-15)
            gradients = lmc.population_gradient(net, teacher)
            if "samples" in options:
                value, *gradients = lmc.SampleLoss(teacher, POINTS).value_and_gradients(net)
                assert history.sample_losses[k] == value
            trained = gradients if "train_output" in options else gradients[:1]
            norm = np.sqrt(sum((gradient**2).sum() for gradient in trained))
            assert history.gradient_norms[k] == pytest.approx(norm, rel=1e-13)
        assert np.isnan(history.sample_losses).all() == ("samples" not in options)


@pytest.mark.parametrize("kind", KINDS)
def test_checkpoint_is_the_network_of_a_shorter_run(kind):
    result = short(width=3, checkpoints=[0, 11], **KINDS[kind])
    checkpoints = result.checkpoints[0]
    assert checkpoints.steps.tolist() == [0, 11, 30]
    shorter = short(width=3, max_steps=11, **KINDS[kind]).networks[0]
    assert checkpoints.networks[1].W.tobytes() == shorter.W.tobytes()
    assert checkpoints.networks[1].a.tobytes() == shorter.a.tobytes()


def test_first_checkpoint_is_the_initial_network():
    start = lmc.TwoLayerNet(np.arange(12.0).reshape(3, 4), [1.0, -1.0, 2.0])
    first = short(init=start, learning_rate=1e-3, checkpoints=2).checkpoints[0].networks[0]
    np.testing.assert_array_equal(first.W, start.W)
    np.testing.assert_array_equal(first.a, start.a)


def test_run_that_stops_early_ends_its_history_there():
    result = short(
        width=3, n_runs=2, learning_rate=[0.2, 1e-6], max_steps=3000, loss_tol=1e-2, record=[0, 2, 3000], checkpoints=2
    )
    stopped = int(result.steps[0])
    assert 2 < stopped < 3000
    assert result.history[0].steps.tolist() == [0, 2, stopped]
    assert result.checkpoints[0].steps.tolist() == [0, stopped]
    assert result.history[1].steps.tolist() == [0, 2, 3000]
    assert result.history[0].losses[-1] == result.losses[0]


@pytest.mark.parametrize("kind", ["gd", "gd, samples", "sgd"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")  # as in compiled loops
def test_history_of_a_diverged_run_ends_with_its_last_finite_loss(kind):
    result = short(width=3, learning_rate=40.0, max_steps=2000, record=range(2000), checkpoints=4, **KINDS[kind])
    steps = int(result.steps[0])
    assert result.stopped_by == ("diverged",)
    assert result.history[0].steps.tolist() == list(range(steps))
    assert result.history[0].losses[-1] == result.last_finite_losses[0]
    assert result.checkpoints[0].networks[-1].W.tobytes() == result.networks[0].W.tobytes()
    assert result.checkpoints[0].steps[-1] == steps - 1


def test_nothing_is_kept_unasked():
    result = short(width=2)
    assert result.history == ()
    assert result.checkpoints == ()


def test_polished_run_keeps_the_history_of_descent():
    result = short(width=2, learning_rate=0.3, max_steps=2000, loss_tol=1e-4, record=3, polish=True)
    assert result.history[0].losses[-1] > 1e-6
    assert result.losses[0] < 1e-20
    assert result.behaviour == ("converged",)


# --- behaviour


@pytest.mark.parametrize("rate", [1.02, 1.1, 1.2])
def test_orbit_of_period_two_of_the_product_loss(rate):
    """With one weight and its output weight the loss is ``(a w - 1)^2 / 2``. From ``a = w``, at rates from 1 to sqrt(5) - 1,
    descent tends to the orbit between x and y with ``x^2 + y^2 = 1 + 1 / rate`` and ``x y = 1 / rate``."""
    result = short(
        teacher=LINE,
        init=lmc.TwoLayerNet([[1.1]], [1.1]),
        learning_rate=rate,
        train_output=True,
        max_steps=4000,
        checkpoints=[3999],
    )
    assert result.behaviour == ("period-two oscillation",)
    assert result.stopped_by == ("max_steps",)
    assert not result.converged.any()
    (x,), (y,) = (net.W[0] for net in result.checkpoints[0].networks)
    assert x * x + y * y == pytest.approx(1 + 1 / rate, abs=1e-10)
    assert x * y == pytest.approx(1 / rate, abs=1e-10)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"learning_rate": 1.5, "train_output": True, "max_steps": 4000}, "unsettled"),  # chaos beyond the orbit of period two
        ({"learning_rate": 1.999}, "damped oscillation"),  # the multiplier of a single weight is 1 - rate
        ({"learning_rate": 2.0}, "period-two oscillation"),
        ({"learning_rate": 2.1}, "unsettled"),  # the gradient is milder for negative w, which keeps the orbits bounded
        ({"learning_rate": 4.0}, "diverged"),
        ({"learning_rate": 1e-4}, "drift"),
        ({"learning_rate": 1.0}, "at rest"),
        ({"learning_rate": 1.0, "gradient_tol": 1e-9}, "converged"),
        ({"learning_rate": 0.01, "algorithm": "sgd", "batch_size": 1, "max_steps": 100}, "noise"),
        ({"learning_rate": 1e-4, "max_steps": 20}, "unsettled"),  # too short to tell
    ],
)
def test_behaviour_of_one_weight(options, expected):
    """``L = (w - 1)^2 / 2`` while w is positive."""
    start = lmc.TwoLayerNet([[1.1]], [1.1 if "train_output" in options else 1.0])
    result = short(teacher=LINE, init=start, **({"max_steps": 2000} | options))
    assert result.behaviour == (expected,)


def test_polishing_does_not_change_what_descent_was_doing():
    """Above the threshold of the only minimum, 1.1 at m = M = 2, descent oscillates, and never ends in the polished network."""
    teacher = lmc.orthonormal_teacher(2, 2)
    result = short(teacher=teacher, width=2, learning_rate=[1.05, 1.15], n_runs=2, max_steps=2000, gradient_tol=1e-9, polish=True)
    assert result.behaviour == ("converged", "period-two oscillation")
    assert result.converged.all()


def test_runs_above_and_below_the_threshold_are_told_apart():
    result = short(teacher=lmc.orthonormal_teacher(2, 2), width=2, learning_rate=[1.09, 1.11], n_runs=2, max_steps=4000)
    assert result.behaviour[0] in ("at rest", "damped oscillation")
    assert result.behaviour[1] == "period-two oscillation"


def sequence(position, max_steps=1000):
    return {step: np.array([position(step)]) for step in steps_to_keep(max_steps)}


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (lambda t: 5.0, "at rest"),
        (lambda t: 1.0 + 1e-15 * (-1) ** t, "at rest"),
        (lambda t: 1e-3 * t, "drift"),
        (lambda t: 0.99**t, "drift"),
        (lambda t: t**-0.5, "drift"),
        (lambda t: (-1) ** t, "period-two oscillation"),
        (lambda t: (-1) ** t + 1e-3 * t, "period-two oscillation"),  # an oscillation that drifts slowly
        (lambda t: (-0.9999) ** t, "period-two oscillation"),
        (lambda t: (-0.998) ** t, "damped oscillation"),
        (lambda t: (-0.95) ** t + 1e-30, "damped oscillation"),
        (lambda t: np.cos(np.pi * t / 2), "unsettled"),  # period four
        (lambda t: (0.0, 1.0, -1.0)[t % 3], "unsettled"),
        (lambda t: float(np.random.default_rng(t).normal()), "unsettled"),
    ],
)
def test_behaviour_of_planted_sequences(position, expected):
    assert behaviour_of(sequence(position), 1000, random=False) == expected


def test_random_steps_are_noise_unless_they_vanish():
    assert behaviour_of(sequence(lambda t: 1e-3 * t), 1000, random=True) == "noise"
    assert behaviour_of(sequence(lambda t: 1.0), 1000, random=True) == "at rest"
    assert steps_to_keep(4 * WINDOW - 1) == []
