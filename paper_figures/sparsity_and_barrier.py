"""The barrier against the learning rate, and what removing or restoring sparsity does to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

ZERO = 1e-19  # where a barrier of exactly 0 is drawn on the logarithmic axis
SHOWN = 400  # pairs drawn of each group
CLAIM = "sparsity-and-barrier"
CAPTION = (
    "Barrier modulo permutation (swap matching on the manifold of minima), M = d = 4. Left: pairs (dots) and mean (line) "
    "against the learning rate at m = 32, with the share of dead neurons. Middle: means against the width below and above the "
    "threshold. Right: solutions below and above the threshold, the same with sparsity imposed or undone at zero loss, and "
    "minima drawn from laws."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `sparsity-and-barrier`."""
    figure = Figure(figsize=(10.2, 3.9), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 3), width_ratios=(5, 4, 5))
    top, left = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    middle, right = figure.add_subplot(grid[:, 1]), figure.add_subplot(grid[:, 2])
    curve = data["curve"]
    rates = np.array([e["rate"] for e in curve])
    top.plot(rates, [np.mean(e["dead_shares"]) for e in curve], "-o", ms=4, lw=1.2, color="black")
    top.plot(x := np.linspace(1, rates.max(), 50), 1 - 1 / x, "--", lw=1, color=COLOURS["grey"], label=r"$1-\eta_c/\eta$")
    top.set(ylabel="dead share", xlim=(0.15, 1.3), ylim=(-0.02, None))
    top.tick_params(labelbottom=False)
    top.legend(fontsize=7, loc="upper left")
    for ensemble in curve:
        _strip(left, ensemble["rate"], np.array(ensemble["height"]), "black", 0.015)
    left.plot(rates, [max(np.mean(e["height"]), ZERO) for e in curve], "-", lw=1.4, color=COLOURS["red"], label="mean")
    left.set(xlabel=r"learning rate $\eta/\eta_c$", ylabel="barrier modulo permutation", xlim=(0.15, 1.3))
    left.legend(fontsize=7, loc="center left")
    for ax in (top, left):
        ax.axvline(1, ls=":", lw=1, color=COLOURS["grey"])
    below = min(e["rate"] for e in data["ladder"])
    for rate, colour, marker in sorted({(e["rate"], *_style(e["rate"] == below)) for e in data["ladder"]}):
        chosen = [e for e in data["ladder"] if e["rate"] == rate]
        widths = np.array([e["width"] for e in chosen])
        for ensemble in chosen:
            _strip(middle, ensemble["width"], np.array(ensemble["height"]), colour, 0.02 * ensemble["width"])
        means = [max(np.mean(e["height"]), ZERO) for e in chosen]
        middle.plot(widths, means, f"-{marker}", ms=5, lw=1.2, color=colour, label=rf"mean, $\eta={rate:g}\,\eta_c$")
    middle.set(xscale="log", xlabel="width $m$")
    middle.set_xticks(widths, [str(m) for m in widths])
    middle.minorticks_off()
    middle.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 0.1))
    groups = {**data["groups"], **data["laws"]}
    for k, (name, heights) in enumerate(groups.items()):
        colour = COLOURS["blue"] if name in data["laws"] else "black"
        _strip(right, k, np.array(heights), colour, 0.12)
        right.plot([k - 0.3, k + 0.3], [max(np.mean(heights), ZERO)] * 2, "-", lw=2, color=COLOURS["red"])
        right.text(k, 3e-3, f"{np.mean(np.array(heights) == 0):.0%}", fontsize=7, ha="center")
    right.text(-0.6, 1.5e-2, "pairs with barrier exactly 0:", fontsize=7)
    right.set_xticks(range(len(groups)), [name.replace(", ", ",\n") for name in groups], rotation=35, ha="right", fontsize=7)
    right.set(xlim=(-0.7, len(groups) - 0.3))
    for ax in (left, middle, right):
        ax.set(yscale="log", ylim=(ZERO / 10, 6e-2))
        ticks = [10.0**k for k in range(-16, 0, 4)]
        ax.set_yticks([ZERO, *ticks], ["0", *(f"$10^{{{round(np.log10(tick))}}}$" for tick in ticks)])
        ax.minorticks_off()
    return figure


def _style(dense: bool) -> tuple[str, str]:
    return ("black", "o") if dense else (COLOURS["orange"], "s")


def _strip(ax: Axes, x: float, heights: np.ndarray, colour: str, spread: float) -> None:
    """Draw pairs as dots, spread a little to the sides; zeros on the lowest line."""
    shown = heights[:: max(1, len(heights) // SHOWN)]
    shifts = spread * np.random.default_rng(0).uniform(-1, 1, len(shown))
    ax.plot(x + shifts, np.maximum(shown, ZERO), ".", ms=2, alpha=0.25, color=colour, mew=0, rasterized=True)
