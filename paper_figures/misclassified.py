"""Test images that the network half-way between two trained ones gets wrong, before and after alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure

from lmctheory.plotting import COLOURS

CLAIM = "real-data-double-descent"
PLACE = 3
CAPTION = (
    "Test images that the network half-way between two trained students gets wrong, without permutation (left) and after "
    "alignment (right). Above each image its class and, in red, the guess; the first ones in the order of the data."
)
TITLES = {"before": "no permutation", "after": "aligned"}
COLUMNS, ROWS = 8, 5
WHITE = 255


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `real-data-double-descent`."""
    found = data["midpoint"]
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panels: Any = figure.subfigures(1, 2, wspace=0.04)
    for panel, (name, title) in zip(panels, TITLES.items(), strict=True):
        wrong, images = int(found[f"{name}_wrong"]), np.array(found[f"{name}_images"])
        shown = f", {len(images)} shown" if 0 < len(images) < wrong else ""
        panel.suptitle(f"{title}, {data['images']}, $m={found['width']}$: {wrong} wrong{shown}", fontsize=9)
        _grid(panel, images, found[f"{name}_labels"], found[f"{name}_guesses"])
    return figure


def _grid(panel: SubFigure, images: np.ndarray, labels: list[int], guesses: list[int]) -> None:
    places = panel.add_gridspec(ROWS, COLUMNS)
    for k, (image, label, guess) in enumerate(zip(images, labels, guesses, strict=True)):
        ax = panel.add_subplot(places[divmod(k, COLUMNS)])
        ax.set_axis_off()
        ax.imshow(WHITE - image, cmap="gray", vmin=0, vmax=WHITE, interpolation="nearest")
        ax.text(0.3, 1.05, str(label), transform=ax.transAxes, ha="center", va="bottom", fontsize=7)
        ax.text(0.7, 1.05, str(guess), transform=ax.transAxes, ha="center", va="bottom", fontsize=7, color=COLOURS["red"])
