"""`lmctheory new-claim`"""

from __future__ import annotations

import argparse
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from lmctheory.cli.files import writing
from lmctheory.cli.options import command
from lmctheory.cli.output import Report
from lmctheory.errors import InvalidInputError


def new_claim(options: argparse.Namespace) -> Report:
    """A commented template of a claim."""
    name = options.name.removesuffix(".py")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        raise InvalidInputError(f"NAME must be letters, digits, hyphens and underscores, a letter first, got {options.name!r}")
    path = Path(f"{name.replace('-', '_')}.py")
    if path.exists():
        raise InvalidInputError(f"{path} exists: it is not overwritten")
    template = files("lmctheory.claims").joinpath("templates/claim.py.txt").read_text(encoding="utf-8")
    with writing(str(path)):
        path.write_text(template.replace("FILE", str(path)).replace("NAME", name.replace("_", "-").strip("-")), encoding="utf-8")
    return Report({"file": str(path)}, [f"written to {path}; check it with: lmctheory check {path}"])


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands, new_claim, "Write a commented template of a claim, which runs as it is.", "  lmctheory new-claim slow_rate"
    )
    sub.add_argument("name", metavar="NAME", help="of the claim and of its file, NAME.py")
