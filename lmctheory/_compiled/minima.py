"""The loss between two global minima: second moments of the residuals of mismatched pairs, without cancellation.

A pair with weight p on one axis and q on another has the residual ``r = min(p|x|, q|y|) 1{x y < 0}`` (its sign, the
same for every pair, is left out); x, y are independent standard normal. Every sum here is of non-negative terms.
"""

import math

import numpy as np

from lmctheory._compiled.caching import njit

RATIO_LIMIT = 1e150  # beyond it min(p|x|, q|y|) is its smaller argument up to a relative 1e-150


@njit(cache=True, nogil=True, error_model="numpy")
def mean_residual(p, q):
    """Return ``E|r| = (p + q - sqrt(p^2 + q^2)) / sqrt(2 pi)``, written as ``2 p q / (p + q + sqrt(p^2 + q^2)) / sqrt(2 pi)``."""
    small, large = min(p, q), max(p, q)
    if small == 0.0:
        return 0.0
    return small * (2.0 * large / (small + large + math.hypot(small, large))) / math.sqrt(2.0 * math.pi)


@njit(cache=True, nogil=True)
def _angle_minus_sine(x):
    """Return ``x - sin x`` for ``0 <= x <= pi/2``."""
    if x > 1.0:
        return x - math.sin(x)
    square = x * x
    term = x * square / 6.0
    total = term
    for k in range(4, 22, 2):
        term *= -square / (k * (k + 1))
        total += term
    return total


@njit(cache=True, nogil=True)
def _arc_moments(theta_1, phi_1, theta_2, phi_2):
    """Return the integrals of ``cos^2``, ``cos sin`` and ``sin^2`` from theta_1 to theta_2; ``phi = pi/2 - theta``.

    With ``d = theta_2 - theta_1``: ``2 int sin^2 = (d - sin d) + 2 sin d sin^2((theta_1 + theta_2) / 2)``, the same with phi
    for ``cos^2``, and ``2 int cos sin = sin d sin(theta_1 + theta_2)``. Both angles are passed, so that neither end of
    [0, pi/2] loses digits.
    """
    width = theta_2 - theta_1 if theta_2 < phi_2 else phi_1 - phi_2
    width = max(width, 0.0)
    sine = math.sin(width)
    excess = _angle_minus_sine(width)
    theta, phi = theta_1 + theta_2, phi_1 + phi_2
    half_theta, half_phi = math.sin(0.5 * theta), math.sin(0.5 * phi)
    mixed = math.sin(theta if theta < phi else phi)
    return (
        0.5 * excess + sine * half_phi * half_phi,
        0.5 * sine * mixed,
        0.5 * excess + sine * half_theta * half_theta,
    )


@njit(cache=True, nogil=True)
def both_axes_moment(p_1, q_1, p_2, q_2):
    """Return ``E[r_1 r_2]`` for two pairs on the same two axes, p on the first and q on the second.

    In polar coordinates ``(2/pi) int_0^{pi/2} min(p_1 c, q_1 s) min(p_2 c, q_2 s) d theta``, in three pieces that end where
    ``tan theta = p_k / q_k``.
    """
    if min(p_1, q_1) == 0.0 or min(p_2, q_2) == 0.0:
        return 0.0
    if p_1 / q_1 > p_2 / q_2:  # products of two small weights are 0
        p_1, q_1, p_2, q_2 = p_2, q_2, p_1, q_1
    theta_1, phi_1 = math.atan2(p_1, q_1), math.atan2(q_1, p_1)
    theta_2, phi_2 = math.atan2(p_2, q_2), math.atan2(q_2, p_2)
    _, _, low = _arc_moments(0.0, 0.5 * math.pi, theta_1, phi_1)
    _, middle, _ = _arc_moments(theta_1, phi_1, theta_2, phi_2)
    high, _, _ = _arc_moments(theta_2, phi_2, 0.5 * math.pi, 0.0)
    return (q_1 * q_2 * low + p_1 * q_2 * middle + p_1 * p_2 * high) * (2.0 / math.pi)


@njit(cache=True, nogil=True)
def _cubic_remainder(y):
    """Return ``(y - atan y) / y^3`` for ``0 <= y <= 0.27``."""
    square = y * y
    total = 0.0
    for k in range(33, 1, -2):
        total = 1.0 / k - square * total
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def one_axis_moment(p_1, q_1, p_2, q_2):
    """Return ``E[r_1 r_2]`` for two pairs that share one axis: p on the shared one, q on the others.

    With ``s_k = p_k / q_k``, ``h_k = sqrt(1 + s_k^2)``, ``T = sqrt(1 + s_1^2 + s_2^2)`` and ``y = 1 / (T + s_1 + s_2)``,

        E[r_1 r_2] = q_1 q_2 / (2 pi) * (2 s_1 s_2 atan y + T - h_1 - h_2 + 1),

    whose first term is the solid angle in which both minima are ``p_k |x|``. The two branches are this expression,
    rearranged for ``min(s_1, s_2) <= 1`` and ``> 1``: in each, what is subtracted is at most about half of what it is
    subtracted from.
    """
    if min(p_1, q_1) == 0.0 or min(p_2, q_2) == 0.0:
        return 0.0
    p_1, p_2 = min(p_1, RATIO_LIMIT * q_1), min(p_2, RATIO_LIMIT * q_2)
    s_1, s_2 = p_1 / q_1, p_2 / q_2
    if s_1 < s_2:
        s_1, s_2 = s_2, s_1
    h_1, h_2 = math.sqrt(1.0 + s_1 * s_1), math.sqrt(1.0 + s_2 * s_2)
    T = math.sqrt(1.0 + s_1 * s_1 + s_2 * s_2)
    y = 1.0 / (T + s_1 + s_2)
    if s_2 > 1.0:
        curved = 2.0 * (s_1 * y) * (s_2 * y) * y * _cubic_remainder(y)
        return q_1 * q_2 * (1.0 - 1.0 / (h_1 + s_1) - 1.0 / (h_2 + s_2) + y - curved) / (2.0 * math.pi)
    excess = 1.0 + h_2 - s_2 * s_2 / (T + h_1)
    flat = (s_1 / (h_1 + 1.0)) * (s_2 / (h_2 + 1.0)) * excess / (h_1 * h_2 + T)
    return p_1 * p_2 * (2.0 * math.atan(y) - flat) / (2.0 * math.pi)


@njit(cache=True, nogil=True)
def pair_moment(a_1, b_1, p_1, q_1, a_2, b_2, p_2, q_2):
    """Return ``E[r_1 r_2]``: neuron of A on axis a with weight p, of B on axis b with weight q; 0 where nothing mismatches."""
    if a_1 == b_1 or a_2 == b_2 or a_1 < 0 or b_1 < 0 or a_2 < 0 or b_2 < 0:
        return 0.0
    if a_1 == a_2:
        return both_axes_moment(p_1, q_1, p_2, q_2) if b_1 == b_2 else one_axis_moment(p_1, q_1, p_2, q_2)
    if a_1 == b_2:
        return both_axes_moment(p_1, q_1, q_2, p_2) if b_1 == a_2 else one_axis_moment(p_1, q_1, q_2, p_2)
    if b_1 == b_2:
        return one_axis_moment(q_1, p_1, q_2, p_2)
    if b_1 == a_2:
        return one_axis_moment(q_1, p_1, p_2, q_2)
    return mean_residual(p_1, q_1) * mean_residual(p_2, q_2)


@njit(cache=True, nogil=True)
def residual_mean(s, t, alpha, beta):
    """Return ``E|f_t - f*|``, the sum of `mean_residual` with ``p = s alpha``, ``q = t beta``, ``s = 1 - t``."""
    total = 0.0
    for k in range(alpha.size):
        total += mean_residual(s * alpha[k], t * beta[k])
    return total


@njit(cache=True, nogil=True)
def _group_energy(low, high):
    """Return ``E[(sum_k r_k)^2]`` of pairs on the same two axes, from their weights there, ordered by ``low / high``.

    Between neighbouring kinks ``sum_k r_k = P cos + Q sin``: P adds the pairs whose kink is passed, Q the others.
    """
    Q = np.zeros(low.size + 1)
    for k in range(low.size - 1, -1, -1):
        Q[k] = Q[k + 1] + high[k]
    P = 0.0
    theta, phi = 0.0, 0.5 * math.pi
    total = 0.0
    for k in range(low.size + 1):
        if k < low.size:
            next_theta, next_phi = math.atan2(low[k], high[k]), math.atan2(high[k], low[k])
        else:
            next_theta, next_phi = 0.5 * math.pi, 0.0
        cc, cs, ss = _arc_moments(theta, phi, next_theta, next_phi)
        total += P * P * cc + 2.0 * P * Q[k] * cs + Q[k] * Q[k] * ss
        if k < low.size:
            P += low[k]
        theta, phi = next_theta, next_phi
    return total * (2.0 / math.pi)


@njit(cache=True, nogil=True)
def _one_axis_sum(p_1, q_1, p_2, q_2):
    total = 0.0
    for k in range(p_1.size):
        for n in range(p_2.size):
            total += one_axis_moment(p_1[k], q_1[k], p_2[n], q_2[n])
    return total


@njit(cache=True, nogil=True)
def residual_energy(s, t, alpha, beta, a_is_low, starts, low_axis, high_axis):
    """Return ``E[(f_t - f*)^2]`` with ``p = s alpha``, ``q = t beta``, ``s = 1 - t``.

    Pairs are grouped by their two axes: group g is ``starts[g]:starts[g + 1]`` on ``low_axis[g] < high_axis[g]``, and
    `a_is_low` says whether the neuron of A is on the low one. Groups without a common axis are independent, so only
    their means multiply; within a group the sum is linear in its size; only groups that share one axis go pair by pair.
    """
    n = alpha.size
    groups = starts.size - 1
    low, high, ratios = np.empty(n), np.empty(n), np.empty(n)
    means = np.zeros(groups)
    for k in range(n):
        p, q = s * alpha[k], t * beta[k]
        low[k], high[k] = (p, q) if a_is_low[k] else (q, p)
        ratios[k] = low[k] / high[k] if high[k] > 0.0 else np.inf
    total = 0.0
    for g in range(groups):
        first, last = starts[g], starts[g + 1]
        for k in range(first, last):
            means[g] += mean_residual(low[k], high[k])
        order = np.argsort(ratios[first:last])  # not by angles: these are all pi/2 from ratios of 1e16 on
        low[first:last] = low[first:last][order]
        high[first:last] = high[first:last][order]
        total += _group_energy(low[first:last], high[first:last])
    for g in range(groups):
        g_low, g_high = low[starts[g] : starts[g + 1]], high[starts[g] : starts[g + 1]]
        for h in range(g):
            h_low, h_high = low[starts[h] : starts[h + 1]], high[starts[h] : starts[h + 1]]
            if low_axis[g] == low_axis[h]:
                cross = _one_axis_sum(g_low, g_high, h_low, h_high)
            elif low_axis[g] == high_axis[h]:
                cross = _one_axis_sum(g_low, g_high, h_high, h_low)
            elif high_axis[g] == low_axis[h]:
                cross = _one_axis_sum(g_high, g_low, h_low, h_high)
            elif high_axis[g] == high_axis[h]:
                cross = _one_axis_sum(g_high, g_low, h_high, h_low)
            else:
                cross = means[g] * means[h]
            total += 2.0 * cross
    return total


@njit(cache=True, nogil=True)
def next_lower_swap(s, t, a, alpha, b, beta, leftover, bound, begin):
    """Return the first candidate from `begin`, cyclically, whose swap brings the loss at t below `bound`, else -1.

    Pairs are rows: axes a, b ``(n,)`` and weights alpha, beta; the first `leftover` are mismatched, the others matched
    ones offered for exchange. Candidate ``k * n + l`` exchanges the partners of the pairs ``k < leftover`` and ``l > k``.
    """
    n = a.size
    p, q = s * alpha, t * beta
    energy = 0.0
    rows = np.zeros(n)  # sum_j E[r_k r_j]
    own = np.zeros((leftover, leftover))
    for k in range(leftover):
        for j in range(k + 1):
            own[k, j] = pair_moment(a[k], b[k], p[k], q[k], a[j], b[j], p[j], q[j])
            own[j, k] = own[k, j]
    for k in range(leftover):
        for j in range(leftover):
            rows[k] += own[k, j]
        energy += rows[k]
    count = leftover * n
    for step in range(count):
        candidate = (begin + step) % count
        k, l = candidate // n, candidate % n  # noqa: E741
        if l <= k:
            continue
        removed = 2.0 * rows[k] - own[k, k]
        if l < leftover:
            removed += 2.0 * rows[l] - own[l, l] - 2.0 * own[k, l]
        level = energy - removed
        level += pair_moment(a[k], b[l], p[k], q[l], a[k], b[l], p[k], q[l])
        level += pair_moment(a[l], b[k], p[l], q[k], a[l], b[k], p[l], q[k])
        level += 2.0 * pair_moment(a[k], b[l], p[k], q[l], a[l], b[k], p[l], q[k])
        for j in range(leftover):
            if level >= bound:
                break
            if j not in (k, l):
                level += 2.0 * pair_moment(a[k], b[l], p[k], q[l], a[j], b[j], p[j], q[j])
                level += 2.0 * pair_moment(a[l], b[k], p[l], q[k], a[j], b[j], p[j], q[j])
        if level < bound:
            return candidate
    return -1
