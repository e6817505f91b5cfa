"""Balls around exact numbers, and exact numbers from balls: the only bridge between the file and ball arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from flint import arb, ctx, fmpq


@contextmanager
def working(bits: int, terms: int = 1) -> Iterator[None]:
    """Compute with so many bits, and with so many terms of power series."""
    before = ctx.cap
    try:
        ctx.cap = terms
        with ctx.workprec(bits):
            yield
    finally:
        ctx.cap = before


def ball(value: Fraction) -> arb:
    """Return a ball that contains a fraction."""
    return arb(fmpq(value.numerator, value.denominator))


def ball_between(low: Fraction, high: Fraction) -> arb:
    """Return a ball that contains the interval from low to high."""
    return arb(ball((low + high) / 2), ball((high - low) / 2))


def within(radius: Fraction) -> arb:
    """Return a ball that contains all numbers whose absolute value is at most the radius."""
    return arb(0, ball(radius))


def lies_between(found: arb, low: Fraction, high: Fraction) -> bool:
    """Whether all of the ball lies in the interval from low to high; for low = high the ball must be that number."""
    if low == high:
        return bool(found.is_exact() and found == ball(low))
    return bool(found >= ball(low) and found <= ball(high))


def root(square: arb) -> arb:
    """Return the root of what is not negative, although its ball may reach below 0."""
    return square.sqrt() if square > 0 else arb(0).union(square.abs_upper().sqrt())


def floor_of(value: arb, bits: int) -> int:
    """Return an integer that is at most ``2^bits`` times every number in the ball, by less than 1 at its lower end."""
    mantissa, exponent = value.lower().man_exp()  # ValueError where the ball is not finite
    shift = int(exponent) + bits
    return int(mantissa) << shift if shift >= 0 else int(mantissa) >> -shift
