"""Excess length of paths of zero loss between neuron-sparse minima against the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._records import fit_from_record

PALETTE = ("orange", "green", "blue", "purple", "red")
MARKERS = "s^oDv"

CLAIM = "geodesic-distance-sparse"
CAPTION = (
    "Length of paths of zero loss over the Euclidean distance, less 1, between minima of SP(r) for M = 4: the shortest path of "
    "two pieces found (filled) and the lower bound of all paths (hollow), with their limits, against the claimed slope. The "
    "excess falls only if the share of zero neurons tends to 1."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `geodesic-distance-sparse`."""
    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    ax = figure.subplots()
    widths = np.array(data["widths"], dtype=float)
    constant = [name for name in data["groups"] if name in data["limits"]]
    shown = sorted(constant, key=float)
    if len(shown) > 4:
        shown = [shown[k] for k in np.linspace(0, len(shown) - 1, 4).round().astype(int)]
    for name, colour_name, marker in zip(shown, PALETTE, MARKERS, strict=False):
        _series(ax, data, name, COLOURS[colour_name], marker, f"$r={name}$")
        for limit in data["limits"][name]:
            ax.axhline(limit, ls=":", lw=0.9, color=COLOURS[colour_name])
    for name in set(data["groups"]) - set(constant):
        _series(ax, data, name, COLOURS["grey"], "v", r"$1-r=8/\sqrt{m}$")
    first = fit_from_record(data["fits"][shown[-1]][0]).means[0]
    ax.plot(widths, 0.55 * first * (widths / widths[0]) ** -0.5, "--", lw=1.2, color="black", label="claimed slope $-1/2$")
    ax.plot([], [], "o", ms=4.5, mfc="white", color=COLOURS["grey"], label="lower bound")
    ax.plot([], [], ":", lw=0.9, color=COLOURS["grey"], label="limit")
    ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="length over Euclidean distance, less 1")
    ax.set_xticks(widths, [f"{m:g}" for m in widths])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _series(ax: Any, data: dict[str, Any], name: str, colour: str, marker: str, label: str) -> None:
    """Draw both fits' means with their intervals, filled for two pieces and hollow for the lower bound."""
    for k, record in enumerate(data["fits"][name]):
        fit = fit_from_record(record)
        errors = np.abs(fit.mean_intervals.T - fit.means)
        ax.errorbar(
            fit.widths, fit.means, yerr=errors, fmt=f"{marker}-", ms=4.5, lw=1, capsize=2, color=colour,
            mfc="white" if k else colour, label=None if k else label,
        )  # fmt: skip
