"""The barrier among three and more networks, under one permutation each, falls with the width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.ensembles import descend
from validation.claim import Claim, Context, Measurement, Outcome, as_json
from validation.evidence import rates

KEY, KEY_TRIANGLE, KEY_DESCENT, KEY_MINIMA = 521, 522, 502, 503
MEASURES = ("worst", "barycentre", "simplex")
TEACHER = (4, 8)
SIZES = (3, 4, 6)
JOINED_SIZES = "+".join(map(str, SIZES))
TRIANGLE_WIDTHS = (8, 64)
TRIANGLE_POINTS = 41
FAMILIES_IN_BLOCK = 2
NAMES = {"worst": "worst pair", "barycentre": "barycentre", "simplex": "simplex"}


def experiment(context: Context) -> Outcome:
    """Fit all three measures of families of 3, 4 and 6 networks, found by descent and drawn uniformly."""
    M, d = TEACHER
    descent = context.pick(
        quick={8: 10, 16: 10, 32: 8, 64: 6}, full={8: 60, 12: 60, 16: 60, 24: 60, 32: 60, 48: 40, 64: 40, 96: 20, 128: 20}
    )
    uniform = context.pick(
        quick={8: 20, 32: 20, 100: 20, 316: 12, 1000: 10},
        full={8: 200, 32: 200, 100: 200, 316: 100, 1000: 100, 3162: 50, 10_000: 30, 100_000: 6},
    )
    sources = {
        "GD": _families(context, gd_families, [{"M": M, "d": d, "width": m, "n_families": n} for m, n in descent.items()]),
        "uniform": _families(context, minima_families, [{"M": M, "width": m, "n_families": n} for m, n in uniform.items()]),
    }
    fits = {
        (source, k, measure): _fit(cells, f"aligned_{k}", MEASURES.index(measure), context.rng(KEY, k, column))
        for source, cells in sources.items()
        for k in SIZES
        for column, measure in enumerate(MEASURES)
    }
    control = {
        measure: _fit(sources["GD"], "random_3", column, context.rng(KEY, 0, column)) for column, measure in enumerate(MEASURES)
    }
    triangles = context.sweep(triangle, [{"M": M, "d": d, "width": m} for m in TRIANGLE_WIDTHS])
    first, second = fits["GD", 3, "simplex"], fits["uniform", 3, "simplex"]
    return Outcome(
        verdict=rates.decide(list(fits.values())),
        control=rates.decide(list(control.values())),
        headline=[
            Measurement("exponent, GD, simplex of 3", first.exponent, first.interval),
            Measurement("uniform, simplex of 3", second.exponent, second.interval),
            Measurement("shuffled", control["simplex"].exponent, control["simplex"].interval),
        ],
        findings=[
            *(_describe(source, k, fits) for source in sources for k in SIZES),
            *(_describe_shape(source, cells) for source, cells in sources.items()),
        ],
        data={
            "sources": as_json(sources),
            "fits": [
                {"source": source, "k": k, "measure": measure, "fit": rates.fit_record(fit)}
                for (source, k, measure), fit in fits.items()
            ],
            "control": {measure: rates.fit_record(fit) for measure, fit in control.items()},
            "triangles": as_json(triangles),
        },
    )


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


def triangle(seed: int, M: int, d: int, width: int) -> dict[str, Any]:
    """Return the loss over the simplex of three solutions, before and after alignment."""
    teacher = lmc.orthonormal_teacher(M, d)
    networks = descend(teacher, width, 3, True, np.random.SeedSequence([seed, KEY_TRIANGLE, M, d, width])).networks
    before = lmc.simplex_barrier(networks, teacher, grid_size=TRIANGLE_POINTS)
    strong = lmc.strong_connectivity(networks, teacher).best
    after = lmc.simplex_barrier(strong.networks, teacher, grid_size=TRIANGLE_POINTS)
    return {
        "grid": before.grid, "before": before.losses, "after": after.losses,
        "heights": np.array([before.height, after.height]), "positions": np.stack([before.position, after.position]),
    }  # fmt: skip


def _families(context: Context, function: Any, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the measures of all families of each request."""
    asked = [request | {"sizes": JOINED_SIZES} for request in requests]
    parts = sweep_in_blocks(context, function, asked, "n_families", lambda _: FAMILIES_IN_BLOCK, _cost)
    names = list(parts[0][0].keys() - asked[0].keys())
    return [
        request | joined(part, [name for name in names if name != "block"]) for request, part in zip(asked, parts, strict=True)
    ]


def _cost(cell: dict[str, Any]) -> float:
    m = cell["width"]
    return float(cell["n_families"] * (0.3 + (4e-2 * m + 2e-5 * m**2.8 if "d" in cell else 2.5e-4 * m)))


def _fit(cells: Sequence[dict[str, Any]], name: str, column: int, rng: np.random.SeedSequence) -> lmc.RateFit:
    return lmc.fit_rate([cell["width"] for cell in cells], [cell[name][:, column] for cell in cells], rng=rng)


def _describe(source: str, k: int, fits: dict[tuple[str, int, str], lmc.RateFit]) -> str:
    mine = {measure: fits[source, k, measure] for measure in MEASURES}
    widths = mine["worst"].widths
    parts = [str(Measurement(NAMES[measure], fit.exponent, fit.interval)) for measure, fit in mine.items()]
    return f"{source}, {k} networks, m={widths[0]:.0f}..{widths[-1]:.0f}: exponents " + ", ".join(parts) + "."


def _describe_shape(source: str, cells: Sequence[dict[str, Any]]) -> str:
    inside = {k: np.concatenate([cell[f"aligned_{k}"] for cell in cells]) for k in SIZES}
    shares = [f"{np.mean(rows[:, 2] > 1.01 * rows[:, 0]):.0%} for k={k}" for k, rows in inside.items()]
    ratios = [f"{np.mean(rows[:, 2]) / np.mean(rows[:, 0]):.3g}" for rows in (cell["aligned_6"] for cell in cells)]
    return (
        f"{source}: the maximum over the simplex lies more than 1 % above the worst pair in {', '.join(shares)}; for k=6 the "
        f"mean is higher by the factors {', '.join(ratios)} at m={', '.join(str(cell['width']) for cell in cells)}."
    )


CLAIM = Claim(
    name="strong-emerges-with-width",
    statement="Strong connectivity emerges with width: under one permutation each, the barrier among 3, 4 and 6 networks (worst "
    "pair, barycentre, whole simplex) falls with m, among GD solutions and among uniform minima, and is O(m^-1/2) like that of "
    "pairs.",
    source="[SKD]; the rate of [ZLW], abstract",
    prediction="exponents <= -1/2 (ours: -2 among uniform minima)",
    rule="GD runs, M = 4, d = 8, m from 2M on, polished to a gradient norm of 1e-12, under the best of the assignments of "
    "`strong_connectivity`; uniform minima, M = 4, under the best reference by lightest matching: upper bounds. "
    "Independent families, least squares of log(mean) on log m, families resampled. Supported if the upper end of the 95 % "
    "interval of the exponent is at most -0.45 for every number of networks, measure and source; refuted if a lower end is above "
    "-0.45.",
    control="The same GD solutions, their neurons shuffled: all three measures, k = 3, are refuted by the rule.",
    experiment=experiment,
)
