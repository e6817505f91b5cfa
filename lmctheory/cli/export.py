"""`lmctheory export`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lmctheory.cli.files import writing
from lmctheory.cli.options import command
from lmctheory.cli.output import Report
from lmctheory.errors import InvalidInputError


def export(options: argparse.Namespace) -> Report:
    """The cells of a results folder as tables."""
    from lmctheory.sweep import load
    from lmctheory.sweep.tables import write_tables

    for name, given in (("FOLDER", options.folder), ("--out", options.out)):
        if given == "":
            raise InvalidInputError(f"{name} must name a folder, got ''")
    folder = Path(options.folder)
    target = folder / "export" if options.out is None else Path(options.out)
    tables = load(folder)
    with writing(str(target)):
        paths = write_tables(tables, target)
    lines = []
    for table, path in zip(tables.values(), paths, strict=True):
        old = len(table.records) - len(table.current)
        lines += [f"{table.name}: {len(table.records)} cells" + (f", {old} of older code (is_current is False)" if old else "")]
        lines += [f"written to {path}"]
    result = {"tables": [{"name": table.name, "cells": len(table.records)} for table in tables.values()]}
    return Report(result | {"files": [str(path) for path in paths]}, lines or ["no finished cells"])


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        export,
        "Write the cells of a results folder as CSV, one table a function.",
        "  lmctheory export results\n"
        "  lmctheory export results --out tables\n\n"
        "A row is one entry of the arrays of a cell. From Python: lmctheory.sweep.load('results').",
    )
    sub.add_argument("folder", metavar="FOLDER", help="where lmctheory check or run_study has kept cells")
    sub.add_argument("--out", metavar="FOLDER", help="where tables go (default: FOLDER/export)")
