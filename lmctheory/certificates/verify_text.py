"""Untrusted text: a certificate file is read here, and every number in it becomes exact or is refused.

A file may come from anybody. JSON is read strictly: one object, no name twice, and of JSON's numbers only short integers; all
other numbers are strings, each of which one strict function parses. What leaves this module is `int`, `bool`, `str` or
`Fraction`; no floating-point number exists in the checker.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from lmctheory.errors import CertificateError, InvalidInputError

MAX_BYTES = 2**29  # the Hessian of a network of 1000 weights takes 150 MB
START = 4096  # bytes, within which the object must begin
MAX_NAMES = 100  # a certificate modulo permutation has 30
BYTES_EACH, BYTES_MORE = 8, 1000  # there is at least so much text to every array; more arrays would take memory
MAX_DIGITS = 4300  # of a numerator or denominator; 8192 bits have 2467, and a loss may start at 2^-4300
MAX_INTEGER_DIGITS = 9  # of version, precision, digits and indices
SHOWN = 40  # characters of refused text in a message

T = TypeVar("T")
Reader = Callable[[Any, str], T]

_FLOAT = re.compile(r"(-?)0x([01])\.([0-9a-f]{1,13})p([+-](?:0|[1-9][0-9]{0,3}))", re.ASCII)
_FRACTION = re.compile(rf"(-?[0-9]{{1,{MAX_DIGITS}}})(?:/([0-9]{{1,{MAX_DIGITS}}}))?", re.ASCII)


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
        document = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        raise CertificateError(f"the file is not JSON or is cut short: {error.msg} at line {error.lineno}") from None
    except RecursionError:
        raise CertificateError("the file is nested too deeply for a certificate") from None
    require(type(document) is dict, "the file is not a JSON object")
    return dict(document)


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


def integer(lowest: int, highest: int) -> Reader[int]:
    """Return the reader of JSON integers in a range; `true` is none."""

    def read(value: Any, where: str) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise CertificateError(f"{where} must be an integer from {lowest} to {highest}, got {shown(value)}")
        return value

    return read


def boolean(value: Any, where: str) -> bool:
    """Return a JSON boolean; 0 and 1 are none."""
    if type(value) is not bool:
        raise CertificateError(f"{where} must be true or false, got {shown(value)}")
    return value


def float64(value: Any, where: str) -> Fraction:
    """Return the exact value of a float64 number in hexadecimal, as `float.hex` writes it; NaN and infinity are none."""
    match = _FLOAT.fullmatch(value) if type(value) is str else None
    if match is None:
        raise CertificateError(f"{where} must be a float64 number in hexadecimal text, such as '0x1.8p+1', got {shown(value)}")
    sign, lead, digits, power = match.groups()
    mantissa, exponent = int(lead + digits, 16), int(power) - 4 * len(digits)
    if mantissa:
        trailing = (mantissa & -mantissa).bit_length() - 1
        mantissa, exponent = mantissa >> trailing, exponent + trailing
        if exponent < -1074 or exponent + mantissa.bit_length() > 1024:
            raise CertificateError(f"{where} is not a float64 number: {shown(value)}")
    number = Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent) if mantissa else Fraction(0)
    return -number if sign else number


def fraction(value: Any, where: str) -> Fraction:
    """Return the rational number in text such as '-3/8'."""
    match = _FRACTION.fullmatch(value) if type(value) is str else None
    if match is None or (match[2] is not None and not match[2].strip("0")):
        raise CertificateError(f"{where} must be a fraction in text, such as '-3/8', got {shown(value)}")
    return Fraction(int(match[1]), int(match[2] or 1))


def sequence(read: Reader[T], length: int | None = None) -> Reader[tuple[T, ...]]:
    """Return the reader of JSON arrays with these entries, and of this length."""

    def read_all(value: Any, where: str) -> tuple[T, ...]:
        if type(value) is not list:
            raise CertificateError(f"{where} must be an array, got {shown(value)}")
        if length is not None and len(value) != length:
            raise CertificateError(f"{where} must have {length} entries, got {len(value)}")
        return tuple([read(entry, where) for entry in value])

    return read_all


def record(readers: Mapping[str, Reader[Any]]) -> Reader[dict[str, Any]]:
    """Return the reader of JSON objects that have exactly these names."""

    def read_all(value: Any, where: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise CertificateError(f"{where} must be an object, got {shown(value)}")
        for name in value.keys() - readers.keys():
            raise CertificateError(f"{where} must not have an entry {shown(name)}")
        for name in readers.keys() - value.keys():
            raise CertificateError(f"{where} must have an entry {name!r}")
        return {name: read(value[name], f"{name} of {where}") for name, read in readers.items()}

    return read_all


def is_matrix(rows: Sequence[Sequence[Any]]) -> bool:
    """Whether there are rows, all of one positive length."""
    return bool(rows) and bool(rows[0]) and all(len(row) == len(rows[0]) for row in rows)
