"""What counts as rounding: the precision of a loss, read off its values, and the tolerance that follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory.errors import InvalidInputError
from lmctheory.strategies.cases import Arrays

RTOL = 1e-8
SINGLE_FACTOR = 8  # twelve times as much as was seen in losses on 20 inputs: see docs/property-testing.md
SINGLE_ROUNDOFF = 2.0**-24
STEP = 2.0**-3
DIRECTIONS = 3


@dataclass(frozen=True)
class Comparison:
    """Two values of a loss, and what they may differ by: ``atol + rtol * max(|before|, |after|)``."""

    before: float
    after: float
    atol: float
    rtol: float
    single: bool
    unasked: bool = True  # whether the tolerances are the defaults
    half: bool = False  # whether all values seen so far are numbers of half precision

    @property
    def size(self) -> float:
        return max(abs(self.before), abs(self.after))

    @property
    def difference(self) -> float:
        return abs(self.before - self.after)

    @property
    def tolerance(self) -> float:
        return self.atol + self.rtol * self.size

    @property
    def equal(self) -> bool:
        if self.before == self.after:
            return True
        return math.isfinite(self.difference) and self.difference <= self.tolerance

    @property
    def numbers(self) -> bool:
        return not (math.isnan(self.before) or math.isnan(self.after))


class Judge:
    """Compares values of a loss at weights; the precision is single as long as all values seen are float32 numbers.

    A correct sum of n products in floating-point arithmetic is the exact sum of products that are changed by relative errors
    of up to n unit roundoffs u, and of about sqrt(n) u if roundings are independent (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd edition, sections 2.8 and 3.1). So the values of a correct loss may differ by what relative
    changes of the weights of this size do to the loss: ``atol`` is `rtol` times the `sensitivity`, unless given.
    """

    def __init__(self, loss: Callable[[Arrays], Any], rtol: float | None, atol: float | None) -> None:
        self._loss, self._rtol, self._atol = loss, rtol, atol
        self.single = self.half = True
        self.lenient = False  # whether values passed as equal that are not in double precision

    def value(self, weights: Arrays) -> float:
        returned = self._loss(weights)
        dtype = str(getattr(returned, "dtype", "")).removeprefix("torch.")
        try:
            if isinstance(returned, str | bytes) or dtype.startswith("complex") or np.ma.is_masked(returned):
                raise TypeError  # of all these float makes a number
            value = float(returned)
        except (TypeError, ValueError):
            raise InvalidInputError(f"loss must return one real number, got {returned!r}") from None
        if dtype.startswith(("float16", "bfloat16", "float8")) and None in (self._rtol, self._atol):
            raise InvalidInputError(
                f"loss must compute in single or double precision, got a value in {dtype}, "
                "whose rounding errors hide most faults: convert the weights, or pass rtol and atol"
            )
        if isinstance(returned, int) or (math.isfinite(value) and not _is_single(value)):
            self.single = False
        self.half = self.half and _is_half(value)
        return value

    def compare(self, before: Arrays, after: Arrays, complete: bool = False) -> Comparison:
        """Return both values and their tolerance; `atol` is only worked out where it matters, or if all is asked for."""
        first, second = self.value(before), self.value(after)
        single = self.single and self._rtol is None
        longest = max((n for array in before.values() for n in array.shape), default=1)
        rtol = RTOL if self._rtol is None else self._rtol
        if single:
            rtol = SINGLE_FACTOR * SINGLE_ROUNDOFF * math.sqrt(longest)
        unasked = self._rtol is None and self._atol is None
        found = Comparison(first, second, self._atol or 0.0, rtol, single, unasked)
        if single and found.difference > RTOL * found.size:
            self.lenient = True
        if self._atol is None and found.numbers and (complete or not found.equal):
            sensitivity = max(self.sensitivity(weights, value) for weights, value in ((before, first), (after, second)))
            found = Comparison(first, second, rtol * sensitivity, rtol, single, unasked, self.half)
        return found

    def sensitivity(self, weights: Arrays, value: float) -> float:
        """Return how much the loss changes with the weights, relative to their relative change, by finite differences.

        The step is large compared with roundoffs, so that a jump of the loss, which is a fault, counts little.
        """
        rng = np.random.default_rng(0)
        changes = [0.0]
        for _ in range(DIRECTIONS):
            moved = {
                name: array
                if array.dtype.kind != "f"
                else array * (1 + STEP * rng.choice([-1.0, 1.0], array.shape) * rng.uniform(0.5, 1.5, array.shape))
                for name, array in weights.items()
            }
            change = abs(self.value(moved) - value) / STEP
            if math.isfinite(change):
                changes.append(change)
        return max(changes)


def _is_half(value: float) -> bool:
    """Whether a value is a number of one of the two formats of half precision."""
    with np.errstate(over="ignore"):
        bits = int(np.float32(value).view(np.uint32))
        return float(np.float16(value)) == value or (_is_single(value) and bits & 0xFFFF == 0)


def _is_single(value: float) -> bool:
    with np.errstate(over="ignore"):
        return float(np.float32(value)) == value
