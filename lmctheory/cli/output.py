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

from lmctheory.errors import ConvergenceWarning

OK, FAILED, INTERRUPTED = 0, 2, 130


@dataclasses.dataclass(frozen=True)
class Report:
    """What a subcommand has to say: `result`, library objects and all, for scripts; `lines` for people."""

    result: dict[str, Any]
    lines: list[str]


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


def complain(prog: str, kind: str, message: str) -> None:
    print(f"{prog}: {kind}: {' '.join(message.split())}", file=sys.stderr)


def abandon_stdout() -> None:
    """Keep the interpreter from writing again, at exit, what standard output has just refused."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
        print(f"\rtrained {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done * 10 // total > (done - 1) * 10 // total:
        print(f"trained {done} of {total}", file=sys.stderr, flush=True)


def permutation_text(permutation: Any) -> str:
    return " ".join(map(str, permutation))


def interval_text(bounds: Sequence[float]) -> str:
    return f"[{bounds[0]:.4g}, {bounds[1]:.4g}]"


def written(path: str | None) -> list[str]:
    return [] if path is None else [f"written to {path}"]


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
