"""`lmctheory verify-certificate`"""

from __future__ import annotations

import argparse
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import about
from lmctheory.cli.options import command
from lmctheory.cli.output import Report


def verify_certificate(options: argparse.Namespace) -> Report:
    """Prove once more what a certificate states."""
    with about(options.file):
        certificate = lmc.load_certificate(options.file)
        kind = lmc.verify_certificate(options.file)
    return Report(
        {"kind": kind, "statement": certificate.statement, "verified": True},
        [f"verified    {certificate.statement}", f"kind        {kind}"],
    )


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        verify_certificate,
        "Prove once more what a certificate states, from its data alone, by code that shares nothing with the search.",
        "  lmctheory verify-certificate barrier.json\n\n"
        "The exit status is 0 if the certificate is proved, and 2 if it is refused or cannot be read. Needs python-flint.",
    )
    sub.add_argument("file", metavar="FILE", help="written by Certificate.save")
