"""What every ready rule has: its text, its conditions, its planted worlds, its figure and its power."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from lmctheory import _checks
from lmctheory.claims.data import Measured
from lmctheory.claims.interval import simultaneous
from lmctheory.claims.verdict import Condition, Conditions, Verdict
from lmctheory.errors import InvalidInputError

Worlds = dict[str, tuple[Measured, Verdict]]


@dataclass(frozen=True)
class Rule(ABC):
    """A decision rule: a pure function of data, with planted worlds in which its claim is false, and true.

    A claim is SUPPORTED if every condition holds, each by an interval at `level`. It is REFUTED if one condition fails, by
    intervals that hold together at `level` (Bonferroni), because one is enough.
    """

    level: float = 0.95

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checks.probability("level", self.level))

    @property
    @abstractmethod
    def text(self) -> str:
        """The rule in words, with its numbers."""

    @abstractmethod
    def count(self, data: Measured) -> int:
        """Return the number of conditions that the rule has on these data."""

    @abstractmethod
    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Return the conditions; one is False only by an interval at `refuting_level`."""

    @abstractmethod
    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """Return data made out of the measured ones for which the claim is false, and true: by name, with the verdict due."""

    @abstractmethod
    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Draw the default figure of the data into the matplotlib Axes."""

    def judge(self, data: Measured, rng: np.random.Generator) -> Conditions:
        """Return the conditions on these data."""
        return self.conditions(data, rng, simultaneous(self.level, self.count(data)))


def power(conditions: Conditions, must_be: Verdict) -> float | None:
    """Return the probability of the verdict `must_be` in a world of these conditions, at their sample size.

    Estimates are taken as normal around the values of the conditions, with the standard errors that their intervals imply;
    conditions as dependent in the worst way. None where a condition has no interval.
    """
    if must_be is Verdict.REFUTED:
        found = [_fails(condition) for condition in conditions.conditions]
        return None if all(p is None for p in found) else max(p for p in found if p is not None)
    found = [_holds(condition) for condition in conditions.conditions]
    return None if None in found else max(0.0, 1 - sum(1 - p for p in found if p is not None))


def _holds(condition: Condition) -> float | None:
    error, bound = _error(condition), condition.bound
    if error is None or condition.value is None or condition.interval is None or condition.interval.level is None:
        return None
    z = norm.isf((1 - condition.interval.level) / 2)
    inside = [norm.cdf(distance / error - z) for distance in _distances(condition.value, bound) if math.isfinite(distance)]
    return float(max(0.0, 1 - sum(1 - p for p in inside)))


def _fails(condition: Condition) -> float | None:
    error, bound = _error(condition), condition.bound
    refuting = condition.refuting or condition.interval
    if error is None or condition.value is None or refuting is None or refuting.level is None:
        return None
    z = norm.isf((1 - refuting.level) / 2)
    outside = [norm.cdf(-distance / error - z) for distance in _distances(condition.value, bound) if math.isfinite(distance)]
    return float(max(outside, default=0.0))


def _distances(value: float, bound: Any) -> tuple[float, float]:
    return value - bound.low, bound.high - value


def _error(condition: Condition) -> float | None:
    """The standard error that the interval of a condition implies."""
    interval = condition.interval
    if interval is None or interval.level is None or not hasattr(condition.bound, "low"):
        return None
    half = (interval.high - interval.low) / 2
    return half / float(norm.isf((1 - interval.level) / 2)) if 0 < half < math.inf else None


def at_cell(function: Callable[..., Any], cell: Mapping[str, Any], *before: Any) -> Any:
    """Call ``function(*before, **cell)`` with the parameters of the cell that it takes."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return function(*before, **cell)
    taken = [parameter.name for parameter in parameters][len(before) :]
    missing = [name for name in taken if name not in cell]
    if missing:
        raise InvalidInputError(f"a function of the cell must take its parameters, {', '.join(cell)}, got one of {missing[0]!r}")
    return function(*before, **{name: cell[name] for name in taken})


def positive_target(function: float | Callable[..., Any], cell: Mapping[str, Any]) -> float:
    """Return the number or the value of the curve at the cell; zero is refused."""
    value = _checks.real("f", at_cell(function, cell) if callable(function) else function)
    if value == 0:
        raise InvalidInputError("f must not be zero, margins are shares of it: the rule for what vanishes is vanishes()")
    return value
