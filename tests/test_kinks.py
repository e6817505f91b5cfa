"""Spikes of the loss on a segment, narrower than the grid: where neurons pass the origin, or nearly."""

from itertools import permutations

import numpy as np
import pairs
import pytest
from dense import dense_barrier
from reference import mp_path_loss

import lmctheory as lmc
from lmctheory.families.simplex import Edges, Simplex
from lmctheory.objectives.passages import feet_of_grams, narrow_passages, narrow_zeros, nearest_points

TEACHER = 0.01  # output weight of its only neuron, along the second axis
PLACES = [0.515, 2e-3, 1 - 2e-3, 0.25 + 1 / 64, 0.015]  # none on the grid


def hat(place, width, norm, turn=0.0):
    """Three neurons that cancel on the way but for a spike of the given half-width, at whose top f_t = norm |x_1|.

    Each passes the origin at a distance of `turn` times its speed. Returns networks and teacher.
    """
    feet = place + width * np.array([-1.0, 0.0, 1.0])
    speed, outputs = norm / width, [1.0, -2.0, 1.0]
    ends = [speed * np.stack([feet - t, np.full(3, turn)], axis=1) for t in (0.0, 1.0)]
    return *(lmc.TwoLayerNet(W, outputs) for W in ends), lmc.TwoLayerNet([[0.0, 1.0]], [TEACHER])


def arch(place, width, height):
    """Two neurons with output weights that change their sign: they cancel but for a parabola between the feet, f_t = -h |x_1|."""
    first, second = place - width / 2, place + width / 2
    factor = 4 * height / width**2
    ends = [
        lmc.TwoLayerNet([[t - first, 0.0], [t - second, 0.0]], [factor * (t - second), -factor * (t - first)]) for t in (0.0, 1.0)
    ]
    return *ends, lmc.TwoLayerNet([[0.0, 1.0]], [TEACHER])


def of_hat(norm):
    """E[(norm |x_1| - b relu(x_2))^2] less its value for norm 0; E|x_1| E[relu(x_2)] = 1 / pi."""
    return norm**2 - 2 * norm * TEACHER / np.pi


# --- spikes whose height is known ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [1e-3, 1e-5])
def test_top_of_a_hat_is_found(place, width):
    net_a, net_b, teacher = hat(place, width, 0.8)
    found = lmc.barrier(net_a, net_b, teacher)
    assert found.height == pytest.approx(of_hat(0.8), rel=1e-8, abs=2 * found.loss_floor)
    assert found.position == pytest.approx(place, abs=1e-6 * width + 1e-15)
    assert found.losses.max() < 1e-3  # the uniform grid does not see it
    back = lmc.barrier(net_b, net_a, teacher)
    assert back.height == pytest.approx(found.height, rel=1e-8, abs=2 * (found.loss_floor + back.loss_floor))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("turn", [1e-3, 0.1, 0.5, 2.0])
def test_hats_of_neurons_that_turn_quickly(place, turn):
    """At a distance from the origin of up to twice the width the spike is lower and rounder; the reference is dense."""
    pair = hat(place, 5e-4, 0.8, turn * 5e-4)
    found, (height, error, _) = lmc.barrier(*pair), dense_barrier(*pair)
    assert height > 0.01
    assert found.height >= height * (1 - 1e-7) - error - found.loss_floor


@pytest.mark.parametrize("place", PLACES)
def test_maximum_between_two_feet_is_found(place):
    found = lmc.barrier(*arch(place, 4e-4, 0.5))
    assert found.height == pytest.approx(of_hat(-0.5), rel=1e-6, abs=2 * found.loss_floor)
    assert found.position == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-70, 1e-30, 1e30, 1e70])
def test_scale_of_all_neurons_does_not_matter(scale):
    nets = [lmc.TwoLayerNet(net.W * scale, net.a) for net in hat(0.3, 1e-3, 0.8)]
    assert lmc.barrier(*nets).height / scale**2 == pytest.approx(of_hat(0.8), rel=1e-8)


def test_one_neuron_far_smaller_than_the_others():
    """Beside neurons of norm 1, a hat of norm 1e-5 that alone changes its loss: f_t - f* is the hat."""
    net_a, net_b, teacher = hat(0.4, 1e-4, 1e-5)
    net_a, net_b = (lmc.TwoLayerNet(np.vstack([net.W, [[0, 1]]]), np.append(net.a, TEACHER)) for net in (net_a, net_b))
    found = lmc.barrier(net_a, net_b, teacher)
    assert found.height == pytest.approx(1e-10, abs=2 * found.loss_floor)
    assert found.loss_floor < 1e-13


@pytest.mark.parametrize("kind", ["chord", "endpoint-mean"])
@pytest.mark.parametrize("grid_size", [3, 10, 65])
def test_kinds_and_grids(kind, grid_size):
    found = lmc.barrier(*hat(0.4, 1e-3, 0.8), kind=kind, grid_size=grid_size)
    assert found.height == pytest.approx(of_hat(0.8), rel=1e-8)
    np.testing.assert_array_equal(found.grid, np.linspace(0, 1, grid_size))
    assert lmc.barrier(*hat(0.4, 1e-3, 0.8), kind="midpoint").height == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("width", [1e-2, 1e-5, 1e-8])
@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_floor_covers_the_noise_at_a_spike(width, turn):
    """Near feet inner products are differences of far larger ones; output weights that vanish there, too, count as they are."""
    ts, path = 0.515 + width * np.linspace(-2, 2, 9), np.zeros(1, dtype=np.intp)
    for net_a, net_b, teacher in (hat(0.515, width, 0.8, turn * width), arch(0.515, width, 0.5)):
        true = np.array([float(mp_path_loss(net_a, net_b, teacher, t)) for t in ts])
        loss = lmc.PopulationLoss(teacher)
        for segments in (loss.segments([net_a], [net_b]), Edges(Simplex(loss, [net_a, net_b]))):
            noise, floor = np.abs(segments(path, ts[None])[0] - true), segments.floor(path, ts[None])[0]
            assert (noise < floor).all()
            assert floor.max() < 200 * noise.max()


# --- everything that takes a maximum on a path ----------------------------------------------------------------------


def test_pairs_and_simplices_see_the_spike():
    net_a, net_b, teacher = hat(0.37, 1e-3, 0.8)
    near = lmc.TwoLayerNet(net_b.W * 1.0001, net_b.a)
    found = lmc.pairwise_barriers([net_a, net_b, net_a], teacher, "none")
    np.testing.assert_allclose(found.heights, [of_hat(0.8), 0, of_hat(0.8)], rtol=1e-8, atol=1e-9)
    assert lmc.simplex_barrier([net_a, net_b], teacher).height == pytest.approx(of_hat(0.8), rel=1e-8)
    assert lmc.simplex_barrier([net_a, net_b, near], teacher).height >= of_hat(0.8) * (1 - 1e-8)
    sequences = lmc.align_sequences([net_a], [net_b], teacher)
    assert sequences.unaligned[0] == pytest.approx(of_hat(0.8), rel=1e-8)


def test_top_of_a_cone_inside_a_simplex_is_found():
    """Four neurons of two inputs vanish at four points of a triangle; it is far lower on the lattice and on the edges."""
    draw, size = np.random.default_rng(3), 1e-3
    zeros = np.array([0.31, 0.27, 0.42]) + size * np.array([[0, 0, 0], [1, -1, 0], [0, 1, -1], [-1, 0, 1]])
    map_ = draw.normal(size=(2, 3)) / size
    weights = np.stack([map_ - (map_ @ zero)[:, None] for zero in zeros])
    networks = [lmc.TwoLayerNet(weights[:, :, k], [3.0, -1.0, -1.0, -1.0]) for k in range(3)]
    teacher = lmc.TwoLayerNet([[1.0, 0.0]], [1e-3])
    found = lmc.simplex_barrier(networks, teacher)
    mixed = lmc.TwoLayerNet(weights @ zeros[0], networks[0].a)
    assert found.height >= lmc.population_loss(mixed, teacher) - found.corner_losses @ zeros[0] - found.loss_floor
    assert found.height > 20 * max(found.losses.max(), found.edges.max())
    np.testing.assert_allclose(found.position, zeros[0], atol=3 * size)


@pytest.mark.parametrize("place", [0.37, 0.9])
def test_spikes_on_data(place):
    """On data all inputs switch at once where the weights pass the origin along a line; so with biases, and in deep networks."""
    net_a, net_b, _ = hat(place, 1e-3, 0.8)
    X = np.random.default_rng(0).normal(size=(50, 2))
    data = lmc.DataLoss(X, np.zeros(50))
    height = 0.64 * np.square(X[:, 0]).mean()
    assert lmc.barrier(net_a, net_b, data).height == pytest.approx(height, rel=1e-8)
    assert lmc.simplex_barrier([net_a, net_b, net_a], data).height == pytest.approx(height, rel=1e-8)
    deep = [lmc.LayeredNet([net.W, net.a[None], [[1.0]]], [net.W[:, 0] / 2, [0.0], [0.0]]) for net in (net_a, net_b)]
    height = 0.64 * np.square(X[:, 0] + 0.5).mean()
    assert lmc.barrier(*deep, data).height == pytest.approx(height, rel=1e-8)


@pytest.mark.parametrize("norm", [100 * 0.008, 0.3])
def test_optimal_means_optimal(norm):
    """Of six permutations four have a spike; without it each would have a barrier of 0."""
    net_a, net_b, teacher = hat(0.515, 0.008, norm)
    heights = {p: dense_barrier(net_a, net_b.permute(p), teacher)[0] for p in permutations(range(3))}
    best = min(heights.values())
    exact = lmc.align(net_a, net_b, "exact", objective=teacher)
    assert exact.is_optimal
    assert exact.height == pytest.approx(best, abs=exact.margin + exact.loss_floor)
    assert heights[tuple(exact.permutation.tolist())] == pytest.approx(best, abs=exact.margin + exact.loss_floor)
    swaps = lmc.align(net_a, net_b, "barrier", objective=teacher)
    assert swaps.height == pytest.approx(heights[tuple(swaps.permutation.tolist())], rel=1e-6, abs=swaps.loss_floor)
    family = lmc.align_many([net_a, net_b], "exact", objective=teacher)
    assert family.height == pytest.approx(best, abs=exact.margin + exact.loss_floor)


@pytest.mark.parametrize("family", ["kinks", "line", "collinear"])
def test_exact_search_against_all_permutations(family):
    for seed in range(6):
        net_a, net_b, teacher = pairs.draw(family, seed, 3)
        exact = lmc.align(net_a, net_b, "exact", objective=teacher)
        heights, errors, _ = np.array([dense_barrier(net_a, net_b.permute(p), teacher) for p in permutations(range(3))]).T
        assert exact.is_optimal
        assert exact.lower_bound <= heights.min() * (1 + 1e-6) + errors.max() + exact.margin
        assert exact.height == pytest.approx(heights.min(), rel=1e-6, abs=errors.max() + exact.margin + exact.loss_floor)


# --- pairs of eleven families ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", pairs.FAMILIES)
def test_nothing_is_underestimated(family):
    """`tools/compare_barriers.py` does the same with many more pairs."""
    positive = 0
    for seed in range(25):
        pair = pairs.draw(family, seed)
        found, (height, error, _) = lmc.barrier(*pair), dense_barrier(*pair)
        assert found.height >= height * (1 - 1e-6) - error - found.loss_floor
        positive += height > found.loss_floor
    assert positive > 0


@pytest.mark.parametrize("family", pairs.FAMILIES)
def test_heights_lie_in_proved_intervals(family):
    for seed in range(2):
        pair = pairs.draw(family, seed)
        found, proved = lmc.barrier(*pair), lmc.certify_barrier(*pair, rtol=1e-7).height
        assert float(proved.lower) * (1 - 1e-6) - found.loss_floor <= found.height <= float(proved.upper) + found.loss_floor


def spike(rng):
    """Neurons that cancel but for a short stretch somewhere, passing the origin at any distance, and others beside them."""
    d, n, others = int(rng.integers(1, 4)), int(rng.integers(2, 6)), int(rng.integers(0, 4))
    width, place = (
        10 ** rng.uniform(-7, -1.5),
        rng.choice([rng.random(), 10 ** rng.uniform(-6, -1), 1 - 10 ** rng.uniform(-6, -1)]),
    )
    feet = np.clip(place + width * (rng.random(n) - 0.5), 1e-12, 1 - 1e-12)
    speed, turns = 10 ** rng.uniform(0, 1) / width, width * 10 ** rng.uniform(-4, 2, n) * (d > 1) * (rng.random() < 0.6)
    if n == 2:
        speed /= width
        outputs = [(t - feet[::-1]) * [1, -1] for t in (0.0, 1.0)]
    else:
        moments = np.vstack([np.ones(n), feet - feet.mean()])
        outputs = [rng.normal(size=n - 2) @ np.linalg.svd(moments)[2][2:]] * 2
    nets = []
    for t, a in zip((0.0, 1.0), outputs, strict=True):
        W = np.zeros((n + others, d))
        W[:n, 0] = speed * (t - feet)
        W[:n, -1] += speed * turns
        W[n:] = rng.normal(size=(others, d))
        nets.append(lmc.TwoLayerNet(W, np.concatenate([a, rng.normal(size=others)])))
    return *nets, lmc.TwoLayerNet(0.1 * np.eye(d))


@pytest.mark.parametrize("part", range(4))
def test_no_spike_is_missed(part):
    positive = 0
    for seed in range(50):
        pair = spike(np.random.default_rng([part, seed]))
        found, (height, error, _) = lmc.barrier(*pair), dense_barrier(*pair)
        assert found.height >= height * (1 - 1e-6) - 2 * (error + found.loss_floor)
        positive += height > 100 * error
    assert positive > 10


# --- the positions --------------------------------------------------------------------------------------------------


def test_which_passages_are_narrow():
    spacing = 1 / 32
    A = np.array([[-0.3, 0.001], [-0.5, 0.1], [2.0, 0.0], [0.01, 0.0], [1.0, 1.0], [0.0, 0.0], [-1.0, 0.0]])
    B = np.array([[0.7, 0.001], [0.5, 0.1], [3.0, 0.0], [1.01, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    found = narrow_passages(nearest_points(A, B)[None], spacing)
    # the first, one width before and after; the fourth, beyond the end, one width of its norm there; the last vanishes at the end
    np.testing.assert_allclose(found, [[0.01, 0.299, 0.3, 0.301]], rtol=1e-12)
    assert narrow_passages(nearest_points(A[1:3], B[1:3])[None], spacing).shape == (1, 0)
    both = narrow_passages(nearest_points(np.stack([A, B]), np.stack([B, A])), spacing)
    np.testing.assert_allclose(both, [[0.01, 0.299, 0.3, 0.301], [0.699, 0.7, 0.701, 0.99]], rtol=1e-12)


def test_feet_from_inner_products():
    vectors = np.random.default_rng(0).normal(size=(3, 5, 4))
    grams = np.einsum("pmd,qmd->mpq", vectors, vectors)
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    np.testing.assert_allclose(feet_of_grams(grams, first, second), nearest_points(vectors[first], vectors[second]), rtol=1e-9)


def test_zeros_on_faces():
    """Two inputs: a neuron of three networks vanishes at one point; of four, on a line that leaves by two faces, and inside."""
    draw = np.random.default_rng(1)
    zero = np.array([0.2, 0.5, 0.3])
    vectors = draw.normal(size=(2, 3))
    vectors -= (vectors @ zero)[:, None]
    found = narrow_zeros((vectors.T @ vectors)[None], 0.05)
    np.testing.assert_allclose(found, zero[None], atol=1e-12)
    vectors = draw.normal(size=(2, 4))
    vectors -= vectors.mean(axis=1, keepdims=True)
    found = narrow_zeros((vectors.T @ vectors)[None], 0.05)
    np.testing.assert_allclose(vectors @ found.T, 0, atol=1e-12)
    assert sorted((found > 1e-12).sum(axis=1)) == [3, 3, 4]
    assert narrow_zeros(np.eye(3)[None], 0.05).shape == (0, 3)
