"""Searches over permutations: swaps, by the sweep, and the complete search with its proof."""

from __future__ import annotations

import numpy as np

import lmctheory as lmc
from benchmarks.harness import Options, Row, interleaved, seconds

TITLE = "searches over permutations, M = 4, d = 8"
SWAPS = (16, 64, 256)
EXACT = (8, 16, 32)
M, D = 4, 8


def measure(options: Options) -> list[Row]:
    """Return milliseconds for each width."""
    rows = []
    for m in SWAPS:
        if options.wanted(case := f"swaps, m = {m}"):
            rows.append(_swaps(case, m, options.repeats))
    for m in EXACT:
        if options.wanted(case := f"exact, m = {m}"):
            rows += _exact(case, m, options.repeats)
    return rows


def _networks(m: int) -> tuple[lmc.TwoLayerNet, ...]:
    """Return two random networks, which leave the search something to find."""
    draw = np.random.default_rng(0)
    return tuple(lmc.TwoLayerNet(draw.normal(size=(m, D)) / m) for _ in range(2))


def _swaps(case: str, m: int, repeats: int) -> Row:
    """All m (m - 1) / 2 swaps are tried in a sweep."""
    a, b = _networks(m)
    teacher, sweep = lmc.orthonormal_teacher(M, D), m * (m - 1) / 2
    found = lmc.align(a, b, "barrier", objective=teacher)
    samples = interleaved({case: lambda: seconds(lambda: lmc.align(a, b, "barrier", objective=teacher))}, repeats)[case]
    note = f"{found.trial_swaps / sweep:.1f} sweeps at m = {m}"
    return Row.of(case, "a sweep of swaps", "ms", [1e3 * value * sweep / found.trial_swaps for value in samples], m, note)


def _exact(case: str, m: int, repeats: int) -> list[Row]:
    """Between minima the complete search ends; between other networks it has a limit of time."""
    first, second = (lmc.sample_minimum(M, m, rng=seed) for seed in range(2))
    calls = {
        "complete search between minima": lambda: lmc.minima_barrier(first, second, "exact"),
    }
    if m <= EXACT[0]:
        a, b = _networks(m)
        calls["complete search between networks"] = lambda: lmc.align(a, b, "exact", objective=lmc.orthonormal_teacher(M, D))
    for call in calls.values():
        call()
    samples = interleaved({name: lambda call=call: seconds(call) for name, call in calls.items()}, repeats)
    return [Row.of(case, name, "ms", [1e3 * value for value in found], x=m) for name, found in samples.items()]
