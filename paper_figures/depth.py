"""Barriers between students with one to four hidden layers, against the width of the layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS, MINUS
from paper_figures._images import ALIGNMENTS
from paper_figures._records import fit_from_record

CLAIM = "depth"
CAPTION = (
    "Mean barrier of the loss between students with one to four hidden layers against the width of the layers: without "
    "permutation and modulo permutation, on training images (filled, solid) and test images (hollow, dashed). Above each panel "
    "the exponent modulo permutation of the training loss with its 95 % interval; bars are 95 % intervals of the widths that "
    "are fitted."
)
SPLITS = {"train": ("-", True), "test": ("--", False)}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `depth`."""
    depths = sorted({e["depth"] for e in data["ensembles"]})
    figure = Figure(figsize=(7.8, 3.3), layout="constrained")
    axes = figure.subplots(1, len(depths), sharey=True, squeeze=False)[0]
    for ax, depth in zip(axes, depths, strict=True):
        mine = [e for e in data["ensembles"] if e["depth"] == depth and e["labels"] == "true"]
        widths = [e["width"] for e in mine]
        for alignment, (colour, label) in ALIGNMENTS.items():
            for column, (split, (style, filled)) in enumerate(SPLITS.items()):
                means = [np.array(e["heights"])[:, ("modulo", "none").index(alignment), column, 0].mean() for e in mine]
                fill = COLOURS[colour] if filled else "white"
                ax.plot(widths, means, f"{style}o", ms=4, lw=1, color=COLOURS[colour], mfc=fill, label=f"{label}, {split}")
        for found in data["falls"]:
            if found["depth"] == depth and found["fits"]:
                fit = fit_from_record(found["fits"][0])
                errors = np.abs(fit.mean_intervals.T - fit.means)
                ax.errorbar(fit.widths, fit.means, yerr=errors, fmt="none", lw=1, capsize=2, color=COLOURS["blue"])
                if found["split"] == "train":
                    exponent = f"{fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]".replace("-", MINUS)
                    ax.set_title(f"{depth} hidden layer{'s' if depth > 1 else ''}\n{exponent}", fontsize=9)
        ax.set(xscale="log", yscale="log", xlabel="width $m$")
        ax.set_xticks(widths, [f"{m:g}" for m in widths])
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel(f"mean barrier of the loss, {data['images']}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
