"""What training returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmctheory._checks import FloatArray, IntArray
from lmctheory.networks import TwoLayerNet
from lmctheory.training.polishing import Polish


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """Networks and evidence of one batch of training runs; every array has one entry a run.

    Attributes
    ----------
    networks : tuple of TwoLayerNet
        The last iterate; for a diverged run the last one of finite loss.
    losses : ndarray, shape (n_runs,)
        Population loss of `networks`; NaN for a diverged run.
    gradient_norms : ndarray, shape (n_runs,)
        Frobenius norm of dL/dW at `networks`; NaN for a diverged run.
    converged, diverged : ndarray of bool, shape (n_runs,)
        Converged: a tolerance was met, by descent or by polishing.
    steps : ndarray of int, shape (n_runs,)
        Gradient steps taken.
    stopped_by : tuple of str
        "gradient_tol", "loss_tol", "max_steps" or "diverged": what ended gradient descent.
    polish : tuple of Polish or None
        What polishing did, one entry a run; empty without polishing, None for a diverged run.
    learning_rates : ndarray, shape (n_runs,)
    init_scale : float or None
        The scale s of the initial weights N(0, s^2/d); None where initial networks were given.
    seed : tuple
        Entropy and spawn key of the SeedSequence behind the initial weights; they reproduce the batch.
    """

    networks: tuple[TwoLayerNet, ...]
    losses: FloatArray
    gradient_norms: FloatArray
    converged: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    steps: IntArray
    stopped_by: tuple[str, ...]
    polish: tuple[Polish | None, ...]
    learning_rates: FloatArray
    init_scale: float | None
    seed: tuple[object, tuple[int, ...]]
