"""Linear assignment with its dual variables, for use inside compiled searches; room to work in is passed by the caller."""

import numpy as np

from lmctheory._compiled.caching import njit


@njit(cache=True, nogil=True)
def assign(costs, u, v, distances, links, reached):
    """Return the cost of the best assignment, and write duals: ``u_i + v_j <= costs_ij``, with the cost as their sum.

    Rows and columns are reduced by their minima and matched greedily where that leaves 0; shortest augmenting paths match
    the other rows, O(n^3). Infinite costs exclude; if nothing is left the cost is infinite. The column j meets the row
    ``links[0, j]``. An absolute error of some 1e-16 of the largest finite cost is to be expected.
    """
    n = costs.shape[0]
    row_of, column_of, previous = links[0], links[1], links[2]
    row_of[:], column_of[:], v[:] = -1, -1, np.inf
    for i in range(n):
        u[i] = np.inf
        for j in range(n):
            u[i] = min(u[i], costs[i, j])
        if u[i] == np.inf:
            return np.inf
        for j in range(n):
            v[j] = min(v[j], costs[i, j] - u[i])
    for j in range(n):
        if v[j] == np.inf:
            return np.inf
    for i in range(n):
        for j in range(n):
            if row_of[j] < 0 and costs[i, j] - u[i] <= v[j]:
                row_of[j], column_of[i] = i, j
                break
    for start in range(n):
        if column_of[start] >= 0:
            continue
        distances[:], reached[:] = np.inf, False
        i, last = start, -1
        while True:
            nearest = -1
            for j in range(n):
                if not reached[j]:
                    reduced = costs[i, j] - u[i] - v[j]
                    if reduced < distances[j]:
                        distances[j], previous[j] = reduced, last
                    if distances[j] < np.inf and (nearest < 0 or distances[j] < distances[nearest]):
                        nearest = j
            if nearest < 0:
                return np.inf
            step = distances[nearest]
            u[start] += step
            for j in range(n):
                if reached[j]:
                    u[row_of[j]] += step
                    v[j] -= step
                else:
                    distances[j] -= step
            reached[nearest], last = True, nearest
            if row_of[last] < 0:
                break
            i = row_of[last]
        while last >= 0:
            before = previous[last]
            row_of[last] = start if before < 0 else row_of[before]
            column_of[row_of[last]] = last
            last = before
    return u.sum() + v.sum()
