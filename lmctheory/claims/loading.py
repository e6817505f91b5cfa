"""Claims in Python files: found, and refused where a file is none, has a mistake, or names clash."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from lmctheory._files import read_bytes
from lmctheory.claims.claim import Claim
from lmctheory.errors import InvalidInputError


def load_claims(paths: Sequence[str | Path]) -> list[tuple[Claim, Path]]:
    """Return every `Claim` that the files define, in order, each with its file.

    A file is run as the module of its name, with its folder on the path, so that it may import its neighbours; a file in a
    package as that module of the package. Claims in lists, tuples and dicts count too.

    Raises
    ------
    InvalidInputError
        If a file cannot be read or run, holds no claim, has the name of another module, or two claims have one name.
    """
    located = {os.path.realpath(path): Path(path) for path in paths}
    contents = {file: read_bytes(path) for file, path in located.items()}  # before one of them changes the folder
    found: dict[str, tuple[Claim, str]] = {}
    for file, path in located.items():
        module = run_file(path, file, contents[file])
        claims = list(_claims(vars(module).values()))
        if not claims:
            raise InvalidInputError(f"{path} holds no Claim: assign one to a name, as claim = Claim(name=..., ...)")
        for claim in claims:
            there = found.get(claim.name)
            if there is not None and there[0] is not claim:
                where = f"{path}" if there[1] == file else f"{located[there[1]]} and {path}"
                raise InvalidInputError(f"claims must have names of their own, got {claim.name!r} twice, in {where}")
            found.setdefault(claim.name, (claim, file))
    return [(claim, Path(file)) for claim, file in found.values()]


def run_file(path: Path, file: str, content: bytes) -> ModuleType:
    """Run a Python file as the module of its name and return the module; `path` is what the user calls the `file`."""
    try:
        code = compile(importlib.util.decode_source(content), file, "exec", dont_inherit=True)
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not a text file") from None
    except SyntaxError as error:
        where = " is not a text file" if error.lineno is None else f", line {error.lineno}"
        raise InvalidInputError(f"{path}{where}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte, or parentheses without end
        raise InvalidInputError(f"{path} is not Python: {str(error) or 'it is nested too deeply'}") from None
    root, name = _module_name(path, file)
    spec = importlib.util.spec_from_file_location(name, file, loader=SourceFileLoader(name, file))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        if spec.parent and name not in sys.modules:
            importlib.import_module(spec.parent)
            if name in sys.modules:  # its package needs it
                return sys.modules[name]
        sys.modules[name] = module
        exec(code, vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.modules.pop(name, None)
        raise InvalidInputError(f"{path}{_line(error, file)}: {describe_error(error)}") from error
    return module


def describe_error(error: BaseException) -> str:
    """Return kind and message of an error; of our own the message alone."""
    if isinstance(error, InvalidInputError):
        return str(error)
    try:
        text = str(error)
    except Exception:  # of its own method
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException, file: str) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f", line {lines[-1]}" if lines else ""


def _module_name(path: Path, file: str) -> tuple[str, str]:
    """Return the folder from which a file can be imported, and the name by which streams and cells of its functions are named.

    Raises
    ------
    InvalidInputError
        If another module has the name.
    """
    root, name = os.path.dirname(file), path.stem.replace(".", "_")
    while os.path.isfile(os.path.join(root, "__init__.py")):
        root, package = os.path.split(root)
        name = f"{package}.{name}"
    other = other_module(name, file, root)
    if other is not None:
        raise InvalidInputError(f"{path} must have a name of its own: {name!r} is that of another module, {other}")
    return root, name


def other_module(name: str, file: str = "", root: str = "") -> str | None:
    """Return where there is a module of this name that is not `file`, if there is one; what is in the folder `root` is not."""
    if name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
        return None if origin is not None and os.path.realpath(origin) == file else origin or "of Python"
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return "of Python"
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry or os.curdir) != os.path.realpath(root)]
    found = PathFinder.find_spec(top, elsewhere)
    return None if found is None or found.origin is None or os.path.realpath(found.origin) == file else found.origin


def _claims(values: Any) -> Iterator[Claim]:
    seen: list[Claim] = []
    for value in values:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
        for member in members:
            if isinstance(member, Claim) and not any(member is claim for claim in seen):
                seen.append(member)
                yield member
