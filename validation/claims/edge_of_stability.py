"""Are the solutions of gradient descent as sharp as its learning rate allows, and as sparse as that demands?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.rate_sweeps import LOSS_TOL, RateSweep, threshold_sweeps, without_dead
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.verdicts import failing

TOLERANCE = 0.01  # of the bound 2 / rate
NEAR = 0.1  # of the bound: how far below it the mean may lie
ERRORS = 3.0  # standard errors within which the mean decides nothing
SMALL, LARGE = 0.8, 1.1  # rates of the control: solutions of the one are judged as if found with the other
PATH = {"M": 4, "d": 8, "width": 32}
PATH_RATES = (0.8, 1.1, 1.2)


def experiment(context: Context) -> Outcome:
    """Judge every settled solution of the sweeps across the threshold."""
    sweeps = threshold_sweeps(context)
    paths = context.sweep(sharpness_path, [PATH | {"rate": rate} for rate in PATH_RATES])
    conditions = [judge(sweep) for sweep in sweeps]
    control = [judge(as_if_found_at(sweep, SMALL, LARGE)) for sweep in sweeps]
    settled = np.concatenate([sweep.sharpness[sweep.settled] for sweep in sweeps])
    above = np.concatenate([_above(sweep) for sweep in sweeps])
    return Outcome(
        verdict=Verdict.of(*(value for condition in conditions for value in condition.values())),
        control=Verdict.of(*(value for condition in control for value in condition.values())),
        headline=[
            Measurement("largest rate * sharpness", float(settled.max())),
            Measurement("mean above the threshold", float(above.mean())),
        ],
        findings=[
            failing(zip(map(_cell, sweeps), conditions, strict=True)),
            _near(sweeps),
            _as_it_stands(sweeps),
            _beyond_the_bound(sweeps),
        ],
        data={
            "paths": as_json(paths),
            "cells": [
                {
                    "M": sweep.M,
                    "d": sweep.d,
                    "width": sweep.width,
                    "relative_rates": sweep.relative_rates[sweep.settled].tolist(),
                    "sharpness": sweep.sharpness[sweep.settled].tolist(),
                    "full_sharpness": sweep.full_sharpness[sweep.settled].tolist(),
                    "dead_share": (sweep.dead[sweep.settled] / sweep.width).tolist(),
                    "conditions": condition,
                }
                for sweep, condition in zip(sweeps, conditions, strict=True)
            ],
        },
    )


def judge(sweep: RateSweep) -> dict[str, bool | None]:
    """Return whether the settled solutions of one cell keep to the bound, lie near it, and are as sparse as it demands."""
    settled, above = sweep.settled, _above(sweep)
    demanded = 1 - (1 + TOLERANCE) / sweep.relative_rates[settled]
    near: bool | None = None
    if above.size > 1:
        distance = above.mean() - 2 * (1 - NEAR)
        error = above.std(ddof=1) / np.sqrt(above.size)
        near = None if abs(distance) <= ERRORS * error else bool(distance > 0)
    return {
        "at most 2": bool((sweep.sharpness[settled] <= 2 * (1 + TOLERANCE)).all()) if settled.any() else None,
        "near 2 above the threshold": near,
        "dead share": bool((sweep.dead[settled] / sweep.width >= demanded).all()) if settled.any() else None,
    }


def as_if_found_at(sweep: RateSweep, small: float, large: float) -> RateSweep:
    """Return the solutions found at the rate `small`, as if they had been found at `large`."""
    column = int(np.argmin(np.abs(sweep.rates - small)))
    arrays = {name: getattr(sweep, name)[:, [column]] for name in ("behaviour", "dead", "sharpness")}
    arrays["sharpness"] = arrays["sharpness"] * large / sweep.rates[column]
    return replace(sweep, rates=np.array([large]), **arrays)


def _above(sweep: RateSweep) -> np.ndarray:
    """Learning rate times sharpness of settled solutions at rates above the threshold."""
    return np.asarray(sweep.sharpness[sweep.settled & (sweep.rates > 1)])


def sharpness_path(seed: int, M: int, d: int, width: int, rate: float) -> dict[str, Any]:
    """Return learning rate times sharpness along one run at `rate` times the balanced threshold, dead neurons at zero.

    `sharpness` ``(P, 2)`` is that at log-spaced even `steps` ``(P,)`` and at the odd ones after them: above the threshold
    runs oscillate with period two.
    """
    teacher, learning_rate = lmc.orthonormal_teacher(M, d), rate * lmc.stability_threshold(M, width)
    even = 2 * np.unique(np.geomspace(1, 9_999, 120).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # the behaviour is in the results
        result = lmc.train(
            teacher, width, learning_rate=learning_rate, rng=np.random.SeedSequence([seed, M, d, width, 1]),
            gradient_tol=0, loss_tol=LOSS_TOL, checkpoints=np.sort(np.concatenate([even, even + 1])),
        )  # fmt: skip
    kept = dict(zip(result.checkpoints[0].steps.tolist(), result.checkpoints[0].networks, strict=True))
    steps = [step for step in even.tolist() if step in kept and step + 1 in kept]
    sharpness = [[lmc.sharpness(without_dead(kept[step + k]), teacher) for k in (0, 1)] for step in steps]
    return {"behaviour": result.behaviour[0], "steps": np.array(steps), "sharpness": learning_rate * np.array(sharpness)}


def _cell(sweep: RateSweep) -> str:
    return f"M={sweep.M}, d={sweep.d}, m={sweep.width}"


def _near(sweeps: Sequence[RateSweep]) -> str:
    means = [f"{_above(sweep).mean():.2f} ({_cell(sweep)})" for sweep in sweeps if _above(sweep).size]
    return f"Mean of rate * sharpness above the threshold: {', '.join(means)}."


def _as_it_stands(sweeps: Sequence[RateSweep]) -> str:
    """Say what dying neurons, which hop across the cone of the loss at the origin, do to the Hessian."""
    full = np.concatenate([sweep.full_sharpness[sweep.settled & (sweep.rates > 1)] for sweep in sweeps])
    share = (full > 2 * (1 + TOLERANCE)).mean() if full.size else np.nan
    return (
        f"With dead neurons as they stand, not at zero, {share:.0%} of the solutions above the threshold exceed 2, up to "
        f"{full.max(initial=0.0):.3g}: a dying neuron hops across the origin, where the loss has a cone, at a norm of about its "
        "last step, so its curvature, gradient over norm, stays of the order of 1 / rate however long descent goes on."
    )


def _beyond_the_bound(sweeps: Sequence[RateSweep]) -> str:
    excess = {
        M: np.concatenate(
            [
                (sweep.dead / sweep.width - 1 + 1 / sweep.relative_rates)[sweep.settled & (sweep.relative_rates > 1)]
                for sweep in sweeps
                if sweep.M == M
            ]
        )
        for M in sorted({sweep.M for sweep in sweeps})
    }
    means = ", ".join(f"{values.mean():.3f} (M={M})" for M, values in excess.items() if values.size)
    return f"Mean dead share above the balanced threshold, less 1 - eta_c/eta: {means}."


CLAIM = Claim(
    name="edge-of-stability",
    statement="GD settles only where learning rate times sharpness is at most 2; above the threshold of dense minima it settles "
    "near 2, and at least the share 1 - eta_c/eta of the neurons is dead.",
    source="linear stability; [ZLW], abstract, reports the sparsity",
    prediction="rate * sharpness <= 2, near 2 above the threshold; dead share >= 1 - eta_c/eta",
    rule="Settled solutions of the sweeps of `sparsity-transition`; sharpness is the largest eigenvalue of the full Hessian with "
    "dead neurons at zero. Supported if in every cell rate * sharpness is at most 2.02 at every solution, its mean above the "
    "threshold is at least 1.8 (undecided within three standard errors), and every dead share is at least 1 - 1.01 eta_c/eta, "
    "with eta_c the threshold of balanced classes. Refuted if one of these fails.",
    control=f"Solutions found at {SMALL} of the threshold, judged as if found at {LARGE} of it, are refuted by the same rule.",
    experiment=experiment,
)
