"""Weak and strong barriers of three networks against the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lmctheory.plotting import COLOURS

CLAIM = "weak-not-strong"
CAPTION = (
    "Triples of gradient-descent solutions. Left: mean barrier of the worst pair when every pair has its own permutation (weak) "
    "and when every network has one (strong), and the mean gap, with 95 % intervals where three triples or more have a gap. "
    "Right: share of triples with a gap of more than 1 %, with Clopper-Pearson intervals. Filled markers: proved by complete "
    "search; hollow: upper bounds. At m = M all barriers are zero up to rounding."
)
CURVES = (("strong", "orange", "s", 1.02), ("weak", "blue", "o", 1 / 1.02), ("gap", "grey", "v", 1.0))  # widths times the last


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `weak-not-strong`: one row a teacher."""
    teachers = sorted({(row["M"], row["d"]) for row in data["rows"]})
    figure = Figure(figsize=(7.2, 3.1 * len(teachers)), layout="constrained")
    for (left, right), (M, d) in zip(figure.subplots(len(teachers), 2, squeeze=False), teachers, strict=True):
        rows = [row for row in data["rows"] if row["M"] == M and row["width"] > M]
        for name, colour, marker, factor in CURVES:
            _means(left, rows, name, COLOURS[colour], marker, factor)
        left.set(yscale="log", ylabel="mean barrier of the worst pair")
        left.legend(title=f"$M={M}$, $d={d}$", title_fontsize=8)
        for row in rows:
            bar = np.abs(np.array(row["share_interval"]) - row["share"])[:, None]
            face = COLOURS["blue"] if row["proved"] else "white"
            right.errorbar([row["width"]], [row["share"]], bar, fmt="o", ms=5, lw=1, capsize=2, color=COLOURS["blue"], mfc=face)
        right.set(ylabel="triples with a gap", ylim=(-0.02, 1.1 * max(row["share_interval"][1] for row in rows)))
        right.yaxis.set_major_formatter(PercentFormatter(1.0))
        for ax in (left, right):
            ax.set(xscale="log", xlabel="width $m$")
            ax.set_xticks([row["width"] for row in rows], [str(row["width"]) for row in rows])
            ax.minorticks_off()
    return figure


def _means(ax: Axes, rows: list[dict[str, Any]], name: str, colour: str, marker: str, factor: float) -> None:
    shown = [row for row in rows if row[name] > row["floor"]]
    widths, means = factor * np.array([row["width"] for row in shown]), np.array([row[name] for row in shown])
    ax.plot(widths, means, "-", lw=1, color=colour, alpha=0.6)
    ax.plot([], [], marker, ms=5, color=colour, label=name)
    for width, row in zip(widths, shown, strict=True):
        interval = row[f"{name}_interval"]
        bar = None if interval is None else np.abs(np.array(interval) - row[name])[:, None]
        face = colour if row["proved"] else "white"
        ax.errorbar([width], [row[name]], bar, fmt=marker, ms=5, lw=1, capsize=2, color=colour, mfc=face)
