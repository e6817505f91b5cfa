"""Results of cells as numbers and arrays: stored by their fields, loaded as the same type."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.errors import InvalidInputError, StoreError
from lmctheory.sweep.tables import LAYOUT

WANTED = "a cell must return a number, a dict of numbers and arrays, or a result of the library"


def stored(result: Any, parameters: Container[str] = ()) -> dict[str, Any]:
    """Return `result` as columns: numbers, strings and arrays by name, those of nested results by path, ``polish.0.success``.

    A dict of numbers and arrays is its own columns. What has a name of `parameters`, those of its cell, is called
    ``result.name``.

    Raises
    ------
    InvalidInputError
        If the result, or a part of it, is neither a number, text, array nor a result of the library.
    """
    if result is None:
        raise InvalidInputError(f"{WANTED}, got None: is a return missing?")
    columns: dict[str, Any] = {}
    layout = _take_apart(result, "", columns, parameters)
    if isinstance(result, dict) and all(part == name for name, part in layout["dict"].items()):
        return columns  # needs no layout
    return columns | {LAYOUT: json.dumps(layout)}


def restored(columns: Mapping[str, Any]) -> Any:
    """Return the result that `stored` has taken apart."""
    if LAYOUT not in columns:
        return dict(columns)
    try:
        return _put_together(json.loads(columns[LAYOUT]), columns)
    except (LookupError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise StoreError(f"a stored result cannot be read by this version ({type(error).__name__}: {error})") from error


def _take_apart(value: Any, path: str, columns: dict[str, Any], parameters: Container[str]) -> Any:
    """Add the leaves of `value` to `columns` and return its layout: the name of a column, or a container of layouts."""
    name = path or "value"
    if name in parameters:
        name = f"result.{name}"
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        columns[name] = value
        return name
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufcU":
            raise InvalidInputError(f"{WANTED}, got an array of dtype {value.dtype} at {name!r}")
        columns[name] = value
        return name
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        if len({type(item) for item in value}) == 1 and type(value[0]) in (bool, float, str):
            columns[name] = np.array(value)
            return {f"{kind} of": name}
        return {kind: [_take_apart(item, _under(path, k), columns, parameters) for k, item in enumerate(value)]}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidInputError(f"{WANTED}; names in a dict must be strings, got {list(value)[:3]!r} at {name!r}")
        return {"dict": {key: _take_apart(item, _under(path, key), columns, parameters) for key, item in value.items()}}
    cls = type(value)
    if dataclasses.is_dataclass(cls) and cls.__module__.split(".")[0] == "lmctheory":
        fields = {
            field.name: _take_apart(getattr(value, field.name), _under(path, field.name), columns, parameters)
            for field in dataclasses.fields(cls)
        }
        return {"type": f"{cls.__module__}:{cls.__qualname__}", "fields": fields}
    raise InvalidInputError(f"{WANTED}, got {_checks.describe(value)} of type {cls.__name__} at {name!r}")


def _put_together(layout: Any, columns: Mapping[str, Any]) -> Any:
    if isinstance(layout, str):
        return columns[layout]
    if "type" in layout:
        module, _, name = layout["type"].partition(":")
        if module.split(".")[0] != "lmctheory":
            raise ValueError(f"{layout['type']} is no result of the library")
        cls = getattr(importlib.import_module(module), name)
        if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
            raise ValueError(f"{layout['type']} is no result of the library")
        make: Any = cls
        return make(**{field: _put_together(part, columns) for field, part in layout["fields"].items()})
    if "dict" in layout:
        return {key: _put_together(part, columns) for key, part in layout["dict"].items()}
    for kind, cls in (("tuple", tuple), ("list", list)):
        if kind in layout:
            return cls(_put_together(part, columns) for part in layout[kind])
        if f"{kind} of" in layout:
            return cls(columns[layout[f"{kind} of"]].tolist())
    raise ValueError(f"unknown layout {layout!r}")


def _under(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path else str(name)
