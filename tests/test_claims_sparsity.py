"""Claims on large learning rates: decision rules that can fail, and the surgery on minima behind them."""

import numpy as np
import pytest

import lmctheory as lmc
from validation.claim import Verdict
from validation.claims import sparsity_and_barrier

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(0.1, 0.8), (0.0, 0.0), (0.2, 0.5)], S),
        ([(0.1, 0.8), (0.0, 0.0), (0.7, 0.9)], I),
        ([(0.1, 0.8), (0.81, 1.2), (0.7, 0.9)], R),
        ([(1.1, 1.3), (0.0, 0.0), (0.2, 0.5)], R),  # sparse solutions with higher barriers
    ],
)
def test_barrier_rule(intervals, verdict):
    assert sparsity_and_barrier.decide({str(k): (0.5, interval) for k, interval in enumerate(intervals)}) is verdict


def test_comparison_tells_equal_groups_from_lower_ones():
    rng = np.random.default_rng(0)
    high = [(rng.lognormal(size=2000), None) for _ in range(4)]
    names = ("dense", "sparse", "dense, pruned", "sparse, re-densified")
    root = np.random.SeedSequence(1)
    equal = sparsity_and_barrier.compare(dict(zip(names, high, strict=True)), root)
    assert sparsity_and_barrier.decide(equal) is R
    lower = dict(zip(names, high, strict=True)) | {name: (high[1][0] / 4, None) for name in names[1:3]}
    assert sparsity_and_barrier.decide(sparsity_and_barrier.compare(lower, root)) is S
    lower["dense, pruned"] = (np.zeros(2000), None)
    assert sparsity_and_barrier.compare(lower, root)["dense, pruned / dense"] == (0.0, (0.0, 0.0))


@pytest.mark.parametrize("n_dead", [0, 1, 5, 17, 20])
def test_pruning_stays_on_the_manifold_and_takes_the_lightest(n_dead):
    minimum = lmc.sample_minimum(3, 20, rng=n_dead)
    found = sparsity_and_barrier.pruned(minimum, n_dead)
    assert np.sum(found.classes < 0) == min(n_dead, 17)  # one of each class stays
    assert found.M == 3
    assert lmc.population_loss(found.to_network(), lmc.orthonormal_teacher(3, 3)) < 1e-13
    if n_dead == 5 and (minimum.class_sizes > 5).all():
        assert set(np.flatnonzero(found.classes < 0)) == set(np.argsort(minimum.weights)[:5])


def test_reviving_stays_on_the_manifold_and_leaves_no_dead_neuron():
    rng = np.random.default_rng(0)
    sparse = sparsity_and_barrier.pruned(lmc.sample_minimum(3, 20, rng=1), 6)
    weights = sparse.weights.copy()
    dead = np.flatnonzero(sparse.classes < 0)[0]
    weights[dead], weights[np.argmax(sparse.classes == 0)] = 1e-9, weights[np.argmax(sparse.classes == 0)] - 1e-9
    almost = lmc.Minimum(np.where(np.arange(20) == dead, 0, sparse.classes), weights)
    found = sparsity_and_barrier.densified(almost, rng)
    assert (found.classes >= 0).all()
    assert lmc.population_loss(found.to_network(), lmc.orthonormal_teacher(3, 3)) < 1e-13


def test_reviving_keeps_uniform_weights_uniform():
    """Splitting a part drawn in proportion to its weight at a uniform point takes Dirichlet(1, 1) to Dirichlet(1, 1, 1)."""
    rng = np.random.default_rng(5)
    squares = []
    for _ in range(2000):
        share = rng.uniform()
        minimum = lmc.Minimum([0, 0, -1], [share, 1 - share, 0.0])
        squares.append((sparsity_and_barrier.densified(minimum, rng).weights ** 2).sum())
    assert np.mean(squares) == pytest.approx(2 / 4, abs=4 * np.std(squares) / np.sqrt(len(squares)))


@pytest.mark.jit
def test_runs_past_the_threshold_are_sparse_and_counted():
    found = sparsity_and_barrier.settled_minima(0, 16, 1.15, 4)
    assert (found["losses"][found["settled"]] <= sparsity_and_barrier.LOSS_TOL).all()
    assert found["dead_shares"].mean() > 0.08
    assert len(found["weights"]) == np.sum(found["losses"] <= sparsity_and_barrier.GLOBAL_LOSS)
    assert len(found["height"]) == len(found["pairs"])


def _barrier_data():
    def ensemble(width, rate):
        heights = np.array([0.0, 1e-4, 1e-12]) / width
        return {"width": width, "rate": rate, "dead_shares": [0.1, 0.2], "height": heights.tolist()}

    heights = [0.0, 1e-5, 1e-4]
    return {
        "curve": [ensemble(32, rate) for rate in (0.5, 1.15)],
        "ladder": [ensemble(m, rate) for rate in (0.5, 1.1) for m in (16, 32)],
        "groups": {"dense": heights, "sparse": [0.0, 0.0]},
        "laws": {"uniform": heights},
    }


SPARSITY_DATA = {"sparsity_and_barrier": _barrier_data}  # made-up numbers for the figure
