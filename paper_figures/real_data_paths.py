"""Loss and accuracy on the way between two networks, before and after alignment, over the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS
from paper_figures._images import ALIGNMENTS

CLAIM = "real-data-double-descent"
PLACE = 2
CAPTION = (
    "Mean cross-entropy (top) and accuracy (bottom) on the straight way between two students trained on images, for four "
    "widths: without permutation and modulo permutation, on training images (solid) and test images (dashed)."
)
NARROWEST, N_WIDTHS = 4, 4  # panels
STYLES = {"train": "-", "test": "--"}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `real-data-double-descent`."""
    ensembles = [e for e in data["ensembles"] if e["labels"] == "true"]
    ladder = np.geomspace(min(NARROWEST, ensembles[-1]["width"]), ensembles[-1]["width"], N_WIDTHS)
    nearest = {min(range(len(ensembles)), key=lambda k: abs(np.log(ensembles[k]["width"] / width))) for width in ladder}
    chosen = [ensembles[k] for k in sorted(nearest)]
    figure = Figure(figsize=(7.6, 3.9), layout="constrained")
    axes = figure.subplots(2, len(chosen), sharex=True, sharey="row", squeeze=False)
    for column, ensemble in enumerate(chosen):
        curves = np.array(ensemble["curves"])  # by alignment (modulo, none, random), split, measure, position
        positions = np.linspace(0, 1, curves.shape[-1])
        for alignment, (colour, label) in ALIGNMENTS.items():
            for split, style in enumerate(STYLES.values()):
                loss, error = curves[("modulo", "none").index(alignment), split]
                for ax, values in zip(axes[:, column], (loss, 1 - error), strict=True):
                    name = f"{label}, {tuple(STYLES)[split]}"
                    ax.plot(positions, values, style, lw=1.3, color=COLOURS[colour], label=name)
        axes[0, column].set_title(f"{data['images']}, $m={ensemble['width']}$")
        axes[1, column].set(xlabel="position $t$", xticks=[0, 0.5, 1], xticklabels=["A", "1/2", "B"])
    axes[0, 0].set_ylabel("loss")
    axes[1, 0].set_ylabel("accuracy")
    axes[0, 0].set_ylim(bottom=0)
    axes[1, 0].set_ylim(0, 1.02)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
