"""The learning rate at which gradient descent diverges, against three predictions, and against the initial scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS

SHADES = dict(zip((2, 3, 4, 6, 8, 16), ("blue", "purple", "orange", "grey", "green", "red"), strict=True))
TOP = 2.2  # of the left axis

CLAIM = "divergence"
CAPTION = (
    "The learning rate at which gradient descent diverges. Left: over the threshold of dense minima, against the width. Dots are "
    "means over initial networks, for d = M and d = 2M side by side, dashed lines the rate at which the oscillation of whole "
    "classes escapes, crosses the median stability threshold of the initial points, and the dotted line that of the sparsest "
    "minima. Right: rate times width against the scale of the initial weights; far out all neurons align, and the bound is 2. "
    "Bars are two standard deviations over initial networks."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `divergence`."""
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(4, 3))
    cells = [cell for cell in data["cells"] if cell["scale"] == 1]
    multiples = sorted({cell["width"] // cell["M"] for cell in cells})
    for M in sorted({cell["M"] for cell in cells}):
        colour = COLOURS[SHADES[M]]
        left.axhline(data["oscillations"][str(M)], color=colour, lw=1, ls="--")
        for cell in cells:
            if cell["M"] != M:
                continue
            x = cell["width"] / M * (0.94 if cell["d"] == M else 1.06)
            rates, initial = (np.array(cell[name]) / cell["threshold"] for name in ("rates", "initial"))
            left.errorbar([x], [rates.mean()], yerr=[2 * rates.std()], fmt="o", ms=4, lw=1, capsize=2, color=colour)
            left.plot([x], [np.median(initial)], "x", ms=5, color=colour)
        left.plot([], [], "o", ms=4, color=colour, label=f"$M={M}$")
    ends = np.array([min(multiples) * 0.9, TOP])
    left.plot(ends, ends, ":", lw=1, color=COLOURS["grey"], label="sparsest minima")
    left.plot([], [], "--", lw=1, color=COLOURS["grey"], label="oscillation of classes")
    left.plot([], [], "x", ms=5, color=COLOURS["grey"], label="initial point")
    left.set(xscale="log", xlabel="width over teacher width, $m/M$", ylabel=r"diverging rate over $\eta_c$", ylim=(0.9, TOP))
    left.set_xticks(multiples, [str(k) for k in multiples])
    left.xaxis.set_minor_locator(NullLocator())
    left.legend(fontsize=7, ncols=2, loc="upper right")
    _scales(right, data["scales"])
    return figure


def _scales(ax: Any, cells: list[dict[str, Any]]) -> None:
    """Draw the diverging rate times m against the initial scale."""
    for M in sorted({cell["M"] for cell in cells}):
        mine = sorted((cell for cell in cells if cell["M"] == M), key=lambda cell: cell["scale"])
        products = [np.array(cell["rates"]) * cell["width"] for cell in mine]
        ax.errorbar(
            [cell["scale"] for cell in mine], [p.mean() for p in products], yerr=[2 * p.std() for p in products],
            fmt="-o", ms=4, lw=1, capsize=2, color=COLOURS[SHADES[M]], label=f"$M={M}$",
        )  # fmt: skip
    ax.axhline(2, ls="--", lw=1, color=COLOURS["grey"])
    ax.annotate("aligned neurons", (1, 2), (0, -3), textcoords="offset points", va="top", fontsize=7)
    scales = sorted({cell["scale"] for cell in cells})
    ax.set(xscale="log", xlabel="initial scale over $M/m$", ylabel=r"diverging rate $\times\; m$", ylim=(1.8, None))
    ax.set_xticks(scales, [f"{scale:g}" for scale in scales])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(fontsize=7)
