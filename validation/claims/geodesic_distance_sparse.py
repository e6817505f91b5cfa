"""Whether the way inside the manifold becomes straight between wide neuron-sparse minima."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.path_lengths import pair_lengths
from validation.cells.zero_loss import VANISHES
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.rates import fit_record
from validation.theory.geodesics import lower_limit, two_piece_limit

KEY = 525
MARGIN = 0.05
FACTOR = 2.0  # within which r sqrt(m) (length - 1) must agree between the values of r
M_MAIN = 4
VANISHING = "1 - 8/sqrt m"


def decide(fits: Sequence[tuple[lmc.RateFit, lmc.RateFit]], constants: Sequence[float], worst: Sequence[float] = ()) -> Verdict:
    """Apply the rule to fits of length - 1, for two pieces and for the lower bound, and to values of r sqrt(m) (length - 1)."""
    conditions: list[bool | None] = [loss <= VANISHES for loss in worst]
    for two, lower in fits:
        conditions.append(True if two.interval[1] <= -0.5 + MARGIN else False if lower.interval[0] > -0.5 + MARGIN else None)
    scale = max(constants) <= FACTOR * min(constants)
    return Verdict.of(*conditions, None if any(condition is not True for condition in conditions) else scale)


def experiment(context: Context) -> Outcome:
    """Fit length - 1 against the width for several r; then for no zero neurons, and for more and more of them."""
    widths = context.pick(quick=(256, 1024, 4096), full=(256, 1024, 4096, 16384, 65536))
    shares = context.pick(quick=(0.2, 0.5, 0.8), full=(0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95))
    n = context.pick(quick=80, full=400)
    groups: dict[str, list[float]] = {f"{r:g}": [r] * len(widths) for r in shares}
    groups |= {"0": [0.0] * len(widths), VANISHING: [1 - 8 / float(np.sqrt(m)) for m in widths]}
    cells = [{"M": M_MAIN, "width": m, "n_pairs": n, "r": r} for rs in groups.values() for m, r in zip(widths, rs, strict=True)]
    found = context.sweep(pair_lengths, cells, cost=lambda cell: cell["n_pairs"] * (1e-3 + 2e-6 * cell["width"]))
    by_group = {name: found[k * len(widths) : (k + 1) * len(widths)] for k, name in enumerate(groups)}
    fits = {name: fit_both(context, k, part) for k, (name, part) in enumerate(by_group.items())}
    constants = {f"{r:g}": r * np.sqrt(widths[-1]) * (by_group[f"{r:g}"][-1]["two"].mean() - 1) for r in shares}
    main = [f"{r:g}" for r in shares]
    verdict = decide([fits[name] for name in main], list(constants.values()), [cell["worst"] for cell in found])
    dense, vanishing = decide([fits["0"]], [1.0]), decide([fits[VANISHING]], [1.0])
    widest = {r: by_group[f"{r:g}"][-1] for r in shares}
    return Outcome(
        verdict=verdict,
        control=dense if vanishing is Verdict.SUPPORTED else Verdict.INCONCLUSIVE,
        headline=[
            Measurement(f"exponent of length - 1, r = {name}", fits[name][0].exponent, fits[name][0].interval) for name in main
        ],
        findings=[
            f"M = {M_MAIN}, m = {widths[-1]}: the best path of two pieces found has length - 1 of "
            + ", ".join(f"{cell['two'].mean() - 1:.4f} (r = {r:g})" for r, cell in widest.items())
            + "; the limits are "
            + ", ".join(f"{two_piece_limit(M_MAIN, r) - 1:.4f}" for r in shares)
            + ", not 0.",
            "No path of zero loss, of any number of pieces, has less than "
            + ", ".join(f"{cell['lower'].mean() - 1:.4f}" for cell in widest.values())
            + "; the limits are "
            + ", ".join(f"{lower_limit(M_MAIN, r) - 1:.4f}" for r in shares)
            + ". A neuron that is active in both minima with different classes has to pass through zero, and for fixed r these "
            "detours are a fixed share of the squared distance, both falling as 1/m: so it is for all weights that spread evenly "
            "over the active neurons. With a few heavy ones the share vanishes.",
            "What holds: length - 1 is of the order of the share of active neurons, about (1 - 1/M) (1 - r) / 2 for r near 1. It "
            f"falls as m^-1/2 if that share does: with 1 - r = 8 / sqrt m its exponent is {fits[VANISHING][0].exponent:.3f} "
            f"[{fits[VANISHING][0].interval[0]:.3f}, {fits[VANISHING][0].interval[1]:.3f}].",
        ],
        data=as_json(
            {
                "M": M_MAIN,
                "widths": widths,
                "groups": groups,
                "fits": {name: [fit_record(fit) for fit in both] for name, both in fits.items()},
                "limits": {f"{r:g}": [two_piece_limit(M_MAIN, r) - 1, lower_limit(M_MAIN, r) - 1] for r in (0.0, *shares)},
                "constants": constants,
            }
        ),
    )


def fit_both(context: Context, group: int, cells: Sequence[dict[str, Any]]) -> tuple[lmc.RateFit, lmc.RateFit]:
    """Return fits of length - 1 against the width for the best path of two pieces and for the lower bound."""
    widths = [cell["width"] for cell in cells]
    rngs = [context.rng(KEY, group, k) for k in range(2)]
    two, lower = (
        lmc.fit_rate(widths, [cell[name] - 1 for cell in cells], rng=rng)
        for name, rng in zip(("two", "lower"), rngs, strict=True)
    )
    return two, lower


CLAIM = Claim(
    name="geodesic-distance-sparse",
    statement="Between neuron-sparse minima the normalised geodesic distance is at most 1 + c / (r sqrt m), by two pieces.",
    source="[LLW], Theorem 14, read with independent classes and Dirichlet(1) weights",
    prediction="length / |A - B| - 1 falls as 1 / (r sqrt m)",
    rule="M = 4, independent pairs of SP(r), the shortest path of two pieces found and a lower bound for all paths. Supported "
    "if for every r the upper end of the exponent's interval for length - 1 is at most -0.45 (-1/2 plus the margin 0.05), and "
    "r sqrt(m) (length - 1) at the largest width agrees between all r within a factor 2. Refuted if for some r the lower end of "
    "the exponent's interval is above -0.45 even for the lower bound.",
    control="Minima without zero neurons, r = 0, are refuted; with 1 - r = 8 / sqrt m, ever more zero neurons, the rate is "
    "supported (if it is not, the control is inconclusive).",
    experiment=experiment,
)
