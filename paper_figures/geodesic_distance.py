"""Lengths of paths of zero loss between uniform minima, against the width and against the teacher's."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._teachers import TEACHERS

ROWS = {
    "two": ("blue", "o", "two pieces, shortest"),
    "three": ("orange", "s", "three pieces"),
    "lower": ("grey", "^", "lower bound"),
}

CLAIM = "geodesic-distance"
CAPTION = (
    "Length of paths of zero loss over the Euclidean distance, uniform minima. Left: the shortest path of two pieces against the "
    "width (means of the pairs that have one, 95 % intervals), with the limits. Right: the limits of two pieces, of an explicit "
    "path of three, and of a lower bound for all paths against M (lines), with the means at the largest width."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `geodesic-distance`."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    limits = {name: np.array([row[name] for row in data["limits"]]) for name in ("M", *ROWS)}
    for M in sorted({cell["M"] for cell in data["cells"]}):
        colour, marker = COLOURS[TEACHERS[M][0]], TEACHERS[M][1]
        cells = [cell for cell in data["cells"] if cell["M"] == M and cell["two_interval"]]
        means = np.array([cell["two"] for cell in cells])
        ends = np.array([cell["two_interval"] for cell in cells])
        left.errorbar(
            [cell["width"] / M**2 for cell in cells], means, yerr=np.abs(ends.T - means), fmt=marker, ms=4, lw=1, capsize=2,
            color=colour, label=f"$M={M}$",
        )  # fmt: skip
        left.axhline(limits["two"][limits["M"] == M][0], ls="--", lw=1, color=colour)
    left.plot([], [], "--", lw=1, color=COLOURS["grey"], label="limit")
    left.set(xscale="log", xlabel="width over $M^2$", ylabel="length over Euclidean distance", ylim=(1, None))
    ratios = sorted({cell["width"] // cell["M"] ** 2 for cell in data["cells"]})
    left.set_xticks(ratios, [str(ratio) for ratio in ratios])
    left.xaxis.set_minor_locator(NullLocator())
    left.legend(fontsize=7, ncols=2, loc="upper right")
    largest = [cell for cell in data["cells"] if cell["width"] == ratios[-1] * cell["M"] ** 2]
    for name, (colour_name, marker, label) in ROWS.items():
        colour = COLOURS[colour_name]
        right.plot(limits["M"], limits[name], "-", lw=1.2, color=colour)
        right.plot([cell["M"] for cell in largest], [cell[name] for cell in largest], marker, ms=5, color=colour, label=label)
    right.plot(limits["M"], np.sqrt(limits["M"]), ":", lw=1.4, color="black", label=r"$\sqrt{M}$")
    right.set(xscale="log", yscale="log", xlabel="teacher width $M$", ylabel="limit for large width")
    right.set_xticks(teachers := (1, 2, 4, 8, 16, 32), [str(tick) for tick in teachers])
    right.set_yticks(lengths := (1, 1.5, 2, 3, 4, 6), [f"{tick:g}" for tick in lengths])
    for axis in (right.xaxis, right.yaxis):
        axis.set_minor_locator(NullLocator())
    right.legend(fontsize=7, loc="upper left")
    return figure
