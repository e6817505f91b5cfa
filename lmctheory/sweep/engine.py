"""Run a study: every cell once, whatever happens on the way."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory._parallel import blas
from lmctheory._progress import Progress, show_progress
from lmctheory.errors import InvalidInputError, StoreError
from lmctheory.sweep.cells import Ending, describe_error, run_cell, this_process
from lmctheory.sweep.executors import open_executor
from lmctheory.sweep.interrupts import Interrupts, StudyInterrupted, say
from lmctheory.sweep.keys import as_words, difference
from lmctheory.sweep.packing import pack
from lmctheory.sweep.store import Lease, LostArraysError, Store
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
        Parameters and traceback of each cell that failed; they are tried again by the next run.
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

    Each finished cell is written at once, under a key made of the study's name, the cell, the seed and the fingerprint of the
    function (`lmctheory.sweep.keys.fingerprint`). A call that was interrupted, in whatever way, resumes where it was; several
    processes may work on one study at once and share its cells.

    Whatever a cell raises, returns or does to its worker process is that cell's failure, and the others go on. Where cells were
    computed with other code, or arrays are damaged or gone, one line on standard error says so, and they are computed again.

    Parameters
    ----------
    study : Study
    folder : path
        Holds ``study.sqlite`` and ``arrays/``. Where it can only be read, a finished study is returned from it.
    executor : {"processes", "serial"}, scheduler address, or Executor
        See `lmctheory.sweep.executors.open_executor`. Results do not depend on it, unless cells draw from a global random
        generator instead of one made from their seed: its numbers depend on which cells ran before in the same process.
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
        If an argument is out of its range; if the function cannot be sent to where cells run.
    StoreError
        If the folder's database is damaged or foreign, or has to be written and cannot be.
    SchedulerError
        If no scheduler answers at the address.
    KeyboardInterrupt
        If the user interrupts (Ctrl-C, or SIGTERM, which clusters send when the time is up). One line on standard error says how
        to resume; a script that does not catch it ends without a traceback, with status 130 (or 143).

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
    with Interrupts() as interrupts, Store(folder) as store:
        if fresh:
            store.forget()
        with show_progress(study.name, len(study.cells)) if progress == "auto" else nullcontext(progress) as report:
            run = _Run(study, store, report, interrupts)
            try:
                result = run.complete(executor, workers)
                interrupts.check()  # which may have come with the last cell
                return result
            except KeyboardInterrupt:
                if not interrupts.received:
                    raise
        raise run.interrupted()


class _Run:
    """The state of one call of `run_study`."""

    def __init__(self, study: Study, store: Store, progress: Progress | None, interrupts: Interrupts) -> None:
        self._study, self._store, self._progress, self._interrupts = study, store, progress, interrupts
        self._fingerprint = study.fingerprint  # of this moment: globals may have changed since the study was made
        self._code = self._fingerprint.code
        self._order = [study.key(cell, self._code) for cell in study.cells]
        self._cells = {key: dict(cell) for key, cell in zip(self._order, study.cells, strict=True)}
        self._costs = _costs(study, self._cells)
        self._results: dict[str, dict[str, Any]] = {}
        self._errors: dict[str, str] = {}
        self._deaths: dict[str, int] = {}  # of workers, by the suspect cells that they were running
        self._lost: set[str] = set()  # cells whose arrays are damaged or gone
        self._all_costs, self._settled_costs = sum(self._costs.values()), 0.0
        self._reused = 0

    def complete(self, where: str | Executor, workers: int | None) -> StudyResult:
        waiting = [key for key in self._cells if not self._look_up(key)]
        self._report()
        if waiting:
            self._store.require_writable()
            self._say_what_changed(waiting)
            self._store.describe(self._code, self._fingerprint.parts)
            # a cell that was under way when its process died may do it again; of the others, the dearest first: a long one
            # that starts last leaves the other workers idle
            abandoned = self._store.abandoned()
            waiting.sort(key=lambda key: (key in abandoned, -self._costs[key]))
            with blas().limit(limits=1):
                self._compute(deque(waiting), where, workers)
        return StudyResult(
            records=[self._cells[key] | self._results[key] for key in self._order if key in self._results],
            failures=[(self._cells[key], error) for key, error in self._errors.items()],
            computed=len(self._results) - self._reused,
            reused=self._reused,
        )

    def interrupted(self) -> StudyInterrupted:
        """Say how to resume, and return the error to raise."""
        kept = f"{len(self._results)} of {len(self._cells)} cells are kept in {self._store.folder}"
        line = f"{self._study.name}: interrupted; {kept}; the same call resumes"
        say(line)
        return StudyInterrupted(line, self._interrupts.received)

    def _compute(self, waiting: deque[str], where: str | Executor, workers: int | None) -> None:
        payload = pack(self._study.function, self._fingerprint)
        held: deque[str] = deque()
        while waiting or held:
            with ExitStack() as stack:
                executor, width = stack.enter_context(open_executor(where, workers))
                running: dict[Future[Any], str] = {}
                try:
                    while waiting or held or running:
                        self._submit(waiting, held, running, executor, width, payload)
                        with self._interrupts.allowed():
                            finished = wait(running, POLL_SECONDS if held else None, FIRST_COMPLETED).done if running else set()
                        for future in finished:
                            if self._settle(running[future], future):
                                del running[future]
                            else:
                                waiting.appendleft(running.pop(future))
                        if held and not finished:
                            with self._interrupts.allowed():
                                time.sleep(0 if running else POLL_SECONDS)
                            waiting.extend(held)
                            held.clear()
                except KeyboardInterrupt:  # what has finished is written before the interrupt goes on
                    for future, key in running.items():
                        if not future.cancel() and _has_result(future):
                            self._settle(key, future)
                    raise
                except BrokenExecutor:  # a worker died: what was under way is tried again, each alone, with new workers
                    for key in running.values():
                        if self._may_live(key, len(running) == 1):
                            waiting.appendleft(key)
                    if isinstance(where, Executor):  # the caller's: not ours to open again
                        where = "processes"
                        say(f"{self._study.name}: a worker of the given executor died; the study goes on in local processes")

    def _submit(
        self, waiting: deque[str], held: deque[str], running: dict[Future[Any], str], executor: Executor, width: int,
        payload: bytes,
    ) -> None:  # fmt: skip
        """Keep every worker busy with one cell in hand and one in reserve; a suspect cell runs alone."""
        while waiting:
            alone = not self._deaths.keys().isdisjoint((waiting[0], *running.values()))
            if len(running) >= (1 if alone else 2 * width) or any(future.done() for future in running):
                break
            key = waiting.popleft()
            lease = self._store.claim(key, again=key in self._lost)
            if lease is Lease.OURS:
                try:
                    with self._interrupts.allowed():  # here a serial executor runs the cell
                        future = executor.submit(run_cell, payload, self._study.seed, self._cells[key], this_process())
                        running[future] = key
                except BrokenExecutor:
                    waiting.appendleft(key)
                    raise
                except RuntimeError as error:
                    raise InvalidInputError(f"executor must take calls, got {executor!r} ({error})") from error
            elif lease is Lease.HELD:
                held.append(key)
            elif self._look_up(key):
                self._report()
            else:
                waiting.append(key)

    def _settle(self, key: str, future: Future[Any]) -> bool:
        """Keep how a cell ended; False if it is to be tried again, alone."""
        try:
            ending = future.result()
        except BrokenExecutor:
            raise
        except BaseException as error:  # the executor itself gave up on the cell
            self._interrupts.check()
            alone = key in self._deaths
            if type(error).__name__ == "KilledWorker" and not alone:  # Dask's: innocent cells on that worker get it, too
                self._deaths[key] = MAX_DEATHS - 1
                return False
            ending = Ending(None, describe_error(error), 0.0)
        if ending.result is None:
            self._interrupts.check()  # which in a serial run the cell gets to see
            self._fail(key, ending)
            return True
        study = self._study
        try:
            self._store.finish(key, study.name, self._cells[key], study.seed, self._code, ending.result, ending.seconds)
        except StoreError:
            raise
        except Exception as error:  # there is something about this result that cannot be stored
            self._fail(key, Ending(None, describe_error(error), ending.seconds))
            return True
        self._deaths.pop(key, None)
        self._results[key] = ending.result
        self._settled_costs += self._costs[key]
        self._report()
        return True

    def _may_live(self, key: str, alone: bool) -> bool:
        """Count the death of a worker against a cell; False if it has failed by that."""
        self._deaths[key] = self._deaths.get(key, 0) + alone
        if self._deaths[key] < MAX_DEATHS:
            return True
        self._fail(key, Ending(None, f"the worker process died {MAX_DEATHS} times while it ran this cell alone", 0.0))
        return False

    def _fail(self, key: str, ending: Ending) -> None:
        self._deaths.pop(key, None)
        study = self._study
        self._store.fail(key, study.name, self._cells[key], study.seed, self._code, ending.error, ending.seconds)
        self._errors[key] = ending.error
        self._settled_costs += self._costs[key]
        self._report()

    def _look_up(self, key: str) -> bool:
        self._interrupts.check()
        try:
            found = self._store.load(key)
        except LostArraysError:
            self._lost.add(key)
            return False
        if found is None:
            return False
        self._results[key] = found
        self._settled_costs += self._costs[key]
        self._reused += 1
        return True

    def _say_what_changed(self, missing: list[str]) -> None:
        """Say in a line why cells of which there are results are computed again."""
        if self._lost:
            say(f"{self._study.name}: arrays in {self._store.folder} are damaged or gone: {_again(len(self._lost))}")
        wanted = {_identity(self._cells[key]) for key in missing if key not in self._lost}
        others: dict[str, set[str]] = {}  # code -> cells in the database that differ from missing ones in it alone
        for cell, code in self._store.others(self._study.name, self._study.seed, self._code):
            if (identity := _identity(cell)) in wanted:
                others.setdefault(code, set()).add(identity)
        changes = {code: difference(self._store.parts(code), self._fingerprint.parts) for code in others}
        for code in sorted(others, key=lambda code: len(changes[code])):  # each cell is compared with the code that is nearest
            again = others[code] & wanted
            wanted -= again
            if again and self._store.parts(code):
                say(f"{as_words(changes[code])} changed: {_again(len(again))}")
            elif again:
                say(f"results of an earlier version are kept, but not all that they depend on is known: {_again(len(again))}")

    def _report(self) -> None:
        if self._progress:
            done, failed = len(self._results), len(self._errors)
            share = 1.0 if done + failed == len(self._cells) else min(self._settled_costs / self._all_costs, 1.0)
            self._progress(share, done, failed)


def _costs(study: Study, cells: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The cost of each cell; the same for all if all are zero."""
    costs = {}
    for key, cell in cells.items():
        cost = study.cost(dict(cell))
        if isinstance(cost, (bool, str, bytes)) or not isinstance(cost, (int, float, np.number)) or not 0 <= cost < math.inf:
            raise InvalidInputError(f"cost must return a finite number that is not negative, got {cost!r} for {cell}")
        costs[key] = float(cost)
    return costs if sum(costs.values()) else dict.fromkeys(costs, 1.0)


def _has_result(future: Future[Any]) -> bool:
    return future.done() and future.exception() is None and future.result().result is not None


def _identity(cell: dict[str, Any]) -> str:
    return repr(sorted(cell.items()))


def _again(count: int) -> str:
    return f"{count} cells are computed again" if count > 1 else "1 cell is computed again"
