"""Do neurons start to die at the learning rate at which dense minima become unstable?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from lmctheory.stability import DEAD
from validation.cells.rate_sweeps import SETTLED, RateSweep, rate_sweeps, threshold_sweeps
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.broken_line import BrokenLine, fit_broken_lines, margin

KEY = 601
LEVEL = 0.95
OTHER_TEACHER = {1: 2, 2: 4, 4: 8, 8: 4}


def wide_cells(context: Context) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Cells whose rates also reach from 0.1 of the threshold to divergence: for the figure, they decide nothing."""
    found = context.pick(quick=[(M, 2 * M, 16) for M in (1, 2, 4)], full=[(M, 2 * M, 32) for M in (1, 2, 4, 8)])
    return found, [4] * len(found)


def experiment(context: Context) -> Outcome:
    """Sweep the rate in every cell, fit all broken lines together, and compare change points with the threshold."""
    sweeps = threshold_sweeps(context)
    wide = rate_sweeps(context, *wide_cells(context), "wide")
    lines = fit_broken_lines(
        sweeps[0].rates, [sweep.excess for sweep in sweeps], [sweep.width for sweep in sweeps],
        context.rng(KEY), context.pick(quick=2000, full=10_000), LEVEL,
    )  # fmt: skip
    conditions = judge(sweeps, lines, [1.0] * len(sweeps))
    other = judge(sweeps, lines, [_other_prediction(sweep) for sweep in sweeps])
    doubled = judge(sweeps, lines, [2.0] * len(sweeps))
    controls = [Verdict.of(*other), Verdict.of(*doubled)]
    return Outcome(
        verdict=Verdict.of(*conditions),
        control=Verdict.REFUTED if controls == [Verdict.REFUTED] * 2 else Verdict.INCONCLUSIVE,
        headline=_headline(sweeps, lines),
        findings=[
            _outside(sweeps, lines, conditions),
            f"Refuted by the same rule: the prediction for another teacher in {other.count(False)} of {len(sweeps)} cells, "
            f"twice the threshold in {doubled.count(False)}.",
            _balanced_units(sweeps, lines),
            _baselines(sweeps, wide),
            *_unsettled(sweeps),
            _reference_matters(sweeps),
        ],
        data={
            "cells": [
                {
                    "M": sweep.M,
                    "d": sweep.d,
                    "width": sweep.width,
                    "margin": margin(sweep.M, sweep.width),
                    "holds": holds,
                    "line": as_json(vars(line)),
                    **shares(sweep),
                }
                for sweep, line, holds in zip(sweeps, lines, conditions, strict=True)
            ],
            "wide": [{"M": sweep.M, "d": sweep.d, "width": sweep.width, **shares(sweep)} for sweep in wide],
            "histogram": _histogram(sweeps),
        },
    )


def judge(sweeps: Sequence[RateSweep], lines: Sequence[BrokenLine], predictions: Sequence[float]) -> list[bool | None]:
    """Return for each cell whether the interval over the predicted change point lies within the margin of 1; None: partly."""
    return [
        line.agrees(prediction, margin(sweep.M, sweep.width))
        for sweep, line, prediction in zip(sweeps, lines, predictions, strict=True)
    ]


def _other_prediction(sweep: RateSweep) -> float:
    """Return the balanced threshold for another teacher, in units of the one for this teacher."""
    return lmc.stability_threshold(OTHER_TEACHER[sweep.M], sweep.width) / lmc.stability_threshold(sweep.M, sweep.width)


def shares(sweep: RateSweep) -> dict[str, Any]:
    """Return mean dead shares over settled runs at each rate, and what the others did; None where no run settled."""

    def means(counts: np.ndarray) -> list[float | None]:
        return [
            float(column[mine].mean()) / sweep.width if mine.any() else None
            for column, mine in zip(counts.T, sweep.settled.T, strict=True)
        ]

    return {
        "rates": sweep.rates.tolist(),
        "dead_share": means(sweep.dead),
        "excess_share": means(sweep.excess),
        "settled": sweep.settled.mean(axis=0).tolist(),
        "diverged": (sweep.behaviour == "diverged").mean(axis=0).tolist(),
    }


def _histogram(sweeps: Sequence[RateSweep]) -> dict[str, Any]:
    """Return the masses of settled runs of the widest cell with M = 4, at a rate below and one above the threshold.

    Of the rates from 0.9 to 0.95 and from 1.05 to 1.15 those at which most runs settled.
    """
    sweep = max((sweep for sweep in sweeps if sweep.M == 4), key=lambda sweep: (sweep.width, sweep.d))
    found: dict[str, Any] = {
        "M": sweep.M,
        "d": sweep.d,
        "width": sweep.width,
        "dead": DEAD,
    }
    for name, (low, high) in {"below": (0.9, 0.95), "above": (1.05, 1.15)}.items():
        within = (sweep.rates >= low) & (sweep.rates <= high)
        column = int(np.argmax(np.where(within, sweep.settled.sum(axis=0), -1)))
        mine = sweep.settled[:, column]
        found[name] = {"rate": float(sweep.rates[column]), "masses": sweep.masses[mine, column].tolist()}
    return found


def _headline(sweeps: Sequence[RateSweep], lines: Sequence[BrokenLine]) -> list[Measurement]:
    """Return the change point of the widest cell of each teacher."""
    widest = {sweep.M: k for k, sweep in sorted(enumerate(sweeps), key=lambda item: (item[1].width, item[1].d))}
    return [
        Measurement(f"M={M}, m={sweeps[k].width}: change point/threshold", lines[k].change_point, lines[k].interval)
        for M, k in sorted(widest.items())
    ]


def _outside(sweeps: Sequence[RateSweep], lines: Sequence[BrokenLine], conditions: Sequence[bool | None]) -> str:
    def cell(k: int) -> str:
        sweep, (low, high) = sweeps[k], lines[k].interval
        return f"M={sweep.M}, d={sweep.d}, m={sweep.width} [{low:.3f}, {high:.3f}] (margin {margin(sweep.M, sweep.width):.3f})"

    failing, undecided = ([cell(k) for k, holds in enumerate(conditions) if holds is value] for value in (False, None))
    return (
        f"{list(conditions).count(True)} of {len(sweeps)} change points lie within the margin. "
        f"Outside: {'; '.join(failing) or 'none'}. Undecided: {'; '.join(undecided) or 'none'}."
    )


def _balanced_units(sweeps: Sequence[RateSweep], lines: Sequence[BrokenLine]) -> str:
    """Say where the change points lie in units of the balanced threshold, which early deaths do not move."""
    found = []
    for M in _teachers(sweeps):
        points = [
            line.change_point * sweep.thresholds.mean() / lmc.stability_threshold(M, sweep.width)
            for sweep, line in zip(sweeps, lines, strict=True)
            if sweep.M == M and np.isfinite(line.change_point)
        ]
        found.append(f"{np.mean(points):.3f} for M={M}" if points else f"none for M={M}")
    return (
        f"Mean change point in units of the balanced threshold, which neurons that died early do not raise: {', '.join(found)}."
    )


def _baselines(sweeps: Sequence[RateSweep], wide: Sequence[RateSweep]) -> str:
    half, low = [], []
    for M in _teachers(sweeps):
        share = np.concatenate([sweep.reference_dead / sweep.width for sweep in sweeps if sweep.M == M]).mean()
        half.append(f"{share:.1%} for M={M}")
    for sweep in wide:
        column = sweep.settled[:, 0]
        share = (sweep.dead[column, 0] / sweep.width).mean() if column.any() else np.nan
        low.append(f"{share:.1%} for M={sweep.M}, m={sweep.width}")
    return f"Dead at half the balanced threshold: {', '.join(half)}; at {wide[0].rates[0]:g} of the threshold: {', '.join(low)}."


def _teachers(sweeps: Sequence[RateSweep]) -> list[int]:
    return sorted({sweep.M for sweep in sweeps})


def _unsettled(sweeps: Sequence[RateSweep]) -> list[str]:
    """Say what runs that are left out of the fit were doing, and where descent diverges."""
    total = sum(sweep.behaviour.size for sweep in sweeps)
    counts = Counter(str(b) for sweep in sweeps for b in sweep.behaviour.ravel() if b not in (SETTLED, "diverged"))
    doing = ", ".join(f"{n} {name}" for name, n in counts.most_common()) or "none"
    sentences = [f"Not settled, and left out of the fit: {counts.total()} of {total} runs ({doing})."]
    for M in _teachers(sweeps):
        mine = [sweep for sweep in sweeps if sweep.M == M]
        first = [sweep.rates[(sweep.behaviour == "diverged").mean(axis=0) >= 0.5][:1] for sweep in mine]
        lowest = np.concatenate(first)
        if lowest.size:
            sentences.append(f"M={M}: at least half of the runs diverge from {lowest.min():.2f} of the threshold on.")
    dropped = sum(sweep.dropped for sweep in sweeps)
    return [*sentences, f"Initial networks without a settled reference run: {dropped}."] if dropped else sentences


def _reference_matters(sweeps: Sequence[RateSweep]) -> str:
    """Say how far thresholds for the class sizes reached just below the threshold differ from those used."""
    shifts = [0.0]
    for sweep in sweeps:
        column = int(np.argmin(np.abs(sweep.rates - 0.94)))
        for sizes, threshold, settled in zip(
            sweep.class_sizes[:, column], sweep.thresholds, sweep.settled[:, column], strict=True
        ):
            if settled and sizes.min() > 0:
                shifts.append(abs(lmc.stability_threshold(sweep.M, sweep.width, sizes) / threshold - 1))
    return f"Class sizes at 0.94 of the threshold, instead of half of it, would move it by {np.mean(shifts):.2%} in the mean."


CLAIM = Claim(
    name="sparsity-transition",
    statement="Above some learning rate GD solutions are sparse: neurons start to die at the rate at which dense minima become "
    "linearly unstable.",
    source="[ZLW], abstract, reports the transition; the threshold is linear stability of the minima of [LLW]",
    prediction="share of dead neurons flat up to 2/sharpness of the dense minimum, rising from there on",
    rule="Learning rates are scaled run by run by the stability threshold for the class sizes which the same initial network "
    "reaches at half the balanced threshold. In every cell M in {1, 2, 4, 8}, d = M and 2M, m in {16, 32, 64, 128} (quick: M up "
    "to 4, m up to 32, and M = 8, d = 16, m = 32) the share of neurons that have died beyond those of that reference run is "
    "fitted by a line broken in 1/rate; runs that did not settle are left out. Bootstrap over initial networks gives 95 % "
    "intervals of the change points that hold for all cells at once, widened by what rounding to multiples of 1/m leaves "
    "open. Supported if each lies within max(0.05, 2M/m) of 1, refuted if one lies outside, else inconclusive.",
    control="The threshold for another teacher, and twice the threshold, are both refuted by the same rule.",
    experiment=experiment,
)
