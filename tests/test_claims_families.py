"""Claims on three and more networks: decision rules can fail, reductions are exact, figures are drawn from saved numbers."""

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.families.simplex import lattice
from validation.claim import Verdict, as_json
from validation.claims import strong_emerges_with_width, weak_not_strong
from validation.claims.strong_emerges_with_width import MEASURES, align_minima, gd_families, measures, merged, minima_families
from validation.claims.weak_not_strong import gd_triples
from validation.evidence import rates

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
ROOT = np.random.SeedSequence(0)


def _cell(width, with_gap, n=50, proved=True, gap=1e-3):
    """Made-up triples of which the first `with_gap` have a gap."""
    weak = np.full(n, 0.01)
    return {
        "M": 4, "d": 8, "width": width, "n_triples": n, "weak": weak, "strong": weak + gap * (np.arange(n) < with_gap),
        "floor": np.full(n, 1e-14), "proved": np.full(n, float(proved)), "fixed": np.ones(n), "after_cycle": weak / 10,
    }  # fmt: skip


# --- weak and strong


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        ([_cell(6, 0), _cell(7, 20)], S),
        ([_cell(6, 0), _cell(7, 0)], R),
        ([_cell(6, 0), _cell(7, 5)], I),
        ([_cell(6, 0), _cell(7, 50, proved=False)], R),  # gaps that are not proved do not count
        ([_cell(6, 0), _cell(7, 50, gap=5e-5)], R),  # nor those of less than one per cent
    ],
)
def test_weak_not_strong_rule(cells, verdict):
    assert weak_not_strong.decide(cells) is verdict


def test_gaps_within_rounding_do_not_count():
    cell = _cell(7, 50) | {"weak": np.full(50, 1e-15), "strong": np.full(50, 5e-15)}
    assert not weak_not_strong.has_gap(cell).any()


@pytest.mark.jit
def test_a_copy_among_three_closes_the_gap():
    found = gd_triples(3, 3, 4, 5, 6, True)
    assert found["proved"].all()
    assert (found["strong"] - found["weak"] <= found["floor"]).all()
    assert weak_not_strong.decide([_cell(5, 0) | found]) is not S


@pytest.mark.jit
def test_triples_are_reproducible_and_ordered():
    first, again = (gd_triples(5, 3, 4, 5, 3, False) for _ in range(2))
    for name in weak_not_strong.ARRAYS:
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["strong"] >= first["weak"]).all()
    assert not np.array_equal(first["weak"], gd_triples(6, 3, 4, 5, 3, False)["weak"])


def test_summary_of_triples():
    row = weak_not_strong._summary(_cell(7, 20), ROOT)
    assert row["share"] == 0.4
    assert row["gap"] == pytest.approx(4e-4)
    assert row["gap_interval"][0] < row["gap"] < row["gap_interval"][1]
    assert row["largest_ratio"] == pytest.approx(1.1)
    assert weak_not_strong._summary(_cell(5, 0), ROOT)["gap_interval"] is None
    assert weak_not_strong._largest_and_last([row, row | {"width": 8, "gap": 0.0}], 4)[1]["width"] == 8


# --- families


@pytest.mark.parametrize("seed", range(3))
def test_merging_neurons_of_one_ray_is_exact(seed):
    rng = np.random.default_rng(seed)
    minima = [lmc.sample_minimum(3, 9, "sparse", r=0.2, rng=rng) for _ in range(3)]
    worst, aligned = align_minima(minima)
    narrow, teacher = merged(aligned), lmc.orthonormal_teacher(3, 3)
    whole, reduced = (measures(networks, teacher) for networks in ([a.to_network() for a in aligned], narrow))
    np.testing.assert_allclose(reduced, whole, rtol=1e-9, atol=1e-13)
    assert whole[0] == pytest.approx(worst, rel=1e-9, abs=1e-13)
    assert narrow[0].width <= 3 + 9
    for net in narrow:
        assert lmc.population_loss(net, teacher) < 1e-14


def test_reference_of_minima_is_the_best_one():
    rng = np.random.default_rng(1)
    minima = [lmc.sample_minimum(4, 10, rng=rng) for _ in range(3)]
    worst, _ = align_minima(minima)
    for reference in minima:
        moved = [m.permute(lmc.minima_barrier(reference, m).permutation) for m in minima]
        heights = [lmc.minima_barrier(moved[i], moved[j], np.arange(10)).height for i, j in ((0, 1), (0, 2), (1, 2))]
        assert worst <= max(heights)


@pytest.mark.jit
def test_families_fall_with_width_when_aligned_and_not_when_shuffled():
    cells = [gd_families(0, 3, 4, m, "3+4", 4) | {"width": m} for m in (6, 24)]
    assert cells[0]["aligned_3"].shape == (5, len(MEASURES))
    assert cells[0]["aligned_4"].shape == (4, len(MEASURES))
    for cell in cells:
        assert (cell["aligned_3"][:, 2] >= cell["aligned_3"][:, 0]).all()
    aligned, shuffled = ([cell[f"{name}_3"][:, 2].mean() for cell in cells] for name in ("aligned", "random"))
    assert aligned[1] < aligned[0] / 2
    assert shuffled[1] > shuffled[0] / 2
    uniform = [minima_families(0, 3, m, "3+4", 4)["aligned_3"][:, 2].mean() for m in (8, 64)]
    assert uniform[1] < uniform[0] / 4


# --- figures


def _weak_data():
    cells = [_cell(4, 0), _cell(6, 5), _cell(7, 20), _cell(16, 3, proved=False)]
    return {"rows": [weak_not_strong._summary(cell, ROOT) for cell in cells]}


def _strong_data():
    draw, widths, fits = np.random.default_rng(0), [8, 32, 128, 512], []
    for source in ("GD", "uniform"):
        for k in strong_emerges_with_width.SIZES:
            for measure in MEASURES:
                fit = lmc.fit_rate(widths, [draw.exponential(k * m**-2.0, 30) for m in widths], rng=0, n_resamples=100)
                fits.append({"source": source, "k": k, "measure": measure, "fit": rates.fit_record(fit)})
    flat = lmc.fit_rate(widths, [draw.exponential(0.3, 30) for _ in widths], rng=0, n_resamples=100)
    grid = lattice(3, 8)[0]
    bump = grid.prod(axis=1)
    triangle = {"width": 8, "grid": grid, "before": bump, "after": bump / 100}
    triangle |= {"heights": [1 / 27, 1 / 2700], "positions": [[1 / 3] * 3, [0.5, 0.5, 0.0]]}
    return {"fits": fits, "control": {"simplex": rates.fit_record(flat)}, "triangles": [triangle, triangle | {"width": 64}]}


def test_rule_refutes_what_does_not_fall():
    fits = {e["measure"]: e["fit"] for e in _strong_data()["fits"]}
    assert all(fit["interval"][1] < -0.45 for fit in fits.values())
    flat = lmc.fit_rate([8, 32, 128], [np.array([1.0, 1.1, 0.9, 1.0])] * 3, rng=0)
    assert rates.decide([flat]) is R


FAMILIES_DATA = {"weak_not_strong": _weak_data, "strong_emerges": _strong_data, "simplex_triangles": _strong_data}


def test_made_up_data_are_json():
    for data in FAMILIES_DATA.values():
        assert as_json(data())
