"""Share of dead neurons against the learning rate, in units of the stability threshold, and where it starts to rise."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

TEACHER_COLOURS = {1: "black", 2: "blue", 4: "orange", 8: "red"}
MARKERS = {16: "o", 32: "s", 64: "^", 128: "D"}

CLAIM = "sparsity-transition"
CAPTION = (
    "Left: share of dead neurons from a tenth of the stability threshold of the dense minimum to divergence (cross). Middle: "
    "share that has died beyond those at half the threshold, for all widths and teachers on one axis, and what stability demands "
    "of balanced classes. Right: change points of the fitted broken lines with intervals that hold for all cells at once; bars "
    "in grey are the margins of the claim."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `sparsity-transition`."""
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.0, 1.15, 1.15))
    _whole_range(left, data)
    _collapse(middle, data["cells"])
    _change_points(right, data["cells"])
    for ax in (left, middle, right):
        ax.title.set_fontsize(8)
    return figure


def _colour(cell: dict[str, Any]) -> str:
    name = TEACHER_COLOURS[cell["M"]]
    return COLOURS.get(name, name)


def _curve(cell: dict[str, Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(rate, share) for rate, share in zip(cell["rates"], cell[name], strict=True) if share is not None]
    return np.array([rate for rate, _ in pairs]), np.array([share for _, share in pairs])


def _whole_range(ax: Axes, data: dict[str, Any]) -> None:
    for cell in data["wide"]:
        near = [c for c in data["cells"] if (c["M"], c["d"], c["width"]) == (cell["M"], cell["d"], cell["width"])]
        parts = [_curve(c, "dead_share") for c in (cell, *near)]
        rates, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(rates)
        ax.plot(
            rates[order], shares[order], "-o", ms=2.5, lw=1, color=_colour(cell), label=f"$M={cell['M']}$, $m={cell['width']}$"
        )
        rows = [(r, v) for c in (cell, *near) for r, v in zip(c["rates"], c["diverged"], strict=True) if v >= 0.5]
        if rows:
            ax.plot([min(rows)[0]], [shares[order][-1]], "x", ms=6, mew=1.5, color=_colour(cell))
    ax.axvline(1, ls="--", lw=1, color=COLOURS["grey"])
    ax.set(xscale="log", xlabel=r"learning rate $\eta/\eta_c$", ylabel="dead neurons, share", title="from 0.1 to divergence")
    ax.set_xticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    ax.minorticks_off()
    ax.legend(fontsize=7, loc="upper left")


def _collapse(ax: Axes, cells: list[dict[str, Any]]) -> None:
    rates = np.linspace(1, max(max(cell["rates"]) for cell in cells), 100)
    ax.plot(rates, 1 - 1 / rates, lw=2.5, color=COLOURS["grey"], alpha=0.5, label=r"$1-\eta_c/\eta$")
    for cell in cells:
        marker = MARKERS[cell["width"]]
        ax.plot(*_curve(cell, "excess_share"), ls="-", lw=0.5, marker=marker, ms=2.5, alpha=0.8, color=_colour(cell))
    for M in sorted({cell["M"] for cell in cells}):
        ax.plot([], [], "-", lw=1.5, color=_colour({"M": M}), label=f"$M={M}$")
    for width in sorted({cell["width"] for cell in cells}):
        ax.plot([], [], ls="", marker=MARKERS[width], ms=3, color=COLOURS["grey"], label=f"$m={width}$")
    ax.axvline(1, ymax=0.65, ls="--", lw=1, color=COLOURS["grey"], zorder=0)
    ax.set(xlabel=r"learning rate $\eta/\eta_c$", ylabel="excess of dead neurons, share", title="across the threshold")
    ax.legend(fontsize=7, loc="upper left", ncols=2, columnspacing=0.8, handlelength=1.2)
    ax.set_ylim(top=1.45 * ax.get_ylim()[1])


def _change_points(ax: Axes, cells: list[dict[str, Any]]) -> None:
    order = sorted(cells, key=lambda cell: (cell["M"], cell["width"], cell["d"]))
    for row, cell in enumerate(order):
        line, margin = cell["line"], cell["margin"]
        ax.plot([1 - margin, 1 + margin], [row, row], lw=6, color=COLOURS["grey"], alpha=0.2, solid_capstyle="butt")
        if np.isfinite(line["interval"]).all():
            low, high = (abs(end - line["change_point"]) for end in line["interval"])
            ax.errorbar(
                line["change_point"], row, xerr=[[low], [high]], fmt=MARKERS[cell["width"]], ms=3, lw=1, capsize=1.5,
                color=_colour(cell),
            )  # fmt: skip
    ax.axvline(1, ls="--", lw=1, color=COLOURS["grey"])
    labels = [f"{cell['M']}, {cell['d']}, {cell['width']}" for cell in order]
    ax.set_yticks(range(len(order)), labels, fontsize=5 if len(order) > 20 else 7)
    ax.set(xlim=(0.7, 1.3), ylim=(len(order) - 0.5, -0.5), xlabel=r"change point $/\,\eta_c$", title="$M$, $d$, $m$")
