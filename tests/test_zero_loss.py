"""Paths of zero loss between minima, centres of stars, and lengths, against all minima of small width and other oracles."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import lmctheory as lmc
from lmctheory.minima import centres
from validation.theory.label_graph import distances, everything, longest_distance, neighbours, representatives, single


def with_weights(classes, rng, M=None):
    """A minimum with these classes and Dirichlet(1) weights."""
    weights = np.zeros(len(classes))
    for j in range(max(classes) + 1):
        own = np.flatnonzero(np.asarray(classes) == j)
        weights[own] = rng.dirichlet(np.ones(len(own)))
    return lmc.Minimum(classes, weights)


def uneven(M, m, rng):
    """A minimum with a few large classes, or with one, and often with zero neurons: what is hardest to connect."""
    sizes = 1 + rng.multinomial(m - M, rng.dirichlet(np.full(M + 1, 0.2)))[:M]
    return with_weights(rng.permutation(np.repeat(np.arange(-1, M), [m - sizes.sum(), *sizes])), rng)


def has_zero_loss(path, tol=1.0):
    """By the general code: no loss above its floor anywhere on any piece."""
    teacher = lmc.orthonormal_teacher(path.corners[0].M, path.corners[0].M)
    ends = [corner.to_network() for corner in path.corners]
    found = [lmc.barrier(a, b, teacher) for a, b in itertools.pairwise(ends)]
    return all(max(piece.height, piece.losses.max()) <= tol * piece.loss_floor for piece in found)


SMALL = [(1, 1), (1, 3), (2, 2), (2, 3), (2, 4), (3, 3), (3, 4), (3, 5), (4, 5), (4, 6), (4, 7)]


@pytest.mark.parametrize(("M", "m"), SMALL)
def test_a_path_is_found_iff_the_graph_of_all_minima_has_one(M, m):
    rng = np.random.default_rng([M, m])
    valid = everything(M, m)
    ends = np.argwhere(valid) - 1
    for classes in representatives(M, m):
        pieces = distances(classes, valid)
        a = with_weights(classes, rng)
        for other in ends[rng.permutation(len(ends))[:40]]:
            b = with_weights(other, rng)
            least = pieces[tuple(other + 1)]
            for allowed in (1, 2, 4):
                path = lmc.zero_loss_path(a, b, allowed)
                assert bool(path) == (0 <= least <= allowed)
                assert bool(path) != bool(path.reason)
                if path:
                    assert max(least, 1) <= path.pieces <= allowed
                    assert path.corners[0] is a
                    assert path.corners[-1] is b
                    for p, q in itertools.pairwise(path.corners):
                        assert lmc.minima_barrier(p, q, np.arange(m)).height == 0
                else:
                    assert path.length == np.inf


def test_four_pieces_are_needed_at_every_width_and_suffice_from_2m_minus_1():
    assert [longest_distance(2, m) for m in range(2, 7)] == [-1, 4, 4, 4, 4]
    assert [longest_distance(3, m) for m in range(3, 7)] == [-1, 5, 4, 4]
    assert [longest_distance(4, m) for m in range(4, 8)] == [-1, 7, 5, 4]


@pytest.mark.jit
@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_paths_have_zero_loss_by_the_general_code(M, more, seed):
    rng = np.random.default_rng(seed)
    m = 2 * M - 1 + more
    a, b = (uneven(M, m, rng) for _ in range(2))
    for allowed in (2, 4):
        path = lmc.zero_loss_path(a, b, allowed)
        if path:
            assert has_zero_loss(path)
        else:
            assert allowed == 2
    star = lmc.star_center([a, b, uneven(M, m, rng)], 2)
    for path in star.paths:
        assert has_zero_loss(path)
    bent = lmc.ZeroLossPath((a, b))
    assert has_zero_loss(bent) == bool(lmc.zero_loss_path(a, b, 1))  # the check can fail


STARS = [(2, 3, 3), (2, 3, 4), (2, 4, 4), (2, 4, 5), (3, 2, 4), (3, 3, 6)]


@pytest.mark.parametrize(("M", "k", "m"), STARS)
def test_a_star_is_found_iff_the_graph_of_all_minima_has_one(M, k, m):
    rng = np.random.default_rng([M, k, m])
    valid = everything(M, m)
    seen = set()
    for _ in range(60):
        minima = [uneven(M, m, rng) for _ in range(k)]
        reached = [single(minimum.classes, M) for minimum in minima]
        for pieces in (1, 2):
            reached = [neighbours(found, valid) for found in reached]
            star = lmc.star_center(minima, pieces)
            assert bool(star) == np.logical_and.reduce(reached).any()
            assert bool(star) == (star.center is not None) == (not star.reason)
            assert len(star.paths) == (k if star else 0)
            for minimum, path in zip(minima, star.paths, strict=False):
                assert path.pieces <= pieces
                assert (path.corners[0], path.corners[-1]) == (minimum, star.center)
            seen.add((pieces, bool(star)))
    assert {(1, True), (1, False), (2, True)} <= seen


def lonely(M, k, m):
    """k minima of width m >= k (M - 1); in each of them M - 1 classes have one neuron, all of these distinct."""
    minima = []
    for first in range(0, k * (M - 1), M - 1):
        classes = np.full(m, M - 1)
        classes[first : first + M - 1] = np.arange(M - 1)
        minima.append(with_weights(classes, np.random.default_rng(first)))
    return minima


@pytest.mark.parametrize(("M", "k"), [(2, 2), (2, 5), (3, 2), (3, 4), (8, 2), (8, 3)])
def test_width_for_two_pieces_to_a_common_centre_is_sharp(M, k):
    m = k * (M - 1)
    star = lmc.star_center(lonely(M, k, m), 2)
    assert not star
    assert "integer programme" in star.reason
    assert lmc.star_center(lonely(M, k, m + 1), 2)
    assert not lmc.star_center(lonely(M, k, m + 1))  # at one piece, unless two are asked for


@given(st.integers(1, 9), st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_from_that_width_on_the_construction_suffices(M, k, seed):
    rng = np.random.default_rng(seed)
    m = max(k * (M - 1) + 1, M) + int(rng.integers(3))
    minima = [uneven(M, m, rng) for _ in range(k)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(centres, "_by_integer_programme", None)
        center = centres.second_neighbour(minima)
    for minimum in minima:
        assert lmc.zero_loss_path(minimum, center, 2)


def test_construction_leaves_cycles():
    """m = 2 M - 1 without a loop or a path among the first picks: the exchange of one pick is needed."""
    for a, b in (([0, 1, 0], [1, 0, 0]), ([0, 1, 2, 0, 1], [1, 2, 0, 1, 2]), ([0, 1, 2, 2, 2], [1, 0, 2, 2, 2])):
        rng = np.random.default_rng(0)
        ends = with_weights(a, rng), with_weights(b, rng)
        assert lmc.zero_loss_path(*ends, pieces=4)


# --- lengths


def simplex_minimum(a, b, labels, start):
    """The least |A - C| + |C - B| over the weights of a corner with these classes, by sequential quadratic programming."""
    M, m = a.M, a.width
    targets = [np.where((c.classes == labels) & (labels >= 0), c.weights, 0.0) for c in (a, b)]
    outside = [(c.weights**2).sum() - (t**2).sum() for c, t in zip((a, b), targets, strict=True)]

    def length(x):
        return sum(np.sqrt(out + ((x - t) ** 2).sum()) for out, t in zip(outside, targets, strict=True))

    sums = [{"type": "eq", "fun": lambda x, j=j: x[labels == j].sum() - 1} for j in range(M)]
    bounds = [(0, 1) if label >= 0 else (0, 0) for label in labels]
    found = minimize(length, start, bounds=bounds, constraints=sums, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500})
    assert m == len(found.x)
    return length, found.fun


@pytest.mark.parametrize("seed", range(12))
def test_two_pieces_are_as_short_as_they_can_be(seed):
    rng = np.random.default_rng(seed)
    M, m = 3, 14
    law = {"law": "sparse", "r": 0.3} if seed % 2 else {}
    a, b = (lmc.sample_minimum(M, m, rng=rng, **law) for _ in range(2))
    path = lmc.zero_loss_path(a, b)
    if path.pieces != 2:
        return
    corner = path.corners[1]
    length, best = simplex_minimum(a, b, corner.classes, lmc.star_center([a, b]).center.weights)
    assert path.length == pytest.approx(length(corner.weights), rel=1e-12)
    assert path.length <= best * (1 + 1e-9)
    assert path.length == pytest.approx(best, rel=1e-4)  # what the general method reaches


def closed_length(a, b, labels):
    """The formula of `geodesic_upper_bound` for a corner with these classes."""
    apart = (a.classes != b.classes) & (a.classes >= 0) & (b.classes >= 0)
    n = np.bincount(labels[labels >= 0], minlength=a.M)
    moved = [np.bincount(c.classes[apart], c.weights[apart], a.M) for c in (a, b)]
    S, T = ((c.weights[apart] ** 2).sum() + (x**2 / n).sum() for c, x in zip((a, b), moved, strict=True))
    distance = np.linalg.norm(a.to_network().W - b.to_network().W)
    return np.sqrt(distance**2 + 2 * (moved[0] * moved[1] / n).sum() + 2 * np.sqrt(S * T)), distance


@given(st.integers(1, 5), st.integers(0, 60), st.booleans(), st.integers(0, 2**32 - 1))
def test_length_is_the_closed_form_and_the_bounds_are_in_order(M, more, zeros, seed):
    rng = np.random.default_rng(seed)
    law = {"law": "sparse", "r": 0.5} if zeros else {}
    a, b = (lmc.sample_minimum(M, M + more, rng=rng, **law) for _ in range(2))
    bound = lmc.geodesic_upper_bound(a, b)
    assert 1 <= bound.lower_bound <= bound.ratio * (1 + 1e-14)
    assert bound.ratio == bound.path.length / bound.distance if bound.distance else bound.ratio == 1
    if bound.path.pieces == 2:
        labels = bound.path.corners[1].classes
        length, distance = closed_length(a, b, labels)
        assert bound.distance == pytest.approx(distance, rel=1e-13)
        assert bound.path.length == pytest.approx(length, rel=1e-12)
    perm = rng.permutation(a.width)
    again = lmc.geodesic_upper_bound(b.permute(perm), a.permute(perm))
    assert again.lower_bound == pytest.approx(bound.lower_bound, rel=1e-12)
    if not zeros:
        assert again.ratio == pytest.approx(bound.ratio, rel=1e-12)


def test_neurons_that_are_zero_in_both_are_shared_out_well():
    rng = np.random.default_rng(5)
    excess = []
    while len(excess) < 60:
        a, b = (lmc.sample_minimum(3, 9, "sparse", r=0.6, rng=rng) for _ in range(2))
        shared = centres.overlap([a, b])
        free = shared.free
        if len(shared.missing) > len(free) or len(free) == 0 or not (shared.labels == centres.NONE).any():
            continue
        lengths = []
        for classes in itertools.product(range(3), repeat=len(free)):
            labels = shared.labels.copy()
            labels[free] = classes
            if (np.bincount(labels[labels >= 0], minlength=3) > 0).all():
                lengths.append(closed_length(a, b, np.maximum(labels, -1))[0])
        excess.append(lmc.zero_loss_path(a, b).length / min(lengths) - 1)
    assert min(excess) > -1e-12
    assert max(excess) < 0.02
    assert np.mean(np.array(excess) < 1e-12) > 0.9


def test_centre_is_nearest_in_mean_square():
    rng = np.random.default_rng(0)
    minima = [lmc.sample_minimum(2, 30, rng=rng) for _ in range(3)]
    center = lmc.star_center(minima).center
    kept = [np.flatnonzero(center.classes == j) for j in range(2)]

    def spread(weights):
        moved = lmc.Minimum(center.classes, weights)
        return sum(lmc.geodesic_upper_bound(minimum, moved).distance ** 2 for minimum in minima)

    least = spread(center.weights)
    for _ in range(20):
        weights = center.weights.copy()
        own = kept[rng.integers(2)]
        i, k = own[rng.permutation(len(own))[:2]]
        step = rng.uniform(0, 1) * weights[i]
        weights[[i, k]] += [-step, step]
        assert spread(weights) > least


def test_degenerate_ends():
    a = lmc.Minimum([0, 1, 0], [1.0, 1.0, 0.0])
    assert lmc.geodesic_upper_bound(a, a).ratio == 1
    assert lmc.zero_loss_path(a, a).pieces == 1
    only = lmc.Minimum([0, 1], [1.0, 1.0])
    swapped = only.permute([1, 0])
    refused = lmc.geodesic_upper_bound(only, swapped)
    assert refused.ratio == np.inf
    assert refused.path.reason == "every neuron of classes 0, 1 in one minimum has another class in another"
    assert lmc.zero_loss_path(only, swapped, 1).reason == "neurons 0, 1 in different classes"
    one = lmc.zero_loss_path(lmc.Minimum([0, 1, -1], [1, 1, 0]), lmc.Minimum([1, 0, -1], [1, 1, 0]))
    assert one.reason.endswith("and only 1 neuron is zero in all")
    tiny = lmc.Minimum([0, 1, 0, 1], [1 - 1e-200, 1 - 1e-200, 1e-200, 1e-200])
    crossed = lmc.Minimum([0, 1, 1, 0], [1 - 1e-200, 1 - 1e-200, 1e-200, 1e-200])
    assert lmc.zero_loss_path(tiny, crossed).pieces == 2
