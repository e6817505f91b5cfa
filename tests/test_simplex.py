import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import EPS, mp_loss

import lmctheory as lmc
from lmctheory.families.simplex import Simplex, edge_directions, lattice, lattice_steps
from lmctheory.strategies import permutations, students_and_teachers

Net = lmc.TwoLayerNet


def random_nets(k, m, d, seed, signs=False):
    rng = np.random.default_rng([k, m, d, seed])
    return [Net(rng.normal(size=(m, d)), rng.normal(size=m) if signs else None) for _ in range(k)]


def near_minima(k, m, M, d, seed):
    """Networks near global minima of the orthonormal teacher, between which there are barriers, and the teacher."""
    rng = np.random.default_rng([k, m, d, seed])
    minima = [lmc.sample_minimum(M, m, rng=rng).to_network(d) for _ in range(k)]
    return [Net(net.W + 0.1 * rng.normal(size=net.W.shape)) for net in minima], lmc.orthonormal_teacher(M, d)


def mixed(networks, s):
    """The network at barycentric coordinates s."""
    return Net(
        sum(x * net.W for x, net in zip(s, networks, strict=True)), sum(x * net.a for x, net in zip(s, networks, strict=True))
    )


def simplex_floor(networks, teacher):
    """A bound on rounding errors of the loss anywhere on the simplex, as `reference.path_floor` for segments."""
    norms = np.max([np.linalg.norm(net.W, axis=1) for net in networks], axis=0)
    outputs = np.max([np.abs(net.a) for net in networks], axis=0)
    return 4 * EPS * ((norms * outputs).sum() + (np.linalg.norm(teacher.W, axis=1) * np.abs(teacher.a)).sum()) ** 2


# --- the lattice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "steps", "count"), [(1, 5, 1), (2, 4, 5), (3, 4, 15), (4, 3, 20), (6, 1, 6)])
def test_lattice_holds_every_point_once_with_its_neighbours(k, steps, count):
    points, neighbours = lattice(k, steps)
    assert points.shape == (count, k)
    assert len({tuple(row) for row in np.rint(points * steps).astype(int)}) == count
    np.testing.assert_allclose(points.sum(axis=1), 1.0)
    assert points.min() >= 0
    for g, row in enumerate(neighbours):
        near = np.flatnonzero(np.isclose(np.abs(points - points[g]).sum(axis=1), 2 / steps))
        assert set(row) - {g} == set(near)


def test_lattice_size_is_limited():
    assert lattice_steps(2, 32, 600) == 32
    for k in (3, 4, 6, 12, 40):
        steps = lattice_steps(k, 32, 600)
        assert len(lattice(k, steps)[0]) <= 600 or steps == 1
    assert lattice_steps(3, 32, 600) == 32
    assert lattice_steps(4, 32, 600) == 13


def test_edge_directions_are_all_differences_of_corners():
    found = {tuple(row) for row in edge_directions(3)}
    assert found == {(1, -1, 0), (1, 0, -1), (0, 1, -1), (-1, 1, 0), (-1, 0, 1), (0, -1, 1)}


# --- losses ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(students_and_teachers(students=3), st.integers(0, 99))
def test_losses_are_those_of_the_mixed_networks(drawn, seed):
    *networks, teacher = drawn
    simplex = Simplex(lmc.PopulationLoss(teacher), networks)
    points = np.random.default_rng(seed).dirichlet(np.ones(3), size=3)
    points = np.vstack([points, np.eye(3), [[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]])
    for s, value, floor in zip(points, simplex(points), simplex.floor(points), strict=True):
        assert abs(value - lmc.population_loss(mixed(networks, s), teacher)) <= 2 * simplex_floor(networks, teacher)
        assert floor <= simplex_floor(networks, teacher)


def test_losses_agree_with_high_precision_arithmetic():
    networks, teacher = random_nets(3, 4, 3, 0, signs=True), random_nets(1, 2, 3, 1)[0]
    simplex = Simplex(lmc.PopulationLoss(teacher), networks)
    for s in ([0.25, 0.5, 0.25], [0.0, 0.125, 0.875]):
        exact = float(mp_loss(mixed(networks, s), teacher))
        assert abs(simplex(np.array([s]))[0] - exact) <= simplex.floor(np.array([s]))[0]


@pytest.mark.jit
def test_many_neurons_go_through_several_blocks():
    networks, teacher = random_nets(3, 150, 4, 0), lmc.orthonormal_teacher(2, 4)
    s = np.array([[0.2, 0.3, 0.5]])
    simplex = Simplex(lmc.PopulationLoss(teacher), networks)
    assert simplex(s)[0] == pytest.approx(lmc.population_loss(mixed(networks, s[0]), teacher), rel=1e-13)


# --- the barrier ----------------------------------------------------------------------------------------------------


def test_rotated_teachers():
    """At the barycentre of all cyclic shifts of the teacher every neuron is the mean of its neurons."""
    teacher = lmc.orthonormal_teacher(3, 5)
    networks = [teacher, teacher.permute([1, 2, 0]), teacher.permute([2, 0, 1])]
    found = lmc.simplex_barrier(networks, teacher)
    np.testing.assert_allclose(found.position, 1 / 3, atol=1e-6)
    exact = float(mp_loss(mixed(networks, np.full(3, 1 / 3)), teacher))
    assert found.height == pytest.approx(exact, abs=found.loss_floor)
    assert found.barycentre == pytest.approx(exact, abs=found.loss_floor)
    edges = [lmc.barrier(networks[i], networks[j], teacher).height for i, j in found.pairs]
    np.testing.assert_allclose(found.edges, edges, atol=found.loss_floor)
    sphere = lmc.simplex_barrier(networks, teacher, inputs="sphere")
    assert sphere.height == pytest.approx(found.height / 5)
    assert sphere.loss_floor == pytest.approx(found.loss_floor / 5)
    aligned = lmc.simplex_barrier(networks, teacher, [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
    assert aligned.height <= aligned.loss_floor


@pytest.mark.parametrize("seed", range(6))
def test_height_is_the_maximum_of_dense_sampling(seed):
    k, m, M, d = [(3, 2, 2, 3), (3, 5, 3, 4), (4, 3, 3, 4), (5, 4, 4, 6), (3, 1, 2, 2), (6, 3, 3, 5)][seed]
    networks, teacher = near_minima(k, m, M, d, seed) if m > 1 else (random_nets(k, m, d, 8), lmc.orthonormal_teacher(M, d))
    found = lmc.simplex_barrier(networks, teacher)
    assert found.height > 0.01

    def excess(points):
        values = [reference.loss_and_gradient(mixed(networks, s).W, networks[0].a, teacher.W, teacher.a)[0] for s in points]
        return np.array(values) - points @ found.corner_losses

    draw = np.random.default_rng(seed)
    np.testing.assert_allclose(excess(np.eye(k)), 0, atol=1e-12)
    assert excess(draw.dirichlet(np.ones(k), size=400)).max() <= found.height
    assert excess(found.position[None])[0] == pytest.approx(found.height, abs=1e-12)
    for radius in (1e-2, 1e-3, 1e-5):
        near = np.maximum(found.position + radius * draw.normal(size=(100, k)), 0)
        assert excess(near / near.sum(axis=1, keepdims=True)).max() <= found.height * (1 + 1e-12)


@pytest.mark.jit
@settings(max_examples=25)
@given(students_and_teachers(students=3))
def test_height_covers_edges_lattice_and_barycentre(drawn):
    *networks, teacher = drawn
    found = lmc.simplex_barrier(networks, teacher, grid_size=7)
    assert found.height >= found.edges.max() >= 0
    assert found.height >= found.barycentre
    excess = found.losses - found.grid @ found.corner_losses
    inside = found.grid.max(axis=1) < 1
    assert found.height >= excess[inside].max()
    assert found.position.min() >= 0
    assert found.position.sum() == pytest.approx(1.0)
    floor = simplex_floor(networks, teacher)
    for height, (i, j) in zip(found.edges, found.pairs, strict=True):
        assert abs(height - lmc.barrier(networks[i], networks[j], teacher).height) <= (4 + 8e-14 / (4 * EPS)) * floor


@settings(max_examples=25)
@given(students_and_teachers(students=2))
def test_two_networks_have_their_barrier_and_one_has_none(drawn):
    net_a, net_b, teacher = drawn
    alone = lmc.simplex_barrier([net_a], teacher)
    assert (alone.height, alone.barycentre, alone.position.tolist()) == (0.0, 0.0, [1.0])
    assert alone.edges.size == 0
    found, pair = lmc.simplex_barrier([net_a, net_b], teacher), lmc.barrier(net_a, net_b, teacher)
    tolerance = (4 + 8e-14 / (4 * EPS)) * simplex_floor([net_a, net_b], teacher)
    assert abs(found.height - pair.height) <= tolerance
    np.testing.assert_allclose(np.sort(found.grid[:, 1]), pair.grid)


def test_copies_add_nothing():
    """The simplex of A, B and B again is the segment from A to B."""
    (net_a, net_b), teacher = near_minima(2, 4, 3, 3, 1)
    pair = lmc.barrier(net_a, net_b, teacher)
    found = lmc.simplex_barrier([net_a, net_b, net_b], teacher)
    assert found.height == pytest.approx(pair.height, abs=1e-12)
    assert found.position[0] == pytest.approx(1 - pair.position, abs=1e-5)


@pytest.mark.parametrize("beta", [0.3, 0.5, 0.9])
def test_maximum_at_a_kink_is_exact(beta):
    """As for `barrier`: a neuron crosses zero at 1/(1 + beta)."""
    teacher = lmc.orthonormal_teacher(1, 3)
    found = lmc.simplex_barrier([teacher, Net(-beta * teacher.W), teacher], teacher)
    assert found.height == pytest.approx(0.5 - (beta**2 + 1) / (1 + beta) / 2, abs=found.loss_floor)


@pytest.mark.jit
@settings(max_examples=20)
@given(st.data())
def test_permutations_are_applied_and_common_ones_change_nothing(data):
    networks, teacher = near_minima(3, 4, 2, 3, 2)
    perms = np.array([data.draw(permutations(4)) for _ in range(3)])
    given_perms = lmc.simplex_barrier(networks, teacher, perms, grid_size=5)
    moved = [net.permute(perm) for net, perm in zip(networks, perms, strict=True)]
    assert given_perms.height == lmc.simplex_barrier(moved, teacher, grid_size=5).height
    np.testing.assert_array_equal(given_perms.permutations, perms)
    common = data.draw(permutations(4))
    alike = lmc.simplex_barrier(networks, teacher, perms[:, common], grid_size=5)
    assert alike.height == pytest.approx(given_perms.height, abs=1e-12)


def test_order_of_networks_does_not_matter():
    networks, teacher = near_minima(4, 5, 3, 4, 3)
    found, turned = lmc.simplex_barrier(networks, teacher), lmc.simplex_barrier(networks[::-1], teacher)
    assert found.height == pytest.approx(turned.height, rel=1e-12)
    np.testing.assert_allclose(found.position, turned.position[::-1], atol=1e-5)


def test_floor_covers_a_simplex_on_which_the_function_vanishes():
    u = np.array([0.3, 0.7, -0.2])
    networks = [Net([s * u, s * u], [1 / s, -1 / s]) for s in (0.03, 1.0, 30.0)]
    found = lmc.simplex_barrier(networks, lmc.orthonormal_teacher(2, 3))
    assert found.height <= found.loss_floor


def test_convex_simplex_has_no_barrier():
    """On one ray the loss is a parabola."""
    teacher = lmc.orthonormal_teacher(1, 3)
    assert lmc.simplex_barrier([Net(x * teacher.W) for x in (0.2, 1.0, 3.0)], teacher).height == 0.0


# --- unequal widths -------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(students_and_teachers(students=1), st.integers(0, 3))
def test_padding_keeps_the_function(drawn, extra):
    net, teacher = drawn
    padded = net.pad(net.width + extra, output=-0.5)
    assert padded.width == net.width + extra
    X = np.random.default_rng(0).normal(size=(5, net.input_dim))
    np.testing.assert_allclose(padded(X), net(X), rtol=1e-12, atol=1e-12)
    assert lmc.population_loss(padded, teacher) == pytest.approx(lmc.population_loss(net, teacher), rel=1e-12, abs=1e-15)
    assert (padded.a[net.width :] == -0.5).all()


def test_narrower_networks_are_padded():
    (net_a,), (net_b,), teacher = random_nets(1, 2, 3, 0), random_nets(1, 4, 3, 0), lmc.orthonormal_teacher(2, 3)
    found = lmc.simplex_barrier([net_a, net_b], teacher)
    assert found.height == pytest.approx(lmc.barrier(net_a.pad(4), net_b, teacher).height, abs=found.loss_floor)
    assert found.permutations.shape == (2, 4)
