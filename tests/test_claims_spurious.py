"""The claim on spurious minima: its rule can fail, runs are counted as they ended, figures are drawn from saved numbers."""

import json

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.certificates.verify import CHECKS, read_theorem
from paper_figures.spurious_minima import draw
from validation.claim import Verdict, as_json
from validation.claims import spurious_minima

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741


def _row(M, width, spurious, n=256, unsettled=0, candidates=1, certified=1):
    """Made-up runs at one width, through the summary of the claim."""
    kinds = np.repeat(
        [spurious_minima.SPURIOUS, spurious_minima.UNSETTLED, spurious_minima.GLOBAL],
        [spurious, unsettled, n - spurious - unsettled],
    )
    certificates = np.tile([0.03, 0.031, 1e-5, 1e-13, 0.01, 1.0], (certified, 1))
    part = {
        "kinds": kinds, "losses": np.where(kinds == spurious_minima.GLOBAL, 0.0, 0.03), "certificates": certificates,
        "candidates": candidates, "planted": 6, "planted_certified": 0,
    }  # fmt: skip
    return spurious_minima._summary({"M": M, "width": width, "n_runs": n}, [part], 14)


def _rows(M=8, exact=None, more=None):
    return [_row(M, M, **{"spurious": 40, **(exact or {})}), _row(M, M + 1, **{"spurious": 0, **(more or {})})]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (_rows(), S),
        ([*_rows(M=6, exact={"spurious": 1}), *_rows()], S),  # shares are not compared below M = 8
        (_rows(exact={"certified": 0}), R),
        ([*_rows(M=6, exact={"certified": 0}), *_rows()], R),
        (_rows(exact={"spurious": 0, "candidates": 0, "certified": 0}), I),
        (_rows(more={"spurious": 100}), R),
        (_rows(more={"spurious": 30}), I),
        (_rows(more={"unsettled": 40}), I),  # they might all be spurious
        (_rows(exact={"spurious": 2, "unsettled": 38}), I),  # and none of these
    ],
)
def test_spurious_minima_rule(rows, verdict):
    assert spurious_minima.decide(rows) is verdict


@pytest.fixture(scope="module")
def cell():
    return spurious_minima.descents(0, 8, 8, 24, 2, 0)


@pytest.mark.jit
def test_runs_are_counted_as_they_ended(cell):
    again = spurious_minima.descents(0, 8, 8, 24, 2, 0)
    assert as_json(again) == as_json(cell)
    spurious = cell["kinds"] == spurious_minima.SPURIOUS
    assert 0 < spurious.sum() < 24
    assert (cell["losses"][spurious] > 0.04).all()
    assert (cell["losses"][~spurious] <= 1e-6).all()


@pytest.mark.jit
def test_candidates_are_certified_and_plants_are_not(cell):
    low, high, *_, confirmed = cell["certificates"][0]
    assert low < high < low + 1e-15
    assert low == pytest.approx(cell["losses"].max(), abs=1e-13)
    assert confirmed == cell["candidates"] == 1  # all of them have the same loss
    document = json.loads(cell["document"])
    assert document["kind"] == "local-minimum"
    theorem = read_theorem(document)
    CHECKS[type(theorem)](theorem)
    assert cell["planted"] == 6
    assert cell["planted_certified"] == 0


@pytest.mark.jit
def test_plants_are_what_they_are_said_to_be(cell):
    W = np.array([[float.fromhex(x) for x in row] for row in json.loads(cell["document"])["net"]["W"]])
    minimum, teacher = lmc.TwoLayerNet(W), lmc.orthonormal_teacher(8, 8)
    *others, (displaced, _), (line, value) = spurious_minima.non_minima(minimum, teacher)
    assert all(np.linalg.norm(lmc.population_gradient(*plant)[0]) < 1e-10 for plant in [*others, (line, value)])
    smallest = [np.linalg.eigvalsh(lmc.population_hessian(*plant))[0] for plant in [*others, (line, value)]]
    np.testing.assert_array_less(smallest[2:4], -0.1)  # both saddles
    np.testing.assert_allclose([smallest[1], smallest[4]], 0.0, atol=1e-12)  # both flat
    assert lmc.population_loss(line, value) > 0.1
    assert np.linalg.norm(displaced.W - W) == pytest.approx(0.01)


def _data():
    return {"rows": [*_rows(6), *_rows(7, more={"candidates": 0, "certified": 0}), *_rows(8)]}


SPURIOUS_DATA = {"spurious_minima": _data}  # made-up numbers for the figure


def test_figure_is_drawn_where_nothing_is_certified_with_one_more_neuron():
    rows = _rows(more={"candidates": 0, "certified": 0})
    assert len(draw({"rows": as_json(rows)}).axes[1].lines) == 1
