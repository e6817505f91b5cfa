"""The highest loss on the segment between two global minima."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.minima import residual_energy
from lmctheory.minima.manifold import Minimum

GRID_STEP = 0.5  # in log(t / (1 - t)), the scale on which every term is smooth
LOGIT_LIMIT = 700.0  # t and 1 - t stay positive
LOGIT_TOL = 1e-7  # the height is right to the square of this


@dataclass(frozen=True, eq=False)
class Top:
    """The highest loss, its ``log(t / (1 - t))``, and the grid in that variable on which it was located."""

    height: float
    logit: float
    grid: FloatArray
    losses: FloatArray


def mismatched(min_a: Minimum, min_b: Minimum, perm: IntArray) -> IntArray:
    """Return the neurons of A that meet a neuron of another class, zero neurons aside."""
    partners = min_b.classes[perm]
    return np.flatnonzero((min_a.classes != partners) & (min_a.classes >= 0) & (partners >= 0))


def highest_loss(min_a: Minimum, min_b: Minimum, neurons: IntArray, partners: IntArray) -> Top:
    """Return the highest loss on the segment, the mismatched `neurons` of A meeting `partners` of B."""
    if len(neurons) == 0:
        return Top(0.0, 0.0, np.zeros(1), np.zeros(1))
    arrays = grouped_pairs(min_a.classes[neurons], min_b.classes[partners], min_a.weights[neurons], min_b.weights[partners])
    return maximise(lambda u: float(residual_energy(expit(-u), expit(u), *arrays)))


def grouped_pairs(
    a: IntArray, b: IntArray, alpha: FloatArray, beta: FloatArray
) -> tuple[FloatArray, FloatArray, np.ndarray, IntArray, IntArray, IntArray]:
    """Return pairs as `residual_energy` takes them: grouped by their two axes, pairs of one direction and ratio merged.

    ``min(p|x|, q|y|)`` is 1-homogeneous in (p, q): residuals with the same ratio add up to the residual of the sums.
    """
    with np.errstate(over="ignore", under="ignore"):  # beyond 1e308 the lighter neuron adds nothing
        ratio = alpha / beta
    low, high, a_is_low = np.minimum(a, b), np.maximum(a, b), a < b
    order = np.lexsort((ratio, a_is_low, high, low))
    low, high, a_is_low, ratio = low[order], high[order], a_is_low[order], ratio[order]
    new_group = np.append(True, (np.diff(low) != 0) | (np.diff(high) != 0))
    new_pair = new_group | np.append(True, (a_is_low[1:] != a_is_low[:-1]) | (ratio[1:] != ratio[:-1]))
    first = np.flatnonzero(new_pair)
    groups = np.flatnonzero(new_group)
    return (
        np.add.reduceat(alpha[order], first),
        np.add.reduceat(beta[order], first),
        a_is_low[first],
        np.append(np.searchsorted(first, groups), len(first)),
        low[groups],
        high[groups],
    )


def maximise(loss: Callable[[float], float]) -> Top:
    """Return the maximum of the loss as a function of ``u = log(t / (1 - t))``."""
    values = {0.0: loss(0.0)}
    best = values[0.0]
    for sign in (-1.0, 1.0):
        u, value = 0.0, values[0.0]
        # beyond t, towards its end, L is at most L(t) / max(t, 1 - t)^2
        while value > best * expit(abs(u)) ** 2 * (u != 0) and abs(u) < LOGIT_LIMIT:
            u += sign * GRID_STEP
            value = values[u] = loss(u)
            best = max(best, value)
    grid = np.array(sorted(values))
    losses = np.array([values[u] for u in grid])
    height, logit = best, float(grid[np.argmax(losses)])
    # |d log L / du| <= 2: between grid points the loss exceeds a neighbour's at most by this factor
    reach = np.exp(GRID_STEP)
    padded = np.concatenate([[-np.inf], losses, [-np.inf]])
    peaks = np.flatnonzero((losses >= padded[:-2]) & (losses >= padded[2:]) & (losses * reach >= best))
    for k in peaks:
        found = minimize_scalar(
            lambda u: -loss(float(u)),
            bounds=(grid[k] - GRID_STEP, grid[k] + GRID_STEP),
            method="bounded",
            options={"xatol": LOGIT_TOL},
        )
        if -found.fun > height:
            height, logit = float(-found.fun), float(found.x)
    return Top(height, logit, grid, losses)
