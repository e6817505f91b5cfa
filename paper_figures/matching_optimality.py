"""How often matchings miss the permutation of lowest barrier, and by how much, against the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS

MATCHINGS = {
    "random": ("grey", "v"),
    "activations": ("orange", "s"),
    "weights": ("red", "D"),
    "lightest": ("blue", "o"),
    "swaps": ("green", "^"),
}
ENSEMBLES = {"uniform, M=3": "-", "uniform, M=8": "--", "GD, M=3": ":"}
FLOOR = 1e-2  # per cent; smaller gaps are drawn on this line

CLAIM = "matching-optimality"
CAPTION = (
    "Share of pairs in which a matching misses the permutation of lowest barrier, which complete search proves, and its mean "
    "barrier relative to the optimum, against the width: uniform minima, and minima found by gradient descent; bars: 95 %."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `matching-optimality`."""
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    widths = sorted({record["width"] for record in data["records"] if record["ensemble"] in ENSEMBLES})
    for ensemble, style in ENSEMBLES.items():
        mine = [record for record in data["records"] if record["ensemble"] == ensemble]
        for name in MATCHINGS:
            _line(left, mine, "missed", name, style, -np.inf)
            _line(right, mine, "excess", name, style, FLOOR)
    limits = widths[0] / 1.1, widths[-1] * 1.1
    most = 100 * (1 - data["share"])
    left.set(ylabel="optimum missed, % of pairs", ylim=(-3, 103))
    right.set(ylabel="mean barrier above the optimum, %", yscale="log")
    right.set_ylim(FLOOR / 1.6, None)
    ticks = [1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4]
    right.set_yticks(ticks, ["less", "0.1", "1", "10", "100", "1000", r"$10^4$"])
    shown = [m for m in (4, 6, 8, 12, 16, 24, 32, 64, 128, 256) if widths[0] <= m <= widths[-1]]
    for ax in (left, right):
        ax.set(xscale="log", xlabel="width $m$", xlim=limits)
        ax.set_xticks(shown, [str(m) for m in shown])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
    for name, (colour, marker) in MATCHINGS.items():
        left.plot([], [], marker=marker, ms=4, color=COLOURS[colour], label=name)
    for ensemble, style in ENSEMBLES.items():
        left.plot([], [], style, lw=1.2, color="black", label=ensemble.replace("M=", "$M=") + "$")
    left.fill_between([limits[0], data["small"]], most, 103, color="black", alpha=0.07, lw=0, label="claimed free of swaps")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=7)
    return figure


def _line(ax: Axes, records: list[dict[str, Any]], part: str, name: str, style: str, floor: float) -> None:
    colour, marker = MATCHINGS[name]
    if records:
        value, low, high = np.maximum(100 * np.array([record[part][name] for record in records]).T, floor)
        widths = [record["width"] for record in records]
        errors = np.maximum([value - low, high - value], 0)  # a bootstrap interval may leave out its estimate
        face = "white" if style == ":" else COLOURS[colour]
        ax.errorbar(
            widths,
            value,
            yerr=errors,
            ls=style,
            marker=marker,
            ms=4,
            lw=1,
            elinewidth=0.7,
            capsize=1.5,
            color=COLOURS[colour],
            mfc=face,
        )
