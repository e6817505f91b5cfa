"""Which code a cell's result depends on: the modules that its function imports, and their hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from lmctheory.errors import InvalidInputError

LIBRARY = "lmctheory"
_FOREIGN = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a hash of `function`'s module and of the modules of the same code base and of this library that it imports.

    Imports are followed through the source, also inside functions; names taken lazily from this package count as imports of the
    modules that define them. Comments, layout and docstrings do not matter. The standard library and installed
    packages are not followed; nor are ``__init__`` modules that are run only because a submodule is imported. Of a function
    defined in a notebook only its own source counts.
    """
    digest = hashlib.sha256(function.__qualname__.encode())
    modules = dependencies(function)
    if not modules:  # defined in a notebook: its own source is all there is to go by
        try:
            digest.update(inspect.getsource(function).encode())
        except (OSError, TypeError):
            raise InvalidInputError(f"function must have source code, got {function!r}") from None
    for name, path in sorted(modules.items()):
        digest.update(f"{name}\0{_normalised(path)}\0".encode())
    return digest.hexdigest()[:16]


def dependencies(function: Callable[..., Any]) -> dict[str, Path]:
    """Return name and source file of every module that `fingerprint` covers."""
    start = function.__module__
    found: dict[str, Path] = {}
    queue = [start]
    while queue:
        name = queue.pop()
        if name in found or (path := _source(name)) is None:
            continue
        found[name] = path
        queue.extend(_imports(name, path))
    return found


def travelling_modules(function: Callable[..., Any]) -> list[str]:
    """Return the modules that must travel with `function` to workers which have this library but not the user's code."""
    return [name for name in dependencies(function) if name != "__main__" and name.split(".")[0] != LIBRARY]


def _source(name: str) -> Path | None:
    """The file of a module that belongs to the user's code or to this library, else None."""
    if name == "__main__":
        origin = getattr(sys.modules["__main__"], "__file__", None)
    elif name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec else None
    if origin is None or not origin.endswith(".py"):
        return None
    own = name.split(".")[0] == LIBRARY or not origin.startswith(_FOREIGN)
    return Path(origin) if own else None


def _imports(name: str, path: Path) -> Iterator[str]:
    """Modules imported anywhere in a source file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = _parse(path)
    aliases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                if alias.name == LIBRARY:
                    aliases.add(alias.asname or LIBRARY)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield base
            for alias in node.names:
                yield _homes().get(alias.name, "") if base == LIBRARY else f"{base}.{alias.name}"
                yield f"{base}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield _homes().get(node.attr, "")


@lru_cache(maxsize=1)
def _homes() -> dict[str, str]:
    """Public name -> module that defines it, from the stub of this package."""
    spec = importlib.util.find_spec(LIBRARY)
    assert spec is not None
    assert spec.origin is not None
    homes = {}
    for node in ast.walk(ast.parse(Path(spec.origin).with_suffix(".pyi").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                homes[alias.name] = f"{LIBRARY}.{node.module or alias.name}"
    return homes


@lru_cache(maxsize=1024)
def _parsed(path: Path, stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _parse(path: Path) -> ast.Module:
    status = path.stat()
    return _parsed(path, (status.st_mtime_ns, status.st_size))


def _normalised(path: Path) -> str:
    """The source without comments, layout and docstrings."""
    tree = ast.parse(ast.unparse(_parse(path)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and inspect.cleandoc(
            ast.get_docstring(node) or ""
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
