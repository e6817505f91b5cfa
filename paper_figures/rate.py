"""Log-log plot of the barrier modulo permutation against the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS, rate_plot
from paper_figures._records import fit_from_record

CLAIM = "rate"
CAPTION = (
    "Left: mean barrier modulo permutation against the width m, with 95 % intervals, the fitted power law and the slope of "
    "the claimed bound. Right: slopes between neighbouring widths, against the fitted exponent and the claimed bound -1/2."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `rate`: the power law on the left, local slopes on the right."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    fit, ensembles = fit_from_record(data["fits"][0]), data["ensembles"]
    label = f"GD, $M={ensembles[0]['M']}$, $d={ensembles[0]['d']}$"
    rate_plot(fit.widths, [e["modulo"] for e in ensembles], fit, ax=left, label=label)
    left.set_ylabel("mean barrier modulo permutation")
    centres = np.sqrt(fit.widths[1:] * fit.widths[:-1])
    errors = np.abs(fit.local_intervals.T - fit.local_slopes)
    blue = COLOURS["blue"]
    right.errorbar(centres, fit.local_slopes, yerr=errors, fmt="o", ms=4, lw=1, capsize=2, color=blue, label="local slope")
    right.axhspan(*fit.interval, color=COLOURS["blue"], alpha=0.15, lw=0, label="exponent, 95 %")
    right.axhline(-0.5, ls="--", lw=1, color=COLOURS["grey"], label="claimed bound $-1/2$")
    right.set(xscale="log", xlabel="width $m$", ylabel="slope between neighbouring widths")
    right.set_xticks(fit.widths, [f"{m:g}" for m in fit.widths])
    right.minorticks_off()
    right.legend()
    return figure
