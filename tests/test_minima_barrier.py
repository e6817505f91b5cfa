"""The exact barrier between global minima: accuracy, matchings, invariances."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory._compiled.minima import (
    both_axes_moment,
    mean_residual,
    next_lower_swap,
    one_axis_moment,
    pair_moment,
    residual_energy,
)
from lmctheory.minima import swaps
from lmctheory.minima.heights import grouped_pairs, highest_loss, mismatched
from lmctheory.minima.swaps import SWAP_GAIN, exchanged, improve

DIGITS = 40


def reference_one_axis(p_1, q_1, p_2, q_2):
    """By quadrature of one dimension: given the shared axis the other two are independent."""
    with mp.workdps(DIGITS):
        p_1, q_1, p_2, q_2 = map(mp.mpf, (p_1, q_1, p_2, q_2))

        def g(s):  # E min(s, |y|)
            return s * mp.erfc(s / mp.sqrt(2)) - mp.sqrt(2 / mp.pi) * mp.expm1(-s * s / 2)

        def integrand(v):  # x = exp(v)
            x = mp.exp(v)
            return q_1 * g(p_1 * x / q_1) * q_2 * g(p_2 * x / q_2) * 2 * mp.npdf(x) * x

        return mp.quad(integrand, mp.arange(-90, 5, 3)) / 4


def closed_one_axis(p_1, q_1, p_2, q_2):
    """The closed form as it stands, at a precision that outlives its cancellation."""
    with mp.workdps(1300):
        p_1, q_1, p_2, q_2 = map(mp.mpf, (p_1, q_1, p_2, q_2))
        s, u = p_1 / q_1, p_2 / q_2
        T = mp.sqrt(1 + s**2 + u**2)
        bracket = 2 * s * u * mp.atan(1 / (T + s + u)) + T - mp.sqrt(1 + s**2) - mp.sqrt(1 + u**2) + 1
        return q_1 * q_2 * bracket / (2 * mp.pi)


def reference_both_axes(p_1, q_1, p_2, q_2):
    with mp.workdps(1300):
        (p_1, q_1), (p_2, q_2) = sorted(
            [(mp.mpf(p_1), mp.mpf(q_1)), (mp.mpf(p_2), mp.mpf(q_2))], key=lambda pair: pair[0] / pair[1]
        )
        first, second = mp.atan2(p_1, q_1), mp.atan2(p_2, q_2)
        rest = mp.pi / 2 - second
        low = (first - mp.sin(first) * mp.cos(first)) / 2
        middle = (mp.sin(second) ** 2 - mp.sin(first) ** 2) / 2
        high = (rest - mp.sin(rest) * mp.cos(rest)) / 2
        return 2 / mp.pi * (q_1 * q_2 * low + p_1 * q_2 * middle + p_1 * p_2 * high)


def log_uniform(rng, decades, size=4):
    return [float(x) for x in 10.0 ** rng.uniform(-decades, 0, size)]


def test_one_axis_closed_form_against_quadrature():
    rng = np.random.default_rng(0)
    for decades in (1, 1, 3, 8):
        weights = log_uniform(rng, decades)
        exact = reference_one_axis(*weights)
        assert abs(closed_one_axis(*weights) / exact - 1) < mp.mpf(10) ** -18
        assert one_axis_moment(*weights) == pytest.approx(float(exact), rel=1e-14)


def test_both_axes_reference_against_quadrature():
    weights = (0.3, 0.7, 0.2, 0.1)
    p_1, q_1, p_2, q_2 = map(mp.mpf, weights)
    kinks = sorted([mp.atan2(p_1, q_1), mp.atan2(p_2, q_2)])
    exact = mp.quad(
        lambda v: min(p_1 * mp.cos(v), q_1 * mp.sin(v)) * min(p_2 * mp.cos(v), q_2 * mp.sin(v)), [0, *kinks, mp.pi / 2]
    )
    assert float(reference_both_axes(*weights)) == pytest.approx(float(2 / mp.pi * exact), rel=1e-13)


@pytest.mark.parametrize("decades", [0.5, 3, 17, 140])
def test_moments_to_the_last_digits_at_every_ratio(decades):
    rng = np.random.default_rng(1)
    for _ in range(60):
        weights = log_uniform(rng, decades)
        assert one_axis_moment(*weights) == pytest.approx(float(closed_one_axis(*weights)), rel=4e-15)
        assert both_axes_moment(*weights) == pytest.approx(float(reference_both_axes(*weights)), rel=4e-15)


@pytest.mark.parametrize(
    "weights", [(1e-300, 1, 1, 1), (1, 1e-300, 1, 1), (1, 1e-300, 1e-3, 1), (1, 1, 1, 1), (1, 1 + 1e-12, 1, 1)]
)
def test_moments_at_the_extremes(weights):
    weights = [float(w) for w in weights]
    assert one_axis_moment(*weights) == pytest.approx(float(closed_one_axis(*weights)), rel=4e-15)
    assert both_axes_moment(*weights) == pytest.approx(float(reference_both_axes(*weights)), rel=4e-15)
    mean = (weights[0] / (1 + mp.sqrt(1 + mp.mpf(weights[0] / weights[1]) ** 2) + mp.mpf(weights[0] / weights[1]))) * 2
    assert mean_residual(*weights[:2]) == pytest.approx(float(mean / mp.sqrt(2 * mp.pi)), rel=1e-14)


@pytest.mark.parametrize("moment", [both_axes_moment, one_axis_moment])
@pytest.mark.parametrize("others", [0.5, 1e200])
def test_a_neuron_of_weight_zero_has_no_residual(moment, others):
    """Whichever of the four it is, also where the products of the other weights overflow."""
    for k in range(4):
        weights = [others] * 4
        weights[k] = 0.0
        assert moment(*weights) == 0


def test_moments_are_the_derived_ones():
    sym = lmc.symbolic
    first, second = sym.pair_residual_moments()
    cross = sym.one_axis_moment()
    rng = np.random.default_rng(2)
    for _ in range(5):
        weights = rng.uniform(0.1, 1.0, size=4)
        values = dict(zip((sym.P1, sym.Q1, sym.P2, sym.Q2), weights, strict=True))
        p, q = weights[:2]
        assert mean_residual(p, q) == pytest.approx(float(first.subs(values)), rel=1e-13)
        assert both_axes_moment(p, q, p, q) == pytest.approx(float(second.subs(values)), rel=1e-13)
        assert one_axis_moment(*weights) == pytest.approx(float(cross.subs(values)), rel=1e-12)


def random_pair(rng, max_width=10, equal_width=None):
    M = int(rng.integers(2, 5))
    m = equal_width or int(rng.integers(M, max_width + 1))
    law, kwargs = [
        ("uniform", {}), ("sparse", {"r": 0.3}), ("dirichlet", {"concentration": 0.3}), ("equal", {}),
    ][rng.integers(4)]  # fmt: skip
    return [lmc.sample_minimum(M, m, law, rng=rng, **kwargs) for _ in range(2)]


def general(a, b, perm, d=None):
    d = d or a.M
    return lmc.barrier(a.to_network(d), b.to_network(d), lmc.orthonormal_teacher(a.M, d), align=perm)


def test_agrees_with_the_general_code_under_every_matching_and_any_permutation():
    rng = np.random.default_rng(3)
    positive = 0
    for _ in range(40):
        a, b = random_pair(rng)
        for matching in ("lightest", "random", "swaps", rng.permutation(a.width)):
            found = lmc.minima_barrier(a, b, matching, rng=4)
            other = general(a, b, found.permutation)
            assert abs(found.height - other.height) <= other.loss_floor
            positive += found.height > 1e3 * other.loss_floor
            if found.leftover:
                assert len(found.pairs) == found.leftover
                assert (a.classes[found.pairs[:, 0]] != b.classes[found.pairs[:, 1]]).all()
                np.testing.assert_array_equal(found.permutation[found.pairs[:, 0]], found.pairs[:, 1])
    assert positive > 40


def test_the_dimension_does_not_enter():
    a, b = (lmc.sample_minimum(3, 7, rng=k) for k in (0, 2))
    found = lmc.minima_barrier(a, b)
    assert found.height > 0
    for d in (3, 5, 12):
        other = general(a, b, found.permutation, d)
        assert abs(found.height - other.height) <= other.loss_floor


def test_residual_l1_by_quasi_random_integration():
    a, b = (lmc.sample_minimum(3, 7, rng=k) for k in (0, 2))
    found = lmc.minima_barrier(a, b, "random", rng=0)
    X = np.random.default_rng(5).normal(size=(200_000, 3))
    t = found.position
    net = lmc.TwoLayerNet((1 - t) * a.to_network().W + t * b.to_network().W[found.permutation])
    residual = np.abs(net(X) - lmc.orthonormal_teacher(3, 3)(X))
    assert abs(residual.mean() - found.residual_l1) < 5 * residual.std() / math.sqrt(len(X))
    assert abs((residual**2).mean() - found.height) < 5 * (residual**2).std() / math.sqrt(len(X))


def test_heights_with_extreme_weights():
    """One pair: the maximum over t of E[r^2], by high-precision search, at ratios far from 1."""
    for tiny in (1e-3, 1e-12, 1e-40, 1e-140):
        a = lmc.Minimum([0, 0, 1], [1.0 - tiny, tiny, 1.0])
        b = lmc.Minimum([0, 1, 1], [1.0, 1.0 - 1e-13, 1e-13])
        perm = [0, 1, 2]  # neuron 1 of A, tiny, meets the heavy neuron of class 1
        found = lmc.minima_barrier(a, b, perm)

        def loss(u, tiny=tiny, beta=b.weights[1]):
            s, t = 1 / (1 + mp.exp(u)), 1 / (1 + mp.exp(-u))
            p, q = s * mp.mpf(tiny), t * mp.mpf(float(beta))
            return (q**2 * (mp.atan2(p, q) - p * q / (p**2 + q**2)) + p**2 * (mp.atan2(q, p) - p * q / (p**2 + q**2))) / mp.pi

        with mp.workdps(450):
            low, high = mp.log(mp.mpf(tiny)) - 5, mp.mpf(5)
            golden = (mp.sqrt(5) - 1) / 2
            for _ in range(130):
                c, d = high - golden * (high - low), low + golden * (high - low)
                low, high = (low, d) if loss(c) > loss(d) else (c, high)
            assert found.height == pytest.approx(float(loss((low + high) / 2)), rel=1e-12)


def test_two_peaks_on_one_segment():
    """Two pairs whose losses peak near opposite ends: the higher peak is found, whichever end it is at."""
    eps = 0.05
    for x, y in ((0.5, 0.4995), (0.4995, 0.5)):
        a = lmc.Minimum([0, 2, 0, 1, 2, 3], [eps * x, 0.5, 1 - eps * x, 1, 0.5, 1])
        b = lmc.Minimum([1, 3, 0, 1, 2, 3], [0.5, eps * y, 1, 0.5, 1, 1 - eps * y])
        perm = np.arange(6)
        found = lmc.minima_barrier(a, b, perm)
        neurons = mismatched(a, b, perm)
        arrays = grouped_pairs(a.classes[neurons], b.classes[neurons], a.weights[neurons], b.weights[neurons])
        u = np.linspace(-5, 5, 2001)
        dense = np.array([residual_energy(1 / (1 + math.exp(v)), 1 / (1 + math.exp(-v)), *arrays) for v in u])
        assert np.sum((dense[1:-1] > dense[:-2]) & (dense[1:-1] > dense[2:])) == 2
        assert found.height >= dense.max() * (1 - 1e-13)
        assert found.height <= dense.max() * (1 + 1e-5)
        assert (found.position < 0.5) == (x > y)


def test_no_higher_point_on_a_dense_grid():
    rng = np.random.default_rng(6)
    for _ in range(60):
        a, b = random_pair(rng, 14)
        perm = rng.permutation(a.width)
        neurons = mismatched(a, b, perm)
        if not len(neurons):
            continue
        found = lmc.minima_barrier(a, b, perm)
        arrays = grouped_pairs(a.classes[neurons], b.classes[perm[neurons]], a.weights[neurons], b.weights[perm[neurons]])
        u = np.linspace(-40, 40, 1601)
        assert max(residual_energy(1 / (1 + math.exp(v)), 1 / (1 + math.exp(-v)), *arrays) for v in u) <= found.height * (
            1 + 1e-13
        )


def height(a, b, perm):
    perm = np.asarray(perm)
    neurons = mismatched(a, b, perm)
    return highest_loss(a, b, neurons, perm[neurons]).height


def test_enumeration_bounds_every_matching_from_below():
    rng = np.random.default_rng(7)
    reached = 0
    for _ in range(10):
        a, b = random_pair(rng, equal_width=5)
        best = min(height(a, b, p) for p in itertools.permutations(range(5)))
        heights = [lmc.minima_barrier(a, b, name, rng=1).height for name in ("lightest", "random", "swaps")]
        assert min(heights) >= best * (1 - 1e-12)
        assert heights[2] <= heights[0]
        reached += heights[2] <= best * (1 + 1e-9)
    assert reached >= 8


@pytest.mark.parametrize(("law", "r"), [("uniform", None), ("sparse", 0.2)])
def test_no_exchange_of_two_neurons_improves_on_swaps(law, r):
    """Every exchange is tried, also those that the search leaves out because another cannot be worse."""
    rng = np.random.default_rng(8)
    improved = mismatches = 0
    for k in range(10):
        M, m = (8, 20) if k % 2 else (4, 10)
        a, b = (lmc.sample_minimum(M, m, law, r=r, rng=rng) for _ in range(2))
        if k < 6:
            light, found = lmc.minima_barrier(a, b), lmc.minima_barrier(a, b, "swaps")
            assert found.height <= light.height
            perm, swaps = found.permutation, found.swaps
        else:  # also from bad starts
            start = rng.permutation(m)
            perm, swaps = improve(a, b, start)
            assert height(a, b, perm) < height(a, b, start)
        improved += swaps > 0
        level = height(a, b, perm)
        mismatches += len(mismatched(a, b, perm))
        for i, j in itertools.combinations(range(m), 2):
            other = perm.copy()
            other[i], other[j] = perm[j], perm[i]
            assert height(a, b, other) >= level * (1 - 2 * SWAP_GAIN)
    assert improved >= 4
    assert mismatches > 5


@pytest.mark.parametrize(("leftover", "n"), [(4, 4), (3, 6)])
def test_the_swap_found_is_the_next_that_lowers_the_loss(leftover, n):
    """Each candidate's loss as the sum over all pairs of pairs; beyond `leftover` neurons meet their own class."""
    rng = np.random.default_rng(12)
    a = rng.integers(0, 4, n)
    b = np.append((a[:leftover] + rng.integers(1, 4, leftover)) % 4, a[leftover:])
    alpha, beta = rng.random((2, n))
    levels = {}
    for k in range(leftover):
        for j in range(k + 1, n):
            perm = exchanged(np.arange(n), k, j, j)
            pairs = [(a[i], b[perm[i]], 0.3 * alpha[i], 0.7 * beta[perm[i]]) for i in range(n)]
            levels[k * n + j] = sum(pair_moment(*first, *second) for first in pairs for second in pairs)
    ordered = sorted(levels.values())
    for bound in (*np.mean([ordered[1:], ordered[:-1]], axis=0), 2 * ordered[-1]):
        for begin in range(0, leftover * n, 3):
            cycle = [*range(begin, leftover * n), *range(begin)]
            expected = next(c for c in cycle if levels.get(c, np.inf) < bound)
            assert next_lower_swap(0.3, 0.7, a, alpha, b, beta, leftover, bound, begin) == expected
    assert next_lower_swap(0.3, 0.7, a, alpha, b, beta, leftover, ordered[0] / 2, 0) == -1


@pytest.mark.parametrize("seed", [55, 148, 214])
def test_swaps_that_lower_one_peak_alone_are_tried_once_around(seed, monkeypatch):
    """They lower the loss at the maximiser but not the height, and would be found again and again."""
    found = []

    def recorded(*args):
        found.append((args[-2], next_lower_swap(*args)))
        assert len(found) == len(set(found)) or found.count(found[-1]) == 2
        return found[-1][1]

    monkeypatch.setattr(swaps, "next_lower_swap", recorded)
    rng = np.random.default_rng(seed)
    a, b = (lmc.sample_minimum(4, 9, "sparse", r=0.2, rng=rng) for _ in range(2))
    perm, count = improve(a, b, rng.permutation(9))
    assert len([k for _, k in found if k >= 0]) > count
    for i, j in itertools.combinations(range(9), 2):
        assert height(a, b, exchanged(perm, i, j, perm[j])) >= height(a, b, perm) * (1 - 2 * SWAP_GAIN)


def test_lightest_pairs_heavy_with_light_as_that_has_the_least_l1_residual():
    rng = np.random.default_rng(9)
    checked = 0
    for _ in range(30):
        a, b = (lmc.sample_minimum(4, 12, rng=rng) for _ in range(2))
        found = lmc.minima_barrier(a, b)
        if not 2 <= found.leftover <= 5:
            continue
        i, j, t = *found.pairs.T, found.position

        def l1(order, i=i, j=j, t=t, a=a, b=b):
            return sum(mean_residual((1 - t) * x, t * y) for x, y in zip(a.weights[i], b.weights[j[list(order)]], strict=True))

        assert min(map(l1, itertools.permutations(range(len(i))))) >= found.residual_l1 * (1 - 1e-13)
        checked += 1
    assert checked > 5


def test_zero_neurons_absorb_the_heaviest():
    a = lmc.Minimum([0, 0, 0, 1, -1], [0.2, 0.3, 0.5, 1.0, 0.0])
    b = lmc.Minimum([0, 1, 1, 1, -1], [1.0, 0.6, 0.3, 0.1, 0.0])
    found = lmc.minima_barrier(a, b)
    assert found.pairs.tolist() == [[0, 3]]
    assert found.permutation[1] == 4  # of A's leftover 0.2 and 0.3 the heavier meets B's zero neuron
    assert found.permutation[4] == 2
    all_zero = lmc.Minimum([0, 1, -1, -1, -1], [1, 1, 0, 0, 0])
    assert lmc.minima_barrier(a, all_zero).height == 0


def test_random_leftovers_are_uniform():
    a = lmc.Minimum([0, 0, 0, 1], [0.2, 0.3, 0.5, 1.0])
    b = lmc.Minimum([0, 1, 1, 1], [1.0, 0.6, 0.3, 0.1])
    rng = np.random.default_rng(10)
    counts = np.zeros((4, 4))
    n = 1800
    for _ in range(n):
        pairs = lmc.minima_barrier(a, b, "random", rng=rng).pairs
        counts[pairs[:, 0], pairs[:, 1]] += 1
    inner = counts[:3, 1:]
    assert inner.sum() == 2 * n == counts.sum()
    # each cell: probability 2/9; eight standard deviations cover the nine cells at any sensible level
    assert np.abs(inner - 2 * n / 9).max() < 4.5 * math.sqrt(n * 2 / 9 * 7 / 9)


def test_adversarial_minima_keep_their_barrier():
    """Class sizes (m - 1, 1) against (1, m - 1), equal weights: the limit is (pi/2 - 1) / (4 pi)."""
    limit = (math.pi / 2 - 1) / (4 * math.pi)
    gaps = []
    for m in (100, 10_000, 1_000_000):
        light = 1 / (m - 1)
        a = lmc.Minimum(np.repeat([0, 1], [m - 1, 1]), np.append(np.full(m - 1, light), 1.0))
        b = lmc.Minimum(np.repeat([0, 1], [1, m - 1]), np.append(1.0, np.full(m - 1, light)))
        found = lmc.minima_barrier(a, b)
        assert found.leftover == m - 2
        gaps.append(limit - found.height)
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2] > 0
    assert gaps[2] < 1e-6


def test_typical_minima_lose_theirs():
    heights = [
        np.mean([lmc.minima_barrier(*(lmc.sample_minimum(4, m, rng=2 * k + j) for j in range(2))).height for k in range(10)])
        for m in (100, 10_000)
    ]
    assert heights[1] < heights[0] / 1000


pairs = st.tuples(st.integers(1, 4), st.integers(0, 8), st.sampled_from(["uniform", "equal", "sparse"]), st.integers(0, 2**20))


def drawn(M, extra, law, seed):
    rng = np.random.default_rng(seed)
    a, b = (lmc.sample_minimum(M, M + extra, law, r=0.3 if law == "sparse" else None, rng=rng) for _ in range(2))
    return a, b, rng


@given(pairs)
@settings(deadline=None, max_examples=60)
def test_exchanging_the_ends_reverses_the_segment(case):
    a, b, _ = drawn(*case)
    forth, back = lmc.minima_barrier(a, b), lmc.minima_barrier(b, a)
    assert forth.height >= 0
    assert forth.leftover == back.leftover
    assert forth.height == pytest.approx(back.height, rel=1e-12)
    np.testing.assert_array_equal(np.sort(forth.pairs[:, 0]), np.sort(back.pairs[:, 1]))
    if case[2] == "uniform":
        assert forth.residual_l1 == pytest.approx(back.residual_l1, rel=1e-6)
        assert forth.position == pytest.approx(1 - back.position, abs=1e-5) or forth.leftover == 0


@given(pairs)
@settings(deadline=None, max_examples=40)
def test_the_order_of_neurons_does_not_matter(case):
    a, b, rng = drawn(*case)
    moved = a.permute(rng.permutation(a.width)), b.permute(rng.permutation(b.width))
    for matching in ("lightest", "swaps"):
        first, second = lmc.minima_barrier(a, b, matching), lmc.minima_barrier(*moved, matching)
        if matching == "lightest":
            assert first.height == pytest.approx(second.height, rel=1e-12)
    if a.width == a.M:
        assert lmc.minima_barrier(*moved).height == 0


def test_grouped_energy_is_the_sum_over_all_pairs():
    """Mixed directions on the same axes included, which only given permutations produce."""
    rng = np.random.default_rng(11)
    for M in (2, 3, 6):
        L = 30
        a = rng.integers(0, M, L)
        b = (a + rng.integers(1, M, L)) % M
        alpha, beta = 10 ** rng.uniform(-6, 0, (2, L))
        direct = sum(
            pair_moment(a[k], b[k], 0.3 * alpha[k], 0.7 * beta[k], a[n], b[n], 0.3 * alpha[n], 0.7 * beta[n])
            for k in range(L) for n in range(L)
        )  # fmt: skip
        assert residual_energy(0.3, 0.7, *grouped_pairs(a, b, alpha, beta)) == pytest.approx(direct, rel=1e-13)


def test_equal_ratios_are_merged():
    a, b = np.zeros(4, int), np.array([1, 1, 2, 1])
    alpha, beta = np.array([0.1, 0.2, 0.1, 0.3]), np.array([0.2, 0.4, 0.2, 0.1])
    arrays = grouped_pairs(a, b, alpha, beta)
    assert len(arrays[0]) == 3
    assert arrays[0].sum() == pytest.approx(alpha.sum())
    assert arrays[1].sum() == pytest.approx(beta.sum())


def test_a_million_neurons():
    a, b = (lmc.sample_minimum(4, 10**6, rng=k) for k in (1, 2))
    found = lmc.minima_barrier(a, b)
    assert found.leftover == np.maximum(a.class_sizes - b.class_sizes, 0).sum() > 0
    assert 1e-16 < found.height < 1e-12
    np.testing.assert_array_equal(np.sort(found.permutation), np.arange(10**6))


A, B = lmc.Minimum([0, 1], [1.0, 1.0]), lmc.Minimum([0, 1, 1], [1.0, 0.5, 0.5])
BAD_CALLS = [
    (lambda: lmc.minima_barrier(A, B), "min_b must have the width of min_a, m = 2, got 3"),
    (lambda: lmc.minima_barrier(A, lmc.Minimum([0, 0], [0.5, 0.5])), "min_b must belong to the teacher width"),
    (lambda: lmc.minima_barrier(A, A, "lightset"), "did you mean 'lightest'"),
    (lambda: lmc.minima_barrier(A, A, [0, 0]), "matching must hold each of 0..1 exactly once"),
    (lambda: lmc.minima_barrier(A.to_network(), A), "min_a must be a Minimum"),
    (lambda: lmc.minima_barrier(A, A, "random", rng=-1), "rng must be at least 0"),
    (lambda: lmc.minima_barrier(A, A, "exact", time_limit=0), "time_limit must be positive, got 0"),
    (lambda: lmc.minima_barrier(A, A, "exact", time_limit=np.inf), "time_limit must be finite, got inf"),
    (lambda: lmc.minima_barrier(A, A, "swaps", time_limit=1), "time_limit belongs to matching='exact', got 1.0 with 'swaps'"),
    (lambda: lmc.minima_barrier(A, A, [0, 1], time_limit=1), "time_limit belongs to matching='exact', got 1.0 with 'given'"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_input(call, message):
    with pytest.raises(lmc.InvalidInputError) as caught:
        call()
    assert message in str(caught.value)
