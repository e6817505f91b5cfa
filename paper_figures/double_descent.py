"""Barrier against width, with and without permutation, for each teacher."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS

AXIS_FLOOR = 1e-5  # means below (m = 1 and m = M: zero up to rounding) are drawn on this line

CLAIM = "double-descent"
CAPTION = (
    "Mean loss barrier between gradient-descent solutions against the width of the student relative to the teacher, without "
    "permutation and modulo permutation. Bars are 95 % intervals that hold at once for all widths and teachers; hollow "
    "markers are zero up to rounding (at m = M, modulo permutation: among global minima)."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `double-descent`."""
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    axes = figure.subplots(1, len(data["shape"]), sharey=True, squeeze=False)[0]
    for ax, shape, control in zip(axes, data["shape"], data["control_shape"], strict=True):
        M = shape["M"]
        for curve, colour, marker, label in (
            (control, COLOURS["orange"], "s", "no permutation"),
            (shape, COLOURS["blue"], "o", "modulo permutation"),
        ):
            _curve(ax, M, curve, colour, marker, label)
        ax.axvline(1, color=COLOURS["grey"], lw=0.8, ls=":")
        ax.set(xscale="log", yscale="log", xlabel="width over teacher width, $m/M$", title=f"$M={M}$, $d={shape['d']}$")
        ax.set_ylim(AXIS_FLOOR / 2, 3)
        ticks = [r for r in (0.125, 0.25, 0.5, 1, 1.5, 2, 3, 4, 8) if r * M >= 1]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel("mean loss barrier")
    axes[-1].legend(loc="lower right")
    note = {"xytext": (6, -3), "textcoords": "offset points", "fontsize": 7, "color": COLOURS["grey"]}
    axes[0].annotate("zero up to rounding", (1, AXIS_FLOOR), **note)
    return figure


def _curve(ax: Any, M: int, curve: dict[str, Any], colour: str, marker: str, label: str) -> None:
    widths = np.array(curve["widths"]) / M
    means = np.array(curve["means"])
    means[widths == 1] = curve["mean_at_M_global"]
    means = np.maximum(means, AXIS_FLOOR)
    bands = np.array([band or (mean, mean) for band, mean in zip(curve["bands"], means, strict=True)])
    ax.plot(widths, means, "-", lw=1, color=colour, alpha=0.6)
    ax.errorbar(widths, means, yerr=np.abs(bands.T - means), fmt=marker, ms=3.5, lw=1, capsize=2, color=colour, label=label)
    zero = means == AXIS_FLOOR
    ax.plot(widths[zero], means[zero], marker, ms=5, mfc="white", color=colour, zorder=5)
