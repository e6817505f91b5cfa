"""The entry point: parses, runs, prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import lmctheory as lmc
from lmctheory.cli import align, barrier, certificate, check, export, new_claim, rate, sharpness, train
from lmctheory.cli.options import Parser
from lmctheory.cli.output import FAILED, INTERRUPTED, OK, abandon_stdout, complain, plain, warnings_in_one_line
from lmctheory.errors import LmcError

COMMANDS = (barrier, train, align, sharpness, certificate, rate, check, new_claim, export)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 2 after a mistake, 130 after an interrupt."""
    parser = command_line()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # --help, --version, a wrong argument
        return int(stop.code or 0)
    prog = f"{parser.prog} {options.command}"
    try:
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
    except (LmcError, MemoryError) as error:
        complain(prog, "error", str(error) or "out of memory")
        return FAILED
    except OSError as error:
        complain(prog, "error", f"standard output cannot be written: {error.strerror or error}")
        abandon_stdout()
        return FAILED
    except KeyboardInterrupt:
        complain(prog, "error", "interrupted")
        return INTERRUPTED
    return OK


def command_line() -> Parser:
    """Return the parser of all subcommands."""
    parser = Parser(
        prog="lmctheory",
        description="Linear mode connectivity modulo permutation, for networks of one's own.",
        epilog="Networks are files of weights: .npz with W (m, d) and a (m,), or .npz and .safetensors with 0.weight, 0.bias, "
        "..., of ReLU networks of any depth (not convolutional). 'lmctheory COMMAND --help' shows examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {lmc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.declare(commands)
    return parser
