"""Complete search for the pairing of leftover neurons of two minima with the lowest loss at given positions.

Pair ``k = i n + j`` is neuron i of A beside neuron j of B, n of each. Residuals are increasing functions of ``|x|`` where the
signs do not make them 0, and hence positively correlated: ``cov_kl = E[r_k r_l] - E r_k E r_l >= 0``. With ``mean_k = E r_k`` the
loss of a set of pairs is ``(sum mean_k)^2 + sum cov_kk + 2 sum_{k<l} cov_kl``, a sum of non-negative terms.
"""

import numpy as np

from lmctheory._compiled.assignment import assign
from lmctheory._compiled.caching import njit
from lmctheory._compiled.minima import mean_residual, pair_moment

EXHAUSTED, FOUND, STOPPED = range(3)
ROUNDS = 2  # of improving the multiplier; further ones gain little


@njit(cache=True, nogil=True)
def _room(n):
    """Return what `assign` writes into: duals, and its own work."""
    return np.empty(n), np.empty(n), np.empty(n), np.empty((3, n), dtype=np.intp), np.empty(n, dtype=np.bool_)


@njit(cache=True, nogil=True)
def compatible_pairs(a, alpha, b, beta):
    """Return which two pairs may occur together, ``(n^2, n^2)``, and which may occur at all, its diagonal.

    Neurons are ordered by class and within it from light to heavy. Left out are pairs of one class; two that share a neuron, or
    run from class a to b and from b to a; two from a to b of which one has the lighter neuron of both A and B; and all but
    one order of equal weights. `minima.exact` shows that an optimum remains.
    """
    n = a.size
    compatible = np.zeros((n * n, n * n), dtype=np.bool_)
    for i in range(n):
        for j in range(n):
            if a[i] == b[j]:
                continue
            compatible[i * n + j, i * n + j] = True
            for x in range(n):
                for y in range(n):
                    if x == i or y == j or a[x] == b[y] or (a[i] == b[y] and a[x] == b[j]):
                        continue
                    if a[x] == a[i] and b[y] == b[j]:
                        fits = (x < i) != (y < j)
                    elif a[x] == a[i]:
                        fits = alpha[x] != alpha[i] or (x < i) == (b[y] < b[j])
                    elif b[y] == b[j]:
                        fits = beta[y] != beta[j] or (y < j) == (a[x] < a[i])
                    else:
                        fits = True
                    compatible[i * n + j, x * n + y] = fits
    return compatible


@njit(cache=True, nogil=True)
def loss_terms(s, t, a, alpha, b, beta, compatible, cutoff, mean, own, joint):
    """Fill in a form of the loss at ``p = s alpha``, ``q = t beta`` that serves lower bounds.

    The loss of n compatible pairs is ``(sum mean_k)^2 + sum own_k + sum_{k<l} joint_kl``. Of the covariances with pair k, the
    least sum over all ways to pair the other neurons is moved into ``own_k``; the dual variables of that assignment are
    subtracted from its row of `joint`. No term becomes negative. Pairs that alone reach the cutoff are struck from `compatible`.
    """
    n = a.size
    for k in range(n * n):
        i, j = k // n, k % n
        if compatible[k, k]:
            p, q = s * alpha[i], t * beta[j]
            mean[k] = mean_residual(p, q)
            square = pair_moment(a[i], b[j], p, q, a[i], b[j], p, q)
            own[k] = square - mean[k] * mean[k]
            if square >= cutoff:
                for l in range(n * n):  # noqa: E741
                    compatible[k, l] = compatible[l, k] = False
    for k in range(n * n):
        i, j = k // n, k % n
        for l in range(k):  # noqa: E741
            covariance = 2.0 * cutoff  # of pairs that exclude each other
            if compatible[k, l]:
                x, y = l // n, l % n
                moment = pair_moment(a[i], b[j], s * alpha[i], t * beta[j], a[x], b[y], s * alpha[x], t * beta[y])
                covariance = max(0.0, moment - mean[k] * mean[l])
            joint[k, l] = joint[l, k] = covariance
    u, v, distances, links, reached = _room(n)
    for k in range(n * n):
        if compatible[k, k]:
            joint[k, k] = 0.0
            row = joint[k].reshape(n, n)
            own[k] += assign(row, u, v, distances, links, reached)
            for x in range(n):
                for y in range(n):
                    row[x, y] = max(0.0, row[x, y] - u[x] - v[y])
    for k in range(n * n):
        for l in range(k):  # noqa: E741
            joint[k, l] += joint[l, k]
            joint[l, k] = joint[k, l]


@njit(cache=True, nogil=True)
def _lower_bound(rows, columns, n, fixed, fixed_mean, linear, mean, allowed, cutoff):
    """Return a lower bound of the loss at one position of all ways to pair the free rows and columns, infinite if there are none.

    With ``z = sum mean_k``, ``z^2 >= 2 lambda z - lambda^2`` for every multiplier lambda, which leaves a linear assignment.
    """
    size = rows.size
    multiplier = fixed_mean
    for x in range(size):
        least = np.inf
        for y in range(size):
            k = rows[x] * n + columns[y]
            if allowed[k]:
                least = min(least, mean[k])
        if least == np.inf:
            return np.inf
        multiplier += least
    bound = fixed + fixed_mean * fixed_mean
    if size == 0:
        return bound
    cost = np.empty((size, size))
    u, v, distances, links, reached = _room(size)
    for _ in range(ROUNDS):
        cap = cutoff + multiplier * multiplier
        for x in range(size):
            for y in range(size):
                k = rows[x] * n + columns[y]
                cost[x, y] = min(cap, linear[k] + 2.0 * multiplier * mean[k]) if allowed[k] else cap
        least = assign(cost, u, v, distances, links, reached)
        bound = max(bound, fixed + least + multiplier * (2.0 * fixed_mean - multiplier))
        if bound >= cutoff:
            return bound
        multiplier = fixed_mean
        for y in range(size):
            multiplier += mean[rows[links[0, y]] * n + columns[y]]
    return bound


@njit(cache=True, nogil=True)
def _fix(k, depth, a, b, rows, columns, compatible, mean, joint, fixed, fixed_mean, linear, allowed, reach):
    """Write into level ``depth + 1`` what pair k adds to level `depth`; sequences of classes that would close stay out."""
    n, n_classes = a.size, reach.shape[1]
    start, end = a[k // n], b[k % n]
    for x in range(n_classes):
        for y in range(n_classes):
            reach[depth + 1, x, y] = reach[depth, x, y] or (reach[depth, x, start] and reach[depth, end, y])
    for t in range(fixed.shape[1]):
        fixed[depth + 1, t] = fixed[depth, t] + linear[depth, t, k]
        fixed_mean[depth + 1, t] = fixed_mean[depth, t] + mean[t, k]
    for i in rows:
        for j in columns:
            l = i * n + j  # noqa: E741
            allowed[depth + 1, l] = allowed[depth, l] and compatible[k, l] and not reach[depth + 1, b[j], a[i]]
            if allowed[depth + 1, l]:
                for t in range(fixed.shape[1]):
                    linear[depth + 1, t, l] = linear[depth, t, l] + joint[t, k, l]


@njit(cache=True, nogil=True)
def _hardest_row(rows, columns, n, linear, allowed):
    """Return the free row whose cheapest pair costs most."""
    hardest, highest = rows[0], -1.0
    for i in rows:
        least = np.inf
        for j in columns:
            if allowed[i * n + j]:
                least = min(least, linear[i * n + j])
        if least > highest:
            hardest, highest = i, least
    return hardest


@njit(cache=True, nogil=True)
def _unmatched(partners, left_out):
    """Return the indices, but for one, that have no partner; in loops, which compile much faster than masks."""
    found, size = np.empty(partners.size, dtype=np.intp), 0
    for i in range(partners.size):
        if partners[i] < 0 and i != left_out:
            found[size] = i
            size += 1
    return found[:size]


@njit(cache=True, nogil=True)
def search_pairings(a, b, n_classes, compatible, mean, own, joint, cutoff, stop, most_nodes):
    """Search for n pairs whose loss is below the cutoff at all T positions, depth first, the child of lowest bound first.

    `mean` and `own` ``(T, n^2)``, `joint` ``(T, n^2, n^2)`` are `loss_terms`; `stop` ``(1,)`` may be set by another thread.
    Returns ``(reason, partners, bound, nodes)``: if found, neuron i of A meets ``partners[i]``; if stopped, also by `most_nodes`,
    `bound` is a lower bound of all pairings that were not examined.
    """
    T, n = mean.shape[0], a.size
    fixed, fixed_mean = np.zeros((n + 1, T)), np.zeros((n + 1, T))
    linear, allowed = np.zeros((n + 1, T, n * n)), np.zeros((n + 1, n * n), dtype=np.bool_)
    reach = np.zeros((n + 1, n_classes, n_classes), dtype=np.bool_)
    for k in range(n * n):
        allowed[0, k] = compatible[k, k]
        for t in range(T):
            linear[0, t, k] = own[t, k]
    for c in range(n_classes):
        reach[0, c, c] = True
    children, bounds = np.zeros((n, n), dtype=np.intp), np.zeros((n, n))
    count, taken = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
    branched = np.zeros(n, dtype=np.intp)
    partners, rows_met = np.full(n, -1), np.full(n, -1)
    nodes, depth, entering = 0, 0, True
    while depth >= 0:
        if entering:
            if stop[0] or nodes == most_nodes:
                bound = bounds[depth - 1, taken[depth - 1] - 1] if depth > 0 else 0.0
                for level in range(depth):
                    if taken[level] < count[level]:
                        bound = min(bound, bounds[level, taken[level]])
                return STOPPED, partners, bound, nodes
            nodes += 1
            rows, columns = _unmatched(partners, -1), _unmatched(rows_met, -1)
            row = _hardest_row(rows, columns, n, linear[depth, 0], allowed[depth])
            branched[depth], count[depth], taken[depth] = row, 0, 0
            other_rows = _unmatched(partners, row)
            for j in columns:
                if not allowed[depth, row * n + j]:
                    continue
                other_columns = _unmatched(rows_met, j)
                _fix(
                    row * n + j, depth, a, b, other_rows, other_columns,
                    compatible, mean, joint, fixed, fixed_mean, linear, allowed, reach,
                )  # fmt: skip
                bound = 0.0
                for t in range(T):
                    if bound < cutoff:
                        level = depth + 1
                        bound = max(bound, _lower_bound(
                            other_rows, other_columns, n, fixed[level, t], fixed_mean[level, t], linear[level, t], mean[t],
                            allowed[level], cutoff,
                        ))  # fmt: skip
                if bound < cutoff:
                    place = count[depth]
                    while place > 0 and bounds[depth, place - 1] > bound:
                        bounds[depth, place] = bounds[depth, place - 1]
                        children[depth, place] = children[depth, place - 1]
                        place -= 1
                    bounds[depth, place] = bound
                    children[depth, place] = j
                    count[depth] += 1
        row = branched[depth]
        if partners[row] >= 0:
            rows_met[partners[row]] = -1
            partners[row] = -1
        entering = taken[depth] < count[depth]
        if entering:
            j = children[depth, taken[depth]]
            taken[depth] += 1
            partners[row] = j
            rows_met[j] = row
            if depth == n - 1:
                return FOUND, partners, 0.0, nodes
            _fix(
                row * n + j, depth, a, b, _unmatched(partners, -1), _unmatched(rows_met, -1),
                compatible, mean, joint, fixed, fixed_mean, linear, allowed, reach,
            )  # fmt: skip
            depth += 1
        else:
            depth -= 1
    return EXHAUSTED, partners, np.inf, nodes


@njit(cache=True, nogil=True)
def _variance(a, b, p, q):
    """Return mean and variance of the residual of one pair; the variance is infinite where none may be."""
    if a == b or p == np.inf or q == np.inf:
        return 0.0, np.inf
    mean = mean_residual(p, q)
    return mean, pair_moment(0, 1, p, q, 0, 1, p, q) - mean * mean


@njit(cache=True, nogil=True)
def leftovers_bound(s, t, a, alpha, b, beta, free_a, free_b, zeros_a, zeros_b, next_alpha, next_beta, cutoff):
    """Return a lower bound of the loss at ``p = s alpha``, ``q = t beta`` if at least the given neurons are left over.

    Neurons with `free_a`, `free_b` may also meet one of `zeros_b`, `zeros_a` zero neurons. Any two may, instead of each other,
    meet neurons of weight at least ``next_alpha[c]`` and ``next_beta[c]`` of a class c of which more may be left over, infinite
    where none may. Covariances of different pairs are dropped, the rest as in `search_pairings`.
    """
    n_a, n_b, n_classes = a.size, b.size, next_alpha.size
    size = n_a + zeros_a
    mean, variance = np.zeros((size, size)), np.zeros((size, size))
    own_mean, own_variance = np.zeros((2, size, n_classes)), np.full((2, size, n_classes), np.inf)
    for x in range(n_a):
        for y in range(n_b):
            mean[x, y], variance[x, y] = _variance(a[x], b[y], s * alpha[x], t * beta[y])
        for y in range(n_b, size):
            variance[x, y] = 0.0 if free_a[x] else np.inf
        for c in range(n_classes):
            own_mean[0, x, c], own_variance[0, x, c] = _variance(a[x], c, s * alpha[x], t * next_beta[c])
    for y in range(n_b):
        for x in range(n_a, size):
            variance[x, y] = 0.0 if free_b[y] else np.inf
        for c in range(n_classes):
            own_mean[1, y, c], own_variance[1, y, c] = _variance(b[y], c, t * beta[y], s * next_alpha[c])
    cost, chosen_mean = np.empty((size, size)), np.empty((size, size))
    detour, detour_mean = np.empty((2, size)), np.empty((2, size))
    u, v, distances, links, reached = _room(size)
    multiplier = bound = 0.0
    for _ in range(ROUNDS + 1):
        for side in range(2):
            for x in range(size):
                detour[side, x], detour_mean[side, x] = np.inf, 0.0
                for c in range(n_classes):
                    value = own_variance[side, x, c] + 2.0 * multiplier * own_mean[side, x, c]
                    if value < detour[side, x]:
                        detour[side, x], detour_mean[side, x] = value, own_mean[side, x, c]
        cap = cutoff + multiplier * multiplier
        for x in range(size):
            for y in range(size):
                cost[x, y] = variance[x, y] + 2.0 * multiplier * mean[x, y]
                chosen_mean[x, y] = mean[x, y]
                if x < n_a and y < n_b and detour[0, x] + detour[1, y] < cost[x, y]:
                    cost[x, y] = detour[0, x] + detour[1, y]
                    chosen_mean[x, y] = detour_mean[0, x] + detour_mean[1, y]
                cost[x, y] = min(cost[x, y], cap)
        bound = max(bound, assign(cost, u, v, distances, links, reached) - multiplier * multiplier)
        if bound >= cutoff:
            return bound
        multiplier = 0.0
        for y in range(size):
            multiplier += chosen_mean[links[0, y], y]
    return bound
