"""Threads over independent compiled calls that release the interpreter lock."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import cache
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

T = TypeVar("T")


def thread_count() -> int:
    """Return the number of threads to use: the environment variable LMCTHEORY_THREADS, else the cores this process may run on."""
    configured = os.environ.get("LMCTHEORY_THREADS", "")
    if configured.isdecimal() and int(configured) > 0:
        return int(configured)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def blas() -> ThreadpoolController:
    """Return the controller of the BLAS threads; they stall for milliseconds when they compete with ours."""
    importlib.import_module("scipy.linalg")  # compiled loops call SciPy's own BLAS, which is controlled only once it is loaded
    return ThreadpoolController()


def map_threads(
    function: Callable[[int, np.ndarray], T], count: int, progress: Callable[[int, int], None] | None = None
) -> list[T]:
    """Return ``[function(0, stop), ..., function(count - 1, stop)]``, computed in threads with BLAS held to one thread.

    Each call gets the shared flag `stop` ``(1,)``; an interrupt sets it, waits for the calls to return, and is raised again;
    `finished_calls` returns what had been finished. ``progress(done, count)`` is called in the calling thread after each of them.
    """
    stop = np.zeros(1, dtype=np.uint8)
    with blas().limit(limits=1), ThreadPoolExecutor(min(count, thread_count())) as pool:
        futures: list[Future[T]] = []
        try:
            futures += (pool.submit(function, k, stop) for k in range(count))
            if progress is not None:
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()  # raises here what the call has raised
                    progress(done, count)
            return [future.result() for future in futures]
        except BaseException as error:
            ended = [k for k, future in enumerate(futures) if future.done()]  # others are about to return what is not finished
            stop[0] = 1
            pool.shutdown(wait=True, cancel_futures=True)
            keep_finished(error, {k: futures[k].result() for k in ended if futures[k].exception() is None})
            raise


def keep_finished(error: BaseException, finished: dict[int, Any]) -> None:
    """Let the error that ends a computation carry what had been finished, by number."""
    error.__dict__["finished"] = finished


def finished_calls(error: BaseException) -> dict[int, Any]:
    """Return what the calls of `map_threads` had returned that were finished when it was interrupted, by number."""
    found: dict[int, Any] = error.__dict__.get("finished", {})
    return found


def call_as_team(function: Callable[[int], T], size: int) -> T:
    """Return what ``function(k)`` returns, called for all k < size in threads at once that share its work."""
    with ThreadPoolExecutor(size) as pool:
        members = [pool.submit(function, k) for k in range(size)]
        return members[0].result()
