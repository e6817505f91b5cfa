"""Proved barriers modulo permutation between sampled minima, and how far above them weight matching is."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lmctheory.plotting import COLOURS

CLAIM = "certified-double-descent"
CAPTION = (
    "Left: barriers modulo permutation of sampled uniform minima, each proved to a part 1e-6, and their proved means (lines); "
    "at m = M, and for pairs with equal class sizes, they are exactly 0 and not drawn. Right: barriers under weight matching and "
    "under exact matching in floating point (crosses) over the proved minimum."
)
STYLES = {2: ("blue", "o"), 3: ("orange", "s")}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `certified-double-descent`."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    for M, (name, marker) in STYLES.items():
        rows = [row for row in data["rows"] if row["M"] == M]
        means = [mean for mean in data["means"] if mean["M"] == M and mean["high"] > 0]
        style = {"color": COLOURS[name], "marker": marker}
        left.plot([m["width"] for m in means], [m["middle"] for m in means], lw=1.2, ms=4.5, label=f"$M={M}$, mean", **style)
        for row in rows:
            upper, exact, weights = (np.array(row[key]) for key in ("upper", "exact", "weights"))
            positive = upper > 0
            places = row["width"] + 0.14 * (2 * M - 5) + np.linspace(-0.06, 0.06, int(positive.sum()))
            left.plot(places, upper[positive], ls="none", ms=2.5, alpha=0.45, **style)
            right.plot(places, weights[positive] / upper[positive], ls="none", ms=3.5, alpha=0.6, **style)
            right.plot(places, exact[positive] / upper[positive], "x", ms=3, mew=0.8, color="black", zorder=3)
    for M, (name, marker) in STYLES.items():
        right.plot([], [], marker, ms=3.5, color=COLOURS[name], label=f"weight matching, $M={M}$")
    right.plot([], [], "x", ms=3, mew=0.8, color="black", label="exact matching")
    left.set(yscale="log", xlabel="width $m$", ylabel="barrier modulo permutation")
    right.set(xlabel="width $m$", ylabel="barrier over the proved minimum", xlim=left.get_xlim())
    right.legend(loc="upper left", fontsize=7)
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(loc="lower right", fontsize=7)
    return figure
