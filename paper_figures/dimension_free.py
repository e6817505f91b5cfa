"""The rate at several input dimensions, and the exponents side by side."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from lmctheory.plotting import COLOURS, rate_plot
from paper_figures._records import fit_from_record

CLAIM = "dimension-free"
CAPTION = (
    "Left: mean barrier modulo permutation against the width m at several input dimensions d, with fitted power laws and "
    "the slope of the claimed bound. Right: the exponents with intervals that hold at once for all dimensions."
)


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure from the saved data of the claim `dimension-free`."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    palette = [COLOURS[name] for name in ("blue", "orange", "green", "purple")]
    for k, (d, colour) in enumerate(zip(data["dimensions"], palette, strict=False)):
        everywhere, upper = (fit_from_record(record) for record in data["fits"][str(d)])
        samples = [e["modulo"] for e in data["ensembles"] if e["d"] == d]
        rate_plot(
            everywhere.widths,
            samples,
            everywhere,
            -0.5 if d == data["dimensions"][-1] else None,
            left,
            color=colour,
            label=f"$d={d}$",
        )
        for fit, shift, marker in ((everywhere, -0.12, "o"), (upper, 0.12, "^")):
            low, high = fit.interval
            right.errorbar(
                [k + shift], [fit.exponent], yerr=[[fit.exponent - low], [high - fit.exponent]],
                fmt=marker, ms=4.5, lw=1.2, capsize=3, color=colour,
            )  # fmt: skip
    handles, labels = left.get_legend_handles_labels()
    left.legend(handles, [label.split("\n")[0] for label in labels])  # the exponents are on the right
    right.axhline(-0.5, ls="--", lw=1, color=COLOURS["grey"])
    right.annotate("claimed bound", (1, -0.5), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=7)
    right.set_xticks(range(len(data["dimensions"])), [f"$d={d}$" for d in data["dimensions"]])
    right.set(ylabel="exponent", title="circles: all widths, triangles: upper half")
    right.title.set_fontsize(8)
    left.set_ylabel("mean barrier modulo permutation")
    return figure
