"""`lmctheory check`"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lmctheory.cli.options import command, seed
from lmctheory.cli.output import standard_output_alone
from lmctheory.cli.process import FAILED, OK, complain, interrupt_status
from lmctheory.cli.results_folder import ResultsFolder
from lmctheory.errors import InvalidInputError, LmcError

if TYPE_CHECKING:
    from lmctheory.claims.checking import Checked
    from lmctheory.claims.claim import Claim
    from lmctheory.claims.context import Context

UNSUPPORTED = 1


def check(options: argparse.Namespace) -> int:
    """Claims in Python files, measured, judged and reported."""
    if not options.json:
        return _check(options, sys.stdout)
    with standard_output_alone() as out:  # claims may print
        return _check(options, out)


def _check(options: argparse.Namespace, out: IO[str] | None) -> int:
    from lmctheory.claims.checking import check as check_claim
    from lmctheory.claims.results import finite, line, provenance
    from lmctheory.cli.verdicts import table_lines, verdict_lines, width

    folder, context, found = _prepared(options)
    where = provenance(context, [path for _, path in found])
    rows: list[Checked] = []
    columns, colour = width(), sys.stdout.isatty()
    stopped: BaseException | None = None
    try:
        for claim, path in found:
            checked = check_claim(claim, context, path)
            rows.append(checked)
            entry = folder.keep(checked, where)
            if options.json:
                print(json.dumps(finite(line(entry, context)), allow_nan=False), file=out, flush=True)
            else:
                print("\n".join(verdict_lines(checked, columns, colour)), end="\n\n", file=out, flush=True)
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
        if not isinstance(interrupt, SystemExit):  # the study has said it
            what = str(interrupt) or "interrupted"
            complain("lmctheory check", "error", f"{what}; finished cells are in {options.out}: the same command resumes")
    except LmcError as error:  # it concerns all claims: those that have been judged are shown
        stopped = error
    except OSError as error:  # standard output is gone or full
        stopped, out = error, None
    page = folder.write_page([row.claim.name for row in rows])
    if rows and out is not None and not options.json:
        print("\n".join(table_lines(rows, columns, colour)), file=out, flush=True)
        if page:
            print(f"\nreport: {Path(options.out, page.name)}; numbers: {Path(options.out, 'claims')}", file=out, flush=True)
    for problem in folder.problems:
        complain("lmctheory check", "error", problem)
    if isinstance(stopped, KeyboardInterrupt):
        return interrupt_status(stopped)
    if stopped is not None:
        raise stopped
    if folder.problems or any(row.judgement is None for row in rows):
        return FAILED
    return OK if all(row.is_supported for row in rows) else UNSUPPORTED


def _prepared(options: argparse.Namespace) -> tuple[ResultsFolder, Context, list[tuple[Claim, Path]]]:
    """Return the folder, the context and the claims; whatever would keep their results from being kept is said first."""
    from lmctheory.claims.context import Context
    from lmctheory.claims.loading import load_claims
    from lmctheory.sweep.store import Store

    if options.seed < 0:
        raise InvalidInputError(f"--seed must not be negative, got {options.seed}")
    if options.workers is not None and options.workers < 1:
        raise InvalidInputError(f"--workers must be at least 1, got {options.workers}")
    if options.dask == "":
        raise InvalidInputError("--dask must be the address of a scheduler, as tcp://host:port, got ''")
    folder = ResultsFolder(options.out, options.seed)
    found = load_claims(options.files)
    for claim, _ in found:
        if claim.cells is not None:
            claim.cells_at(options.scale)  # a scale that one of them has not is said before anything is computed
    folder.expect([claim.name for claim, _ in found])
    if options.fresh:
        with Store(folder.path) as store:
            store.forget()
    context = Context(
        scale=options.scale, seed=options.seed, folder=folder.path, executor=options.dask or "processes", workers=options.workers,
        progress="auto",
    )  # fmt: skip
    return folder, context, found


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
