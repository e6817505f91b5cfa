"""How often two pieces of zero loss join uniform minima, and how often one piece does so modulo permutation."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lmctheory.plotting import COLOURS
from paper_figures._teachers import TEACHERS

LOWEST = 1e-5

CLAIM = "two-piece-connectivity"
CAPTION = (
    "Left: probability that no path of two pieces joins two uniform minima, exact (lines) and sampled (markers, 99 % intervals), "
    "below the bound (dashed). Right, in the same colours: probability that a single piece joins them modulo permutation, "
    "without and with zero neurons (markers, 95 % intervals); two pieces always do."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `two-piece-connectivity`."""
    figure = Figure(figsize=(7.2, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    exact, bounds, equal = (np.array(data[name], dtype=float) for name in ("exact", "bounds", "equal_sizes"))
    for M in sorted({int(row[0]) for row in data["bounds"]}):
        colour, marker = COLOURS[TEACHERS[M][0]], TEACHERS[M][1]
        rows = exact[exact[:, 0] == M]
        left.plot(rows[:, 1], 1 - rows[:, 2], "-", lw=1.2, color=colour)
        bound = bounds[bounds[:, 0] == M]
        left.plot(bound[:, 1], 1 - bound[:, 2], "--", lw=1.2, color=colour)
        sampled = [cell for cell in data["sampled"] if cell["M"] == M]
        missed = np.array([1 - cell["found"] / cell["n_pairs"] for cell in sampled])
        ends = 1 - np.array([cell["interval"] for cell in sampled])[:, ::-1]
        left.errorbar(
            [cell["width"] for cell in sampled], missed, yerr=np.abs(ends.T - missed), fmt=marker, ms=4, lw=1, capsize=2,
            color=colour, label=f"$M={M}$",
        )  # fmt: skip
        rows = equal[equal[:, 0] == M]
        right.plot(rows[:, 1], rows[:, 2], "-", lw=1.2, color=colour)
        sparse = [cell for cell in data["sparse"] if cell["M"] == M]
        if sparse:
            beside = 0.94 if M == 2 else 1.06
            share = np.array([cell["one_modulo"] / cell["n_modulo"] for cell in sparse])
            ends = np.array([cell["interval"] for cell in sparse])
            right.errorbar(
                [beside * cell["width"] for cell in sparse], share, yerr=np.abs(ends.T - share), fmt=marker, ms=4, lw=1,
                capsize=2, color=colour, mfc="white",
            )  # fmt: skip
    left.plot([], [], "-", lw=1.2, color=COLOURS["grey"], label="exact")
    left.plot([], [], "--", lw=1.2, color=COLOURS["grey"], label="bound")
    left.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="probability of no path of two pieces", ylim=(LOWEST, 1.6))
    left.legend(loc="lower right", fontsize=7, ncols=2)
    right.axhline(1, ls=":", lw=1.4, color="black", label="two pieces: always")
    right.plot([], [], "-", lw=1.2, color=COLOURS["grey"], label="one piece, uniform minima, exact")
    right.plot([], [], "o", ms=4, mfc="white", color=COLOURS["grey"], label=f"one piece, zero neurons, SP({data['zeros']:g})")
    right.set_ylabel("probability modulo permutation")
    right.set(xscale="log", yscale="log", xlabel="width $m$", ylim=(LOWEST, 50.0))  # room for the legend
    right.set_yticks(powers := [10.0**-k for k in range(6)], [f"$10^{{{np.log10(power):.0f}}}$" for power in powers])
    right.yaxis.set_minor_locator(NullLocator())
    right.legend(loc="upper right", fontsize=7)
    for ax, ticks in ((left, (4, 8, 16, 32, 64, 128, 256)), (right, (2, 8, 32, 128, 512))):
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    return figure
