"""Gradient descent, plain and on random batches, one run a call; the interpreter lock is free while it runs."""

import math

import numpy as np
from numba import njit

from lmctheory._compiled.angles import VECTOR_MATH
from lmctheory._compiled.population import loss_and_gradient, row_norms
from lmctheory._compiled.samples import BLOCK, sample_loss_and_gradient

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


@njit(cache=True)
def _take_step(X, c, m, learning_rate, gradient, output_gradient, train_output, previous):
    """Keep the iterate in `previous` ``(m, d + 1)``, then subtract `learning_rate` times the gradient from it."""
    d = X.shape[1]
    for i in range(m):
        for k in range(d):
            previous[i, k] = X[i, k]
            X[i, k] -= learning_rate * gradient[i, k]
        previous[i, d] = c[i]
        if train_output:
            c[i] -= learning_rate * output_gradient[i]


@njit(cache=True)
def _apply_mask(mask, gradient):
    """Set the entries of the gradient outside `mask` to zero; an empty mask keeps all."""
    for i in range(mask.shape[0]):
        for k in range(mask.shape[1]):
            if not mask[i, k]:
                gradient[i, k] = 0.0


@njit(cache=True)
def _restore(X, c, m, previous):
    d = X.shape[1]
    X[:m] = previous[:, :d]
    c[:m] = previous[:, d]


@njit(cache=True, nogil=True)
def descend(
    X,
    c,
    m,
    mask,
    points,
    teacher_energy,
    learning_rate,
    train_output,
    first_step,
    last_step,
    gradient_tol,
    loss_tol,
    previous,
    stop,
):
    """Take gradient steps until `last_step`; return ``(step, reason)``.

    ``X = [W; V]`` and ``c = (a, -b)`` hold the iterate and are overwritten; without `train_output` the output weights stay, and
    unless it is empty weights outside the boolean `mask` ``(m, d)`` stay. The loss is the mean over `points` ``(n, d)``, or the
    population loss if there are none. A tolerance below 0 never stops. `stop` ``(1,)`` is read every step and may be set by
    another thread. A diverged run goes back to `previous`, its last iterate of finite loss. Taking the steps in several calls
    changes no bit.
    """
    n, d = X.shape
    norms, inverse_norms, mass = np.empty(n), np.empty(n), np.empty(n)
    coefficients, gradient, output_gradient = np.empty((m, n)), np.empty((m, d)), np.empty(m)
    scratch, part = np.empty((n + 1) * min(points.shape[0], BLOCK)), np.empty((m, d))
    row_norms(X, norms, inverse_norms)
    step = first_step
    while True:
        if points.shape[0] > 0:
            loss = sample_loss_and_gradient(points, X, c, m, scratch, part, gradient, output_gradient)
        else:
            loss = loss_and_gradient(X, c, m, teacher_energy, norms, inverse_norms, mass, coefficients, gradient, output_gradient)
        if not abs(loss) < DIVERGENCE_LOSS:  # NaN and infinities of either sign included
            _restore(X, c, m, previous)
            return step, DIVERGED
        _apply_mask(mask, gradient)
        norm = frobenius_norm(gradient)
        if (math.hypot(norm, math.sqrt(np.dot(output_gradient, output_gradient))) if train_output else norm) <= gradient_tol:
            return step, GRADIENT_TOL
        if loss <= loss_tol:
            return step, LOSS_TOL
        if step == last_step:
            return step, MAX_STEPS
        if stop[0]:
            return step, INTERRUPTED
        _take_step(X, c, m, learning_rate, gradient, output_gradient, train_output, previous)
        step += 1


@njit(cache=True, nogil=True)
def descend_on_batches(
    X, c, m, mask, points, batch, order, rng, learning_rate, train_output, first_step, last_step, previous, stop
):
    """Take steps along gradients of the mean over random batches until `last_step`; return ``(step, reason)``.

    Each step overwrites `batch` ``(batch_size, d)`` by standard normal points, or by distinct rows of `points` ``(n, d)``, whose
    indices are a random subset of `order` ``(n,)``, a permutation that is shuffled further. Other arguments as for `descend`.
    """
    batch_size, d = batch.shape
    gradient, output_gradient = np.empty((m, d)), np.empty(m)
    scratch, part = np.empty((X.shape[0] + 1) * min(batch_size, BLOCK)), np.empty((m, d))
    for step in range(first_step, last_step):
        for i in range(batch_size):
            if points.shape[0] > 0:
                chosen = rng.integers(i, points.shape[0])
                order[i], order[chosen] = order[chosen], order[i]
            for k in range(d):
                batch[i, k] = points[order[i], k] if points.shape[0] > 0 else rng.standard_normal()
        loss = sample_loss_and_gradient(batch, X, c, m, scratch, part, gradient, output_gradient)
        if not loss < DIVERGENCE_LOSS:
            _restore(X, c, m, previous)
            return step, DIVERGED
        if stop[0]:
            return step, INTERRUPTED
        _apply_mask(mask, gradient)
        _take_step(X, c, m, learning_rate, gradient, output_gradient, train_output, previous)
    return last_step, MAX_STEPS
