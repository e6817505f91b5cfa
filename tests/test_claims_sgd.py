"""The claim on random batches and samples: mean-square stability against simulation, a rule that can fail, a figure."""

from dataclasses import replace

import numpy as np
import pytest

import lmctheory as lmc
from paper_figures.files import save
from validation.claim import Context, Verdict, as_json
from validation.claims import sgd_sparsity
from validation.claims.sgd_sparsity import RATES, NoisySweep
from validation.evidence.broken_line import BrokenLine
from validation.report.results import write_json
from validation.theory.mean_square import mean_square_threshold

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
LINE = BrokenLine(0.0, 1.0, 1.0, 0.01, 0.01, (0.97, 1.03))


# --- mean-square stability


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("B", [1, 4, 50])
def test_one_class_is_linear_regression_on_a_half_space(d, B):
    """There ``E[|x|^2 x x'] = (d + 2) I``, with a weight of 1/2, and the multiple of the identity is the first to grow."""
    k = 4 * mean_square_threshold(1, d, B)
    assert 1 - k + k**2 * ((1 - 1 / B) / 4 + (d + 2) / (2 * B)) == pytest.approx(1.0, abs=1e-5)
    assert mean_square_threshold(1, d, B) == pytest.approx(B / (B + 2 * d + 3), abs=1e-5)


@pytest.mark.parametrize(("M", "d", "B"), [(2, 2, 3), (2, 3, 8), (3, 3, 4)])
def test_second_moments_neither_grow_nor_shrink_at_the_threshold(M, d, B):
    """Power iteration of their map, with means over many inputs instead of the closed form."""
    x = np.random.default_rng(0).normal(size=(20_000, d))
    g = ((x[:, :M] > 0)[:, :, None] * x[:, None, :]).reshape(len(x), M * d)
    hessian = g.T @ g / len(x)
    k = 2 * mean_square_threshold(M, d, B) * lmc.stability_threshold(M, M)
    moments = np.eye(M * d)
    for _ in range(50):
        moments /= np.linalg.norm(moments)
        noise = (g * ((g @ moments) * g).sum(axis=1, keepdims=True)).T @ g / len(x)
        drift = hessian @ moments
        moments = moments - k * (drift + drift.T) + k**2 * ((1 - 1 / B) * drift @ hessian + noise / B)
        moments = (moments + moments.T) / 2  # rounding
    assert np.linalg.norm(moments) == pytest.approx(1.0, abs=0.05)


def test_large_batches_have_the_threshold_of_descent():
    thresholds = [mean_square_threshold(2, 2, B) for B in (1, 10, 100, 10_000)]
    assert thresholds == sorted(thresholds)
    assert thresholds[-1] == pytest.approx(1.0, abs=1e-3)


# --- the rule


def sweep(batch_size=64, n_samples=None, diverged=0.0):
    shape = (4, len(RATES))
    return NoisySweep(2, 2, 64, batch_size, n_samples, np.full(4, 0.03), np.zeros(shape), np.full(shape, diverged))


SMALL = sweep(4, diverged=1.0)


@pytest.mark.parametrize(
    ("intervals", "small", "verdict"),
    [
        ([(0.97, 1.03), (0.95, 1.05)], SMALL, S),
        ([(0.97, 1.03), (0.9, 1.05)], SMALL, I),  # the margin is 0.0625
        ([(0.97, 1.03), (0.8, 0.9)], SMALL, R),
        ([(0.97, 1.03), (1.1, 1.2)], SMALL, R),
        ([(0.97, 1.03), (-np.inf, np.inf)], SMALL, I),
        ([(0.97, 1.03), (0.95, 1.05)], sweep(4, diverged=0.4), R),  # small batches settle
    ],
)
def test_rule(intervals, small, verdict):
    sweeps = [sweep(32), sweep(None, 64)]
    lines = [replace(LINE, interval=interval) for interval in intervals]
    assert sgd_sparsity.decide(sweeps, lines, [small])[0] is verdict


def test_control_is_mean_square_stability():
    """At B = 32 it would put the change point at 0.843; samples have no such prediction."""
    sweeps = [sweep(32), sweep(None, 64)]
    assert sgd_sparsity.decide(sweeps, [LINE, LINE], [SMALL])[1] is R
    assert sgd_sparsity.decide(sweeps, [replace(LINE, interval=(0.82, 0.86)), LINE], [SMALL]) == (R, S)


def test_batches_too_small_to_decide_do_not():
    lines = [LINE, replace(LINE, interval=(0.7, 0.8))]
    assert sgd_sparsity.decide([sweep(32), sweep(16)], lines, [SMALL])[0] is S
    assert sgd_sparsity.decide([sweep(32), sweep(32)], lines, [SMALL])[0] is R


# --- the experiment


def _data():
    cells = [
        sgd_sparsity._shares(one)
        | {"line": as_json(vars(LINE)), "margin": 0.0625, "deciding": one.decides}
        | {"mean_square": None if one.batch_size is None else 0.8}
        for one in (sweep(16), sweep(32), sweep(64), sweep(None, 32), sweep(None, 128, diverged=1.0))
    ]
    escapes = [
        {"M": M, "batch_size": B, "rates": [0.5, 0.6], "threshold": 0.6, "mean_square": 0.7} for M in (2, 4) for B in (4, 16, 64)
    ]
    return {"cells": cells, "small": [], "escapes": escapes}


SGD_DATA = {"sgd_sparsity": _data}  # made-up numbers for the figure


@pytest.mark.jit
def test_sweeps_reproduce_and_thresholds_on_samples_are_those_of_their_loss():
    context, size = Context(seed=2), {"M": 1, "d": 1, "width": 8, "n_runs": 3}
    cells = [size | {"batch_size": 64, "n_samples": None}, size | {"batch_size": None, "n_samples": 64}]
    batches, samples = sgd_sparsity.sweeps_of(context, cells)
    again = sgd_sparsity.sweeps_of(context, cells)[1]
    np.testing.assert_array_equal(samples.excess, again.excess)
    balanced = lmc.stability_threshold(1, 8)
    assert (batches.thresholds[np.isfinite(batches.thresholds)] >= balanced * (1 - 1e-12)).all()
    assert len(set(samples.thresholds[np.isfinite(samples.thresholds)])) == np.isfinite(samples.thresholds).sum()
    below, above = batches.excess[:, 0], batches.excess[:, -1]
    assert np.nanmean(below) <= np.nanmean(above)


@pytest.mark.jit
def test_small_experiment_and_its_figure(tmp_path, monkeypatch):
    def few(context):
        size = {"M": 2, "d": 2, "width": 8, "n_runs": 3}
        return [size | {"batch_size": B, "n_samples": None} for B in (4, 32)] + [size | {"batch_size": None, "n_samples": 64}]

    monkeypatch.setattr(sgd_sparsity, "requests", few)
    monkeypatch.setattr(sgd_sparsity, "escape_cells", lambda context: [
        {"M": 2, "d": 2, "width": 4, "batch_size": B, "scale": 1.0, "n_runs": 2} for B in (4, 32)
    ])  # fmt: skip
    outcome = sgd_sparsity.experiment(Context(seed=3))
    assert [cell["batch_size"] for cell in outcome.data["cells"]] == [32, None]
    assert outcome.data["small"][0]["diverged"] == [1.0] * len(RATES)
    assert any("diverges before any neuron needs to die" in finding for finding in outcome.findings)
    write_json(tmp_path / "claims" / "sgd-sparsity.json", {"provenance": {}, "data": as_json(outcome.data)})
    pdf, png, _ = save("sgd_sparsity", tmp_path, tmp_path / "figures")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")
