"""Class sizes and weights of minima found by gradient descent, against the uniform and the multinomial law."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

SHOWN = 1e-3  # class sizes of smaller probability are not shown

CLAIM = "gd-law"
CAPTION = (
    "The law that gradient descent induces on the manifold of global minima, beside the uniform law and the multinomial "
    "that it is sometimes taken for."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `gd-law`."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    cell = data["laws"]["gd"][-1]
    m, sizes = cell["width"], np.array(cell["sizes"])
    laws = data["class_size_laws"][str(m)]
    support = np.arange(m + 1)
    for name, colour, marker in (("uniform", "blue", "o"), ("multinomial", "orange", "s")):
        left.plot(support, laws[name], f"-{marker}", ms=3, lw=1, color=COLOURS[colour], label=name)
    left.bar(support, np.bincount(sizes.ravel(), minlength=m + 1) / sizes.size, color="black", alpha=0.3, width=0.9, label="GD")
    shown = support[np.maximum(laws["uniform"], laws["multinomial"]) > SHOWN]
    left.set(
        xlim=(shown[0] - 0.5, shown[-1] + 0.5), xlabel="class size $n_j$", ylabel="probability", title=f"class sizes, $m={m}$"
    )
    left.set_ylim(top=1.5 * left.get_ylim()[1])
    left.legend(fontsize=7, loc="upper right")

    levels = np.sort(_lightest_levels(cell))
    middle.plot(levels, np.arange(1, len(levels) + 1) / len(levels), color="black", lw=1.3, label="GD")
    middle.plot([0, 1], [0, 1], color=COLOURS["blue"], lw=1, label="uniform law")
    middle.set(xlabel=r"$(1-n\,\alpha_{\min})^{n-1}$", ylabel="cumulative share", title=f"lightest weight, $m={m}$")
    middle.legend(fontsize=7)

    scaled = [s for s in data["spread"] if s["init_scale"] == 1 and s["rate"] == 1 and s["d"] == cell["d"]]
    unscaled = [
        s for s in data["spread"] if s["init_scale"] * sizes.shape[1] == s["width"] and s["rate"] == 1 and s["d"] == cell["d"]
    ]
    for group, colour, marker, label in (
        (unscaled, "red", "^", "initial scale 1"),
        (scaled, "black", "o", "initial scale $M/m$"),
    ):
        widths, values = np.array([s["width"] for s in group]), np.array([s["sizes"] for s in group])
        errors = np.abs(np.array([s["sizes_interval"] for s in group]).T - values)
        right.errorbar(
            widths, values, yerr=errors, fmt=f"-{marker}", ms=4, lw=1, capsize=2, color=COLOURS.get(colour, colour), label=label
        )
    right.axhline(1, color=COLOURS["blue"], lw=1, label="uniform")
    right.axhline(2, color=COLOURS["orange"], lw=1, ls="--", label="multinomial, large $m$")
    right.set(
        xscale="log", yscale="log", xlabel="width $m$", ylabel="variance of $n_j$ over uniform", title="dispersion of class sizes"
    )
    right.set_xticks([s["width"] for s in scaled], [str(s["width"]) for s in scaled])
    right.minorticks_off()
    right.set_ylim(top=10 * right.get_ylim()[1])
    right.legend(fontsize=7, loc="upper left")
    for ax in (left, middle, right):
        ax.title.set_fontsize(8)
    return figure


def _lightest_levels(cell: dict[str, Any]) -> np.ndarray:
    """Uniform on [0, 1] under Dirichlet(1) weights."""
    found = []
    for labels, alphas in zip(np.array(cell["classes"]), np.array(cell["weights"]), strict=True):
        for j in range(labels.max() + 1):
            alpha = alphas[labels == j]
            if len(alpha) > 1:
                found.append(max(0.0, 1 - len(alpha) * alpha.min()) ** (len(alpha) - 1))
    return np.array(found)
