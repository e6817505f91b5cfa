"""Barriers of loss and error rate between wide students trained on images, with fitted power laws."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS, MINUS
from lmctheory.rates import RateFit
from paper_figures._images import PANELS
from paper_figures._records import fit_from_record

CLAIM = "real-data-rate"
CAPTION = (
    "Mean barrier modulo permutation of loss (circles) and error rate (squares) between two-layer students trained on images "
    "against the width, with 95 % intervals, fitted power laws and their exponents; barriers of the loss without permutation "
    "and between students trained on shuffled labels (of their training loss); dashed, the slope -1/2."
)
COLOUR = {"loss": ("blue", "o"), "error": ("green", "s")}
NAMES = {"loss": "loss", "error": "error rate"}
CONTROLS = {("true", "none"): ("orange", "D", "no permutation"), ("shuffled", "modulo"): ("grey", "^", "shuffled labels")}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `real-data-rate`."""
    figure = Figure(figsize=(7.6, 4.1), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (split, title) in zip(axes, PANELS.items(), strict=True):
        for control in data["controls"]:
            look = CONTROLS.get((control["labels"], control["alignment"]))
            if control["split"] == split and look is not None and control["fits"]:
                _law(ax, fit_from_record(control["fits"][0]), *look, filled=False)
        for found in data["falls"]:
            if found["split"] == split and found["fits"]:
                _law(ax, fit_from_record(found["fits"][0]), *COLOUR[found["measure"]], NAMES[found["measure"]])
        loss = next(f for f in data["falls"] if f["split"] == split and f["measure"] == "loss")
        fit = fit_from_record(loss["fits"][0])
        ends = fit.widths[[0, -1]]
        ax.plot(ends, 1.6 * fit.means[0] * (ends / ends[0]) ** -0.5, "--", lw=1, color=COLOURS["grey"], label="slope $-1/2$")
        ax.set(xscale="log", yscale="log", xlabel="width $m$", title=f"{title}, {data['images']}")
        ax.set_xticks(fit.widths, [f"{m:g}" for m in fit.widths], rotation=0 if len(fit.widths) < 8 else 60)
        ax.minorticks_off()
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=7, ncols=1)
    axes[0].set_ylabel("mean barrier")
    return figure


def _law(ax: Axes, fit: RateFit, colour: str, marker: str, label: str, filled: bool = True) -> None:
    exponent = f"{fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]".replace("-", MINUS)
    errors = np.abs(fit.mean_intervals.T - fit.means)
    fill = COLOURS[colour] if filled else "white"
    ax.errorbar(
        fit.widths, fit.means, yerr=errors, fmt=marker, ms=4.5, lw=1, capsize=2, color=COLOURS[colour], mfc=fill,
        label=f"{label}: {exponent}",
    )  # fmt: skip
    ax.plot(fit.widths, fit.predict(fit.widths), "-", lw=1, color=COLOURS[colour])
