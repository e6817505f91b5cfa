"""What the options of all subcommands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from lmctheory.cli.output import FAILED, Report, complain


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        complain(self.prog, "error", message)
        raise SystemExit(FAILED)


def command(
    commands: Any, run: Callable[[argparse.Namespace], Report | int], description: str, examples: str
) -> argparse.ArgumentParser:
    """Add a subcommand with the name of the function that it runs."""
    sub: argparse.ArgumentParser = commands.add_parser(
        run.__name__.replace("_", "-"),
        help=description,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    sub.set_defaults(run=run)
    sub.add_argument("--json", action="store_true", help="print the result and its evidence as JSON; NaN and infinities are null")
    return sub


def layer_names(sub: argparse.ArgumentParser) -> None:
    text = "layers in the files, from the input on, as fc1,fc2,head, where their order is not in the names"
    sub.add_argument("--names", metavar="LAYERS", help=text)


def plot(sub: argparse.ArgumentParser, name: str) -> None:
    text = f"also draw to FILE, a PNG, PDF or SVG (default: {name}); needs matplotlib"
    sub.add_argument("--plot", nargs="?", const=name, metavar="FILE", help=text)


def seed(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")
