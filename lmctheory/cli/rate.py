"""`lmctheory rate`"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import Outputs, about
from lmctheory.cli.options import command, plot, seed
from lmctheory.cli.output import Report, interval_text
from lmctheory.cli.tables import read_barriers


def rate(options: argparse.Namespace) -> Report:
    """A power law fitted to a table of barriers."""
    outputs = Outputs()
    outputs.expect_plot(options.plot)
    widths, samples, pairs = read_barriers(options.data)
    with about(options.data):
        fit = lmc.fit_rate(
            widths, samples, rng=options.seed, pairs=pairs, level=options.level, n_resamples=options.resamples
        )  # fmt: skip
    outputs.draw(
        options.plot,
        lambda: lmc.plotting.rate_plot(widths, samples, fit=fit, reference=options.reference, ax=lmc.plotting.axes_for_a_file()),
    )
    p_value = "undefined" if math.isnan(fit.lack_of_fit) else f"{fit.lack_of_fit:.3g}"
    curvature = f"curvature   {fit.curvature:.4f} {_interval(fit.curvature_interval)}, p-value of a power law {p_value}"
    rows = zip(fit.widths, map(len, samples), fit.means, fit.mean_intervals, strict=True)
    return Report(
        {"fit": fit},
        [
            f"exponent    {fit.exponent:.4f} {_interval(fit.interval)} at level {fit.level:g}, resampling {fit.resampled}",
            curvature if len(widths) > 2 else "curvature   needs three widths",
            "",
            f"{'width':>8}{'values':>8}{'mean':>12}  interval",
            *(f"{m:8g}{n:8d}{mean:12.4g}  {_interval(bounds)}" for m, n, mean, bounds in rows),
            *outputs.lines,
        ],
        outputs.errors,
    )


def _interval(bounds: Sequence[float]) -> str:
    """Return an interval, or why there is none."""
    if math.isnan(bounds[0]):
        return "(no interval: no spread)"
    if math.isinf(bounds[1]):
        return "(no interval: too few different barriers)"
    return interval_text(bounds)


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        rate,
        "Fit a power law in the width to barriers, with an interval, and plot it.",
        "  lmctheory rate data.csv\n"
        "  lmctheory rate data.csv --plot rate.pdf --reference -1\n\n"
        "data.csv has a header and the columns width and value, one barrier a row. With columns network_a and network_b, the\n"
        "names of the networks behind each barrier, networks are resampled instead of barriers. Columns may also be separated\n"
        "by semicolons or tabs; numbers may then have decimal commas.",
    )
    sub.add_argument("data", metavar="data.csv")
    sub.add_argument("--level", type=float, default=0.95, help="confidence of the intervals (default: 0.95)")
    sub.add_argument("--resamples", type=int, default=2000, metavar="N", help="bootstrap replicates (default: 2000)")
    sub.add_argument(
        "--reference", type=float, default=-0.5, metavar="SLOPE", help="slope of the dashed line drawn (default: -0.5)"
    )
    seed(sub)
    plot(sub, "rate.png")
