"""The results database of a study folder: SQLite for numbers, ``.npz`` files beside it for arrays."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from lmctheory._files import atomic_file
from lmctheory.errors import StoreError

APPLICATION_ID = 0x4C4D4354  # "LMCT"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE cells (
    key TEXT PRIMARY KEY, study TEXT NOT NULL, parameters TEXT NOT NULL, seed INTEGER NOT NULL, code TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed')), numbers TEXT, has_arrays INTEGER NOT NULL DEFAULT 0, error TEXT,
    seconds REAL NOT NULL, finished REAL NOT NULL, versions TEXT NOT NULL
);
CREATE TABLE leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, beat REAL NOT NULL);
"""
HEARTBEAT = 5.0  # seconds between signs of life of a process that computes cells,
STALE = 60.0  # and without one for this long its cells are free again
PACKAGES = ("lmctheory", "numpy", "scipy", "numba")


class Claim(Enum):
    """Answer to the wish to compute a cell."""

    DONE = "done"  # somebody has
    HELD = "held"  # another live process is at it
    OURS = "ours"


class Store:
    """The results of all studies in one folder. A context manager; leaving it gives up what was claimed and not finished.

    Raises
    ------
    StoreError
        If the folder's database is truncated, damaged, or not one of ours, or it cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "study.sqlite"
        self._owner = uuid.uuid4().hex
        self._host = socket.gethostname()
        with self._errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self._create()
            self._check()
            self._db = self._connect()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._heart.join()
        with suppress(sqlite3.Error), self._db:
            self._db.execute("DELETE FROM leases WHERE owner = ?", (self._owner,))
        self._db.close()

    def claim(self, key: str) -> Claim:
        """Take the cell for this process, unless it is done or another live process has it."""
        with self._errors(), self._transaction():
            if self._db.execute("SELECT 1 FROM cells WHERE key = ? AND state = 'done'", (key,)).fetchone():
                return Claim.DONE
            lease = self._db.execute("SELECT owner, host, pid, beat FROM leases WHERE key = ?", (key,)).fetchone()
            if lease and lease[0] != self._owner and self._alive(*lease[1:]):
                return Claim.HELD
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", (key, self._owner, self._host, os.getpid(), time.time())
            )
        return Claim.OURS

    def finish(
        self, key: str, study: str, cell: Mapping[str, Any], seed: int, code: str, result: Mapping[str, Any], seconds: float
    ) -> None:
        """Write a finished cell: its arrays first, then the row that makes it visible, in one transaction."""
        arrays = {name: value for name, value in result.items() if isinstance(value, np.ndarray)}
        numbers = {name: value for name, value in result.items() if name not in arrays}
        with self._errors():
            if arrays:
                path = self._arrays(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_file(path) as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
            self._write(key, study, cell, seed, code, "done", json.dumps(numbers), bool(arrays), None, seconds)

    def fail(self, key: str, study: str, cell: Mapping[str, Any], seed: int, code: str, error: str, seconds: float) -> None:
        """Record that the cell raised, with its traceback; it is tried again by the next run."""
        with self._errors():
            self._write(key, study, cell, seed, code, "failed", None, False, error, seconds)

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the numbers and arrays of a finished cell, or None."""
        with self._errors():
            row = self._db.execute("SELECT numbers, has_arrays FROM cells WHERE key = ? AND state = 'done'", (key,)).fetchone()
            if row is None:
                return None
            result: dict[str, Any] = json.loads(row[0])
            if row[1]:
                try:
                    with np.load(self._arrays(key), allow_pickle=False) as archive:
                        result |= dict(archive)
                except Exception as error:
                    raise StoreError(
                        f"the arrays of a finished cell are damaged or gone: {self._arrays(key)} ({error})"
                    ) from None
        return result

    def rows(self, study: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield every recorded cell, without its arrays, in the order of completion."""
        columns = ("key", "study", "parameters", "seed", "code", "state", "numbers", "error", "seconds", "finished", "versions")
        query = f"SELECT {', '.join(columns)} FROM cells WHERE ? IS NULL OR study = ? ORDER BY finished"
        with self._errors():
            for row in self._db.execute(query, (study, study)):
                record = dict(zip(columns, row, strict=True))
                for name in ("parameters", "numbers", "versions"):
                    record[name] = json.loads(record[name]) if record[name] else {}
                yield record

    def forget(self) -> None:
        """Delete every cell and array: the study starts anew."""
        with self._errors():
            with self._transaction():
                self._db.execute("DELETE FROM cells")
                self._db.execute("DELETE FROM leases")
            shutil.rmtree(self.folder / "arrays", ignore_errors=True)

    def _write(self, key: str, study: str, cell: Mapping[str, Any], seed: int, code: str, state: str, *rest: Any) -> None:
        numbers, has_arrays, error, seconds = rest
        versions = json.dumps({name: version(name) for name in PACKAGES} | {"python": platform.python_version()})
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    study,
                    json.dumps(dict(cell)),
                    seed,
                    code,
                    state,
                    numbers,
                    has_arrays,
                    error,
                    seconds,
                    time.time(),
                    versions,
                ),
            )
            self._db.execute("DELETE FROM leases WHERE key = ?", (key,))

    def _arrays(self, key: str) -> Path:
        return self.folder / "arrays" / key[:2] / f"{key}.npz"

    def _alive(self, host: str, pid: int, beat: float) -> bool:
        if host == self._host:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return False
            except OSError:
                pass
        return time.time() - beat < STALE

    def _beat(self) -> None:
        with closing(self._connect()) as db:
            while not self._stop.wait(HEARTBEAT):
                with suppress(sqlite3.Error), db:
                    db.execute("UPDATE leases SET beat = ? WHERE owner = ?", (time.time(), self._owner))

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=60.0, isolation_level=None)
        db.execute("PRAGMA synchronous = FULL")
        return db

    def _create(self) -> None:
        """Make a complete database under another name and link it into place: nobody ever sees a half-made one."""
        temporary = self.folder / f".study.{uuid.uuid4().hex}.sqlite"
        try:
            with closing(sqlite3.connect(temporary)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                db.executescript(SCHEMA)
            with suppress(FileExistsError):
                os.link(temporary, self.path)
        finally:
            for leftover in self.folder.glob(f"{temporary.name}*"):
                leftover.unlink(missing_ok=True)

    def _check(self) -> None:
        if self.path.stat().st_size == 0:
            raise StoreError(f"the results database is empty (truncated?): {self.path}; move it away to start anew")
        with closing(sqlite3.connect(self.path, timeout=60.0)) as db:
            identity = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if identity[0] != APPLICATION_ID:
                raise StoreError(f"not a results database of lmctheory: {self.path}")
            if identity[1] != SCHEMA_VERSION:
                raise StoreError(f"results database of schema {identity[1]}, this version reads {SCHEMA_VERSION}: {self.path}")
            problem = db.execute("PRAGMA quick_check").fetchone()[0]
            if problem != "ok":
                raise StoreError(f"the results database is damaged: {self.path} ({problem})")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StoreError(f"cannot use the results database {self.path}: {error}; finished cells are kept") from error
        except OSError as error:
            raise StoreError(f"cannot write to the study folder {self.folder}: {error}; finished cells are kept") from error
