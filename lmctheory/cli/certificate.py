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
        statement = lmc.verify_certificate(options.file, **({} if options.limit is None else {"limit": options.limit}))
    return Report({"statement": statement, "verified": True}, [f"verified    {statement}"])


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        verify_certificate,
        "Prove once more what a certificate states, from its data alone, by code that shares nothing with the search.",
        "  lmctheory verify-certificate barrier.json\n\n"
        "The exit status is 0 if the certificate is proved, and 2 if it is refused or cannot be read. Needs python-flint.",
    )
    sub.add_argument("file", metavar="FILE", help="written by Certificate.save; it may come from anybody")
    sub.add_argument("--limit", type=float, metavar="SECONDS", help="refuse what may take longer to check (default: six hours)")
