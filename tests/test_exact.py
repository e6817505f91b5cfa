import warnings
from itertools import permutations as all_permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import path_floor
from scipy.optimize import linear_sum_assignment
from scipy.stats import binom

import lmctheory as lmc
from lmctheory._compiled.quadratic import ascend, reduce, restrict
from lmctheory.alignment import exact
from lmctheory.alignment.quadratic import QuadraticExcess, quadratic_excess
from lmctheory.alignment.swaps import Descent
from lmctheory.alignment.symmetry import superfluous_pairs
from lmctheory.paths import maximise_excess
from lmctheory.strategies import permutations, students_and_teachers

Net = lmc.TwoLayerNet
KINDS = ("uniform", "equal", "sparse", "signed", "copies", "random", "unequal")
seeds = st.integers(0, 10**6)


def everything(m):
    return np.array(list(all_permutations(range(m))))


def uniform_minima(M, m, seed):
    return (lmc.sample_minimum(M, m, rng=np.random.SeedSequence([seed, end])).to_network() for end in (0, 1))


def pair(kind, m, seed, d=3):
    """Two networks and a teacher, mostly with a barrier; `kind` says what is special about them."""
    rng = np.random.default_rng([KINDS.index(kind), m, seed])
    teacher = lmc.orthonormal_teacher(d, d)
    if kind in ("random", "unequal"):  # "unequal": of different scales, so that the maximum is far from the middle
        scales = (1.0, 1.0) if kind == "random" else (0.3, 2.0)
        nets = [Net(s * rng.normal(size=(m, d)) / m, rng.choice([-1.0, 0.5, 1.0], m)) for s in scales]
        return *nets, Net(rng.normal(size=(2, d)), [1.0, -0.5])
    nets = []
    for _ in range(2):
        classes = np.concatenate([np.arange(d), rng.integers(0, d, m)])[:m]
        weights = np.ones(m) if kind == "equal" else rng.exponential(size=m)
        weights *= rng.random(m) < 0.7 if kind == "sparse" else 1.0
        if kind == "copies":
            weights = np.ceil(weights)
        sums = np.bincount(classes, weights, d)[classes]
        W = np.eye(d)[classes] * (weights / np.where(sums > 0, sums, 1.0))[:, None]
        a = np.where(classes == 0, -1.0, 1.0) if kind == "signed" else np.ones(m)
        nets.append(Net(W + (0.05 * rng.normal(size=W.shape) if kind == "signed" else 0.0), a))
    return *nets, (Net(np.eye(d), [-1.0, 1.0, 1.0]) if kind == "signed" else teacher)


def heights_of_all(net_a, net_b, teacher):
    """All permutations, and the barrier under each."""
    perms = everything(net_a.width)
    segments = lmc.PopulationLoss(teacher).segments([net_a] * len(perms), [net_b.permute(p) for p in perms])
    return perms, maximise_excess(segments, len(perms)).heights


def excess_of_all(net_a, net_b, teacher, t):
    """The excess at t under every permutation, from the loss along the segments."""
    perms = everything(net_a.width)
    segments = lmc.PopulationLoss(teacher).segments([net_a] * len(perms), [net_b.permute(p) for p in perms])
    start, middle, end = segments(np.arange(len(perms)), np.tile([0.0, t, 1.0], (len(perms), 1))).T
    return perms, middle - (1 - t) * start - t * end


def cost(linear, quadratic, permutation):
    return QuadraticExcess(0.0, linear, quadratic)(np.asarray(permutation))


@settings(max_examples=40)
@given(students_and_teachers(students=2), st.floats(0, 1), st.data())
def test_tables_give_the_excess(drawn, t, data):
    net_a, net_b, teacher = drawn
    loss, permutation = lmc.PopulationLoss(teacher), data.draw(permutations(net_a.width))
    found = quadratic_excess(loss, net_a, net_b, t)
    losses = loss.segments([net_a], [net_b.permute(permutation)])(np.array([0]), np.array([[0.0, t, 1.0]]))[0]
    expected = losses[1] - (1 - t) * losses[0] - t * losses[2]
    assert abs(found(permutation) - expected) <= 16 * path_floor(net_a, net_b.permute(permutation), teacher)


@given(seeds)
def test_unit_output_weights_have_no_negative_pairs(seed):
    net_a, net_b, teacher = pair("uniform", 5, seed)
    assert quadratic_excess(lmc.PopulationLoss(teacher), net_a, net_b, 0.4).quadratic.min() >= -1e-15


@given(seeds, st.integers(1, 7), st.sampled_from([0.0, 0.3, 0.6]))
def test_reduction_is_the_best_linear_assignment(seed, n, excluded):
    rng = np.random.default_rng(seed)
    costs = np.where(rng.random((n, n)) < excluded, np.inf, rng.normal(size=(n, n)).round(1))
    try:
        rows, columns = linear_sum_assignment(costs)
        expected = costs[rows, columns].sum()
    except ValueError:  # infeasible
        expected = np.inf
    left = costs.copy()
    assert reduce(left) == pytest.approx(expected, abs=1e-13)
    if expected < np.inf:
        assert left.min() >= -1e-13
        assert left[rows, columns].sum() == pytest.approx(0, abs=1e-13)


@given(seeds, st.integers(2, 5), st.integers(1, 4), st.booleans())
def test_ascent_changes_no_cost_below_the_cutoff(seed, n, rounds, excluding):
    """And what it takes out is a lower bound, under which nothing negative is left."""
    rng = np.random.default_rng(seed)
    linear, quadratic = rng.normal(size=(n, n)), rng.normal(size=(n, n, n, n)) / n
    before = np.array([cost(linear, quadratic, p) for p in everything(n)])
    cutoff = np.quantile(before, 0.3) if excluding else np.inf
    bounds = [ascend(linear, quadratic, np.inf)]  # first without exclusions: the costs are of either sign
    bounds += [ascend(linear, quadratic, cutoff - sum(bounds)) for _ in range(rounds)]
    bound = sum(bounds)
    assert (np.array(bounds[1:]) >= -1e-12).all()
    if bound == np.inf:
        assert not (before < cutoff - 1e-12).any()
        return
    assert bound <= max(before.min(), cutoff) + 1e-12
    assert linear.min() >= -1e-12
    after = bound + np.array([cost(linear, quadratic, p) for p in everything(n)])
    kept = before < cutoff - 1e-12
    np.testing.assert_allclose(after[kept], before[kept], atol=1e-12)
    assert (after[~kept] >= cutoff - 1e-12).all()


@given(seeds, st.integers(2, 5))
def test_restriction_keeps_the_costs_of_the_others(seed, n):
    rng = np.random.default_rng(seed)
    linear, quadratic, p = rng.normal(size=(n, n)), rng.normal(size=(n, n, n, n)), rng.permutation(n)
    i = int(rng.integers(n))
    rest = np.delete(p, i)
    found = linear[i, p[i]] + cost(*restrict(linear, quadratic, i, p[i]), rest - (rest > p[i]))
    assert found == pytest.approx(cost(linear, quadratic, p), abs=1e-12)


@settings(max_examples=20)
@given(seeds, st.sampled_from(KINDS), st.floats(0.01, 0.99), st.floats(0.2, 0.8))
def test_tree_finds_exactly_the_permutations_below_the_cutoff(seed, kind, share, t):
    net_a, net_b, teacher = pair(kind, 5, seed)
    perms, excess = excess_of_all(net_a, net_b, teacher, t)
    cutoff = excess.min() + share**4 * (excess.max() - excess.min())
    rounding = 1e-12
    tree = exact._Tree(quadratic_excess(lmc.PopulationLoss(teacher), net_a, net_b, t), cutoff)
    assert tree.bound <= max(excess.min(), cutoff) + rounding
    found = set()
    while (candidate := tree.next_candidate(np.inf)) is not None:
        found.add(tuple(candidate.tolist()))
    assert found >= {tuple(p) for p in perms[excess < cutoff - rounding].tolist()}
    assert found <= {tuple(p) for p in perms[excess < cutoff + rounding].tolist()}
    assert tree.is_exhausted
    assert tree.bound == cutoff


@pytest.mark.jit
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_result_is_the_optimum(kind, seed):
    net_a, net_b, teacher = pair(kind, 4, seed)
    found = lmc.align(net_a, net_b, "exact", objective=teacher)
    best = heights_of_all(net_a, net_b, teacher)[1].min()
    assert found.is_optimal
    assert found.height <= best + found.margin
    assert found.lower_bound <= best
    assert found.lower_bound == pytest.approx(max(0.0, found.height - found.margin), rel=1e-12, abs=1e-18)
    same = lmc.barrier(net_a, net_b, teacher, found)
    assert (found.height, found.position, found.loss_floor) == (same.height, same.position, same.loss_floor)
    heights = [lmc.barrier(net_a, net_b, teacher, method).height for method in ("exact", "barrier", "weights", "activations")]
    assert heights[0] <= heights[1] + found.margin
    assert heights[1] <= min(heights[2:])


@pytest.fixture
def without_swaps(monkeypatch):
    """Let the search start anywhere, and find the way down by itself."""

    def start_from(permutation):
        monkeypatch.setattr(
            exact, "best_assignment", lambda loss, a, b, grid_size: ("", exact.path_under(loss, a, b, permutation, grid_size))
        )
        monkeypatch.setattr(exact, "lower_by_swaps", lambda loss, a, b, path: Descent(path, np.zeros(1), 0))

    return start_from


@pytest.fixture
def ticking(monkeypatch):
    """A clock that advances by one second whenever it is read."""
    clock = iter(range(10**6))
    monkeypatch.setattr(exact.time, "monotonic", lambda: float(next(clock)))


@pytest.mark.jit
@pytest.mark.parametrize("kind", KINDS)
def test_optimum_does_not_depend_on_where_the_search_starts(kind, without_swaps):
    net_a, net_b, teacher = pair(kind, 5, 1)
    usual = lmc.align(net_a, net_b, "exact", objective=teacher)
    perms, heights = heights_of_all(net_a, net_b, teacher)
    without_swaps(perms[heights.argmax()])
    found = lmc.align(net_a, net_b, "exact", objective=teacher)
    assert found.is_optimal
    assert found.height == pytest.approx(heights.min(), rel=1e-8, abs=1e-12)
    assert found.height == pytest.approx(usual.height, rel=1e-8, abs=1e-12)


@pytest.mark.jit
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_on_the_way_are_valid(kind, without_swaps, ticking):
    net_a, net_b, teacher = pair(kind, 4, 2)
    perms, heights = heights_of_all(net_a, net_b, teacher)
    for start in perms[np.argsort(heights)[::4]]:
        without_swaps(start)
        for ticks in range(1, 40, 2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", lmc.ConvergenceWarning)
                found = lmc.align(net_a, net_b, "exact", objective=teacher, time_limit=ticks)
            assert found.lower_bound <= heights.min()
            assert found.is_optimal == (found.height - found.margin <= found.lower_bound)


def test_search_improves_on_swaps():
    """No swap leads on from the local minimum; the optimum is a fraction of a per cent below."""
    net_a, net_b = (lmc.sample_minimum(4, 12, rng=seed).to_network() for seed in (12, 13))
    teacher = lmc.orthonormal_teacher(4, 4)
    swaps, found = (lmc.align(net_a, net_b, method, objective=teacher) for method in ("barrier", "exact"))
    assert found.is_optimal
    assert found.height < swaps.height * (1 - 1e-4)
    assert found.nodes > 1


@pytest.mark.parametrize("m", [1, 2, 5])
def test_planted_permutation_is_recovered(m):
    rng = np.random.default_rng(m)
    net, perm = Net(rng.normal(size=(m, 4)), rng.normal(size=m)), rng.permutation(m)
    found = lmc.align(net, net.permute(perm), "exact", objective=lmc.orthonormal_teacher(2, 4))
    np.testing.assert_array_equal(found.permutation, np.argsort(perm))
    assert (found.is_optimal, found.lower_bound, found.nodes) == (True, 0.0, 0)


@pytest.mark.jit
def test_time_limit_is_kept(ticking):
    net_a, net_b = (lmc.sample_minimum(4, 12, rng=seed).to_network() for seed in (12, 13))
    teacher = lmc.orthonormal_teacher(4, 4)
    best, bounds = lmc.align(net_a, net_b, "exact", objective=teacher), []
    for ticks in (1, 2, 4, 6, 10, 20, 40):
        with pytest.warns(lmc.ConvergenceWarning, match="complete search stopped after"):
            found = lmc.align(net_a, net_b, "exact", objective=teacher, time_limit=ticks)
        assert (found.is_optimal, found.time_limit) == (False, ticks)
        assert ticks <= found.seconds <= ticks + 3
        assert best.height - best.margin <= found.height == lmc.barrier(net_a, net_b, teacher, found).height
        bounds.append(found.lower_bound)
    assert bounds[0] == 0 < bounds[1]
    assert max(bounds) <= best.height


@pytest.mark.jit
@settings(max_examples=20)
@given(st.data())
def test_order_of_neurons_does_not_matter(data):
    net_a, net_b, teacher = pair("uniform", 7, 3)
    direct = lmc.align(net_a, net_b, "exact", objective=teacher)
    perm_a, perm_b = data.draw(permutations(7)), data.draw(permutations(7))
    moved = lmc.align(net_a.permute(perm_a), net_b.permute(perm_b), "exact", objective=teacher)
    assert direct.height > direct.margin
    assert moved.is_optimal
    assert abs(moved.height - direct.height) <= direct.margin


def test_sphere_has_a_barrier_d_times_lower():
    net_a, net_b, teacher = pair("uniform", 8, 0)
    plain, sphere = (lmc.align(net_a, net_b, "exact", objective=teacher, inputs=inputs) for inputs in ("gaussian", "sphere"))
    assert plain.height > plain.margin
    assert sphere.is_optimal
    assert sphere.height == pytest.approx(plain.height / 3, rel=1e-9)
    assert sphere.lower_bound == pytest.approx(plain.lower_bound / 3, rel=1e-9)


def kept_permutations(net_a, net_b, tolerance):
    m = net_a.width
    mask, rows = superfluous_pairs(net_a, net_b, tolerance), np.arange(m)
    assert (mask == mask.transpose(2, 3, 0, 1)).all()
    return [p for p in everything(m) if not mask[rows[:, None], p[:, None], rows, p].any()]


@pytest.mark.jit
@pytest.mark.parametrize("kind", ["equal", "sparse", "copies"])
@pytest.mark.parametrize("seed", range(3))
def test_superfluous_permutations_have_equals_among_those_kept(kind, seed):
    net_a, net_b, teacher = pair(kind, 5, seed)
    perms, heights = heights_of_all(net_a, net_b, teacher)
    kept = kept_permutations(net_a, net_b, 1e-14)
    assert 0 < len(kept) < len(perms)
    values = heights[[np.flatnonzero((perms == p).all(axis=1))[0] for p in kept]]
    assert np.abs(heights[:, None] - values).min(axis=1).max() < 1e-13


def test_superfluous_permutations_are_counted():
    distinct, copies = Net(np.diag([1.0, 2.0, 3.0, 4.0])), Net(np.ones((4, 4)))
    assert len(kept_permutations(distinct, distinct, 1e-12)) == 24
    assert len(kept_permutations(copies, distinct, 1e-12)) == 1
    assert len(kept_permutations(distinct, copies, 1e-12)) == 1
    ray = Net(np.outer([1.0, 2.0, 3.0, 0.0], [0.6, 0.8, 0.0, 0.0]))
    assert len(kept_permutations(ray, ray, 1e-12)) == 1
    pairs = Net([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert len(kept_permutations(pairs, pairs, 1e-12)) == 3  # 0, 1 or 2 of the first kind meet the second


def test_nearly_equal_neurons_are_kept_apart_beyond_the_tolerance():
    distinct, near = Net(np.diag([1.0, 2.0, 3.0])), Net([[1.0, 0.0, 0.0], [1.0, 1e-6, 0.0], [0.0, 0.0, 1.0]])
    assert len(kept_permutations(distinct, near, 1e-5)) == 3
    assert len(kept_permutations(distinct, near, 1e-7)) == 6
    other_outputs = Net(np.ones((3, 3)), [1.0, 1.0 + 1e-15, 1.0 - 1e-15])
    assert len(kept_permutations(distinct, other_outputs, 1e-5)) == 6


@pytest.mark.jit
@pytest.mark.parametrize(("method", "expected"), [("barrier", True), ("activations", False)])
def test_share_of_optima_between_uniform_minima(method, expected):
    """At least 98 %, unless so many misses have a probability below 0.1 % at that share; activations are the control."""
    teacher, n, misses = lmc.orthonormal_teacher(3, 3), 40, 0
    for seed in range(n):
        net_a, net_b = uniform_minima(3, 7, seed)
        best = lmc.align(net_a, net_b, "exact", objective=teacher)
        assert best.is_optimal
        misses += lmc.barrier(net_a, net_b, teacher, method).height > best.height + best.margin
    assert (binom.sf(misses - 1, n, 0.02) >= 1e-3) == expected
