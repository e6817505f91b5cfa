"""Untrusted text: a certificate file is read here, and every number in it becomes exact or is refused.

A file may come from anybody. JSON is read strictly: one object, no name twice, and of JSON's numbers only short integers; all
other numbers are strings, for each kind of which there is one strict pattern. What leaves this module is `int`, `bool`, `str` or
`Fraction`; no floating-point number exists in the checker.
"""

from __future__ import annotations

import gc
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from typing import Any

from lmctheory.errors import CertificateError, InvalidInputError

MAX_BYTES = 2**29  # the Hessian of a network of 1000 weights takes 150 MB
START = 4096  # bytes, within which the object must begin
MAX_NAMES = 100  # a certificate modulo permutation has 30
BYTES_EACH, BYTES_MORE = 8, 1000  # there is at least so much text to every array; more arrays would take memory
MAX_DIGITS = 4300  # of a numerator or denominator; 8192 bits have 2467, and a loss may start at 2^-4300
MAX_INTEGER_DIGITS = 9  # of version, precision, digits and indices
SHOWN = 40  # characters of refused text in a message

_EXPONENT = "(?:[0-9]|[1-9][0-9]{1,2}|10[01][0-9]|102[0-%d])"
_FLOAT = (  # as `float.hex` writes it: normal, subnormal, zero
    rf"-?0x(?:1\.[0-9a-f]{{1,13}}p(?:\+{_EXPONENT % 3}|-{_EXPONENT % 2})|0\.[0-9a-f]{{1,13}}p-1022|0\.0p\+0)"
)
_POSITIVE = rf"(?=[0-9]{{1,{MAX_DIGITS}}}(?![0-9]))0*[1-9][0-9]*"
_RADIUS = rf"[0-9]{{1,{MAX_DIGITS}}}(?:/{_POSITIVE})?"
_FRACTION = f"-?{_RADIUS}"


def require(condition: object, reason: str) -> None:
    """Refuse the certificate unless the condition is true."""
    if not condition:
        raise CertificateError(reason)


def read_document(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises
    ------
    InvalidInputError
        If the file cannot be read.
    CertificateError
        If it is too large, not UTF-8, or not one JSON object without repeated names and without other numbers than short
        integers.
    """
    raw = bytearray()
    try:
        with open(source, "rb") as file:
            while len(raw) <= MAX_BYTES and (piece := file.read(2**20)):
                raw += piece
                require(bytes(raw[:START]).lstrip(b" \t\r\n").startswith(b"{"), "the file does not start with a JSON object")
    except (OSError, ValueError) as error:
        if isinstance(error, CertificateError):
            raise
        raise InvalidInputError(f"{os.fspath(source)} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    require(len(raw) <= MAX_BYTES, f"the file has more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CertificateError("the file is not UTF-8 text") from None
    return parse_json(text)


def parse_json(text: str) -> dict[str, Any]:
    """Return the JSON object in the text, read strictly; `CertificateError` says what is wrong with it."""
    require(
        text.count(":") <= MAX_NAMES and BYTES_EACH * text.count("[") <= len(text) + BYTES_MORE,
        "the file has more names or brackets than a certificate",
    )
    try:
        with _no_garbage():
            document = json.loads(
                text, object_pairs_hook=_object, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
            )
    except json.JSONDecodeError as error:
        raise CertificateError(f"the file is not JSON or is cut short: {error.msg} at line {error.lineno}") from None
    except RecursionError:
        raise CertificateError("the file is nested too deeply for a certificate") from None
    require(type(document) is dict, "the file is not a JSON object")
    return dict(document)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep the collector from looking through a million new lists again and again; there are no cycles among them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise CertificateError(f"the name {shown(twice)} appears twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits.removeprefix("-")) > MAX_INTEGER_DIGITS:
        raise CertificateError(f"an integer has more than {MAX_INTEGER_DIGITS} digits: {shown(digits)}")
    return int(digits)


def _no_number(text: str) -> None:
    raise CertificateError(f"numbers must be integers or text, got {shown(text)}")


def shown(value: object) -> str:
    """Return the start of what was refused, for a message of one line."""
    text = repr(value if isinstance(value, str | int | bool | None) else type(value).__name__)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


class Shape(ABC):
    """What a part of a document must look like, and the exact object that it stands for.

    A document is checked as a whole before anything is read: `check` costs little, and `read` cannot fail afterwards.
    """

    @abstractmethod
    def check(self, value: Any, where: str) -> None:
        """Refuse a value of another form; `where` names it in the message."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """Return what a value of this form stands for."""

    def are_all(self, values: list[Any]) -> bool:
        """Whether all values are known at once to be of this form; `False` says nothing."""
        return False


class Integer(Shape):
    """A JSON integer in a range; `true` is none."""

    def __init__(self, lowest: int, highest: int) -> None:
        self.lowest, self.highest = lowest, highest

    def check(self, value: Any, where: str) -> None:
        if type(value) is not int or not self.lowest <= value <= self.highest:
            raise CertificateError(f"{where} must be an integer from {self.lowest} to {self.highest}, got {shown(value)}")

    def read(self, value: Any) -> int:
        return int(value)


class Boolean(Shape):
    """`true` or `false`; 0 and 1 are none."""

    def check(self, value: Any, where: str) -> None:
        if type(value) is not bool:
            raise CertificateError(f"{where} must be true or false, got {shown(value)}")

    def read(self, value: Any) -> bool:
        return bool(value)


class Text(Shape):
    """A number in text that matches a pattern."""

    def __init__(self, pattern: str, what: str, exact: Callable[[str], Fraction]) -> None:
        self._one, self._many = re.compile(pattern, re.ASCII), re.compile(f"(?:{pattern} )*{pattern}", re.ASCII)
        self.what, self.exact = what, exact

    def check(self, value: Any, where: str) -> None:
        if type(value) is not str or self._one.fullmatch(value) is None:
            raise CertificateError(f"{where} must be {self.what}, got {shown(value)}")

    def read(self, value: Any) -> Fraction:
        return self.exact(value)

    def are_all(self, values: list[Any]) -> bool:
        return _match(self._many, values)


class Pair(Shape):
    """An array of a midpoint and a radius, fractions in text."""

    _many = re.compile(f"(?:{_FRACTION} {_RADIUS} )*{_FRACTION} {_RADIUS}", re.ASCII)

    def __init__(self, build: Callable[[Fraction, Fraction], Any]) -> None:
        self.build = build

    def check(self, value: Any, where: str) -> None:
        require(type(value) is list and len(value) == 2, f"{where} must be an array of a midpoint and a radius")
        FRACTION.check(value[0], f"the midpoint of {where}")
        RADIUS.check(value[1], f"the radius of {where}")

    def read(self, value: Any) -> Any:
        return self.build(*map(_fraction, value))

    def are_all(self, values: list[Any]) -> bool:
        return all(type(value) is list and len(value) == 2 for value in values) and _match(self._many, [*chain(*values)])


class Array(Shape):
    """A JSON array of values of one form, and of this length."""

    def __init__(self, of: Shape, length: int | None = None) -> None:
        self.of, self.length = of, length

    def check(self, value: Any, where: str) -> None:
        require(type(value) is list, f"{where} must be an array, got {shown(value)}")
        if self.length is not None and len(value) != self.length:
            raise CertificateError(f"{where} must have {self.length} entries, got {len(value)}")
        if not self.of.are_all(value):
            for entry in value:
                self.of.check(entry, where)

    def read(self, value: Any) -> tuple[Any, ...]:
        return tuple([self.of.read(entry) for entry in value])


class Record(Shape):
    """A JSON object that has exactly these names."""

    def __init__(self, build: Callable[..., Any], **shapes: Shape) -> None:
        self.build, self.shapes = build, shapes

    def check(self, value: Any, where: str) -> None:
        require(type(value) is dict, f"{where} must be an object, got {shown(value)}")
        for name in value.keys() - self.shapes.keys():
            raise CertificateError(f"{where} must not have an entry {shown(name)}")
        for name, shape in self.shapes.items():
            require(name in value, f"{where} must have an entry {name!r}")
            shape.check(value[name], f"{name} of {where}")

    def read(self, value: Any) -> Any:
        return self.build(**{name: shape.read(value[name]) for name, shape in self.shapes.items()})


def _match(pattern: re.Pattern[str], values: list[Any]) -> bool:
    """Whether all values are texts without spaces, and match as a list with spaces between."""
    try:
        text = " ".join(values)
    except TypeError:  # one of them is no text
        return False
    return text.count(" ") == len(values) - 1 and pattern.fullmatch(text) is not None


def _fraction(text: str) -> Fraction:
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator), int(denominator or 1))


def _float64(text: str) -> Fraction:
    digits, power = text.removeprefix("-")[2:].split("p")
    lead, behind = digits.split(".")
    mantissa, exponent = int(lead + behind, 16), int(power) - 4 * len(behind)
    number = Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)
    return -number if text.startswith("-") else number


FLOAT64 = Text(_FLOAT, "a float64 number in hexadecimal text, such as '0x1.8p+1'", _float64)
FRACTION = Text(_FRACTION, "a fraction in text, such as '-3/8'", _fraction)
RADIUS = Text(_RADIUS, "a fraction in text that is not negative, such as '3/8'", _fraction)
BOOLEAN = Boolean()
