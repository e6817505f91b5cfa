"""The entry point: parses, runs, prints."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence

import lmctheory as lmc
from lmctheory.cli import align, barrier, certificate, check, export, new_claim, rate, sharpness, train
from lmctheory.cli.options import Parser
from lmctheory.cli.output import plain, warnings_in_one_line
from lmctheory.cli.process import complain, guarded

COMMANDS = (barrier, train, align, sharpness, certificate, rate, check, new_claim, export)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    It is 0, 1 for a result without value (all runs diverged), 2 after a mistake or if a file cannot be written, 128 plus the
    number of the signal after an interrupt (130 for Ctrl-C), 141 if the reader of standard output has gone.
    """
    try:
        with guarded("lmctheory") as outcome:
            options = command_line().parse_args(arguments)
            outcome.prog += f" {options.command}"
            outcome.status = _run(options, outcome.prog)
    except SystemExit as stop:  # --help, --version, a wrong argument
        return int(stop.code or 0)
    return outcome.status


def _run(options: Namespace, prog: str) -> int:
    with warnings_in_one_line(prog) as messages:
        report = options.run(options)
    if isinstance(report, int):  # it has printed as it went
        return report
    if options.json:
        given = {key: value for key, value in vars(options).items() if key not in ("command", "json", "run")}
        envelope = {"command": options.command, "version": lmc.__version__, "arguments": given}
        document = plain({**envelope, "result": report.result, "warnings": messages})
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        print("\n".join(report.lines))
    sys.stdout.flush()
    for error in report.errors:
        complain(prog, "error", error)
    return report.status


def command_line() -> Parser:
    """Return the parser of all subcommands."""
    parser = Parser(
        prog="lmctheory",
        description="Linear mode connectivity modulo permutation, for networks of one's own.",
        epilog="Networks are .npz or .safetensors files of weights: W (m, d) and a (m,), or 0.weight, 0.bias, ..., of ReLU "
        "networks of any depth (not convolutional). 'lmctheory COMMAND --help' shows examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {lmc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.declare(commands)
    return parser
