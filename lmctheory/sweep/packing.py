"""Sending a function to where cells run: the user's own code travels by value, so that only this library is needed there."""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
from cloudpickle import cloudpickle as internals

from lmctheory.errors import InvalidInputError
from lmctheory.sweep.keys import Fingerprint
from lmctheory.sweep.library import owner

_LOADING = threading.Lock()


class Packed(NamedTuple):
    """A function, and the modules that functions inside it import when they run."""

    function: Callable[..., Any]
    modules: dict[str, ModuleType]


def pack(function: Callable[..., Any], fingerprint: Fingerprint) -> bytes:
    """Pickle `function` with what it reaches of the user's own modules.

    Raises
    ------
    InvalidInputError
        If something that it reaches cannot be pickled.
    """
    names = {name for name in fingerprint.modules if name in sys.modules}
    imported = {parent: sys.modules[parent] for name in fingerprint.imported for parent in _parents(name) if parent in names}
    file = io.BytesIO()
    with _by_value(sys.modules[name] for name in names):
        try:
            _Pickler(file, fingerprint.modules).dump(Packed(function, imported))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise InvalidInputError(
                f"function must be one that can be sent to where cells run, got {function!r} ({why})"
            ) from error
    return file.getvalue()


def unpack(payload: bytes, at_home: bool) -> Callable[..., Any]:
    """Return the function, ready to be called; `at_home`, in the process that packed it, as a copy with globals of its own."""
    packed = _load_copy(payload) if at_home else _load(payload)
    if not at_home:
        sys.modules.update(packed.modules)
    return packed.function


@functools.lru_cache(maxsize=8)
def _load(payload: bytes) -> Packed:
    packed: Packed = cloudpickle.loads(payload)
    return packed


@functools.lru_cache(maxsize=8)
def _load_copy(payload: bytes) -> Packed:
    """Load without the memory of cloudpickle, which would put the methods of the copy into the classes of the original."""
    known = internals._DYNAMIC_CLASS_TRACKER_BY_ID
    with _LOADING:
        before = dict(known)
        known.clear()
        try:
            packed: Packed = cloudpickle.loads(payload)
        finally:
            known.clear()
            known.update(before)
    return packed


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Takes of the user's modules only what is reached, and of what Python's own decorators make, what it is made from."""

    def __init__(self, file: io.BytesIO, reached: Mapping[str, frozenset[str] | None]) -> None:
        super().__init__(file)
        self._reached = reached

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, ModuleType) and obj.__name__ in self._reached and sys.modules.get(obj.__name__) is obj:
            names = self._reached[obj.__name__]
            state = {name: value for name, value in vars(obj).items() if names is None or name in names}
            for name in (names or frozenset()) - state.keys():  # which the module's __getattr__ may know
                with suppress(Exception):
                    state[name] = getattr(obj, name)
            for name in ("__builtins__", "__loader__", "__spec__", "__cached__"):
                state.pop(name, None)
            return ModuleType, (obj.__name__,), state
        if isinstance(obj, functools._lru_cache_wrapper) and obj.__module__ in self._reached:
            return _cached, (obj.__wrapped__, *obj.cache_parameters().values())
        if isinstance(obj, functools.cached_property):  # with a lock, before Python 3.12
            return _cached_property, (obj.func, obj.attrname)
        if type(obj) is np.errstate and hasattr(obj, "_call"):  # it holds a mark that is known by its identity
            options = {name: getattr(obj, f"_{name}") for name in ("all", "divide", "over", "under", "invalid")}
            return functools.partial(np.errstate, **options, **_call_of(obj)), ()
        if isinstance(obj, FunctionType) and hasattr(obj, "registry") and hasattr(obj, "dispatch"):  # functools.singledispatch
            return _dispatching, (obj.registry[object], [item for item in obj.registry.items() if item[0] is not object])
        reduced = super().reducer_override(obj)
        if isinstance(obj, FunctionType) and isinstance(reduced, tuple) and (home := _home(obj)) is not None:
            (code, _, *rest), (attributes, state) = reduced[1:3]
            return _function_of, (home, code, *rest), (attributes, state | {"__globals__": {}}), *reduced[3:]
        if isinstance(obj, type) and isinstance(reduced, tuple) and reduced[0] is internals._make_skeleton_class:
            return _class_of, (self._hooks(obj), *reduced[1]), *reduced[2:]
        return reduced

    def _hooks(self, made: type) -> list[tuple[type, str]]:
        """What code of the user's own takes part in the making of a class, and has already done so."""
        bases = [(base, "__init_subclass__") for base in made.__mro__[1:]]
        kinds = [
            (kind, name) for kind in inspect.getmro(type(made)) for name in ("__new__", "__init__", "__call__", "__prepare__")
        ]
        return [(kind, name) for kind, name in (*bases, *kinds) if name in vars(kind) and owner(kind.__module__) == "user"]


def _home(function: FunctionType) -> str | None:
    """The package, or module of Python's, in which a function was made that has the name of another, as decorators make them."""
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    known = module is not None and vars(module) is function.__globals__ and owner(str(name)) in ("python", "package")
    return str(name) if known else None


def _function_of(home: str, *arguments: Any) -> FunctionType:
    code, *rest = arguments
    return FunctionType(code, vars(importlib.import_module(home)), *rest)


def _class_of(hooks: list[tuple[type, str]], *arguments: Any) -> Any:
    """Make a class as it is, without what its bases and its metaclass do when it is defined."""
    kept = [(kind, name, vars(kind)[name]) for kind, name in hooks if name in vars(kind)]
    for kind, name, _ in kept:
        delattr(kind, name)
    try:
        return internals._make_skeleton_class(*arguments)
    finally:
        for kind, name, value in kept:
            setattr(kind, name, value)


def _call_of(state: np.errstate) -> dict[str, Any]:
    call = state._call  # type: ignore[attr-defined]
    return {"call": call} if call is None or callable(call) or hasattr(call, "write") else {}


def _cached_property(function: Callable[..., Any], name: str | None) -> functools.cached_property[Any]:
    made: functools.cached_property[Any] = functools.cached_property(function)
    if name is not None:
        made.__set_name__(object, name)
    return made


def _dispatching(function: Callable[..., Any], implementations: list[tuple[type, Callable[..., Any]]]) -> Any:
    made = functools.singledispatch(function)
    for kind, implementation in implementations:
        made.register(kind, implementation)
    return made


def _cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    return functools.lru_cache(maxsize, typed)(function)


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: k + 1]) for k in range(len(parts)))


@contextmanager
def _by_value(modules: Iterator[ModuleType]) -> Iterator[None]:
    chosen = list(modules)
    for module in chosen:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in chosen:
            cloudpickle.unregister_pickle_by_value(module)
