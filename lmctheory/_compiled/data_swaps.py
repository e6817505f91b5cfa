"""Trial swaps of two neurons of the last two hidden layers, on data: lower bounds of what the loss changes by.

The loss is convex in the outputs: it changes by at least the inner product of its slopes and the change of the outputs. In the
last hidden layer that is ``S_ij + S_ji - S_ii - S_jj``, with S_ip the inner product of the slopes and what the mixed neuron
(i, p) adds to the outputs; in the layer before it, the inner product of the change of the last hidden layer and its slopes.
"""

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH
from lmctheory._compiled.caching import njit


@njit(cache=True, nogil=True)
def next_candidate(before_a, before_b, slopes_a, slopes_b, own, t, room, i, j, count):
    """Return how many swaps in a row, of `count` from (i, j) on, cannot change the loss by less than `room`.

    ``before_a, before_b (m, n)`` are the neurons of A and of B, in the order of their places, before activation; ``slopes_a,
    slopes_b (m, n)`` their output weights times the slopes of the loss at position t, ``own (m,)`` the S_ii.
    """
    m = own.size
    for failed in range(count):
        bound = _contribution(before_a[i], before_b[j], slopes_a[i], slopes_b[j], t) - own[i] - own[j]
        bound += _contribution(before_a[j], before_b[i], slopes_a[j], slopes_b[i], t)
        if bound < room:
            return failed
        j += 1
        if j == m:
            i += 1
            j = i + 1
    return count


@njit(cache=True, nogil=True)
def next_candidate_below(before_a, before_b, to_a, to_b, after, slopes, own, t, room, i, j, count):
    """As `next_candidate`, of the layer before the last hidden one.

    ``to_a, to_b (m, m')`` are the weights from each neuron to the last hidden layer, ``after (m', n)`` that layer before its
    activation, `slopes` those of the loss with respect to it after activation, and `own` its inner product with them.
    """
    m, n = before_a.shape
    s = 1.0 - t
    h_i, h_j, h_x, h_y = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for failed in range(count):
        _activate(before_a[i], before_b[i], t, h_i)
        _activate(before_a[j], before_b[j], t, h_j)
        _activate(before_a[i], before_b[j], t, h_x)
        _activate(before_a[j], before_b[i], t, h_y)
        bound = -own
        for u in range(len(after)):
            a_i, a_j, b_i, b_j = s * to_a[i, u], s * to_a[j, u], t * to_b[i, u], t * to_b[j, u]
            bound += _changed(after[u], slopes[u], h_i, a_i + b_i, h_j, a_j + b_j, h_x, a_i + b_j, h_y, a_j + b_i)
        if bound < room:
            return failed
        j += 1
        if j == m:
            i += 1
            j = i + 1
    return count


@njit(fastmath=VECTOR_MATH)
def _activate(before_a, before_b, t, h):
    s = 1.0 - t
    for x in range(h.size):
        before = s * before_a[x] + t * before_b[x]
        h[x] = before if before > 0.0 else 0.0


@njit(fastmath=VECTOR_MATH)
def _changed(after, slopes, h_i, w_i, h_j, w_j, h_x, w_x, h_y, w_y):
    total = 0.0
    for x in range(after.size):
        z = after[x] + (w_x * h_x[x] + w_y * h_y[x] - w_i * h_i[x] - w_j * h_j[x])
        total += slopes[x] * (z if z > 0.0 else 0.0)
    return total


@njit(cache=True, nogil=True)
def own_contributions(before_a, before_b, slopes_a, slopes_b, t, own):
    """Store the S_ii."""
    for i in range(own.size):
        own[i] = _contribution(before_a[i], before_b[i], slopes_a[i], slopes_b[i], t)


@njit(fastmath=VECTOR_MATH)
def _contribution(before_a, before_b, slopes_a, slopes_b, t):
    s = 1.0 - t
    total = 0.0
    for x in range(before_a.size):
        before = s * before_a[x] + t * before_b[x]
        total += (s * slopes_a[x] + t * slopes_b[x]) * (before if before > 0.0 else 0.0)
    return total
