"""Intervals that answer whether a bound holds, and levels at which several intervals hold together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lmctheory import _checks
from lmctheory.errors import InvalidInputError

KINDS = ("marginal", "simultaneous", "confidence set", "sample extreme", "proved", "exact", "estimate")


@dataclass(frozen=True)
class Interval:
    """What is known about a number: that it lies in ``[low, high]``, at confidence `level`.

    Parameters
    ----------
    low, high : float
        May be infinite: nothing is known on that side.
    level : float, optional
        Confidence in (0, 1); None for what is proved, exact or an extreme of a sample.
    kind : str
        "marginal": one interval at its own level; "simultaneous": it holds together with others at `level`; "confidence set": the
        hull of one; "sample extreme": what was seen in the sample, without a statement on what was not; "proved": by a
        certificate; "exact": no randomness; "estimate": no interval is known.

    Raises
    ------
    InvalidInputError
        If an end is NaN, the ends are in the wrong order, or `level` or `kind` is not as above.

    Examples
    --------
    >>> from lmctheory.claims import Interval
    >>> exponent = Interval(-1.7, -1.2, level=0.95)
    >>> exponent.below(-1), exponent.below(-2), exponent.below(-1.5)
    (True, False, None)
    """

    low: float
    high: float
    level: float | None = None
    kind: str = "marginal"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise InvalidInputError(f"{name} must be a real number, got {_checks.describe(value)}") from None
            if math.isnan(number):
                raise InvalidInputError(f"{name} must be a number, got nan: an end of which nothing is known is infinite")
            object.__setattr__(self, name, number)
        if self.low > self.high:
            raise InvalidInputError(f"low must be at most high, got {self.low} and {self.high}")
        if self.level is not None:
            object.__setattr__(self, "level", _checks.probability("level", self.level))
        _checks.choice("kind", self.kind, KINDS)

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))

    def below(self, x: float) -> bool | None:
        """Return whether the number is at most `x`: True or False if the interval decides it, else None."""
        return True if self.high <= x else False if self.low > x else None

    def above(self, x: float) -> bool | None:
        """Return whether the number is at least `x`: True or False if the interval decides it, else None."""
        return True if self.low >= x else False if self.high < x else None

    def inside(self, a: float, b: float) -> bool | None:
        """Return whether the number lies in ``[a, b]``: True or False if the interval decides it, else None."""
        if self.low >= a and self.high <= b:
            return True
        return False if self.low > b or self.high < a else None

    def of_kind(self, kind: str) -> Interval:
        """Return the same interval, said to be of another kind."""
        return replace(self, kind=kind)

    def __str__(self) -> str:
        return f"[{measured_text(self.low)}, {measured_text(self.high)}]"


UNKNOWN = Interval(-math.inf, math.inf, kind="estimate")


def at_most(x: float) -> Interval:
    """Return the numbers up to `x`, as the bound of a `Condition`."""
    return Interval(-math.inf, x, kind="exact")


def at_least(x: float) -> Interval:
    """Return the numbers from `x` on, as the bound of a `Condition`."""
    return Interval(x, math.inf, kind="exact")


def simultaneous(level: float, n: int) -> float:
    """Return the level at which each of `n` intervals must hold for all to hold together at `level` (Bonferroni).

    Examples
    --------
    >>> from lmctheory.claims import simultaneous
    >>> round(simultaneous(0.95, 5), 3)
    0.99
    """
    return 1 - (1 - _checks.probability("level", level)) / _checks.integer("n", n, 1)


def number_text(value: float) -> str:
    """Return at most three significant digits, of what was chosen and not measured; an integer in full."""
    if math.isfinite(value) and value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}"


def measured_text(value: float) -> str:
    """Return three significant digits, trailing zeros too; zero and infinities as they are."""
    return f"{value:#.3g}".removesuffix(".") if math.isfinite(value) and value else f"{value:g}"
