"""`lmctheory rate`"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import about, writing
from lmctheory.cli.options import command, plot, seed
from lmctheory.cli.output import Report, interval_text, written
from lmctheory.errors import InvalidInputError

NETWORK_COLUMNS = ("network_a", "network_b")


def rate(options: argparse.Namespace) -> Report:
    """A power law fitted to a table of barriers."""
    widths, samples, pairs = _read_barriers(options.data)
    with about(options.data):
        fit = lmc.fit_rate(
            widths, samples, rng=options.seed, pairs=pairs, level=options.level, n_resamples=options.resamples
        )  # fmt: skip
    if options.plot is not None:
        with writing(options.plot):
            lmc.plotting.save_plot(lmc.plotting.rate_plot(widths, samples, fit=fit, reference=options.reference), options.plot)
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
            *written(options.plot),
        ],
    )


def _interval(bounds: Sequence[float]) -> str:
    """Return an interval, or why there is none."""
    if math.isnan(bounds[0]):
        return "(no interval: no spread)"
    if math.isinf(bounds[1]):
        return "(no interval: too few different barriers)"
    return interval_text(bounds)


def _read_barriers(path: str) -> tuple[list[float], list[list[float]], list[list[list[int]]] | None]:
    """Return widths in order, the values at each, and the pairs of networks behind them if the table names any."""
    with about(path):
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                groups, labelled = _parse_barriers(csv.reader(file, strict=True, skipinitialspace=True))
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"must be UTF-8 text ({error.reason} at byte {error.start})") from None
        widths = sorted(groups)
        for width in widths:
            if len(groups[width]) < 2:
                raise InvalidInputError(f"width {width:g} must have at least two rows, got 1")
    samples = [[value for value, _ in groups[width]] for width in widths]
    if not labelled:
        return widths, samples, None
    pairs = []
    for width in widths:
        labels: dict[str, int] = {}
        pairs.append([[labels.setdefault(name, len(labels)) for name in names] for _, names in groups[width]])
    return widths, samples, pairs


def _parse_barriers(reader: Any) -> tuple[dict[float, list[tuple[float, list[str]]]], bool]:
    groups: dict[float, list[tuple[float, list[str]]]] = {}
    try:
        header = [name.strip() for name in next(reader, [])]
        labelled = any(name in header for name in NETWORK_COLUMNS)
        needed = ("width", "value", *NETWORK_COLUMNS) if labelled else ("width", "value")
        if not set(needed) <= set(header):
            raise InvalidInputError(f"the header must name the columns {', '.join(needed)}, got {','.join(header) or 'nothing'}")
        if len(set(header)) < len(header):
            raise InvalidInputError(f"the header must name each column once, got {','.join(header)}")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise InvalidInputError(f"a row must have {len(header)} fields, got {len(fields)}")
            row = dict(zip(header, map(str.strip, fields), strict=True))
            width, value = _number("width", row["width"], positive=True), _number("value", row["value"])
            names = [row[name] for name in NETWORK_COLUMNS] if labelled else []
            if names and ("" in names or names[0] == names[1]):
                raise InvalidInputError(
                    f"network_a and network_b must name two different networks, got {names[0]!r} and {names[1]!r}"
                )
            groups.setdefault(width, []).append((value, names))
    except (InvalidInputError, csv.Error) as error:
        raise InvalidInputError(f"line {max(reader.line_num, 1)}: {error}") from None
    if not groups:
        raise InvalidInputError("must hold at least one row below the header, got none")
    return groups, labelled


def _number(name: str, text: str, positive: bool = False) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidInputError(f"{name} must be a number, got {text!r}") from None
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise InvalidInputError(f"{name} must be finite and {'positive' if positive else 'not negative'}, got {text}")
    return number


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        rate,
        "Fit a power law in the width to barriers, with an interval, and plot it.",
        "  lmctheory rate data.csv\n"
        "  lmctheory rate data.csv --plot rate.pdf --reference -1\n\n"
        "data.csv has a header and the columns width and value, one barrier a row. With columns network_a and network_b, the\n"
        "names of the networks behind each barrier, networks are resampled instead of barriers.",
    )
    sub.add_argument("data", metavar="data.csv")
    sub.add_argument("--level", type=float, default=0.95, help="confidence of the intervals (default: 0.95)")
    sub.add_argument("--resamples", type=int, default=2000, metavar="N", help="bootstrap replicates (default: 2000)")
    sub.add_argument(
        "--reference", type=float, default=-0.5, metavar="SLOPE", help="slope of the dashed line drawn (default: -0.5)"
    )
    seed(sub)
    plot(sub, "rate.png")
