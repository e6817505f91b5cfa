"""The code of this library and of other packages: whose a piece of code is, and what stands for it in a key."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from types import FunctionType
from typing import Literal, TypeAlias

from lmctheory.sweep.sources import normal_form, parse, read_source

LIBRARY = "lmctheory"
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
Owner: TypeAlias = Literal["library", "python", "package", "user"]


def owner(module: str, file: str | None = None) -> Owner:
    """Say whose code lies in a module: this library's, Python's, an installed package's, or the user's own.

    `file` is the source file of the code, by default that of the module.
    """
    top = module.partition(".")[0]
    if top == LIBRARY:
        return "library"
    if module == "__main__" and file is None:  # under a profiler, the module of that name is the profiler's
        return "user"
    file = file or getattr(sys.modules.get(module), "__file__", None) or getattr(sys.modules.get(top), "__file__", None)
    if file is None or file.startswith("<frozen"):
        return "python" if top in sys.stdlib_module_names else "package" if version(top) else "user"
    return _owner_of_file(file, top)


@cache
def _owner_of_file(file: str, top: str) -> Owner:
    path = Path(file).absolute()
    if any(path.is_relative_to(folder) for folder in _site_folders()):
        return "package" if version(top) else "user"
    if _is_installed(path, top):
        return "package"
    standard = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
    return "python" if any(path.is_relative_to(folder) for folder in standard) else "user"


def is_users(function: FunctionType) -> bool:
    """Whether a function is written by the user, and not just of a package that does not say which version it is."""
    module, file = str(function.__globals__.get("__name__", "")), function.__code__.co_filename
    return owner(module, file) == "user" and not file.startswith("<") and not {*Path(file).parts} & PACKAGE_FOLDERS


def _is_installed(path: Path, top: str) -> bool:
    """Whether a file lies where a package was installed outside of Python's own folders, such as a module of a cluster."""
    parts = path.parts[:-1]
    folder = Path(*parts[: len(parts) - 1 - parts[::-1].index(top)]) if top in parts else path.parent
    if next(folder.glob("*.dist-info"), None) is None:
        return False  # without a look at all packages, which takes long
    for name in (top, *_distributions().get(top, ())):
        with suppress(metadata.PackageNotFoundError, ValueError):
            found = metadata.distribution(name)
            if found.read_text("RECORD") and path.is_relative_to(str(found.locate_file(""))):
                return True
    return False


@cache
def _site_folders() -> tuple[str, ...]:
    folders = [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return tuple(dict.fromkeys(folders))


@cache
def version(top: str) -> str | None:
    """Return the version of the installed package that provides the top-level module, or None if none does."""
    for distribution in (top, *_distributions().get(top, ())):
        try:
            return metadata.version(distribution)
        except (metadata.PackageNotFoundError, ValueError):
            continue
    return None


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def library_modules(start: str) -> dict[str, str]:
    """Return name and hash of the module `start` of this library and of all that its source imports from the library.

    Names taken lazily from the package count as imports of the modules that define them; comments, layout and docstrings do not
    matter. Not followed are ``__init__`` modules that are run only because a submodule is imported.
    """
    found: dict[str, str] = {}
    queue = [start]
    while queue:
        name = queue.pop()
        if name in found or (path := _file(name)) is None:
            continue
        status = path.stat()
        found[name], imports = _module(name, path, (status.st_mtime_ns, status.st_size))
        queue.extend(imports)
    return found


@cache
def _file(name: str) -> Path | None:
    if name.partition(".")[0] != LIBRARY:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@lru_cache(maxsize=1024)
def _module(name: str, path: Path, stamp: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    """The hash of a source file and the modules that it imports."""
    tree = parse(read_source(path))
    imports = tuple(_imports(name if path.name == "__init__.py" else name.rpartition(".")[0], tree))
    return hashlib.sha256(normal_form(tree).encode()).hexdigest()[:16], imports


def _imports(package: str, tree: ast.Module) -> Iterator[str]:
    """Modules imported anywhere in a source file."""
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
                yield public_names().get(alias.name, "") if base == LIBRARY else f"{base}.{alias.name}"
                yield f"{base}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield public_names().get(node.attr, "")


@cache
def public_names() -> dict[str, str]:
    """Public name -> module that defines it, from the stub of this package."""
    spec = importlib.util.find_spec(LIBRARY)
    assert spec is not None
    assert spec.origin is not None
    names = {}
    for node in ast.walk(ast.parse(Path(spec.origin).with_suffix(".pyi").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.name] = f"{LIBRARY}.{node.module or alias.name}"
    return names
