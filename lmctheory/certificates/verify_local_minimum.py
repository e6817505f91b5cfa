"""Checker of certified local minima, from their data alone: it shares no code with the search, nor its formulas and theorems.

On the box ``X = {|W - c| <= r}`` in the maximum norm let no eigenvalue of the Hessian be less than mu > 0. With g the gradient
at c, ``L(W) >= L(c) - |g| |W - c| + mu |W - c|^2 / 2``, which on the boundary of X, where ``|W - c| >= r``, is more than
``L(c)`` if ``2 |g| < mu r``. Then L has a minimum ``W*`` inside X; as L is strictly convex there, it has no other critical
point; ``|W* - c|`` is at most ``|g| / mu``, and ``L(c) - |g|^2 / (2 mu) <= L(W*) <= L(c)``.

With unit vectors ``^``, p the angle between u and v and n the unit vector orthogonal to u on the side of v [SS],

    K(u, v) = |u||v| (sin p + (pi - p) cos p) / (2 pi)
    dK/du = (|v| sin p u^ + (pi - p) v) / (2 pi)
    d^2 K / du du' = |v| sin p / (2 pi |u|) (I - u^ u^' + n n')
    d^2 K / du dv' = ((pi - p) I + sin p (e e' - f f')) / (2 pi)

where e and f are unit vectors along ``u^ + v^`` and ``v^ - u^``, whose norms are ``2 cos(p/2)`` and ``2 sin(p/2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from lmctheory.certificates.verify_balls import ball, root, within, working
from lmctheory.certificates.verify_text import require
from lmctheory.certificates.verify_theorems import LocalMinimumTheorem, Matrix, Vector

Balls: TypeAlias = NDArray[np.object_]
PRECISION = 160


def check_local_minimum(theorem: LocalMinimumTheorem) -> None:
    """Prove the theorem, or raise `CertificateError` that says what could not be confirmed."""
    with working(PRECISION):
        teacher = [(row, b) for row, b in zip(theorem.teacher.W, theorem.teacher.a, strict=True) if any(row)]
        X = _balls([*theorem.net.W, *(row for row, _ in teacher)])
        c = np.concatenate([_balls(theorem.net.a), -_balls([b for _, b in teacher])])
        m, radius, curvature = theorem.net.width, ball(theorem.radius), ball(theorem.curvature)
        loss, gradient, _ = _derivatives(X, c, m)
        size = arb(sum(g * g for g in gradient.ravel()).upper()).sqrt()
        X[:m] += within(theorem.radius)
        smallest = _smallest_eigenvalue(_derivatives(X, c, m)[2])
        require(smallest >= curvature, "an eigenvalue of the Hessian in the box may be less than the curvature")
        require(2 * size < curvature * radius, "the loss in the middle may be no less than on the boundary of the box")
        require(size <= curvature * ball(theorem.distance), "the critical point may be farther away than the distance")
        require(
            loss - size * size / (2 * curvature) >= ball(theorem.loss.lower) and loss <= ball(theorem.loss.upper),
            "the loss at the critical point may lie outside of its interval",
        )


def _balls(exact: Vector | Matrix) -> Balls:
    """Return exact numbers as an array of balls of the same shape."""
    return np.array([_balls(x) if isinstance(x, Sequence) else ball(x) for x in exact], dtype=object)


def _derivatives(X: Balls, c: Balls, m: int) -> tuple[arb, Balls, Balls]:
    """Return loss, gradient ``(m, d)`` and Hessian ``(m d, m d)`` for ``X = [W; V]`` and ``c = (a, -b)``."""
    n, d = X.shape
    norms = np.array([arb(square).sqrt() for square in (X * X).sum(axis=1)])
    U = X / norms[:, None]
    cosines, eye = U @ U.T, np.eye(d, dtype=int)
    loss = sum(c * c * norms * norms) / 2
    gradient = (c * c)[:m, None] * X[:m]
    hessian = np.full((m, d, m, d), arb(0))
    for i in range(n):
        for j in range(n):
            if j == i:
                continue
            cosine, weight = cosines[i, j], c[i] * c[j] / arb.pi()
            plus, minus = U[i] + U[j], U[j] - U[i]
            P, Q = root(sum(plus * plus)), root(sum(minus * minus))  # 2 cos(p/2) and 2 sin(p/2)
            sine, supplement = P * Q / 2, 2 * arb.atan2(P, Q)
            loss += weight * norms[i] * norms[j] * (sine + supplement * cosine) / 2
            if i >= m:
                continue
            gradient[i] += weight * (norms[j] * sine * U[i] + supplement * X[j])
            e, f = _unit(plus, P), _unit(minus, Q)
            normal = (Q * e + P * f) / 2
            curving = eye - np.outer(U[i], U[i]) + np.outer(normal, normal)
            hessian[i, :, i, :] += weight * norms[j] * sine / norms[i] * curving
            if j < m:
                hessian[i, :, j, :] += weight * (supplement * eye + sine * (np.outer(e, e) - np.outer(f, f)))
    for i in range(m):
        hessian[i, :, i, :] += c[i] * c[i] * eye
    return loss, gradient, hessian.reshape(m * d, m * d)


def _unit(vector: Balls, norm: arb) -> Balls:
    """Return the unit vector along `vector`; no entry of one exceeds 1, whatever is known of it."""
    one = arb(0, 1)
    return np.array([(x / norm).intersection(one) if norm > 0 else one for x in vector])


def _smallest_eigenvalue(hessian: Balls) -> arb:
    """Return a lower bound for every symmetric matrix in the enclosure: Gershgorin's for ``Q' S Q``, less ``|H - S|``.

    S is exact and symmetric, and Q merely an approximation of its eigenvectors: ``|x|^2 <= |Q' Q| |Q^-1 x|^2``.
    """
    S = np.vectorize(lambda entry: float(entry.mid()), otypes=[float])(hessian)
    if not np.isfinite(S).all():
        return arb.neg_inf()
    S = S / 2 + S.T / 2
    Q = arb_mat(np.vectorize(arb, otypes=[object])(np.linalg.eigh(S)[1]).tolist())
    exact = np.vectorize(arb, otypes=[object])(S)
    discs = np.array((Q.transpose() * arb_mat(exact.tolist()) * Q).tolist())
    bounds = [2 * row[i] - sum(map(abs, row)) if row[i] > 0 else arb.neg_inf() for i, row in enumerate(discs)]
    if not all(bound > 0 for bound in bounds):
        return arb.neg_inf()
    lowest = reduce(arb.min, bounds)
    return lowest / _largest_row_sum((Q.transpose() * Q).tolist()) - _largest_row_sum(hessian - exact)


def _largest_row_sum(rows: Any) -> arb:
    return reduce(arb.max, [sum(entry.abs_upper() for entry in row) for row in rows])
