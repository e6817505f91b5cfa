"""Measure speed and memory side by side with the alternatives: ``python -m benchmarks [NAME ...]``.

A benchmark is a module with a ``TITLE`` and ``measure(options) -> rows``, and ``SIZES`` if numbers are to be kept case by case;
a new one is added to `BENCHMARKS`.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import warnings
from pathlib import Path

import lmctheory as lmc
from benchmarks.harness import Options, Row, draw, environment, show
from lmctheory._files import atomic_file

BENCHMARKS = {
    "gradient-step": "benchmarks.gradient_step",
    "floor": "benchmarks.floor",
    "sgd-step": "benchmarks.sgd_step",
    "growth": "benchmarks.growth",
    "paths": "benchmarks.paths",
    "searches": "benchmarks.searches",
    "assignment": "benchmarks.assignment",
    "layerwise-matching": "benchmarks.layerwise_matching",
    "polishing": "benchmarks.polishing",
    "start-up": "benchmarks.startup",
}


def main() -> int:
    """Print a table for each benchmark, and write it as JSON and as a plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones, by default all: {', '.join(BENCHMARKS)}")
    parser.add_argument("--case", action="append", default=[], help="only cases with this text; others keep saved numbers")
    parser.add_argument("--repeats", type=int, default=9, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="folder of results (default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    options = Options(arguments.repeats, tuple(arguments.case))
    for name in arguments.names or BENCHMARKS:
        module = importlib.import_module(BENCHMARKS[name])
        path = arguments.out / f"{name}.json"
        rows = [Row(**row) for row in json.loads(path.read_text())["rows"]] if options.cases and path.exists() else []
        cases = [case for case in getattr(module, "SIZES", ()) if options.wanted(case)]
        for part in [dataclasses.replace(options, cases=(str(case),)) for case in cases] or [options]:  # kept case by case
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", lmc.ConvergenceWarning)
                rows = _merged(rows, module.measure(part))
            with atomic_file(path, "w") as file:
                kept = [dataclasses.asdict(row) for row in rows]
                json.dump({"title": module.TITLE, "repeats": options.repeats, **environment(), "rows": kept}, file, indent=1)
        show(module.TITLE, rows)
        draw(module.TITLE, rows, path.with_suffix(".png"))
    return 0


def _merged(saved: list[Row], measured: list[Row]) -> list[Row]:
    """Return the saved rows with those replaced that were measured again, and the new ones after them."""
    found = {(row.case, row.contender): row for row in saved}
    return list((found | {(row.case, row.contender): row for row in measured}).values())


if __name__ == "__main__":
    sys.exit(main())
