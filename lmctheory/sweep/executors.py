"""Where cells run: in this process, in local processes, or on a Dask cluster; all behind `concurrent.futures.Executor`."""

from __future__ import annotations

import importlib
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import cloudpickle
import numpy as np
from loky import get_reusable_executor

from lmctheory import _checks
from lmctheory._parallel import blas, thread_count
from lmctheory.errors import InvalidInputError, MissingDependencyError, SchedulerError
from lmctheory.sweep.code import travelling_modules

CONNECT_SECONDS = 5
IDLE_SECONDS = 60  # after which a local worker process without work ends


class SerialExecutor(Executor):
    """Runs each call at once, in this process and thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def open_executor(where: str | Executor, workers: int | None = None) -> Iterator[tuple[Executor, int]]:
    """Yield an executor and the number of calls it runs at once.

    Parameters
    ----------
    where : {"serial", "processes"}, scheduler address, or Executor
        In this process; in `workers` local processes (default: all cores), one thread each; on the Dask cluster whose
        scheduler has this address, such as ``tcp://host:8786``; or an executor of the caller's own.
    """
    if isinstance(where, Executor):
        yield where, workers or int(getattr(where, "_max_workers", 1))
    elif where == "serial":
        yield SerialExecutor(), 1
    elif where == "processes":
        count = thread_count() if workers is None else _checks.integer("workers", workers, 1)
        pool = get_reusable_executor(max_workers=count, initializer=_become_worker, timeout=IDLE_SECONDS)
        try:
            yield pool, count  # the workers stay for the next study
        except KeyboardInterrupt:
            pool.shutdown(wait=True, kill_workers=True)
            raise
    elif isinstance(where, str) and "://" in where:
        with _dask(where) as found:
            yield found
    else:
        raise InvalidInputError(f"executor must be 'serial', 'processes', a scheduler address or an Executor, got {where!r}")


@contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingDependencyError("a Dask cluster needs distributed: pip install 'lmctheory[cluster]'") from error
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError(f"no Dask scheduler answers at {address} within {CONNECT_SECONDS} s ({error})") from None
    with client:
        yield client.get_executor(pure=False), max(1, sum(client.nthreads().values()))


def pack(function: Callable[..., Any]) -> bytes:
    """Pickle `function` so that it runs wherever this library is installed: modules of the user's own code travel by value."""
    modules = [importlib.import_module(name) for name in travelling_modules(function)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        payload: bytes = cloudpickle.dumps(function)
        return payload
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def run_cell(payload: bytes, seed: int, cell: dict[str, Any], single_threaded: bool) -> tuple[dict[str, Any] | str, float]:
    """Return the cell's result, or its traceback as a string, and the seconds it took; BLAS is held to one thread."""
    started = time.perf_counter()
    if single_threaded:
        os.environ["LMCTHEORY_THREADS"] = "1"
    limit = blas().limit(limits=1)
    try:
        result: dict[str, Any] | str = _check_result(_unpack(payload)(seed, **cell))
    except Exception:
        result = traceback.format_exc()
    finally:
        if not single_threaded:  # in a worker the limit stays: other cells may run beside this one
            limit.restore_original_limits()
    return result, time.perf_counter() - started


def _become_worker() -> None:
    """An interrupt is the main process's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=8)
def _unpack(payload: bytes) -> Callable[..., Any]:
    function: Callable[..., Any] = cloudpickle.loads(payload)
    return function


def _check_result(result: Any) -> dict[str, Any]:
    if not isinstance(result, dict) or not all(isinstance(name, str) for name in result):
        raise InvalidInputError(f"a cell must return a dict with names as keys, got {type(result).__name__}")
    return {name: _plain(name, value) for name, value in result.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcU":
        return value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InvalidInputError(f"a cell must return numbers, strings and arrays, got {name!r} of type {type(value).__name__}")
