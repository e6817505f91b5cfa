"""Losses of an initialisation trained under the masks of another run."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

FLOOR = 1e-16  # losses below it are rounding
CLAIM = "mask-transport"
CAPTION = (
    "Masks of a pruned run A, transported to the initialisation of another run B (M = 4, d = 8, m = 32): population loss after "
    "training under A's mask carried by the permutation that aligns the dense runs, as it is, shuffled by a random permutation, "
    "and under as many weights drawn at random; and of run A under its own mask. Lines are means over pairs, dots single pairs."
)
LINES = {
    "random": ("random weights", COLOURS["orange"], "-x"),
    "shuffled": ("shuffled", COLOURS["purple"], "-d"),
    "unpermuted": ("unpermuted", COLOURS["grey"], "-o"),
    "carried": ("carried", COLOURS["blue"], "-s"),
    "own": ("run A itself", COLOURS["green"], "--^"),
}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `mask-transport`."""
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(data["settings"])))
    for ax, record in zip(axes, data["settings"], strict=True):
        densities = np.array(record["densities"])
        for k, (name, (label, colour, style)) in enumerate(LINES.items()):
            pairs = np.maximum(record["pairs"][name], FLOOR)
            shift = 1.02 ** (k - len(LINES) // 2)
            for x, column in zip(densities, pairs.T, strict=True):
                ax.plot(np.full(len(column), x * shift), column, ".", ms=4, mew=0, alpha=0.4, color=colour, rasterized=True)
            ax.plot(densities * shift, pairs.mean(axis=0), style, ms=5, lw=1.3, color=colour, label=label)
        ax.set(xscale="log", yscale="log", xlabel="share of the weights left", title=f"teacher {record['teacher']}")
        ax.invert_xaxis()
        ax.set_xticks(densities, [f"{density:.2f}" for density in densities])
        ax.xaxis.minorticks_off()
    axes[0].set_ylabel("population loss after training")
    axes[-1].legend(fontsize=7, title="mask", title_fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
