"""Barriers between runs at all checkpoints under the permutations found at each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS

CLAIM = "one-permutation-per-trajectory"
CAPTION = (
    "One permutation for all checkpoints of two runs of gradient descent (M = 4, d = 8, means over pairs of runs). Left: barrier "
    "at step t under the permutation found at step s, as a share of the barrier without a permutation; the line encloses the "
    "steps t that the permutation serves by the limits of the claim. Right: the barrier against the step under no permutation, a "
    "random one, the one found at the end, one for all checkpoints jointly and the checkpoint's own, and the mean loss."
)
FLOOR = 1e-8  # where smaller barriers are drawn
LINES = {
    "unaligned": ("none", COLOURS["grey"], "-o"),
    "random": ("random", COLOURS["orange"], "--x"),
    "last": ("last", COLOURS["blue"], "-s"),
    "joint": ("joint", COLOURS["purple"], "-d"),
    "own": ("own", COLOURS["green"], "-^"),
}


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `one-permutation-per-trajectory`: of its setting nearest to m = 32."""
    record = min(data["settings"], key=lambda record: abs(np.log(record["width"] / 32)))
    figure = Figure(figsize=(10.4, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(4, 5))
    steps, unaligned = record["steps"], np.array(record["unaligned"])
    shares = np.array(record["barriers"]) / np.where(unaligned > 0, unaligned, 1.0)[:, None]
    image = left.imshow(shares, origin="lower", cmap="cividis", vmin=0, vmax=max(0.5, shares.max()))
    _outline(left, np.array(record["serves"]))
    names = [str(step) for step in steps]
    left.set_xticks(range(len(steps)), names, rotation=60, fontsize=7)
    left.set_yticks(range(len(steps)), names, fontsize=7)
    left.set(xlabel="permutation found at step $s$", ylabel="networks at step $t$")
    figure.colorbar(image, ax=left, label="share of the unaligned barrier left")
    position = np.arange(len(steps))
    for name, (label, colour, style) in LINES.items():
        right.plot(position, np.maximum(record[name], FLOOR), style, ms=4, lw=1.3, color=colour, label=label)
    right.set(yscale="log", ylim=(FLOOR / 1.5, 3))
    right.plot(position, record["losses"], ":", lw=1.2, color="black", label="loss of the checkpoints")
    right.set_xticks(position, names, rotation=60, fontsize=7)
    right.set_yticks(
        [FLOOR, *(10.0**k for k in range(-6, 1, 2))], [r"$\leq10^{-8}$", *(f"$10^{{{k}}}$" for k in range(-6, 1, 2))]
    )
    right.minorticks_off()
    right.set(xlabel="step $t$", ylabel="mean barrier", title=f"$m={record['width']}$, {record['n_pairs']} pairs")
    right.legend(fontsize=7, title="permutation", title_fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _outline(ax: Any, inside: np.ndarray) -> None:
    """Draw the border of the cells in which `inside` holds."""
    padded = np.pad(inside, 1)
    for t, s in np.argwhere(padded[1:] != padded[:-1]):
        ax.plot([s - 1.5, s - 0.5], [t - 0.5, t - 0.5], color="white", lw=1.4)
    for t, s in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        ax.plot([s - 0.5, s - 0.5], [t - 1.5, t - 0.5], color="white", lw=1.4)
