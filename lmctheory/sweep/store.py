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
from contextlib import ExitStack, closing, contextmanager, suppress
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np

from lmctheory._files import atomic_file
from lmctheory.errors import StoreError
from lmctheory.sweep import schema

HEARTBEAT = 5.0  # seconds between signs of life of a process that computes cells,
STALE = 60.0  # and without one for this long its cells are free again
PUBLISHING = 10.0  # seconds within which another process makes a new database known, if it is alive
PACKAGES = ("lmctheory", "numpy", "scipy", "numba")


class Lease(Enum):
    """Answer to the wish to compute a cell."""

    DONE = "done"  # somebody has
    HELD = "held"  # another live process is at it
    OURS = "ours"


class LostArraysError(StoreError):
    """The arrays of a finished cell are damaged or gone."""


class Store:
    """The results of all studies in one folder. A context manager; leaving it gives up what was claimed and not finished.

    The results in a folder that can only be read are read from a copy of its database, and nothing can be added to them.

    Raises
    ------
    StoreError
        If the folder's database is truncated, damaged, or not one of ours, or the folder can neither be written nor holds one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self.path = self.folder / "study.sqlite"
        self._owner = uuid.uuid4().hex
        self._host = socket.gethostname()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        with self._errors("written"):
            self.read_only = self._is_read_only()
            if not self.read_only:
                self.folder.mkdir(parents=True, exist_ok=True)
                if not self.path.exists():
                    self._create()
        with self._errors("read"), ExitStack() as stack:
            self._database = self._copy(stack) if self.read_only else self.path
            self._prepare()
            self._db = self._connect()
            self._stack = stack.pop_all()
        self._heart.start()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._heart.join()
        with suppress(sqlite3.Error), self._db:
            self._db.execute("DELETE FROM leases WHERE owner = ?", (self._owner,))
        self._db.close()
        self._stack.close()

    def claim(self, key: str, *, again: bool = False) -> Lease:
        """Take the cell for this process, unless it is done (and not wanted `again`) or another live process has it."""
        with self._errors("written"), self._transaction():
            if not again and self._db.execute("SELECT 1 FROM cells WHERE key = ? AND state = 'done'", (key,)).fetchone():
                return Lease.DONE
            lease = self._db.execute("SELECT owner, host, pid, beat FROM leases WHERE key = ?", (key,)).fetchone()
            if lease and lease[0] != self._owner and self._alive(*lease[1:]):
                return Lease.HELD
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", (key, self._owner, self._host, os.getpid(), time.time())
            )
        return Lease.OURS

    def abandoned(self) -> set[str]:
        """Return the cells that a process was computing when it died."""
        with self._errors("read"):
            leases = self._db.execute("SELECT key, host, pid, beat FROM leases WHERE owner != ?", (self._owner,)).fetchall()
        return {key for key, *holder in leases if not self._alive(*holder)}

    def finish(
        self, key: str, study: str, cell: Mapping[str, Any], seed: int, code: str, result: Mapping[str, Any], seconds: float
    ) -> None:
        """Write a finished cell: its arrays first, then the row that makes it visible, in one transaction."""
        arrays = {name: value for name, value in result.items() if isinstance(value, np.ndarray)}
        names = json.dumps(list(arrays)) if arrays else None
        numbers = json.dumps({name: value for name, value in result.items() if name not in arrays})
        with self._errors("written"):
            if arrays:
                path = self._arrays(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_file(path) as file:  # numbered, since not every name can be one in an archive
                    np.savez(file, **{str(k): value for k, value in enumerate(arrays.values())})  # type: ignore[arg-type]
            self._write(key, study, cell, seed, code, "done", numbers, names, None, seconds)

    def fail(self, key: str, study: str, cell: Mapping[str, Any], seed: int, code: str, error: str, seconds: float) -> None:
        """Record that the cell failed, with its traceback; it is tried again by the next run, and a result it had is kept."""
        with self._errors("written"):
            if self._db.execute("SELECT 1 FROM cells WHERE key = ? AND state = 'done'", (key,)).fetchone() is None:
                self._write(key, study, cell, seed, code, "failed", None, None, error, seconds)

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the numbers and arrays of a finished cell, or None.

        Raises
        ------
        LostArraysError
            If its arrays are damaged or gone.
        """
        with self._errors("read"):
            row = self._db.execute("SELECT numbers, arrays FROM cells WHERE key = ? AND state = 'done'", (key,)).fetchone()
        if row is None:
            return None
        result: dict[str, Any] = json.loads(row[0])
        return result | self._load_arrays(key, json.loads(row[1])) if row[1] else result

    def _load_arrays(self, key: str, names: list[str] | bool) -> dict[str, Any]:
        path = self._arrays(key)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                if names is True:
                    return dict(archive)
                return {name: archive[str(k)] for k, name in enumerate(names)}  # type: ignore[arg-type]
        except PermissionError as error:
            raise StoreError(f"the arrays of a finished cell cannot be read: {path} ({error})") from None
        except Exception as error:
            raise LostArraysError(f"the arrays of a finished cell are damaged or gone: {path} ({error})") from None

    def rows(self, study: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield every recorded cell, without its arrays, in the order of completion."""
        columns = ("key", "study", "parameters", "seed", "code", "state", "numbers", "error", "seconds", "finished", "versions")
        query = f"SELECT {', '.join(columns)} FROM cells WHERE ? IS NULL OR study = ? ORDER BY finished"
        with self._errors("read"):
            for row in self._db.execute(query, (study, study)):
                record = dict(zip(columns, row, strict=True))
                for name in ("parameters", "numbers", "versions"):
                    record[name] = json.loads(record[name]) if record[name] else {}
                record["seed"] = int(record["seed"])
                yield record

    def describe(self, code: str, parts: Mapping[str, str]) -> None:
        """Note of which parts the code of a study is made, so that a later run can say what has changed."""
        with self._errors("written"), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?, ?)", [(code, *part) for part in parts.items()])

    def parts(self, code: str) -> dict[str, str]:
        """Return the parts noted for a code."""
        with self._errors("read"):
            return dict(self._db.execute("SELECT name, hash FROM parts WHERE code = ?", (code,)).fetchall())

    def others(self, study: str, seed: int, code: str) -> list[tuple[dict[str, Any], str]]:
        """Return parameters and code of cells finished under another code, the oldest first."""
        query = "SELECT parameters, code FROM cells WHERE study = ? AND seed = ? AND code != ? AND state = 'done'"
        with self._errors("read"):
            found = self._db.execute(f"{query} ORDER BY finished", (study, str(seed), code)).fetchall()
        return [(json.loads(parameters), other) for parameters, other in found]

    def forget(self) -> None:
        """Delete every cell and array: the study starts anew."""
        self.require_writable()
        with self._errors("written"):
            with self._transaction():
                for table in ("cells", "leases", "parts"):
                    self._db.execute(f"DELETE FROM {table}")
            shutil.rmtree(self.folder / "arrays", ignore_errors=True)

    def require_writable(self) -> None:
        """Raise StoreError in a folder that can only be read."""
        if self.read_only:
            raise StoreError(f"the study folder {self.folder} can only be read: finished cells are kept, but none can be added")

    def _write(self, key: str, study: str, cell: Mapping[str, Any], seed: int, code: str, state: str, *rest: Any) -> None:
        values = (key, study, json.dumps(dict(cell)), str(seed), code, state, *rest, time.time(), _versions())
        with self._transaction(durable=True):
            self._db.execute(f"INSERT OR REPLACE INTO cells VALUES ({', '.join('?' * len(values))})", values)
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
        return sqlite3.connect(self._database, timeout=60.0, isolation_level=None)

    def _is_read_only(self) -> bool:
        """Whether there is a database that cannot be written, or beside which nothing can be."""
        if not self.path.exists():
            return False
        if not (os.access(self.folder, os.W_OK) and os.access(self.path, os.W_OK)):
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError:
            return True
        os.close(descriptor)
        return False

    def _copy(self, stack: ExitStack) -> Path:
        """Copy the database and what has not yet been merged into it to a place where it can be opened."""
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lmctheory-")))
        for suffix in ("", "-wal"):
            source = Path(f"{self.path}{suffix}")
            if not suffix or source.exists():
                shutil.copyfile(source, folder / source.name)
        return folder / self.path.name

    def _create(self) -> None:
        """Make a complete database under another name and publish it: nobody ever sees a half-made one."""
        temporary = self.folder / f".study.{uuid.uuid4().hex}.sqlite"
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                schema.create(db)
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                pass
            except OSError:  # a disk without hard links
                self._publish(temporary)
        finally:
            for leftover in self.folder.glob(f"{temporary.name}*"):
                leftover.unlink(missing_ok=True)

    def _publish(self, temporary: Path) -> None:
        """Rename the new database unless another process has published one: only whoever makes a folder of this name may."""
        turn = self.folder / ".study.new"
        deadline = time.monotonic() + PUBLISHING
        while not self.path.exists():
            try:
                turn.mkdir()
            except FileExistsError:
                if time.monotonic() > deadline:  # left behind by a process that died
                    with suppress(OSError):
                        turn.rmdir()
                time.sleep(0.01)
                continue
            try:
                if not self.path.exists():
                    os.rename(temporary, self.path)
            finally:
                turn.rmdir()

    def _prepare(self) -> None:
        """Check the database, and bring an older one to the present schema."""
        if self._database.stat().st_size == 0:
            raise StoreError(f"the results database is empty (truncated?): {self.path}; move it away to start anew")
        with closing(sqlite3.connect(self._database, timeout=60.0, isolation_level=None)) as db:
            if schema.check(db, self.path) < schema.SCHEMA_VERSION:
                schema.migrate(db)

    @contextmanager
    def _transaction(self, durable: bool = False) -> Iterator[None]:
        """A transaction; a `durable` one waits for the disk, so that it outlives a power cut and not only this process."""
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Turn errors of the disk and of the database into a StoreError; `what` the folder is meant to be: read or written."""
        try:
            yield
        except StoreError:
            raise
        except sqlite3.DataError:
            raise  # the value's fault, not the database's
        except sqlite3.DatabaseError as error:
            raise StoreError(f"cannot use the results database {self.path}: {error}; finished cells are kept") from error
        except OSError as error:
            raise StoreError(f"the study folder {self.folder} cannot be {what}: {error}; finished cells are kept") from error


@cache
def _versions() -> str:
    return json.dumps({name: version(name) for name in PACKAGES} | {"python": platform.python_version()})
