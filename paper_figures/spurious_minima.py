"""Shares of runs in spurious minima, and the losses of certified ones, against the width of the teacher."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lmctheory.plotting import COLOURS

CLAIM = "spurious-minima"
CAPTION = (
    "Gradient descent on orthonormal teachers, d = M. Left: share of runs that end in spurious local minima, with "
    "Clopper-Pearson intervals; unsettled runs count in the upper end alone. Right: losses of the spurious minima that were "
    "certified, each a proved enclosure far narrower than its marker."
)
CURVES = ((0, "$m = M$", "blue", "o"), (1, "$m = M + 1$", "orange", "s"))  # neurons more than the teacher


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `spurious-minima`."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    for more, label, colour, marker in CURVES:
        rows = [row for row in data["rows"] if row["width"] == row["M"] + more]
        places = np.array([row["M"] for row in rows]) + 0.12 * (2 * more - 1)
        shares = np.array([row["share"] for row in rows])
        bars = np.abs(np.array([row["interval"] for row in rows]).T - shares)
        style = {"color": COLOURS[colour], "ms": 4.5, "mfc": "white" if more else COLOURS[colour]}
        left.errorbar(places, shares, bars, fmt=f"{marker}-", lw=1, capsize=2, label=label, **style)
        points = [(place, found["low"]) for place, row in zip(places, rows, strict=True) for found in row["certificates"]]
        if points:
            right.plot(*np.array(points).T, marker, ls="none", label=label, **style)
    left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    left.set(xlabel="teacher width $M$", ylabel="runs in spurious minima", ylim=(-0.03, None))
    right.set(xlabel="teacher width $M$", ylabel="certified loss", xlim=left.get_xlim())
    right.set_ylim(0, 1.08 * right.get_ylim()[1])
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(loc="upper left")
    right.legend(loc="lower left")
    return figure
