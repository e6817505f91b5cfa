"""Proved upper bounds of the barriers of sampled minima against the width, with the fitted exponent."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._records import fit_from_record

CLAIM = "certified-rate-samples"
CAPTION = (
    "Barriers of sampled uniform minima, matched by swaps: proved upper ends of intervals of relative width 5 % (points), their "
    "means with 95 % intervals, fitted power laws, and the slope of the claimed bound. Pairs whose barrier is exactly 0 are not "
    "drawn."
)
STYLES = {2: ("green", "^"), 4: ("blue", "o")}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `certified-rate-samples`."""
    figure = Figure(figsize=(4.8, 3.4), layout="constrained")
    ax = figure.subplots()
    for record in data["fits"]:
        name, marker = STYLES[record["M"]]
        fit = fit_from_record(record["fits"][0])
        for row in data["rows"]:
            if row["M"] == record["M"]:
                bounds = np.array([upper for upper in row["upper"] if upper > 0])
                ax.plot(np.full(len(bounds), row["width"]), bounds, marker, ms=2.5, alpha=0.35, color=COLOURS[name])
        label = f"$M={record['M']}$: {fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]"
        errors = np.abs(fit.mean_intervals.T - fit.means)
        ax.errorbar(fit.widths, fit.means, yerr=errors, fmt=marker, ms=5, lw=1, capsize=2, color=COLOURS[name], label=label)
        ax.plot(fit.widths, fit.predict(fit.widths), "-", lw=1, color=COLOURS[name])
    widths = np.array([8.0, 10_000.0])
    top = max(record["fits"][0]["means"][0] for record in data["fits"])
    ax.plot(widths, 3 * top * (widths / 8) ** -0.5, "--", lw=1, color=COLOURS["grey"], label="slope $-1/2$", zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="proved upper bound of the barrier")
    ax.yaxis.set_major_locator(LogLocator(numticks=12))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.legend(loc="lower left", fontsize=7)
    return figure
