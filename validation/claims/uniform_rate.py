"""How fast the barrier between uniform minima falls, and whether O(m^-1/2) is tight."""

from __future__ import annotations

from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.minima import all_pairs
from validation.claim import Claim, Context, Measurement, Outcome, as_json
from validation.evidence import rates

KEY = 411
QUANTITIES = ("height", "l1")
EXPECTED = {"height": {"lightest": -2.0, "swaps": -2.0, "random": -1.0}, "l1": {"lightest": -1.0, "swaps": -1.0, "random": -0.5}}


def requests(context: Context) -> list[dict[str, Any]]:
    """Widths, numbers of pairs and matchings."""
    plan = context.pick(
        quick={8: 400, 32: 400, 100: 400, 316: 400, 1000: 300, 10_000: 100, 100_000: 20},
        full={8: 4000, 32: 4000, 100: 4000, 316: 2000, 1000: 2000, 3162: 2000, 10_000: 1000, 100_000: 200, 1_000_000: 64},
    )
    swaps = context.pick(
        quick={8: 200, 32: 200, 100: 200, 316: 60}, full={8: 2000, 32: 2000, 100: 2000, 316: 500, 1000: 200, 3162: 40}
    )
    found: list[dict[str, Any]] = []
    for M in context.pick(quick=(4,), full=(2, 4, 16)):
        for width, n_pairs in plan.items():
            if width >= 2 * M:
                found.append({"M": M, "width": width, "n_pairs": n_pairs, "matchings": "lightest+random"})
        for width, n_pairs in swaps.items():
            if width >= 2 * M and (M <= 4 or width <= 1000):
                found.append({"M": M, "width": width, "n_pairs": n_pairs, "matchings": "swaps"})
    return found


def experiment(context: Context) -> Outcome:
    """Fit every matching and quantity over all widths and over the upper half of them."""
    ensembles = all_pairs(context, requests(context))
    fits: dict[tuple[int, str, str], list[lmc.RateFit]] = {}
    for M in sorted({e["M"] for e in ensembles}):
        for matching in ("lightest", "random", "swaps"):
            mine = [e for e in ensembles if e["M"] == M and matching in e["matchings"].split("+")]
            for quantity in QUANTITIES:
                key = context.rng(KEY, M, len(fits))
                fits[M, matching, quantity] = rates.fit_both(
                    [e["width"] for e in mine], [e[f"{matching}_{quantity}"] for e in mine], key
                )
    decided = [fit for (_, matching, _), both in fits.items() for fit in both if matching == "lightest"]
    reference = [e for e in ensembles if e["M"] == 4 and "lightest" in e["matchings"]]
    slow = rates.fit_both([e["width"] for e in reference], slowed(reference), context.rng(KEY, 0))
    main = {
        (matching, quantity): fits[4, matching, quantity]
        for matching in ("lightest", "swaps", "random")
        for quantity in QUANTITIES
    }
    return Outcome(
        verdict=rates.decide(decided),
        control=rates.decide(slow),
        headline=[
            Measurement("loss, lightest", main["lightest", "height"][0].exponent, main["lightest", "height"][0].interval),
            Measurement("loss, random", main["random", "height"][0].exponent, main["random", "height"][0].interval),
            Measurement("L1, random", main["random", "l1"][0].exponent, main["random", "l1"][0].interval),
        ],
        findings=[*(_describe(key, both) for key, both in fits.items()), _attained(fits)],
        data={
            "ensembles": as_json(ensembles),
            "fits": [
                {"M": M, "matching": matching, "quantity": quantity, "fits": [rates.fit_record(fit) for fit in both]}
                for (M, matching, quantity), both in fits.items()
            ],
            "control": [rates.fit_record(fit) for fit in slow],
        },
    )


def slowed(ensembles: list[dict[str, Any]]) -> list[np.ndarray]:
    """The measured heights of the lightest leftovers, each width rescaled so that the mean falls as m^-1/4."""
    return [e["lightest_height"] / e["lightest_height"].mean() * e["width"] ** -0.25 for e in ensembles]


def tight(fits: list[lmc.RateFit]) -> bool:
    """Whether -1/2 is compatible with the exponents over all widths and over the upper half: within 0.05 of each interval."""
    return all(fit.interval[0] - rates.MARGIN <= rates.BOUND <= fit.interval[1] + rates.MARGIN for fit in fits)


def _describe(key: tuple[int, str, str], both: list[lmc.RateFit]) -> str:
    M, matching, quantity = key
    everywhere, upper = both
    name = {"height": "loss", "l1": "residual's L1 norm"}[quantity]
    return (
        f"M={M}, {matching}, {name}, m={everywhere.widths[0]:.0f}..{everywhere.widths[-1]:.0f}: "
        f"{Measurement('exponent', everywhere.exponent, everywhere.interval)}, "
        f"{Measurement('upper half', upper.exponent, upper.interval)}, expected {EXPECTED[quantity][matching]:g}; "
        f"lack of fit p = {everywhere.lack_of_fit:.2g}, upper half {upper.lack_of_fit:.2g}."
    )


def _attained(fits: dict[tuple[int, str, str], list[lmc.RateFit]]) -> str:
    names = {"height": "the loss", "l1": "the residual's L1 norm"}
    where = [
        f"{names[quantity]} with {matching} leftovers (M={M})" for (M, matching, quantity), both in fits.items() if tight(both)
    ]
    return "The exponent -1/2 is attained by: " + (", ".join(where) or "nothing measured") + "; everything else falls faster."


CLAIM = Claim(
    name="uniform-rate",
    statement="Between two minima drawn from the uniform law, the barrier modulo permutation is O(m^-1/2).",
    source="[ZLW], abstract; the law of [LLW]",
    prediction="exponent <= -1/2 (ours: -2 for the loss, -1 for the residual's L1 norm)",
    rule="Independent pairs, lightest leftovers (an upper bound of the barrier modulo permutation), least squares of "
    "log(mean) on log m, pairs resampled. Supported if the upper end of the 95 % interval is at most -0.45 for the loss "
    "and for the residual's L1 norm, over all widths and over their upper half, at every M; refuted if a lower end is "
    "above -0.45. Whether -1/2 is attained is reported separately: where it is within 0.05 of both intervals, for which "
    "matching and which quantity.",
    control="The measured barriers, rescaled at each width so that their mean falls as m^-1/4, are refuted by the rule.",
    experiment=experiment,
)
