"""Barrier against width between students trained on images, with and without permutation."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._images import PANELS

CLAIM = "real-data-double-descent"
CAPTION = (
    "Mean barrier of the cross-entropy between two-layer students trained on images, against their width: without permutation, "
    "modulo permutation, and modulo permutation between students trained on shuffled labels (of their training loss). Bars are "
    "95 % intervals that hold at once for all widths of a curve."
)
CURVES = (
    ("true", "none", "orange", "s", "no permutation"),
    ("shuffled", "modulo", "grey", "^", "modulo permutation, shuffled labels"),
    ("true", "modulo", "blue", "o", "modulo permutation"),
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `real-data-double-descent`."""
    figure = Figure(figsize=(7.4, 3.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (split, title) in zip(axes, PANELS.items(), strict=True):
        for labels, alignment, colour, marker, label in CURVES:
            for shape in data["shapes"]:
                if (shape["labels"], shape["alignment"], shape["split"]) == (labels, alignment, split):
                    _curve(ax, shape, COLOURS[colour], marker, label)
        ax.set(xscale="log", yscale="log", xlabel="width $m$", title=f"{title}, {data['images']}")
        widths = next(s["widths"] for s in data["shapes"] if s["labels"] == "true")
        ticks = [m for m in widths if m & (m - 1) == 0]
        ax.set_xticks(ticks, [f"{m:g}" for m in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel("mean barrier of the loss")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _curve(ax: Axes, shape: dict[str, Any], colour: str, marker: str, label: str) -> None:
    means, bands = np.array(shape["means"]), np.array(shape["bands"])
    errors = np.abs(bands.T - means)
    ax.plot(shape["widths"], means, "-", lw=1, color=colour, alpha=0.6)
    ax.errorbar(shape["widths"], means, yerr=errors, fmt=marker, ms=4, lw=1, capsize=2, color=colour, label=label)
