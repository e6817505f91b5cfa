"""Barriers between pruned runs at all densities, under the permutation of the dense runs and others."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

CLAIM = "one-permutation-for-pruned-sequences"
CAPTION = (
    "One permutation for all levels of iterative magnitude pruning of two runs (M = 4, d = 8, m = 32, means over pairs of runs), "
    "for teacher neurons on the axes and rotated at random: barrier against the density of the masks under no permutation, a "
    "random one, the one found between the dense networks, one for all levels jointly and the level's own, and the mean loss."
)
LINES = {
    "unaligned": ("none", COLOURS["grey"], "-o"),
    "random": ("random", COLOURS["orange"], "--x"),
    "dense": ("dense", COLOURS["blue"], "-s"),
    "joint": ("joint", COLOURS["purple"], "-d"),
    "own": ("own", COLOURS["green"], "-^"),
}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `one-permutation-for-pruned-sequences`."""
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(data["settings"]), sharey=True))
    for ax, record in zip(axes, data["settings"], strict=True):
        densities = record["densities"]
        for name, (label, colour, style) in LINES.items():
            ax.plot(densities, np.maximum(record[name], 1e-8), style, ms=4, lw=1.3, color=colour, label=label)
        ax.plot(densities, np.maximum(record["losses"], 1e-8), ":", lw=1.2, color="black", label="loss of the networks")
        ax.set(xscale="log", yscale="log", ylim=(0.7e-8, 1), xlabel="share of the weights left")
        ax.invert_xaxis()
        ax.set_xticks([1, 0.5, 0.2, 0.1], ["1", "0.5", "0.2", "0.1"])
        ax.minorticks_off()
        ax.set_yticks([10.0**k for k in range(-8, 1, 2)], ["$\\leq10^{-8}$", *(f"$10^{{{k}}}$" for k in range(-6, 1, 2))])
        ax.set_title(f"teacher {record['teacher']}, {record['n_pairs']} pairs")
    axes[0].set_ylabel("mean barrier")
    axes[-1].legend(fontsize=7, title="permutation", title_fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
