"""Sending a function to where cells run: the user's own code travels by value, so that only this library is needed there."""

from __future__ import annotations

import functools
import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import cloudpickle
from cloudpickle import cloudpickle as internals

from lmctheory.errors import InvalidInputError
from lmctheory.sweep.keys import Fingerprint

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
            for name in ("__builtins__", "__loader__", "__spec__", "__cached__"):
                state.pop(name, None)
            return ModuleType, (obj.__name__,), state
        if isinstance(obj, functools._lru_cache_wrapper) and obj.__module__ in self._reached:
            return _cached, (obj.__wrapped__, *obj.cache_parameters().values())
        if isinstance(obj, functools.cached_property):  # with a lock, before Python 3.12
            return _cached_property, (obj.func, obj.attrname)
        if isinstance(obj, FunctionType) and hasattr(obj, "registry") and hasattr(obj, "dispatch"):  # functools.singledispatch
            return _dispatching, (obj.registry[object], [item for item in obj.registry.items() if item[0] is not object])
        return super().reducer_override(obj)


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
