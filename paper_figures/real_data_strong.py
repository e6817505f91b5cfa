"""Weak and strong connectivity of three students trained on images, against their width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS, MINUS
from lmctheory.rates import RateFit
from paper_figures._images import PANELS
from paper_figures._records import fit_from_record

CLAIM = "real-data-strong"
CAPTION = (
    "Mean barrier of the worst pair among three two-layer students trained on images against the width, with 95 % intervals "
    "over families and fitted power laws: with a permutation for each pair (weak), with one for each network (strong), without "
    "permutation, and strong between students trained on shuffled labels (of their training loss)."
)
LOOKS = {"weak": ("green", "v", 0.96), "strong": ("blue", "o", 1.04)}  # colour, marker, factor by which widths are moved
CONTROLS = {("true", "none"): ("orange", "s", "no permutation"), ("shuffled", "strong"): ("grey", "^", "strong, shuffled labels")}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `real-data-strong`."""
    figure = Figure(figsize=(7.6, 4.1), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (split, title) in zip(axes, PANELS.items(), strict=True):
        for control in data["controls"]:
            look = CONTROLS.get((control["labels"], control["kind"]))
            if control["split"] == split and look is not None:
                _law(ax, fit_from_record(control["fits"][0]), *look)
        for found in data["falls"]:
            if found["split"] == split:
                colour, marker, factor = LOOKS[found["kind"]]
                _law(ax, fit_from_record(found["fits"][0]), colour, marker, found["kind"], factor)
        widths = fit_from_record(data["falls"][0]["fits"][0]).widths
        ax.set(xscale="log", yscale="log", xlabel="width $m$", title=f"{title}, {data['images']}")
        ax.set_xticks(widths, [f"{m:g}" for m in widths], rotation=0 if len(widths) < 8 else 60)
        ax.minorticks_off()
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=7)
    axes[0].set_ylabel("mean barrier of the worst pair")
    return figure


def _law(ax: Axes, fit: RateFit, colour: str, marker: str, label: str, factor: float = 1.0) -> None:
    exponent = f"{fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]".replace("-", MINUS)
    errors = np.abs(fit.mean_intervals.T - fit.means)
    ax.errorbar(
        factor * fit.widths, fit.means, yerr=errors, fmt=marker, ms=4.5, lw=1, capsize=2, color=COLOURS[colour],
        label=f"{label}: {exponent}",
    )  # fmt: skip
    ax.plot(fit.widths, fit.predict(fit.widths), "-", lw=1, color=COLOURS[colour])
