"""Is it the sharpness of dense networks that tells at which learning rate networks trained on images turn sparse?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation.cells.image_sweeps import LARGE, NEAR, ImageSweep, deciding_sweeps, describe_training, other_sweeps
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.broken_line import BrokenLine
from validation.evidence.image_transitions import as_if_larger, change_points, record
from validation.evidence.intervals import mean_and_interval
from validation.evidence.verdicts import failing

MARGIN = 0.5  # of the change point: the sharpness of dense networks is not one number, and falls by a third along the way


def experiment(context: Context) -> Outcome:
    """Judge change points and sharpness in the sweeps of `real-data-sparsity`."""
    sweeps, others = deciding_sweeps(context), other_sweeps(context)
    lines, other_lines = change_points(context, sweeps), change_points(context, others)
    conditions = [judge(*one) for one in zip(sweeps, lines, strict=True)]
    control = [judge(as_if_larger(sweep), line) for sweep, line in zip(sweeps, lines, strict=True) if sweep.batch_size is None]
    return Outcome(
        verdict=Verdict.of(*(value for condition in conditions for value in condition.values())),
        control=Verdict.of(*(condition["at the edge"] for condition in control)),
        headline=[
            *(Measurement(f"{sweep}: rate * sharpness", *mean_and_interval(sweep.at_the_edge)) for sweep in sweeps),
            *(
                Measurement(f"{sweep}: change point/threshold", line.change_point, line.interval)
                for sweep, line in zip(sweeps, lines, strict=True)
            ),
        ],
        findings=[
            describe_training(context),
            failing(zip(sweeps, conditions, strict=True)),
            *(_describe(*one) for one in zip([*sweeps, *others], [*lines, *other_lines], strict=True)),
            _demanded(sweeps),
        ],
        data={
            "cells": [
                record(sweep) | {"line": as_json(vars(line)), "deciding": k < len(sweeps), "name": str(sweep)}
                for k, (sweep, line) in enumerate(zip([*sweeps, *others], [*lines, *other_lines], strict=True))
            ],
            "margin": MARGIN,
            "near": NEAR,
        },
    )


def judge(sweep: ImageSweep, line: BrokenLine) -> dict[str, bool | None]:
    """Return whether neurons of one cell start to die near the threshold, and solutions above it lie at the edge of stability.

    Random batches have no say in the latter: their noise keeps the sharpness of the full loss below the edge.
    """
    found = {"change point": line.agrees(1.0, MARGIN)}
    if sweep.batch_size is None:
        low, high = mean_and_interval(sweep.at_the_edge)[1]
        outside = low > 2 + NEAR or high < 2 - NEAR
        found["at the edge"] = False if outside else True if low >= 2 - NEAR and high <= 2 + NEAR else None
    return found


def _describe(sweep: ImageSweep, line: BrokenLine) -> str:
    edges = [
        f"{column[np.isfinite(column)].mean():.2f} ({rate:g})"
        for rate, column in zip(sweep.rates, np.where(sweep.learnt, sweep.edge, np.nan).T, strict=True)
        if np.isfinite(column).any()
    ]
    moved = float(np.mean(sweep.thresholds / sweep.initial))
    return (
        f"{sweep}: rate times sharpness {', '.join(edges)} (rates over the threshold). The threshold is {moved:.2f} of "
        f"2/sharpness at the start: neurons start to die at {line.change_point:.2f} of the one and about "
        f"{moved * line.change_point:.2f} of the other."
    )


def _demanded(sweeps: Sequence[ImageSweep]) -> str:
    """Compare dead shares with what stability would demand if only deaths lowered the sharpness."""
    found = []
    for sweep in sweeps:
        gap = (sweep.excess / sweep.width - (1 - 1 / sweep.rates))[:, sweep.rates >= LARGE]
        found.append(f"{gap[np.isfinite(gap)].mean():+.3f} ({sweep})" if np.isfinite(gap).any() else f"none ({sweep})")
    return f"Excess dead share from {LARGE:g} on, less 1 - threshold/rate: {', '.join(found)}."


CLAIM = Claim(
    name="real-data-edge-of-stability",
    statement="On images too, neurons start to die near the rate at which dense solutions turn unstable, and what gradient "
    "descent reaches above has learning rate times sharpness near 2.",
    source="linear stability, which explains the transition of [ZLW] against a teacher",
    prediction="change point at 2/sharpness of the dense solution; rate * sharpness = 2 above",
    rule="The sweeps of `real-data-sparsity`. Supported if in every cell, with full gradients and with batches of 64, the "
    "simultaneous 95 % interval of the change point lies within 0.5 of the threshold, and with full gradients the mean of rate "
    "times sharpness from twice the threshold on lies within 0.2 of 2 (95 % intervals over initial networks). Refuted if an "
    "interval lies outside, else inconclusive.",
    control="Solutions found below the threshold, judged as if found above it, are not near the edge: refuted by the same rule.",
    experiment=experiment,
    on_images=True,
)
