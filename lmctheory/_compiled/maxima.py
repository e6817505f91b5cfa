"""Which maxima on a grid are worth refining, and the halving of brackets around them."""

import numpy as np
from numba import njit

ROOM = 2.0  # between neighbours a function may rise this many times as far as if it were concave there


@njit(cache=True, nogil=True)
def contenders(ts, values, heights, noise):
    """Return a mask ``(P, T)``: maxima among the `values` at ascending positions `ts` that may belong to the highest of a path.

    These are the highest, `heights` ``(P,)``, and those next to which the function may exceed this by more than `noise` ``(P,)``.
    """
    chosen = np.zeros(values.shape, dtype=np.bool_)
    last = values.shape[1] - 1
    for p in range(len(values)):
        t, value, height = ts[p], values[p], heights[p]
        for i in range(last + 1):
            if (i > 0 and value[i - 1] > value[i]) or (i < last and value[i + 1] > value[i]):
                continue
            goal = height + noise[p]
            chosen[p, i] = value[i] == height or (i > 0 and _ceiling(t, value, i - 1) > goal)
            chosen[p, i] |= i < last and _ceiling(t, value, i) > goal
    return chosen


@njit(cache=True, nogil=True)
def halve(active, ts, values, halves, sides, paths, top, noise, keeps_highest):
    """Halve the brackets `active` of `ts` and `values` ``(Q, 3)`` in place, and return those that are to be halved again.

    A bracket is a point with a neighbour on either side, which is not higher. `sides` are the values at `halves` ``(A, 2)``,
    the points half-way; the best of three becomes the centre of the bracket. It is left when the function cannot exceed the
    highest value on its path, ``top[paths]``, by more than `noise`; one that holds this value only if not `keeps_highest`.
    """
    is_open = np.empty(active.size, dtype=np.bool_)
    t, value = np.empty((active.size, 5)), np.empty((active.size, 5))
    choices = np.empty(active.size, dtype=np.intp)
    for k in range(active.size):
        bracket = active[k]
        t[k, ::2], value[k, ::2] = ts[bracket], values[bracket]
        t[k, 1::2], value[k, 1::2] = halves[k], sides[k]
        choice = 2
        for i in (1, 3):
            if value[k, i] > value[k, choice] and t[k, i] != t[k, 2]:  # an end of the path has no other side
                choice = i
        choices[k] = choice
        ts[bracket], values[bracket] = t[k, choice - 1 : choice + 2], value[k, choice - 1 : choice + 2]
        top[paths[bracket]] = max(top[paths[bracket]], value[k, choice])
    for k in range(active.size):
        highest, choice = top[paths[active[k]]], choices[k]
        goal = highest + noise[paths[active[k]]]
        is_open[k] = _ceiling(t[k], value[k], choice - 1) > goal or _ceiling(t[k], value[k], choice) > goal
        is_open[k] |= keeps_highest and value[k, choice] == highest
    return active[is_open]


@njit
def _ceiling(t, value, j):
    """Return how high the function may rise between points j and j + 1.

    A concave function stays below the line through the two points to the left, and below that through the two to the right. Their
    slopes are taken `ROOM` times; where there are no two points, any slope is possible.
    """
    gap = t[j + 1] - t[j]
    if gap <= 0.0:
        return value[j]
    ceiling = np.inf
    if j > 0 and t[j] > t[j - 1]:
        ceiling = value[j] + ROOM * (value[j] - value[j - 1]) * (gap / (t[j] - t[j - 1]))
    if j + 2 < t.size and t[j + 2] > t[j + 1]:
        ceiling = min(ceiling, value[j + 1] + ROOM * (value[j + 1] - value[j + 2]) * (gap / (t[j + 2] - t[j + 1])))
    return ceiling
