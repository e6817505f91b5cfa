"""Coerce and validate arguments, once, at the public boundary."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import math
import operator
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lmctheory.errors import InvalidInputError

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]
BoolArray: TypeAlias = NDArray[np.bool_]
Rng: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None

LARGEST_INTEGER = 2**53  # doubles skip integers beyond


def real_array(name: str, value: Any, ndim: int) -> FloatArray:
    """A non-empty, finite, C-contiguous float64 array with `ndim` axes."""
    kind = {1: "a vector", 2: "a matrix"}[ndim]
    for leaf in _leaves(value):
        if doubt := _untrustworthy(leaf) or _inexact(leaf):
            raise InvalidInputError(f"{name} must be {kind} of real numbers, got {doubt} in {describe(value)}")
    try:
        raw = as_array(value)
        if raw.dtype.kind not in "iuf":
            raise TypeError(f"dtype {raw.dtype}")
        if doubt := _inexact(raw):
            raise TypeError(doubt)
        array = np.ascontiguousarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be {kind} of real numbers, got {describe(value)} ({error})") from None
    if raw.ndim != ndim:
        raise InvalidInputError(f"{name} must be {kind}, got an array of shape {raw.shape}")
    if array.size == 0:
        raise InvalidInputError(f"{name} must not be empty, got shape {array.shape}")
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(k) for k in np.argwhere(~finite)[0])
        raise InvalidInputError(f"{name} must be finite, got {array[index]} at index {list(index)}")
    return array


def as_array(value: Any) -> NDArray[Any]:
    """Return NumPy's array of anything array-like; tensors are taken as the numbers they hold, without their gradients.

    Raises
    ------
    ValueError
        If there is no such array, whatever the library that the value is from raises.
    """
    try:
        return np.asarray(value.detach() if getattr(value, "requires_grad", False) is True else value)
    except MemoryError:
        raise
    except Exception as error:  # of the library of the value: no values on this device, in this mode, of this type
        raise ValueError(str(error)) from None


def _leaves(value: Any) -> Iterator[Any]:
    """Yield what nested lists hold; of a list of floats nothing, since floats are what they are."""
    if not isinstance(value, (list, tuple)):
        yield value
    elif set(map(type, value)) != {float}:
        for item in value:
            yield from _leaves(item)


def refuse_masked(name: str, value: Any) -> None:
    """Refuse masked entries, of which NumPy makes numbers or NaN."""
    for leaf in _leaves(value):
        if isinstance(leaf, np.ma.MaskedArray) and np.ma.is_masked(leaf):
            raise InvalidInputError(f"{name} must have no masked entries, got {_untrustworthy(leaf)} in {describe(value)}")


def _untrustworthy(value: Any) -> str:
    """Say what NumPy would read as numbers although it is something else, empty if nothing."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        return f"masked entries ({np.count_nonzero(np.ma.getmaskarray(value))} of {value.size})"
    if isinstance(value, bool) or (isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "b"):
        return "booleans"
    return ""


def _inexact(value: Any) -> str:
    """Say what in a value double precision would change, empty if nothing."""
    if isinstance(value, int):
        return "" if abs(value) <= LARGEST_INTEGER else "integers beyond 2^53"
    if not isinstance(value, (np.ndarray, np.generic)) or value.size == 0:
        return ""
    if value.dtype.kind in "iu" and (value.max() > LARGEST_INTEGER or value.min() < -LARGEST_INTEGER):
        return "integers beyond 2^53"
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        with np.errstate(over="ignore", under="ignore"):
            changed = (value.astype(np.float64) != value) & ~np.isnan(value)
        return f"numbers of more than double precision ({value.dtype})" if changed.any() else ""
    return ""


def same_dimension(name: str, value: int, other: str, expected: int) -> None:
    """Refuse input dimensions that differ."""
    if value != expected:
        raise InvalidInputError(f"{name} must have the input dimension of {other}, d = {expected}, got d = {value}")


def instance(name: str, value: Any, expected: type) -> Any:
    """Refuse anything but an instance of `expected`."""
    if not isinstance(value, expected):
        raise InvalidInputError(f"{name} must be a {expected.__name__}, got {describe(value)}")
    return value


def items(name: str, value: Any, what: str, minimum: int = 1) -> list[Any]:
    """The members of a sequence of at least `minimum`; `what` names them in the plural."""
    expected = f"{name} must be a sequence of {what}, at least {({1: 'one', 2: 'two'})[minimum]}"
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise InvalidInputError(f"{expected}, got {describe(value)}")
    try:
        members = list(value)
    except Exception:  # an array without axes
        raise InvalidInputError(f"{expected}, got {describe(value)}") from None
    if len(members) < minimum:
        raise InvalidInputError(f"{expected}, got {len(members) or 'none'}")
    return members


def integer(name: str, value: Any, minimum: int) -> int:
    """An integer that is at least `minimum`; booleans and floats are refused."""
    try:
        if _untrustworthy(value):
            raise TypeError
        number = operator.index(value)
    except (TypeError, RuntimeError):  # the latter of tensors without values
        raise InvalidInputError(f"{name} must be an integer, got {describe(value)}") from None
    if number < minimum:
        raise InvalidInputError(f"{name} must be at least {minimum}, got {number}")
    return number


def real(name: str, value: Any, *, positive: bool = False, non_negative: bool = False) -> float:
    """A finite float, positive or non-negative where asked."""
    try:
        if isinstance(value, (str, bytes)) or np.ndim(value) > 0 or _untrustworthy(value) or _inexact(value):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last of tensors without values
        raise InvalidInputError(f"{name} must be a real number, got {describe(value)}") from None
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} must be finite, got {number}")
    if positive and number <= 0:
        raise InvalidInputError(f"{name} must be positive, got {number}")
    if non_negative and number < 0:
        raise InvalidInputError(f"{name} must not be negative, got {number}")
    return number


def probability(name: str, value: Any) -> float:
    """A float strictly between 0 and 1."""
    number = real(name, value)
    if not 0 < number < 1:
        raise InvalidInputError(f"{name} must lie strictly between 0 and 1, got {number}")
    return number


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """One of the named options; a near miss is suggested."""
    options = list(options)
    if isinstance(value, str) and value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InvalidInputError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}{hint}")


def permutation(name: str, value: Any, size: int) -> IntArray:
    """A gather index array that holds each of ``0 .. size - 1`` once."""
    raw = integer_array(name, value, (size,))
    if not np.array_equal(np.sort(raw), np.arange(size)):
        raise InvalidInputError(f"{name} must hold each of 0..{size - 1} exactly once, got {raw.tolist()}")
    return raw


def integer_array(name: str, value: Any, shape: tuple[int, ...]) -> IntArray:
    """An integer array of the given shape; booleans and floats are refused."""
    doubt = next(filter(None, map(_untrustworthy, _leaves(value))), "")
    try:
        raw = as_array(value)
    except ValueError:  # ragged, say
        raw = np.empty(0)
    if doubt or raw.dtype.kind not in "iu" or raw.shape != shape:
        got = f"{doubt} in {describe(value)}" if doubt else describe(value)
        raise InvalidInputError(f"{name} must be integers of shape {shape}, got {got}")
    if raw.size and raw.max() > np.iinfo(np.intp).max:
        raise InvalidInputError(f"{name} must be integers of at most 2^63 - 1, got {raw.max()}")
    return raw.astype(np.intp)


def mask(name: str, value: Any, *shapes: tuple[int, ...]) -> BoolArray:
    """A copy of a boolean array of one of the shapes, or of a matrix if none are given; numbers are refused."""
    refuse_masked(name, value)
    try:
        raw = as_array(value)
    except ValueError:  # ragged, say
        raw = np.empty(0)
    if raw.dtype.kind != "b" or (raw.shape not in shapes if shapes else raw.ndim != 2):
        expected = f"booleans of shape {' or '.join(map(str, shapes))}" if shapes else "a matrix of booleans"
        raise InvalidInputError(f"{name} must be {expected}, got {describe(value)}")
    return np.array(raw, order="C")


def seed_sequence(rng: Rng) -> np.random.SeedSequence:
    """The root of a call's random streams.

    An int or a SeedSequence always gives the same root, a Generator is advanced by one draw, None asks the
    operating system.
    """
    if rng is None:
        return np.random.SeedSequence()
    if isinstance(rng, np.random.SeedSequence):
        return np.random.SeedSequence(rng.entropy, spawn_key=rng.spawn_key)
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence([int(k) for k in rng.integers(0, 2**32, size=4)])
    return np.random.SeedSequence(integer("rng", rng, 0))


def stream(root: np.random.SeedSequence, *path: str | int) -> np.random.SeedSequence:
    """The named child stream of `root`: it depends on the names alone, not on the order of requests."""
    key = tuple(part if isinstance(part, int) else _digest(part) for part in path)
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *key))


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def describe(value: Any) -> str:
    try:
        return _described(value)
    except Exception:  # of foreign types that show themselves to nobody
        return f"a {type(value).__name__}"


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        kind = "a masked array" if np.ma.is_masked(value) else "an array"
        return f"{kind} of shape {value.shape} and dtype {value.dtype}"
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, np.generic):
        return f"a {type(value).__name__} of shape {tuple(value.shape)} and dtype {value.dtype}"
    text = repr(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    if isinstance(value, (list, tuple)):
        with contextlib.suppress(Exception), warnings.catch_warnings():  # ragged, masked, or of tensors without values
            warnings.simplefilter("ignore")
            text += f" of shape {np.shape(value)}"
    return text
