"""What training returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmctheory._checks import FloatArray, IntArray
from lmctheory.networks import TwoLayerNet
from lmctheory.training.polishing import Polish
from lmctheory.training.recording import Checkpoints, History


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """Networks and evidence of one batch of training runs; every array has one entry a run.

    Attributes
    ----------
    networks : tuple of TwoLayerNet
        The last iterate; for a diverged run the last one of finite loss.
    losses : ndarray, shape (n_runs,)
        Population loss of `networks`; NaN for a diverged run.
    sample_losses : ndarray, shape (n_runs,)
        Loss of `networks` on the finite sample; NaN without one, and for a diverged run.
    gradient_norms : ndarray, shape (n_runs,)
        Frobenius norm at `networks` of the gradient of the population loss or, with a finite sample, of the loss on it; with
        respect to all weights that are trained. NaN for a diverged run.
    last_finite_losses : ndarray, shape (n_runs,)
        Population loss of `networks`, of diverged runs too.
    converged, diverged : ndarray of bool, shape (n_runs,)
        Converged: a tolerance was met, by descent or by polishing.
    steps : ndarray of int, shape (n_runs,)
        Gradient steps taken; of the flow, steps of its solver.
    times : ndarray, shape (n_runs,)
        Learning rate times steps, or the time of the flow.
    stopped_by : tuple of str
        "gradient_tol", "loss_tol", "max_steps" or "diverged": what ended descent. Of the flow also "horizon", or "stalled" where
        its solver could not go on.
    behaviour : tuple of str
        What descent was doing when it ended: "converged" if it met a tolerance, "diverged" if the loss passed 1e100, and
        else, with ``theta_t`` all weights at step t, ``s_t = |theta_t - theta_{t-1}|``, ``r_t = |theta_t - theta_{t-2}|``, at
        all of the last 15 steps,

        - "at rest": ``s_t <= 1e-12 |theta_T|``, rounding;
        - "noise": steps are random ("sgd");
        - "drift": ``r_t >= 1.9 s_t``, steps go in one direction;
        - "period-two oscillation": ``r_t <= s_t / 10``, and the last step is at least half as long as one at T/2;
        - "damped oscillation": ``r_t < s_t``, and it is shorter than that;
        - "unsettled": nothing of this, or T < 64.

        The flow neither oscillates nor rests: it is in a "drift" at its horizon, and "unsettled" where it ended before.
    polish : tuple of Polish or None
        What polishing did, one entry a run; empty without polishing, None for a diverged run.
    history : tuple of History
        Numbers along each run; empty without `record`.
    checkpoints : tuple of Checkpoints
        Networks along each run; empty without `checkpoints`.
    learning_rates : ndarray, shape (n_runs,)
        NaN for the flow.
    samples : tuple of ndarray, shape (n, d)
        The finite sample of each run; empty without `samples`.
    init_scale : float or None
        The scale s of the initial weights N(0, s^2/d); None where initial networks were given.
    seed : tuple
        Entropy and spawn key of the SeedSequence behind all random draws; they reproduce the batch.
    """

    networks: tuple[TwoLayerNet, ...]
    losses: FloatArray
    sample_losses: FloatArray
    gradient_norms: FloatArray
    last_finite_losses: FloatArray
    converged: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    steps: IntArray
    times: FloatArray
    stopped_by: tuple[str, ...]
    behaviour: tuple[str, ...]
    polish: tuple[Polish | None, ...]
    history: tuple[History, ...]
    checkpoints: tuple[Checkpoints, ...]
    learning_rates: FloatArray
    samples: tuple[FloatArray, ...]
    init_scale: float | None
    seed: tuple[object, tuple[int, ...]]
