"""Local maxima of the excess over a simplex."""

from __future__ import annotations

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.families.simplex import Simplex, edge_directions
from lmctheory.paths import HALVINGS, MAX_HALVINGS, SMOOTH

MAX_ROUNDS = 1000


def climb(simplex: Simplex, point: FloatArray, value: float, step: float, rounding: float) -> tuple[FloatArray, float]:
    """Return a local maximiser of the excess and its value, by pattern search from `point`.

    A round tries all points one step along an edge away, steps that would leave the simplex shortened; the vertex of the
    parabola through them; and, where a neuron nearly vanishes, the nearest points at which it does, for the excess may
    have its maximum at such a kink. The best becomes the centre if it is higher by more than `rounding`; else the step is
    halved. A smooth maximum is left as soon as the excess hardly falls over a step; at a kink halving goes on down to rounding.
    """
    moves = edge_directions(len(point))
    lowered = np.argmin(moves, axis=1)  # the coordinate that a move lowers
    fine, finest = step * 2.0**-HALVINGS, step * 2.0**-MAX_HALVINGS
    for _ in range(MAX_ROUNDS):
        around = point + np.minimum(step, point[lowered])[:, None] * moves
        values = simplex.excess(around)
        others = np.vstack([_vertex(point, value, values, step), _kinks(simplex, point, around)])
        points, values = np.vstack([around, others]), np.append(values, simplex.excess(others))
        best = int(np.argmax(values))
        drop = value - float(values.min())
        if values[best] > value + rounding:
            point, value = points[best], float(values[best])
        else:
            step /= 2
        if step <= finest or (step <= fine and drop <= SMOOTH * abs(value)):
            break
    return point, value


def _kinks(simplex: Simplex, point: FloatArray, around: FloatArray) -> FloatArray:
    """Return the points nearest to `point` and to those around it at which a neuron vanishes that nearly does at `point`."""
    crossing = simplex.crossing(point)
    if crossing is None:
        return np.empty((0, len(point)))
    nearest = np.maximum(np.vstack([point, around]) @ crossing.T, 0.0)
    return nearest / nearest.sum(axis=1, keepdims=True)


def _vertex(point: FloatArray, value: float, values: FloatArray, step: float) -> FloatArray:
    """Return the maximiser of the parabola through a point and its neighbours along the edges, or nothing if it opens upwards.

    It lives on the face of the coordinates that are at least `step`, whose ``n (n - 1)`` neighbours determine it.
    """
    k = len(point)
    free = np.flatnonzero(point >= step)
    differences = np.zeros((k, k))  # entry (i, j): the excess at the neighbour in direction e_i - e_j, minus the value
    differences[~np.eye(k, dtype=bool)] = values - value
    differences = differences[np.ix_(free, free)]
    bends = differences + differences.T  # second differences along e_i - e_j
    bend = bends[:-1, -1:] + bends[-1:, :-1] - bends[:-1, :-1]
    try:
        factor = np.linalg.cholesky(-bend)
    except np.linalg.LinAlgError:
        return np.empty((0, k))
    slopes = differences[:-1, -1] - differences[-1, :-1]
    shift = np.linalg.solve(factor.T, np.linalg.solve(factor, slopes))
    move = np.zeros(k)
    move[free] = step * np.append(shift, -shift.sum())
    room = np.divide(point, -move, out=np.full(k, np.inf), where=move < 0).min()
    return np.maximum(point + min(1.0, room) * move, 0.0)[None]
