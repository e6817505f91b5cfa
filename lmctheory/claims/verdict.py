"""What a rule returns: named conditions, each of which holds, fails or is undecided, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.claims.interval import Interval, measured_text, number_text
from lmctheory.errors import InvalidInputError


class Verdict(StrEnum):
    """What the conditions of a rule say of its claim."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def condition(self) -> bool | None:
        """The verdict as a condition of another."""
        return {Verdict.SUPPORTED: True, Verdict.REFUTED: False}.get(self)

    @staticmethod
    def of(*conditions: bool | None) -> Verdict:
        """Return REFUTED if a condition is False, SUPPORTED if all are True, else INCONCLUSIVE (None: undecided)."""
        if any(condition is False for condition in conditions):
            return Verdict.REFUTED
        return Verdict.SUPPORTED if conditions and all(conditions) else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Condition:
    """One condition of a rule, with the number that decides it.

    Parameters
    ----------
    name : str
        What is measured, and where.
    value : float, optional
        The measured number.
    interval : Interval, optional
        What is known about it.
    bound : Interval, float or str, optional
        Where the number must lie; text is shown as it is.
    holds : bool or None
        None: undecided, for want of information. Never False for that reason.
    refuting : Interval, optional
        The wider interval by which the condition would be False where a rule has several conditions: one of them is enough to
        refute, so that these intervals must hold together.
    n : int, optional
        Number of independent units (networks, runs) behind the interval, to say how many it would take.

    Raises
    ------
    InvalidInputError
        If an argument has the wrong type, or `value` is NaN.
    """

    name: str
    value: float | None = None
    interval: Interval | None = None
    bound: Interval | float | str | None = None
    holds: bool | None = None
    refuting: Interval | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInputError(f"name must be a non-empty string, got {self.name!r}")
        holds = bool(self.holds) if isinstance(self.holds, np.bool_) else self.holds
        if holds is not None and not isinstance(holds, bool):
            raise InvalidInputError(f"holds of {self.name!r} must be True, False or None, got {self.holds!r}")
        object.__setattr__(self, "holds", holds)
        if self.value is not None:
            try:
                value = float(self.value)
            except (TypeError, ValueError):
                raise InvalidInputError(f"value of {self.name!r} must be a number, got {_checks.describe(self.value)}") from None
            if math.isnan(value):
                raise InvalidInputError(f"value of {self.name!r} must be a number, got nan: leave it out where it is undefined")
            object.__setattr__(self, "value", value)
        for name in ("interval", "refuting"):
            given = getattr(self, name)
            if isinstance(given, (tuple, list)) and len(given) == 2:
                object.__setattr__(self, name, Interval(*given))
            elif given is not None:
                _checks.instance(name, given, Interval)

    @classmethod
    def judged(
        cls, name: str, value: float | None, interval: Interval, bound: Interval,
        refuting: Interval | None = None, n: int | None = None,
    ) -> Condition:  # fmt: skip
        """Return the condition that the number lies in `bound`.

        It holds if all of `interval` lies in `bound`, fails if all of `refuting` (`interval` if missing) lies outside, and is
        undecided else.

        Examples
        --------
        >>> from lmctheory.claims import Condition, Interval, at_most
        >>> Condition.judged("ratio", 0.8, Interval(0.7, 0.9), at_most(1)).holds
        True
        """
        holds = interval.inside(bound.low, bound.high)
        if not holds:
            holds = False if (refuting or interval).inside(bound.low, bound.high) is False else None
        return cls(name, value, interval, bound, holds, refuting, n)

    @property
    def state(self) -> str:
        """ "holds", "fails" or "undecided"."""
        return {True: "holds", False: "fails", None: "undecided"}[self.holds]

    @property
    def bound_text(self) -> str:
        """The bound in words: "at most -0.95"."""
        if isinstance(self.bound, Interval):
            low, high = self.bound
            if low == -math.inf:
                return f"at most {number_text(high)}"
            return f"at least {number_text(low)}" if high == math.inf else f"from {number_text(low)} to {number_text(high)}"
        return "" if self.bound is None else self.bound if isinstance(self.bound, str) else number_text(self.bound)

    @property
    def measured_text(self) -> str:
        """Value and interval: "-1.71 [-2.08, -1.34]"."""
        parts = [] if self.value is None else [measured_text(self.value)]
        if self.interval is not None and self.interval.kind in ("marginal", "simultaneous", "confidence set", "proved"):
            parts.append(str(self.interval))
        return " ".join(parts)

    def needed(self) -> int | None:
        """Return about how many units would decide the condition if the value stays; None if that cannot be told.

        Half-widths are taken to fall as one over the root of the number of units.
        """
        if self.holds is not None or self.n is None or self.value is None or not isinstance(self.bound, Interval):
            return None
        within = self.bound.low <= self.value <= self.bound.high
        interval = self.interval if within else self.refuting or self.interval
        ends = [end for end in self.bound if math.isfinite(end)]
        distance = min((abs(self.value - end) for end in ends), default=0.0)
        if interval is None or distance == 0:
            return None
        half = max(self.value - interval.low, interval.high - self.value)
        return math.ceil(self.n * (half / distance) ** 2) if math.isfinite(half) else None


@dataclass(frozen=True)
class Measurement:
    """A number that is shown beside the conditions and decides nothing."""

    name: str
    value: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Conditions:
    """The conditions of a rule; `shown` are further numbers and `notes` sentences that decide nothing.

    Raises
    ------
    InvalidInputError
        If there is no condition, something else is among them, or two have one name.

    Examples
    --------
    >>> from lmctheory.claims import Condition, Conditions
    >>> found = Conditions([Condition("falls", holds=True), Condition("vanishes at the end", holds=None)])
    >>> print(found.verdict, "-", found)
    INCONCLUSIVE - Undecided: vanishes at the end.
    """

    conditions: Sequence[Condition]
    shown: Sequence[Measurement] = field(default=())
    notes: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", tuple(_checks.items("conditions", self.conditions, "Condition")))
        for k, condition in enumerate(self.conditions):
            _checks.instance(f"conditions[{k}]", condition, Condition)
        names = [condition.name for condition in self.conditions]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidInputError(f"conditions must have names of their own, got {twice!r} twice")

    @property
    def verdict(self) -> Verdict:
        """REFUTED if a condition fails, SUPPORTED if all hold, else INCONCLUSIVE."""
        return Verdict.of(*(condition.holds for condition in self.conditions))

    def prefixed(self, prefix: str) -> Conditions:
        """Return the conditions with `prefix` before every name."""
        return Conditions(
            [replace(condition, name=f"{prefix}{condition.name}") for condition in self.conditions],
            [replace(shown, name=f"{prefix}{shown.name}") for shown in self.shown],
            self.notes,
        )

    def __str__(self) -> str:
        words = []
        for state, word in (("fails", "Failing"), ("undecided", "Undecided")):
            names = [condition.name for condition in self.conditions if condition.state == state]
            words += [f"{word}: {'; '.join(names)}."] if names else []
        return " ".join(words) or "All conditions hold."


def joined(parts: Iterable[Conditions]) -> Conditions:
    """Return the conditions of all parts as one."""
    found = list(parts)
    return Conditions(
        [condition for part in found for condition in part.conditions],
        [shown for part in found for shown in part.shown],
        [note for part in found for note in part.notes],
    )


def as_record(value: Condition | Measurement) -> dict[str, Any]:
    """Return the fields as JSON types; infinite ends are null."""
    interval = value.interval
    record: dict[str, Any] = {"name": value.name, "value": value.value, "interval": _ends(interval)}
    if isinstance(value, Measurement):
        return record | kind_and_level(interval)
    record |= {"bound": _ends(value.bound) if isinstance(value.bound, Interval) else value.bound, "holds": value.holds}
    return record | {"state": value.state, "bound_text": value.bound_text, "refuting": _ends(value.refuting), "n": value.n}


def kind_and_level(interval: Interval | None) -> dict[str, Any]:
    """Return what kind of interval it is, and its level."""
    return {"kind": "estimate" if interval is None else interval.kind, "level": None if interval is None else interval.level}


def _ends(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [end if math.isfinite(end) else None for end in interval]
