"""Dead neurons and sharpness of networks trained on images, against the learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lmctheory.plotting import COLOURS

STYLES = (("blue", "o", "-"), ("orange", "s", "--"), ("green", "^", "-"), ("purple", "D", "--"))
CENTRED_STYLE = ("grey", "v", ":")
OTHER_STYLES = (CENTRED_STYLE, ("red", "X"), ("black", "P"), ("grey", "*"), ("red", "<"))

CLAIM = "real-data-sparsity"
CAPTION = (
    "Networks with one hidden layer trained on images from the same initial weights at many learning rates, in units of "
    "2/sharpness of the dense solution that a small rate finds (dotted line); squared loss. Left: neurons that no training image "
    "activates, and the share that stability would demand if only deaths lowered the sharpness (dashed). Middle: rate times "
    "sharpness of the loss on the training images at what is reached; 2 is the edge of stability, and the band what counts as "
    "near. Right: rate from which on neurons die, with intervals that hold at once; hollow ones, and centred pixels, do not "
    "decide. Bars are 95 % intervals over initial networks."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `real-data-sparsity`."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(5, 5, 4))
    cells = [cell for cell in data["cells"] if cell["deciding"]]
    centred = [cell for cell in data["cells"] if cell["pixels"] == "centred"]
    rates = np.array(cells[0]["rates"])
    styles = (*STYLES[: len(cells)], CENTRED_STYLE)
    for k, (cell, (colour, marker, line)) in enumerate(zip([*cells, *centred], styles, strict=False)):
        style = {"marker": marker, "ms": 3.5, "lw": 1.2, "ls": line, "capsize": 2, "color": COLOURS.get(colour, colour)}
        shift = 1 + 0.012 * (k - (len(cells) - 1) / 2)  # bars side by side
        for ax, name in ((left, "dead_share"), (middle, "rate_times_sharpness")):
            values = np.array([(np.nan,) * 3 if value is None else value for value in cell[name]])
            ax.errorbar(rates * shift, values[:, 0], yerr=np.abs(values[:, 1:] - values[:, :1]).T, label=cell["name"], **style)
    x = np.linspace(1, rates[-1], 100)
    baseline = float(np.mean([np.mean(cell["reference_dead"]) / cell["width"] for cell in cells]))
    left.plot(x, baseline + 1 - 1 / x, "--", lw=1, color=COLOURS["grey"])
    left.set(ylabel="dead neurons", ylim=(0, 1), title="sparsity")
    left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    middle.axhspan(2 - data["near"], 2 + data["near"], color=COLOURS["grey"], alpha=0.15, lw=0)
    middle.axhline(2, lw=0.8, color=COLOURS["grey"])
    middle.set(ylabel=r"rate $\times$ sharpness", ylim=(0, None), title="edge of stability")
    for ax in (left, middle):
        ax.axvline(1, ls=":", lw=1, color=COLOURS["grey"])
        ax.set(xscale="log", xlabel="rate over threshold")
        ticks = [rate for rate in (0.5, 1.0, 2.0, 3.0) if rates[0] <= rate <= rates[-1]]
        ax.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
        ax.minorticks_off()
    _change_points(right, data["cells"])
    figure.legend(*left.get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=3)
    for ax in (left, middle, right):
        ax.title.set_fontsize(8)
    return figure


def _change_points(ax: Any, cells: list[dict[str, Any]]) -> None:
    deciding, others = iter(STYLES), iter(OTHER_STYLES)
    labels = []
    for k, cell in enumerate(cells):
        colour, marker, *_ = next(deciding) if cell["deciding"] else next(others)
        point, (low, high) = cell["line"]["change_point"], (float(end) for end in cell["line"]["interval"])
        labels.append(_label(cell))
        if not np.isfinite([low, high]).all():
            ax.annotate("undecided", (0, k), fontsize=6.5, va="center", xytext=(4, 0), textcoords="offset points")
            continue
        face = None if cell["deciding"] else "white"
        ax.errorbar(
            [point], [k], xerr=[[point - low], [high - point]], fmt=marker, ms=5, lw=1.2, capsize=3, mfc=face,
            color=COLOURS.get(colour, colour),
        )  # fmt: skip
    ax.axvline(1, ls=":", lw=1, color=COLOURS["grey"])
    ax.set_yticks(range(len(cells)), labels, fontsize=6.5)
    ax.set(xlabel="rate over threshold", xlim=(0, None), ylim=(len(cells) - 0.4, -0.6), title="neurons start to die")


def _label(cell: dict[str, Any]) -> str:
    """Return what tells a cell from the others."""
    first, width, *special = cell["name"].split(", ")
    if cell["deciding"]:
        return f"{first}\n{width}"
    return special[-1] if special else width if first.startswith("full") else first
