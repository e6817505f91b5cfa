"""The verdict table and the progress of a run, for terminals and for pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from validation.claim import Verdict
from validation.report.results import Row

PIPE_WIDTH = 132
COLOURS = {Verdict.SUPPORTED: "green", Verdict.REFUTED: "red", Verdict.INCONCLUSIVE: "yellow"}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a reader that has gone to the command line; Rich would end the process with status 1."""
        raise  # noqa: PLE0704  # called where the error is handled


def console(*, error: bool = False) -> Console:
    """Return a console for standard output or standard error; a pipe gets a fixed width."""
    stream = sys.stderr if error else sys.stdout
    return _Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False)


def verdict_table(rows: Sequence[Row]) -> Table:
    """Return the table: claim, source, prediction, measured value with its interval, verdicts, seconds."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("claim", "source", "prediction", "measured [95 % interval]", "verdict", "control"):
        table.add_column(heading, no_wrap=heading in ("claim", "verdict", "control"))
    table.add_column("s", justify="right")
    for row in rows:
        verdicts = [f"[{COLOURS[v]}]{v}[/]" for v in (row.outcome.verdict, row.outcome.control)]
        measured = "\n".join(str(measurement).replace("[", r"\[") for measurement in row.outcome.headline)
        source = row.claim.source.replace("[", r"\[")
        table.add_row(row.claim.name, source, row.claim.prediction, measured, *verdicts, f"{row.seconds:.1f}")
    return table


class Reporter(Protocol):
    """Shows how far a run has come."""

    def start(self, name: str) -> None: ...
    def progress(self, done: float, failed: int = 0) -> None: ...
    def finish(self, row: Row) -> None: ...


@contextmanager
def reporter(n_claims: int, *, quiet: bool = False) -> Iterator[Reporter]:
    """Return bars with the time left on a terminal, plain lines in a pipe; both on standard error."""
    out = console(error=True)
    out.quiet = quiet
    if quiet or not out.is_terminal:
        yield _Lines(out, n_claims)
        return
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[failed]}", style="red"))
    with Progress(*columns, *left, console=out, transient=True) as bars:
        yield _Bars(bars, n_claims)


class _Bars:
    def __init__(self, bars: Progress, n_claims: int) -> None:
        self._bars, self._finished = bars, 0
        self._all = bars.add_task("all claims", total=n_claims, failed="")
        self._claim = bars.add_task("", total=1.0, failed="")

    def start(self, name: str) -> None:
        self._bars.reset(self._claim, description=name, total=1.0, failed="")

    def progress(self, done: float, failed: int = 0) -> None:
        self._bars.update(self._claim, completed=done, failed=f"{failed} failed" if failed else "")
        self._bars.update(self._all, completed=self._finished + done)

    def finish(self, row: Row) -> None:
        self._finished += 1
        self._bars.update(self._all, completed=self._finished)


class _Lines:
    INTERVAL = 10.0  # seconds between lines of one claim

    def __init__(self, out: Console, n_claims: int) -> None:
        self._out, self._n_claims, self._index = out, n_claims, 0
        self._started = self._last = time.monotonic()

    def start(self, name: str) -> None:
        self._index += 1
        self._started = self._last = time.monotonic()
        self._out.print(f"[{self._index}/{self._n_claims}] {name}", markup=False)

    def progress(self, done: float, failed: int = 0) -> None:
        now = time.monotonic()
        if 0 < done < 1 and now - self._last >= self.INTERVAL:
            self._last = now
            left = (now - self._started) * (1 - done) / done
            self._out.print(
                f"      {done:.0%} done, {f'{failed} cells failed, ' if failed else ''}about {left:.0f} s left", markup=False
            )

    def finish(self, row: Row) -> None:
        self._out.print(f"      {row.outcome.verdict}, control {row.outcome.control}, {row.seconds:.1f} s", markup=False)
