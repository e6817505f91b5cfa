from functools import cache
from itertools import combinations, product
from itertools import permutations as all_permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory.families.assignments import ascend, by_synchronising
from lmctheory.families.members import Family, from_the_first
from lmctheory.strategies import permutations, students_and_teachers

Net = lmc.TwoLayerNet
METHODS = ("reference", "mean", "synchronise", "barrier")
SEARCHES = ("assignments", "swaps", "exact")


def random_net(m, d, seed, signs=False):
    rng = np.random.default_rng([m, d, seed])
    return Net(rng.normal(size=(m, d)), rng.normal(size=m) if signs else None)


def minima(n, m, M, seed, d=None):
    """Uniform minima, between which there are barriers, and their teacher."""
    rng = np.random.default_rng([n, m, M, seed])
    return [lmc.sample_minimum(M, m, rng=rng).to_network(d) for _ in range(n)], lmc.orthonormal_teacher(M, d or M)


def copies(n, m, d, seed, signs=True):
    """One network permuted n times, and the permutations."""
    rng, net = np.random.default_rng(seed), random_net(m, d, seed, signs)
    perms = np.array([rng.permutation(m) for _ in range(n)])
    return [net.permute(perm) for perm in perms], perms


# --- laws of permutations -------------------------------------------------------------------------------------------


@given(st.data())
def test_permutations_compose_and_invert(data):
    net = random_net(data.draw(st.integers(1, 6)), 3, 0, True)
    p, q = data.draw(permutations(net.width)), data.draw(permutations(net.width))
    np.testing.assert_array_equal(net.permute(p).permute(q).W, net.permute(p[q]).W)
    np.testing.assert_array_equal(net.permute(p).permute(np.argsort(p)).a, net.a)


@given(st.data())
def test_relabelling_places_keeps_an_alignment(data):
    m = data.draw(st.integers(1, 6))
    perms = np.array([data.draw(permutations(m)) for _ in range(3)])
    moved = from_the_first(perms)
    np.testing.assert_array_equal(moved[0], np.arange(m))
    for i, j in combinations(range(3), 2):
        np.testing.assert_array_equal(perms[j][np.argsort(perms[i])], moved[j][np.argsort(moved[i])])


# --- planted families -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pairwise", ["weights", "activations"])
def test_one_network_permuted_is_put_together_again(method, pairwise):
    networks, perms = copies(4, 7, 4, 3)
    found = lmc.align_many(networks, method, objective=lmc.orthonormal_teacher(3, 4), pairwise=pairwise)
    for perm, planted in zip(found.permutations, perms, strict=True):
        np.testing.assert_array_equal(planted[perm], perms[0])
    assert found.height <= found.loss_floor
    assert found.simplex.height <= found.simplex.loss_floor
    assert not found.is_optimal


@pytest.mark.parametrize("search", SEARCHES)
def test_one_network_permuted_is_strongly_connected_and_consistent(search):
    networks, _ = copies(3, 5, 3, 1)
    teacher = lmc.orthonormal_teacher(2, 3)
    weak = lmc.weak_connectivity(networks, teacher, search)
    assert weak.height <= weak.loss_floor
    assert weak.gap <= weak.strong.best.loss_floor
    for method in ("weights", "activations", "barrier"):
        cycles = lmc.cycle_consistency(networks, teacher, method)
        assert cycles.fixed.tolist() == [1.0]
        assert (cycles.heights <= cycles.loss_floors).all()


def test_random_permutations_do_not_connect_copies():
    """The negative control of the two tests above."""
    (net,), teacher = minima(1, 7, 3, 3)
    networks = [net.permute(np.random.default_rng(seed).permutation(7)) for seed in range(3)]
    assert lmc.pairwise_barriers(networks, teacher, "none").heights.min() > 1e-3
    assert lmc.align_many(networks, objective=teacher).height < 1e-14


def test_networks_of_unequal_width_are_aligned_after_padding():
    wide, teacher = minima(1, 6, 2, 0, d=3)
    wide = wide[0]
    by_class = [np.flatnonzero(wide.W[:, j] > 0) for j in range(2)]
    merged = [[*group[:-2], tuple(group[-2:])] for group in by_class if len(group) > 1]
    rows = [wide.W[list(np.atleast_1d(group))].sum(axis=0) for groups in merged for group in groups]
    rows += [wide.W[group[0]] for group in by_class if len(group) == 1]
    narrow = Net(np.array(rows)).permute(np.random.default_rng(0).permutation(len(rows)))
    assert narrow.width < wide.width
    found = lmc.align_many([narrow, wide, wide.permute([5, 3, 1, 0, 2, 4])], "barrier", objective=teacher)
    assert found.permutations.shape == (3, 6)
    assert found.height <= found.loss_floor
    cycles = lmc.cycle_consistency([narrow, wide, wide], teacher)
    assert cycles.heights[0] <= cycles.loss_floors[0]


def test_a_single_neuron_leaves_no_choice():
    networks, teacher = [random_net(1, 2, seed) for seed in range(3)], lmc.orthonormal_teacher(2, 2)
    for method in (*METHODS, "exact"):
        assert lmc.align_many(networks, method, objective=teacher).permutations.tolist() == [[0], [0], [0]]
    assert lmc.weak_connectivity(networks, teacher).gap == 0.0
    assert lmc.cycle_consistency(networks, teacher).chance == 1.0


# --- what is reported -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*METHODS, "exact"])
@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_reported_heights_are_those_of_barrier(method, inputs):
    networks, teacher = minima(3, 5, 3, 2, d=4)
    found = lmc.align_many(networks, method, objective=teacher, inputs=inputs)
    np.testing.assert_array_equal(found.permutations[0], np.arange(5))
    for (i, j), height in zip(found.pairs, found.heights, strict=True):
        direct = lmc.barrier(found.networks[i], found.networks[j], teacher, inputs=inputs)
        assert height == pytest.approx(direct.height, abs=direct.loss_floor)
        np.testing.assert_array_equal(found.networks[j].W, networks[j].permute(found.permutations[j]).W)
    assert found.height == found.heights.max() > 0
    assert found.simplex.height >= found.height - found.loss_floor
    assert found.simplex.barycentre <= found.simplex.height


@pytest.mark.parametrize("method", [*METHODS, "exact"])
@pytest.mark.parametrize("seed", range(3))
def test_trace_of_the_objective_is_monotone(method, seed):
    networks, teacher = minima(4, 6, 3, seed) if method != "exact" else minima(3, 5, 3, seed)
    found = lmc.align_many(networks, method, objective=teacher, pairwise="activations")
    assert found.criterion == {"mean": "similarity", "synchronise": "agreement"}.get(method, "worst barrier")
    steps = np.diff(found.trace)
    assert (steps > 0).all() if method in ("mean", "synchronise") else (steps <= 0).all()
    if found.criterion == "worst barrier":
        assert found.trace[-1] == pytest.approx(found.height, abs=found.loss_floor)
    if found.criterion == "agreement":
        assert 0 < found.trace[0] <= found.trace[-1] <= 1 + 1e-12


def test_weak_permutations_achieve_their_heights():
    networks, teacher = minima(4, 6, 3, 5)
    for search in ("assignments", "swaps"):
        found = lmc.weak_connectivity(networks, teacher, search)
        for (i, j), height, perm in zip(found.pairs, found.heights, found.permutations, strict=True):
            direct = lmc.barrier(networks[i], networks[j], teacher, align=perm)
            assert height == pytest.approx(direct.height, abs=direct.loss_floor)
        assert found.height == found.heights.max()
        assert found.strong.height == min(alignment.height for alignment in found.strong.alignments)
        assert found.gap == found.strong.height - found.height


def test_cycles_compose_the_pairwise_alignments():
    networks, teacher = minima(4, 7, 3, 1)
    found = lmc.cycle_consistency(networks, teacher)
    assert found.cycles.tolist() == [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]
    for (i, j, k), perm, fixed, height in zip(found.cycles, found.permutations, found.fixed, found.heights, strict=True):
        p_ij, p_jk, p_ik = (lmc.align(networks[a], networks[b]).permutation for a, b in ((i, j), (j, k), (i, k)))
        expected = [int(np.flatnonzero(p_ik == p_jk[p_ij[q]])[0]) for q in range(7)]
        assert perm.tolist() == expected
        assert fixed == np.mean(np.array(expected) == np.arange(7))
        assert height == pytest.approx(lmc.barrier(networks[i], networks[i], teacher, align=perm).height, abs=1e-14)
    assert found.chance == pytest.approx(1 / 7)


# --- oracles --------------------------------------------------------------------------------------------------------


def brute_force(networks, teacher):
    """The lowest worst barrier and the worst lowest barrier, over all permutations, one `barrier` at a time."""
    n, group = len(networks), list(all_permutations(range(networks[0].width)))

    @cache
    def height(i, j, p, q):
        return lmc.barrier(networks[i].permute(p), networks[j].permute(q), teacher).height

    pairs = list(combinations(range(n), 2))
    strong = min(max(height(i, j, perms[i], perms[j]) for i, j in pairs) for perms in product(group[:1], *[group] * (n - 1)))
    return strong, max(min(height(i, j, group[0], q) for q in group) for i, j in pairs)


@pytest.mark.jit
@pytest.mark.parametrize(("n", "m", "M", "seed"), [(3, 3, 2, 0), (3, 3, 2, 1), (3, 3, 3, 2), (4, 3, 2, 3)])
def test_complete_search_agrees_with_brute_force(n, m, M, seed):
    networks = [random_net(m, M, seed + 10 * k) for k in range(n)]
    networks = [Net(np.abs(net.W) / m) for net in networks]
    teacher = lmc.orthonormal_teacher(M, M)
    strong, weak = brute_force(networks, teacher)
    found = lmc.weak_connectivity(networks, teacher, "exact")
    assert found.is_optimal
    assert found.strong.is_optimal
    assert found.strong.height == pytest.approx(strong, abs=2 * found.strong.best.loss_floor)
    assert found.height == pytest.approx(weak, abs=2 * found.loss_floor)


@pytest.mark.parametrize("seed", range(6))
def test_heuristics_are_upper_bounds_of_the_optimum(seed):
    networks, teacher = minima(3, 5, 3, seed)
    exact = lmc.align_many(networks, "exact", objective=teacher)
    assert exact.is_optimal
    for method in METHODS:
        found = lmc.align_many(networks, method, objective=teacher)
        assert found.height >= exact.height - exact.loss_floor
    start = np.array([np.random.default_rng([seed, k]).permutation(5) for k in range(3)])
    again = lmc.align_many(networks, "exact", objective=teacher, start=start)
    assert again.height == pytest.approx(exact.height, rel=1e-9, abs=exact.loss_floor)
    assert (exact.start, again.start) == (exact.start, "given")


def test_strong_is_not_weak():
    """Three minima whose pairs connect far better than all three at once: both values are proved optimal."""
    networks = [lmc.sample_minimum(3, 5, rng=seed).to_network() for seed in (1, 3, 6)]
    found = lmc.weak_connectivity(networks, lmc.orthonormal_teacher(3, 3), "exact")
    assert found.strong.height > 4 * found.height > 0


@settings(max_examples=10)
@given(students_and_teachers(students=3), st.sampled_from(SEARCHES))
def test_strong_is_never_below_weak(drawn, search):
    *networks, teacher = drawn
    narrow = networks[0].width <= 4
    found = lmc.weak_connectivity(networks, teacher, search if narrow else "swaps")
    assert found.strong.height >= found.height >= 0
    for alignment in found.strong.alignments:
        assert alignment.height >= found.strong.height
        assert (alignment.heights >= found.heights).all()


@pytest.mark.parametrize("seed", range(3))
def test_no_swap_lowers_the_worst_barrier(seed):
    networks, teacher = minima(3, 6, 3, seed)
    start = np.array([np.random.default_rng([seed, k]).permutation(6) for k in range(3)])
    found = lmc.align_many(networks, "barrier", objective=teacher, start=start)
    assert found.height < found.trace[0]
    for k, (q, r) in product(range(3), combinations(range(6), 2)):
        perms = found.permutations.copy()
        perms[k, [q, r]] = perms[k, [r, q]]
        moved = [net.permute(perm) for net, perm in zip(networks, perms, strict=True)]
        worst = lmc.pairwise_barriers(moved, teacher, "none").heights.max()
        assert worst >= found.height * (1 - 1e-9) - found.loss_floor


def test_mean_is_a_fixed_point_of_aligning_with_the_mean_of_the_others():
    networks, teacher = [random_net(6, 4, seed, True) for seed in range(4)], lmc.orthonormal_teacher(2, 4)
    found = lmc.align_many(networks, "mean", objective=teacher)
    assert len(found.trace) > 1
    for k in range(4):
        others = [net for j, net in enumerate(found.networks) if j != k]
        mean = Net(np.mean([net.W for net in others], axis=0), np.mean([net.a for net in others], axis=0))
        np.testing.assert_array_equal(lmc.align(mean, networks[k]).permutation, found.permutations[k])
    pairs = combinations(found.networks, 2)
    total = sum(np.sum(a.W * b.W) + a.a @ b.a for a, b in pairs)
    assert found.trace[-1] == pytest.approx(total, rel=1e-12)


def test_ascent_is_stopped_by_rounding_and_by_nothing_else():
    draw = np.random.default_rng(0)
    blocks = {(i, j): draw.normal(size=(5, 5)) for i, j in combinations(range(4), 2)}
    found = ascend(blocks, np.tile(np.arange(5), (4, 1)))
    assert (np.diff(found.trace) > 0).all()
    again = ascend(blocks, found.permutations)
    np.testing.assert_array_equal(again.permutations, found.permutations)
    flat = ascend({pair: np.ones((5, 5)) for pair in blocks}, found.permutations)
    assert len(flat.trace) == 1


@pytest.mark.parametrize("seed", range(3))
def test_synchronising_repairs_wrong_matchings(seed):
    """Of fifteen pairwise matchings three are replaced at random: the planted permutations are recovered."""
    draw = np.random.default_rng(seed)
    networks, planted = copies(6, 8, 4, seed)
    family = Family(networks, lmc.orthonormal_teacher(2, 4))
    matchings = family.matchings("weights")
    for pair in draw.permutation(family.pairs)[:3]:
        i, j = pair
        matchings[i, j] = draw.permutation(8)
        matchings[j, i] = np.argsort(matchings[i, j])
    found = by_synchronising(family, "weights")
    for perm, plant in zip(found.permutations, planted, strict=True):
        np.testing.assert_array_equal(plant[perm], planted[0])
    assert 4 / 5 <= found.trace[-1] < 1


def test_reference_keeps_the_best_of_all_references():
    networks, teacher = minima(4, 7, 3, 4)
    networks = [Net(net.W + random_net(7, 3, seed).W / 100) for seed, net in enumerate(networks)]  # without ties
    worst = []
    for reference in networks:
        moved = [net.permute(lmc.align(reference, net).permutation) for net in networks]
        worst.append(lmc.pairwise_barriers(moved, teacher, "none").heights.max())
    found = lmc.align_many(networks, "reference", objective=teacher)
    assert found.height == pytest.approx(min(worst), abs=found.loss_floor)


def test_pairs_of_sparse_minima_connect_where_three_do_not():
    """Zero neurons absorb what two networks have to spare, sum_j max(n_j, n'_j) <= m, but not what three have."""
    sizes = [(2, 1, 1), (1, 2, 1), (1, 1, 2)]
    networks = []
    for row in sizes:
        classes = np.append(np.repeat(np.arange(3), row), -1)
        weights = np.append(np.repeat(1 / np.array(row), row), 0.0)
        networks.append(lmc.Minimum(classes, weights).to_network())
    teacher = lmc.orthonormal_teacher(3, 3)
    found = lmc.weak_connectivity(networks, teacher, "exact")
    assert found.height <= found.loss_floor
    assert found.strong.is_optimal
    assert found.strong.height > 1e-3
    wider = lmc.weak_connectivity([net.pad(6) for net in networks], teacher)
    assert wider.strong.height <= wider.strong.best.loss_floor
