"""Claims in Python files: found, and refused where a file is none, has a mistake, or names clash."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from lmctheory.claims.claim import Claim
from lmctheory.errors import InvalidInputError


def load_claims(paths: Sequence[str | Path]) -> list[tuple[Claim, Path]]:
    """Return every `Claim` that the files define, in order, each with its file.

    A file is run as the module of its name, with its folder on the path, so that it may import its neighbours. Claims in lists,
    tuples and dicts count too.

    Raises
    ------
    InvalidInputError
        If a file cannot be read or run, holds no claim, has the name of another module, or two claims have one name.
    """
    found: dict[str, tuple[Claim, Path]] = {}
    for path in {Path(path).resolve(): Path(path) for path in paths}.values():
        module = run_file(path)
        claims = list(_claims(vars(module).values()))
        if not claims:
            raise InvalidInputError(f"{path} holds no Claim: assign one to a name, as claim = Claim(name=..., ...)")
        for claim in claims:
            there = found.get(claim.name)
            if there is not None and there[0] is not claim:
                where = f"{path}" if there[1] == path else f"{there[1]} and {path}"
                raise InvalidInputError(f"claims must have names of their own, got {claim.name!r} twice, in {where}")
            found.setdefault(claim.name, (claim, path))
    return list(found.values())


def run_file(path: Path) -> ModuleType:
    """Run a Python file as the module of its name and return the module."""
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not a text file") from None
    try:
        code = compile(source, str(path.resolve()), "exec")
    except SyntaxError as error:
        raise InvalidInputError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # a null byte
        raise InvalidInputError(f"{path} is not Python: {error}") from None
    name = _module_name(path)
    module = ModuleType(name)
    module.__file__ = str(path.resolve())
    sys.modules[name] = module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        exec(code, vars(module))
    except KeyboardInterrupt:
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InvalidInputError(f"{path}{_line(error, module.__file__)}: {describe_error(error)}") from error
    return module


def describe_error(error: BaseException) -> str:
    """Return kind and message of an error; of our own the message alone."""
    if isinstance(error, InvalidInputError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _line(error: BaseException, file: str) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f", line {lines[-1]}" if lines else ""


def _module_name(path: Path) -> str:
    """The name by which streams and cells of the file's functions are named; refused where another module has it."""
    name, file = path.stem.replace(".", "_"), path.resolve()
    origin: Any = getattr(sys.modules.get(name), "__file__", None)
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec else str(file)
    if origin is None or Path(origin).resolve() != file:
        raise InvalidInputError(
            f"{path} must have a name of its own: {name!r} is that of another module, {origin or 'of Python'}"
        )
    return name


def _claims(values: Any) -> Iterator[Claim]:
    seen: list[Claim] = []
    for value in values:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
        for member in members:
            if isinstance(member, Claim) and not any(member is claim for claim in seen):
                seen.append(member)
                yield member
