"""The barrier between uniform minima over five decades of width: loss and residual's L1 norm, three matchings."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._records import fit_from_record

M = 4
STYLES = {
    "random": ("orange", "s", "leftovers at random"),
    "lightest": ("blue", "o", "lightest leftovers"),
    "swaps": ("green", "^", "improved by swaps"),
}
QUANTITIES = {"height": "mean loss barrier", "l1": r"mean residual, $E|f_t-f^*|$"}

CLAIM = "uniform-rate"
CAPTION = (
    "Mean barrier and L1 norm of the residual of uniform global minima against the width, for the matchings named, with "
    "fitted exponents and the slope of the claimed bound."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `uniform-rate`."""
    figure = Figure(figsize=(7.2, 3.5), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, (quantity, label) in zip(axes, QUANTITIES.items(), strict=True):
        for record in data["fits"]:
            if record["M"] == M and record["quantity"] == quantity:
                _curve(ax, record)
        ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel=label)
        low, high = ax.get_xlim()
        widths = np.array([8.0, high / 1.5])
        top = max(record["fits"][0]["means"][0] for record in data["fits"] if record["M"] == M and record["quantity"] == quantity)
        ax.plot(widths, 2.2 * top * (widths / 8) ** -0.5, "--", lw=1, color=COLOURS["grey"], label="slope $-1/2$", zorder=0)
        ax.set_xlim(low, high)
        ax.xaxis.set_major_locator(LogLocator(numticks=12))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.legend(loc="lower left", fontsize=7)
    return figure


def _curve(ax: Axes, record: dict[str, Any]) -> None:
    everywhere = fit_from_record(record["fits"][0])
    name, marker, label = STYLES[record["matching"]]
    colour = COLOURS[name]
    errors = np.abs(everywhere.mean_intervals.T - everywhere.means)
    text = f"{label}: {everywhere.exponent:.2f} [{everywhere.interval[0]:.2f}, {everywhere.interval[1]:.2f}]"
    ax.errorbar(everywhere.widths, everywhere.means, yerr=errors, fmt=marker, ms=4, lw=1, capsize=2, color=colour, label=text)
    ax.plot(everywhere.widths, everywhere.predict(everywhere.widths), "-", lw=1, color=colour)
