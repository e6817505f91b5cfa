"""Height of the loss along a given path between two networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from lmctheory import _checks
from lmctheory._checks import FloatArray

KINDS = ("chord", "endpoint-mean", "midpoint")
POSITION_TOL = 1e-7  # the excess is flat at its maximum, so its value is right to the square of this
CONTENDER = 0.9  # local maxima on the grid above this share of the highest are refined too,
MAX_CONTENDERS = 3  # up to this many: a path that is flat up to rounding has a maximum at every other point


@dataclass(frozen=True, eq=False)
class PathMaximum:
    """The highest excess on a path: its value and position, and the grid on which it was first located."""

    height: float
    position: float
    grid: FloatArray
    losses: FloatArray


def maximise_excess(losses: Callable[[FloatArray], FloatArray], kind: str = "chord", grid_size: int = 33) -> PathMaximum:
    """Return the highest excess of `losses` over the level that `kind` names, for positions t in [0, 1].

    - "chord": ``max_t L(t) - (1-t) L(0) - t L(1)``, never negative;
    - "endpoint-mean": ``max_t L(t) - (L(0) + L(1)) / 2`` [AHS], never negative;
    - "midpoint": ``L(1/2) - (L(0) + L(1)) / 2``, of either sign.

    The maximum is located on a uniform grid of `grid_size` points with both ends and refined by bounded scalar
    maximisation between the neighbours of every contending grid maximum. A spike narrower than the grid can be missed.
    """
    _checks.choice("kind", kind, KINDS)
    grid = np.linspace(0.0, 1.0, _checks.integer("grid_size", grid_size, 3))
    values = losses(grid)
    start, end = values[0], values[-1]
    mean = (start + end) / 2
    if kind == "midpoint":
        return PathMaximum(float(losses(np.array([0.5]))[0] - mean), 0.5, grid, values)

    def level(t: FloatArray) -> FloatArray:
        return (1 - t) * start + t * end if kind == "chord" else np.full_like(t, mean)

    excess = values - level(grid)
    if kind == "chord":
        excess[0] = excess[-1] = 0.0  # exactly, by definition
    best = int(np.argmax(excess))
    height, position = float(excess[best]), float(grid[best])
    inner = excess[1:-1]
    peaks = 1 + np.flatnonzero((inner >= excess[:-2]) & (inner >= excess[2:]) & (inner >= CONTENDER * height))
    contenders = peaks[np.argsort(-excess[peaks], kind="stable")][:MAX_CONTENDERS]
    for k in {best, *contenders.tolist()}:
        found = minimize_scalar(
            lambda t: -float((losses(np.array([t])) - level(np.array([t])))[0]),
            bounds=(grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]),
            method="bounded",
            options={"xatol": POSITION_TOL},
        )
        if -found.fun > height:
            height, position = float(-found.fun), float(found.x)
    return PathMaximum(max(height, 0.0), position, grid, values)
