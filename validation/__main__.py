"""Test every claim and print the verdicts: ``python -m validation``."""

from __future__ import annotations

import argparse
import difflib
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lmctheory import load_images
from lmctheory._files import check_file
from lmctheory._progress import say
from lmctheory.cli.options import Parser
from lmctheory.cli.process import complain, guarded, interrupt_status
from lmctheory.errors import LmcError, MissingDependencyError
from lmctheory.sweep.store import Store
from paper_figures import figures_of
from paper_figures.files import save
from validation.claim import Claim, Context, Outcome, Verdict
from validation.claims import CLAIMS, EXPECTED
from validation.report.console import Reporter, console, reporter, verdict_table
from validation.report.export import FORMATS, export
from validation.report.page import write_page
from validation.report.results import RESULTS, Row, write_claim, write_summary

PROG = "python -m validation"
AS_EXPECTED, UNEXPECTED, BAD_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with guarded(PROG) as outcome:
        outcome.status = COMMANDS[arguments[0]](arguments[1:]) if arguments and arguments[0] in COMMANDS else run(arguments)
    return outcome.status


def run(arguments: Sequence[str]) -> int:
    """Test the claims, save every number, draw, and print the verdicts."""
    options = _parse(arguments)
    if options.list:
        width = max(map(len, CLAIMS)) + 2
        for claim in CLAIMS.values():
            print(f"{claim.name:{width}}{claim.statement}")
        return AS_EXPECTED
    context = Context(
        scale=options.scale, seed=options.seed, folder=options.out, executor=options.dask or "processes",
        workers=options.workers, mnist=options.mnist,
    )  # fmt: skip
    claims = [CLAIMS[name] for name in options.claims or CLAIMS]
    rows: list[Row] = []
    try:
        if options.fresh:
            with Store(options.out) as store:
                store.forget()
        with reporter(len(claims), quiet=options.quiet) as report:
            for claim in claims:
                rows.append(_test(claim, context, report))
                write_claim(options.out, context, rows[-1])
                _draw(rows[-1], options.out)
        write_summary(options.out, context, rows)
        page = _write_page(options.out)
    except KeyboardInterrupt as interrupt:
        if not isinstance(interrupt, SystemExit):  # an interrupted study has said it
            say(f"\n{str(interrupt) or 'interrupted'}; finished cells are in {options.out}: the same command resumes")
        return interrupt_status(interrupt)
    except (OSError, MissingDependencyError) as error:  # a damaged database, an unreachable scheduler, a full disk
        complain(PROG, "error", str(error))
        return BAD_USAGE
    out = console()
    out.print(verdict_table(rows))
    for row in rows:
        for finding in row.outcome.findings:
            out.print(f"{row.claim.name}: {finding}", markup=False, soft_wrap=True)
    surprises = list(_surprises(rows, context))
    out.print(f"\nnumbers in {options.out}/claims, figures in {options.out}/figures", markup=False, soft_wrap=True)
    out.print(page, markup=False, soft_wrap=True)
    unrecorded = [row.claim.name for row in rows if row.claim.on_images and context.mnist is not None]
    if unrecorded:
        out.print(f"no verdicts are recorded on MNIST: {', '.join(unrecorded)}", markup=False, soft_wrap=True)
    recorded = "all verdicts" if not unrecorded else "all other verdicts"
    if surprises or len(unrecorded) < len(rows):
        out.print("\n".join(surprises) or f"{recorded} as recorded in {EXPECTED.name}", markup=False, soft_wrap=True)
    return UNEXPECTED if surprises else AS_EXPECTED


def rewrite_report(arguments: Sequence[str]) -> int:
    """Rewrite the report page from saved results."""
    options = _saved_results("report", "Rewrite report.html from saved results.").parse_args(arguments)
    return _guarded(lambda: print(f"report: {write_page(options.out)}"))


def export_tables(arguments: Sequence[str]) -> int:
    """Write saved results as tidy tables."""
    parser = _saved_results("export", "Write saved results as tidy tables to RESULTS/export.")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="format of the tables (default: csv)")
    options = parser.parse_args(arguments)
    return _guarded(lambda: print("\n".join(map(str, export(options.out, options.format)))))


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {  # first words that are not claims
    "report": rewrite_report,
    "export": export_tables,
}


def _saved_results(command: str, description: str) -> argparse.ArgumentParser:
    parser = Parser(prog=f"{PROG} {command}", description=description)
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="RESULTS", help="results folder (default: results)")
    return parser


def _guarded(action: Callable[[], None]) -> int:
    """Run `action`; an expected error is one line and the status of bad usage."""
    try:
        action()
    except BrokenPipeError:
        raise
    except (LmcError, OSError) as error:
        complain(PROG, "error", str(error))
        return BAD_USAGE
    return AS_EXPECTED


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog=PROG,
        description="Test the claims and print the verdicts.",
        epilog="From saved results: 'python -m validation report' rewrites the page, '... export' writes tables.",
    )
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="claims to test (default: all)")
    parser.add_argument("--list", action="store_true", help="list the claims and exit")
    parser.add_argument("--scale", choices=("quick", "full"), default="quick", help="quick: minutes; full: publication scale")
    parser.add_argument("--seed", type=int, default=0, help="root of all random streams (default: 0)")
    parser.add_argument(
        "--mnist", type=Path, metavar="DIR", help="test claims on images with MNIST, IDX files in DIR (default: digits)"
    )
    parser.add_argument("--workers", type=int, help="local worker processes (default: all cores)")
    parser.add_argument("--dask", metavar="ADDRESS", help="compute on the Dask cluster with this scheduler, tcp://host:port")
    parser.add_argument("--fresh", action="store_true", help="forget finished cells instead of resuming")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for numbers and figures (default: results)")
    options = parser.parse_args(arguments)
    for name in options.claims:
        if name not in CLAIMS:
            near = difflib.get_close_matches(name, (*CLAIMS, *COMMANDS), n=2, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(CLAIMS)}"
            parser.error(f"unknown claim {name!r}: {hint}")
    if options.seed < 0:
        parser.error(f"--seed must not be negative, got {options.seed}")
    if options.workers is not None and options.workers < 1:
        parser.error(f"--workers must be at least 1, got {options.workers}")
    if options.dask is not None and "://" not in options.dask:
        parser.error(f"--dask must be a scheduler address such as tcp://host:8786, got {options.dask!r}")
    if options.mnist is not None:
        try:
            load_images("mnist", folder=options.mnist)
        except LmcError as error:
            parser.error(f"--mnist must name a folder with the files of MNIST: {error}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        check_file(options.out / "summary.json")
    except OSError as error:
        parser.error(f"--out must name a folder that can be written, got {options.out} ({error.strerror})")
    return options


def _test(claim: Claim, context: Context, report: Reporter) -> Row:
    report.start(claim.name)
    started = time.perf_counter()
    try:
        outcome = claim.experiment(replace(context, progress=report.progress))
    except (OSError, MissingDependencyError):
        raise
    except Exception as error:  # one broken claim must not cost the others their results
        traceback.print_exc()
        failure = f"The experiment failed: {type(error).__name__}: {error}"
        outcome = Outcome(Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, [], [failure])
    row = Row(claim, outcome, time.perf_counter() - started)
    report.finish(row)
    return row


def _draw(row: Row, results: Path) -> None:
    for figure in figures_of(row.claim.name) if row.outcome.data else ():
        try:
            save(figure, results, results / "figures")
        except LmcError as error:  # one broken figure must not cost the run
            say(f"{figure} is not drawn: {error}")


def _write_page(results: Path) -> str:
    try:
        return f"report: {write_page(results)}"
    except LmcError as error:  # another file in the folder is foreign: the verdicts of this run stand
        return f"no report: {error}"


def _surprises(rows: Sequence[Row], context: Context) -> list[str]:
    expected = tomllib.loads(EXPECTED.read_text())[context.scale]
    found = []
    for row in rows:
        if row.claim.on_images and context.mnist is not None:
            continue  # verdicts are recorded for the digits
        recorded = expected.get(row.claim.name, {})
        for kind, verdict in (("verdict", row.outcome.verdict), ("control", row.outcome.control)):
            if verdict != recorded.get(kind):
                found.append(f"UNEXPECTED {row.claim.name}: {kind} {verdict}, recorded {recorded.get(kind, 'nothing')}")
    return found


if __name__ == "__main__":
    sys.exit(main())
