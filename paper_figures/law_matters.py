"""The barrier against width under several laws on the manifold of minima, and for adversarial minima."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._records import fit_from_record

LAWS = {
    "equal": ("red", "D"),
    "Dirichlet(2)": ("orange", "s"),
    "multinomial": ("purple", "v"),
    "uniform": ("blue", "o"),
    "Dirichlet(1/2)": ("green", "^"),
}
DESCENT = {"GD, initial scale 1": ("black", "*"), "GD, initial scale M/m": ("black", "P")}

CLAIM = "law-matters"
CAPTION = (
    "Mean barrier modulo permutation against the width for several laws on the global minima, with fitted exponents, and "
    "for adversarial minima, for which it does not vanish."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `law-matters`."""
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(5, 3))
    rows = []
    left.plot(data["widths"], data["adversarial"], "x--", ms=5, lw=1, color=COLOURS["grey"], label="adversarial, equal weights")
    for name, (colour_name, marker) in (DESCENT | LAWS).items():
        colour = COLOURS.get(colour_name, colour_name)
        fit = fit_from_record(data["fits"][name][0])
        errors = np.abs(fit.mean_intervals.T - fit.means)
        open_face = "white" if name == "GD, initial scale 1" else colour
        left.errorbar(
            fit.widths, fit.means, yerr=errors, fmt=marker, ms=7 if name in DESCENT else 4.5, lw=1, capsize=2, color=colour,
            mfc=open_face, label=name, zorder=5 if name in DESCENT else 2,
        )  # fmt: skip
        left.plot(fit.widths, fit.means, "-", lw=0.8, color=colour, alpha=0.6)
        rows.append((name, fit, colour, marker, open_face))
    left.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="mean barrier modulo permutation")
    left.xaxis.set_major_locator(LogLocator(numticks=12))
    left.yaxis.set_minor_locator(NullLocator())
    left.legend(loc="lower left", fontsize=7)
    for k, (name, fit, colour, marker, open_face) in enumerate(reversed(rows)):
        low, high = fit.interval
        right.errorbar(
            [fit.exponent], [k], xerr=[[fit.exponent - low], [high - fit.exponent]],
            fmt=marker, ms=7 if name in DESCENT else 5, lw=1.2, capsize=3, color=colour, mfc=open_face,
        )  # fmt: skip
        if name in data["expected"]:
            right.plot([data["expected"][name]], [k - 0.3], "^", ms=4, color=COLOURS["grey"])
    right.plot([], [], "^", ms=4, color=COLOURS["grey"], label="$-(1+1/c)$")
    right.axvline(-0.5, ls="--", lw=1, color=COLOURS["grey"], label="claimed bound")
    right.set_yticks(range(len(rows)), [name.replace(", ", ",\n") for name, *_ in reversed(rows)], fontsize=7)
    right.set(xlabel="exponent, 95 %", ylim=(-0.6, len(rows) - 0.1))
    right.legend(loc="upper left", fontsize=7)
    return figure
