import threading
import warnings

import numpy as np
import pytest
import reference
from scipy.stats import chi2

import lmctheory as lmc
from lmctheory._compiled.descent import descend, descend_on_batches, descend_on_sample
from lmctheory._compiled.iterate import layout, load_iterate
from lmctheory.training.runs import STOPPED_BY, Plan, Run

TEACHER = lmc.orthonormal_teacher(2, 4)
silent_overflow = pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")  # as in compiled loops


def same_bits(nets, others):
    return [net.W.tobytes() for net in nets] == [net.W.tobytes() for net in others]


def short(**options):
    """Train for a few steps with no tolerance set."""
    defaults = {"teacher": TEACHER, "learning_rate": 0.1, "max_steps": 20, "gradient_tol": 0, "rng": 0}
    return lmc.train(**{**defaults, **options})


def random_net(m, d, seed=0, a=None):
    return lmc.TwoLayerNet(np.random.default_rng(seed).normal(size=(m, d)), a)


# --- the iteration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "M", "d"), [(1, 1, 1), (3, 2, 4), (5, 4, 4)])
def test_one_step_is_the_gradient_step_to_the_bit(m, M, d):
    teacher, start = lmc.orthonormal_teacher(M, d), random_net(m, d)
    result = short(teacher=teacher, init=start, max_steps=1, learning_rate=0.3)
    np.testing.assert_array_equal(result.networks[0].W, start.W - 0.3 * lmc.population_gradient(start, teacher)[0])
    assert result.steps.tolist() == [1]


@pytest.mark.parametrize(("m", "M", "d"), [(4, 2, 4), (3, 2, 200)])
def test_trajectory_agrees_with_plain_descent_in_full_coordinates(m, M, d):
    teacher, start = random_net(M, d, 1, np.array([1.0, -0.5])), random_net(m, d, 2, np.linspace(-1, 1.5, m))
    end = short(teacher=teacher, init=start, max_steps=50, learning_rate=0.05).networks[0]
    expected = reference.descend(start.W, start.a, teacher.W, teacher.a, 0.05, 50)
    np.testing.assert_allclose(end.W, expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(end.a, start.a)  # output weights are not trained


def test_loss_decreases_at_a_small_rate():
    losses = [short(width=4, max_steps=k, learning_rate=0.02).losses[0] for k in range(1, 40)]
    assert (np.diff(losses) < 0).all()


@pytest.mark.parametrize("d", [4, 30])
def test_zero_neuron_stays_zero(d):
    start = lmc.TwoLayerNet(np.vstack([np.zeros(d), random_net(2, d).W]))
    end = short(teacher=lmc.orthonormal_teacher(2, d), init=start).networks[0]
    assert (end.W[0] == 0).all()
    assert (end.W[1:] != start.W[1:]).any()


def test_duplicate_neurons_stay_together():
    start = random_net(2, 4)
    end = short(init=lmc.TwoLayerNet(start.W[[0, 0, 1]])).networks[0]
    np.testing.assert_allclose(end.W[0], end.W[1], rtol=0, atol=1e-14)


@pytest.mark.parametrize(("M", "d"), [(2, 4), (3, 3), (2, 60)])
def test_descent_recovers_the_teacher(M, d):
    teacher = lmc.orthonormal_teacher(M, d)
    result = lmc.train(teacher, width=M, learning_rate=0.3, n_runs=3, rng=0, max_steps=5000)
    assert result.converged.all()
    for net in result.networks:
        aligned = net.permute(lmc.align(teacher, net).permutation)
        np.testing.assert_allclose(aligned.W, teacher.W, rtol=0, atol=1e-8)  # the tolerance over the smallest curvature


# --- stops ----------------------------------------------------------------------------------------------------------


def test_gradient_tolerance_stops_at_the_first_iterate_that_meets_it():
    result = lmc.train(TEACHER, width=2, learning_rate=0.3, gradient_tol=1e-3, rng=0)
    assert result.stopped_by == ("gradient_tol",)
    assert result.converged.all()
    assert result.gradient_norms[0] <= 1e-3
    assert short(width=2, learning_rate=0.3, max_steps=int(result.steps[0]) - 1).gradient_norms[0] > 1e-3


def test_loss_tolerance_stops_at_the_first_iterate_that_meets_it():
    result = lmc.train(TEACHER, width=4, learning_rate=0.2, loss_tol=1e-3, rng=0)
    assert result.stopped_by == ("loss_tol",)
    assert result.converged.all()
    assert result.losses[0] <= 1e-3
    assert short(width=4, learning_rate=0.2, max_steps=int(result.steps[0]) - 1).losses[0] > 1e-3


def test_tolerance_of_zero_switches_the_stop_off():
    """Even at an exact minimum of zero loss, and without a warning that nothing was met."""
    minimum = lmc.TwoLayerNet([[1.0]])
    result = short(teacher=lmc.orthonormal_teacher(1, 1), init=minimum, max_steps=7, loss_tol=0)
    assert result.stopped_by == ("max_steps",)
    assert result.steps.tolist() == [7]
    assert result.losses.tolist() == [0.0]
    stopped = lmc.train(lmc.orthonormal_teacher(1, 1), init=minimum, learning_rate=0.1)
    assert stopped.steps.tolist() == [0]


def test_unmet_tolerance_is_a_warning_and_a_flag():
    with pytest.warns(lmc.ConvergenceWarning, match="2 met no tolerance in 3 steps"):
        result = lmc.train(TEACHER, width=3, learning_rate=0.1, max_steps=3, rng=0, n_runs=2)
    assert not result.converged.any()
    assert result.stopped_by == ("max_steps", "max_steps")


def test_result_belongs_to_the_returned_networks():
    result = short(width=3, n_runs=2, learning_rate=[0.1, 0.2])
    for k, net in enumerate(result.networks):
        assert result.losses[k] == lmc.population_loss(net, TEACHER)
        assert result.gradient_norms[k] == pytest.approx(np.linalg.norm(lmc.population_gradient(net, TEACHER)[0]), rel=1e-14)
    assert result.learning_rates.tolist() == [0.1, 0.2]
    assert result.polish == ()


# --- divergence -----------------------------------------------------------------------------------------------------


@silent_overflow
@pytest.mark.parametrize("rate", [1e3, 1e20, 1e100, 1e154, 1e160, 1e300])
def test_diverging_run_is_marked_and_spoils_no_other(rate):
    starts = [random_net(3, 4, seed) for seed in range(3)]
    with pytest.warns(lmc.ConvergenceWarning, match="of 3 runs 1 diverged"):
        batch = short(init=starts, learning_rate=[0.1, rate, 0.2], max_steps=60)
    alone = short(init=starts[::2], learning_rate=[0.1, 0.2], max_steps=60)
    assert batch.diverged.tolist() == [False, True, False]
    assert np.isnan(batch.losses[1])
    assert np.isnan(batch.gradient_norms[1])
    assert batch.stopped_by[1] == "diverged"
    assert not batch.converged[1]
    assert np.isfinite(batch.networks[1].W).all()
    assert same_bits(batch.networks[::2], alone.networks)
    np.testing.assert_array_equal(batch.losses[::2], alone.losses)


def test_diverged_run_returns_its_last_iterate_of_finite_loss():
    start = random_net(2, 4)
    with pytest.warns(lmc.ConvergenceWarning):
        result = short(init=start, learning_rate=1e3, max_steps=500)
    before = short(init=start, learning_rate=1e3, max_steps=int(result.steps[0]) - 1)
    assert not before.diverged.any()
    assert same_bits(result.networks, before.networks)


# --- randomness -----------------------------------------------------------------------------------------------------


def test_same_seed_same_bits_at_any_thread_count(monkeypatch):
    batches = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("LMCTHEORY_THREADS", threads)
        batches.append(short(width=5, n_runs=6).networks)
    assert same_bits(batches[0], batches[1])
    assert same_bits(batches[0], batches[2])


@pytest.mark.jit
@pytest.mark.parametrize(
    "options",
    [{}, {"train_output": True, "loss_tol": 3e-2, "max_steps": 300}, {"mask": np.random.default_rng(0).random((300, 4)) < 0.5}],
    ids=["plain", "until a tolerance", "mask"],
)
def test_threads_that_share_one_wide_network_change_no_bit(options, monkeypatch):
    found = []
    for threads in ("1", "2", "3", "7"):
        monkeypatch.setenv("LMCTHEORY_THREADS", threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)
            found.append(short(width=300, learning_rate=1e-3, **options))
    for other in found[1:]:
        assert same_bits(found[0].networks, other.networks)
        assert found[0].networks[0].a.tobytes() == other.networks[0].a.tobytes()
        assert found[0].steps.tolist() == other.steps.tolist()
    if "loss_tol" in options:
        assert found[0].stopped_by == ("loss_tol",)


@pytest.mark.jit
@silent_overflow
def test_wide_network_that_diverges_in_several_threads_goes_back(monkeypatch):
    monkeypatch.setenv("LMCTHEORY_THREADS", "2")
    with pytest.warns(lmc.ConvergenceWarning, match="1 diverged"):
        result = short(width=300, learning_rate=1e3, max_steps=500)
    before = short(width=300, learning_rate=1e3, max_steps=int(result.steps[0]) - 1)
    assert same_bits(result.networks, before.networks)


@pytest.mark.jit
def test_interrupt_ends_all_threads_of_a_wide_network():
    start = random_net(300, 4)
    plan = Plan(10**9, 0.0, 0.0, None, False, None, np.array([], dtype=int), np.array([], dtype=int))
    run = Run(start, TEACHER, None, None, 1e-9, plan, np.random.default_rng(0), threads=2)
    stop = np.zeros(1, dtype=np.uint8)
    threading.Timer(0.2, lambda: stop.__setitem__(0, 1)).start()
    assert STOPPED_BY[run.advance(10**9, stop)] == "interrupted"
    assert run.step < 10**9


def test_run_depends_on_seed_and_index_alone():
    five = short(width=3, n_runs=5).networks
    assert same_bits(five[:2], short(width=3, n_runs=2).networks)
    assert len({net.W.tobytes() for net in five}) == 5
    assert not same_bits(five, short(width=3, n_runs=5, rng=1).networks)


def test_seed_sequence_is_reproducible_and_generator_is_advanced():
    sequence = np.random.SeedSequence(3, spawn_key=(1,))
    first = short(width=2, rng=sequence)
    assert same_bits(first.networks, short(width=2, rng=sequence).networks)
    assert first.seed == (3, (1,))
    assert not same_bits(first.networks, short(width=2, rng=3).networks)

    generator = np.random.default_rng(3)
    batches = [short(width=2, rng=generator).networks for _ in range(2)]
    assert not same_bits(*batches)
    assert same_bits(batches[0], short(width=2, rng=np.random.default_rng(3)).networks)


def test_unseeded_calls_differ_and_can_be_repeated_from_the_recorded_seed():
    first, second = short(width=2, rng=None), short(width=2, rng=None)
    assert not same_bits(first.networks, second.networks)
    entropy, spawn_key = first.seed
    assert same_bits(first.networks, short(width=2, rng=np.random.SeedSequence(entropy, spawn_key=spawn_key)).networks)


@pytest.mark.parametrize(("m", "scale", "expected"), [(8, None, 0.25), (1, None, 1.0), (8, 3.0, 3.0)])
def test_initial_weights_have_the_documented_scale(m, scale, expected):
    """A step of 1e-300 leaves the initial weights in place."""
    result = short(width=m, n_runs=200, learning_rate=1e-300, max_steps=1, init_scale=scale)
    assert result.init_scale == expected
    W = np.stack([net.W for net in result.networks])
    total = (W**2).sum() / (expected**2 / TEACHER.input_dim)
    assert 0.001 < chi2.cdf(total, W.size) < 0.999
    assert abs(W.mean()) < 4 * expected / np.sqrt(TEACHER.input_dim * W.size)
    assert all((net.a == 1).all() for net in result.networks)


# --- polishing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [4, 6, 8])
def test_polishing_reaches_a_gradient_norm_of_1e_12(m):
    teacher = lmc.orthonormal_teacher(4, 4)
    options = {"learning_rate": 0.2, "rng": 0, "n_runs": 3, "gradient_tol": 0, "loss_tol": 1e-4}
    rough, polished = lmc.train(teacher, m, **options), lmc.train(teacher, m, polish=True, **options)
    assert (polished.gradient_norms <= 1e-12).all()
    for before, after, report in zip(rough.networks, polished.networks, polished.polish, strict=True):
        assert report.success
        assert report.distance == pytest.approx(np.linalg.norm(after.W - before.W), rel=1e-6)
        assert 0 < report.distance < 0.1
        assert lmc.population_loss(after, teacher) <= lmc.population_loss(before, teacher) + lmc.loss_floor(before, teacher)
    assert polished.stopped_by == rough.stopped_by


def test_polishing_skips_diverged_runs():
    starts = [random_net(2, 4, seed) for seed in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        result = short(init=starts, learning_rate=[1e3, 0.2], max_steps=500, polish=True)
    assert result.polish[0] is None
    assert result.polish[1].success
    assert np.isnan(result.losses[0])


@pytest.mark.jit
def test_a_step_allocates_nothing():
    """The number of allocations of a run does not depend on its number of steps."""
    from numba.core.runtime import _nrt_python, rtsys

    _nrt_python.memsys_enable_stats()
    teacher, start = lmc.orthonormal_teacher(2, 4), lmc.TwoLayerNet(np.random.default_rng(0).normal(size=(5, 4)))
    X, c = lmc.PopulationLoss(teacher).stack(start)
    points, stop = np.random.default_rng(1).normal(size=(300, 4)), np.zeros(1, dtype=np.uint8)
    mask = np.random.default_rng(3).random((5, 4)) < 0.5

    def full(steps, points):
        at = layout(5, 2, 4)
        room = np.zeros(at.size)
        load_iterate(room, at, X, c, 5)
        descend(room, at, mask, 1.0, 1e-3, True, 0, steps, -1.0, -1.0, stop)

    def sample(steps, points):
        descend_on_sample(X.copy(), c.copy(), 5, mask, points, 1e-3, True, 0, steps, -1.0, -1.0, np.empty((5, 5)), stop)

    def batches(steps, points):
        batch, order, rng = np.empty((3, 4)), np.arange(len(points)), np.random.default_rng(2)
        descend_on_batches(X.copy(), c.copy(), 5, mask, points, batch, order, rng, 1e-3, True, 0, steps, np.empty((5, 5)), stop)

    def allocations(run, steps, points):
        before = rtsys.get_allocation_stats().alloc
        run(steps, points)
        return rtsys.get_allocation_stats().alloc - before

    for run, given in ((full, points[:0]), (sample, points), (batches, points[:0])):  # drawing an index is Numba's, and does
        allocations(run, 1, given)
        assert allocations(run, 1000, given) == allocations(run, 10, given)


def test_progress_counts_the_runs():
    calls = []
    result = short(width=3, n_runs=4, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert same_bits(result.networks, short(width=3, n_runs=4).networks)
