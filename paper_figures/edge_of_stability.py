"""Sharpness along runs and at solutions, against the bound 2 / learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS
from paper_figures.sparsity_transition import MARKERS, TEACHER_COLOURS

PATH_COLOURS = ("blue", "orange", "red", "purple", "green")
WINDOW = 3  # pairs of steps on either side in a running median

CLAIM = "edge-of-stability"
CAPTION = (
    "Left: learning rate times sharpness along single runs, dead neurons at zero, and the bound 2; lines are means of an even "
    "step and the next, bands reach from the one to the other (running medians). Middle: at all settled solutions. Right: dead "
    "share at all settled solutions, against the share that stability demands. Learning rates are in units of the threshold of "
    "balanced classes."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `edge-of-stability`."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    paths = data["paths"]
    for path, name in zip(paths, PATH_COLOURS, strict=False):
        values, colour = np.array(path["sharpness"]), COLOURS[name]
        even, odd = (_running_median(phase) for phase in values.T)
        left.fill_between(path["steps"], even, odd, color=colour, alpha=0.2, lw=0)
        left.plot(
            path["steps"], _running_median(values.mean(axis=1)), lw=1.5, color=colour, label=rf"$\eta={path['rate']:g}\,\eta_c$"
        )
    left.axhline(2, ls="--", lw=1, color=COLOURS["grey"])
    left.set(
        xscale="log", ylim=(1.1, 2.6), xlabel="step", ylabel=r"$\eta\lambda_{\max}$",
        title=f"along runs, $M={paths[0]['M']}$, $d={paths[0]['d']}$, $m={paths[0]['width']}$",
    )  # fmt: skip
    left.legend(fontsize=7, loc="lower right")
    for cell in data["cells"]:
        name = TEACHER_COLOURS[cell["M"]]
        style = {"ls": "", "marker": MARKERS[cell["width"]], "ms": 2.5, "alpha": 0.5, "color": COLOURS.get(name, name), "mew": 0}
        middle.plot(cell["relative_rates"], cell["sharpness"], **style)
        right.plot(cell["relative_rates"], cell["dead_share"], **style)
    for M in sorted({cell["M"] for cell in data["cells"]}):
        name = TEACHER_COLOURS[M]
        right.plot([], [], "o", ms=3, color=COLOURS.get(name, name), label=f"$M={M}$")
    largest = max((max(cell["relative_rates"]) for cell in data["cells"] if cell["relative_rates"]), default=1.2)
    middle.axhline(2, ls="--", lw=1, color=COLOURS["grey"])
    middle.set(xlabel=r"learning rate $\eta/\eta_c$", ylabel=r"$\eta\lambda_{\max}$, dead neurons at zero", title="at solutions")
    rates = np.linspace(1, largest, 100)
    right.plot(rates, 1 - 1 / rates, lw=1.5, color=COLOURS["grey"], label=r"$1-\eta_c/\eta$")
    right.set(xlabel=r"learning rate $\eta/\eta_c$", ylabel="dead neurons, share", title="at solutions")
    right.legend(fontsize=7, loc="upper left")
    for ax in (left, middle, right):
        ax.title.set_fontsize(8)
    return figure


def _running_median(values: np.ndarray) -> np.ndarray:
    return np.array([np.median(values[max(0, k - WINDOW) : k + WINDOW + 1]) for k in range(len(values))])
