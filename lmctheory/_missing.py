"""Stand-ins for public names whose extra is not installed: they can be looked at, and when called say what is missing."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Load = Callable[[], Any]  # gives the real thing once it can be imported, and raises MissingDependencyError before

_STAND_INS: dict[str, Any] = {}


class MissingClass(type):
    """The type of stand-ins for classes; nothing is an instance of one."""

    _load: Load

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._load()(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        raise AttributeError(f"{cls.__name__} has no {name}: {cls.__doc__}")


class MissingModule(ModuleType):
    """The type of stand-ins for modules; they hold stand-ins for the public functions and classes."""

    _reason: str
    _load: Load
    __all__: list[str]

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__.get("__all__", ()):
            raise AttributeError(f"{self.__name__} has no {name}: {self.__dict__.get('_reason', 'not loaded')}")
        return stand_in(self.__name__, name, lambda: getattr(self._load(), name), self._reason)

    def __dir__(self) -> list[str]:
        return [*self.__dict__, *self.__all__]


def stand_in(package: str, name: str, load: Load, reason: str) -> Any:
    """Return what stands for `name` of `package`, always the same: a module, class or function, as the real one is."""
    full_name = f"{package}.{name}"
    if full_name not in _STAND_INS:
        spec = importlib.util.find_spec(full_name) if package == __package__ else None
        if spec is not None:
            _STAND_INS[full_name] = _module(spec, load, reason)
        elif name[0].isupper():
            contents = {"_load": staticmethod(load), "__doc__": reason, "__module__": package}
            _STAND_INS[full_name] = MissingClass(name, (), contents)
        else:
            _STAND_INS[full_name] = _function(package, name, load, reason)
    return _STAND_INS[full_name]


def _module(spec: ModuleSpec, load: Load, reason: str) -> ModuleType:
    found = importlib.util.module_from_spec(spec)  # not executed
    read = getattr(spec.loader, "get_source", lambda name: None)
    tree = ast.parse(read(spec.name) or "")
    found.__class__ = MissingModule
    vars(found).update(_load=load, _reason=reason, __all__=sorted(_callables(tree)))
    found.__doc__ = f"{reason}\n\n{ast.get_docstring(tree) or ''}".rstrip()
    return found


def _callables(tree: ast.Module) -> Iterator[str]:
    """Yield the names of public functions and classes that a module defines or passes on."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names if alias.name == alias.asname]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_") and not name.isupper())


def _function(package: str, name: str, load: Load, reason: str) -> Callable[..., Any]:
    def missing(*args: Any, **kwargs: Any) -> Any:
        return load()(*args, **kwargs)

    missing.__module__, missing.__name__, missing.__qualname__, missing.__doc__ = package, name, name, reason
    return missing
