"""What the names in a function's source stand for: globals, variables around it, attributes of modules, imports inside it."""

from __future__ import annotations

import argparse
import builtins
import importlib
import importlib.machinery
import importlib.util
import os
import pkgutil
import runpy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lmctheory.sweep.library import is_users, owner
from lmctheory.sweep.reach import Call, Chain, Import, reach_of
from lmctheory.sweep.sources import FunctionNode, imports_of, loaded_names
from lmctheory.sweep.values import combine

if TYPE_CHECKING:
    from lmctheory.sweep.digest import Digester

OF_THE_SYSTEM = {"__builtins__", "__spec__", "__loader__", "__package__", "__cached__"}
AT_RUN_TIME = (
    eval, exec, globals, runpy.run_path, runpy.run_module, importlib.reload, sys.modules, pkgutil.resolve_name,
    importlib.util.spec_from_file_location, importlib.machinery.SourceFileLoader,
)  # fmt: skip
IMPORTERS = (importlib.import_module, builtins.__import__)
NAMESPACES = (types.SimpleNamespace, argparse.Namespace)
ADVICE = "write the names out, or collect what they may stand for in a dict"


class Unseen(NamedTuple):
    """Stands for something that is not looked into: its hash is given."""

    digest: bytes


class Meaning(NamedTuple):
    """What a name, or an attribute of it, stands for."""

    value: Any
    label: str  # its name as a part; empty for what is built in
    where: str  # words for a message


ABSENT = Unseen(combine("absent"))


class Names:
    """The names that one function reads."""

    def __init__(self, digester: Digester, function: types.FunctionType, node: FunctionNode, label: str) -> None:
        self._digester, self._globals, self._label = digester, function.__globals__, label
        code = function.__code__
        self._around = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        self._read = {*loaded_names(code), *self._around}
        self._reach = reach_of(node)
        carried_out = set(imports_of(code))
        self._imported: dict[str, list[Meaning]] = {}
        for found in self._reach.imports:
            if found.module in carried_out:
                meaning = Meaning(self._import(found), f"{label}.{found.bound}", f"`{found.bound}`")
                self._imported.setdefault(found.bound, []).append(meaning)

    def digests(self) -> Iterator[bytes]:
        """Yield the hash of every name, with the attributes taken of it, and of what it stands for."""
        known = {*self._read, *self._imported}
        chains = {chain for chain in self._reach.chains if chain[0] in known}
        named = {chain[0] for chain in chains}
        if "__subclasses__" in self._reach.attributes:
            self._digester.refuse(f"uses `__subclasses__`, so that what it reaches is decided only when it runs; {ADVICE}")
        for call in self._reach.calls:
            self._check_getattr(call)
        for chain in sorted(chains | {(name,) for name in known - named}):
            for meaning in self._meanings(chain[0]):
                yield combine(".".join(chain), self._follow(meaning, chain))
        for call in self._reach.calls:
            if call.constant is not None and self._calls(call, *IMPORTERS):
                value = self._module(call.constant)
                yield value.digest if isinstance(value, Unseen) else self._digester.digest(value)

    def _meanings(self, name: str) -> list[Meaning]:
        """What a name may stand for: imports inside the function, and what is outside of it, if it is read."""
        found = list(self._imported.get(name, ()))
        module = module_label(self._globals)
        if name in self._around:
            found.append(Meaning(content(self._around[name]), f"{name} of {self._label}", f"the variable `{name}` around it"))
        elif name not in self._read or name in OF_THE_SYSTEM:
            pass
        elif name in self._globals:
            value = os.path.abspath(self._globals[name]) if name == "__file__" else self._globals[name]
            found.append(Meaning(value, f"{module}.{name}", f"the global `{name}`"))
        else:
            found.append(Meaning(getattr(builtins, name, ABSENT), "", ""))
        return found

    def _follow(self, meaning: Meaning, chain: Chain) -> bytes:
        (value, label, where), rest = self._resolve(meaning, chain[1:])
        if isinstance(value, Unseen):
            return value.digest
        if _is_one(value, AT_RUN_TIME) or (_is_one(value, IMPORTERS) and not self._names_are_written_out(value)):
            self._digester.refuse(f"uses `{'.'.join(chain)}`, so that what it reaches is decided only when it runs; {ADVICE}")
        whole = isinstance(value, types.ModuleType) and rest  # of a package, whose version says all
        return self._digester.named("" if whole else label, where, value, ".".join(rest))

    def _resolve(self, meaning: Meaning, rest: Chain) -> tuple[Meaning, Chain]:
        """Take attributes of modules of the user's and of this library, and of plain namespaces, as long as there are any."""
        value, label, where = meaning
        while rest:
            if isinstance(value, types.ModuleType):
                whose = owner(value.__name__, getattr(value, "__file__", None))
                if whose in ("python", "package"):
                    found, further = self._of_a_package(value, rest)
                    if not _is_one(found, (*AT_RUN_TIME, *IMPORTERS)):
                        break
                    return Meaning(found, label, where), further
                if rest[0] == "__dict__":
                    return Meaning(value, label, where), ()
                label = f"{module_label(vars(value))}.{rest[0]}"
                where = f"`{label}`"
                if whose == "user":
                    self._digester.reach(value.__name__, rest[0])
                try:
                    value = getattr(value, rest[0])
                except Exception:  # whatever a module does when it is asked for a name
                    value = _import_by_name(f"{value.__name__}.{rest[0]}")
            elif type(value) in NAMESPACES and rest[0] in vars(value):
                value, label, where = vars(value)[rest[0]], f"{label}.{rest[0]}", f"{where[:-1]}.{rest[0]}`"
            else:
                break
            rest = rest[1:]
        return Meaning(value, label, where), rest

    def _of_a_package(self, module: types.ModuleType, rest: Chain) -> tuple[Any, Chain]:
        """Take attributes of modules that are not the user's own, and return what they lead to.

        Functions of the user's own in the place of a package's are refused: where cells run, the package is as it was.
        """
        found: Any = module
        for k, name in enumerate(rest, 1):
            found = vars(found).get(name)
            if isinstance(found, types.FunctionType) and is_users(found):
                chain = ".".join((module.__name__, *rest[:k]))
                theirs = f"{module_label(found.__globals__)}.{found.__qualname__}"
                self._digester.refuse(f"uses `{chain}`, which was replaced by `{theirs}`; call that by its own name")
            if _is_one(found, AT_RUN_TIME) or not isinstance(found, (types.ModuleType, type)):
                return found, rest[k:]
        return found, ()

    def _calls(self, call: Call, *functions: Any) -> bool:
        """Whether a call may be one of these functions."""
        found = (self._resolve(meaning, call.function[1:]) for meaning in self._meanings(call.function[0]))
        return any(_is_one(meaning.value, functions) and not rest for meaning, rest in found)

    def _names_are_written_out(self, importer: Any) -> bool:
        """Whether all calls of a function that imports modules name them by constants."""
        calls = [call for call in self._reach.calls if self._calls(call, importer)]
        return bool(calls) and all(call.constant is not None and call.constant[:1] != "." for call in calls)

    def _check_getattr(self, call: Call) -> None:
        """Refuse attributes of the user's modules whose names are made at run time."""
        if call.constant is None and call.subject is not None and self._calls(call, getattr):
            for meaning in self._meanings(call.subject[0]):
                (value, *_), rest = self._resolve(meaning, call.subject[1:])
                if (
                    isinstance(value, types.ModuleType)
                    and not rest
                    and owner(value.__name__, value.__dict__.get("__file__")) == "user"
                ):
                    self._digester.refuse(f"uses `{call.text}`, so that what it reaches is decided only when it runs; {ADVICE}")

    def _import(self, found: Import) -> Any:
        package = self._globals.get("__package__")
        if package is None:
            package = str(self._globals.get("__name__", "")).rpartition(".")[0]
        try:
            name = importlib.util.resolve_name("." * found.level + found.module, package)
        except ImportError:
            return ABSENT
        module = self._module(name)
        if isinstance(module, Unseen):
            return module
        if owner(name, getattr(module, "__file__", None)) == "user":
            self._reach_import(name, found.member)
        if found.member is None:
            return module if found.whole else sys.modules.get(name.partition(".")[0], module)
        try:
            return getattr(module, found.member)
        except Exception:  # whatever a module does when it is asked for a name
            return self._module(f"{name}.{found.member}")

    def _reach_import(self, name: str, member: str | None) -> None:
        """Note an import that is carried out when the function runs, and the packages that it goes through."""
        self._digester.imported.add(name)
        self._digester.reach(name, *filter(None, [member]))
        package, _, last = name.rpartition(".")
        if package:
            self._reach_import(package, last)

    def _module(self, name: str) -> Any:
        """The module; packages that are not imported yet need not be, since their version says all."""
        if isinstance(sys.modules.get(name), types.ModuleType):
            return sys.modules[name]
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return ABSENT
        if spec is None:
            return ABSENT
        whose = owner(name, None if spec.origin in ("built-in", "frozen") else spec.origin)
        return Unseen(self._digester.known(whose, name, "")) if whose in ("python", "package") else _import_by_name(name)


def _import_by_name(name: str) -> Any:
    """Import a module of the user's or of this library; one that cannot be imported counts by its bytes."""
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException:
        try:
            spec = importlib.util.find_spec(name)
            return Unseen(combine("unusable", Path(spec.origin).read_bytes())) if spec and spec.origin else ABSENT
        except (ImportError, ValueError, OSError):
            return ABSENT


def _is_one(value: Any, those: tuple[Any, ...]) -> bool:
    return any(value is one for one in those)


def content(cell: types.CellType) -> Any:
    """Return what a variable around a function holds."""
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return ABSENT


def module_label(namespace: dict[str, Any]) -> str:
    """Return the name of the module with these globals, the same whether it is imported or run as a script."""
    name = str(namespace.get("__name__", "?"))
    if name != "__main__":
        return name
    spec, file = namespace.get("__spec__"), namespace.get("__file__")
    if spec is not None and spec.name != "__main__":
        return str(spec.name)
    return Path(file).stem if file else name
