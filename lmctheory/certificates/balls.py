"""Balls of real numbers: exact weights, boxes around them, and functions that stay finite at the ends of their domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeAlias

from lmctheory._checks import FloatArray
from lmctheory.errors import MissingDependencyError

try:
    from flint import arb, ctx, fmpq
except ImportError as error:
    raise MissingDependencyError("certificates need python-flint: pip install 'lmctheory[certify]'") from error

Row: TypeAlias = Sequence[arb]
Rows: TypeAlias = Sequence[Row]

__all__ = ["Row", "Rows", "arb", "between", "box", "ctx", "dot", "exact_row", "exact_rows", "fraction", "root", "total"]


def exact_row(values: FloatArray) -> list[arb]:
    """Return the vector ``(n,)`` of float64 numbers as balls of radius 0."""
    return [arb(value) for value in values.tolist()]


def exact_rows(matrix: FloatArray) -> list[list[arb]]:
    """Return the matrix ``(m, d)`` of float64 numbers as balls of radius 0."""
    return [exact_row(row) for row in matrix]


def box(rows: Rows, radius: arb | float) -> list[list[arb]]:
    """Return the box of all rows whose entries differ from `rows` by at most `radius`."""
    width = arb(0, arb(radius).abs_upper())
    return [[entry + width for entry in row] for row in rows]


def between(low: arb | int, high: arb | int) -> arb:
    """Return a ball that contains the interval from `low` to `high`."""
    return arb(low).union(arb(high))


def fraction(value: Fraction) -> arb:
    """Return a rational number; dyadic ones of few bits are exact."""
    return arb(fmpq(value.numerator, value.denominator))


def dot(u: Row, v: Row) -> arb:
    """Return ``u . v``."""
    return total(x * y for x, y in zip(u, v, strict=True))


def total(terms: Iterable[arb]) -> arb:
    """Return the sum of the terms, 0 if there are none."""
    return sum(terms, arb(0))


def root(square: arb) -> arb:
    """Return the square root of a number that is known not to be negative, although its ball may reach below 0."""
    return square.sqrt() if square > 0 else between(0, arb(square.abs_upper()).sqrt().upper())
