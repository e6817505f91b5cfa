"""Pairs of global minima drawn from a law, and minima found by gradient descent; cells shared by the claims."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from lmctheory.alignment.similarity import SIMILARITIES
from validation.cells.blocks import joined, joined_pairs, sweep_in_blocks
from validation.claim import Context

KEY_PAIRS, KEY_RANDOM, KEY_DESCENT = 401, 402, 403
LAWS = ("uniform", "sparse", "dirichlet", "equal")
PARAMETERS = {"sparse": "r", "dirichlet": "concentration"}
BLOCK_SECONDS = 2.0  # cells are split so that none takes much longer
RUNS_IN_BLOCK = 32
JOINED = ("losses", "distances", "sizes", "classes", "weights", "height", "l1")
LOSS_TOL, GLOBAL_LOSS, MAX_STEPS = 1e-8, 1e-6, 40_000
TEACHER = (4, 4)  # M and d of `descent_cells`
BASE = (1.0, 1.0)  # initial scale in units of M/m, learning rate in units of 1/m


def draw_minimum(M: int, width: int, law: str, parameter: float, rng: np.random.Generator) -> lmc.Minimum:
    """Return a minimum of the law; `parameter` is r or the concentration, where the law has one."""
    keywords = {PARAMETERS[law]: parameter} if law in PARAMETERS else {}
    return lmc.sample_minimum(M, width, law, rng=rng, **keywords)


def minima_pairs(
    seed: int,
    M: int,
    width: int,
    n_pairs: int,
    matchings: str,
    law: str = "uniform",
    parameter: float = 0.0,
    block: int = 0,
) -> dict[str, Any]:
    """Return height, residual's L1 norm and number of leftovers of independent pairs, ``(n_pairs,)`` each, by matching.

    `matchings` are names joined by "+", of `minima_barrier` or of a similarity of `align`; "none" is no permutation at all.
    Every matching sees the same minima. An optimum that is not proved fails the cell.
    """
    key = [M, width, LAWS.index(law), round(1e6 * parameter), block]
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY_PAIRS, *key]))
    choose = np.random.default_rng(np.random.SeedSequence([seed, KEY_RANDOM, *key]))
    names = matchings.split("+")
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(n_pairs):
        a, b = (draw_minimum(M, width, law, parameter, draw) for _ in range(2))
        for name in names:
            barrier = matched_barrier(a, b, name, choose)
            found[name].append([barrier.height, barrier.residual_l1, barrier.leftover])
    result: dict[str, Any] = {}
    for name, rows in found.items():
        height, l1, leftover = np.array(rows).T
        result |= {f"{name}_height": height, f"{name}_l1": l1, f"{name}_leftover": leftover}
    return result


def matched_barrier(a: lmc.Minimum, b: lmc.Minimum, name: str, choose: np.random.Generator) -> lmc.MinimaBarrier:
    """Return the barrier under a matching of `minima_barrier`, an alignment by similarity, or "none"."""
    if name == "none":
        return lmc.minima_barrier(a, b, np.arange(a.width))
    if name in SIMILARITIES:
        return lmc.minima_barrier(a, b, lmc.align(a.to_network(), b.to_network(), name).permutation)
    with warnings.catch_warnings():
        warnings.simplefilter("error", lmc.ConvergenceWarning)
        return lmc.minima_barrier(a, b, name, rng=choose if name == "random" else None)


def pair_seconds(M: int, width: int, matchings: str) -> float:
    """Roughly what a pair costs; only for splitting the work and for progress."""
    cost = {"lightest": 3e-4 + 3.5e-7 * width, "random": 3e-4 + 2e-7 * width, "none": 3e-4 + 2e-8 * width * M}
    cost["swaps"] = 4e-4 + 1.2e-6 * M * width**1.25
    cost["exact"] = 2e-3 + 5e-7 * M * width**2
    cost |= dict.fromkeys(SIMILARITIES, 5e-4 + 1e-7 * width**2)
    return 3e-4 + 2e-7 * width + sum(cost[name] for name in matchings.split("+"))


def all_pairs(context: Context, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `minima_pairs` for each request, computed in blocks of a few seconds at most."""

    def size(request: dict[str, Any]) -> int:
        return max(1, math.ceil(BLOCK_SECONDS / pair_seconds(request["M"], request["width"], request["matchings"])))

    def cost(cell: dict[str, Any]) -> float:
        return float(cell["n_pairs"] * pair_seconds(cell["M"], cell["width"], cell["matchings"]))

    found = sweep_in_blocks(context, minima_pairs, requests, "n_pairs", size, cost)
    arrays = [[name for name, value in parts[0].items() if isinstance(value, np.ndarray)] for parts in found]
    return [request | joined(parts, names) for request, parts, names in zip(requests, found, arrays, strict=True)]


def descended_minima(
    seed: int, M: int, d: int, width: int, n_runs: int, init_scale: float, rate: float, block: int = 0
) -> dict[str, Any]:
    """Return class sizes, weights and barriers of the minima next to gradient-descent solutions.

    Learning rate ``rate / m``; each initial weight is ``N(0, s^2 / d)`` with ``s = init_scale * M / m``. Runs stop at a loss
    of 1e-8 and are projected on the manifold; runs that did not reach a loss of 1e-6 are left out and counted.
    """
    teacher = lmc.orthonormal_teacher(M, d)
    key = [M, d, width, round(1e6 * init_scale), round(1e6 * rate), block]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # losses of all runs are in the results
        result = lmc.train(
            teacher, width=width, learning_rate=rate / width, init_scale=init_scale * M / width, n_runs=n_runs,
            max_steps=MAX_STEPS, loss_tol=LOSS_TOL, gradient_tol=0.0, rng=np.random.SeedSequence([seed, KEY_DESCENT, *key]),
        )  # fmt: skip
    reached = [net for net, loss in zip(result.networks, result.losses, strict=True) if loss <= GLOBAL_LOSS]
    projections = [lmc.project_to_minimum(net, teacher) for net in reached]
    minima = [projection.minimum for projection in projections]
    pairs = np.stack(np.triu_indices(len(minima), 1), axis=1)
    barriers = [lmc.minima_barrier(minima[i], minima[j]) for i, j in pairs]
    return {
        "M": M, "d": d, "width": width, "init_scale": init_scale, "rate": rate,
        "losses": result.losses,
        "distances": np.array([projection.distance for projection in projections]),
        "sizes": np.array([minimum.class_sizes for minimum in minima]).reshape(-1, M),
        "classes": np.array([minimum.classes for minimum in minima]).reshape(-1, width),
        "weights": np.array([minimum.weights for minimum in minima]).reshape(-1, width),
        "pairs": pairs,
        "height": np.array([barrier.height for barrier in barriers]),
        "l1": np.array([barrier.residual_l1 for barrier in barriers]),
    }  # fmt: skip


def all_descended(context: Context, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `descended_minima` for each request, trained in blocks; only pairs within a block have barriers."""

    def cost(cell: dict[str, Any]) -> float:
        return float(cell["n_runs"] * cell["width"] ** 1.8 / cell["rate"])

    found = sweep_in_blocks(context, descended_minima, requests, "n_runs", lambda _: RUNS_IN_BLOCK, cost)
    return [
        request | joined(parts, JOINED) | {"pairs": joined_pairs(parts, "sizes")}
        for request, parts in zip(requests, found, strict=True)
    ]


def descent_cells(context: Context) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return requests of `all_descended` at the base settings, and those at which one setting differs."""
    (M, D), n_runs = TEACHER, context.pick(quick=24, full=256)
    widths = context.pick(quick=(8, 16, 32), full=(8, 16, 32, 64))
    middle = context.pick(quick=16, full=32)
    scales = context.pick(quick=(0.2,), full=(0.04, 0.2, 2.0, 4.0))
    rates = context.pick(quick=(2.5,), full=(0.5, 2.0, 2.5))
    dimensions = context.pick(quick=(), full=(16,))

    def cell(width: int, scale: float, rate: float, d: int) -> dict[str, Any]:
        return {"M": M, "d": d, "width": width, "n_runs": n_runs, "init_scale": scale, "rate": rate}

    base = [cell(m, *BASE, D) for m in widths]
    others = [cell(middle, s, BASE[1], D) for s in scales]
    others += [cell(m, m / M, BASE[1], D) for m in widths]  # initial scale 1 whatever m
    others += [cell(middle, BASE[0], r, D) for r in rates] + [cell(middle, *BASE, d) for d in dimensions]
    return base, others
