"""The tables of the results database, and how older ones become the present ones."""

from __future__ import annotations

import sqlite3

from lmctheory.errors import StoreError

APPLICATION_ID = 0x4C4D4354  # "LMCT"
SCHEMA_VERSION = 2
# the column arrays holds a JSON list of names, in the order of the archive's entries, or true: the entries have these names
CELLS = """
CREATE TABLE cells (
    key TEXT PRIMARY KEY, study TEXT NOT NULL, parameters TEXT NOT NULL, seed TEXT NOT NULL, code TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed')), numbers TEXT, arrays TEXT, error TEXT,
    seconds REAL NOT NULL, finished REAL NOT NULL, versions TEXT NOT NULL
)
"""
LEASES = """
CREATE TABLE leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, beat REAL NOT NULL)
"""
PARTS = "CREATE TABLE parts (code TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (code, name))"


def create(db: sqlite3.Connection) -> None:
    """Make the tables of an empty database."""
    for table in (CELLS, LEASES, PARTS):
        db.execute(table)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check(db: sqlite3.Connection, path: object) -> int:
    """Return the schema version of a sound database of ours; raise StoreError for any other file."""
    identity, schema = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version"))
    if identity != APPLICATION_ID:
        raise StoreError(f"not a results database of lmctheory: {path}")
    if not 1 <= schema <= SCHEMA_VERSION:
        raise StoreError(f"results database of schema {schema}, this version reads up to {SCHEMA_VERSION}: {path}")
    problem = db.execute("PRAGMA quick_check").fetchone()[0]
    if problem != "ok":
        raise StoreError(f"the results database is damaged: {path} ({problem})")
    return schema


def migrate(db: sqlite3.Connection) -> None:
    """Bring an older database to the present schema, in one transaction; nothing in it is lost."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == 1:  # not yet migrated by another process
            db.execute("ALTER TABLE cells RENAME TO cells_before")
            db.execute(CELLS)
            db.execute(
                "INSERT INTO cells SELECT key, study, parameters, CAST(seed AS TEXT), code, state, numbers,"
                " CASE has_arrays WHEN 1 THEN 'true' END, error, seconds, finished, versions FROM cells_before"
            )
            db.execute("DROP TABLE cells_before")
            db.execute(PARTS)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
