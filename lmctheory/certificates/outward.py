"""Exact numbers in decimals whose error is on the safe side: what is printed never says more than what is known."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

DIGITS = 25  # of a midpoint at most


def at_most(value: Fraction) -> str:
    """Return a number of three digits that is not less than `value`, such as '4.94e-32'."""
    return f"{_decimal(value, 3, ROUND_CEILING):.2e}"


def at_least(value: Fraction) -> str:
    """Return a number of three digits that is not more than `value`."""
    return f"{_decimal(value, 3, ROUND_FLOOR):.2e}"


def enclosure(midpoint: Fraction, radius: Fraction) -> str:
    """Return 'x +/- r' such that the interval of radius `radius` around `midpoint` lies within r of x; 'x' if both are exact."""
    if radius:
        ratio = min(abs(midpoint) / radius, 10**DIGITS)
        middle = _decimal(midpoint, min(DIGITS, max(2, len(str(int(ratio))) + 1)))
    else:
        middle = _decimal(midpoint, DIGITS).normalize()
    reach = radius + abs(midpoint - Fraction(middle))
    return f"{middle} +/- {_decimal(reach, 2, ROUND_CEILING):.1e}" if reach else str(middle)


def _decimal(value: Fraction, digits: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    context = Context(prec=digits, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))
