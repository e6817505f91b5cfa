"""What the options of all subcommands share."""

from __future__ import annotations

import argparse
import difflib
import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from lmctheory.cli.output import Report
from lmctheory.cli.process import FAILED, complain


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which guesses what was meant by a name that it does not know."""

    def error(self, message: str) -> NoReturn:
        complain(self.prog, "error", message)
        raise SystemExit(FAILED)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse an unknown option before a required one is missed, which may be the same."""
        words = list(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        ours = itertools.takewhile(lambda word: word != "--" and (self._subparsers is None or word.startswith("-")), words)
        for k, word in enumerate(ours):
            name = word.split("=")[0]
            if not word.startswith("--") or " " in name or name in known or self._is_abbreviation(name):
                continue
            values = [value for value in words[k : k + 2] if value == word or not value.startswith("-")]
            self.error(f"unrecognized arguments: {' '.join(values)}{did_you_mean(name, known)}")
        return super().parse_known_args(args, namespace)

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # where argparse would say nothing of a full disk, or of a reader that is gone

    def _is_abbreviation(self, name: str) -> bool:
        return self.allow_abbrev and any(option.startswith(name) for option in self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            raise argparse.ArgumentError(
                action, error.message + did_you_mean(str(value), map(str, action.choices or ()))
            ) from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a guess in parentheses, or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


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


def skipped_arrays(sub: argparse.ArgumentParser) -> None:
    text = "arrays in the files that are no part of a network, as lr,loss; single integers are left out unasked"
    sub.add_argument("--skip", metavar="NAMES", help=text)


def plot(sub: argparse.ArgumentParser, name: str) -> None:
    text = f"also draw to FILE, a PNG, PDF or SVG (default: {name}); needs matplotlib"
    sub.add_argument("--plot", nargs="?", const=name, metavar="FILE", help=text)


def seed(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")
