"""Claims on paths of zero loss: every rule can fail, exact probabilities and limits hold, figures come from saved numbers."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import lmctheory as lmc
from paper_figures.files import draw
from validation.cells.path_lengths import crossed_pair, independent_pair, pair_lengths, three_pieces
from validation.cells.zero_loss import VANISHES, bounded_weights, loss_over_floor
from validation.claim import Context, Verdict, as_json
from validation.claims import (
    four_piece_connectivity,
    geodesic_distance,
    geodesic_distance_sparse,
    linear_connectivity_criterion,
    star_connectivity,
    two_piece_connectivity,
)
from validation.evidence import connections, rates
from validation.theory.connection_probability import (
    Probability,
    common_neighbour_probability,
    equal_sizes_probability,
    printed_bound,
)
from validation.theory.geodesics import (
    lower_limit,
    squared_distance,
    three_piece_limit,
    two_piece_limit,
)
from validation.theory.label_graph import distances, everything, neighbours, representatives, single

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
CONTEXT = Context(seed=1)


# --- the graph of all minima


@pytest.mark.parametrize(("M", "m"), [(1, 2), (2, 2), (2, 3), (3, 3)])
def test_graph_agrees_with_pairwise_comparison(M, m):
    def joined(a, b):
        return all(-1 in pair or pair[0] == pair[1] for pair in zip(a, b, strict=True))

    vectors = [c for c in itertools.product(range(-1, M), repeat=m) if set(range(M)) <= set(c)]
    valid = everything(M, m)
    assert sorted(map(tuple, np.argwhere(valid) - 1)) == sorted(vectors)
    for a in vectors:
        near = neighbours(single(np.array(a), M), valid)
        assert {tuple(c) for c in np.argwhere(near) - 1} == {b for b in vectors if joined(a, b)}
        pieces, frontier = {a: 0}, {a}
        while frontier:
            new = {b for b in vectors if b not in pieces and any(joined(b, c) for c in frontier)}
            pieces |= dict.fromkeys(new, 1 + max(pieces.values()))
            frontier = new
        found = distances(np.array(a), valid)
        assert all(found[tuple(np.array(b) + 1)] == pieces.get(b, -1) for b in vectors)


def test_representatives_stand_for_all():
    def orbit(classes):
        return tuple(sorted(np.bincount(np.asarray(classes) + 1, minlength=4)[1:]))

    assert {orbit(c) for c in representatives(3, 6)} == {orbit(c) for c in np.argwhere(everything(3, 6)) - 1}


# --- exact probabilities


def enumerated_probability(M, m, k):
    vectors = [c for c in itertools.product(range(M), repeat=m) if len(set(c)) == M]
    p = np.array([math.prod(math.sqrt(c.count(j)) / math.factorial(c.count(j) - 1) for j in range(M)) for c in vectors])
    p /= p.sum()
    total = 0.0
    for chosen in itertools.product(range(len(vectors)), repeat=k):
        in_all = {labels[0] for labels in zip(*(vectors[c] for c in chosen), strict=True) if len(set(labels)) == 1}
        total += p[list(chosen)].prod() * (len(in_all) == M)
    return total


@pytest.mark.parametrize(("M", "m", "k"), [(1, 3, 2), (2, 2, 2), (2, 5, 2), (2, 4, 3), (3, 4, 2), (4, 4, 2)])
def test_probability_of_a_common_neighbour_is_the_enumerated_one(M, m, k):
    found = common_neighbour_probability(M, m, k)
    assert found.error < 1e-10
    assert found.value == pytest.approx(enumerated_probability(M, m, k), abs=found.error)


@pytest.mark.parametrize(("M", "m"), [(1, 4), (2, 2), (2, 7), (3, 8), (4, 5)])
def test_probability_of_equal_sizes_is_the_enumerated_one(M, m):
    sizes = [n for n in itertools.product(range(1, m + 1), repeat=M) if sum(n) == m]
    p = np.array([math.prod(math.sqrt(n) / (math.factorial(n) * math.factorial(n - 1)) for n in c) for c in sizes])
    assert equal_sizes_probability(M, m) == pytest.approx(((p / p.sum()) ** 2).sum(), rel=1e-12)


# --- decision rules


def test_criterion_rule():
    loss, floor = np.array([0.0, 1e-16, 1e-3]), np.full(3, 1e-15)
    assert linear_connectivity_criterion.decide(np.array([True, True, False]), loss, floor) is S
    assert linear_connectivity_criterion.decide(np.array([True, False, False]), loss, floor) is R
    assert linear_connectivity_criterion.decide(np.array([True, True, True]), loss, floor) is R
    assert linear_connectivity_criterion.decide(np.array([True, True]), loss[:2], floor[:2]) is I


@pytest.mark.jit
def test_wrong_criteria_are_caught_on_a_few_pairs():
    cells = [linear_connectivity_criterion.segments(3, 3, 6, clashes, 8) for clashes in (-1, 0, 1)]
    cells.append(linear_connectivity_criterion.segments(3, 2, 3, linear_connectivity_criterion.EXHAUSTIVE, 20))
    rows = np.concatenate([cell["rows"] for cell in cells])
    verdicts = [linear_connectivity_criterion.decide(said.astype(bool), rows[:, -2], rows[:, -1]) for said in rows[:, :3].T]
    assert verdicts == [S, R, R]


@pytest.mark.parametrize(
    ("bound", "exact", "count", "further", "verdict"),
    [
        (0.8, 0.9, None, True, S),
        (0.8, 0.9, (90, 100), True, S),
        (0.8, 0.7, None, True, R),
        (0.8, 0.8, None, True, I),  # within the rounding error
        (0.8, 0.9, (10, 100), True, R),  # samples contradict the exact value
        (0.8, None, (950, 1000), True, S),
        (0.8, None, (700, 1000), True, R),
        (0.8, None, (805, 1000), True, I),
        (0.8, 0.9, None, False, R),  # a path with a loss
    ],
)
def test_probability_rule(bound, exact, count, further, verdict):
    known = None if exact is None else Probability(exact, 1e-9)
    assert connections.decide([bound], [known], [count], [further]) is verdict


def test_bounds_that_are_false_are_refuted():
    exact = {m: common_neighbour_probability(2, m, 2) for m in (8, 12, 16)}
    none = [None] * 3
    assert connections.decide([printed_bound(2, m) for m in exact], list(exact.values()), none) is S
    assert connections.decide([1 - 2 * 0.75 ** (2 * m) for m in exact], list(exact.values()), none) is R
    cell = two_piece_connectivity.connected_pairs(0, 3, 40, 60, "one large class")
    assert connections.decide([printed_bound(3, 40)], [None], [(cell["found"], 60)]) is R


@pytest.mark.jit
def test_two_pieces_always_suffice_modulo_permutation():
    for law in ("uniform", "sparse"):
        cell = two_piece_connectivity.connected_pairs(0, 3, 5, 25, law, n_modulo=25)
        assert cell["two_modulo"] == 25 > cell["one_modulo"]
        assert cell["worst"] < VANISHES


def test_four_piece_rule():
    graph = {"longest": 4}
    pair = {"joined": 5, "n_pairs": 5, "worst": 0.3}
    decide = four_piece_connectivity.decide
    assert decide([graph], [pair]) is S
    assert decide([graph, {"longest": 5}], [pair]) is R
    assert decide([{"longest": -1}], [pair]) is R
    assert decide([graph], [pair | {"joined": 4}]) is R
    assert decide([graph], [pair | {"worst": 1e6}]) is R
    assert decide([graph], []) is I


@pytest.mark.jit
def test_cells_of_four_pieces():
    assert four_piece_connectivity.every_pair(0, 3, 4) == {"longest": 5}
    enough, few = (four_piece_connectivity.uneven_pairs(0, 3, m, 20) for m in (5, 4))
    assert enough["joined"] == 20 > few["joined"]
    assert enough["worst"] < VANISHES
    draw = np.random.default_rng(0)
    assert not lmc.zero_loss_path(*four_piece_connectivity.lonely_pair(5, draw), 4)


def test_star_rule():
    decide = star_connectivity.decide_two_pieces
    assert decide([True], [5], [5], [0.5]) is S
    assert decide([True, False], [5], [5], [0.5]) is R
    assert decide([True], [4], [5], [0.5]) is R
    assert decide([True], [5], [5], [1e9]) is R
    assert decide([True], [], [], []) is I


@pytest.mark.parametrize(("M", "k"), [(2, 2), (2, 3), (2, 4), (3, 2)])
def test_all_sets_of_minima_have_a_centre_from_the_sharp_width_on(M, k):
    widths = (k * (M - 1), k * (M - 1) + 1)
    assert [star_connectivity.every_set(0, M, m, k)["always"] for m in widths] == [False, True]
    lonely = star_connectivity.lonely_set(M, k, widths[0], np.random.default_rng(0))
    assert not lmc.star_center(lonely, 2)


def test_cells_of_stars():
    one = star_connectivity.one_piece_stars(0, 2, 24, 3, 20)
    assert 10 < one["found"] <= 20
    assert one["worst"] < VANISHES
    two = star_connectivity.two_piece_stars(0, 3, 7, 3, 6)
    assert two["found"] == 6
    assert two["worst"] < VANISHES


# --- lengths


@pytest.mark.parametrize("M", [2, 4, 8])
def test_lengths_tend_to_their_limits(M):
    cell = pair_lengths(2, M, 256 * M**2, 12)
    for name, limit in (("two", two_piece_limit), ("three", three_piece_limit), ("lower", lower_limit)):
        assert cell[name].mean() == pytest.approx(limit(M), rel=0.02)
    assert lower_limit(M) < three_piece_limit(M) < two_piece_limit(M) <= 1.081 * np.sqrt(M)


def test_limits_for_a_single_class_and_for_many():
    assert two_piece_limit(1) == three_piece_limit(1) == lower_limit(1) == 1
    assert three_piece_limit(10**9) == pytest.approx(1.758, abs=1e-3)
    assert two_piece_limit(10**6) / 1e3 == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("r", [0.2, 0.5, 0.9])
def test_sparse_lengths_do_not_tend_to_one(r):
    cell = pair_lengths(4, 4, 40_000, 6, r=r)
    assert cell["two"].mean() - 1 == pytest.approx(two_piece_limit(4, r) - 1, rel=0.08)
    assert cell["lower"].mean() - 1 == pytest.approx(lower_limit(4, r) - 1, rel=0.08)
    a, b = independent_pair(4, 40_000, r, np.random.default_rng(0))
    squared = lmc.geodesic_upper_bound(a, b).distance ** 2
    assert 40_000 * squared == pytest.approx(squared_distance(4, r), rel=0.05)


@pytest.mark.jit
def test_three_pieces_have_zero_loss():
    draw = np.random.default_rng(1)
    for _ in range(5):
        a, b = (lmc.sample_minimum(3, 40, rng=draw) for _ in range(2))
        path = three_pieces(a, b)
        assert path.pieces == 3
        assert loss_over_floor(path) < VANISHES
        bent = lmc.ZeroLossPath((a, b))
        assert loss_over_floor(bent) > 1e3 * VANISHES
    assert not three_pieces(lmc.Minimum([0, 1], [1.0, 1.0]), lmc.Minimum([1, 0], [1.0, 1.0]))


def test_bounded_weights_keep_the_classes():
    classes = np.array([0, -1, 1, 1, 0, 0])
    minimum = bounded_weights(classes, np.random.default_rng(0))
    np.testing.assert_array_equal(minimum.classes, classes)
    for j in range(2):
        own = minimum.weights[classes == j]
        assert own.max() <= 2 * own.min()


def test_crossed_minima_are_ever_farther_apart():
    ratios = [lmc.geodesic_upper_bound(*crossed_pair(4, m)).ratio for m in (16, 64, 256)]
    np.testing.assert_allclose(np.diff(np.log(ratios)), np.log(2))


def test_length_rule():
    draw = np.random.default_rng(0)
    near = two_piece_limit(4) * (1 + 0.01 * draw.normal(size=200))
    decide = geodesic_distance.decide
    assert decide([(4, near)], [0.5]) is S
    assert decide([(4, near)], [1e9]) is R
    assert decide([(4, 1.1 * near)], []) is R  # another limit
    assert decide([(4, np.where(np.arange(200) < 60, np.inf, near))], []) is R  # too many without a path
    assert decide([(4, np.where(np.arange(200) < 8, np.inf, near))], []) is I
    assert decide([(4, near), (2, np.full(200, 16.0))], []) is R


def _fit(low, high):
    widths = np.array([256.0, 1024.0, 4096.0])
    fit = lmc.fit_rate(widths, [np.array([1.0, 2.0, 4.0]) / m for m in widths], rng=0, n_resamples=100)
    return replace(fit, exponent=(low + high) / 2, interval=(low, high))


FAST, SLOW, VAGUE = (-0.55, -0.5), (-0.02, 0.02), (-0.6, -0.3)


@pytest.mark.parametrize(
    ("two", "lower", "constants", "verdict"),
    [
        (FAST, FAST, [1.0, 1.5], S),
        (FAST, FAST, [1.0, 3.0], R),  # does not scale as 1 / r
        (SLOW, SLOW, [1.0, 1.0], R),
        (SLOW, FAST, [1.0, 1.0], I),  # a shorter path may exist
        (VAGUE, VAGUE, [1.0, 1.0], I),
    ],
)
def test_sparse_length_rule(two, lower, constants, verdict):
    assert geodesic_distance_sparse.decide([(_fit(*two), _fit(*lower))], constants) is verdict


# --- figures


def _two_piece_data():
    cell = {"M": 2, "width": 8, "n_pairs": 40, "n_modulo": 40, "found": 36, "one_modulo": 30, "interval": [0.7, 0.97]}
    return {
        "exact": [[2, m, *common_neighbour_probability(2, m, 2).__dict__.values()] for m in range(3, 9)],
        "bounds": [[2, m, printed_bound(2, m)] for m in range(7, 9)],
        "sampled": [cell],
        "sparse": [cell],
        "equal_sizes": [[2, m, equal_sizes_probability(2, m)] for m in range(2, 9)],
        "zeros": 0.3,
    }


def _four_piece_data():
    return {"graphs": [{"M": 2, "width": m, "longest": pieces} for m, pieces in ((2, -1), (3, 4), (4, 5))]}


def _star_data():
    rows = [[2, m, 3] for m in range(6, 12)]
    return {
        "exact": [[*row, *common_neighbour_probability(*row).__dict__.values()] for row in rows],
        "bounds": [[*row, printed_bound(*row)] for row in rows],
        "sampled": [{"M": 2, "width": 8, "k": 3, "n_sets": 40, "found": 20, "interval": [0.3, 0.7]}],
    }


def _length_data():
    lengths = {"two": np.array([1.5, 1.6, np.inf]), "three": np.array([1.4, 1.5, 1.5]), "lower": np.array([1.1, 1.2, 1.2])}
    cells = [lengths | {"M": M, "width": c * M**2, "n_pairs": 3} for M in (2, 4) for c in (4, 16)]
    return {
        "cells": [geodesic_distance.summary(cell) for cell in cells],
        "limits": [geodesic_distance.limits(M) for M in range(1, 9)],
        "constant": 1.2,
    }


def _sparse_length_data():
    groups = {"0.2": [0.2] * 3, "0": [0.0] * 3, geodesic_distance_sparse.VANISHING: [0.5, 0.75, 0.875]}
    both = [rates.fit_record(_fit(*SLOW))] * 2
    return {
        "M": 4,
        "widths": [256, 1024, 4096],
        "groups": groups,
        "fits": dict.fromkeys(groups, both),
        "limits": {"0.2": [0.5, 0.15], "0": [1.1, 0.2]},
    }


GEOMETRY_DATA = {  # made-up numbers for every figure on paths of zero loss
    "two_piece_connectivity": _two_piece_data,
    "four_piece_connectivity": _four_piece_data,
    "star_connectivity": _star_data,
    "geodesic_distance": _length_data,
    "geodesic_distance_sparse": _sparse_length_data,
}


@pytest.mark.parametrize(("figure", "data"), GEOMETRY_DATA.items())
def test_figures_are_drawn_from_saved_numbers_alone(figure, data):
    drawn = draw(figure, {"data": as_json(data())})
    assert all(ax.has_data() for ax in drawn.axes)
