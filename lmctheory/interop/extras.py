"""Optional dependencies, imported where they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lmctheory.errors import MissingDependencyError


@contextmanager
def needs(package: str, purpose: str, extra: str) -> Iterator[None]:
    """Run imports of `package`; where it is missing, say what for it is needed and how it is installed."""
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(f"{purpose} needs {package}: pip install 'lmctheory[{extra}]'") from error
