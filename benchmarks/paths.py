"""The loss along a segment, the barrier with its refinement, and barriers between minima of great width."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lmctheory as lmc
from benchmarks.harness import Options, Row, interleaved, seconds

TITLE = "paths between two networks, M = 8, d = 16"
WIDTHS = (8, 64, 512, 4096)
M, D, POINTS, KINKS = 8, 16, 101, 64
MINIMA = (10**3, 10**6)


def measure(options: Options) -> list[Row]:
    """Return milliseconds for each width."""
    rows = [row for m in WIDTHS if options.wanted(case := f"m = {m}") for row in _segment(case, m, options.repeats)]
    return rows + [row for m in MINIMA if options.wanted(case := f"m = {m}, minima") for row in _minima(case, m, options.repeats)]


def _segment(case: str, m: int, repeats: int) -> list[Row]:
    draw = np.random.default_rng(0)
    teacher = lmc.orthonormal_teacher(M, D)
    a, b = (lmc.TwoLayerNet(draw.normal(size=(m, D)) / m) for _ in range(2))
    loss, positions, path = lmc.PopulationLoss(teacher), np.linspace(0, 1, POINTS)[None], np.zeros(1, dtype=np.intp)
    calls: dict[str, Callable[[], object]] = {
        f"loss at {POINTS} points": lambda: loss.segments([a], [b])(path, positions),
        f"the same, network by network: {POINTS} calls": lambda: [
            lmc.population_loss(lmc.TwoLayerNet((1 - t) * a.W + t * b.W), teacher) for t in positions[0]
        ],
        "barrier, refined": lambda: lmc.barrier(a, b, teacher),
        "barrier, refined, aligned by weights": lambda: lmc.barrier(a, b, teacher, "weights"),
    }
    crossing = lmc.TwoLayerNet(np.vstack([-a.W[: m // KINKS], b.W[m // KINKS :]]))
    calls[f"barrier, refined, one neuron in {KINKS} crossing 0"] = lambda: lmc.barrier(a, crossing, teacher)
    return _rows(case, m, calls, repeats)


def _minima(case: str, m: int, repeats: int) -> list[Row]:
    a, b = (lmc.sample_minimum(4, m, rng=seed) for seed in range(2))
    return _rows(case, m, {"minima_barrier, M = 4": lambda: lmc.minima_barrier(a, b)}, repeats)


def _rows(case: str, m: int, calls: dict[str, Callable[[], object]], repeats: int) -> list[Row]:
    for call in calls.values():
        call()  # compiles
    samples = interleaved({name: lambda call=call: seconds(call) for name, call in calls.items()}, repeats)
    return [Row.of(case, name, "ms", [1e3 * value for value in found], x=m) for name, found in samples.items()]
