"""What the checkers of certificates read: exact weights and intervals, from the texts in a file, and balls around them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from flint import arb, fmpq

from lmctheory.errors import CertificateError

MAX_PRECISION = 2**15
GUARD_BITS = 64  # by which the check is more precise than the search was

Network: TypeAlias = tuple[list[list[Fraction]], list[Fraction]]
Json: TypeAlias = dict[str, Any]


def require(condition: object, reason: str) -> None:
    """Refuse the certificate unless the condition is true."""
    if not condition:
        raise CertificateError(reason)


def network(text: Json) -> Network:
    """Return the exact weights of a network."""
    require(text.keys() == {"W", "a"}, "a network must have weights W and a")
    W = [[Fraction(float.fromhex(x)) for x in row] for row in text["W"]]
    a = [Fraction(float.fromhex(x)) for x in text["a"]]
    require(len(W) == len(a) > 0 and len({len(row) for row in W}) == 1 and W[0], "the weights of a network must be a matrix")
    return W, a


def interval(text: Sequence[str]) -> tuple[Fraction, Fraction]:
    """Return the ends of an enclosure."""
    midpoint, radius = map(Fraction, text)
    require(radius >= 0, "a radius is negative")
    return midpoint - radius, midpoint + radius


def ball(value: Fraction) -> arb:
    """Return a fraction as a ball."""
    return arb(fmpq(value.numerator, value.denominator))


def lies_in(found: arb, text: Sequence[str]) -> bool:
    """Whether the ball lies in the stated enclosure."""
    low, high = interval(text)
    return bool(found >= ball(low) and found <= ball(high)) if low < high else bool(found == ball(low) and found.is_exact())


def root(square: arb) -> arb:
    """Return the root of what is not negative, although its ball may reach below 0."""
    return square.sqrt() if square > 0 else arb(0).union(square.abs_upper().sqrt())
