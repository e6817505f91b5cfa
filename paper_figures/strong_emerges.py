"""Barriers among three, four and six networks under one permutation each, against the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from lmctheory.plotting import COLOURS, MINUS
from lmctheory.rates import RateFit
from paper_figures._records import fit_from_record

CLAIM = "strong-emerges-with-width"
CAPTION = (
    "Mean barrier among k networks under one permutation each: maximum over the simplex (filled, with "
    "95 % intervals and fitted power laws) and worst pair (hollow). Left: gradient-descent solutions, aligned, and with their "
    "neurons shuffled. Right: minima drawn uniformly."
)
COLOUR = {3: "blue", 4: "orange", 6: "red"}
MARKER = {3: "o", 4: "s", 6: "^"}
DODGE = {3: 0.95, 4: 1.0, 6: 1.05}  # widths are moved by these factors
TITLES = {"GD": "gradient descent", "uniform": "uniform minima"}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `strong-emerges-with-width`."""
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    for ax, source in zip(figure.subplots(1, 2), TITLES, strict=True):
        fits = {(e["k"], e["measure"]): fit_from_record(e["fit"]) for e in data["fits"] if e["source"] == source}
        for k in sorted({k for k, _ in fits}):
            _curve(ax, fits[k, "simplex"], fits[k, "worst"], k)
        if source == "GD":
            shuffled = fit_from_record(data["control"]["simplex"])
            _points(ax, shuffled, "D", COLOURS["grey"])
            label = f"shuffled, $k=3$: {_exponent(shuffled)}"
            ax.plot(shuffled.widths, shuffled.predict(shuffled.widths), "-D", ms=4.5, lw=1, color=COLOURS["grey"], label=label)
        ax.set(xscale="log", yscale="log", xlabel="width $m$", title=TITLES[source])
        ax.yaxis.set_minor_locator(NullLocator())
        if len(widths := fits[3, "simplex"].widths) > 6 or widths[-1] > 200:
            ax.xaxis.set_major_locator(LogLocator(numticks=8))
        else:
            ax.set_xticks(widths, [f"{m:g}" for m in widths])
            ax.minorticks_off()
        ax.set_ylabel("mean barrier" if source == "GD" else "")
        ax.legend(loc="lower left", fontsize=7)
    return figure


def _curve(ax: Axes, simplex: RateFit, worst: RateFit, k: int) -> None:
    colour = COLOURS[COLOUR[k]]
    ax.plot(DODGE[k] * worst.widths, worst.means, MARKER[k], ms=4.5, color=colour, mfc="white")
    _points(ax, simplex, MARKER[k], colour, DODGE[k])
    ax.plot(simplex.widths, simplex.predict(simplex.widths), "-", lw=1, color=colour)
    ax.plot([], [], f"-{MARKER[k]}", ms=4.5, lw=1, color=colour, label=f"$k={k}$: {_exponent(simplex)}")


def _points(ax: Axes, fit: RateFit, marker: str, colour: str, factor: float = 1.0) -> None:
    errors = np.abs(fit.mean_intervals.T - fit.means)
    ax.errorbar(factor * fit.widths, fit.means, yerr=errors, fmt=marker, ms=4.5, lw=1, capsize=2, color=colour)


def _exponent(fit: RateFit) -> str:
    return f"{fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]".replace("-", MINUS)
