"""One cell: it is run, and whatever it raises, returns or leaves behind is made harmless."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import Any, NamedTuple

import numpy as np

from lmctheory import _checks
from lmctheory._parallel import blas
from lmctheory.errors import InvalidInputError
from lmctheory.sweep.packing import unpack

_TOKEN = uuid.uuid4().hex
STORED_KINDS = "biufcU"  # of arrays: booleans, numbers, strings
LONGEST_ERROR = 100_000  # characters of a traceback that are kept
EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
)  # of a subclass, the number or string itself


class Ending(NamedTuple):
    """How a cell ended: with a result, or with a traceback."""

    result: dict[str, Any] | None
    error: str
    seconds: float


def run_cell(payload: bytes, seed: int, cell: dict[str, Any], home: str) -> Ending:
    """Run a cell; in a process other than `home`, that of the study, with one thread.

    Nothing that the cell raises leaves this function, and its working directory and its settings of NumPy are not those of
    the cells after it.
    """
    started = time.perf_counter()
    at_home = this_process() == home
    if not at_home:
        _use_one_thread()
    folder = _working_directory()
    result, error = None, ""
    try:
        result = _check_result(copy_context().run(unpack(payload, at_home), seed, **cell), cell)
    except BaseException as problem:
        error = describe_error(problem)
    if folder is not None and _working_directory() != folder:
        with suppress(OSError):
            os.chdir(folder)
    return Ending(result, error, time.perf_counter() - started)


def this_process() -> str:
    """Return what tells this process from all others, also of other computers."""
    return f"{_TOKEN}-{os.getpid()}"


def describe_error(error: BaseException) -> str:
    """Return the traceback of an error as text that can be stored, whatever kind of error it is."""
    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:
        text = f"{type(error).__name__}, whose traceback cannot be shown\n"
    if len(text) > LONGEST_ERROR:
        text = f"{text[: LONGEST_ERROR // 2]}\n...\n{text[-LONGEST_ERROR // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()


def _use_one_thread() -> None:
    """Limit this worker process for good: other cells run beside it."""
    os.environ["LMCTHEORY_THREADS"] = "1"
    blas().limit(limits=1)


def _working_directory() -> str | None:
    """The directory to come back to; threads share one, so that none of them may set it back."""
    if threading.current_thread() is not threading.main_thread():
        return None
    try:
        return os.getcwd()
    except OSError:
        return None


def _check_result(result: Any, cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with plain types alone, numbers before arrays."""
    if not isinstance(result, Mapping) or not all(isinstance(name, str) for name in result):
        raise InvalidInputError(f"a cell must return a dict with names as keys, got {type(result).__name__}")
    plain = {str.__str__(name): _plain(name, value) for name, value in result.items()}
    for name in plain.keys() & cell.keys():
        if repr(plain[name]) != repr(cell[name]):
            values = f"a parameter {cell[name]!r} and a result {_checks.describe(plain[name])}"
            raise InvalidInputError(f"a cell must not return a name of its parameters, got {name!r}: {values}")
    return dict(sorted(plain.items(), key=lambda item: isinstance(item[1], np.ndarray)))


def _plain(name: str, value: Any) -> Any:
    found = value.item() if isinstance(value, np.generic) else value
    if isinstance(found, (list, tuple)):
        try:
            found, given = np.asarray(found), found
        except ValueError as error:
            raise InvalidInputError(f"a cell must return lists of one shape, got {name!r} ({error})") from None
        if found.dtype.kind == "U" and not all(isinstance(item, str) for item in np.asarray(given, dtype=object).flat):
            raise InvalidInputError(f"a cell must return lists of numbers or of strings, got both in {name!r}")
    if isinstance(found, np.ndarray):
        if np.ma.is_masked(found):
            raise InvalidInputError(f"a cell must return arrays without masked entries, got {name!r}")
        if found.dtype.kind in STORED_KINDS:
            return np.array(found, subok=False)
        raise InvalidInputError(f"a cell must return arrays of numbers or strings, got {name!r} of dtype {found.dtype}")
    for kind, plain in EXACT:
        if isinstance(found, kind) and not isinstance(found, bool):
            found = plain(found)
    if found is None or type(found) in (bool, int, float, str):
        try:
            json.dumps(found)
        except ValueError as error:  # more digits than Python writes
            raise InvalidInputError(f"a cell must return numbers that can be written, got {name!r} ({error})") from None
        return found
    raise InvalidInputError(f"a cell must return numbers, strings and arrays, got {name!r} of type {type(value).__name__}")
