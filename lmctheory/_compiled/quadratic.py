"""Lower bounds of quadratic assignment problems by dual ascent.

The cost of a permutation is ``sum_i linear[i, p_i] + sum_{i != j} quadratic[i, p_i, j, p_j]``. Costs are moved, without changing
it, between the two entries that stand for one pair of decisions and between linear and quadratic terms, so that constants
can be taken out: their sum is a lower bound, and the costs that remain are not negative [Hahn and Grant 1998]. An infinite
linear cost excludes a decision.
"""

import numpy as np

from lmctheory._compiled.assignment import assign
from lmctheory._compiled.caching import njit


@njit(cache=True, nogil=True)
def reduce(linear):
    """Take the cost of the best linear assignment out of `linear`, in place, and return it: infinite if there is none."""
    n = linear.shape[0]
    u, v = np.empty(n), np.empty(n)
    value = assign(linear, u, v, np.empty(n), np.empty((3, n), np.intp), np.empty(n, np.bool_))
    if value < np.inf:
        for i in range(n):
            for p in range(n):
                linear[i, p] -= u[i] + v[p]
    return value


@njit(cache=True, nogil=True)
def ascend(linear, quadratic, gap):
    """Take what one round of dual ascent finds out of the costs, in place, and return it.

    For each decision (i, p) its linear cost is spread over its quadratic costs, these are joined by what is left of their
    counterparts, and the best assignment of the others becomes its linear cost; at last `linear` itself is reduced. Decisions
    that cost at least `gap` are excluded; this asks for quadratic costs that are not negative, as every round leaves them.
    """
    n = linear.shape[0]
    rest = np.empty((n - 1, n - 1))
    u, v = np.empty(n - 1), np.empty(n - 1)
    distances, links, reached = np.empty(n - 1), np.empty((3, n - 1), np.intp), np.empty(n - 1, np.bool_)
    for i in range(n):
        for p in range(n):
            if linear[i, p] >= gap:
                linear[i, p] = np.inf
                continue
            share = linear[i, p] / (n - 1)
            for j in range(n - 1):
                k = j + (j >= i)
                for q in range(n - 1):
                    r = q + (q >= p)
                    if linear[k, r] >= gap:
                        rest[j, q] = np.inf
                    else:
                        rest[j, q] = quadratic[i, p, k, r] + quadratic[k, r, i, p] + share
                        quadratic[k, r, i, p] = 0.0
            linear[i, p] = assign(rest, u, v, distances, links, reached)
            if linear[i, p] < np.inf:
                for j in range(n - 1):
                    for q in range(n - 1):
                        quadratic[i, p, j + (j >= i), q + (q >= p)] = rest[j, q] - u[j] - v[q]
    return reduce(linear)


@njit(cache=True, nogil=True)
def restrict(linear, quadratic, i, p):
    """Return linear and quadratic costs of the decisions that remain after (i, p); the cost of (i, p) itself is not in them."""
    n = linear.shape[0]
    rest, pairs = np.empty((n - 1, n - 1)), np.empty((n - 1, n - 1, n - 1, n - 1))
    for j in range(n - 1):
        k = j + (j >= i)
        for q in range(n - 1):
            r = q + (q >= p)
            rest[j, q] = linear[k, r] + quadratic[i, p, k, r] + quadratic[k, r, i, p]
            for other in range(n - 1):
                row = quadratic[k, r, other + (other >= i)]
                for s in range(n - 1):
                    pairs[j, q, other, s] = row[s + (s >= p)]
    return rest, pairs
