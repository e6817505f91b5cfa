"""Ensembles of networks trained by gradient descent, and the barriers of all their pairs; shared by the claims."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.claim import Context, as_json

LOSS_TOL = 1e-8  # overparameterised runs stop here: four orders below the barriers that are measured
GLOBAL_LOSS = 1e-6  # a run below this has reached a global minimum: spurious minima of orthonormal teachers lie above 1e-2
MAX_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks of one width and the barriers of all their pairs ``(P, 2)``; ``modulo`` is the lower of both matchings."""

    M: int
    d: int
    width: int
    losses: np.ndarray
    steps: np.ndarray
    pairs: np.ndarray
    weights: np.ndarray
    activations: np.ndarray
    unaligned: np.ndarray
    loss_floor: float

    @property
    def modulo(self) -> np.ndarray:
        """The barrier modulo permutation: the lower of weight and activation matching."""
        return np.minimum(self.weights, self.activations)

    @property
    def reached_global(self) -> np.ndarray:
        """Which runs ended in a global minimum, shape ``(n_runs,)``."""
        return self.losses <= GLOBAL_LOSS

    @property
    def global_pairs(self) -> np.ndarray:
        """Which pairs consist of two global minima, shape ``(P,)``."""
        return self.reached_global[self.pairs].all(axis=1)

    def record(self) -> dict[str, Any]:
        """Return every number, as JSON types."""
        return as_json(vars(self)) | {"modulo": self.modulo.tolist()}


def gd_ensembles(context: Context, cells: Sequence[tuple[int, int, int]], n_runs: int) -> list[Ensemble]:
    """Return an ensemble of `n_runs` networks for each cell ``(M, d, width)``; see `gd_ensemble`."""
    parameters = [{"M": M, "d": d, "width": width, "n_runs": n_runs} for M, d, width in cells]
    found = context.sweep(gd_ensemble, parameters, cost=lambda p: p["width"] ** 2.0 * (20 + min(p["d"], p["width"] + p["M"])))
    names = [field.name for field in fields(Ensemble)]
    records = [cell | numbers for cell, numbers in zip(parameters, found, strict=True)]
    return [Ensemble(**{name: record[name] for name in names}) for record in records]


@cache  # claims share ensembles
def gd_ensemble(seed: int, M: int, d: int, width: int, n_runs: int) -> dict[str, Any]:
    """Return the numbers of `n_runs` networks trained by gradient descent on the orthonormal teacher (M, d).

    Learning rate 1/m, a third of the stability threshold of dense minima. Up to m = M descent is followed by polishing to a
    gradient norm of 1e-12; above, it stops at a loss of 1e-8.
    """
    teacher = lmc.orthonormal_teacher(M, d)
    exact = width <= M
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # losses and steps of every run are in the results
        result = lmc.train(
            teacher,
            width=width,
            learning_rate=1 / width,
            max_steps=MAX_STEPS,
            rng=np.random.SeedSequence([seed, M, d, width]),
            n_runs=n_runs,
            loss_tol=None if exact else LOSS_TOL,
            polish=exact,
        )
    barriers = lmc.pairwise_barriers(result.networks, teacher, ("weights", "activations", "none"))
    return {
        "losses": result.losses,
        "steps": result.steps,
        "pairs": barriers.pairs,
        "weights": barriers.by_method["weights"],
        "activations": barriers.by_method["activations"],
        "unaligned": barriers.by_method["none"],
        "loss_floor": float(barriers.loss_floors.max()),
    }
