"""The claims that are proved: their rules can fail, cells are what they say, figures are drawn from saved numbers."""

import json

import numpy as np
import pytest

import lmctheory as lmc
from paper_figures import certified_double_descent as descent_figure
from paper_figures import certified_rate_samples as rate_figure
from validation.cells.certificates import agree, is_accepted
from validation.claim import Verdict, as_json
from validation.claims import certified_double_descent, certified_rate_samples
from validation.evidence import rates

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
HEIGHTS = {2: 0.0, 3: 2e-3, 4: 1e-3, 5: 8e-4, 6: 5e-4, 7: 4e-4, 8: 3e-4}


def _rows(heights=HEIGHTS, n=4, **changes):
    rows = []
    for m, height in heights.items():
        upper = np.full(n, height)
        row = {"M": 2, "width": m, "lower": upper * (1 - 1e-6), "upper": upper, "closed": np.ones(n)}
        row |= {"accepted": np.array([1.0, *([np.nan] * (n - 1))]), "slack": np.zeros(n)}
        row |= {name: upper * (1 - 5e-7) for name in ("exact", "aligned", "weights")}
        rows.append(row)
    for name, (k, value) in changes.items():
        rows[k][name] = np.array([value, *rows[k][name][1:]])
    return rows


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (_rows(), S),
        (_rows(accepted=(3, 0.0)), R),
        (_rows(closed=(2, 0.0)), I),
        (_rows(exact=(2, 1.1e-3)), R),
        (_rows(aligned=(2, 0.9e-3)), R),
        (_rows(weights=(2, 2e-3)), S),  # not asked
        (_rows(HEIGHTS | {2: 1e-9}), R),
        (_rows(HEIGHTS | {8: 3e-3}), I),
        (_rows(dict.fromkeys(HEIGHTS, 0.0)), R),
    ],
)
def test_certified_double_descent_rule(rows, verdict):
    assert certified_double_descent.decide(rows, ("exact", "aligned")) is verdict


def test_certified_double_descent_control():
    assert certified_double_descent.decide(_rows(weights=(2, 2e-3)), ("weights",)) is R


@pytest.fixture(scope="module")
def descent_rows():
    return [certified_double_descent.modulo_permutation(0, 2, m, 3, 1, 0) | {"M": 2, "width": m, "n_pairs": 3} for m in (2, 3)]


def test_cells_are_proved_and_agree_with_floating_point(descent_rows):
    for row in descent_rows:
        assert row["closed"].all()
        assert row["accepted"][0] == 1
        assert np.isnan(row["accepted"][1:]).all()
        assert agree(row["lower"], row["upper"], row["exact"], row["slack"])
        assert agree(row["lower"], row["upper"], row["aligned"], row["slack"])
    assert (descent_rows[0]["upper"] == 0).all()
    assert descent_rows[0]["document"] == ""
    document = json.loads(descent_rows[1]["document"])
    assert document["kind"] == lmc.certificates.ModuloCertificate.kind


def test_pairs_under_swaps_are_proved():
    row = certified_rate_samples.matched(0, 4, 100, 2, 1, 0)
    assert row["closed"].all()
    assert row["accepted"][0] == 1
    assert agree(row["lower"], row["upper"], row["exact"])
    assert (row["upper"] <= 1.06 * row["lower"]).all()


def test_refused_certificates_count_as_such(monkeypatch):
    found = lmc.certify_barrier(*(lmc.orthonormal_teacher(2, 2),) * 3, [1, 0])
    assert is_accepted(found)
    monkeypatch.setattr(type(found), "document", lambda self: {"format": "another"})
    assert not is_accepted(found)


def _matched(exponent=-2.0, n=8):
    rows = []
    for m in (8, 32, 100, 316, 1000):
        upper = m**exponent * np.linspace(0.8, 1.2, n)
        row = {"M": 4, "width": m, "upper": upper, "lower": upper / 1.01, "exact": upper / 1.005, "closed": np.ones(n)}
        rows.append(row | {"accepted": np.array([1.0, *([np.nan] * (n - 1))]), "leftover": np.full(n, 3.0)})
    return rows


def _decide(rows):
    samples = [row["upper"] for row in rows]
    fits = rates.fit_both([row["width"] for row in rows], samples, np.random.SeedSequence(0))
    return certified_rate_samples.decide(rows, fits)


def test_certified_rate_samples_rule():
    assert _decide(_matched()) is S
    assert _decide(_matched(-0.25)) is R
    for name, value, verdict in (("accepted", 0.0, R), ("closed", 0.0, I), ("exact", 2.0, R)):
        rows = _matched()
        rows[2][name][0] = value
        assert _decide(rows) is verdict


def descent_data():
    rows = _rows() + [row | {"M": 3} for row in _rows()]
    return {"rows": rows, "means": [certified_double_descent._summary(row) for row in rows]}


def rate_data():
    rows = _matched()
    samples = [row["upper"] for row in rows]
    fits = rates.fit_both([row["width"] for row in rows], samples, np.random.SeedSequence(0))
    return {"rows": rows, "fits": [{"M": 4, "fits": [rates.fit_record(fit) for fit in fits]}]}


CERTIFIED_DATA = {"certified_double_descent": descent_data, "certified_rate_samples": rate_data}


def test_figures_are_drawn_from_saved_numbers():
    figure = descent_figure.draw(json.loads(json.dumps(as_json(descent_data()))))
    assert [ax.get_xlabel() for ax in figure.axes] == ["width $m$"] * 2
    figure = rate_figure.draw(json.loads(json.dumps(as_json(rate_data()))))
    assert "-2.00" in figure.axes[0].get_legend().get_texts()[-1].get_text()
