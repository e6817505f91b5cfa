"""`lmctheory check`"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import IO, Any

from lmctheory.cli.options import command, seed
from lmctheory.cli.output import standard_output_alone
from lmctheory.cli.process import FAILED, OK, complain, interrupt_status
from lmctheory.errors import InvalidInputError, MissingDependencyError

UNSUPPORTED = 1


def check(options: argparse.Namespace) -> int:
    """Claims in Python files, measured, judged and reported."""
    if not options.json:
        return _check(options, sys.stdout)
    with standard_output_alone() as out:  # claims may print
        return _check(options, out)


def _check(options: argparse.Namespace, out: IO[str]) -> int:
    from lmctheory.claims.checking import Checked
    from lmctheory.claims.checking import check as check_claim
    from lmctheory.claims.context import Context
    from lmctheory.claims.loading import load_claims
    from lmctheory.claims.results import finite, line, provenance, record, write_result
    from lmctheory.cli.verdicts import table_lines, verdict_lines, width
    from lmctheory.sweep.store import Store

    if options.seed < 0:
        raise InvalidInputError(f"--seed must not be negative, got {options.seed}")
    if options.workers is not None and options.workers < 1:
        raise InvalidInputError(f"--workers must be at least 1, got {options.workers}")
    found = load_claims(options.files)
    for claim, _ in found:
        if claim.cells is not None:
            claim.cells_at(options.scale)  # a scale that one of them has not is said before anything is computed
    folder = Path(options.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"--out must name a folder that can be written, got {folder} ({error.strerror})") from None
    if options.fresh:
        with Store(folder) as store:
            store.forget()
    context = Context(
        scale=options.scale, seed=options.seed, folder=folder, executor=options.dask or "processes", workers=options.workers,
        progress="auto",
    )  # fmt: skip
    where = provenance(context, [path for _, path in found])
    rows: list[Checked] = []
    columns, colour = width(), sys.stdout.isatty()
    interrupted: int | None = None
    try:
        for claim, path in found:
            checked = check_claim(claim, context, path)
            rows.append(checked)
            entry = record(checked, _draw(checked, folder, options.seed))
            write_result(folder, entry, where, checked.data)
            if options.json:
                print(json.dumps(finite(line(entry, context)), allow_nan=False), file=out, flush=True)
            else:
                print("\n".join(verdict_lines(checked, columns, colour)), end="\n\n", file=out, flush=True)
    except KeyboardInterrupt as interrupt:
        interrupted = interrupt_status(interrupt)
        if not isinstance(interrupt, SystemExit):  # the study has said it
            complain("lmctheory check", "error", f"interrupted; finished cells are in {folder}: the same command resumes")
    if not options.json and rows:
        print("\n".join(table_lines(rows, columns, colour)), file=out, flush=True)
    page = _write_page(folder, rows)
    if page and not options.json:
        print(f"\nreport: {page}; numbers: {folder / 'claims'}", file=out, flush=True)
    if interrupted is not None:
        return interrupted
    if any(row.judgement is None for row in rows):
        return FAILED
    return OK if all(row.is_supported for row in rows) else UNSUPPORTED


def _draw(checked: Any, folder: Path, root: int) -> str:
    """Draw the figure for the page, and return what went wrong; without matplotlib there is none."""
    from lmctheory.claims.results import figure_paths

    for path in figure_paths(folder, checked.claim.name):
        path.unlink(missing_ok=True)  # of an earlier run
    try:
        from lmctheory.claims.drawing import save_figure
    except MissingDependencyError as error:
        return str(error)
    return save_figure(checked, folder, root)


def _write_page(folder: Path, rows: list[Any]) -> Path | None:
    if not rows:
        return None
    try:
        from lmctheory.claims.page import write_page
    except MissingDependencyError as error:
        complain("lmctheory check", "note", f"no page and no figures: {error}")
        return None
    return write_page(folder, [row.claim.name for row in rows])


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        check,
        "Check claims of your own: measure, judge, report.",
        "  lmctheory new-claim slow_rate && lmctheory check slow_rate.py\n"
        "  lmctheory check slow_rate.py fast_rate.py --scale full --seed 1 --out results\n\n"
        "Exit status: 0 if every claim is SUPPORTED, which takes that all controls came out as they must; 1 if not; 2 after a\n"
        "mistake; 130 after an interrupt. With --json, standard output is one JSON object a line for each claim.",
    )
    sub.add_argument("files", nargs="+", metavar="FILE", help="Python files that define claims")
    sub.add_argument("--scale", default="quick", help="one of the claims' own scales, as quick or full (default: quick)")
    sub.add_argument("--out", default="results", metavar="FOLDER", help="for cells, numbers and report (default: results)")
    sub.add_argument("--fresh", action="store_true", help="forget all cells that the folder keeps, instead of resuming")
    sub.add_argument("--workers", type=int, help="local worker processes (default: all cores)")
    sub.add_argument("--dask", metavar="ADDRESS", help="compute on the Dask cluster with this scheduler, tcp://host:port")
    seed(sub)
