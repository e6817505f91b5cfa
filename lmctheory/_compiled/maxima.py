"""Where the maximum of a function may be, of which values on a grid are known: brackets, and their halving."""

import numpy as np

from lmctheory._compiled.caching import njit

ROOM = 2.0  # between neighbours a function may rise this many times as far as if it were concave there,
DENSER = 8.0  # and in any way if on one side the grid is so many times as dense


@njit(cache=True, nogil=True)
def open_sides(ts, values, bends, heights, noise):
    """Return on which sides of each point a higher one may be, a mask ``(P, T, 2)``, from `values` at ascending positions `ts`.

    Higher means higher than the highest value of the path, `heights` ``(P,)``, by more than `noise` ``(P,)``. Of the two ends
    of a cell the higher one counts. A point with an open side that is not lower than its neighbours is open on both sides, and
    so are the first of the highest points, and an end of the path that is as high. `bends` ``(P, T)`` says where slopes may
    jump, so that no line goes on beyond.
    """
    is_open = np.zeros((*values.shape, 2), dtype=np.bool_)
    last = values.shape[1] - 1
    for p in range(len(values)):
        t, value, goal = ts[p], values[p], heights[p] + noise[p]
        for j in range(last):
            before = t[j] - t[j - 1] if j > 0 else 0.0
            after = t[j + 2] - t[j + 1] if j + 1 < last else 0.0
            first = -np.inf if bends[p, j] else value[max(j - 1, 0)]
            fourth = -np.inf if bends[p, j + 1] else value[min(j + 2, last)]
            if _ceiling(before, t[j + 1] - t[j], after, first, value[j], value[j + 1], fourth) > goal:
                if value[j] >= value[j + 1]:
                    is_open[p, j, 1] = True
                if value[j + 1] >= value[j]:
                    is_open[p, j + 1, 0] = True
        best = np.argmax(value)
        for i in range(last + 1):
            is_highest = value[i] == value[best] and (t[i] == t[best] or i in (0, last))
            is_peak = (i == 0 or value[i - 1] <= value[i]) and (i == last or value[i + 1] <= value[i])
            if is_peak and (is_highest or is_open[p, i, 0] or is_open[p, i, 1]):
                is_open[p, i, 0], is_open[p, i, 1] = i > 0, i < last
    return is_open


@njit(cache=True, nogil=True)
def halve(active, ts, values, halves, sides, paths, top, noise, keeps_highest):
    """Halve the brackets `active` of `ts` and `values` ``(Q, 3)`` in place, and return those that are to be halved again.

    A bracket is a point with a neighbour on either side, or itself where it has no other side. `sides` are the values at
    `halves` ``(A, 2)``, the points half-way; the best of three becomes the centre of the bracket. A side much narrower than the
    other is kept as it is. A bracket is left when the function cannot exceed the highest value on its path, ``top[paths]``, by
    more than `noise`; one that holds this value only if not `keeps_highest`.
    """
    is_open = np.empty(active.size, dtype=np.bool_)
    t, value = np.empty((active.size, 5)), np.empty((active.size, 5))
    choices = np.empty(active.size, dtype=np.intp)
    for k in range(active.size):
        bracket = active[k]
        t[k, ::2], value[k, ::2] = ts[bracket], values[bracket]
        t[k, 1::2], value[k, 1::2] = halves[k], sides[k]
        left, right = t[k, 2] - t[k, 0], t[k, 4] - t[k, 2]
        if 0.0 < right * DENSER < left:  # else rounding errors on the narrower side could make us leave the wider one
            t[k, 3], value[k, 3] = t[k, 4], value[k, 4]
        elif 0.0 < left * DENSER < right:
            t[k, 1], value[k, 1] = t[k, 0], value[k, 0]
        choice = 2
        for i in (1, 3):
            if value[k, i] > value[k, choice] and t[k, i] != t[k, 2]:
                choice = i
        choices[k] = choice
        ts[bracket], values[bracket] = t[k, choice - 1 : choice + 2], value[k, choice - 1 : choice + 2]
        top[paths[bracket]] = max(top[paths[bracket]], value[k, choice])
    for k in range(active.size):
        highest, choice = top[paths[active[k]]], choices[k]
        goal = highest + noise[paths[active[k]]]
        is_open[k] = choice != 2 or (keeps_highest and value[k, choice] == highest)  # beyond a new centre nothing is known
        for j in (1, 2):
            gaps = t[k, j] - t[k, j - 1], t[k, j + 1] - t[k, j], t[k, j + 2] - t[k, j + 1]
            v = value[k]
            is_open[k] |= _ceiling(gaps[0], gaps[1], gaps[2], v[j - 1], v[j], v[j + 1], v[j + 2]) > goal
    return active[is_open]


@njit
def _ceiling(before, gap, after, first, second, third, fourth):
    """Return how high the function may rise between the second and the third of four points with these gaps and values.

    A concave function stays below the line through the first two, and below that through the last two. Their slopes are taken
    `ROOM` times. A line does not count if the points at the other end of the cell are much denser, for there the function may
    bend within the cell, nor if its points are one, at the end of a path.
    """
    if gap <= 0.0:
        return second
    ceiling = np.inf
    if before > 0.0 and (after == 0.0 or DENSER * after > gap):
        ceiling = min(ceiling, second + ROOM * (second - first) * (gap / before))
    if after > 0.0 and (before == 0.0 or DENSER * before > gap):
        ceiling = min(ceiling, third + ROOM * (third - fourth) * (gap / after))
    return ceiling
