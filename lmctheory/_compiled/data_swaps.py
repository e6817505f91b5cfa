"""Trial swaps of two neurons of the last hidden layer, on data: a lower bound of what the loss changes by.

The loss is convex in the outputs: it changes by at least the inner product of its slopes and the change of the outputs. That is
``S_ij + S_ji - S_ii - S_jj``, with S_ip the inner product of the slopes and what the mixed neuron (i, p) adds to the outputs.
"""

from numba import njit

from lmctheory._compiled.angles import VECTOR_MATH


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
