"""How far a long computation has come: a bar with the time left on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Progress: TypeAlias = Callable[[float, int, int], None]  # share of the cost that is done, parts done, parts failed
LINE_SECONDS = 10.0  # between lines in a pipe


@contextmanager
def show_progress(name: str, total: int, unit: str = "cells") -> Iterator[Progress]:
    """Yield a callable that shows on standard error how many of `total` parts are done; `unit` names the parts."""
    if not sys.stderr.isatty():
        yield _lines(name, total, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[parts]}"), TimeElapsedColumn())
    with Bars(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=1.0, parts="")

        def update(share: float, done: int, failed: int) -> None:
            bars.update(task, completed=share, parts=f"{done}/{total} {unit}" + (f", {failed} failed" if failed else ""))

        yield update


def _lines(name: str, total: int, unit: str) -> Progress:
    started = last = time.monotonic()
    first: float | None = None  # share that was there at the start: reused cells say nothing about speed

    def update(share: float, done: int, failed: int) -> None:
        nonlocal last, first
        first = share if first is None else first
        now = time.monotonic()
        if now - last >= LINE_SECONDS or share == 1.0:
            last = now
            left = (now - started) * (1 - share) / max(share - first, 1e-9)
            ending = f"finished in {now - started:.0f} s" if share == 1.0 else f"about {left:.0f} s left"
            if share == first < 1.0:
                ending = f"{now - started:.0f} s"  # nothing to estimate the time left by
            print(f"{name}: {done}/{total} {unit}{f', {failed} failed' if failed else ''}, {ending}", file=sys.stderr)

    return update
