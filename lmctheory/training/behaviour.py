"""What a run was doing when it ended."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from lmctheory._checks import FloatArray

WINDOW = 16  # last steps that are looked at: a few of a chaotic sequence may look like anything
REST = 1e-12  # steps below this share of the iterate's norm are rounding, which oscillations at the edge of stability amplify
STRAIGHT = 1.9  # in a drift, two steps lead farther than this multiple of the last one
RETURN = 0.1  # in an oscillation of period two, two steps lead back to within this share of one step
DAMPED = 0.5  # an oscillation whose steps have shrunk below this share since half-time is dying out


def steps_to_keep(max_steps: int) -> list[int]:
    """Return the steps whose iterates `behaviour_of` needs; none if the run is too short to tell."""
    if max_steps < 4 * WINDOW:
        return []
    return [max_steps // 2 - 1, max_steps // 2, *range(max_steps - WINDOW, max_steps + 1)]


def behaviour_of(iterates: Mapping[int, FloatArray], max_steps: int, random: bool) -> str:
    """Return what a run that met no tolerance was doing at the end, by the rule of `TrainingResult.behaviour`."""
    kept = steps_to_keep(max_steps)
    if not kept or not set(kept) <= set(iterates):
        return "unsettled"
    before, half, *last = (iterates[step] for step in kept)
    steps = np.array([np.linalg.norm(b - a) for a, b in pairwise(last)])[1:]
    double_steps = np.array([np.linalg.norm(b - a) for a, b in zip(last, last[2:], strict=False)])
    if (steps <= REST * np.linalg.norm(last[-1])).all():
        return "at rest"
    if random:
        return "noise"
    if (double_steps >= STRAIGHT * steps).all():
        return "drift"
    shrunk = steps[-1] < DAMPED * np.linalg.norm(half - before)
    if shrunk and (double_steps < steps).all():
        return "damped oscillation"
    return "period-two oscillation" if not shrunk and (double_steps <= RETURN * steps).all() else "unsettled"
