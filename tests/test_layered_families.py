"""Three and more networks of any depth, and on data; sequences of them."""

import numpy as np
import pytest
from layered_nets import parameters, random_data, random_layered, random_permutation, random_two_layer, related

import lmctheory as lmc
from lmctheory.alignment.similarity import similarity_of
from lmctheory.families.assignments import by_mean
from lmctheory.families.members import Family

SHAPES = ((3, 5, 2), (2, 4, 3, 2), (3, 3, 1, 4, 2))
shapes = pytest.mark.parametrize("shape", SHAPES)


def family_of(shape, seed, loss="cross-entropy"):
    """Three networks that compute the same, and data that they fit."""
    net_a, net_b, data = related(shape, seed, loss)
    return [net_a, net_b, net_b.permute(random_permutation(net_b, seed + 1))], data


def copies_of(shape, seed=0):
    net = random_layered(shape, seed)
    return [net, *(net.permute(random_permutation(net, k)) for k in (1, 2, 3))], random_data(
        shape[0], shape[-1], "cross-entropy", 200
    )


def mixed(networks, point):
    return lmc.LayeredNet(
        [sum(s * W for s, W in zip(point, Ws, strict=True)) for Ws in zip(*(net.weights for net in networks), strict=True)],
        [sum(s * b for s, b in zip(point, bs, strict=True)) for bs in zip(*(net.biases for net in networks), strict=True)],
    )


@shapes
@pytest.mark.parametrize("loss", ["squared", "cross-entropy", "error"])
def test_the_loss_on_the_simplex_is_that_of_the_mixed_network(shape, loss, monkeypatch):
    monkeypatch.setattr("lmctheory.objectives.mixtures.BLOCK_FLOATS", 512)  # several blocks of inputs
    networks, data = family_of(shape, 0, loss)
    perms = [random_permutation(networks[0], k) for k in range(3)]
    found = lmc.simplex_barrier(networks, data, perms, grid_size=5)
    permuted = [net.permute(perm) for net, perm in zip(networks, perms, strict=True)]
    for point, value in zip(found.grid, found.losses, strict=True):
        assert value == pytest.approx(data(mixed(permuted, point)), rel=1e-10, abs=1e-12)
    assert found.corner_losses == pytest.approx([data(net) for net in networks], abs=1e-12)
    centre = data(mixed(permuted, [1 / 3] * 3)) - found.corner_losses.mean()
    assert found.barycentre == pytest.approx(centre, rel=1e-9, abs=1e-12)
    top = data(mixed(permuted, found.position)) - found.position @ found.corner_losses
    assert found.height == pytest.approx(top, rel=1e-9, abs=1e-12)
    assert found.height >= max(found.edges.max(), found.barycentre, 0.0)


@shapes
def test_two_networks_span_their_segment(shape):
    net_a, net_b, data = related(shape, 1, "squared")
    segment, simplex = lmc.barrier(net_a, net_b, data), lmc.simplex_barrier([net_a, net_b], data)
    assert simplex.height == pytest.approx(segment.height, rel=1e-12, abs=segment.loss_floor)
    assert simplex.position[1] == pytest.approx(segment.position, abs=1e-6)
    assert segment.height > 0.1


def test_a_large_gaussian_sample_gives_the_simplex_of_the_population_loss():
    teacher, X = lmc.orthonormal_teacher(3, 3), np.random.default_rng(0).normal(size=(20_000, 3))
    networks = [teacher, teacher.permute([1, 2, 0]), teacher.permute([2, 0, 1])]
    exact, on_data = (
        lmc.simplex_barrier(networks, objective, grid_size=9) for objective in (teacher, lmc.DataLoss(X, teacher(X)))
    )
    middle = lmc.TwoLayerNet(np.full((3, 3), 1 / 3))
    spread = np.std(np.square(middle(X) - teacher(X))) / np.sqrt(len(X))
    assert abs(exact.barycentre - on_data.barycentre) < 5 * spread
    assert on_data.position == pytest.approx(exact.position, abs=0.05)


@shapes
@pytest.mark.parametrize("method", ["reference", "mean", "synchronise", "barrier"])
@pytest.mark.parametrize("pairwise", ["weights", "activations"])
def test_permuted_copies_are_put_back_together(shape, method, pairwise):
    networks, data = copies_of(shape)
    found = lmc.align_many(networks, method, objective=data, pairwise=pairwise, grid_size=5)
    assert found.height <= found.loss_floor
    np.testing.assert_array_equal(found.permutations[0], np.arange(networks[0].width))
    for net in found.networks:
        np.testing.assert_allclose(parameters(net), parameters(networks[0]), rtol=1e-12)


@pytest.mark.parametrize("method", ["reference", "mean", "synchronise", "barrier"])
@pytest.mark.parametrize("pairwise", ["weights", "activations"])
def test_two_layer_networks_and_layered_ones_agree(method, pairwise):
    networks, data = [random_two_layer(5, 3, seed) for seed in range(3)], random_data(3, 1, "squared")
    layered = [lmc.LayeredNet.from_two_layer(net) for net in networks]
    two, other = (lmc.align_many(nets, method, objective=data, pairwise=pairwise, grid_size=5) for nets in (networks, layered))
    np.testing.assert_array_equal(two.permutations, other.permutations)
    np.testing.assert_allclose(two.trace, other.trace, rtol=1e-12)
    assert two.height == other.height
    assert two.simplex.height == other.simplex.height


@shapes
@pytest.mark.parametrize("pairwise", ["weights", "activations"])
def test_aligning_with_the_mean_raises_the_similarity_until_no_layer_of_a_network_gains(shape, pairwise):
    networks, data = family_of(shape, 2)
    family = Family(networks, data)
    found = by_mean(family, pairwise)
    measures = [(i, j, similarity_of(networks[i], networks[j], pairwise, data)) for i, j in family.pairs]

    def total(permutations):
        parts = [net.split(perm) for net, perm in zip(networks, permutations, strict=True)]
        return sum(measure.total(parts[i], parts[j]) for i, j, measure in measures)

    assert (np.diff(found.trace) > 0).all()
    assert found.trace[-1] == pytest.approx(total(found.permutations), rel=1e-10)
    starts = [np.stack([lmc.align(net, other, pairwise, objective=data).permutation for other in networks]) for net in networks]
    assert found.trace[-1] >= max(total(start) for start in starts) - 1e-9
    for k in range(len(networks)):
        for layer in networks[0].layers:
            for i in range(layer.start, layer.stop):
                for j in range(layer.start, i):
                    other = found.permutations.copy()
                    other[k, [i, j]] = other[k, [j, i]]
                    assert total(other) <= found.trace[-1] + 1e-9


@pytest.mark.jit
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_swaps_lower_the_worst_pair_to_a_local_minimum(shape):
    networks, data = family_of(shape, 3)
    start = [random_permutation(networks[0], k) for k in range(3)]
    found = lmc.align_many(networks, "barrier", objective=data, start=start, grid_size=5)
    before = lmc.pairwise_barriers([n.permute(p) for n, p in zip(networks, start, strict=True)], data, "none", grid_size=5)
    assert found.trace[0] == before.heights.max() > 0.01
    assert found.trace[-1] < found.trace[0]
    assert found.height == pytest.approx(found.trace[-1], rel=1e-12)  # products of matrices of other shapes round otherwise
    for k in range(3):
        for layer in networks[0].layers:
            for i in range(layer.start, layer.stop):
                for j in range(layer.start, i):
                    other = [net for net in found.networks]
                    swap = np.arange(networks[0].width)
                    swap[[i, j]] = j, i
                    other[k] = other[k].permute(swap)
                    worst = lmc.pairwise_barriers(other, data, "none", grid_size=5).heights.max()
                    assert worst >= found.height * (1 - 1e-9) - 2 * found.loss_floor


@pytest.mark.jit
def test_weak_is_at_most_strong_and_the_assignments_at_least_the_swaps():
    networks, data = family_of((2, 4, 3, 2), 4)
    rough, fine = (lmc.weak_connectivity(networks, data, search, grid_size=5) for search in ("assignments", "swaps"))
    for found in (rough, fine):
        assert 0 <= found.height <= found.strong.height
        assert not found.is_optimal
    assert fine.height <= rough.height
    assert fine.strong.height <= rough.strong.height
    single = lmc.strong_connectivity(networks, data, "assignments", grid_size=5)
    assert single.height == rough.strong.height


def test_cycles_of_copies_close():
    networks, data = copies_of((3, 4, 3, 2))
    for method in ("weights", "activations"):
        found = lmc.cycle_consistency(networks, data, method, grid_size=5)
        assert (found.fixed == 1).all()
        assert found.chance == pytest.approx(2 / 7)
    shuffled = [random_permutation(networks[0], k) == np.arange(7) for k in range(2000)]
    assert np.mean(shuffled) == pytest.approx(found.chance, abs=0.02)  # the standard error is about 0.004


@pytest.mark.parametrize("similarity", ["weights", "activations"])
def test_sequences_of_layered_networks(similarity):
    """Steps of one network on its way to another, the second sequence permuted: one permutation serves all."""
    start, end = random_layered((3, 5, 4, 2), 0), random_layered((3, 5, 4, 2), 1)
    X = np.random.default_rng(0).normal(size=(200, 3))
    data = lmc.DataLoss(X, start(X))
    seq_a = [mixed([start, end], [1 - t, t]) for t in (0.0, 0.3, 0.6)]
    perm = random_permutation(start, 2)
    seq_b = [net.permute(perm) for net in seq_a]
    for method in ("each", "last", "joint"):
        found = lmc.align_sequences(seq_a, seq_b, data, method, similarity)
        np.testing.assert_array_equal(found.permutations, np.tile(np.argsort(perm), (3, 1)))
        assert (found.scores <= found.loss_floors.max()).all()
        assert (found.unaligned > 0.01).any()
    one_hot = lmc.align_sequences(seq_a, seq_b[::-1], data, "joint", similarity, weights=[0, 2, 0])
    each = lmc.align_sequences(seq_a, seq_b[::-1], data, "each", similarity)
    np.testing.assert_array_equal(one_hot.permutations[0], each.permutations[1])


def test_two_layer_sequences_agree_with_layered_ones_on_data():
    networks, data = [random_two_layer(5, 3, seed) for seed in range(4)], random_data(3, 1, "squared")
    layered = [lmc.LayeredNet.from_two_layer(net) for net in networks]
    for method in ("each", "joint"):
        two, other = (lmc.align_sequences(nets[:2], nets[2:], data, method) for nets in (networks, layered))
        np.testing.assert_array_equal(two.permutations, other.permutations)
        np.testing.assert_array_equal(two.barriers, other.barriers)
