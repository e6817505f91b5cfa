"""How far a long computation has come: a bar with the time left on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

Progress: TypeAlias = Callable[[float, int, int], None]  # share of the cost that is done, parts done, parts failed
LINE_SECONDS = 10.0  # between lines in a pipe


class Forgiving:
    """A stream for messages: one that is gone, full or closed costs the message, not the computation behind it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.midline = False

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "backslashreplace").decode())
        except (OSError, ValueError):
            pass
        if text:
            self.midline = not text.endswith("\n")
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        try:
            return bool(self._stream.isatty())
        except ValueError:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def say(text: str, end: str = "\n") -> None:
    """Write to standard error, if there is one; `print` would write to standard output instead."""
    if sys.stderr is not None:
        print(text, end=end, file=Forgiving(sys.stderr), flush=True)


@contextmanager
def show_progress(name: str, total: int, unit: str = "cells") -> Iterator[Progress]:
    """Yield a callable that shows on standard error how many of `total` parts are done; `unit` names the parts."""
    if sys.stderr is None or not Forgiving(sys.stderr).isatty():
        yield _lines(name, total, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[parts]}"), TimeElapsedColumn())
    console = Console(file=Forgiving(sys.stderr))  # type: ignore[arg-type]
    with Bars(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as bars:
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
            ending = f"about {left:.0f} s left" if share < 1 else f"finished in {now - started:.0f} s"
            if share == first < 1.0:
                ending = f"{now - started:.0f} s"  # nothing to estimate the time left by
            say(f"{name}: {done}/{total} {unit}{f', {failed} failed' if failed else ''}, {ending}")

    return update
