"""Canonical hashes of plain values: numbers, strings, containers, arrays."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from types import EllipsisType, MappingProxyType, NoneType, NotImplementedType
from typing import Any, TypeAlias

import numpy as np

VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
Digest: TypeAlias = Callable[[Any, str], bytes]  # of a value, and where it was found


def combine(tag: str, *parts: bytes) -> bytes:
    """Return the hash of a tag and of parts, each with its length, so that no two lists of parts are confused."""
    digest = hashlib.sha256(f"{len(tag)} {tag}".encode())
    for part in parts:
        digest.update(b"%d " % len(part) + part)
    return digest.digest()


def atom(value: Any) -> bytes | None:
    """Return the hash of a number, string, None and the like; None if `value` is something else."""
    kind = type(value)
    if kind in (NoneType, bool, int, complex, EllipsisType, NotImplementedType):
        if kind is complex:
            return combine("complex", struct.pack("<dd", value.real, value.imag))
        return combine(kind.__name__, _integer(value) if kind is int else repr(value).encode())
    if kind is float:
        return combine("float", struct.pack("<d", value))
    if kind is str:
        return combine("str", value.encode("utf-8", "surrogatepass"))
    if kind in (bytes, bytearray, memoryview):
        return combine(kind.__name__, bytes(value))
    return None


def container(value: Any, digest: Digest) -> bytes | None:
    """Return the hash of a built-in container, an array or a scalar of NumPy; None if `value` is something else."""
    kind = type(value)
    if kind in (tuple, list):
        return combine(kind.__name__, *(digest(item, f"[{k}]") for k, item in enumerate(value)))
    if kind in (dict, MappingProxyType):  # with the order, which a function can see
        return combine(kind.__name__, *(digest(part, f"[{key!r}]") for key, item in value.items() for part in (key, item)))
    if kind in VIEWS:
        return combine(kind.__name__, *(digest(item, f"[{k}]") for k, item in enumerate(value)))
    if isinstance(value, np.ndarray):
        return _array(value, digest)
    if isinstance(value, np.generic):
        return combine("scalar", _array(np.asarray(value), digest))
    if isinstance(value, np.dtype):
        return combine("dtype", repr(value).encode())
    return None


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _array(value: np.ndarray, digest: Digest) -> bytes:
    kind: tuple[bytes, ...] = () if type(value) in (np.ndarray, np.memmap) else (digest(type(value), ""),)
    if isinstance(value, np.ma.MaskedArray):
        kind += (_array(np.ma.getmaskarray(value), digest), digest(value.fill_value, ".fill_value"))
    array = np.asarray(value)
    shape, dtype = repr(array.shape).encode(), repr(array.dtype).encode()
    return combine("array", shape, dtype, *kind, *_entries(array, digest), *_attributes(value, digest))


def _entries(array: np.ndarray, digest: Digest) -> Iterable[bytes]:
    if array.dtype.names:  # field by field: there may be gaps between them
        return (combine(name, *_entries(array[name], digest)) for name in array.dtype.names)
    if array.dtype.hasobject or array.dtype.kind == "T":
        return (digest(item, f"[{k}]") for k, item in enumerate(array.ravel().tolist()))
    if array.dtype.type in (np.longdouble, np.clongdouble):  # whose bytes have gaps
        return (repr(item).encode() for item in array.ravel())
    return (array.tobytes(),)


def _attributes(value: np.ndarray, digest: Digest) -> Iterable[bytes]:
    """Hashes of what an array of a user's own type carries beside its entries."""
    own = {} if isinstance(value, np.ma.MaskedArray) else getattr(value, "__dict__", {})
    return (combine(name, digest(own[name], f".{name}")) for name in sorted(own))
