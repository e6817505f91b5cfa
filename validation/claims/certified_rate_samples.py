"""Barriers of sampled uniform minima at widths up to 10^4, each with a proved upper bound, fall faster than m^-1/2."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.certificates import agree, is_accepted, outwards
from validation.cells.minima import draw_minimum
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence import rates

KEY_PAIRS, KEY_FITS = 442, 443
RTOL = 0.05
JOINED = ("lower", "upper", "closed", "accepted", "exact", "leftover")
BLOCK_SECONDS = 2.0


def plan(context: Context) -> list[dict[str, Any]]:
    """Return the requests: pairs by width, and how many of each block are checked."""
    pairs = context.pick(
        quick={8: 32, 32: 32, 100: 24, 316: 16, 1000: 10, 10_000: 5},
        full={8: 400, 32: 400, 100: 300, 316: 200, 1000: 100, 3162: 40, 10_000: 24},
    )
    return [
        {"M": M, "width": m, "n_pairs": n, "n_checked": context.pick(quick=int(m <= 100), full=1)}
        for M in context.pick(quick=(4,), full=(2, 4))
        for m, n in pairs.items()
        if m >= 2 * M
    ]


def pair_seconds(cell: dict[str, Any]) -> float:
    """Roughly what a pair costs."""
    return 0.05 + 1.5e-4 * float(cell["width"]) * (cell["M"] - 1)


def experiment(context: Context) -> Outcome:
    """Certify pairs at every width and fit the proved bounds."""
    requests = plan(context)
    parts = sweep_in_blocks(
        context, matched, requests, "n_pairs", lambda cell: max(1, round(BLOCK_SECONDS / pair_seconds(cell))),
        lambda cell: cell["n_pairs"] * pair_seconds(cell),
    )  # fmt: skip
    rows = [request | joined(part, JOINED) for request, part in zip(requests, parts, strict=True)]
    teachers = sorted({row["M"] for row in rows})
    fits = {M: _fits(context, [row for row in rows if row["M"] == M], "upper") for M in teachers}
    slow = [row | {"slowed": row["upper"] / row["upper"].mean() * row["width"] ** -0.25} for row in rows if row["M"] == 4]
    control = _fits(context, slow, "slowed")
    widest = max((row for row in rows if row["M"] == 4), key=lambda row: int(row["width"]))
    highest = float(widest["upper"].max())
    return Outcome(
        verdict=decide(rows, [fit for both in fits.values() for fit in both]),
        control=decide(rows, control),
        headline=[
            *(Measurement(f"M={M}: exponent of the bounds", both[0].exponent, both[0].interval) for M, both in fits.items()),
            Measurement(f"highest of {len(widest['upper'])} at m={widest['width']}, at most", highest, proved=True),
        ],
        findings=[_describe(row) for row in rows],
        data={
            "rows": as_json(rows),
            "fits": [{"M": M, "fits": [rates.fit_record(fit) for fit in both]} for M, both in fits.items()],
            "control": [rates.fit_record(fit) for fit in control],
        },
    )


def matched(seed: int, M: int, width: int, n_pairs: int, n_checked: int, block: int) -> dict[str, Any]:
    """Return proved intervals of the barrier under swaps of independent pairs, by five percent, and the floating-point height."""
    teacher = lmc.orthonormal_teacher(M, M)
    rng = np.random.default_rng(np.random.SeedSequence([seed, KEY_PAIRS, M, width, block]))
    rows = []
    for k in range(n_pairs):
        a, b = (draw_minimum(M, width, "uniform", 0.0, rng) for _ in range(2))
        floating = lmc.minima_barrier(a, b, "swaps")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)
            found = lmc.certify_barrier(a.to_network(), b.to_network(), teacher, floating.permutation, rtol=RTOL)
        accepted = is_accepted(found) if k < n_checked else np.nan
        rows.append([*outwards(found), found.is_tight, accepted, floating.height, floating.leftover])
    columns = np.array(rows, dtype=float).T
    return dict(zip(JOINED, columns, strict=True))


def decide(rows: Sequence[dict[str, Any]], fits: Sequence[lmc.RateFit]) -> Verdict:
    """Apply the rule: proofs complete, checked, in agreement with floating point, and the bounds fall fast enough."""
    conditions: list[bool | None] = []
    for row in rows:
        checked = row["accepted"][~np.isnan(row["accepted"])]
        conditions += [bool(row["closed"].all()) or None, bool(checked.all()), agree(row["lower"], row["upper"], row["exact"])]
    return Verdict.of(*conditions, rates.decide(fits).condition)


def _fits(context: Context, rows: Sequence[dict[str, Any]], quantity: str) -> list[lmc.RateFit]:
    return rates.fit_both([row["width"] for row in rows], [row[quantity] for row in rows], context.rng(KEY_FITS, rows[0]["M"]))


def _describe(row: dict[str, Any]) -> str:
    return (
        f"M={row['M']}, m={row['width']}: {len(row['upper'])} pairs, {row['leftover'].mean():.3g} mismatched neurons in the "
        f"mean; barrier under swaps proved to be from {row['lower'].mean():.3g} to {row['upper'].mean():.3g} in the mean, and at "
        f"most {row['upper'].max():.3g}."
    )


CLAIM = Claim(
    name="certified-rate-samples",
    statement="Between sampled uniform minima of width up to 10^4 the barrier modulo permutation is proved to be at most a bound "
    "that falls faster than m^-1/2.",
    source="[ZLW], abstract; proofs: ours",
    prediction="exponent about -2, as in floating point",
    rule="Independent pairs, matched by swaps, M = 4 (full: also 2). The barrier of each over the whole segment is enclosed by "
    f"ball arithmetic to a part {RTOL:g}, for float64 weights taken as exact. Supported if every interval closes, the "
    "independent checker accepts every certificate that it is given, floating-point heights lie in the intervals but for a "
    "part 1e-9 and rounding errors, and the upper end of the 95 % interval of the exponent of the mean upper ends is at most "
    "-0.45, over all widths and over their upper half. Refuted if a certificate is refused, floating point contradicts an "
    "interval, or a lower end is above -0.45.",
    control="The same bounds, rescaled at each width so that their mean falls as m^-1/4, are refuted.",
    experiment=experiment,
)
