"""Tidy tables hold every number."""

import csv

import numpy as np
import pytest

from lmctheory.sweep import Study, grid, run_study
from validation.__main__ import main
from validation.claim import Claim, Context, Measurement, Outcome, Verdict
from validation.report.export import export
from validation.report.results import Row, write_claim


def cell(seed, k):
    return {"value": k / 3, "label": f"no {k}", "matrix": np.full((2, k + 1), k / 7)}


@pytest.fixture
def folder(tmp_path):
    run_study(Study("demo.cell", cell, grid(k=[0, 1, 2])), tmp_path, executor="serial", progress=None)
    outcome = Outcome(
        Verdict.SUPPORTED, Verdict.REFUTED, [Measurement("exponent", -1.5, (-2.0, -1.0)), Measurement("n", 3.0, proved=True)]
    )
    claim = Claim("c", "statement", "s", "p", "rule", "control", lambda context: outcome)
    write_claim(tmp_path, Context(), Row(claim, outcome, 1.0))
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
    shown = [(row["measurement"], row["low"], row["proved"]) for row in verdicts]
    assert shown == [("exponent", "-2.0", "False"), ("n", "", "True")]


def test_parquet_tables_hold_the_same(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = {path.stem: path for path in export(folder, "parquet")}
    table = parquet.read_table(paths["demo_cell"]).to_pydict()
    assert table["value"] == [0.0, 1 / 3, 2 / 3]
    assert table["label"] == ["no 0", "no 1", "no 2"]


def test_export_from_the_command_line(folder, tmp_path, capsys):
    assert main(["export", "--out", str(folder)]) == 0
    assert "demo_cell.csv" in capsys.readouterr().out
    assert main(["export", "--out", str(tmp_path / "nowhere")]) == 2
    assert "is not a results folder" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
