"""The cells of a folder of studies as tables: read, put into a data frame, written as files."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmctheory._files import atomic_file
from lmctheory.errors import InvalidInputError, MissingDependencyError
from lmctheory.sweep.store import Store

LAYOUT = "layout of the result"  # text that says how the columns of a cell make up a result of the library


@dataclass(frozen=True, eq=False)
class Table:
    """All finished cells of one function.

    Attributes
    ----------
    name : str
        Of the study: module and name of the function.
    records : list of dict
        Of each cell its parameters, numbers and arrays, its `seed`, and `is_current`: whether it was computed by the version of
        the code that computed the last finished cell. Cells of older versions stay in the folder and must not be mixed in.
    """

    name: str
    records: list[dict[str, Any]]

    @property
    def current(self) -> list[dict[str, Any]]:
        """The records of the last version of the code."""
        return [record for record in self.records if record["is_current"]]

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with one row a cell; arrays are entries."""
        return to_frame(self.records)

    def __repr__(self) -> str:
        old = len(self.records) - len(self.current)
        columns = list(dict.fromkeys(name for record in self.records for name in record))
        shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        return f"Table({self.name}: {len(self.records)} cells{f', {old} of older code' if old else ''}; {shown})"


def load(folder: str | os.PathLike[str]) -> dict[str, Table]:
    """Return what the studies in `folder` have computed, one table a function.

    Parameters
    ----------
    folder : path
        Where `run_study` or ``lmctheory check`` has kept its cells.

    Returns
    -------
    dict of str to Table

    Raises
    ------
    InvalidInputError
        If the folder holds no ``study.sqlite``.
    StoreError
        If its database is damaged or foreign.

    Examples
    --------
    >>> import tempfile
    >>> from lmctheory.sweep import Study, grid, load, run_study
    >>> from lmctheory.sweep.example import power
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = run_study(Study("powers", power, grid(base=[2], exponent=[1, 2])), folder, executor="serial", progress=None)
    ...     table = load(folder)["powers"]
    >>> [record["value"] for record in table.records]
    [2, 4]
    """
    folder = Path(folder)
    if not (folder / "study.sqlite").is_file():
        raise InvalidInputError(f"folder must hold the cells of a study, {folder} has no study.sqlite")
    tables: dict[str, list[dict[str, Any]]] = {}
    codes: dict[str, str] = {}
    newest: dict[str, float] = {}
    with Store(folder) as store:
        for row in sorted(store.rows(), key=lambda row: _order(row["parameters"])):
            if row["state"] != "done":
                continue
            result = {name: value for name, value in (store.load(row["key"]) or {}).items() if name != LAYOUT}
            record = row["parameters"] | result | {"seed": row["seed"], "is_current": row["code"]}
            tables.setdefault(row["study"], []).append(record)
            if row["finished"] >= newest.get(row["study"], 0.0):
                newest[row["study"]], codes[row["study"]] = row["finished"], row["code"]
    for name, records in tables.items():
        for record in records:
            record["is_current"] = record["is_current"] == codes[name]
    return {name: Table(name, records) for name, records in tables.items()}


def _order(parameters: Mapping[str, Any]) -> list[tuple[str, bool, Any]]:
    """Numbers in order, before texts."""
    return [
        (name, isinstance(value, str), value if isinstance(value, (int, float, str)) else -1)
        for name, value in parameters.items()
    ]


def to_frame(records: Sequence[Mapping[str, Any]]) -> Any:
    """Return a pandas DataFrame with one row a record; arrays are entries.

    Raises
    ------
    MissingDependencyError
        If pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise MissingDependencyError("to_frame needs pandas: pip install pandas") from error
    return pandas.DataFrame.from_records([dict(record) for record in records])


def write_tables(tables: Mapping[str, Table], folder: Path) -> list[Path]:
    """Write one CSV file a function and return the paths.

    A row is one entry of the arrays of a cell, whose numbers are repeated; arrays with two axes have a column for each index of
    the second. Arrays of another length than most in their cell stand in one field, as JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in tables.items():
        rows = [row for record in table.records for row in _rows(record)]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.csv"
        with atomic_file(path, "w") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        paths.append(path)
    return paths


def _rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    arrays = {name: value for name, value in record.items() if isinstance(value, np.ndarray)}
    lengths = Counter(len(value) for value in arrays.values() if value.ndim in (1, 2))
    length = max(lengths, key=lambda n: (lengths[n], n), default=1)
    constant: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    for name, value in record.items():
        if name not in arrays:
            constant[name] = value
        elif value.ndim == 1 and len(value) == length:
            columns[name] = value.tolist()
        elif value.ndim == 2 and len(value) == length:
            columns |= {f"{name}.{k}": column.tolist() for k, column in enumerate(value.T)}
        else:
            constant[name] = json.dumps(value.tolist())
    for k in range(length if columns else 1):
        yield constant | {name: values[k] for name, values in columns.items()}


def short(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the number of records and the first of them, on one line."""
    return f"{len(records)} records" + (f", the first {reprlib.repr(dict(records[0]))}" if records else "")
