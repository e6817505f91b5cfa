"""The learning rates at which descent diverges, by bisection; shared by the claims."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import lmctheory as lmc

KEY = 621
MAX_STEPS = 2000
LOSS_TOL = 1e-9  # a run that gets here has settled
BRACKET = (0.1, 3.0)  # rates, in units of the threshold of dense minima, that surely do not and do diverge
HALVINGS = 9  # down to 0.7 % of the rate


def diverging_rates(
    seed: int, M: int, d: int, width: int, scale: float, n_runs: int, batch_size: int | None = None
) -> dict[str, Any]:
    """Return for each initial network the rate at which descent diverges, by bisection, and 2 / sharpness there.

    Initial weights are ``N(0, s^2 / d)`` with ``s = scale * M / m``. `cosine` is the smallest between neurons that diverged.
    With a batch size descent is stochastic, with the same batches at every rate.
    """
    teacher, threshold = lmc.orthonormal_teacher(M, d), lmc.stability_threshold(M, width)
    root = np.random.SeedSequence([seed, KEY, M, d, width, round(1e6 * scale)])
    draw = np.random.default_rng(root)
    starts = [lmc.TwoLayerNet(draw.normal(scale=scale * M / width / np.sqrt(d), size=(width, d))) for _ in range(n_runs)]

    smallest_cosine = 1.0

    def diverge(rates: np.ndarray) -> np.ndarray:
        nonlocal smallest_cosine
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)
            result = lmc.train(
                teacher, init=starts, learning_rate=rates * threshold, max_steps=MAX_STEPS, loss_tol=LOSS_TOL, rng=root,
                algorithm="gd" if batch_size is None else "sgd", batch_size=batch_size,
            )  # fmt: skip
        for k in np.flatnonzero(result.diverged):
            W = result.networks[k].W
            directions = W / np.linalg.norm(W, axis=1, keepdims=True)
            smallest_cosine = min(smallest_cosine, float((directions @ directions.T).min()))
        return result.diverged

    return {
        "rates": bisect(diverge, n_runs) * threshold,
        "cosine": smallest_cosine,
        "initial": np.array([2 / lmc.sharpness(net, teacher) for net in starts]),
        "threshold": threshold,
    }


def bisect(diverge: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """Return n rates in units of the threshold between ones that do not and ones that do diverge."""
    low, high = (np.full(n, np.log(bound)) for bound in BRACKET)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        diverged = diverge(np.exp(middle))
        low, high = np.where(diverged, low, middle), np.where(diverged, middle, high)
    return np.asarray(np.exp((low + high) / 2))
