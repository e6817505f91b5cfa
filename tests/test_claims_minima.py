"""Claims on global minima: every decision rule can fail, exact predictions hold, figures are drawn from saved numbers."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import kstest

import lmctheory as lmc
from lmctheory.bootstrap import bootstrap_log_means
from paper_figures import FIGURES
from paper_figures.files import save
from validation.cells.minima import all_descended, all_pairs, draw_minimum, minima_pairs, pair_seconds
from validation.claim import Context, Verdict, as_json
from validation.claims import (
    dimension_free_minima,
    gd_law,
    law_matters,
    matching_optimality,
    minima_characterisation,
    uniform_double_descent,
    uniform_rate,
)
from validation.evidence import rates
from validation.report.results import write_json

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
CONTEXT = Context(seed=1)


def _fit(low, high):
    widths = np.array([8.0, 16.0, 32.0])
    fit = lmc.fit_rate(widths, [np.array([1.0, 2.0, 4.0]) / m for m in widths], rng=0, n_resamples=100)
    return replace(fit, exponent=(low + high) / 2, interval=(low, high))


# --- characterisation


GOOD_SOLUTIONS = np.array([[1e-16, 1e-6], [1e-3, 0.5]])
GOOD_MEMBERS = np.array([[1e-16, 1e-15]])
GOOD_OFF = np.array([[0.1, 0.09, 1e-3, 1e-15]])


@pytest.mark.parametrize(
    ("solutions", "members", "off", "verdict"),
    [
        (GOOD_SOLUTIONS, GOOD_MEMBERS, GOOD_OFF, S),
        (np.vstack([GOOD_SOLUTIONS, [[0.0, 0.1]]]), GOOD_MEMBERS, GOOD_OFF, R),  # zero loss off the manifold
        (GOOD_SOLUTIONS, np.array([[1.0, 1e-15]]), GOOD_OFF, R),  # a member with positive loss
        (GOOD_SOLUTIONS, GOOD_MEMBERS, np.array([[0.1, 0.09, 1e-16, 1e-15]]), R),  # no loss off the manifold
        (np.array([[1e-3, 0.5]]), GOOD_MEMBERS, GOOD_OFF, I),  # no run with vanishing loss
        (GOOD_SOLUTIONS, GOOD_MEMBERS, np.array([[0.1, 1e-5, 1e-16, 1e-15]]), I),  # every perturbation along the manifold
    ],
)
def test_characterisation_rule(solutions, members, off, verdict):
    assert minima_characterisation.decide(solutions, members, off) is verdict


def test_negative_weights_and_opposite_teachers_are_caught():
    signed = minima_characterisation.either_sign(CONTEXT)
    assert signed[0, 0] == pytest.approx(1.0, abs=1e-14)
    assert (signed[:, 0] > signed[:, 1]).all()
    (loss, distance), *_ = minima_characterisation.three_ways()
    assert loss < 1e-14
    assert distance > 0.9


def test_positive_relations_among_teachers():
    found, relation = minima_characterisation.positive_relation(minima_characterisation.THREE_WAYS)
    assert found
    np.testing.assert_allclose(relation, 1 / 3)
    found, separating = minima_characterisation.positive_relation(minima_characterisation.DEPENDENT)
    assert not found
    assert (minima_characterisation.DEPENDENT @ separating > 0).all()


@pytest.mark.jit
def test_perturbations_leave_the_manifold():
    cell = minima_characterisation.neighbours(3, 6, 8)
    assert (cell["member_losses"] <= cell["member_floors"]).all()
    assert (cell["off"][:, 2] > cell["off"][:, 3]).all()


# --- double descent


def test_exact_mean_is_the_double_integral():
    def highest(alpha, beta):
        return max(alpha, beta) ** 2 * uniform_double_descent.highest_pair_loss(min(alpha, beta) / max(alpha, beta))

    integral = 2 * 4 * dblquad(highest, 1e-9, 0.5, lambda beta: beta, 0.5, epsabs=1e-7)[0]
    for M in (2, 5):
        assert uniform_double_descent.mean_at_next_width(M)[0] == pytest.approx((1 - 1 / M) * integral, rel=1e-5)


@pytest.mark.jit
def test_exact_mean_agrees_with_samples():
    M, n = 3, 1500
    heights = minima_pairs(11, M, M + 1, n, "lightest")["lightest_height"]
    mean, deviation = uniform_double_descent.mean_at_next_width(M)
    assert abs(heights.mean() - mean) < 4 * deviation / np.sqrt(n)
    assert heights.std() == pytest.approx(deviation, rel=0.15)
    assert np.mean(heights == 0) == pytest.approx(1 / M, abs=4 * np.sqrt(2 / 9 / n))


def test_lightest_leftovers_are_optimal_next_to_m():
    draw = np.random.default_rng(5)
    for _ in range(10):
        a, b = (draw_minimum(3, 4, "uniform", 0.0, draw) for _ in range(2))
        best = min(lmc.minima_barrier(a, b, list(perm)).height for perm in permutations(range(4)))
        assert lmc.minima_barrier(a, b).height == pytest.approx(best, rel=1e-12, abs=1e-300)


def _descending(M, m):
    """A curve with the exact mean at M + 1, a peak at 1.5 M, and a fall as m^-2."""
    if m == M:
        return 0.0
    exact = uniform_double_descent.mean_at_next_width(M)[0]
    return exact if m == M + 1 else 3 * exact * (m / (1.5 * M)) ** (-2.0 if m > 1.5 * M else 1.0)


def _samples(curve, spread=0.3, n=1250):
    draw = np.random.default_rng(0)
    found = []
    for M in uniform_double_descent.TEACHERS:
        for m in uniform_double_descent.ladder(CONTEXT, M):
            size = n if m == M + 1 else min(n, 150)
            heights = curve(M, m) * draw.lognormal(-(spread**2) / 2, spread, size=size)
            found.append({"M": M, "width": m, "heights": heights})
    return found


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (_descending, S),
        (lambda M, m: 1e-9 if m == M else _descending(M, m), R),  # not zero at m = M
        (lambda M, m: 1.3 * _descending(M, m), R),  # a wrong mean at m = M + 1
        (lambda M, m: _descending(M, m) if m <= M + 1 else 0.01 * m / M, R),  # keeps rising
    ],
)
def test_uniform_double_descent_rule(curve, verdict):
    assert uniform_double_descent.decide(CONTEXT, _samples(curve), "heights")[0] is verdict


def test_uniform_double_descent_is_undecided_on_few_samples():
    few = _samples(_descending, n=60)
    assert uniform_double_descent.decide(CONTEXT, few, "heights")[0] is I


def test_peak_set_holds_the_peak_and_narrows():
    draw = np.random.default_rng(2)
    means = np.array([1.0, 1.3, 1.2, 0.7])
    sizes = {}
    for n in (30, 3000):
        boot = bootstrap_log_means(
            [mean * draw.lognormal(0, 0.5, n) for mean in means], None, n_resamples=1000, root=np.random.SeedSequence(1)
        )
        kept = uniform_double_descent.peak_set(boot, 0.95)
        assert 1 in kept
        sizes[n] = len(kept)
    assert sizes[3000] == 1 < sizes[30]


# --- rates


def test_slowed_barriers_are_refuted_and_fast_ones_are_not():
    draw = np.random.default_rng(0)
    ensembles = [{"width": m, "lightest_height": draw.exponential(m**-2.0, 200)} for m in (8, 32, 128, 512)]
    widths = [e["width"] for e in ensembles]
    rng = np.random.SeedSequence(0)
    fast = rates.fit_both(widths, [e["lightest_height"] for e in ensembles], rng)
    slow = rates.fit_both(widths, uniform_rate.slowed(ensembles), rng)
    assert (rates.decide(fast), rates.decide(slow)) == (S, R)


@pytest.mark.parametrize(("interval", "tight"), [((-0.51, -0.47), True), ((-0.48, -0.46), True), ((-1.1, -0.9), False)])
def test_tightness_is_separate_from_the_bound(interval, tight):
    assert uniform_rate.tight([_fit(*interval)]) is tight
    assert rates.decide([_fit(*interval)]) is S


ORDERED = {"Dirichlet(1/2)": (-3.1, -2.9), "uniform": (-2.1, -1.9), "Dirichlet(2)": (-1.6, -1.4), "equal": (-1.1, -0.9)}


@pytest.mark.parametrize(
    ("changes", "sparse", "verdict"),
    [
        ({}, 0.0, S),
        ({}, 1e-9, R),  # a barrier under SP(r) at large width
        ({"equal": (-2.3, -2.2)}, 0.0, R),  # order reversed
        ({"equal": (-1.5, -0.9)}, 0.0, I),  # intervals overlap
        ({"equal": (-0.3, -0.2)}, 0.0, R),  # bound violated
    ],
)
def test_law_matters_rule(changes, sparse, verdict):
    fits = {name: [_fit(*interval)] for name, interval in (ORDERED | changes).items()}
    assert law_matters.decide(fits, {8: 1e-3, 2048: sparse}) is verdict


def test_adversarial_minima_keep_their_barrier():
    heights = [law_matters.adversarial_height(m) for m in (8, 100, 10_000)]
    assert heights[0] < heights[1] < heights[2] < law_matters.ADVERSARIAL_LIMIT
    assert heights[2] == pytest.approx(law_matters.ADVERSARIAL_LIMIT, rel=1e-3)


def test_blocks_are_joined_in_order(monkeypatch):
    request = {"M": 2, "width": 40, "n_pairs": 22, "matchings": "lightest"}
    monkeypatch.setattr("validation.cells.minima.BLOCK_SECONDS", 5 * pair_seconds(2, 40, "lightest"))
    (found,) = all_pairs(CONTEXT, [request])
    blocks = [minima_pairs(CONTEXT.seed, **request | {"n_pairs": n, "block": k}) for k, n in enumerate((5, 5, 5, 5, 2))]
    np.testing.assert_array_equal(found["lightest_height"], np.concatenate([block["lightest_height"] for block in blocks]))
    assert len(set(found["lightest_height"])) > 15


@pytest.mark.jit
def test_blocks_of_descent_keep_their_pairs(monkeypatch):
    request = {"M": 2, "d": 2, "width": 5, "n_runs": 7, "init_scale": 1.0, "rate": 1.0}
    monkeypatch.setattr("validation.cells.minima.RUNS_IN_BLOCK", 4)
    (found,) = all_descended(CONTEXT, [request])
    assert found["sizes"].shape == (7, 2)
    assert len(found["height"]) == 6 + 3
    for (i, j), height in zip(found["pairs"], found["height"], strict=True):
        a, b = (lmc.Minimum(found["classes"][k], found["weights"][k]) for k in (i, j))
        assert lmc.minima_barrier(a, b).height == height


# --- dimension


def test_dimension_rule():
    value, floor = np.array([1.0, 2.0]), np.array([1e-14, 1e-14])
    assert dimension_free_minima.decide([(value, value, floor)]) is S
    assert dimension_free_minima.decide([(value, value, floor), (value / 2, value, floor)]) is R


@pytest.mark.jit
def test_general_code_gives_the_exact_barrier_in_a_rotated_frame():
    cell = dimension_free_minima.compared_barriers(2, 6, 9, 3)
    assert dimension_free_minima.decide([(cell["gaussian"], cell["exact"], cell["floor"])]) is S
    np.testing.assert_allclose(cell["sphere"], cell["exact"] / 9, atol=1e-14)


# --- the law of gradient descent


def test_gd_law_rule_tells_the_uniform_law_from_others():
    verdicts = {}
    for name in ("uniform", "multinomial"):
        cells = [gd_law.synthetic(CONTEXT, name, m, 60) for m in (8, 24)]
        verdicts[name] = gd_law.decide([test for cell in cells for test in gd_law.test_law(CONTEXT, cell)])
    assert verdicts == {"uniform": S, "multinomial": R}


def test_gd_law_rule_sees_weights_alone():
    draw = np.random.default_rng(0)
    minima = [draw_minimum(4, 16, "dirichlet", 2.0, draw) for _ in range(60)]
    cell = {
        "width": 16,
        "sizes": np.array([minimum.class_sizes for minimum in minima]),
        "classes": np.array([minimum.classes for minimum in minima]),
        "weights": np.array([minimum.weights for minimum in minima]),
    }
    tests = gd_law.test_law(CONTEXT, cell)
    assert gd_law.decide(tests) is R
    assert gd_law.decide([test for test in tests if test["test"] == "class sizes"]) is S


def test_gaps_are_uniform_under_the_uniform_law():
    cell = gd_law.synthetic(Context(seed=7), "uniform", 12, 400)
    for values in gd_law.gap_levels(cell["classes"], cell["weights"]).values():
        assert kstest(values, "uniform").pvalue > 1e-3


# --- figures


def _double_descent_data():
    return {"shapes": as_json(uniform_double_descent.decide(CONTEXT, _samples(_descending), "heights")[1])}


def _rate_data():
    draw = np.random.default_rng(0)
    widths, records = [8, 32, 128, 512], []
    for matching, exponent in (("lightest", -2.0), ("random", -1.0), ("swaps", -2.0)):
        for quantity in uniform_rate.QUANTITIES:
            both = rates.fit_both(widths, [draw.exponential(m**exponent, 50) for m in widths], np.random.SeedSequence(0))
            records.append({"M": 4, "matching": matching, "quantity": quantity, "fits": [rates.fit_record(fit) for fit in both]})
    return {"fits": records}


def _law_data():
    names = [*law_matters.LAWS, law_matters.GD_SCALED, law_matters.GD_UNSCALED]
    return {
        "widths": [8, 32],
        "adversarial": [0.03, 0.04],
        "fits": {name: [rates.fit_record(_fit(-1.2, -0.8))] for name in names},
        "expected": {name: expected for name, (_, _, expected) in law_matters.LAWS.items()},
    }


def _gd_data():
    cells = [
        gd_law.synthetic(CONTEXT, "uniform", m, 20) | {"d": 4, "init_scale": s, "rate": 1.0}
        for m in (8, 16)
        for s in (1.0, m / 4)
    ]
    laws = {"uniform": lmc.class_size_law(4, 16), "multinomial": lmc.class_size_law(4, 16, "sparse", r=0.0)}
    return {
        "laws": {"gd": cells},
        "class_size_laws": {"16": laws},
        "spread": [cell | gd_law.spread(CONTEXT, cell) for cell in cells],
    }


def _optimality_data():
    def records(ensemble, widths):
        made_up = {name: [0.3, 0.2, 0.5] for name in matching_optimality.MATCHINGS}
        return [{"ensemble": ensemble, "width": m, "missed": made_up, "excess": made_up} for m in widths]

    return {
        "share": matching_optimality.SHARE,
        "small": matching_optimality.SMALL,
        "records": [*records("uniform, M=3", (6, 8, 24)), *records("GD, M=3", (6, 8)), *records("GD, M=8", (6,))],
    }


MINIMA_DATA = {  # made-up numbers for every figure of minima
    "uniform_double_descent": _double_descent_data,
    "uniform_rate": _rate_data,
    "law_matters": _law_data,
    "gd_law": _gd_data,
    "matching_optimality": _optimality_data,
}


@pytest.mark.parametrize(("figure", "data"), MINIMA_DATA.items())
def test_figures_of_minima_are_drawn_from_saved_numbers_alone(figure, data, tmp_path):
    write_json(tmp_path / "claims" / f"{FIGURES[figure]}.json", {"provenance": {}, "data": as_json(data())})
    pdf, png, _ = save(figure, tmp_path, tmp_path / "figures")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")
