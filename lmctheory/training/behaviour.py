"""What a run was doing when it ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lmctheory._checks import FloatArray

REST = 8.0 * np.finfo(float).eps  # steps below this share of the iterate's norm are rounding
RETURN = 0.1  # in an oscillation of period two, two steps lead back to within this share of one step
STRAIGHT = 1.9  # in a drift, two steps lead farther than this multiple of the last one
DAMPED = 0.5  # an oscillation whose steps have shrunk below this share since half-time is dying out


def steps_to_keep(max_steps: int) -> list[int]:
    """Return the steps whose iterates `behaviour` needs, oldest first; empty if the run is too short to tell."""
    return [max_steps // 2 - 1, max_steps // 2, max_steps - 2, max_steps - 1, max_steps] if max_steps >= 4 else []


def behaviour_of(iterates: Mapping[int, FloatArray], max_steps: int, random: bool) -> str:
    """Return what a run that met no tolerance was doing at the end; the rule is that of `TrainingResult.behaviour`."""
    kept = steps_to_keep(max_steps)
    if not kept or not set(kept) <= set(iterates):
        return "unsettled"
    before, half, penultimate, last, end = (iterates[step] for step in kept)
    step, two_steps = np.linalg.norm(end - last), np.linalg.norm(end - penultimate)
    step_at_half_time = np.linalg.norm(half - before)
    if step <= REST * np.linalg.norm(end):
        return "at rest"
    if random:
        return "noise"
    if two_steps >= STRAIGHT * step:
        return "drift"
    if step < DAMPED * step_at_half_time and two_steps < step:
        return "damped oscillation"
    return "period-two oscillation" if two_steps <= RETURN * step else "unsettled"
