"""Shares of dead neurons with random batches and on finite samples, their change points, and where SGD diverges."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS

BATCH_STYLES = (("red", "v"), ("orange", "s"), ("blue", "o"), ("purple", "D"), ("black", "P"), ("grey", "X"))
SAMPLE_STYLES = (("green", "^"), ("green", "<"), ("green", ">"))

CLAIM = "sgd-sparsity"
CAPTION = (
    "Sparsity with fresh batches of B inputs, and with full gradients on n samples. Left: share of neurons that have died beyond "
    "those of a run at half the rate, over settled runs, and the share that stability demands (dashed). Middle: change points "
    "with intervals that hold at once, the margin of the rule, and, hollow, where mean-square stability would put them; pale "
    "ones do not decide. Right: rates at which SGD diverges, with two standard deviations over runs, and the threshold of "
    "mean-square stability (dotted)."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `sgd-sparsity`."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(4, 4, 3))
    first = data["cells"][0]
    shown = [cell for cell in data["cells"] if (cell["M"], cell["d"], cell["width"]) == (first["M"], first["d"], first["width"])]
    _curves(left, shown)
    _change_points(middle, shown)
    _escapes(right, data["escapes"])
    for ax in (left, middle, right):
        ax.title.set_fontsize(8)
    return figure


def _styles(cells: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return colour, marker and label of each cell."""
    batches, samples = iter(BATCH_STYLES), iter(SAMPLE_STYLES)
    found = []
    for cell in cells:
        colour, marker = next(samples) if cell["batch_size"] is None else next(batches)
        label = f"$n={cell['n_samples']}$" if cell["batch_size"] is None else f"$B={cell['batch_size']}$"
        found.append((COLOURS.get(colour, colour), marker, label))
    return found


def _curves(ax: Any, cells: list[dict[str, Any]]) -> None:
    rates = np.array(cells[0]["rates"])
    for cell, (colour, marker, label) in zip(cells, _styles(cells), strict=True):
        shares = np.array([np.nan if share is None else share for share in cell["excess_share"]])
        line = "--" if cell["batch_size"] is None else "-"
        ax.plot(rates, 100 * shares, line, marker=marker, ms=3.5, lw=1, color=colour, label=label)
    x = np.linspace(rates[0], rates[-1], 100)
    ax.plot(x, 100 * np.maximum(0, 1 - 1 / x), "--", lw=1, color="black")
    ax.set(xlabel="rate over threshold", ylabel="neurons that have died, %")
    ax.set_title("$M={M}$, $d={d}$, $m={width}$".format(**cells[0]))
    ax.legend(fontsize=7, loc="upper left")


def _change_points(ax: Any, cells: list[dict[str, Any]]) -> None:
    margin = cells[0]["margin"]
    ax.axhspan(1 - margin, 1 + margin, color=COLOURS["grey"], alpha=0.15, lw=0)
    ax.axhline(1, lw=0.8, color=COLOURS["grey"])
    labels = []
    for k, (cell, (colour, marker, label)) in enumerate(zip(cells, _styles(cells), strict=True)):
        point, (low, high) = cell["line"]["change_point"], cell["line"]["interval"]
        alpha = 1.0 if cell["deciding"] else 0.45
        errors = [[point - low], [high - point]]
        ax.errorbar([k], [point], yerr=errors, fmt=marker, ms=5, lw=1.2, capsize=3, color=colour, alpha=alpha)
        if cell["mean_square"] is not None:
            ax.plot([k], [cell["mean_square"]], marker, ms=5, mfc="white", color=colour, alpha=alpha)
        labels.append(label)
    ax.set_xticks(range(len(cells)), labels, fontsize=7, rotation=45)
    ax.set(ylabel="change point over threshold", xlim=(-0.6, len(cells) - 0.4))
    ax.set_title("solid: measured, hollow: mean-square")


def _escapes(ax: Any, cells: list[dict[str, Any]]) -> None:
    for M, colour in zip(sorted({cell["M"] for cell in cells}), ("blue", "orange"), strict=False):
        mine = [cell for cell in cells if cell["M"] == M]
        sizes = [cell["batch_size"] for cell in mine]
        rates = [np.array(cell["rates"]) / cell["threshold"] for cell in mine]
        spread = [2 * r.std() for r in rates]
        ax.errorbar(
            sizes, [r.mean() for r in rates], yerr=spread, fmt="-o", ms=3.5, lw=1, capsize=2, color=COLOURS[colour],
            label=f"$M={M}$",
        )  # fmt: skip
        ax.plot(sizes, [cell["mean_square"] for cell in mine], ":", lw=1.2, color=COLOURS[colour])
    ax.plot([], [], ":", lw=1.2, color=COLOURS["grey"], label="mean-square")
    ax.axhline(1, lw=0.8, color=COLOURS["grey"], label="neurons die above")
    ax.set(xscale="log", xlabel="batch size $B$", ylabel="diverging rate over threshold", ylim=(0, None))
    sizes = sorted({cell["batch_size"] for cell in cells})
    ax.set_xticks(sizes, [str(size) for size in sizes], fontsize=7)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(fontsize=6.5, loc="lower right")
