"""The rule that minima are connected at least as often as a bound says."""

from __future__ import annotations

from collections.abc import Sequence

from validation.claim import Verdict
from validation.evidence.intervals import share_interval
from validation.theory.connection_probability import Probability

LEVEL = 0.99  # of all intervals at once


def decide(
    bounds: Sequence[float],
    exact: Sequence[Probability | None],
    counts: Sequence[tuple[int, int] | None],
    further: Sequence[bool] = (),
) -> Verdict:
    """Apply the rule to rows of a bound, the exact probability if known, and the number of successes and trials if sampled.

    `further` conditions must hold, too.
    """
    level = 1 - (1 - LEVEL) / max(1, sum(count is not None for count in counts))
    conditions: list[bool | None] = [*further]
    for bound, known, count in zip(bounds, exact, counts, strict=True):
        low, high = (0.0, 1.0) if count is None else share_interval(*count, level)
        if known is not None:
            conditions.append(_at_least(known.value - known.error, known.value + known.error, bound))
            conditions.append(known.value + known.error >= low and known.value - known.error <= high)
        else:
            conditions.append(_at_least(low, high, bound))
    return Verdict.of(*conditions)


def _at_least(low: float, high: float, bound: float) -> bool | None:
    return True if low >= bound else False if high < bound else None
