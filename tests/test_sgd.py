"""Training on random batches, on finite samples, and of output weights."""

import numpy as np
import pytest
import reference
from scipy.stats import chi2

import lmctheory as lmc

TEACHER = lmc.orthonormal_teacher(2, 4)
POINTS = np.random.default_rng(11).normal(size=(40, 4))
KINDS = {
    "gd": {},
    "gd, samples": {"samples": POINTS},
    "sgd": {"algorithm": "sgd", "batch_size": 6},
    "sgd, samples": {"algorithm": "sgd", "batch_size": 6, "samples": POINTS},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
train_outputs = pytest.mark.parametrize("train_output", [False, True])


def short(**options):
    """Train for a few steps with no tolerance set."""
    defaults = {"teacher": TEACHER, "learning_rate": 0.05, "max_steps": 30, "gradient_tol": 0, "rng": 0}
    return lmc.train(**{**defaults, **options})


def random_net(m, d, seed=0):
    draw = np.random.default_rng(seed)
    return lmc.TwoLayerNet(draw.normal(size=(m, d)) / 2, draw.normal(1.0, 0.2, size=m))


def bits(nets):
    return [(net.W.tobytes(), net.a.tobytes()) for net in nets]


def batch_stream(root, run):
    """The documented stream: named, one a run."""
    return np.random.default_rng(lmc._checks.stream(np.random.SeedSequence(root), "batches", run))


# --- the iteration


@train_outputs
@pytest.mark.parametrize("points", [None, POINTS])
@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_stochastic_descent_is_that_of_a_plain_loop_on_the_same_stream(batch_size, points, train_output):
    teacher, starts = random_net(2, 4, 1), [random_net(5, 4, seed) for seed in (2, 3)]
    options = {"algorithm": "sgd", "batch_size": batch_size, "samples": points, "train_output": train_output}
    result = short(teacher=teacher, init=starts, rng=5, **options)
    for k, (start, end) in enumerate(zip(starts, result.networks, strict=True)):
        W, a = reference.descend_on_batches(
            start.W, start.a, teacher.W, teacher.a, 0.05, 30, batch_size, batch_stream(5, k), points, train_output
        )
        np.testing.assert_allclose(end.W, W, rtol=0, atol=1e-12)
        np.testing.assert_allclose(end.a, a, rtol=0, atol=1e-12)


@train_outputs
def test_full_batch_descent_on_samples(train_output):
    teacher, start = random_net(2, 4, 1), random_net(5, 4, 2)
    result = short(teacher=teacher, init=start, samples=POINTS, train_output=train_output)
    W, a = start.W, start.a
    for _ in range(30):
        _, grad_W, grad_a = reference.sample_loss_and_gradients(W, a, teacher.W, teacher.a, POINTS)
        W, a = W - 0.05 * grad_W, a - 0.05 * grad_a * train_output
    end = result.networks[0]
    np.testing.assert_allclose(end.W, W, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end.a, a, rtol=0, atol=1e-12)
    loss, grad_W, grad_a = reference.sample_loss_and_gradients(end.W, end.a, teacher.W, teacher.a, POINTS)
    norms = [np.linalg.norm(grad_W), np.linalg.norm(grad_a) * train_output]
    assert result.sample_losses[0] == pytest.approx(loss, rel=1e-12)
    assert result.gradient_norms[0] == pytest.approx(np.linalg.norm(norms), rel=1e-12)
    assert result.losses[0] == lmc.population_loss(end, teacher)


@pytest.mark.parametrize("d", [4, 30])
def test_step_of_all_weights_is_the_gradient_step(d):
    teacher, start = random_net(2, d, 1), random_net(3, d, 2)
    end = short(teacher=teacher, init=start, max_steps=1, train_output=True, learning_rate=0.3).networks[0]
    grad_W, grad_a = lmc.population_gradient(start, teacher)
    np.testing.assert_allclose(end.W, start.W - 0.3 * grad_W, rtol=0, atol=1e-14)
    np.testing.assert_allclose(end.a, start.a - 0.3 * grad_a, rtol=0, atol=1e-14)


def test_descent_of_all_weights_follows_the_conservation_law():
    """``|w_i|^2 - a_i^2`` is conserved by the flow of a network that is 1-homogeneous in both, and by descent to first order."""
    start = random_net(4, 4, 6)

    def balance(net):
        return (net.W**2).sum(axis=1) - net.a**2

    drifts = []
    for steps in (100, 400):
        end = short(init=start, train_output=True, learning_rate=1 / steps, max_steps=steps).networks[0]
        assert np.abs(end.a - start.a).max() > 0.1
        drifts.append(np.abs(balance(end) - balance(start)).max())
    assert 3 < drifts[0] / drifts[1] < 5


@every_kind
def test_zero_neuron_stays_zero(kind):
    start = lmc.TwoLayerNet(np.vstack([np.zeros(4), random_net(2, 4).W]))
    end = short(init=start, **KINDS[kind]).networks[0]
    assert (end.W[0] == 0).all()
    assert (end.W[1:] != start.W[1:]).any()


@pytest.mark.parametrize("kind", ["gd, samples", "sgd, samples"])
@train_outputs
def test_permuted_and_rotated_problem_has_the_permuted_and_rotated_trajectory(kind, train_output):
    draw = np.random.default_rng(7)
    rotation, perm = np.linalg.qr(draw.normal(size=(4, 4)))[0], draw.permutation(5)
    start, teacher = random_net(5, 4, 8), random_net(3, 4, 9)
    moved_start = lmc.TwoLayerNet(start.W[perm] @ rotation, start.a[perm])
    moved_teacher = lmc.TwoLayerNet(teacher.W @ rotation, teacher.a)
    options = KINDS[kind] | {"train_output": train_output}
    end = short(init=start, teacher=teacher, **options).networks[0]
    moved = short(init=moved_start, teacher=moved_teacher, **(options | {"samples": POINTS @ rotation})).networks[0]
    np.testing.assert_allclose(moved.W, end.W[perm] @ rotation, rtol=0, atol=1e-12)
    np.testing.assert_allclose(moved.a, end.a[perm], rtol=0, atol=1e-12)


# --- limits


def squared_distance(net, other):
    return ((net.W - other.W) ** 2).sum()


@pytest.mark.jit
def test_descent_on_many_samples_approaches_descent_on_the_population_loss():
    """Errors of means over n inputs: squared distances fall as 1/n."""
    start = random_net(4, 4, 3)
    limit = short(init=start).networks[0]
    found = {}
    for n in (500, 8000):
        ends = [short(init=start, samples=n, rng=seed).networks[0] for seed in range(30)]
        found[n] = np.mean([squared_distance(end, limit) for end in ends])
    assert 16 / 2 < found[500] / found[8000] < 16 * 2
    assert found[8000] < 1e-2 * squared_distance(limit, start)


@pytest.mark.jit
def test_stochastic_descent_on_large_batches_approaches_descent():
    start = random_net(4, 4, 3)
    limit = short(init=start).networks[0]
    found = {}
    for batch_size in (8, 128):
        ends = short(init=[start] * 60, algorithm="sgd", batch_size=batch_size).networks
        found[batch_size] = np.mean([squared_distance(end, limit) for end in ends])
    assert 16 / 2 < found[8] / found[128] < 16 * 2
    assert found[128] < 1e-2 * squared_distance(limit, start)


def test_batch_of_all_samples_is_descent_on_them():
    start = random_net(4, 4, 3)
    full = short(init=start, samples=POINTS).networks[0]
    batch = short(init=start, samples=POINTS, algorithm="sgd", batch_size=len(POINTS)).networks[0]
    np.testing.assert_allclose(batch.W, full.W, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("samples", "batch_size", "variance"), [(None, 4, 1 / 4), (POINTS, 4, (1 / 4) * 36 / 39)])
def test_gradients_on_batches_are_unbiased_with_the_variance_of_their_size(samples, batch_size, variance):
    """One step from one start in many runs; without replacement the variance carries the factor ``(n - B) / (n - 1)``."""
    start, n_runs = random_net(1, 4, 3), 1500
    options = {"algorithm": "sgd", "batch_size": batch_size, "samples": samples, "max_steps": 1, "learning_rate": 1.0}
    ends = short(init=[start] * n_runs, **options).networks
    gradients = start.W[0] - np.array([net.W[0] for net in ends])
    points = np.random.default_rng(12).normal(size=(200_000, 4)) if samples is None else samples
    residuals = start(points) - TEACHER(points)
    each = 2 * start.a[0] * (residuals * (points @ start.W[0] > 0))[:, None] * points
    mean = each.mean(axis=0) if samples is not None else lmc.population_gradient(start, TEACHER)[0][0]
    expected = np.atleast_2d(np.cov(each.T, bias=True)) * variance
    distance = n_runs * (gradients.mean(axis=0) - mean) @ np.linalg.solve(expected, gradients.mean(axis=0) - mean)
    assert 0.001 < chi2.cdf(distance, 4) < 0.999
    np.testing.assert_allclose(np.var(gradients, axis=0), np.diag(expected), rtol=0.25)


@every_kind
def test_every_kind_reaches_the_teacher(kind):
    """Without noise in the labels the teacher is a minimum of every kind of loss, and gradients on batches vanish there."""
    options = KINDS[kind] | {"learning_rate": 0.2, "max_steps": 20_000, "gradient_tol": 1e-9}
    result = lmc.train(TEACHER, init=random_net(2, 4, 4), train_output=True, rng=1, **options)
    assert result.stopped_by == ("gradient_tol",)
    assert result.losses[0] < 1e-15


# --- stops


@pytest.mark.parametrize("kind", ["gd, samples", "sgd", "sgd, samples"])
def test_tolerances_are_for_the_loss_that_is_minimised(kind):
    result = lmc.train(TEACHER, width=4, learning_rate=0.1, loss_tol=1e-3, rng=0, n_runs=3, **KINDS[kind])
    values = result.losses if kind == "sgd" else result.sample_losses
    assert result.stopped_by == ("loss_tol",) * 3
    assert result.behaviour == ("converged",) * 3
    assert (values <= 1e-3).all()
    for k, steps in enumerate(result.steps):  # before, at the last test of the tolerance, it was not met
        before = steps - (1 if kind == "gd, samples" else 100)
        earlier = short(width=4, learning_rate=0.1, n_runs=3, max_steps=int(before), **KINDS[kind])
        assert (earlier.losses if kind == "sgd" else earlier.sample_losses)[k] > 1e-3
    if kind != "gd, samples":
        assert (result.steps % 100 == 0).all()


@pytest.mark.parametrize("kind", ["gd, samples", "sgd", "sgd, samples"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")  # as in compiled loops
def test_divergence_is_noticed_and_its_last_finite_loss_kept(kind):
    starts = [random_net(3, 4, seed) for seed in range(2)]
    with pytest.warns(lmc.ConvergenceWarning, match="of 2 runs 1 diverged"):
        result = short(init=starts, learning_rate=[0.05, 40.0], max_steps=2000, **KINDS[kind])
    assert result.diverged.tolist() == [False, True]
    assert result.behaviour[1] == "diverged"
    assert np.isnan([result.losses[1], result.gradient_norms[1], result.sample_losses[1]]).all()
    assert np.isfinite(result.last_finite_losses).all()
    assert result.last_finite_losses[1] == lmc.population_loss(result.networks[1], TEACHER)
    assert bits(result.networks[:1]) == bits(short(init=starts[:1], max_steps=2000, **KINDS[kind]).networks)


# --- randomness


@every_kind
@train_outputs
def test_same_seed_same_bits_at_any_thread_count_and_with_recording(monkeypatch, kind, train_output):
    options = {"width": 5, "n_runs": 5, "max_steps": 150, "train_output": train_output} | KINDS[kind]
    results = []
    for threads, looks in (("1", {}), ("2", {}), ("5", {"record": 7, "checkpoints": [3, 50, 99, 101]})):
        monkeypatch.setenv("LMCTHEORY_THREADS", threads)
        results.append(bits(short(**options, **looks).networks))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("kind", [*KINDS, "drawn samples"])
def test_run_depends_on_seed_and_index_alone(kind):
    options = KINDS.get(kind, {"samples": 10, "algorithm": "sgd", "batch_size": 2})
    three = short(width=3, n_runs=3, **options)
    assert bits(three.networks)[:2] == bits(short(width=3, n_runs=2, **options).networks)
    assert len(set(bits(three.networks))) == 3
    assert bits(three.networks) != bits(short(width=3, n_runs=3, rng=1, **options).networks)
    entropy, key = three.seed
    again = short(width=3, n_runs=3, rng=np.random.SeedSequence(entropy, spawn_key=key), **options)
    assert bits(three.networks) == bits(again.networks)


def test_number_of_samples_draws_a_gaussian_sample_for_each_run():
    start = random_net(3, 4)
    result = short(init=[start, start], samples=3000)
    assert [points.shape for points in result.samples] == [(3000, 4)] * 2
    for points in result.samples:
        assert 0.001 < chi2.cdf((points**2).sum(), points.size) < 0.999
        assert abs(points.mean()) < 4 / np.sqrt(points.size)
    assert (result.samples[0] != result.samples[1]).all()
    alone = short(init=start, samples=result.samples[1])
    assert bits(alone.networks) == bits(result.networks[1:])
    assert short(init=start).samples == ()


def test_initial_weights_do_not_depend_on_the_algorithm():
    starts = [short(width=3, max_steps=1, checkpoints=[0], **options).checkpoints[0].networks[0] for options in KINDS.values()]
    assert len(set(bits(starts))) == 1
