"""The claim on divergence: its rule can fail, its prediction is that of descent itself, its figure needs saved numbers only."""

import warnings

import numpy as np
import pytest

import lmctheory as lmc
from paper_figures.files import save
from validation.claim import Context, Verdict, as_json
from validation.claims import divergence
from validation.report.results import write_json

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741


def ratios(*means, spread=0.01):
    return [mean + spread * np.linspace(-1, 1, 8) for mean in means]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (ratios(0.0, 0.05, -0.07), S),
        (ratios(0.0, 0.2), R),
        (ratios(0.0, -0.2), R),
        (ratios(0.09), I),  # the interval reaches beyond log 1.1
        (ratios(0.0, spread=0.4), I),
        (ratios(0.05, spread=0.0), S),
        (ratios(0.093, spread=0.0), I),  # runs agree, but bisection leaves it open
    ],
)
def test_rule(values, verdict):
    assert divergence.decide(values) is verdict


def test_control_is_refuted_only_if_both_predictions_are():
    assert divergence.weaker(R, R) is R
    assert divergence.weaker(R, I) is I
    assert divergence.weaker(S, R) is S


def test_bisection_finds_planted_rates():
    planted = np.array([0.5, 1.0, 1.234, 2.9])
    found = divergence.bisect(lambda rates: rates > planted, 4)
    np.testing.assert_allclose(np.log(found / planted), 0, atol=np.log(3 / 0.1) / 2**10)


@pytest.mark.jit
@pytest.mark.parametrize("M", [2, 4])
def test_oscillation_escapes_where_descent_of_a_symmetric_network_diverges(M):
    """Descent in full coordinates keeps the symmetry of classes until rounding breaks it."""
    rate = divergence.oscillation_threshold(M) * lmc.stability_threshold(M, M)
    start = lmc.TwoLayerNet(0.05 + 0.6 * np.eye(M))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        result = lmc.train(
            lmc.orthonormal_teacher(M, M),
            init=[start] * 2,
            learning_rate=[0.98 * rate, 1.1 * rate],
            max_steps=400,
            gradient_tol=0,
        )
    assert result.diverged.tolist() == [False, True]


def _data():
    cells = [
        {"M": M, "d": d, "width": k * M, "scale": scale, "threshold": 0.5, "rates": [0.6] * 3, "initial": [0.7] * 3}
        for M, k, scale in ((2, 2, 1.0), (8, 4, 1.0), (2, 4, 64.0))
        for d in (M, 2 * M)
    ]
    return {"cells": cells, "scales": cells, "oscillations": {"2": 1.48, "8": 1.11}, "verdicts": {}}


DIVERGENCE_DATA = {"divergence": _data}  # made-up numbers for the figure


@pytest.mark.jit
def test_small_experiment_has_the_expected_shape_and_its_figure_is_drawn(tmp_path, monkeypatch):
    def few(context):
        sizes = [(2, 2, 4, 1.0), (2, 4, 4, 1.0), (2, 2, 4, 64.0)]
        cells = [dict(zip(("M", "d", "width", "scale"), size, strict=True)) | {"n_runs": 10} for size in sizes]
        return cells[:2], cells[::2]

    monkeypatch.setattr(divergence, "cells", few)
    outcome = divergence.experiment(Context(seed=3))
    assert outcome.verdict is S
    assert outcome.data["verdicts"]["sparsest"] == R
    assert 1.3 < outcome.headline[0].value < 1.5
    small, large = outcome.data["scales"]
    assert np.mean(large["rates"]) < np.mean(small["rates"])
    write_json(tmp_path / "claims" / "divergence.json", {"provenance": {}, "data": as_json(outcome.data)})
    pdf, png, _ = save("divergence", tmp_path, tmp_path / "figures")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")
