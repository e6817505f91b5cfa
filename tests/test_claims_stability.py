"""Claims on learning rates: change points are found where they were planted, every decision rule can fail."""

from dataclasses import replace

import numpy as np
import pytest

import lmctheory as lmc
from validation.cells import rate_sweeps
from validation.cells.rate_sweeps import RATES, RateSweep
from validation.claim import Context, Verdict, as_json
from validation.claims import edge_of_stability, sparsity_transition
from validation.evidence.broken_line import BrokenLine, fit_broken_lines

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
FULL = np.array(RATES["full"])


def deaths(rng, width, change_point, spread, n, rates=FULL):
    """Numbers of neurons that n runs have to lose, rounded up, where each has a threshold of its own."""
    own = change_point + spread * rng.normal(size=(n, 1))
    return np.ceil(width * np.maximum(0, 1 - own / rates) - 1e-9)


def fit(excess, widths, seed=0, n_resamples=200):
    return fit_broken_lines(FULL, excess, widths, np.random.SeedSequence(seed), n_resamples, 0.95)


def test_intervals_of_planted_change_points_hold_together():
    """At least 95 % of the time for all cells at once: below 9 of 12 by chance in 0.2 % of seeds."""
    held, widths = 0, [16, 32, 64, 128]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        points = rng.uniform(0.85, 1.1, size=4)
        excess = [deaths(rng, m, point, 0.02, 12) for m, point in zip(widths, points, strict=True)]
        lines = fit(excess, widths, seed)
        held += all(line.interval[0] <= point <= line.interval[1] for line, point in zip(lines, points, strict=True))
        assert all(line.interval[1] - line.interval[0] < 0.25 for line in lines)
    assert held >= 9


@pytest.mark.parametrize("width", [16, 32, 64, 128])
def test_intervals_cover_rounding_where_all_runs_agree(width):
    for point in np.linspace(0.9, 1.08, 19):
        (line,) = fit([deaths(np.random.default_rng(0), width, point, 0.0, 4)], [width], n_resamples=100)
        assert line.interval[0] <= point <= line.interval[1]
        assert abs(line.change_point - point) < 0.75 / width
        assert line.slope == pytest.approx(1.0, abs=0.4)


def test_runs_that_did_not_settle_count_for_nothing():
    rng = np.random.default_rng(0)
    excess = deaths(rng, 64, 1.0, 0.01, 16)
    missing = rng.random(excess.shape) < 0.3
    spoilt = np.where(missing, np.nan, excess)
    spoilt[:, -1] = np.nan
    (line,) = fit([spoilt], [64])
    assert line.interval[0] < 1 < line.interval[1]
    assert abs(line.change_point - 1) < 0.02


@pytest.mark.parametrize(
    "excess",
    [
        np.zeros((8, len(FULL))),  # nothing rises
        np.full((8, len(FULL)), np.nan),  # nothing settles
        deaths(np.random.default_rng(0), 16, 1.0, 0.01, 1),  # one initial network
        np.where(np.arange(len(FULL)) < 2, np.ones((8, 1)), np.nan),  # two rates
    ],
)
def test_cells_that_cannot_tell_are_undecided(excess):
    lines = fit([excess, deaths(np.random.default_rng(1), 32, 1.0, 0.01, 8)], [16, 32])
    assert lines[0].interval == (-np.inf, np.inf)
    assert np.isfinite(lines[1].interval).all()
    assert sparsity_transition.judge([_sweep(width=16)], lines[:1], [1.0]) == [None]


def _sweep(M=4, d=8, width=32, n=3, rates=(0.8, 0.94, 1.1, 1.15)):
    """Runs that keep to the bound, lie near it above the threshold, and are as sparse as it demands."""
    rates = np.array(rates)
    dead = np.broadcast_to(np.ceil(width * np.maximum(0, 1 - 1 / rates)), (n, len(rates)))
    return RateSweep(
        M=M,
        d=d,
        width=width,
        rates=rates,
        dropped=0,
        thresholds=np.full(n, lmc.stability_threshold(M, width)),
        reference_dead=np.zeros(n, dtype=int),
        dead=dead,
        losses=np.full(dead.shape, 1e-9),
        steps=np.full(dead.shape, 5000),
        behaviour=np.full(dead.shape, "converged", dtype="<U24"),
        sharpness=2 * rates * (1 - dead / width) * np.linspace(0.99, 1, n)[:, None],
        full_sharpness=2 * rates * np.ones((n, 1)),
        class_sizes=np.full((*dead.shape, M), width // M),
        masses=np.tile(np.geomspace(1e-6, 1, width), (*dead.shape, 1)),
    )


def _line(low, high):
    return BrokenLine(0.0, 1.0, (low + high) / 2, 0.01, 0.01, (low, high))


@pytest.mark.parametrize(
    ("width", "interval", "prediction", "holds"),
    [
        (32, (0.76, 1.24), 1.0, True),  # margin 2 M / m = 0.25
        (32, (0.74, 1.24), 1.0, None),
        (32, (1.2, 1.26), 1.0, None),
        (32, (1.26, 1.3), 1.0, False),
        (32, (0.5, 0.74), 1.0, False),
        (32, (0.95, 1.05), 2.0, False),  # the control
        (256, (0.96, 1.04), 1.0, True),  # margin 5 %
        (256, (0.94, 1.04), 1.0, None),
        (256, (0.9, 0.94), 1.0, False),
    ],
)
def test_transition_rule(width, interval, prediction, holds):
    assert sparsity_transition.judge([_sweep(width=width)], [_line(*interval)], [prediction]) == [holds]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, S),
        ({"sharpness": 1.03}, R),  # beyond the bound
        ({"sharpness": 0.85}, R),  # far from it above the threshold
        ({"dead": 0}, R),  # dense where it cannot be
        ({"behaviour": "drift"}, I),  # nothing has settled
    ],
)
def test_edge_rule(change, verdict):
    sweep = _sweep()
    if "behaviour" in change:
        sweep = replace(sweep, behaviour=np.full(sweep.behaviour.shape, "drift"))
    else:
        sweep = replace(sweep, **{name: getattr(sweep, name) * factor for name, factor in change.items()})
    assert Verdict.of(*edge_of_stability.judge(sweep).values()) is verdict


def test_edge_rule_is_undecided_where_the_mean_may_lie_on_either_side():
    sweep = _sweep()
    scattered = replace(sweep, sharpness=np.where(sweep.rates > 1, np.array([[1.7], [1.8], [1.95]]), sweep.sharpness))
    assert edge_of_stability.judge(scattered)["near 2 above the threshold"] is None


def test_edge_control_judges_solutions_of_a_small_rate_at_a_large_one():
    moved = edge_of_stability.as_if_found_at(_sweep(), 0.8, 1.1)
    assert moved.sharpness.max() == pytest.approx(2.2)
    assert edge_of_stability.judge(moved) == {"at most 2": False, "near 2 above the threshold": True, "dead share": False}


@pytest.mark.jit
def test_sweep_keeps_to_its_thresholds():
    """Runs of each initial network at all rates end in solutions below the threshold of their class sizes."""
    (sweep,) = rate_sweeps.rate_sweeps(Context(), [(2, 2, 8)], [3], "quick")
    assert sweep.dead.shape == sweep.settled.shape == (3, len(RATES["quick"]))
    assert sweep.dropped == 0
    assert sweep.settled.mean() > 0.5
    assert (sweep.sharpness[sweep.settled] <= 2.02).all()
    assert (sweep.dead + sweep.class_sizes.sum(axis=2) == 8).all()
    assert (sweep.thresholds <= lmc.stability_threshold(2, 8) * (1 + 1e-12)).all()
    assert np.isnan(sweep.excess).sum() == (~sweep.settled).sum()
    assert sweep.masses.shape == (3, len(RATES["quick"]), 8)
    assert (np.diff(sweep.masses, axis=2) >= 0).all()


@pytest.mark.jit
def test_initial_networks_without_a_settled_reference_are_counted(monkeypatch):
    monkeypatch.setattr(rate_sweeps, "MAX_STEPS", 3)
    (sweep,) = rate_sweeps.rate_sweeps(Context(), [(2, 2, 8)], [2], "quick")
    assert sweep.dropped == 2
    assert sweep.dead.shape == (0, len(RATES["quick"]))
    assert set(edge_of_stability.judge(sweep).values()) == {None}


@pytest.mark.jit
def test_experiments_run_on_few_small_cells(monkeypatch):
    """Every finding is a sentence, and data are JSON."""
    for module in (sparsity_transition, edge_of_stability):
        monkeypatch.setattr(
            module, "threshold_sweeps", lambda context: [_sweep(n=4), _sweep(M=8, d=8, rates=(0.8, 0.94, 1.1, 1.15))]
        )
    monkeypatch.setattr(sparsity_transition, "wide_cells", lambda context: ([(1, 1, 4)], [2]))
    monkeypatch.setattr(edge_of_stability, "PATH", {"M": 1, "d": 2, "width": 4})
    for module in (sparsity_transition, edge_of_stability):
        outcome = module.CLAIM.experiment(Context())
        assert all(isinstance(finding, str) for finding in outcome.findings)
        assert as_json(outcome.data) == outcome.data
        assert outcome.headline


def _transition_data():
    sweeps = [_sweep(), _sweep(M=1, d=1)]
    cells = [
        {
            "M": s.M,
            "d": s.d,
            "width": s.width,
            "margin": 0.25,
            "holds": None,
            "line": as_json(vars(line)),
            **sparsity_transition.shares(s),
        }
        for s, line in zip(sweeps, (_line(0.95, 1.05), _line(-np.inf, np.inf)), strict=True)
    ]
    return {"cells": cells, "wide": cells[:1], "histogram": sparsity_transition._histogram(sweeps)}


def _edge_data():
    path = {**edge_of_stability.PATH, "rate": 1.1, "steps": [2, 4], "sharpness": [[1, 3], [2, 2]]}
    cell = {"M": 4, "d": 8, "width": 32, "relative_rates": [0.9, 1.1], "sharpness": [1.8, 2.0], "dead_share": [0.0, 0.1]}
    return {"paths": [path], "cells": [cell]}


STABILITY_DATA = {  # made-up numbers for every figure on learning rates
    "sparsity_transition": _transition_data,
    "norm_histogram": _transition_data,
    "edge_of_stability": _edge_data,
}
