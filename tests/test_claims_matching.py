"""The claim on the optimality of matchings: its rule can fail, its cells compare with the true optimum."""

import numpy as np
import pytest

import lmctheory as lmc
from validation.cells.minima import minima_pairs, pair_seconds
from validation.claim import Context, Verdict
from validation.claims import matching_optimality

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
NAMES = "+".join((*matching_optimality.MATCHINGS, "exact"))


def _record(swaps, weights, random=90, pairs=600):
    return {"pairs": pairs, "misses": {"swaps": swaps, "weights": weights, "random": random}}


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ([_record(0, 100), _record(1, 0)], S),
        ([_record(0, 100), _record(60, 100)], R),  # swaps miss a tenth somewhere
        ([_record(0, 0), _record(1, 0)], R),  # weight matching misses nothing
        ([_record(0, 100), _record(12, 100)], I),  # swaps miss 2 %
        ([_record(0, 12), _record(1, 12)], I),
        ([_record(0, 30, pairs=100)], I),  # too few pairs to tell 0 from 2 %
        ([_record(0, 100, random=0), _record(1, 100)], S),
    ],
)
def test_rule(records, verdict):
    assert matching_optimality.decide(records, "swaps") is verdict
    assert matching_optimality.decide([_record(0, 100), *records], "random") is R


def test_every_matching_is_compared_with_the_lowest_barrier():
    found = minima_pairs(3, 3, 7, 60, NAMES)
    optimum = found["exact_height"]
    for name in matching_optimality.MATCHINGS:
        assert (found[f"{name}_height"] >= optimum * (1 - 1e-9)).all()
    cell = {name: found[f"{name}_height"] for name in (*matching_optimality.MATCHINGS, "exact")}
    record = matching_optimality._record(cell | {"ensemble": "uniform, M=3", "width": 7}, np.random.SeedSequence(0))
    assert record["misses"]["random"] > record["misses"]["weights"] > record["misses"]["swaps"]
    assert record["misses"]["weights"] == np.sum(cell["weights"] > optimum * 1.001)  # no miss is a matter of rounding
    low, high = record["missed"]["weights"][1:]
    assert low < record["misses"]["weights"] / 60 < high
    ratio, low, high = record["excess"]["weights"]
    assert low < ratio < high
    assert ratio == pytest.approx(cell["weights"].mean() / optimum.mean() - 1)
    assert pair_seconds(3, 7, NAMES) > pair_seconds(3, 7, "lightest")


@pytest.mark.jit
def test_descended_pairs_are_searched_by_both_codes():
    found = matching_optimality.descended_pairs(0, 3, 3, 6, 6)
    optimum, margin = found["exact"], found["margin"]
    assert len(optimum) == 6
    assert optimum.max() > 1e-5
    for name in (*matching_optimality.MATCHINGS, "projected"):
        assert (found[name] >= optimum - margin).all()
    assert (found["projected"] <= optimum + margin).all()
    assert (found["random"] > optimum + margin).any()
    wide = matching_optimality.descended_pairs(0, 3, 3, 10, 3)
    assert (wide["exact"] <= wide["swaps"]).all()
    assert "margin" not in wide
    narrow = matching_optimality.descended_pairs(0, 3, 3, 2, 3)
    assert "lightest" not in narrow
    assert narrow["losses"].min() > 1e-3


def test_an_unproved_optimum_fails_the_cell(monkeypatch):
    monkeypatch.setattr("lmctheory.minima.exact.MOST_LEFTOVERS", 0)
    with pytest.raises(lmc.ConvergenceWarning):
        minima_pairs(3, 3, 7, 60, NAMES)


@pytest.mark.jit
def test_small_experiment(monkeypatch):
    request = {"M": 3, "width": 7, "n_pairs": 30, "matchings": NAMES}
    monkeypatch.setattr(matching_optimality, "uniform_requests", lambda context: [request, request | {"width": 12}])
    trained = [{"M": 3, "d": 3, "width": 5, "n_pairs": 4}, {"M": 4, "d": 4, "width": 3, "n_pairs": 3}]
    monkeypatch.setattr(matching_optimality, "descent_requests", lambda context: trained)
    monkeypatch.setattr(matching_optimality, "PAIRS_IN_BLOCK", 3)
    outcome = matching_optimality.CLAIM.experiment(Context(seed=2))
    assert outcome.verdict in (I, R)  # too few pairs to support anything
    assert outcome.control is R
    records = outcome.data["records"]
    assert [(record["ensemble"], record["width"], record["pairs"]) for record in records] == [
        ("uniform, M=3", 7, 30), ("uniform, M=3", 12, 30), ("GD, M=3", 5, 4), ("GD, M=4", 3, 3),
    ]  # fmt: skip
    assert "not defined" in "".join(outcome.findings)
    assert "in 4 of 4 pairs" in outcome.findings[-1]
