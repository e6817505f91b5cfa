"""How often several uniform minima have a common centre at one piece from each."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

KINDS = {2: ("blue", "o"), 3: ("orange", "s"), 4: ("green", "^"), 5: ("purple", "D")}

CLAIM = "star-connectivity"
CAPTION = (
    "Probability that k independent uniform minima have no centre at one piece from each, exact (lines) and sampled (markers, "
    "99 % intervals), below the bound (dashed)."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `star-connectivity`."""
    teachers = sorted({row[0] for row in data["exact"]})
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots(1, len(teachers), sharey=True, squeeze=False)[0]
    exact, bounds = (np.array(data[name], dtype=float) for name in ("exact", "bounds"))
    for ax, M in zip(axes, teachers, strict=True):
        for k in sorted({row[2] for row in data["exact"] if row[0] == M}):
            colour, marker = COLOURS[KINDS[k][0]], KINDS[k][1]
            here = (exact[:, 0] == M) & (exact[:, 2] == k)
            ax.plot(exact[here, 1], 1 - exact[here, 3], "-", lw=1.2, color=colour)
            ax.plot(bounds[here, 1], 1 - bounds[here, 3], "--", lw=1.2, color=colour)
            cells = [cell for cell in data["sampled"] if (cell["M"], cell["k"]) == (M, k)]
            missed = np.array([1 - cell["found"] / cell["n_sets"] for cell in cells])
            ends = 1 - np.array([cell["interval"] for cell in cells])[:, ::-1]
            ax.errorbar(
                [cell["width"] for cell in cells], missed, yerr=np.abs(ends.T - missed), fmt=marker, ms=4, lw=1, capsize=2,
                color=colour, label=f"$k={k}$",
            )  # fmt: skip
        ax.plot([], [], "-", lw=1.2, color=COLOURS["grey"], label="exact")
        ax.plot([], [], "--", lw=1.2, color=COLOURS["grey"], label="bound")
        ax.set(yscale="log", ylim=(1e-4, 1.6), xlabel="width $m$", title=f"$M={M}$")
        ax.legend(loc="lower left", fontsize=7)
    axes[0].set_ylabel("probability of no centre")
    return figure
