"""Independent implementations, written for clarity alone: the oracles of the suite share no code with the library.

`mp_*` work with 50 digits on the exact values of the given floats; the others are plain NumPy.
"""

from itertools import product

import mpmath as mp
import numpy as np

EPS = np.finfo(float).eps
DIGITS = 50
mp.mp.dps = DIGITS


def mp_rows(X):
    """Return the rows of X as lists of mpf."""
    return [[mp.mpf(float(x)) for x in row] for row in np.atleast_2d(X)]


def _dot(u, v):
    return mp.fdot(zip(u, v, strict=True))


def mp_angle(u, v):
    """Return the angle of two non-zero vectors by ``2 atan2(|u^ - v^|, |u^ + v^|)``, accurate at both ends."""
    u_norm, v_norm = mp.sqrt(_dot(u, u)), mp.sqrt(_dot(v, v))
    pairs = [(x / u_norm, y / v_norm) for x, y in zip(u, v, strict=True)]
    return 2 * mp.atan2(mp.sqrt(mp.fsum((x - y) ** 2 for x, y in pairs)), mp.sqrt(mp.fsum((x + y) ** 2 for x, y in pairs)))


def mp_kernel(u, v):
    """Return ``E[relu(u.x) relu(v.x)]`` for lists of mpf."""
    if not any(u) or not any(v):
        return mp.mpf(0)
    p = mp_angle(u, v)
    return mp.sqrt(_dot(u, u) * _dot(v, v)) / (2 * mp.pi) * (mp.sin(p) + (mp.pi - p) * mp.cos(p))


def mp_loss_of_rows(rows, c):
    """Return ``c' K(X, X) c`` for rows and weights of mpf."""
    n = len(rows)
    off = mp.fsum(c[i] * c[j] * mp_kernel(rows[i], rows[j]) for i in range(n) for j in range(i) if c[i] and c[j])
    return 2 * off + mp.fsum(c[i] ** 2 * _dot(rows[i], rows[i]) / 2 for i in range(n))


def stack(net, teacher):
    """Return rows ``[W; V]`` and weights ``(a, -b)`` as lists of mpf."""
    return mp_rows(net.W) + mp_rows(teacher.W), [mp.mpf(float(x)) for x in (*net.a, *-teacher.a)]


def mp_loss(net, teacher):
    """Return the population loss for Gaussian inputs."""
    return mp_loss_of_rows(*stack(net, teacher))


def mp_path_loss(net_a, net_b, teacher, t):
    """Return the loss at ``(1 - t) theta_A + t theta_B``, interpolated without rounding."""
    (rows_a, c_a), (rows_b, c_b), t = stack(net_a, teacher), stack(net_b, teacher), mp.mpf(float(t))
    rows = [[(1 - t) * x + t * y for x, y in zip(u, v, strict=True)] for u, v in zip(rows_a, rows_b, strict=True)]
    return mp_loss_of_rows(rows, [(1 - t) * x + t * y for x, y in zip(c_a, c_b, strict=True)])


def mp_gradient(net, teacher):
    """Return ``dL/dW`` and ``dL/da`` from the angles, as float arrays; zero neurons get a zero row."""
    rows, c = stack(net, teacher)
    grad_W = np.zeros(net.W.shape)
    for i in np.flatnonzero(net.W.any(axis=1)):
        norm = mp.sqrt(_dot(rows[i], rows[i]))
        total = [c[i] * x / 2 for x in rows[i]]
        for j, row in enumerate(rows):
            if j == i or not any(row):
                continue
            p, other = mp_angle(rows[i], row), mp.sqrt(_dot(row, row))
            for k in range(len(row)):
                total[k] += c[j] * (other * mp.sin(p) * rows[i][k] / norm + (mp.pi - p) * row[k]) / (2 * mp.pi)
        grad_W[i] = [float(2 * c[i] * x) for x in total]
    grad_a = [float(2 * mp.fsum(c[j] * mp_kernel(rows[i], rows[j]) for j in range(len(rows)))) for i in range(net.width)]
    return grad_W, np.array(grad_a)


def mp_hessian(net, teacher):
    """Return the Hessian in W by the blocks of [SS], as a float array; no neuron may be zero.

    With n(v, u) the unit vector along ``v^ - cos p u^``, they are ``|v| sin p / (2 pi |u|) (I - u^ u^' + n(v, u) n(v, u)')`` and
    ``((pi - p) I + n(u, v) v^' + n(v, u) u^') / (2 pi)``; of collinear vectors the terms with n cancel.
    """
    (rows, c), (m, d) = stack(net, teacher), net.W.shape
    norms = [mp.sqrt(_dot(row, row)) for row in rows]
    units = [mp.matrix([x / norm for x in row]) for row, norm in zip(rows, norms, strict=True)]
    hessian, identity = mp.zeros(m * d), mp.eye(d)
    for i in range(m):
        own = slice(i * d, (i + 1) * d)
        hessian[own, own] += c[i] ** 2 * identity
        for j in set(range(len(rows))) - {i}:
            u, v, p = units[i], units[j], mp_angle(rows[i], rows[j])
            across = mp.zeros(d, 1)  # n(v, u), times sin p
            if mp.sin(p) > mp.mpf(10) ** -40:
                across = v - u * mp.cos(p)
                bend = identity - u * u.T + across * across.T / mp.sin(p) ** 2
                hessian[own, own] += c[i] * c[j] * norms[j] * mp.sin(p) / (mp.pi * norms[i]) * bend
            if j < m:
                other = slice(j * d, (j + 1) * d)
                block = (mp.pi - p) * identity
                if mp.sin(p) > mp.mpf(10) ** -40:
                    block += ((u - v * mp.cos(p)) * v.T + across * u.T) / mp.sin(p)
                hessian[own, other] += c[i] * c[j] * block / mp.pi
    return np.array(hessian.tolist(), dtype=float)


def mp_differences(net, teacher, step="1e-18"):
    """Return gradient and Hessian in W by central differences of the loss; no neuron may be zero.

    The loss has Lipschitz second derivatives away from zero neurons, so the error of both is of the size of `step`, also
    where neurons are collinear.
    """
    with mp.workdps(DIGITS + 20):
        h = mp.mpf(step)
        rows, c = stack(net, teacher)
        size = net.W.size

        def loss(*moves):
            moved = [list(row) for row in rows]
            for index, amount in moves:
                moved[index // net.input_dim][index % net.input_dim] += amount
            return mp_loss_of_rows(moved, c)

        gradient = np.array([float((loss((i, h)) - loss((i, -h))) / (2 * h)) for i in range(size)])
        hessian = np.empty((size, size))
        for i, j in product(range(size), repeat=2):
            if j <= i:
                corners = [s * q * loss((i, s * h), (j, q * h)) for s, q in product((1, -1), repeat=2)]
                hessian[i, j] = hessian[j, i] = float(mp.fsum(corners) / (4 * h * h))
    return gradient.reshape(net.W.shape), hessian


def angles(U, V):
    """Return the angles between rows of U and rows of V, none of them zero."""
    u = U / np.linalg.norm(U, axis=1, keepdims=True)
    v = V / np.linalg.norm(V, axis=1, keepdims=True)
    difference, total = u[:, None] - v[None], u[:, None] + v[None]
    return 2 * np.arctan2(np.linalg.norm(difference, axis=2), np.linalg.norm(total, axis=2))


def loss_and_gradient(W, a, V, b):
    """Return the loss and ``dL/dW`` for non-zero rows, by array expressions of the closed forms."""
    X, c = np.vstack([W, V]), np.concatenate([a, -b])
    norms, p = np.linalg.norm(X, axis=1), angles(X, X)
    kernel = np.outer(norms, norms) / (2 * np.pi) * (np.sin(p) + (np.pi - p) * np.cos(p))
    m = len(W)
    radial = (np.sin(p[:m]) * (c * norms)).sum(axis=1) / norms[:m]
    gradient = a[:, None] / np.pi * (radial[:, None] * W + ((np.pi - p[:m]) * c) @ X)
    return c @ kernel @ c, gradient


def descend(W, a, V, b, learning_rate, steps):
    """Return W after gradient descent in full coordinates."""
    for _ in range(steps):
        W = W - learning_rate * loss_and_gradient(W, a, V, b)[1]
    return W


def sample_loss_and_gradients(W, a, V, b, points):
    """Return the mean squared error on points ``(n, d)``, ``dL/dW`` and ``dL/da``."""
    active = points @ W.T > 0
    activations = np.where(active, points @ W.T, 0.0)
    residuals = activations @ a - np.maximum(points @ V.T, 0.0) @ b
    scale = 2 / len(points)
    return (residuals**2).mean(), scale * (active * np.outer(residuals, a)).T @ points, scale * activations.T @ residuals


def descend_on_batches(W, a, V, b, learning_rate, steps, batch_size, rng, points=None, train_output=False):
    """Return W and a after stochastic gradient descent on fresh Gaussian inputs, or on random subsets of `points`."""
    order = None if points is None else np.arange(len(points))
    for _ in range(steps):
        if points is None:
            batch = rng.standard_normal((batch_size, W.shape[1]))
        else:
            for i in range(batch_size):
                j = rng.integers(i, len(points))
                order[[i, j]] = order[[j, i]]
            batch = points[order[:batch_size]]
        _, grad_W, grad_a = sample_loss_and_gradients(W, a, V, b, batch)
        W = W - learning_rate * grad_W
        a = a - learning_rate * grad_a if train_output else a
    return W, a


def gradient_scale(net, teacher):
    """Return ``|a_i| sum_j |c_j||x_j|`` as a column, the size of the terms summed in each row of ``dL/dW``."""
    masses = (np.abs(net.a) * np.linalg.norm(net.W, axis=1)).sum() + (np.abs(teacher.a) * np.linalg.norm(teacher.W, axis=1)).sum()
    return np.abs(net.a)[:, None] * masses


def hessian_scale(net, teacher):
    """Return a bound on the terms summed in any block of the Hessian: ``|c_i c_j| max(1, |x_j|/|x_i|)`` added up."""
    norms = np.linalg.norm(np.vstack([net.W, teacher.W]), axis=1)
    weights = np.abs(np.concatenate([net.a, teacher.a]))
    active = np.flatnonzero(norms[: net.width])
    return sum(weights[i] * (weights * np.maximum(1.0, norms / norms[i])).sum() for i in active)


def path_floor(net_a, net_b, teacher):
    """Return a bound on rounding errors of the loss anywhere on the segment: ``4 eps`` times the largest sum of its terms.

    Weights and output weights at t are at most the larger of the ends', so their products are bounded crosswise.
    """
    norms = np.maximum(np.linalg.norm(net_a.W, axis=1), np.linalg.norm(net_b.W, axis=1))
    outputs = np.maximum(np.abs(net_a.a), np.abs(net_b.a))
    return 4 * EPS * ((norms * outputs).sum() + (np.linalg.norm(teacher.W, axis=1) * np.abs(teacher.a)).sum()) ** 2
