"""Gradient descent on the population loss, one run a call; the interpreter lock is free while it runs."""

import math

import numpy as np
from numba import njit

from lmctheory._compiled.angles import VECTOR_MATH
from lmctheory._compiled.population import loss_and_gradient, row_norms

GRADIENT_TOL, LOSS_TOL, MAX_STEPS, DIVERGED, INTERRUPTED = range(5)
DIVERGENCE_LOSS = 1e100  # far beyond any transient, far below overflow of the squares in a norm


@njit(cache=True, fastmath=VECTOR_MATH)
def frobenius_norm(matrix):
    """Return the square root of the sum of squares, without a temporary."""
    total = 0.0
    for i in range(matrix.shape[0]):
        for k in range(matrix.shape[1]):
            total += matrix[i, k] * matrix[i, k]
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def descend(X, c, m, teacher_energy, learning_rate, max_steps, gradient_tol, loss_tol, stop):
    """Return ``(W, steps, reason)`` after ``W <- W - learning_rate * dL/dW`` from ``X = [W; V]``, which is overwritten.

    A tolerance below 0 never stops. `stop` ``(1,)`` is read every step and may be set by another thread. A diverged run
    returns its last iterate of finite loss.
    """
    n, d = X.shape
    norms, inverse_norms, mass = np.empty(n), np.empty(n), np.empty(n)
    coefficients, gradient = np.empty((m, n)), np.empty((m, d))
    row_norms(X, norms, inverse_norms)
    previous = X[:m].copy()
    step = 0
    while True:
        loss = loss_and_gradient(X, c, m, teacher_energy, norms, inverse_norms, mass, coefficients, gradient)
        if not abs(loss) < DIVERGENCE_LOSS:  # NaN and infinities of either sign included
            return previous, step, DIVERGED
        if frobenius_norm(gradient) <= gradient_tol:
            return X[:m], step, GRADIENT_TOL
        if loss <= loss_tol:
            return X[:m], step, LOSS_TOL
        if step == max_steps:
            return X[:m], step, MAX_STEPS
        if stop[0]:
            return X[:m], step, INTERRUPTED
        for i in range(m):
            for k in range(d):
                previous[i, k] = X[i, k]
                X[i, k] -= learning_rate * gradient[i, k]
        step += 1
