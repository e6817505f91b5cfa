"""Take the data away: tidy tables of a results folder, as CSV or Parquet."""

from __future__ import annotations

import csv
import importlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lmctheory._files import atomic_file
from lmctheory.errors import MissingDependencyError
from lmctheory.sweep.store import Store
from validation.report.results import read_results

FORMATS = ("csv", "parquet")
Table: TypeAlias = dict[str, list[Any]]


def export(folder: Path, file_format: str) -> list[Path]:
    """Write the tables of `folder` to ``export/`` inside it and return their paths.

    ``verdicts`` has one row a claim and measurement; ``<study>`` one row a finished cell with its parameters and numbers;
    ``<study>.<array>`` one row an entry of an array, with the cell's parameters and the entry's indices.
    """
    write = {"csv": _write_csv, "parquet": _write_parquet}[file_format]
    found = list(tables(folder))
    target = folder / "export"
    target.mkdir(exist_ok=True)
    return [write(table, target / f"{name}.{file_format}") for name, table in found]


def tables(folder: Path) -> Iterator[tuple[str, Table]]:
    """Yield name and columns of every table."""
    yield "verdicts", _columns([row for saved in read_results(folder) for row in _verdicts(saved.claim)])
    with Store(folder) as store:
        rows = sorted((row for row in store.rows() if row["state"] == "done"), key=lambda row: json.dumps(row["parameters"]))
        for study in sorted({row["study"] for row in rows}):
            mine = [(row, store.load(row["key"]) or {}) for row in rows if row["study"] == study]
            name = re.sub(r"\W+", "_", study)
            yield name, _columns([_cell(row) | row["numbers"] for row, _ in mine])
            arrays = sorted({key for _, result in mine for key, value in result.items() if isinstance(value, np.ndarray)})
            for array in arrays:
                entries = (entry for row, result in mine if array in result for entry in _entries(row, array, result))
                yield f"{name}.{array}", _columns(list(entries))


def _verdicts(claim: dict[str, Any]) -> Iterator[dict[str, Any]]:
    texts = {key: claim[key] for key in ("name", "source", "prediction", "verdict", "control_verdict", "seconds")}
    for measured in claim["measured"] or [{"name": "", "value": None, "interval": None}]:
        low, high = measured["interval"] or (None, None)
        numbers = {"value": measured["value"], "low": low, "high": high, "proved": measured.get("proved", False)}
        yield texts | {"measurement": measured["name"]} | numbers


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    return row["parameters"] | {"seed": row["seed"], "code": row["code"]}


def _entries(row: dict[str, Any], name: str, result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for index, value in np.ndenumerate(result[name]):
        yield _cell(row) | {f"index{axis}": k for axis, k in enumerate(index)} | {name: value.item()}


def _columns(rows: Sequence[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _write_csv(table: Table, path: Path) -> Path:
    with atomic_file(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def _write_parquet(table: Table, path: Path) -> Path:
    try:
        pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingDependencyError("Parquet needs pyarrow: pip install 'lmctheory[parquet]'") from error
    with atomic_file(path) as file:
        parquet.write_table(pyarrow.table(table), file)
    return path
