"""Histograms of the norms of neurons at a learning rate below the threshold and at one above it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

SMALLEST = 1e-10  # smaller norms are drawn here

CLAIM = "sparsity-transition"
PLACE = 2
CAPTION = (
    "Norms of all neurons of settled solutions, relative to the largest of their network, at a learning rate below the stability "
    "threshold of the dense minimum and at one above it, where they fall into two groups. Dashed: the fraction below which a "
    "neuron counts as dead."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `sparsity-transition`."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    found = data["histogram"]
    bins = np.linspace(np.log10(SMALLEST), 0, 51)
    for ax, name in zip(figure.subplots(1, 2, sharey=True), ("below", "above"), strict=True):
        masses = np.array(found[name]["masses"])
        logs = np.log10(np.maximum(masses.ravel(), SMALLEST))
        alive = masses.ravel() >= found["dead"]
        ax.hist(
            [logs[alive], logs[~alive]], bins, stacked=True, color=[COLOURS["blue"], COLOURS["orange"]], label=["alive", "dead"]
        )
        ax.axvline(np.log10(found["dead"]), ls="--", lw=1, color=COLOURS["grey"])
        share = (~alive).mean() if alive.size else np.nan
        ax.set(
            xlabel="norm relative to the largest, $\\log_{10}$",
            title=rf"$\eta={found[name]['rate']:g}\,\eta_c$: {len(masses)} networks, {share:.1%} dead",
            yscale="symlog",
        )
        ax.title.set_fontsize(8)
    figure.axes[0].set_ylabel("neurons")
    figure.axes[1].legend(loc="upper left")
    figure.suptitle(f"$M={found['M']}$, $d={found['d']}$, $m={found['width']}$", fontsize=8)
    return figure
