"""The complete search for the lowest barrier between global minima: optimal, and its bounds never exceed the optimum."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import lmctheory as lmc
from lmctheory._compiled.leftovers import (
    EXHAUSTED,
    FOUND,
    STOPPED,
    _variance,
    compatible_pairs,
    leftovers_bound,
    loss_terms,
    search_pairings,
)
from lmctheory._compiled.minima import mean_residual, pair_moment, residual_energy
from lmctheory.minima.exact import GAP, MOST_LEFTOVERS, PROVED, Search, exact_matching
from lmctheory.minima.heights import grouped_pairs, highest_loss, mismatched

weights = st.floats(1e-6, 1.0)
LAWS = [("uniform", {}), ("sparse", {"r": 0.15}), ("equal", {}), ("dirichlet", {"concentration": 0.1})]


def drawn(rng, M, m, law="uniform", parameters=None):
    return [lmc.sample_minimum(M, m, law, rng=rng, **(parameters or {})) for _ in range(2)]


def height(a, b, perm):
    neurons = mismatched(a, b, perm)
    return highest_loss(a, b, neurons, perm[neurons]).height


def enumerated(a, b):
    """The lowest barrier of all permutations; those with the same mismatched pairs are evaluated once."""
    seen = {}
    for perm in map(np.array, itertools.permutations(range(a.width))):
        neurons = mismatched(a, b, perm)
        seen.setdefault((*neurons, *perm[neurons]), perm)
    return min(height(a, b, perm) for perm in seen.values())


@pytest.mark.parametrize(("law", "parameters"), LAWS)
def test_enumeration_finds_nothing_lower(law, parameters):
    rng = np.random.default_rng(0)
    positive = 0
    for k in range(7):
        m = 6 if k < 5 else 5
        a, b = drawn(rng, 3 + k % 2, m, law, parameters)
        best = enumerated(a, b)
        found = lmc.minima_barrier(a, b, "exact")
        assert found.is_optimal
        assert found.height == pytest.approx(best, rel=1e-12)
        assert best * (1 - 1.01 * GAP) <= found.lower_bound <= best
        worse = rng.permutation(m)
        other = exact_matching(a, b, worse)  # also from a bad start
        assert height(a, b, other.permutation) == pytest.approx(best, rel=1e-9)
        positive += best > 0
    assert positive >= (1 if law == "sparse" else 3)


def test_zero_neurons_meet_those_that_cost_most():
    rng = np.random.default_rng(1)
    positive = 0
    for _ in range(200):
        a, b = drawn(rng, 3, 6, "sparse", {"r": 0.1})
        if (a.classes < 0).sum() + (b.classes < 0).sum() and lmc.minima_barrier(a, b).height > 0:
            assert lmc.minima_barrier(a, b, "exact").height == pytest.approx(enumerated(a, b), rel=1e-12)
            positive += 1
        if positive == 4:
            return
    raise AssertionError("no pair with zero neurons and a barrier")


def test_several_zero_neurons_may_meet_neurons_of_one_class():
    """Three neurons more of a class, of which two meet zero neurons; the start is the worst of some."""
    rng = np.random.default_rng(7)
    pieces = [rng.dirichlet(np.ones(n)) for n in (1, 2, 1, 4, 1, 1)]
    a = lmc.Minimum([-1, -1, 0, 1, 1, 2], np.concatenate([np.zeros(2), *pieces[:3]]))
    b = lmc.Minimum([0, 0, 0, 0, 1, 2], np.concatenate(pieces[3:]))
    best = enumerated(a, b)
    for first, second in ((a, b), (b, a)):
        start = max((rng.permutation(6) for _ in range(5)), key=lambda perm: height(first, second, perm))
        found = exact_matching(first, second, start)
        assert height(first, second, found.permutation) == pytest.approx(best, rel=1e-9)
        assert height(first, second, start) > 2 * best > 0


def test_a_detour_through_a_third_class_may_be_lower():
    tiny = 1e-3
    a = lmc.Minimum([0, 0, 1, 1, 2], [0.5, 0.5, tiny, 1 - tiny, 1.0])
    b = lmc.Minimum([0, 1, 1, 2, 2], [1.0, tiny, 1 - tiny, 0.5, 0.5])
    found, lightest = lmc.minima_barrier(a, b, "exact"), lmc.minima_barrier(a, b)
    assert lightest.leftover == 1
    assert found.leftover == 2
    assert found.height < 1e-4 * lightest.height
    assert found.height == pytest.approx(enumerated(a, b), rel=1e-12)


def test_swaps_end_in_local_optima():
    a, b = (lmc.sample_minimum(8, 24, rng=k) for k in (0, 1))
    found, swaps = lmc.minima_barrier(a, b, "exact"), lmc.minima_barrier(a, b, "swaps")
    assert found.is_optimal
    assert found.height < 0.99 * swaps.height
    assert swaps.height <= lmc.minima_barrier(a, b).height
    general = lmc.barrier(a.to_network(), b.to_network(), lmc.orthonormal_teacher(8, 8), align=found.permutation)
    assert abs(general.height - found.height) <= general.loss_floor


def test_for_two_classes_lightest_is_optimal():
    rng = np.random.default_rng(2)
    for law, parameters in LAWS:
        a, b = drawn(rng, 2, 6, law, parameters)
        assert lmc.minima_barrier(a, b).height == pytest.approx(enumerated(a, b), rel=1e-12)
    a, b = drawn(rng, 2, 20_000)
    found = lmc.minima_barrier(a, b, "exact")
    assert found.is_optimal
    assert found.height == lmc.minima_barrier(a, b).height > 0


def test_planted_pairs_and_single_classes_have_no_barrier():
    rng = np.random.default_rng(3)
    for _ in range(10):
        a = lmc.sample_minimum(4, 12, "sparse", r=0.2, rng=rng)
        planted = lmc.Minimum(a.classes, np.where(a.classes >= 0, a.weights, 0.0)).permute(rng.permutation(12))
        found = lmc.minima_barrier(a, planted, "exact")
        assert (found.height, found.lower_bound, found.nodes, found.is_optimal) == (0, 0, 0, True)
    for M, m in ((1, 5), (4, 4)):
        assert lmc.minima_barrier(*drawn(rng, M, m), "exact").height == 0
    one = lmc.Minimum([0], [1.0])
    assert lmc.minima_barrier(one, one, "exact").is_optimal


@pytest.mark.parametrize("tiny", [1e-12, 1e-100, 1e-140])
def test_extreme_weights(tiny):
    a = lmc.Minimum([0, 0, 1, 1, 2], [1 - tiny, tiny, 0.3, 0.7, 1.0])
    b = lmc.Minimum([0, 1, 1, 2, 2], [1.0, tiny, 1 - tiny, 3 * tiny, 1 - 3 * tiny])
    found = lmc.minima_barrier(a, b, "exact")
    assert found.is_optimal
    assert found.height == pytest.approx(enumerated(a, b), rel=1e-12)
    assert 0 < found.height < tiny**2


def test_the_loss_of_a_pairing_in_the_form_of_the_bounds():
    """Sorting within each direction makes a pairing compatible; its loss is the sum of the terms, which are not negative."""
    rng = np.random.default_rng(4)
    n, checked = 5, 0
    while checked < 20:
        a, b = np.sort(rng.integers(0, 4, n)), np.sort(rng.integers(0, 4, n))
        alpha, beta = (np.concatenate([np.sort(rng.random(np.sum(c == x))) for x in np.unique(c)]) for c in (a, b))
        compatible = compatible_pairs(a, alpha, b, beta)
        mean, own, joint = np.zeros(n * n), np.zeros(n * n), np.zeros((n * n, n * n))
        loss_terms(0.4, 0.6, a, alpha, b, beta, compatible, 9.0, mean, own, joint)
        assert min(mean.min(), own.min(), joint[compatible].min(initial=0.0)) >= 0
        for perm in map(np.array, itertools.permutations(range(n))):
            k = np.arange(n) * n + perm
            if compatible[np.ix_(k, k)].all():
                terms = mean[k].sum() ** 2 + own[k].sum() + np.triu(joint[np.ix_(k, k)], 1).sum()
                direct = residual_energy(0.4, 0.6, *grouped_pairs(a, b[perm], alpha, beta[perm]))
                assert terms == pytest.approx(direct, rel=1e-13)
                checked += 1


@pytest.mark.parametrize("n", [3, 5])
def test_pairings_are_found_below_a_cutoff_if_and_only_if_there_are_any(n):
    """Without a start to improve on. Pairings whose sequences of classes close do not count, as fewer leftovers are better."""
    rng, n_classes, positions = np.random.default_rng(5), 4, ((0.4, 0.6), (0.7, 0.3))
    for _ in range(12):
        a, b = np.sort(rng.integers(0, n_classes, n)), np.sort(rng.integers(0, n_classes, n))
        alpha, beta = (np.concatenate([np.sort(rng.random(np.sum(c == x))) for x in np.unique(c)]) for c in (a, b))
        losses = {}
        for perm in map(np.array, itertools.permutations(range(n))):
            steps = np.zeros((n_classes, n_classes), dtype=int)
            steps[a, b[perm]] = 1
            if not np.linalg.matrix_power(steps, n_classes).any():
                pairs = grouped_pairs(a, b[perm], alpha, beta[perm])
                losses[tuple(perm)] = max(residual_energy(s, t, *pairs) for s, t in positions)
        for factor in (0.99, 1.01):
            cutoff = factor * min(losses.values(), default=1.0)
            compatible = compatible_pairs(a, alpha, b, beta)
            mean, own, joint = np.zeros((2, n * n)), np.zeros((2, n * n)), np.zeros((2, n * n, n * n))
            for k, (s, t) in enumerate(positions):
                loss_terms(s, t, a, alpha, b, beta, compatible, cutoff, mean[k], own[k], joint[k])
            stop = np.zeros(1, dtype=np.uint8)
            reason, partners, _, _ = search_pairings(a, b, n_classes, compatible, mean, own, joint, cutoff, stop, 10**9)
            assert reason == (FOUND if losses and factor > 1 else EXHAUSTED)
            assert reason == EXHAUSTED or losses[tuple(partners)] < cutoff


class StopsAfter:
    """Asks a search to stop at a later node."""

    def __init__(self, nodes):
        self.nodes = nodes

    def __getitem__(self, _):
        self.nodes -= 1
        return self.nodes < 0


@pytest.mark.parametrize("n", [3, 5, 6])
def test_of_costs_without_correlations_a_best_assignment_is_paired_first(n):
    """The bounds are exact then, also when stopped; what is fixed first is the neuron whose cheapest partner costs most."""
    rng, stop = np.random.default_rng(n), np.zeros(1, dtype=np.uint8)
    i, j = np.divmod(np.arange(n * n), n)
    for _ in range(4):
        costs, allowed = rng.random((n, n)), rng.random((n, n)) < 0.8
        allowed[np.arange(n), rng.permutation(n)] = True
        compatible = ((i[:, None] != i) & (j[:, None] != j)) | np.eye(n * n, dtype=bool)
        compatible &= allowed.ravel() & allowed.reshape(-1, 1)
        rows, columns = linear_sum_assignment(np.where(allowed, costs, np.inf))
        least, hardest = costs[rows, columns].sum(), np.argmax(np.min(costs, axis=1, where=allowed, initial=1.0))
        terms = np.zeros((1, n * n)), costs.reshape(1, -1), np.zeros((1, n * n, n * n))
        classes = np.arange(n), np.arange(n, 2 * n), 2 * n
        reason, partners, _, nodes = search_pairings(*classes, compatible, *terms, 9.0, stop, 10**9)
        assert (reason, nodes) == (FOUND, n)
        np.testing.assert_array_equal(partners, columns)
        assert search_pairings(*classes, compatible, *terms, 0.999 * least, stop, 10**9)[0] == EXHAUSTED
        search = getattr(search_pairings, "py_func", search_pairings)  # compiled it takes arrays alone
        for patience in range(1, n):
            reason, partners, bound, nodes = search(*classes, compatible, *terms, 9.0, StopsAfter(patience), 10**9)
            assert (reason, nodes) == (STOPPED, patience)
            assert partners[hardest] == columns[hardest]
            assert bound == pytest.approx(least, rel=1e-12)


def moments(a, b, p, q):
    """Mean and variance of the residual of one pair, in a list that is empty where none may be."""
    if a == b or np.inf in (p, q):
        return []
    mean = mean_residual(p, q)
    return [np.array([mean, pair_moment(0, 1, p, q, 0, 1, p, q) - mean**2])]


@pytest.mark.parametrize(("n_a", "n_b"), [(1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (3, 3)])
def test_the_bound_of_leftovers_is_that_of_three_multipliers(n_a, n_b):
    """``z^2 >= 2 lambda z - lambda^2`` lambda being 0 and then, twice, the z of the best of all choices."""
    rng, n_classes, size, s, t = np.random.default_rng(6), 4, max(n_a, n_b), 0.4, 0.6
    attained = feasible = 0
    for _ in range(12):
        a, b = rng.integers(0, n_classes, n_a), rng.integers(0, n_classes, n_b)
        alpha, beta, (next_alpha, next_beta) = rng.random(n_a), rng.random(n_b), rng.random((2, n_classes))
        closed = rng.random(n_classes) < 0.5
        next_alpha[closed], next_beta[closed] = np.inf, np.inf
        free_a, free_b = rng.random(n_a) < 0.7, rng.random(n_b) < 0.7

        def ways(x, y):
            if x >= n_a or y >= n_b:
                return [np.zeros(2)] * bool(free_b[y] if x >= n_a else free_a[x])  # noqa: B023
            of_a, of_b = (
                [m for c in range(n_classes) for m in moments(end, c, weight, nexts[c])]
                for end, weight, nexts in ((a[x], s * alpha[x], t * next_beta), (b[y], t * beta[y], s * next_alpha))  # noqa: B023
            )
            return moments(a[x], b[y], s * alpha[x], t * beta[y]) + [m + k for m in of_a for k in of_b]  # noqa: B023

        meetings = [[ways(x, y) for y in range(size)] for x in range(size)]
        choices = np.array([
            np.sum(chosen, axis=0)
            for perm in itertools.permutations(range(size))
            for chosen in itertools.product(*(meetings[x][y] for x, y in enumerate(perm)))
        ])  # fmt: skip
        found = leftovers_bound(
            s, t, a, alpha, b, beta, free_a, free_b, size - n_a, size - n_b, next_alpha, next_beta, 9.0
        )  # fmt: skip
        if len(choices) == 0:
            assert found >= 9
            continue
        mean, variance = choices.T
        multiplier = bound = 0.0
        for _ in range(3):
            values = variance + 2 * multiplier * mean
            bound = max(bound, values.min() - multiplier**2)
            multiplier = mean[np.argmin(values)]
        least = np.min(variance + mean**2)
        assert bound * (1 - 1e-12) <= found <= least * (1 + 1e-12)
        feasible += 1
        attained += found >= least * (1 - 1e-12)
    assert feasible >= 4
    assert attained >= 2


def test_stopped_search_says_how_low_pairings_that_were_not_examined_may_be():
    """Stopped at its first, second, ... node; without compiled loops around it, so that it looks at a counter."""
    a, b = np.array([0, 0, 0, 1, 1]), np.array([2, 2, 3, 3, 3])
    alpha, beta = np.array([0.1, 0.3, 0.9, 0.2, 0.7]), np.array([0.4, 0.5, 0.1, 0.25, 0.8])
    lowest = min(
        residual_energy(0.5, 0.5, *grouped_pairs(a, b[perm], alpha, beta[perm]))
        for perm in map(np.array, itertools.permutations(range(5)))
    )
    mean, own, joint = np.zeros((1, 25)), np.zeros((1, 25)), np.zeros((1, 25, 25))
    compatible = compatible_pairs(a, alpha, b, beta)
    loss_terms(0.5, 0.5, a, alpha, b, beta, compatible, 1.01 * lowest, mean[0], own[0], joint[0])
    search = getattr(search_pairings, "py_func", search_pairings)
    found = [search(a, b, 4, compatible, mean, own, joint, 1.01 * lowest, StopsAfter(looks), 10**9) for looks in range(12)]
    reasons, _, bounds, nodes = zip(*found, strict=True)
    stopped = reasons.index(FOUND)
    assert stopped >= 4
    assert reasons == (STOPPED,) * stopped + (FOUND,) * (12 - stopped)
    assert nodes[:stopped] == tuple(range(stopped))
    assert bounds[0] == 0
    assert all(0.1 * lowest < bound <= lowest for bound in bounds[1:stopped])


@given(st.tuples(weights, weights))
def test_variance_of_a_pair_is_its_energy_less_the_square_of_its_mean(pair):
    p, q = pair
    mean, variance = _variance(0, 1, p, q)
    energy = residual_energy(1.0, 1.0, *grouped_pairs(np.array([0]), np.array([1]), np.array([p]), np.array([q])))
    assert mean == mean_residual(p, q)
    assert variance == pytest.approx(energy - mean**2, rel=1e-12)


@pytest.mark.parametrize(("alpha", "expected"), [([0.5, 0.5], 1), ([0.2, 0.5], 2)])
@pytest.mark.parametrize("side", ["a", "b"])
def test_one_order_of_equal_weights_is_left(alpha, expected, side):
    """Two neurons of class 0 of one network against one neuron each of classes 1 and 2 of the other."""
    pair, other = (np.array([0, 0]), np.array(alpha)), (np.array([1, 2]), np.array([0.3, 0.4]))
    compatible = compatible_pairs(*pair, *other) if side == "a" else compatible_pairs(*other, *pair)
    np.testing.assert_array_equal(compatible, compatible.T)
    orders = [[0, 3], [1, 2]]  # pairs i * 2 + j of the identity and of the exchange
    assert sum(compatible[np.ix_(order, order)].all() for order in orders) == expected


@given(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.tuples(weights, weights, weights, weights))
@settings(deadline=None, max_examples=200)
def test_residuals_are_positively_correlated(axes, weights):
    a, b, c, d = axes
    p, q, u, v = weights
    moment = pair_moment(a, b, p, q, c, d, u, v)
    if a != b and c != d:
        assert moment >= mean_residual(p, q) * mean_residual(u, v) * (1 - 1e-13)


class Interrupted(Search):
    """Stops itself after some bounds."""

    def __init__(self, a, b, start, patience):
        super().__init__(a, b, start)
        self.patience, self.stop = patience, np.zeros(1, dtype=np.uint8)

    def bound(self, leftovers):
        self.patience -= 1
        if self.patience < 0:
            self.stop[0] = 1
        return super().bound(leftovers)


@given(st.integers(3, 6), st.integers(1, 9), st.sampled_from(LAWS), st.integers(0, 2**20), st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_stopped_at_any_time_the_bound_does_not_exceed_the_optimum(M, extra, law, seed, patience):
    rng = np.random.default_rng(seed)
    a, b = drawn(rng, M, M + extra, *law)
    optimum = lmc.minima_barrier(a, b, "exact")
    assert optimum.is_optimal
    start = rng.permutation(M + extra)
    search = Interrupted(a, b, start, patience)
    found = search.run(search.stop)
    reached = height(a, b, found.permutation)
    assert found.lower_bound <= optimum.height <= reached * (1 + 1e-12)
    assert reached <= height(a, b, start)
    assert found.is_optimal == (found.lower_bound >= reached * PROVED)
    for matching in ("lightest", "swaps", "random", rng.permutation(M + extra)):
        assert optimum.height <= lmc.minima_barrier(a, b, matching, rng=1).height * (1 + 1e-9)


@given(st.integers(3, 6), st.integers(1, 9), st.sampled_from(LAWS), st.integers(0, 2**20))
@settings(deadline=None, max_examples=30)
def test_neither_the_order_of_neurons_nor_that_of_the_ends_matters(M, extra, law, seed):
    rng = np.random.default_rng(seed)
    a, b = drawn(rng, M, M + extra, *law)
    found = lmc.minima_barrier(a, b, "exact")
    moved = lmc.minima_barrier(b.permute(rng.permutation(b.width)), a.permute(rng.permutation(a.width)), "exact")
    assert found.height == pytest.approx(moved.height, rel=1e-9)


@pytest.mark.jit
def test_time_limit():
    a, b = (lmc.sample_minimum(8, 96, rng=k) for k in (2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        stopped = lmc.minima_barrier(a, b, "exact", time_limit=1e-3)
    optimum = lmc.minima_barrier(a, b, "exact")
    assert optimum.is_optimal
    assert 0 < stopped.lower_bound <= optimum.height <= stopped.height


def test_more_leftovers_than_are_searched():
    sizes_a, sizes_b = (53, 1, 1), (1, 27, 27)
    a, b = (
        lmc.Minimum(np.repeat(np.arange(3), sizes), np.concatenate([np.full(n, 1 / n) for n in sizes]))
        for sizes in (sizes_a, sizes_b)
    )
    with pytest.warns(lmc.ConvergenceWarning, match="complete search stopped after"):
        found = lmc.minima_barrier(a, b, "exact")
    assert found.leftover == 52 > MOST_LEFTOVERS
    assert not found.is_optimal
    assert 0 < found.lower_bound < found.height == lmc.minima_barrier(a, b, "swaps").height
