"""Redraw every figure from saved results: ``python -m paper_figures``."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from lmctheory._progress import say
from lmctheory.cli.options import Parser
from lmctheory.cli.process import guarded
from lmctheory.errors import LmcError
from paper_figures import FIGURES
from paper_figures.files import RESULTS, save

PROG = "python -m paper_figures"
ALL_DRAWN, NOT_ALL_DRAWN, BAD_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    with guarded(PROG) as outcome:
        outcome.status = _draw(_parse(arguments))
    return outcome.status


def _draw(options: argparse.Namespace) -> int:
    status = ALL_DRAWN
    for figure in options.figures or FIGURES:
        try:
            pdf, png, provenance = save(figure, options.results, options.out)
        except LmcError as error:
            say(str(error))
            status = NOT_ALL_DRAWN
        except OSError as error:
            say(f"cannot write figures: {error}")
            return BAD_USAGE
        else:
            print(f"{pdf}, {png.name}, {provenance.name}")
    return status


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=PROG,
        description="Redraw figures from saved results as PDF and PNG, each with its provenance (JSON). Nothing is trained.",
        epilog="exit status: 0 all drawn, 1 a figure without its data, 2 bad usage",
    )
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"figures to draw, of {', '.join(FIGURES)} (default: all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="results folder of the study (default: results)")
    parser.add_argument("--out", type=Path, help="folder for the figures (default: figures in the results folder)")
    options = parser.parse_args(arguments)
    for name in options.figures:
        if name not in FIGURES:
            near = difflib.get_close_matches(name, FIGURES, n=2, cutoff=0.4)
            parser.error(
                f"unknown figure {name!r}: "
                + (f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(FIGURES)}")
            )
    if options.results.exists() and not (options.results / "claims").is_dir():
        parser.error(f"--results must name the results folder of a study, got {options.results} (it has no claims folder)")
    options.out = options.out or options.results / "figures"
    return options


if __name__ == "__main__":
    sys.exit(main())
