"""Gradient descent, plain and on random batches, one run a call; the interpreter lock is free while it runs."""

import math

import numpy as np

from lmctheory._compiled.angles import VECTOR_MATH
from lmctheory._compiled.caching import njit
from lmctheory._compiled.gradient import do_item, loss_and_squares
from lmctheory._compiled.samples import BLOCK, sample_loss_and_gradient
from lmctheory._compiled.teams import DONE, ENDED, add_at_once, next_item

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
def descend(room, at, mask, teacher_energy, learning_rate, train_output, first_step, last_step, gradient_tol, loss_tol, stop):
    """Take gradient steps on the population loss until `last_step`; return ``(step, reason)``.

    The `room`, laid out by `at`, holds the iterate. Without `train_output` the output weights stay, and unless it is empty
    weights outside the boolean `mask` ``(m, d)`` stay. A tolerance below 0 never stops. `stop` ``(1,)`` is read every step, and
    another thread may set it. A diverged run ends one step too late: its last iterate of finite loss is the one before. Taking
    the steps once more, or in several calls, changes no bit.
    """
    step = first_step
    while True:
        for phase in range(at.blocks):
            for item in range(at.items):
                do_item(room, at, phase, item, mask, learning_rate, train_output, step > first_step)
        loss, squares = loss_and_squares(room, at, teacher_energy)
        reason = _reason(loss, math.sqrt(squares), step, last_step, gradient_tol, loss_tol, stop[0])
        if reason >= 0:
            return step, reason
        step += 1


@njit(cache=True, nogil=True)
def descend_together(
    room, at, mask, teacher_energy, learning_rate, train_output, first_step, last_step, gradient_tol, loss_tol, stop,
    counters, preferred,
):  # fmt: skip
    """Do as `descend`, to the same bits, in several threads that call it; `counters` and `preferred` as for `next_item`."""
    while True:
        count, item = next_item(counters, at.items, preferred)
        if item < 0:  # in the phase that ended the work, or right after it
            return first_step + (count - 1) // (at.blocks + 1), counters[ENDED] - 1
        step, phase = first_step + count // (at.blocks + 1), count % (at.blocks + 1)
        if phase < at.blocks:
            do_item(room, at, phase, item, mask, learning_rate, train_output, step > first_step)
        elif item == 0:
            loss, squares = loss_and_squares(room, at, teacher_energy)
            reason = _reason(loss, math.sqrt(squares), step, last_step, gradient_tol, loss_tol, stop[0])
            add_at_once(counters, ENDED, reason + 1)
        add_at_once(counters, DONE, 1)


@njit(cache=True)
def _reason(loss, gradient_norm, step, last_step, gradient_tol, loss_tol, stop):
    """Return why to end before the next step, -1 for no reason."""
    if not abs(loss) < DIVERGENCE_LOSS:  # NaN and infinities of either sign included
        return DIVERGED
    if gradient_norm <= gradient_tol:
        return GRADIENT_TOL
    if loss <= loss_tol:
        return LOSS_TOL
    if step == last_step:
        return MAX_STEPS
    return INTERRUPTED if stop else -1


@njit(cache=True, nogil=True)
def descend_on_sample(
    X, c, m, mask, points, learning_rate, train_output, first_step, last_step, gradient_tol, loss_tol, previous, stop
):
    """Do as `descend`, for the mean over `points` ``(n, d)``.

    ``X = [W; V]`` and ``c = (a, -b)`` hold the iterate and are overwritten. A diverged run goes back to `previous`, its last
    iterate of finite loss.
    """
    d = X.shape[1]
    gradient, output_gradient = np.empty((m, d)), np.empty(m)
    scratch, part = np.empty((X.shape[0] + 1) * min(points.shape[0], BLOCK)), np.empty((m, d))
    step = first_step
    while True:
        loss = sample_loss_and_gradient(points, X, c, m, scratch, part, gradient, output_gradient)
        _apply_mask(mask, gradient)
        norm = frobenius_norm(gradient)
        if train_output:
            norm = math.hypot(norm, math.sqrt(np.dot(output_gradient, output_gradient)))
        reason = _reason(loss, norm, step, last_step, gradient_tol, loss_tol, stop[0])
        if reason >= 0:
            if reason == DIVERGED:
                _restore(X, c, m, previous)
            return step, reason
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
