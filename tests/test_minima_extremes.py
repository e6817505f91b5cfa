"""Barriers between global minima whose weights are spread over many decades, equal, or in equal ratios."""

import itertools

import mpmath as mp
import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.minima import exact
from lmctheory.minima.exact import Search, exact_matching
from lmctheory.minima.heights import highest_loss, mismatched
from lmctheory.minima.matching import class_ranks

pytestmark = pytest.mark.filterwarnings("ignore:(overflow|underflow):RuntimeWarning")  # silent in compiled loops

DIGITS = 500  # angles of 1e-200 enter by their cubes, beside terms of the size of their squares
MATCHINGS = ("lightest", "swaps", "exact")


def drawn(rng, M, m, decades, kind):
    """A minimum with zero neurons, or weights 10^U(-decades, 0) that are different, equal across classes, or in equal ratios."""
    classes = np.concatenate([np.arange(M), rng.integers(-(kind == "zeros"), M, m - M)])
    weights = 10.0 ** rng.uniform(-decades, 0, m)
    if kind == "equal":
        weights = 10.0 ** (-decades * rng.integers(0, 3, m) / 2)
    if kind == "ratios":
        weights = 2.0 ** rng.integers(-int(decades / np.log10(2)), 0, m)
    weights[classes < 0] = 0
    for c in range(M):
        own = np.flatnonzero(classes == c)
        weights[own[0]] = 0
        weights[own[0]] = 1 - weights[own].sum()
        if weights[own[0]] <= 0:
            return drawn(rng, M, m, decades, kind)
    order = rng.permutation(m)
    return lmc.Minimum(classes[order], weights[order])


def drawn_pairs(seed, count, decades=(3, 30, 60, 100)):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        M = int(rng.integers(2, 5))
        m, spread, kind = int(rng.integers(M + 1, 11)), rng.choice(decades), rng.choice(["plain", "equal", "ratios", "zeros"])
        yield rng, drawn(rng, M, m, spread, kind), drawn(rng, M, m, spread, kind)


def mp_both_axes(p_1, q_1, p_2, q_2):
    if p_1 * q_2 > p_2 * q_1:
        p_1, q_1, p_2, q_2 = p_2, q_2, p_1, q_1
    first, second = mp.atan2(p_1, q_1), mp.atan2(p_2, q_2)
    rest = mp.atan2(q_2, p_2)
    low = (first - mp.sin(first) * mp.cos(first)) / 2
    middle = (mp.sin(second) ** 2 - mp.sin(first) ** 2) / 2
    high = (rest - mp.sin(rest) * mp.cos(rest)) / 2
    return 2 / mp.pi * (q_1 * q_2 * low + p_1 * q_2 * middle + p_1 * p_2 * high)


def mp_one_axis(p_1, q_1, p_2, q_2):
    s, u = p_1 / q_1, p_2 / q_2
    T = mp.sqrt(1 + s**2 + u**2)
    return q_1 * q_2 / (2 * mp.pi) * (
        2 * s * u * mp.atan(1 / (T + s + u)) + T - mp.sqrt(1 + s**2) - mp.sqrt(1 + u**2) + 1
    )  # fmt: skip


def mp_moment(first, second):
    """``E[r_1 r_2]``, each pair a mapping of its two axes to its weights there, written independently of the order of axes."""
    shared = first.keys() & second.keys()
    if len(shared) == 2:
        x, y = sorted(shared)
        return mp_both_axes(first[x], first[y], second[x], second[y])
    if len(shared) == 1:
        (x,) = shared
        (q_1,), (q_2,) = ([w for axis, w in pair.items() if axis != x] for pair in (first, second))
        return mp_one_axis(first[x], q_1, second[x], q_2)
    means = [(sum(pair.values()) - mp.sqrt(sum(w**2 for w in pair.values()))) / mp.sqrt(2 * mp.pi) for pair in (first, second)]
    return means[0] * means[1]


def mp_loss(a, b, pairs, logit):
    """The loss at ``log(t / (1 - t)) = logit``."""
    t, s = 1 / (1 + mp.exp(-mp.mpf(logit))), 1 / (1 + mp.exp(mp.mpf(logit)))
    residuals = [{a.classes[i]: s * mp.mpf(a.weights[i]), b.classes[j]: t * mp.mpf(b.weights[j])} for i, j in pairs]
    return mp.fsum(mp_moment(x, y) for x in residuals for y in residuals)


def test_heights_at_every_spread_against_500_digits():
    positive = 0
    for _, a, b in drawn_pairs(0, 60):
        found = lmc.minima_barrier(a, b)
        if found.height == 0:
            continue
        positive += 1
        with mp.workdps(DIGITS):
            assert found.height == pytest.approx(float(mp_loss(a, b, found.pairs, found.logit)), rel=1e-13)
            shifts = (-300, -100, -30, -8, -2, -0.5, -0.01, 0.01, 0.5, 2, 8, 30, 100, 300)
            assert max(mp_loss(a, b, found.pairs, found.logit + shift) for shift in shifts) <= found.height * (1 + 1e-13)
    assert positive >= 15


@pytest.mark.parametrize("matching", MATCHINGS)
def test_names_of_classes_order_of_ends_and_order_of_neurons_do_not_matter(matching):
    positive = 0
    for rng, a, b in drawn_pairs(1, 150):
        names = np.append(rng.permutation(a.M), -1)  # the last stands for zero neurons
        renamed = [lmc.Minimum(names[minimum.classes], minimum.weights) for minimum in (a, b)]
        moved = [minimum.permute(rng.permutation(a.width)) for minimum in (b, a)]
        height = lmc.minima_barrier(a, b, matching).height
        for other in ((b, a), renamed, renamed[::-1], moved):
            assert lmc.minima_barrier(*other, matching).height == pytest.approx(height, rel=1e-12, abs=0)
        positive += height > 0
    assert positive >= 40


def test_a_hundred_orders_of_magnitude_apart():
    a = lmc.Minimum([0, 1, 1, 1], [1, 1, 6.9e-40, 1.5e-40])
    b = lmc.Minimum([1, 0, 0, 0], [1, 0.9956, 0.0044, 3.9e-23])
    there, back = lmc.minima_barrier(a, b), lmc.minima_barrier(b, a)
    assert there.height == pytest.approx(3.528e-79, rel=1e-6)
    assert back.height == pytest.approx(there.height, rel=1e-14)
    assert back.logit == pytest.approx(-there.logit, rel=1e-5)


@pytest.mark.parametrize("tiny", [1e-20, 1e-60, 1e-100])
def test_a_maximum_nearer_to_an_end_than_rounding(tiny):
    """A neuron of weight tiny is the smaller one until ``1 - t`` is of that order, and the loss grows as t^2 until then."""
    a = lmc.Minimum([0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5])
    b = lmc.Minimum([0, 1, 1, 1], [1.0, tiny, 0.5, 0.5])
    found, back = lmc.minima_barrier(a, b), lmc.minima_barrier(b, a)
    assert found.height == pytest.approx(tiny**2 / 2, rel=1e-6)
    assert back.height == pytest.approx(found.height, rel=1e-14)
    assert 13 < found.logit < -np.log(tiny)
    assert found.logit == pytest.approx(-back.logit, rel=1e-3)
    assert 0 < back.position < 1e-6
    assert found.position == pytest.approx(1 - back.position, abs=1e-9)


def test_kinks_of_one_direction_beyond_the_resolution_of_angles():
    """Three pairs on the same axes, whose angles are all pi/2 to the last digit, in every order."""
    weights = [(1e-20, 3e-60), (2e-21, 1e-62), (3e-18, 5e-59), (1e-21, 2e-60)]
    for order in np.random.default_rng(2).permuted(np.tile(np.arange(4), (6, 1)), axis=1):
        alpha, beta = np.array(weights)[order].T
        a = lmc.Minimum([1, 0, 0, 0, 0], [1, 1 - alpha[1:].sum(), *alpha[1:]])
        b = lmc.Minimum([0, 1, 1, 1, 1], [1, 1 - beta[1:].sum(), *beta[1:]])
        found = lmc.minima_barrier(a, b, np.array([1, 0, 2, 3, 4]))
        given = lmc.minima_barrier(a, b, np.arange(5))
        for barrier in (found, given):
            with mp.workdps(DIGITS):
                expected = mp_loss(a, b, barrier.pairs, barrier.logit)
            assert barrier.height == pytest.approx(float(expected), rel=1e-13)


def test_the_complete_search_ends_whatever_the_spread():
    """Where the loss of a pairing was once another in the search than on the whole path, and the pairing found for ever."""
    a = lmc.Minimum([0, 1, 1, 1, 2], [1, 1, 2e-29, 2e-30, 1])
    b = lmc.Minimum([1, 0, 0, 0, 2], [1, 0.5, 0.5, 1e-12, 1])
    heights = [lmc.minima_barrier(first, second, "exact") for first, second in ((a, b), (b, a))]
    assert all(found.is_optimal and found.nodes < 20 for found in heights)
    assert heights[0].height == pytest.approx(heights[1].height, rel=1e-13)


def test_enumeration_finds_nothing_lower_at_any_spread():
    positive = 0
    for _, a, b in drawn_pairs(2, 60):
        if a.width > 6:
            continue
        perms = map(np.array, itertools.permutations(range(a.width)))
        pairs = {(*i, *perm[i]): (i, perm[i]) for perm in perms for i in [mismatched(a, b, perm)]}
        lowest = min(highest_loss(a, b, *some).height for some in pairs.values())
        found = lmc.minima_barrier(a, b, "exact")
        assert found.is_optimal
        assert lowest * (1 - 1e-14) <= found.height <= lowest * (1 + 1.01e-12)
        assert found.lower_bound <= lowest
        positive += lowest > 0
    assert positive >= 5


def test_a_search_that_contradicts_itself_ends_and_proves_nothing(monkeypatch):
    """If the loss of all pairings were a thousandth in the search, all would pass at every position."""
    a, b = (lmc.sample_minimum(3, 8, rng=k) for k in (2, 5))
    optimum = lmc.minima_barrier(a, b, "exact")
    assert optimum.is_optimal
    assert optimum.leftover > 1
    whole = exact.loss_terms

    def slighted(*arguments):
        whole(*arguments)
        for terms in arguments[-3:]:
            terms *= 1e-3

    monkeypatch.setattr(exact, "loss_terms", slighted)
    found = exact_matching(a, b, optimum.permutation)
    assert not found.is_optimal
    assert found.lower_bound < optimum.height


def test_the_number_of_nodes_is_limited():
    a, b = (lmc.sample_minimum(6, 40, rng=k) for k in (0, 1))
    optimum = lmc.minima_barrier(a, b, "exact")
    assert optimum.is_optimal
    assert optimum.nodes > 100
    for limit in (1, 2, optimum.nodes // 2, optimum.nodes - 1):
        with pytest.warns(lmc.ConvergenceWarning, match=f"complete search stopped after {limit} nodes"):
            found = lmc.minima_barrier(a, b, "exact", node_limit=limit)
        assert not found.is_optimal
        assert found.nodes == limit
        assert 0 <= found.lower_bound <= optimum.height <= found.height
    assert lmc.minima_barrier(a, b, "exact", node_limit=optimum.nodes).is_optimal
    assert Search(a, b, optimum.permutation).node_limit == exact.MOST_NODES  # finite unless asked otherwise


@pytest.mark.parametrize("limit", [0, -1, 2.0, True, "many"])
def test_limits_that_are_none(limit):
    a = lmc.Minimum([0, 1, 1], [1, 0.5, 0.5])
    with pytest.raises(lmc.InvalidInputError, match="node_limit must be"):
        lmc.minima_barrier(a, a, "exact", node_limit=limit)
    with pytest.raises(lmc.InvalidInputError, match="node_limit belongs to matching='exact', got 5 with 'swaps'"):
        lmc.minima_barrier(a, a, "swaps", node_limit=5)


def test_ties_are_broken_by_weights_and_not_by_names():
    a = lmc.Minimum([0, 0, 1, 1, 2, 2, 3], [0.5, 0.5, 0.5, 0.5, 0.25, 0.75, 1])
    b = lmc.Minimum([0, 1, 2, 3, 3, 3, 3], [1, 1, 1, 0.25, 0.25, 0.25, 0.25])
    np.testing.assert_array_equal(class_ranks(a, b), [0, 1, 2, 3])
    np.testing.assert_array_equal(class_ranks(b, a), [1, 2, 3, 0])


@pytest.mark.parametrize("tiny", [1e-150, 1e-155, 1e-160, 1e-170, 1e-300, 5e-324])
def test_heights_that_underflow_go_to_zero(tiny):
    """Without warnings, endless searches, or numbers that are none."""
    a = lmc.Minimum([0, 0, 1, 1, 2, 2], [1, tiny, 1, 2 * tiny, 1, tiny])
    b = lmc.Minimum([0, 1, 1, 1, 2, 0], [1, 3 * tiny, tiny, 1, 1, tiny])
    for matching in MATCHINGS:
        found = lmc.minima_barrier(a, b, matching)
        assert 0 <= found.height <= 10 * tiny * tiny
        assert len(mismatched(a, b, found.permutation)) == found.leftover


@pytest.mark.parametrize("scale", [3.0, 1e8, 1e20, 1e100, 1e149])
@pytest.mark.parametrize("sign", [1, -1])
def test_networks_far_away_are_projected(scale, sign):
    """The threshold differs from the largest weight by less than one, which a large weight swallows."""
    W = sign * scale * np.array([[1.0, 0.0], [0.5, 0.1], [0.0, 1.0]])
    found = lmc.project_to_minimum(lmc.TwoLayerNet(W), lmc.orthonormal_teacher(2, 2))
    if sign > 0:
        np.testing.assert_array_equal(found.minimum.weights, [1, 0, 1])
    assert found.distance == pytest.approx(np.linalg.norm(W - found.network.W), rel=1e-12)


def test_networks_with_tiny_weights_are_projected_onto_themselves():
    minimum = lmc.Minimum([0, 0, 1], [1.0, 1e-100, 1.0])
    found = lmc.project_to_minimum(minimum.to_network(), lmc.orthonormal_teacher(2, 2))
    np.testing.assert_array_equal(found.minimum.weights, minimum.weights)
    assert found.is_nearest


def test_networks_whose_squares_overflow():
    net, teacher = lmc.TwoLayerNet([[1e200, 1e200], [0.0, 1.0]]), lmc.orthonormal_teacher(2, 2)
    assert lmc.is_global_minimum(net, teacher).off_ray[0] == np.inf
    with pytest.raises(lmc.InvalidInputError, match=r"net must have weights of at most 1e\+150, got 1e\+200"):
        lmc.project_to_minimum(net, teacher)
