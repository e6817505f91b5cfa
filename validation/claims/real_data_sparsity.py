"""Are networks trained on images sparse above some learning rate, and dense below it?"""

from __future__ import annotations

import numpy as np

from validation.cells.image_sweeps import NEAR, ImageSweep, deciding_sweeps, describe_training, other_sweeps, row_means
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.broken_line import BrokenLine
from validation.evidence.image_transitions import as_if_larger, change_points, record
from validation.evidence.intervals import mean_and_interval
from validation.evidence.verdicts import failing

DENSE_UP_TO, SPARSE_AT = 0.8, 3.0  # rates, in units of the threshold, at which shares are judged
BASELINE, SPARSE = 0.05, 0.25  # excess dead share that is as good as none below, and the least above


def experiment(context: Context) -> Outcome:
    """Sweep the rate in every cell, and judge the shares below and above, and the change point between them."""
    sweeps, others = deciding_sweeps(context), other_sweeps(context)
    lines, other_lines = change_points(context, sweeps), change_points(context, others)
    conditions = [judge(*one) for one in zip(sweeps, lines, strict=True)]
    control = [judge(as_if_larger(sweep), line) for sweep, line in zip(sweeps, lines, strict=True)]
    return Outcome(
        verdict=Verdict.of(*(value for condition in conditions for value in condition.values())),
        control=Verdict.of(*(value for condition in control for value in condition.values())),
        headline=[
            measurement
            for sweep, line in zip(sweeps, lines, strict=True)
            for measurement in (
                Measurement(f"{sweep}: change point/threshold", line.change_point, line.interval),
                Measurement(f"dead beyond the baseline at {SPARSE_AT:g}", *mean_and_interval(_shares_above(sweep))),
            )
        ],
        findings=[
            describe_training(context),
            failing(zip(sweeps, conditions, strict=True)),
            *(_describe(*one) for one in zip([*sweeps, *others], [*lines, *other_lines], strict=True)),
        ],
        data={
            "cells": [
                record(sweep) | {"line": as_json(vars(line)), "deciding": k < len(sweeps), "name": str(sweep)}
                for k, (sweep, line) in enumerate(zip([*sweeps, *others], [*lines, *other_lines], strict=True))
            ],
            "near": NEAR,
        },
    )


def judge(sweep: ImageSweep, line: BrokenLine) -> dict[str, bool | None]:
    """Return whether the networks of one cell are dense below the threshold, sparse above, and turn so at some rate between."""
    below = mean_and_interval(row_means((sweep.excess / sweep.width)[:, sweep.rates <= DENSE_UP_TO]))[1]
    above = mean_and_interval(_shares_above(sweep))[1]
    low, high = line.interval
    outside = high < DENSE_UP_TO or low > SPARSE_AT
    return {
        "dense below": True if below[1] <= BASELINE else False if below[0] > BASELINE else None,
        "sparse above": True if above[0] >= SPARSE else False if above[1] < SPARSE else None,
        "change point": False if outside else True if low >= DENSE_UP_TO and high <= SPARSE_AT else None,
    }


def _shares_above(sweep: ImageSweep) -> np.ndarray:
    return row_means((sweep.excess / sweep.width)[:, sweep.rates >= SPARSE_AT])


def _describe(sweep: ImageSweep, line: BrokenLine) -> str:
    shares = [
        f"{column[np.isfinite(column)].mean() / sweep.width:.1%} ({rate:g})"
        for rate, column in zip(sweep.rates, np.where(sweep.learnt, sweep.dead, np.nan).T, strict=True)
        if np.isfinite(column).any()
    ]
    low, high = line.interval
    return (
        f"{sweep}: dead {sweep.reference_dead.mean() / sweep.width:.1%} at a quarter of 2/sharpness at the start, "
        f"{', '.join(shares)} (rates over the threshold); change point at {line.change_point:.3g} [{low:.3g}, {high:.3g}]; "
        f"{sweep.learnt.mean():.0%} of the runs have learnt."
    )


CLAIM = Claim(
    name="real-data-sparsity",
    statement="On images too, solutions of SGD without momentum are sparse above some learning rate, and dense below it.",
    source="[ZLW], abstract, reports the transition, and experiments on MNIST",
    prediction="share of dead neurons flat up to some rate, rising sharply from there on",
    rule="Networks with one hidden layer, squared loss, the same number of steps at every rate; a neuron is dead if no training "
    "image activates it. Rates are scaled run by run by 2/sharpness of what the same training reaches at a quarter of "
    "2/sharpness of the initial network; shares are in excess of those there. Runs that diverge or get more than 20 % of the "
    "training images wrong are left out. Supported if in every cell, with full gradients and with batches of 64, the mean excess "
    "share up to 0.8 of the threshold is at most 5 %, that at 3 times the threshold at least 25 % (95 % intervals over initial "
    "networks), and the simultaneous 95 % interval of the change point of a line broken in 1/rate lies between these rates. "
    "Refuted if an interval lies outside, else inconclusive.",
    control="Solutions found below the threshold, judged as if found above it, are refuted by the same rule.",
    experiment=experiment,
    on_images=True,
)
