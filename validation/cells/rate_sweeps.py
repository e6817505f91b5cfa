"""Gradient descent from the same initial networks at many learning rates around the stability threshold; shared by the claims."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, sweep_in_blocks
from validation.claim import Context

RATES = {  # in units of the threshold of each run
    "quick": (0.8, 0.88, 0.94, 0.98, 1.02, 1.06, 1.1, 1.15),
    "full": (0.6, 0.7, 0.8, 0.86, 0.9, 0.94, 0.97, 1.0, 1.03, 1.06, 1.09, 1.12, 1.16, 1.2),
    "wide": (0.1, 0.2, 0.4, 1.3, 1.4, 1.6, 1.8, 2.1),
}
REFERENCE = 0.5  # of the balanced threshold: the rate at which class sizes are taken
LOSS_TOL = 1e-9  # where dead neurons have 1e-5 of the largest norm and less
MAX_STEPS = 20_000  # at the threshold; in inverse proportion to the rate below it
SETTLED = "converged"
PER_START = ("thresholds", "reference_dead")
PER_RUN = ("dead", "losses", "steps", "behaviour", "sharpness", "full_sharpness", "class_sizes", "masses")


@dataclass(frozen=True, eq=False)
class RateSweep:
    """Runs of one cell (M, d, width): S initial networks at R learning rates.

    `rates` ``(R,)`` are in units of `thresholds` ``(S,)``, the stability threshold for the class sizes that each initial network
    reaches at half the balanced one, with `reference_dead` ``(S,)`` dead neurons. Of each run, ``(S, R, ...)``: `dead` neurons,
    `losses`, `steps`, `behaviour`, `class_sizes` ``(M,)`` of active neurons, `masses` ``(m,)`` in increasing order; learning
    rate times sharpness, with dead neurons at zero (`sharpness`) and as it stands (`full_sharpness`). Initial networks whose
    reference run did not settle at a minimum with every class present are left out and counted in `dropped`.
    """

    M: int
    d: int
    width: int
    rates: np.ndarray
    dropped: int
    thresholds: np.ndarray
    reference_dead: np.ndarray
    dead: np.ndarray
    losses: np.ndarray
    steps: np.ndarray
    behaviour: np.ndarray
    sharpness: np.ndarray
    full_sharpness: np.ndarray
    class_sizes: np.ndarray
    masses: np.ndarray

    @property
    def settled(self) -> np.ndarray:
        """Which runs converged, shape ``(S, R)``."""
        return self.behaviour == SETTLED

    @property
    def excess(self) -> np.ndarray:
        """Neurons dead beyond those of the reference run; NaN for runs that have not settled."""
        return np.where(self.settled, self.dead - self.reference_dead[:, None], np.nan)

    @property
    def relative_rates(self) -> np.ndarray:
        """Learning rates in units of the balanced threshold, shape ``(S, R)``."""
        return self.thresholds[:, None] * self.rates / lmc.stability_threshold(self.M, self.width)


def threshold_sweeps(context: Context) -> list[RateSweep]:
    """Return the sweeps across the threshold in all cells; fewer initial networks where shares vary less or runs are dear."""
    if context.scale == "quick":
        cells = [(M, d, m) for M in (1, 2, 4) for d in (M, 2 * M) for m in (16, 32)] + [(8, 16, 32)]
        return rate_sweeps(context, cells, [24 if M == 1 else 8 for M, _, _ in cells], "quick")
    counts = {16: 24, 32: 16, 64: 10, 128: 6}
    cells = [(M, d, m) for M in (1, 2, 4, 8) for d in (M, 2 * M) for m in counts]
    return rate_sweeps(context, cells, [counts[m] for _, _, m in cells], "full")


def rate_sweeps(context: Context, cells: Sequence[tuple[int, int, int]], n_runs: Sequence[int], rates: str) -> list[RateSweep]:
    """Return the sweep over ``RATES[rates]`` from `n_runs` initial networks of each cell ``(M, d, width)``."""
    requests = [
        {"M": M, "d": d, "width": width, "n_runs": n, "rates": rates} for (M, d, width), n in zip(cells, n_runs, strict=True)
    ]

    def cost(cell: dict[str, Any]) -> float:
        return float(cell["n_runs"] * cell["width"] ** 2 * (4 if cell["M"] == 8 else 1) + cell["n_runs"] * 100)

    found = sweep_in_blocks(context, rate_sweep, requests, "n_runs", lambda r: max(1, 128 // r["width"]), cost)
    return [
        RateSweep(
            M, d, m, np.array(RATES[rates]), sum(part["dropped"] for part in parts), **joined(parts, (*PER_START, *PER_RUN))
        )
        for (M, d, m), parts in zip(cells, found, strict=True)
    ]


def rate_sweep(seed: int, M: int, d: int, width: int, n_runs: int, rates: str, block: int = 0) -> dict[str, Any]:
    """Return what `RateSweep` holds of `n_runs` initial networks."""
    teacher, balanced = lmc.orthonormal_teacher(M, d), lmc.stability_threshold(M, width)
    reference = _train(
        teacher, REFERENCE * balanced, REFERENCE,
        width=width, n_runs=n_runs, rng=np.random.SeedSequence([seed, M, d, width, block]), checkpoints=[0],
    )  # fmt: skip
    starts, thresholds, dead = [], [], []
    for net, checkpoints, behaviour in zip(reference.networks, reference.checkpoints, reference.behaviour, strict=True):
        found = lmc.sparsity(net, teacher)
        if behaviour == SETTLED and found.class_sizes is not None and found.class_sizes.min() > 0:
            starts.append(checkpoints.networks[0])
            thresholds.append(lmc.stability_threshold(M, width, found.class_sizes))
            dead.append(round(found.dead_share * width))
    runs: list[list[dict[str, Any]]] = [[] for _ in starts]
    for rate in RATES[rates] if starts else ():
        result = _train(teacher, rate * np.array(thresholds), rate, init=starts)
        for k, along in enumerate(runs):
            along.append(_describe(result, k, teacher))
    tails = {"class_sizes": (M,), "masses": (width,)}
    return {
        "dropped": n_runs - len(starts),
        "thresholds": np.array(thresholds),
        "reference_dead": np.array(dead, dtype=int),
        **{
            name: np.array([[run[name] for run in along] for along in runs]).reshape(
                len(starts), len(RATES[rates]), *tails.get(name, ())
            )
            for name in PER_RUN
        },
    }


def without_dead(net: lmc.TwoLayerNet) -> lmc.TwoLayerNet:
    """Return the network with dead neurons at zero."""
    found = lmc.sparsity(net)
    alive = np.abs(net.a) * np.linalg.norm(net.W, axis=1) >= found.dead * found.masses[-1]
    return lmc.TwoLayerNet(np.where(alive[:, None], net.W, 0.0), net.a)


def _train(teacher: lmc.TwoLayerNet, learning_rate: Any, relative: float, **options: Any) -> lmc.TrainingResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # the behaviour of every run is in the results
        steps = round(MAX_STEPS / min(1.0, relative))
        return lmc.train(teacher, learning_rate=learning_rate, max_steps=steps, loss_tol=LOSS_TOL, **options)


def _describe(result: lmc.TrainingResult, k: int, teacher: lmc.TwoLayerNet) -> dict[str, Any]:
    net, rate = result.networks[k], result.learning_rates[k]
    found = lmc.sparsity(net, teacher)
    finite = not result.diverged[k]
    return {
        "dead": round(found.dead_share * net.width),
        "losses": result.losses[k],
        "steps": result.steps[k],
        "behaviour": result.behaviour[k],
        "sharpness": rate * lmc.sharpness(without_dead(net), teacher) if finite else np.nan,
        "full_sharpness": rate * lmc.sharpness(net, teacher) if finite else np.nan,
        "class_sizes": found.class_sizes,
        "masses": found.masses / found.masses[-1],
    }
