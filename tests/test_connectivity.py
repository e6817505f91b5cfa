import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from reference import EPS, mp_path_loss, path_floor
from scipy.optimize import minimize_scalar

import lmctheory as lmc
from lmctheory.strategies import permutations, students_and_teachers

METHODS = ("weights", "activations")
Net = lmc.TwoLayerNet


def random_net(m, d, seed, signs=False):
    rng = np.random.default_rng([m, d, seed])
    return Net(rng.normal(size=(m, d)), rng.normal(size=m) if signs else None)


def tolerance(net_a, net_b, teacher):
    """Rounding of the losses in two heights, and half the curvature, at most 16 sums of terms, times the square of 1e-7."""
    return (4 + 8e-14 / (4 * EPS)) * path_floor(net_a, net_b, teacher)


def chord_excess(barrier):
    losses, t = barrier.losses, barrier.grid
    return losses - (1 - t) * losses[0] - t * losses[-1]


# --- known values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 50])
def test_swapped_teacher(d):
    """The worked example: two neurons exchanged, M = 2, give (pi/2 - 1)/pi at the midpoint, and 0 modulo permutation."""
    teacher = lmc.orthonormal_teacher(2, d)
    swapped = teacher.permute([1, 0])
    found = lmc.barrier(teacher, swapped, teacher)
    assert found.height == pytest.approx((np.pi / 2 - 1) / np.pi, abs=1e-14)
    assert found.position == pytest.approx(0.5, abs=1e-6)
    for align in (*METHODS, [1, 0], lmc.align(teacher, swapped)):
        aligned = lmc.barrier(teacher, swapped, teacher, align=align)
        assert aligned.height <= aligned.loss_floor
    sphere = lmc.barrier(teacher, swapped, teacher, inputs="sphere")
    assert sphere.height == pytest.approx(found.height / d, rel=1e-12)
    assert sphere.loss_floor == pytest.approx(found.loss_floor / d)


@pytest.mark.parametrize("beta", [1e-3, 0.3, 0.5, 0.9, 1.7])
@pytest.mark.parametrize("d", [1, 3])
def test_maximum_at_a_kink_is_exact(beta, d):
    """A neuron that crosses zero at t0 = 1/(1 + beta) puts a kink there, where the excess has its maximum but is not flat."""
    teacher = lmc.orthonormal_teacher(1, d)
    found = lmc.barrier(teacher, Net(-beta * teacher.W), teacher)
    t0 = 1 / (1 + beta)
    assert found.height == pytest.approx(max(0.0, 0.5 - t0 * (beta**2 + 1) / 2), abs=found.loss_floor)
    if beta < 1:
        assert found.position == pytest.approx(t0, abs=1e-12)


def test_one_neuron_on_one_ray_has_no_barrier():
    """Along one ray the loss is a parabola: convex."""
    teacher = lmc.orthonormal_teacher(1, 3)
    assert lmc.barrier(Net(0.2 * teacher.W), Net(3 * teacher.W), teacher).height == 0.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["chord", "endpoint-mean"])
def test_height_is_the_maximum_of_an_independent_search(seed, kind):
    m, M, d = [(2, 2, 2), (3, 2, 4), (5, 3, 3), (1, 2, 2), (6, 4, 8), (8, 4, 4), (4, 4, 4), (2, 1, 3)][seed]
    net_a, net_b, teacher = random_net(m, d, seed), random_net(m, d, seed + 50), random_net(M, d, seed + 100)

    def loss(t):
        W = (1 - t) * net_a.W + t * net_b.W
        return reference.loss_and_gradient(W, net_a.a, teacher.W, teacher.a)[0]

    start, end = loss(0.0), loss(1.0)

    def excess(t):
        return loss(t) - ((1 - t) * start + t * end if kind == "chord" else (start + end) / 2)

    grid = np.linspace(0, 1, 1001)
    values = np.array([excess(t) for t in grid])
    best = int(np.argmax(values))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, 1000)]
    refined = minimize_scalar(lambda t: -excess(t), bounds=bounds, method="bounded", options={"xatol": 1e-9})
    found = lmc.barrier(net_a, net_b, teacher, kind=kind)
    assert found.height == pytest.approx(max(0.0, values.max(), -refined.fun), abs=1e-10)
    assert found.height >= values.max() - 1e-12


def test_refined_height_agrees_with_high_precision_arithmetic():
    net_a, net_b, teacher = random_net(3, 3, 0, True), random_net(3, 3, 1, True), random_net(2, 3, 2, True)
    found = lmc.barrier(net_a, net_b, teacher)
    start, end, top = (float(mp_path_loss(net_a, net_b, teacher, t)) for t in (0, 1, found.position))
    exact = top - (1 - found.position) * start - found.position * end
    assert found.height == pytest.approx(exact, abs=2 * path_floor(net_a, net_b, teacher))


# --- properties -----------------------------------------------------------------------------------------------------


@given(students_and_teachers(students=2))
def test_height_covers_the_grid_and_matches_the_path(drawn):
    net_a, net_b, teacher = drawn
    found = lmc.barrier(net_a, net_b, teacher)
    assert found.height >= max(0.0, chord_excess(found)[1:-1].max() - path_floor(net_a, net_b, teacher))
    assert 0 <= found.position <= 1
    assert found.grid[[0, -1]].tolist() == [0.0, 1.0]
    for t in (0.0, 0.5, 1.0):
        net = Net((1 - t) * net_a.W + t * net_b.W, (1 - t) * net_a.a + t * net_b.a)
        k = np.argmin(np.abs(found.grid - t))
        assert abs(found.losses[k] - lmc.population_loss(net, teacher)) <= 2 * path_floor(net_a, net_b, teacher)


@pytest.mark.parametrize("kind", ["chord", "endpoint-mean", "midpoint"])
@given(data=st.data())
def test_height_is_symmetric_under_exchange_of_the_ends(kind, data):
    net_a, net_b, teacher = data.draw(students_and_teachers(students=2))
    perm = data.draw(st.none() | permutations(net_a.width))
    inverse = None if perm is None else np.argsort(perm)
    forward = lmc.barrier(net_a, net_b, teacher, align=perm, kind=kind)
    backward = lmc.barrier(net_b, net_a, teacher, align=inverse, kind=kind)
    other = net_b if perm is None else net_b.permute(perm)
    assert abs(forward.height - backward.height) <= tolerance(net_a, other, teacher)


@given(st.data())
def test_given_permutation_is_applied_to_the_second_network(data):
    net_a, net_b, teacher = data.draw(students_and_teachers(students=2))
    perm = data.draw(permutations(net_a.width))
    found = lmc.barrier(net_a, net_b, teacher, align=perm)
    direct = lmc.barrier(net_a, net_b.permute(perm), teacher)
    assert found.height == direct.height
    np.testing.assert_array_equal(found.permutation, perm)
    assert (found.method, direct.method) == ("given", "none")
    np.testing.assert_array_equal(direct.permutation, np.arange(net_a.width))


@given(st.data())
def test_permuting_both_ends_alike_changes_nothing(data):
    net_a, net_b, teacher = data.draw(students_and_teachers(students=2))
    perm = data.draw(permutations(net_a.width))
    heights = [lmc.barrier(a, b, teacher).height for a, b in ((net_a, net_b), (net_a.permute(perm), net_b.permute(perm)))]
    assert abs(heights[0] - heights[1]) <= tolerance(net_a, net_b, teacher)


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_barrier_modulo_alignment_does_not_see_the_order_of_neurons(method, data):
    m, d, seed = data.draw(st.integers(1, 8)), data.draw(st.integers(2, 5)), data.draw(st.integers(0, 99))
    net_a, net_b, teacher = random_net(m, d, seed, True), random_net(m, d, seed + 100, True), lmc.orthonormal_teacher(2, d)
    perm_a, perm_b = data.draw(permutations(m)), data.draw(permutations(m))
    direct = lmc.barrier(net_a, net_b, teacher, align=method)
    moved = lmc.barrier(net_a.permute(perm_a), net_b.permute(perm_b), teacher, align=method)
    aligned = net_b.permute(direct.permutation)
    assert abs(moved.height - direct.height) <= tolerance(net_a, aligned, teacher)
    assert moved.method == method


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_no_barrier_to_a_permuted_copy(method, data):
    m, d = data.draw(st.integers(1, 8)), data.draw(st.integers(2, 5))
    net, teacher = random_net(m, d, data.draw(st.integers(0, 99)), True), lmc.orthonormal_teacher(2, d)
    found = lmc.barrier(net, net.permute(data.draw(permutations(m))), teacher, align=method)
    assert found.height <= found.loss_floor


@given(students_and_teachers(students=2))
def test_midpoint_and_chord_are_consistent(drawn):
    chord, midpoint, mean = (lmc.barrier(*drawn, kind=kind) for kind in ("chord", "midpoint", "endpoint-mean"))
    floor = 2 * path_floor(*drawn)
    assert midpoint.position == 0.5
    assert chord.height >= midpoint.height - floor
    assert mean.height >= midpoint.height - floor
    assert mean.height >= abs(chord.losses[0] - chord.losses[-1]) / 2 - floor


@pytest.mark.parametrize("scale", [1.0, 0.3, 0.1, 0.03])
def test_floor_covers_rounding_along_the_whole_path(scale):
    """Pairs of neurons that cancel exactly: the function vanishes on the whole path, whose terms grow towards its middle."""
    u = np.array([0.3, 0.7, -0.2])
    net_a, net_b = Net([scale * u, scale * u], [1 / scale, -1 / scale]), Net([u / scale, u / scale], [scale, -scale])
    found = lmc.barrier(net_a, net_b, lmc.orthonormal_teacher(2, 3))
    assert found.height <= found.loss_floor


# --- many pairs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chord", "midpoint"])
@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_pairwise_barriers_are_the_single_ones(kind, inputs):
    networks, teacher = [random_net(4, 3, seed) for seed in range(5)], lmc.orthonormal_teacher(2, 3)
    found = lmc.pairwise_barriers(networks, teacher, ("none", *METHODS), kind, inputs=inputs)
    assert found.pairs.tolist() == [[i, j] for i in range(5) for j in range(i + 1, 5)]
    floors = {}
    for method, heights in found.by_method.items():
        align = None if method == "none" else method
        single = [lmc.barrier(networks[i], networks[j], teacher, align, kind, inputs=inputs) for i, j in found.pairs]
        np.testing.assert_allclose(heights, [one.height for one in single], rtol=0, atol=found.loss_floors.min())
        floors[method] = np.array([one.loss_floor for one in single])
    assert list(found.by_method) == ["none", *METHODS]
    lowest = np.argmin(list(found.by_method.values()), axis=0), np.arange(len(found.pairs))
    np.testing.assert_array_equal(found.heights, np.array(list(found.by_method.values()))[lowest])
    np.testing.assert_allclose(found.loss_floors, np.array(list(floors.values()))[lowest], rtol=1e-12)
    assert found.kind == kind


@pytest.mark.jit
def test_pairwise_barriers_have_the_same_bits_at_any_thread_count(monkeypatch):
    networks, teacher = [random_net(8, 8, seed) for seed in range(10)], lmc.orthonormal_teacher(2, 8)
    monkeypatch.setattr("lmctheory.connectivity.CHUNK_FLOATS", 2**10)  # nine chunks of five pairs
    heights = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("LMCTHEORY_THREADS", threads)
        heights.append(lmc.pairwise_barriers(networks, teacher, grid_size=5).heights.tobytes())
    assert heights[0] == heights[1] == heights[2]
