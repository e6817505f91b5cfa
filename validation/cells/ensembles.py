"""Ensembles of networks trained by gradient descent, and the barriers of all their pairs; shared by the claims."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, joined_pairs, sweep_in_blocks
from validation.claim import Context, as_json

POLISHED_LOSS_TOL = 1e-6  # descent of overparameterised runs stops here when polishing follows,
LOSS_TOL = 1e-7  # and here when it does not
GLOBAL_LOSS = 1e-6  # a run below this has reached a global minimum: spurious minima of orthonormal teachers lie above 1e-2
MAX_STEPS = 20_000
RUNS_IN_BLOCK = 32
JOINED = ("losses", "steps", "weights", "activations", "unaligned")


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks of one width and the barriers of their pairs ``(P, 2)`` within blocks; ``modulo`` is the lower of both."""

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


def gd_ensembles(
    context: Context, cells: Sequence[tuple[int, int, int]], n_runs: int | Sequence[int], *, polish: bool = True
) -> list[Ensemble]:
    """Return an ensemble of `n_runs` networks for each cell ``(M, d, width)``, trained in blocks; see `gd_ensemble`."""
    counts = [n_runs] * len(cells) if isinstance(n_runs, int) else n_runs
    parameters = [
        {"M": M, "d": d, "width": width, "n_runs": count, "polish": polish}
        for (M, d, width), count in zip(cells, counts, strict=True)
    ]

    def cost(cell: dict[str, Any]) -> float:
        m, coordinates = cell["width"], min(cell["d"], cell["width"] + cell["M"])
        return float(cell["n_runs"] * m**2.0 * (20 + coordinates))

    found = sweep_in_blocks(context, gd_ensemble, parameters, "n_runs", lambda _: RUNS_IN_BLOCK, cost)
    ensembles = []
    for (M, d, width), parts in zip(cells, found, strict=True):
        pairs, floor = joined_pairs(parts, "losses"), max(part["loss_floor"] for part in parts)
        ensembles.append(Ensemble(M, d, width, pairs=pairs, loss_floor=floor, **joined(parts, JOINED)))
    return ensembles


def descend(teacher: lmc.TwoLayerNet, width: int, n_runs: int, polish: bool, rng: np.random.SeedSequence) -> lmc.TrainingResult:
    """Return `n_runs` networks trained on the teacher as described at `gd_ensemble`."""
    loss_tol = None if width <= teacher.width else POLISHED_LOSS_TOL if polish else LOSS_TOL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # losses and steps of every run are in the results
        return lmc.train(
            teacher,
            width=width,
            learning_rate=1 / width,
            max_steps=MAX_STEPS,
            rng=rng,
            n_runs=n_runs,
            loss_tol=loss_tol,
            polish=polish or width <= teacher.width,
        )


def gd_ensemble(seed: int, M: int, d: int, width: int, n_runs: int, polish: bool, block: int = 0) -> dict[str, Any]:
    """Return the numbers of `n_runs` networks trained by gradient descent on the orthonormal teacher (M, d).

    Learning rate 1/m, a third of the stability threshold of dense minima. With `polish` descent is followed by Newton steps to a
    gradient norm of 1e-12; it starts from a loss of 1e-6 for m > M, and from a gradient norm of 1e-9 up to m = M.
    Without, overparameterised runs stop at a loss of 1e-7: neurons may still be on their way to an axis, which lowers
    the barrier (means over twelve runs: M = 4, d = 8, m = 64: 2.9e-5 instead of 3.5e-5; M = d = 8, m = 64: 1e-5 instead of 6e-4).
    """
    teacher = lmc.orthonormal_teacher(M, d)
    result = descend(teacher, width, n_runs, polish, np.random.SeedSequence([seed, M, d, width, block]))
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
