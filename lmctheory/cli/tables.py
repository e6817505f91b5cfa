"""Tables of barriers in text files."""

from __future__ import annotations

import csv
import io
import math
import re
from typing import Any

from lmctheory._files import read_text
from lmctheory.cli.files import about
from lmctheory.errors import InvalidInputError

NETWORK_COLUMNS = ("network_a", "network_b")
SEPARATORS = ";\t"  # instead of commas; numbers may then have decimal commas, as spreadsheets of many countries write them
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE)


def read_barriers(path: str) -> tuple[list[float], list[list[float]], list[list[list[int]]] | None]:
    """Return widths in order, the values at each, and the pairs of networks behind them if the table names any."""
    text = read_text(path)
    with about(path):
        header = next(iter(text.splitlines()), "")
        separator = next((mark for mark in SEPARATORS if mark in header and "," not in header), ",")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True, delimiter=separator)
        groups, labelled = _parse_barriers(reader, separator)
        widths = sorted(groups)
        for width in widths:
            if len(groups[width]) < 2:
                raise InvalidInputError(f"width {width:g} must have at least two rows, got 1")
    samples = [[value for value, _ in groups[width]] for width in widths]
    if not labelled:
        return widths, samples, None
    pairs = []
    for width in widths:
        labels: dict[str, int] = {}
        pairs.append([[labels.setdefault(name, len(labels)) for name in names] for _, names in groups[width]])
    return widths, samples, pairs


def _parse_barriers(reader: Any, separator: str) -> tuple[dict[float, list[tuple[float, list[str]]]], bool]:
    groups: dict[float, list[tuple[float, list[str]]]] = {}
    numbers = _Numbers(separator)
    try:
        header = [name.strip() for name in next(reader, [])]
        labelled = any(name in header for name in NETWORK_COLUMNS)
        needed = ("width", "value", *NETWORK_COLUMNS) if labelled else ("width", "value")
        if not set(needed) <= set(header):
            raise InvalidInputError(
                f"the header must name the columns {', '.join(needed)}, got {separator.join(header) or 'nothing'}"
            )
        if len(set(header)) < len(header):
            raise InvalidInputError(f"the header must name each column once, got {separator.join(header)}")
        for fields in reader:
            if not "".join(fields).strip() and len(fields) < 2:
                continue
            if len(fields) != len(header):
                hint = _hint(fields, header, separator)
                raise InvalidInputError(f"a row must have {len(header)} fields, got {len(fields)}{hint}")
            row = dict(zip(header, map(str.strip, fields), strict=True))
            width, value = numbers.read("width", row["width"], positive=True), numbers.read("value", row["value"])
            names = [row[name] for name in NETWORK_COLUMNS] if labelled else []
            if names and ("" in names or names[0] == names[1]):
                raise InvalidInputError(
                    f"network_a and network_b must name two different networks, got {names[0]!r} and {names[1]!r}"
                )
            groups.setdefault(width, []).append((value, names))
    except (InvalidInputError, csv.Error) as error:
        raise InvalidInputError(f"line {max(reader.line_num, 1)}: {error}") from None
    if not groups:
        raise InvalidInputError("must hold at least one row below the header, got none")
    return groups, labelled


def _hint(fields: list[str], header: list[str], separator: str) -> str:
    """Return what may be behind a wrong number of fields, where it shows."""
    if len(fields) == 1 and any(mark in fields[0] for mark in SEPARATORS.replace(separator, "") + ","):
        return " (the header is separated by other characters than the row)"
    if separator == "," and "0" in fields and all(map(NUMBER.fullmatch, fields)):  # such as 8,0,02
        return " (commas separate columns: write decimal points, or semicolons between columns)"
    return ""


class _Numbers:
    """Reads numbers, which have one decimal mark throughout a table."""

    def __init__(self, separator: str) -> None:
        self._commas_allowed = separator != ","
        self._marks: set[str] = set()

    def read(self, name: str, text: str, positive: bool = False) -> float:
        number = text
        if self._commas_allowed:
            self._marks |= set(",.") & set(text)
            if len(self._marks) > 1:
                raise InvalidInputError(f"{name} must have the decimal mark of the numbers above, got {text!r}")
            number = text.replace(",", ".")
        if not NUMBER.fullmatch(number):
            raise InvalidInputError(f"{name} must be a number, got {text!r}")
        value = float(number)
        if not math.isfinite(value) or value < 0 or (positive and value == 0):
            raise InvalidInputError(f"{name} must be finite and {'positive' if positive else 'not negative'}, got {text[:40]}")
        return value
