"""Families of three and more networks, found by descent or drawn from the uniform law on minima; cells of the claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.ensembles import descend

KEY_TRIPLES, KEY_DESCENT, KEY_MINIMA = 501, 502, 503
PROVED_WIDTH = 8  # the strong barrier of three networks up to this width is proved by complete search
MEASURES = ("worst", "barycentre", "simplex")


def gd_triples(seed: int, M: int, d: int, width: int, n_triples: int, copies: bool, block: int = 0) -> dict[str, Any]:
    """Return weak and strong barriers of independent triples of polished solutions, ``(n_triples,)`` each.

    With `copies` the second network of each triple is the first, its neurons shuffled: there weak and strong must agree.
    """
    teacher = lmc.orthonormal_teacher(M, d)
    key = np.random.SeedSequence([seed, KEY_TRIPLES, M, d, width, block])
    networks = descend(teacher, width, 3 * n_triples, True, key).networks
    shuffle = np.random.default_rng(key.spawn(1)[0])
    rows = []
    for k in range(n_triples):
        triple = list(networks[3 * k : 3 * k + 3])
        if copies:
            triple[1] = triple[0].permute(shuffle.permutation(width))
        found = lmc.weak_connectivity(triple, teacher, "exact" if width <= PROVED_WIDTH else "swaps")
        cycle = lmc.cycle_consistency(triple, teacher)
        strong = found.strong
        floor = found.loss_floor + strong.best.loss_floor
        rows.append([found.height, strong.height, floor, strong.is_optimal, cycle.fixed[0], cycle.heights[0]])
    weak, strong_heights, floors, proved, fixed, after_cycle = np.array(rows).T
    return {
        "weak": weak, "strong": strong_heights, "floor": floors, "proved": proved, "fixed": fixed, "after_cycle": after_cycle,
    }  # fmt: skip


def measures(networks: Sequence[lmc.TwoLayerNet | lmc.LayeredNet], teacher: lmc.TwoLayerNet) -> list[float]:
    """Return `MEASURES` of networks as they stand: the worst pair, the excess at the barycentre, the height on the simplex."""
    found = lmc.simplex_barrier(networks, teacher)
    return [float(found.edges.max()), max(found.barycentre, 0.0), found.height]


def gd_families(seed: int, M: int, d: int, width: int, sizes: str, n_families: int, block: int = 0) -> dict[str, Any]:
    """Return `MEASURES` of families of polished solutions under the best assignments, and under random permutations.

    `sizes` are the numbers k of networks joined by "+"; smaller families are parts of the largest ones. Arrays ``(n, 3)`` named
    "aligned_k", and "random_k" for the smallest k.
    """
    teacher = lmc.orthonormal_teacher(M, d)
    counts = [int(size) for size in sizes.split("+")]
    key = np.random.SeedSequence([seed, KEY_DESCENT, M, d, width, block])
    networks = descend(teacher, width, max(counts) * n_families, True, key).networks
    shuffle = np.random.default_rng(key.spawn(1)[0])
    shuffled = [net.permute(shuffle.permutation(width)) for net in networks]
    found: dict[str, Any] = {}
    for k in counts:
        starts = range(0, len(networks) - k + 1, k)
        best = [lmc.strong_connectivity(networks[s : s + k], teacher, "assignments").best.networks for s in starts]
        found[f"aligned_{k}"] = np.array([measures(family, teacher) for family in best])
        if k == min(counts):
            found[f"random_{k}"] = np.array([measures(shuffled[s : s + k], teacher) for s in starts])
    return found


def minima_families(seed: int, M: int, width: int, sizes: str, n_families: int, block: int = 0) -> dict[str, Any]:
    """Return `MEASURES` of families of uniform minima, aligned with the best reference by "lightest" matching.

    Arrays ``(n, 3)`` named "aligned_k" for the numbers k of networks in `sizes`, joined by "+".
    """
    teacher = lmc.orthonormal_teacher(M, M)
    counts = [int(size) for size in sizes.split("+")]
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY_MINIMA, M, width, block]))
    minima = [lmc.sample_minimum(M, width, rng=draw) for _ in range(max(counts) * n_families)]
    found: dict[str, Any] = {}
    for k in counts:
        rows = []
        for start in range(0, len(minima) - k + 1, k):
            worst, best = align_minima(minima[start : start + k])
            rows.append([worst, *measures(merged(best), teacher)[1:]])
        found[f"aligned_{k}"] = np.array(rows)
    return found


def align_minima(minima: Sequence[lmc.Minimum]) -> tuple[float, list[lmc.Minimum]]:
    """Return the minima aligned with the reference of the lowest worst barrier, and that barrier."""
    best: tuple[float, list[lmc.Minimum]] = (np.inf, [])
    for reference in minima:
        moved = [other.permute(lmc.minima_barrier(reference, other).permutation) for other in minima]
        identity = np.arange(reference.width)
        worst = max(lmc.minima_barrier(a, b, identity).height for i, a in enumerate(moved) for b in moved[:i])
        best = min(best, (worst, moved), key=lambda found: found[0])
    return best


def merged(minima: Sequence[lmc.Minimum]) -> list[lmc.TwoLayerNet]:
    """Return narrower networks with the same loss on the whole simplex, an exact reduction.

    At places where all neurons that are not zero lie on one ray, mixed neurons lie on it too and add up to one neuron a ray.
    """
    classes, weights = (np.stack([getattr(minimum, name) for minimum in minima]) for name in ("classes", "weights"))
    ray = classes.max(axis=0)
    alike = ((classes == ray) | (classes == -1)).all(axis=0)
    M = minima[0].M
    networks = []
    for own, weight in zip(classes, weights, strict=True):
        sums = np.bincount(ray[alike & (ray >= 0)], weight[alike & (ray >= 0)], M)
        rest = np.zeros((int((~alike).sum()), M))
        rest[np.arange(len(rest)), own[~alike]] = weight[~alike]  # class -1 writes a 0
        networks.append(lmc.TwoLayerNet(np.vstack([np.diag(sums), rest])))
    return networks
