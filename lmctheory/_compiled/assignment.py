"""Linear assignment with its dual variables, for use inside compiled searches."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def assign(cost, n, rows, u, v):
    """Return the least sum of one entry a row and a column of ``cost[:n, :n]``, by shortest augmenting paths, O(n^3).

    On return ``rows[j]`` is the row that column j meets, and ``u[i] + v[j] <= cost[i, j]`` with equality for those that meet, up
    to rounding; rows, u, v have room for n. Entries are finite; an absolute error of some 1e-16 of the largest is to be expected.
    """
    reached = np.empty(n, dtype=np.bool_)
    slack = np.empty(n)
    origin = np.empty(n, dtype=np.intp)
    for j in range(n):
        rows[j] = -1
        u[j] = 0.0
        v[j] = 0.0
    for start in range(n):
        reached[:] = False
        slack[:] = np.inf
        row, column = start, -1
        while row >= 0:
            nearest, step = -1, np.inf
            for j in range(n):
                if not reached[j]:
                    reduced = cost[row, j] - u[row] - v[j]
                    if reduced < slack[j]:
                        slack[j] = reduced
                        origin[j] = column
                    if slack[j] < step:
                        step = slack[j]
                        nearest = j
            u[start] += step
            for j in range(n):
                if reached[j]:
                    u[rows[j]] += step
                    v[j] -= step
                else:
                    slack[j] -= step
            column = nearest
            reached[column] = True
            row = rows[column]
        while column >= 0:
            previous = origin[column]
            rows[column] = start if previous < 0 else rows[previous]
            column = previous
    total = 0.0
    for j in range(n):
        total += cost[rows[j], j]
    return total
