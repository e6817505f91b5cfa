"""How long the way inside the manifold is between uniform minima, over the straight line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from validation.cells.path_lengths import pair_lengths
from validation.cells.zero_loss import VANISHES
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.connections import LEVEL
from validation.evidence.intervals import mean_and_interval, share_interval
from validation.theory.geodesics import lower_limit, three_piece_limit, two_piece_limit

CONSTANT = 1.2  # times sqrt M; the limits are at most 1.081 times it
RARE = 0.05  # share of pairs beyond the constant
DEVIATION = 0.02  # of the mean from its limit
MULTIPLES = (4, 16, 64, 256)  # widths over M^2: two pieces need about M^2 log M neurons


def decide(samples: Sequence[tuple[int, np.ndarray]], worst: Sequence[float]) -> Verdict:
    """Apply the rule to M and the ratios at the largest width, infinite where there is no path of two pieces."""
    level = 1 - (1 - LEVEL) / len(samples)
    conditions: list[bool | None] = [loss <= VANISHES for loss in worst]
    for M, ratios in samples:
        low, high = share_interval(int((ratios > CONSTANT * np.sqrt(M)).sum()), len(ratios), level)
        conditions.append(True if high <= RARE else False if low > RARE else None)
        finite = ratios[np.isfinite(ratios)]
        low, high = mean_and_interval(finite, level)[1]
        bounds = two_piece_limit(M) * np.array([1 - DEVIATION, 1 + DEVIATION])
        conditions.append(
            True if bounds[0] <= low and high <= bounds[1] else False if high < bounds[0] or low > bounds[1] else None
        )
    return Verdict.of(*conditions)


def experiment(context: Context) -> Outcome:
    """Measure two pieces against the limit and the constant, and three pieces and a lower bound beside them."""
    teachers = context.pick(quick=(2, 4, 8), full=(2, 3, 4, 8, 16))
    n = context.pick(quick=200, full=1000)
    cells = [{"M": M, "width": c * M**2, "n_pairs": n} for M in teachers for c in MULTIPLES]
    found = context.sweep(pair_lengths, cells, cost=lambda cell: cell["n_pairs"] * (1e-3 + 1e-6 * cell["width"]))
    largest = [cell for cell in found if cell["width"] == MULTIPLES[-1] * cell["M"] ** 2]
    crossed = [(M, np.full(n, pair_lengths(context.seed, M, MULTIPLES[-1] * M**2, 1, law="crossed")["two"])) for M in teachers]
    return Outcome(
        verdict=decide([(cell["M"], cell["two"]) for cell in largest], [cell["worst"] for cell in found]),
        control=decide(crossed, []),
        headline=[
            Measurement(
                f"length / sqrt M, M = {cell['M']}",
                float(cell["two"].mean() / np.sqrt(cell["M"])),
                tuple(np.array(mean_and_interval(cell["two"])[1]) / np.sqrt(cell["M"])),
            )
            for cell in largest
        ],
        findings=[
            "Two pieces tend to sqrt((2 M^2 - 1) / (2 M - 1)), between 1 and 1.081 times sqrt M: at m = 256 M^2 "
            + ", ".join(
                f"{cell['two'].mean():.4f} against {two_piece_limit(cell['M']):.4f} (M = {cell['M']})" for cell in largest
            )
            + ".",
            *(
                f"M = {M}: share of pairs above {CONSTANT} sqrt M, or without a path of two pieces, "
                + ", ".join(f"{(c['two'] > CONSTANT * np.sqrt(M)).mean():.3g} (m = {c['width']})" for c in found if c["M"] == M)
                + "."
                for M in teachers
            ),
            "The factor sqrt M belongs to two pieces, not to the distance. An explicit path of three pieces is shorter for every "
            f"M >= 2, and its limit, {three_piece_limit(10**9):.4f} for large M, does not grow: "
            + ", ".join(
                f"{cell['three'].mean():.4f}, limit {three_piece_limit(cell['M']):.4f} (M = {cell['M']})" for cell in largest
            )
            + ".",
            "No path is shorter than "
            + ", ".join(f"{cell['lower'].mean():.4f}, limit {lower_limit(cell['M']):.4f} (M = {cell['M']})" for cell in largest)
            + f", {lower_limit(10**9):.4f} for large M: the distance does not tend to the Euclidean one.",
            f"Highest loss over its floor on the paths checked: {max(cell['worst'] for cell in found):.2g}.",
        ],
        data=as_json(
            {"cells": [summary(cell) for cell in found], "limits": [limits(M) for M in range(1, 33)], "constant": CONSTANT}
        ),
    )


def summary(cell: dict[str, Any]) -> dict[str, Any]:
    """Return means with 95 % intervals and the share of pairs beyond the constant."""
    result = {"M": cell["M"], "width": cell["width"], "n_pairs": cell["n_pairs"]}
    for name in ("two", "three", "lower"):
        finite = cell[name][np.isfinite(cell[name])]
        result[f"{name}_missing"] = len(cell[name]) - len(finite)
        result[name] = finite.mean() if len(finite) else None
        result[f"{name}_interval"] = mean_and_interval(finite)[1] if len(finite) > 1 else None
    result["beyond"] = float((cell["two"] > CONSTANT * np.sqrt(cell["M"])).mean())
    return result


def limits(M: int) -> dict[str, float]:
    """Return the limits of all three for large width."""
    return {"M": M, "two": two_piece_limit(M), "three": three_piece_limit(M), "lower": lower_limit(M)}


CLAIM = Claim(
    name="geodesic-distance",
    statement="Between uniform minima the normalised geodesic distance is at most a constant times sqrt M, by two pieces.",
    source="[LLW], Theorem 12; limits: ours",
    prediction="length / |A - B| <= 1.2 sqrt M; its mean tends to sqrt((2M^2-1)/(2M-1))",
    rule="Independent pairs at m = 4, 16, 64, 256 M^2, the shortest path of two pieces (exact). Supported if for every M at "
    "m = 256 M^2 the share of pairs above 1.2 sqrt M, or without such a path, is at most 5 % by the Clopper-Pearson interval, "
    "the interval of the mean lies within 2 % of its limit (99 % for all at once), and the loss on the paths checked vanishes "
    "by the general code; refuted if one of these fails with certainty.",
    control="The same rule is refuted for minima of equal weights in which only one neuron of each class has the same class in "
    "both: their normalised length grows as sqrt m.",
    experiment=experiment,
)
