from itertools import combinations
from itertools import permutations as all_permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import path_floor

import lmctheory as lmc
from lmctheory.alignment.arrangement import arrange
from lmctheory.alignment.swaps import GAIN
from lmctheory.strategies import permutations, students_and_teachers

Net = lmc.TwoLayerNet


def random_net(m, d, seed, signs=True):
    rng = np.random.default_rng([m, d, seed])
    return Net(rng.normal(size=(m, d)), rng.normal(size=m) if signs else None)


def uniform_minima(M, m, seed):
    return (lmc.sample_minimum(M, m, rng=np.random.SeedSequence([seed, end])).to_network() for end in (0, 1))


def swapped(permutation, i, j):
    other = permutation.copy()
    other[[i, j]] = other[[j, i]]
    return other


@given(students_and_teachers(students=2), st.data())
def test_change_by_a_swap_is_the_difference_of_two_losses(drawn, data):
    """A swap is found with a little more room than it needs, and not found with a little less."""
    net_a, net_b, teacher = drawn
    m = net_a.width
    if m == 1:
        return
    permutation, t = data.draw(permutations(m)), data.draw(st.floats(0, 1))
    loss = lmc.PopulationLoss(teacher)
    arrangement = arrange(loss, net_a, net_b, permutation)
    i, j = sorted(data.draw(st.lists(st.integers(0, m - 1), min_size=2, max_size=2, unique=True)))
    if data.draw(st.booleans()):  # from an arrangement that is already the result of a swap
        arrangement.exchange(i, j)
        permutation = swapped(permutation, i, j)
        np.testing.assert_array_equal(arrangement.permutation, permutation)
    number = list(combinations(range(m), 2)).index((i, j))
    values = [mixed_loss(net_a, net_b.permute(p), teacher, t) for p in (permutation, swapped(permutation, i, j))]
    change, tolerance = values[1] - values[0], 1e-300 + 4 * path_floor(net_a, net_b.permute(permutation), teacher)
    for position in range(2):  # the first position and the others go different ways
        ts = np.array([0.3, 0.3])
        ts[position] = t
        for room, expected in ((change + tolerance, (i, j, 1)), (change - tolerance, (-1, -1, 1))):
            rooms = np.full(2, np.inf)
            rooms[position] = room
            assert arrangement.first_swap(ts, rooms, number, 1) == expected


def mixed_loss(net_a, net_b, teacher, t):
    return lmc.population_loss(Net((1 - t) * net_a.W + t * net_b.W, (1 - t) * net_a.a + t * net_b.a), teacher)


def test_swaps_are_tried_in_cyclic_order():
    net, teacher = random_net(4, 3, 0), lmc.orthonormal_teacher(2, 3)
    arrangement = arrange(lmc.PopulationLoss(teacher), net, net, np.arange(4))
    nothing, everything = np.array([-np.inf]), np.array([np.inf])
    ts = np.array([0.5])
    found = [arrangement.first_swap(ts, everything, start, 6) for start in range(6)]
    assert found == [(i, j, 1) for i, j in combinations(range(4), 2)]
    assert arrangement.first_swap(ts, nothing, 3, 6) == (-1, -1, 6)


@pytest.mark.jit
@settings(max_examples=30)
@given(students_and_teachers(students=2), st.sampled_from(["gaussian", "sphere"]))
def test_result_is_a_local_minimum_and_says_what_barrier_says(drawn, inputs):
    net_a, net_b, teacher = drawn
    found = lmc.align(net_a, net_b, "barrier", objective=teacher, inputs=inputs)
    same = lmc.barrier(net_a, net_b, teacher, found, inputs=inputs)
    assert (found.height, found.position, found.loss_floor) == (same.height, same.position, same.loss_floor)
    starts = {name: lmc.barrier(net_a, net_b, teacher, name, inputs=inputs).height for name in ("weights", "activations")}
    assert found.trace[0] == starts[found.started_from] == min(starts.values())
    assert (np.diff(found.trace) < 0).all()
    assert (found.trace[-1], len(found.trace)) == (found.height, found.swaps + 1)
    for i, j in combinations(range(net_a.width), 2):
        other = lmc.barrier(net_a, net_b, teacher, swapped(found.permutation, i, j), inputs=inputs)
        # a screen is as exact as the loss itself
        assert other.height >= found.height * (1 - GAIN) - found.loss_floor - other.loss_floor


@pytest.mark.parametrize("grid_size", [5, 33])
def test_heights_are_those_on_the_same_grid(grid_size):
    net_a, net_b = uniform_minima(3, 7, 28)
    teacher = lmc.orthonormal_teacher(3, 3)
    found = lmc.align(net_a, net_b, "barrier", objective=teacher, grid_size=grid_size)
    assert found.height == lmc.barrier(net_a, net_b, teacher, "barrier", grid_size=grid_size).height


@pytest.mark.jit
@pytest.mark.parametrize("noise", [0.0, 1e-10, 1e-3])
def test_planted_permutation_is_recovered(noise):
    net, perm = random_net(12, 5, 0), np.random.default_rng(0).permutation(12)
    other = net.permute(perm)
    noisy = Net(other.W + noise * np.random.default_rng(1).normal(size=other.W.shape), other.a)
    found = lmc.align(net, noisy, "barrier", objective=lmc.orthonormal_teacher(3, 5))
    np.testing.assert_array_equal(found.permutation, np.argsort(perm))


def test_search_leaves_an_assignment_that_is_wrong():
    """Networks that compute the same with other signs and scales: the weights are matched the wrong way round."""
    net_a = Net([[1.0, 0.0], [0.0, 1.0], [0.3, 0.3]], [3.0, 1.0, 0.1])
    net_b = Net([[0.1, 0.0], [0.0, 3.0], [0.3, 0.3]], [30.0, 1 / 3, 0.1]).permute([1, 2, 0])
    teacher = lmc.orthonormal_teacher(2, 2)
    heights = {p: lmc.barrier(net_a, net_b, teacher, p).height for p in all_permutations(range(3))}
    found = lmc.align(net_a, net_b, "barrier", objective=teacher)
    assert found.height == min(heights.values())


@pytest.mark.jit
@pytest.mark.parametrize("m", [3, 4, 5])
def test_search_finds_the_optimum_between_small_minima(m):
    teacher = lmc.orthonormal_teacher(3, 3)
    for seed in range(3):
        net_a, net_b = uniform_minima(3, m, seed)
        found = lmc.align(net_a, net_b, "barrier", objective=teacher)
        best = min(lmc.barrier(net_a, net_b, teacher, p, grid_size=9).height for p in all_permutations(range(m)))
        assert found.height == pytest.approx(best, rel=1e-6, abs=found.loss_floor)


@pytest.mark.jit
@settings(max_examples=20)
@given(data=st.data())
def test_order_of_neurons_does_not_matter(data):
    """First improvement depends on the order: the heights agree where both searches end in the optimum, as here."""
    net_a, net_b = uniform_minima(3, 7, 28)
    teacher = lmc.orthonormal_teacher(3, 3)
    perm_a, perm_b = data.draw(permutations(7)), data.draw(permutations(7))
    direct = lmc.align(net_a, net_b, "barrier", objective=teacher)
    moved = lmc.align(net_a.permute(perm_a), net_b.permute(perm_b), "barrier", objective=teacher)
    assert direct.swaps > 0
    assert moved.height == pytest.approx(direct.height, rel=1e-9)


def test_sphere_has_the_same_permutation_and_a_barrier_d_times_lower():
    net_a, net_b = uniform_minima(3, 7, 28)
    teacher = lmc.orthonormal_teacher(3, 3)
    plain, sphere = (lmc.align(net_a, net_b, "barrier", objective=teacher, inputs=inputs) for inputs in ("gaussian", "sphere"))
    assert plain.swaps > 0
    np.testing.assert_array_equal(plain.permutation, sphere.permutation)
    assert sphere.height == pytest.approx(plain.height / 3, rel=1e-12)


def test_barriers_of_pairs_take_the_search_as_a_method():
    networks, teacher = [random_net(5, 3, seed) for seed in range(3)], lmc.orthonormal_teacher(2, 3)
    found = lmc.pairwise_barriers(networks, teacher, ("weights", "barrier"), inputs="sphere")
    single = [lmc.align(networks[i], networks[j], "barrier", objective=teacher, inputs="sphere").height for i, j in found.pairs]
    np.testing.assert_allclose(found.by_method["barrier"], single, rtol=0, atol=found.loss_floors.min())
    assert (found.by_method["barrier"] <= found.by_method["weights"] + found.loss_floors).all()


def test_search_stops_where_the_barrier_is_zero():
    net, teacher = random_net(6, 4, 0), lmc.orthonormal_teacher(2, 4)
    found = lmc.align(net, net.permute([3, 1, 0, 2, 5, 4]), "barrier", objective=teacher)
    assert found.height <= found.loss_floor
    assert found.swaps == 0
    single = lmc.align(random_net(1, 4, 1), random_net(1, 4, 2), "barrier", objective=teacher)
    assert (single.permutation.tolist(), single.swaps, single.trial_swaps) == ([0], 0, 0)
