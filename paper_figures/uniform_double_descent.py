"""The barrier between uniform minima for all teacher widths on one axis m/M, with the exact values at m = M + 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS

PALETTE = ("blue", "orange", "green", "purple")
MARKERS = "os^D"
FLOOR = 1e-5  # means below (zero at m = M) are drawn on this line

CLAIM = "uniform-double-descent"
CAPTION = (
    "Mean barrier modulo permutation of uniform global minima against m/M for every teacher width M: zero at m = M, a peak, "
    "and the descent."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `uniform-double-descent`."""
    figure = Figure(figsize=(5.4, 4.0), layout="constrained")
    strip, ax = figure.subplots(2, 1, sharex=True, height_ratios=(1, 4))
    for k, (shape, name, marker) in enumerate(zip(data["shapes"], PALETTE, MARKERS, strict=True)):
        M, colour = shape["M"], COLOURS[name]
        ratios = np.array(shape["widths"]) / M
        means = np.array(shape["means"])
        bands = np.array(shape["bands"][1:])
        ax.plot(ratios, np.maximum(means, FLOOR), "-", lw=0.8, color=colour, alpha=0.6)
        errors = np.abs(bands.T - means[1:])
        ax.errorbar(ratios[1:], means[1:], yerr=errors, fmt=marker, ms=3.5, lw=1, capsize=2, color=colour, label=f"$M={M}$")
        ax.plot([(M + 1) / M], [shape["exact"]], "x", ms=8, mew=1.2, color="black", zorder=6)
        ends = np.array([shape["peak_set"][0], shape["peak_set"][-1]]) / M
        strip.plot(ends, [k, k], "-|", lw=1.8, ms=6, color=colour)
        strip.plot([shape["peak"] / M], [k], marker, ms=4.5, color=colour)
    strip.set_yticks(range(len(data["shapes"])), [f"$M={shape['M']}$" for shape in data["shapes"]], fontsize=7)
    strip.set_ylim(-0.7, len(data["shapes"]) - 0.3)
    strip.set_title("width of the peak, 95 % sets", fontsize=8)
    strip.grid(axis="x", lw=0.4, alpha=0.5)
    ax.plot([1], [FLOOR], "o", ms=6, mfc="white", color=COLOURS["grey"], zorder=6, clip_on=False)
    ax.annotate("exactly 0 at $m=M$", (1, FLOOR), xytext=(8, -2), textcoords="offset points", fontsize=7, color=COLOURS["grey"])
    ax.plot([], [], "x", ms=7, mew=1.2, color="black", label="exact, $m=M+1$")
    ax.set(xscale="log", yscale="log", xlabel="width over teacher width, $m/M$", ylabel="mean barrier modulo permutation")
    ticks = (1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 8)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    strip.tick_params(axis="x", length=0)
    ax.set_ylim(FLOOR / 1.5, 0.05)
    ax.legend(loc="lower center", ncols=2, fontsize=7)
    return figure
