"""What subcommands print, and how."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import IO, Any

from lmctheory._progress import say
from lmctheory.cli.process import FAILED, OK, complain
from lmctheory.errors import ConvergenceWarning

WORTHLESS = 1  # exit status of a result that is none: all runs diverged


@dataclasses.dataclass(frozen=True)
class Report:
    """What a subcommand has to say: `result`, library objects and all, for scripts; `lines` for people.

    `errors` are what went wrong behind the work, such as a file that could not be written; they are printed below the result.
    """

    result: dict[str, Any]
    lines: list[str]
    errors: Sequence[str] = ()
    worthless: bool = False

    @property
    def status(self) -> int:
        """The exit status."""
        return WORTHLESS if self.worthless else FAILED if self.errors else OK


@contextmanager
def warnings_in_one_line(prog: str) -> Iterator[list[str]]:
    """Print warnings as errors are printed, and collect them."""
    messages: list[str] = []

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        messages.append(str(message))
        complain(prog, "warning", str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", ConvergenceWarning)
        warnings.showwarning = show
        yield messages


@contextmanager
def standard_output_alone() -> Iterator[IO[str]]:
    """Yield standard output for the caller alone: what others print, in this process or its children, goes to standard error."""
    out = sys.stdout
    out.flush()
    try:
        number, error = out.fileno(), sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # replaced by something that is no file
        with redirect_stdout(sys.stderr):
            yield out
        return
    kept = os.dup(number)
    os.dup2(error, number)
    try:
        with open(kept, "w", encoding="utf-8", closefd=False) as alone, redirect_stdout(sys.stderr):
            yield alone
    finally:
        os.dup2(kept, number)
        os.close(kept)


def show_trained(done: int, total: int) -> None:
    """Rewrite one line on a terminal; elsewhere print a line for every tenth of the runs."""
    if sys.stderr.isatty():
        say(f"\rtrained {done} of {total}", end="\n" if done == total else "")
    elif done * 10 // total > (done - 1) * 10 // total:
        say(f"trained {done} of {total}")


def permutation_text(permutation: Any) -> str:
    return " ".join(map(str, permutation))


def height_line(found: Any) -> str:
    """Return the barrier of a result and where it is, if it is any."""
    text = number_text(found.height, found.loss_floor)
    return f"barrier     {text}" if "rounding" in text else f"barrier     {text}, at t = {found.position:.4f}"


def interval_text(bounds: Sequence[float]) -> str:
    return f"[{bounds[0]:.4g}, {bounds[1]:.4g}]"


def number_text(value: float, floor: float) -> str:
    """Return a number that cannot be told from 0 if its size is at most `floor`, the rounding error to expect in it."""
    return f"0 up to rounding ({value:.1e})" if 0 < abs(value) <= floor else f"{value:.6g}"


def plain(value: Any) -> Any:
    """Return `value` in the types of JSON; numbers that JSON does not know (NaN, infinities) become null."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
