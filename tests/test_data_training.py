"""Training on data: scikit-learn's steps in our units, its stops as flags."""

from itertools import pairwise

import numpy as np
import pytest

import lmctheory as lmc

pytest.importorskip("sklearn")
DRAW = np.random.default_rng(1)
X = DRAW.normal(size=(60, 4))
LABELS = (X[:, :3].argmax(axis=1)).astype(int)
BINARY = (X[:, 0] > 0).astype(int)
TARGETS = np.column_stack([np.abs(X[:, 0]), X[:, 1]])


def train(y=LABELS, widths=(5, 3), **options):
    return lmc.train_on_data(X, y, widths, **{"max_epochs": 3, "tol": None, "rng": 0, **options})


def initial(y, **options):
    """The initial network, as the smallest of steps leaves it."""
    return train(y, learning_rate=1e-300, max_epochs=1, n_runs=1, **options).networks[0]


def numerical_gradient(objective, net, step=1e-6):
    """Central differences of the loss in all weights and biases."""
    arrays = [a.copy() for a in (*net.weights, *net.biases)]
    half = len(net.weights)
    gradients = []
    for array in arrays:
        gradient = np.empty_like(array)
        for index in np.ndindex(*array.shape):
            kept, values = array[index], []
            for sign in (1, -1):
                array[index] = kept + sign * step
                values.append(objective(lmc.LayeredNet(arrays[:half], arrays[half:])))
            array[index] = kept
            gradient[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


CASES = {
    "labels": (LABELS, None, "cross-entropy"),
    "labels, squared": (LABELS, "squared", "squared"),
    "two columns": (TARGETS, None, "squared"),
    "one column": (TARGETS[:, :1], None, "squared"),
    "vector": (TARGETS[:, 0], None, "squared"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_follows_the_gradient_of_the_loss_on_data(case):
    y, loss, expected = CASES[case]
    rate, start = 1e-3, initial(y, loss=loss)
    found = train(y, loss=loss, learning_rate=rate, batch_size=len(X), max_epochs=1, n_runs=1)
    assert found.loss == expected
    objective = lmc.DataLoss(X, y, expected)
    gradients = numerical_gradient(objective, start)
    for before, after, gradient in zip(
        (*start.weights, *start.biases), (*found.networks[0].weights, *found.networks[0].biases), gradients, strict=True
    ):
        assert np.allclose((before - after) / rate, gradient, rtol=0, atol=2e-8)
    assert found.learning_curves[0][0] == pytest.approx(objective(start), rel=1e-12)
    assert found.losses[0] == objective(found.networks[0]) < objective(start)


def test_the_penalty_is_that_of_scikit_learn():
    rate, alpha, start = 1e-3, 0.7, initial(LABELS)
    with_penalty, without = (
        train(learning_rate=rate, batch_size=len(X), max_epochs=1, n_runs=1, alpha=value).networks[0] for value in (alpha, 0.0)
    )
    for W, V, before in zip(without.weights, with_penalty.weights, start.weights, strict=True):
        assert np.allclose((W - V) / rate, alpha / len(X) * before, rtol=0, atol=1e-11)


def test_momentum_is_classical():
    rate, y = 1e-3, TARGETS
    nets = [initial(y)] + [
        train(y, solver="momentum", learning_rate=rate, batch_size=len(X), max_epochs=k, n_runs=1).networks[0] for k in (1, 2)
    ]
    gradient = numerical_gradient(lmc.DataLoss(X, y), nets[1])[0]
    first, second = (b.weights[0] - a.weights[0] for a, b in pairwise(nets))
    assert np.allclose((0.9 * first - second) / rate, gradient, rtol=0, atol=2e-8)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_first_step_of_adam_has_the_learning_rate(scale):
    y = scale * TARGETS
    net = train(y, solver="adam", learning_rate=1e-4, batch_size=len(X), max_epochs=1, n_runs=1).networks[0]
    assert np.allclose(np.abs(net.biases[-1] - initial(y).biases[-1]), 1e-4, rtol=1e-5)


def test_two_classes_have_two_outputs_whose_cross_entropy_is_the_logistic_loss():
    found = train(BINARY, batch_size=len(X), max_epochs=1, n_runs=1, learning_rate=0.05)
    start = initial(BINARY)
    assert start.output_dim == 2
    assert not start(X)[:, 0].any()
    z = start(X)[:, 1]
    logistic = np.mean(np.log1p(np.exp(-np.where(BINARY == 1, z, -z))))
    assert lmc.DataLoss(X, BINARY, "cross-entropy")(start) == pytest.approx(logistic, rel=1e-12)
    assert found.learning_curves[0][0] == pytest.approx(logistic, rel=1e-12)


def test_runs_depend_on_seed_and_number_alone(monkeypatch):
    reference = train(n_runs=3, solver="adam")
    monkeypatch.setenv("LMCTHEORY_THREADS", "1")
    for found in (train(n_runs=3, solver="adam"), train(n_runs=1, solver="adam"), train(n_runs=3, solver="adam", progress=print)):
        for one, other in zip(reference.networks, found.networks, strict=False):
            for W, V in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
                assert np.array_equal(W, V)
    assert not np.array_equal(reference.networks[0].weights[0], reference.networks[1].weights[0])
    generator = np.random.default_rng(0)
    first, second = (train(n_runs=1, rng=generator).networks[0] for _ in range(2))
    assert not np.array_equal(first.weights[0], second.weights[0])


@pytest.mark.parametrize("options", [{"solver": "momentum"}, {"batch_size": 7}, {"alpha": 0.1}, {"loss": "squared"}])
def test_initial_weights_are_those_of_all_settings(options):
    for W, V in zip(initial(LABELS, **options).weights, initial(LABELS).weights, strict=True):
        assert np.array_equal(W, V)


def test_stops():
    found = train(loss_tol=0.5, max_epochs=200, tol=None, learning_rate=0.5)
    assert found.stopped_by == ("loss_tol", "loss_tol")
    assert all(curve[-1] <= 0.5 < curve[:-1].min() for curve in found.learning_curves)
    assert found.converged.all()
    found = train(tol=1e-3, patience=4, max_epochs=400, learning_rate=0.5)
    assert found.stopped_by == ("tol", "tol")
    for curve, epochs in zip(found.learning_curves, found.epochs, strict=True):
        assert len(curve) == epochs
        lowest = np.minimum.accumulate(np.concatenate([[np.inf], curve]))[:-1]
        improved = curve < lowest - 1e-3
        assert not improved[-4:].any()
        assert all(improved[k : k + 4].any() for k in range(len(curve) - 4))
    found = train(max_epochs=2)
    assert found.stopped_by == ("max_epochs", "max_epochs")
    assert not found.converged.any()


def test_an_unmet_tolerance_is_warned_of():
    with pytest.warns(lmc.ConvergenceWarning, match="of 2 runs 0 diverged and 2 met no tolerance in 2 epochs"):
        found = train(tol=1e-4, max_epochs=2)
    assert not found.converged.any()


@pytest.mark.parametrize(("rate", "batch_size"), [(1e3, 60), (1e150, 20)])
def test_divergence_is_a_flag(rate, batch_size):
    """At once, or after some epochs: the network is the last that was finite, or the initial one."""

    def diverging(max_epochs):
        with pytest.warns(lmc.ConvergenceWarning, match="of 1 runs 1 diverged") as caught:
            found = train(TARGETS, learning_rate=rate, max_epochs=max_epochs, n_runs=1, widths=(5,), batch_size=batch_size)
        assert len(caught) == 1
        return found

    found = diverging(50)
    assert found.stopped_by == ("divergence",)
    assert found.diverged.all()
    assert np.isnan(found.losses).all()
    last = int(np.isfinite(found.learning_curves[0]).sum())  # epochs that left a finite network
    assert (last == 0) == (rate > 1e100)
    before = diverging(last).networks[0] if last else initial(TARGETS, widths=(5,))
    assert np.array_equal(found.networks[0].weights[0], before.weights[0])


def test_progress_counts_the_epochs_of_all_runs():
    seen = []
    train(max_epochs=4, n_runs=3, progress=lambda *call: seen.append(call))
    assert seen == [(k, 12) for k in range(1, 13)]
    seen.clear()
    train(loss_tol=1e6, max_epochs=4, n_runs=2, progress=lambda *call: seen.append(call))
    assert seen[-1] == (8, 8)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_width_may_be_a_number():
    assert train(widths=7).networks[0].widths == (7,)
