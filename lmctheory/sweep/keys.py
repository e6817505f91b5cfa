"""What the result of a cell depends on beside its parameters and the seed: the fingerprint of a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lmctheory.sweep.digest import Digester

NAMES_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What a function is.

    Attributes
    ----------
    code : str
        Hash of the function and of all that it reaches.
    parts : dict
        Name of each function, class, global, module of this library and installed package reached -> its own hash or version.
    modules : dict
        The user's own modules among them, which must travel to workers that have this library but not the user's code
        -> the names reached in each, or None for all.
    imported : frozenset of str
        Those of these modules that functions import when they run.
    """

    code: str
    parts: Mapping[str, str]
    modules: Mapping[str, frozenset[str] | None]
    imported: frozenset[str]


def fingerprint(function: Callable[..., Any]) -> Fingerprint:
    """Return the fingerprint of a function or of any other callable.

    Code counts by its source without comments, layout, docstrings and type hints: the function and every function and class of
    the user's own code that it reaches by a global name, a variable around it, an attribute of a module or an import inside it.
    Everything else that is reached counts by its value: globals, variables around a function, defaults, bound objects. Installed
    packages count by name and version, modules of this library by their source and the modules that they import.
    It is the same in every process, whether the function's module is imported or run as a script.

    Raises
    ------
    InvalidInputError
        If something reached has no value, such as a lock or an open file; if what is reached depends on names made at run time;
        if the source of a function cannot be found or is not what runs.
    """
    digester = Digester()
    with _deep_recursion():
        code = digester.digest(function)
    parts = {name: "+".join(sorted(hashes)) for name, hashes in sorted(digester.parts.items())}
    modules = {name: None if reached is None else frozenset(reached) for name, reached in sorted(digester.modules.items())}
    return Fingerprint(code.hex()[:16], parts, modules, frozenset(digester.imported))


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of the parts that are not the same."""
    return sorted(name for name in {**now, **before} if before.get(name) != now.get(name))


def as_words(names: Sequence[str]) -> str:
    """Return the first of the names in a list of words; none at all means that parts are only put together in another way."""
    shown = list(names) if len(names) <= NAMES_SHOWN else [*names[: NAMES_SHOWN - 1], f"{len(names) - NAMES_SHOWN + 1} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]])) or "the function"


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Functions that call each other may form a long chain."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
