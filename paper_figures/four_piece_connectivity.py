"""How many straight pieces of zero loss join every pair of minima, for every small width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lmctheory.plotting import COLOURS

CLAIM = "four-piece-connectivity"
CAPTION = (
    "Number of straight pieces of zero loss that joins every pair of global minima of width m and teacher width M, from all "
    "pairs; a dash where some pair is not joined at all. Framed: m = 2M - 1, from where on it is four."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `four-piece-connectivity`."""
    figure = Figure(figsize=(4.6, 2.6), layout="constrained")
    ax = figure.subplots()
    cells = {(cell["M"], cell["width"]): cell["longest"] for cell in data["graphs"]}
    for (M, m), longest in cells.items():
        colour, strength = (COLOURS["blue"], 0.35) if longest == 4 else (COLOURS["orange"], 0.25 + 0.1 * max(0, longest - 4))
        if longest < 0:
            colour, strength = COLOURS["grey"], 0.25
        ax.add_patch(Rectangle((m - 0.46, M - 0.46), 0.92, 0.92, color=colour, alpha=strength, lw=0))
        ax.annotate("–" if longest < 0 else str(longest), (m, M), ha="center", va="center", fontsize=10)
        if m == 2 * M - 1:
            ax.add_patch(Rectangle((m - 0.46, M - 0.46), 0.92, 0.92, fill=False, ec="black", lw=1.4))
    widths, teachers = (np.unique([key[axis] for key in cells]) for axis in (1, 0))
    ax.set(
        xlim=(widths[0] - 0.6, widths[-1] + 0.6), ylim=(teachers[-1] + 0.6, teachers[0] - 0.6), xticks=widths, yticks=teachers,
        xlabel="width $m$", ylabel="teacher width $M$",
    )  # fmt: skip
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    return figure
