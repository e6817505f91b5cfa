"""The loss over the simplex of three networks, before and after alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lmctheory.plotting import triangle_plot

CLAIM = "strong-emerges-with-width"
PLACE = 2
CAPTION = (
    "Loss over the simplex of three gradient-descent solutions, M = 4, d = 8, before alignment (left) and under one permutation "
    "each (right), for two widths. Crosses mark the highest excess over the corners. Every triangle has its own scale."
)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `strong-emerges-with-width`: one row a width."""
    triangles = data["triangles"]
    figure = Figure(figsize=(6.6, 2.4 * len(triangles)), layout="constrained")
    for axes, row in zip(figure.subplots(len(triangles), 2, squeeze=False), triangles, strict=True):
        for ax, name, height, position in zip(axes, ("before", "after"), row["heights"], row["positions"], strict=True):
            _triangle(figure, ax, row, name, position)
            ax.set_title(f"$m={row['width']}$, {name}: height {height:.2g}", fontsize=9, pad=14)
    return figure


def _triangle(figure: Figure, ax: Axes, row: dict[str, Any], name: str, position: list[float]) -> None:
    losses = np.maximum(row[name], 0.0)  # at the corners rounding may leave it below zero
    triangle_plot(row["grid"], losses, ax, labels=("A", "B", "C"))
    bar = figure.colorbar(ax.collections[-1], ax=ax, shrink=0.8, format="%.2g", ticks=MaxNLocator(5))
    bar.set_label("loss")
    ax.plot(*(np.array(position) @ CORNERS), "x", ms=6, mew=1.5, color="black", zorder=4, clip_on=False)
