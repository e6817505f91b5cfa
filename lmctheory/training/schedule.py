"""The steps, or times, at which a run is looked at."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError

FIRST_TIME = 1e-4  # of the log-spaced ones, as a share of the horizon


def steps_of_interest(name: str, value: int | ArrayLike | None, max_steps: int) -> IntArray:
    """Return the given steps, or so many log-spaced ones: 0, 1, ..., `max_steps`, fewer where they round to the same step.

    None gives no steps.
    """
    if value is None:
        return np.empty(0, dtype=np.intp)
    if isinstance(value, (Real, str)):
        count = _checks.integer(name, value, 2)
        return np.unique(np.rint([0, *np.geomspace(max_steps, 1, count - 1)]).astype(np.intp))
    given = _checks.real_array(name, value, 1)
    if (given != np.rint(given)).any() or (np.diff(given) <= 0).any():
        raise InvalidInputError(f"{name} must be a number of steps or increasing integers, got {given.tolist()}")
    if given[0] < 0 or given[-1] > max_steps:
        outside = given[0] if given[0] < 0 else given[-1]
        raise InvalidInputError(f"{name} must lie between 0 and max_steps = {max_steps}, got {outside:.0f}")
    return given.astype(np.intp)


def times_of_interest(name: str, value: int | ArrayLike | None, horizon: float) -> FloatArray:
    """Return the given times, or so many: 0 and log-spaced ones up to `horizon`. None gives no times."""
    if value is None:
        return np.empty(0)
    if isinstance(value, (Real, str)):
        count = _checks.integer(name, value, 2)
        return np.array([0.0, *(horizon * np.geomspace(1.0, FIRST_TIME, count - 1)[::-1])])
    given = _checks.real_array(name, value, 1)
    if (np.diff(given) <= 0).any():
        raise InvalidInputError(f"{name} must be a number of times or increasing times, got {given.tolist()}")
    if given[0] < 0 or given[-1] > horizon:
        outside = given[0] if given[0] < 0 else given[-1]
        raise InvalidInputError(f"{name} must lie between 0 and horizon = {horizon:g}, got {outside:g}")
    return given
