"""`lmctheory new-claim`"""

from __future__ import annotations

import argparse
import os
import re
from importlib.resources import files
from typing import Any

from lmctheory._files import atomic_file
from lmctheory.cli.files import writing
from lmctheory.cli.options import command
from lmctheory.cli.output import Report
from lmctheory.errors import InvalidInputError


def new_claim(options: argparse.Namespace) -> Report:
    """A commented template of a claim."""
    from lmctheory.claims.loading import other_module

    name = options.name.removesuffix(".py")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) or not re.search("[A-Za-z0-9]", name):
        raise InvalidInputError(f"NAME must be letters, digits, hyphens and underscores, a letter first, got {options.name!r}")
    path = f"{name.replace('-', '_')}.py"
    if os.path.lexists(path):
        raise InvalidInputError(f"{path} exists: it is not overwritten")
    other = other_module(path.removesuffix(".py"), root=os.curdir)
    if other is not None:
        raise InvalidInputError(f"NAME must be its own: {options.name!r} is that of another module, {other}")
    template = files("lmctheory.claims").joinpath("templates/claim.py.txt").read_text(encoding="utf-8")
    words = {"FILE": path, "NAME": name.replace("_", "-").strip("-")}
    with writing(path), atomic_file(path, "w") as file:
        file.write(re.sub("|".join(words), lambda found: words[found[0]], template))
    return Report({"file": path}, [f"written to {path}; check it with: lmctheory check {path}"])


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands, new_claim, "Write a commented template of a claim, which runs as it is.", "  lmctheory new-claim slow_rate"
    )
    sub.add_argument("name", metavar="NAME", help="of the claim and of its file, NAME.py")
