"""The learning rate at which gradient descent diverges, and which prediction explains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

import lmctheory as lmc
from validation.cells.divergence import BRACKET, HALVINGS, MAX_STEPS, bisect, diverging_rates
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json

MARGIN = np.log(1.1)
LEVEL = 0.05  # of all intervals of one prediction together
PERTURBATION, FAR = 1e-3, 1e6  # where the oscillation of whole classes starts, and where it counts as diverged
PREDICTIONS = {
    "oscillation": "oscillation of whole classes",
    "sparsest": "stability of the sparsest minima",
    "initial": "stability of the initial point",
}


def cells(context: Context) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Cells that decide, at the default initial scale M/m and a tenth of it; and cells at larger initial scales."""
    n_runs = context.pick(quick=8, full=32)
    teachers = context.pick(quick=(2, 4, 8), full=(2, 3, 4, 6, 8, 16))
    multiples = context.pick(quick=(2, 4, 8), full=(2, 4, 8, 16))
    large = context.pick(quick=(4.0, 16.0, 64.0), full=(2.0, 4.0, 8.0, 16.0, 64.0))

    def cell(M: int, d: int, width: int, scale: float) -> dict[str, Any]:
        return {"M": M, "d": d, "width": width, "scale": scale, "n_runs": n_runs}

    deciding = [cell(M, d, k * M, 1.0) for M in teachers for d in (M, 2 * M) for k in multiples if k * M <= 128]
    deciding += [cell(M, M, 4 * M, 0.1) for M in teachers]
    return deciding, [cell(M, M, 4 * M, scale) for M in (2, 4, 8) for scale in (1.0, *large)]


def experiment(context: Context) -> Outcome:
    """Measure the rate of divergence and compare it with each prediction."""
    deciding, others = cells(context)
    found = context.sweep(diverging_rates, [*deciding, *others], cost=lambda cell: cell["n_runs"] * cell["width"] ** 2.0 + 200)
    measured, scaled = found[: len(deciding)], found[len(deciding) :]
    teachers = sorted({cell["M"] for cell in deciding})
    oscillations = {M: oscillation_threshold(M) for M in teachers}
    ratios = {name: [log_ratio(cell, name, oscillations) for cell in measured] for name in PREDICTIONS}
    verdicts = {name: decide(values) for name, values in ratios.items()}
    far = [cell for cell in scaled if cell["scale"] == max(other["scale"] for other in scaled)]
    return Outcome(
        verdict=verdicts["oscillation"],
        control=weaker(verdicts["sparsest"], verdicts["initial"]),
        headline=[_over_threshold(measured, M) for M in teachers],
        findings=[
            *(f"Prediction '{PREDICTIONS[name]}': {verdicts[name]}, {_describe(ratios[name])}." for name in PREDICTIONS),
            "From initial weights of 64 times the default scale descent diverges at a rate times m of "
            + ", ".join(f"{np.exp(np.log(cell['rates']).mean()) * cell['width']:.3g} (M={cell['M']})" for cell in far)
            + ", close to 2. Far out all neurons come to point the same way and grow by the factor |1 - rate m| a step (smallest "
            f"cosine between neurons of diverged networks {min(float(cell['cosine']) for cell in found):.4f}): from large "
            "initial weights the bound is 2/m.",
        ],
        data={
            "cells": as_json(measured),
            "scales": as_json(scaled),
            "oscillations": {str(M): value for M, value in oscillations.items()},
            "verdicts": {name: str(verdict) for name, verdict in verdicts.items()},
        },
    )


def oscillation_threshold(M: int) -> float:
    """Return the rate, in units of the threshold of dense minima, at which descent diverges if it treats all classes alike.

    The sum of the neurons of a class c is then ``x e_c + y sum_{b != c} e_b``: two numbers, whatever m and d. They start next to
    the minimum ``x = 1, y = 0``, along the unstable mode.
    """
    loss, threshold = lmc.PopulationLoss(lmc.orthonormal_teacher(M, M)), lmc.stability_threshold(M, M)
    mode = np.array([(M - 1) / 4, 1 / threshold - 1 / 2 - (M - 1) / (2 * np.pi)])  # see `lmctheory.stability_threshold`

    def diverge(rates: np.ndarray) -> np.ndarray:
        x, y = (1.0, 0.0) + PERTURBATION * mode
        for _ in range(MAX_STEPS):
            gradient = loss.value_and_gradient(lmc.TwoLayerNet(y + (x - y) * np.eye(M)))[1]
            x, y = (x, y) - rates[0] * threshold * gradient[0, :2]
            if abs(x) + abs(y) > FAR:
                return np.array([True])
        return np.array([False])

    return float(bisect(diverge, 1)[0])


def log_ratio(cell: dict[str, Any], prediction: str, oscillations: dict[int, float]) -> np.ndarray:
    """Return the logarithm of measured over predicted rates, one a run."""
    predicted = {
        "oscillation": oscillations[cell["M"]] * cell["threshold"],
        "sparsest": lmc.stability_threshold(cell["M"], cell["M"]),
        "initial": cell["initial"],
    }[prediction]
    return np.asarray(np.log(cell["rates"] / predicted))


def decide(ratios: Sequence[np.ndarray]) -> Verdict:
    """A prediction holds if the intervals of its mean logarithmic errors, valid at once for all cells, lie within the margin."""

    def holds(values: np.ndarray) -> bool | None:
        low, high = interval(values, len(ratios))
        if low >= -MARGIN and high <= MARGIN:
            return True
        return False if high < -MARGIN or low > MARGIN else None

    return Verdict.of(*map(holds, ratios))


def weaker(*controls: Verdict) -> Verdict:
    """Refuted if all controls are."""
    return next((verdict for verdict in controls if verdict is not Verdict.REFUTED), Verdict.REFUTED)


def interval(values: np.ndarray, cells: int) -> tuple[float, float]:
    """Return an interval for the mean at the level of `cells` together, widened by the resolution of the bisection."""
    resolution = np.log(BRACKET[1] / BRACKET[0]) / 2 ** (HALVINGS + 1)
    half = student.ppf(1 - LEVEL / 2 / cells, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) + resolution
    return float(values.mean() - half), float(values.mean() + half)


def _over_threshold(measured: Sequence[dict[str, Any]], M: int) -> Measurement:
    """The rate over the threshold of dense minima, with the range of the intervals of all cells."""
    logs = [np.log(cell["rates"] / cell["threshold"]) for cell in measured if cell["M"] == M]
    bounds = np.array([interval(values, len(measured)) for values in logs])
    low, high = np.exp(bounds[:, 0].min()), np.exp(bounds[:, 1].max())
    return Measurement(f"M={M}: rate/threshold", float(np.exp(np.mean(logs))), (float(low), float(high)))


def _describe(ratios: Sequence[np.ndarray]) -> str:
    means = [np.exp(values.mean()) for values in ratios]
    return f"measured over predicted {min(means):.3g} to {max(means):.3g}"


CLAIM = Claim(
    name="divergence",
    statement="Descent from small initial weights diverges, for m >= 2M, where the oscillation of whole classes escapes, "
    "whatever m and d: neither the sparsest minima nor the initial point set the rate.",
    source="ours; the transition in the learning rate: [ZLW], abstract",
    prediction="rate / threshold of dense minima 1.48 (M=2), 1.27 (M=4), 1.11 (M=8)",
    rule="The rate at which descent diverges within 2000 steps, by bisection, from several initial networks in each cell "
    "(M, d, m), at the default initial scale and at a tenth of it. A prediction is supported if in every cell the interval of "
    "the mean logarithm of measured over predicted rates, 95 % for all cells together, lies within log 1.1 of 0, and refuted if "
    "one lies outside. The claim's prediction: the rate at which descent diverges that treats all classes alike and starts next "
    "to a minimum.",
    control="The same rule with 2 / sharpness of the sparsest minima (m = M active neurons), and with that of each initial "
    "point, is refuted.",
    experiment=experiment,
)
