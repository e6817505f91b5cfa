"""Run a study: every cell once, whatever happens on the way."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory._progress import Progress, show_progress
from lmctheory.errors import InvalidInputError
from lmctheory.sweep.executors import open_executor, pack, run_cell
from lmctheory.sweep.store import Claim, Store
from lmctheory.sweep.study import Study
from lmctheory.sweep.tables import short, to_frame

POLL_SECONDS = 0.5  # between looks at cells that another process computes
MAX_DEATHS = 3  # of workers that run one cell alone, after which the cell counts as failed


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult:
    """What a study found.

    Attributes
    ----------
    records : list of dict
        Parameters, numbers and arrays of each finished cell, in the order of the study's cells.
    failures : list of (dict, str)
        Parameters and traceback of each cell that raised; they are tried again by the next run.
    computed, reused : int
        Cells computed by this call, and cells found in the database.
    """

    records: list[dict[str, Any]]
    failures: list[tuple[dict[str, Any], str]]
    computed: int
    reused: int

    def column(self, name: str) -> FloatArray:
        """Return the number `name` of every finished cell as an array.

        Raises
        ------
        InvalidInputError
            If a record has no such number.
        """
        missing = [k for k, record in enumerate(self.records) if name not in record]
        if missing:
            raise InvalidInputError(
                f"name must be in every record, got {name!r}; record {missing[0]} has {list(self.records[missing[0]])}"
            )
        return np.asarray([record[name] for record in self.records])

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with one row a finished cell; arrays are entries.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        return to_frame(self.records)

    def __repr__(self) -> str:
        counts = f"computed={self.computed}, reused={self.reused}, failures={len(self.failures)}"
        return f"StudyResult({short(self.records)}; {counts})"


def run_study(
    study: Study,
    folder: str | os.PathLike[str],
    *,
    executor: str | Executor = "processes",
    workers: int | None = None,
    fresh: bool = False,
    progress: Progress | Literal["auto"] | None = "auto",
) -> StudyResult:
    """Compute the cells of `study` that the database in `folder` does not hold, and return them all.

    Each finished cell is written at once, under a key made of the study's name, the cell, the seed and a hash of the code
    behind the function. A call that was interrupted, in whatever way, resumes where it was; several processes may work on one
    study at once and share its cells.

    Parameters
    ----------
    study : Study
    folder : path
        Holds ``study.sqlite`` and ``arrays/``.
    executor : {"processes", "serial"}, scheduler address, or Executor
        See `lmctheory.sweep.executors.open_executor`. Results do not depend on it.
    workers : int, optional
        Number of local processes; all cores by default.
    fresh : bool
        Forget everything in the folder first.
    progress : "auto", callable or None
        A bar with the time left on a terminal and plain lines in a pipe; or called as ``progress(share, done, failed)``
        after each cell; or nothing.

    Returns
    -------
    StudyResult

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.
    StoreError
        If the folder's database is damaged, foreign, or cannot be written.
    SchedulerError
        If no scheduler answers at the address.

    Examples
    --------
    >>> import tempfile
    >>> from lmctheory.sweep import Study, grid, run_study
    >>> from lmctheory.sweep.example import power
    >>> study = Study("powers", power, grid(base=[2, 3], exponent=[1, 2]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = run_study(study, folder, executor="serial", progress=None)
    ...     again = run_study(study, folder, executor="serial", progress=None)
    >>> first.column("value")
    array([2, 4, 3, 9])
    >>> again.computed, again.reused
    (0, 4)
    """
    with Store(folder) as store:
        if fresh:
            store.forget()
        with show_progress(study.name, len(study.cells)) if progress == "auto" else nullcontext(progress) as report:
            return _Run(study, store, report).complete(executor, workers)


class _Run:
    """The state of one call of `run_study`."""

    def __init__(self, study: Study, store: Store, progress: Progress | None) -> None:
        self._study, self._store, self._progress = study, store, progress
        self._cells = {study.key(cell): dict(cell) for cell in study.cells}
        self._costs = {key: float(study.cost(cell)) for key, cell in self._cells.items()}
        self._results: dict[str, dict[str, Any]] = {}
        self._errors: dict[str, str] = {}
        self._deaths: dict[str, int] = {}  # of workers, by the suspect cells that they were running
        self._reused = 0

    def complete(self, executor: str | Executor, workers: int | None) -> StudyResult:
        waiting = deque(key for key in self._cells if not self._look_up(key))
        self._report()
        if waiting:
            # the dearest cells first: a long one that starts last leaves the other workers idle
            waiting = deque(sorted(waiting, key=lambda key: -self._costs[key]))
            self._compute(waiting, executor, workers)
        order = [self._study.key(cell) for cell in self._study.cells]
        return StudyResult(
            records=[self._cells[key] | self._results[key] for key in order if key in self._results],
            failures=[(self._cells[key], error) for key, error in self._errors.items()],
            computed=len(self._results) - self._reused,
            reused=self._reused,
        )

    def _compute(self, waiting: deque[str], where: str | Executor, workers: int | None) -> None:
        payload = pack(self._study.function)
        held: deque[str] = deque()
        while waiting or held:
            with ExitStack() as stack:
                executor, width = stack.enter_context(open_executor(where, workers))
                running: dict[Future[Any], str] = {}
                try:
                    while waiting or held or running:
                        self._submit(waiting, held, running, executor, width, payload, single_threaded=where != "serial")
                        finished = wait(running, POLL_SECONDS if held else None, FIRST_COMPLETED).done if running else set()
                        for future in finished:
                            self._settle(running[future], future)
                            del running[future]
                        if held and not finished:
                            time.sleep(0 if running else POLL_SECONDS)
                            waiting.extend(held)
                            held.clear()
                except KeyboardInterrupt:  # what has finished is written before the interrupt goes on
                    for future, key in running.items():
                        if future.done() and not future.cancelled() and future.exception() is None:
                            self._settle(key, future)
                    raise
                except BrokenExecutor:  # a worker died: what was under way is tried again, each alone, with new workers
                    if isinstance(where, Executor):
                        raise  # the caller's: not ours to open again
                    for key in running.values():
                        self._deaths[key] = self._deaths.get(key, 0) + (len(running) == 1)
                        if self._deaths[key] < MAX_DEATHS:
                            waiting.appendleft(key)
                        else:
                            self._fail(key, f"the worker process died {MAX_DEATHS} times while it ran this cell alone", 0.0)

    def _submit(
        self, waiting: deque[str], held: deque[str], running: dict[Future[Any], str], executor: Executor, width: int,
        payload: bytes, single_threaded: bool,
    ) -> None:  # fmt: skip
        """Keep every worker busy with one cell in hand and one in reserve; a suspect cell runs alone."""
        while waiting:
            alone = not self._deaths.keys().isdisjoint((waiting[0], *running.values()))
            if len(running) >= (1 if alone else 2 * width):
                break
            key = waiting.popleft()
            claim = self._store.claim(key)
            if claim is Claim.OURS:
                try:
                    future = executor.submit(run_cell, payload, self._study.seed, self._cells[key], single_threaded)
                except BrokenExecutor:
                    waiting.appendleft(key)
                    raise
                running[future] = key
            elif claim is Claim.HELD:
                held.append(key)
            elif self._look_up(key):
                self._report()

    def _settle(self, key: str, future: Future[Any]) -> None:
        try:
            result, seconds = future.result()
        except BrokenExecutor:
            raise
        except Exception as error:  # the executor itself gave up on the cell
            result, seconds = f"{type(error).__name__}: {error}", 0.0
        if isinstance(result, str):
            self._fail(key, result, seconds)
            return
        self._deaths.pop(key, None)
        study = self._study
        self._store.finish(key, study.name, self._cells[key], study.seed, study.code, result, seconds)
        self._results[key] = result
        self._report()

    def _fail(self, key: str, error: str, seconds: float) -> None:
        self._deaths.pop(key, None)
        study = self._study
        self._store.fail(key, study.name, self._cells[key], study.seed, study.code, error, seconds)
        self._errors[key] = error
        self._report()

    def _look_up(self, key: str) -> bool:
        found = self._store.load(key)
        if found is None:
            return False
        self._results[key] = found
        self._reused += 1
        return True

    def _report(self) -> None:
        if self._progress:
            settled = [*self._results, *self._errors]
            share = sum(self._costs[key] for key in settled) / sum(self._costs.values())
            self._progress(share, len(self._results), len(self._errors))
