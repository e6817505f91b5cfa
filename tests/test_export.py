"""Tidy tables hold every number."""

import csv
import json

import numpy as np
import pytest

from lmctheory.sweep import Study, grid, run_study
from validation.report.export import export


def cell(seed, k):
    return {"value": k / 3, "label": f"no {k}", "matrix": np.full((2, k + 1), k / 7)}


@pytest.fixture
def folder(tmp_path):
    run_study(Study("demo.cell", cell, grid(k=[0, 1, 2])), tmp_path, executor="serial", progress=None)
    measured = [{"name": "exponent", "value": -1.5, "interval": [-2.0, -1.0]}, {"name": "n", "value": 3, "interval": None}]
    claim = {"name": "c", "source": "s", "prediction": "p", "verdict": "SUPPORTED", "control_verdict": "REFUTED", "seconds": 1.0}
    (tmp_path / "summary.json").write_text(json.dumps({"claims": [claim | {"measured": measured}]}))
    return tmp_path


def _read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv_tables_are_exact(folder):
    paths = {path.name: path for path in export(folder, "csv")}
    assert set(paths) == {"verdicts.csv", "demo_cell.csv", "demo_cell.matrix.csv"}
    assert [float(row["value"]) for row in _read(paths["demo_cell.csv"])] == [0.0, 1 / 3, 2 / 3]
    entries = _read(paths["demo_cell.matrix.csv"])
    assert len(entries) == 2 * (1 + 2 + 3)
    assert all(float(row["matrix"]) == int(row["k"]) / 7 for row in entries)
    assert {(row["index0"], row["index1"]) for row in entries if row["k"] == "1"} == {
        ("0", "0"),
        ("0", "1"),
        ("1", "0"),
        ("1", "1"),
    }
    verdicts = _read(paths["verdicts.csv"])
    assert [(row["measurement"], row["low"]) for row in verdicts] == [("exponent", "-2.0"), ("n", "")]


def test_parquet_tables_hold_the_same(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = {path.stem: path for path in export(folder, "parquet")}
    table = parquet.read_table(paths["demo_cell"]).to_pydict()
    assert table["value"] == [0.0, 1 / 3, 2 / 3]
    assert table["label"] == ["no 0", "no 1", "no 2"]
