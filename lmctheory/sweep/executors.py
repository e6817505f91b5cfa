"""Where cells run: in this process, in local processes, or on a Dask cluster; all behind `concurrent.futures.Executor`."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from loky import get_reusable_executor

from lmctheory import _checks
from lmctheory._parallel import thread_count
from lmctheory.errors import InvalidInputError, MissingDependencyError, SchedulerError

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
        scheduler has this address, such as ``tcp://host:8786``; or an executor of the caller's own. A daemonic process may not
        have processes of its own: there "processes" means "serial".
    """
    if isinstance(where, Executor):
        yield where, workers or int(getattr(where, "_max_workers", 1))
    elif where == "serial":
        yield SerialExecutor(), 1
    elif where == "processes":
        count = thread_count() if workers is None else _checks.integer("workers", workers, 1)
        if multiprocessing.current_process().daemon:
            yield SerialExecutor(), 1
            return
        with _interrupts_held_back():
            pool = get_reusable_executor(max_workers=count, initializer=_become_worker, timeout=IDLE_SECONDS)
            pool.submit(int)  # starts the workers
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


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes begun inside the block are never interrupted, not even while they start; this one is, after the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # whose start would end the holding back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become_worker() -> None:
    """An interrupt is the main process's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
