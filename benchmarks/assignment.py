"""Linear assignment by the libraries a user could choose, on random matrices and on the similarities of networks at minima."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

import lmctheory as lmc
from benchmarks.harness import Options, Row, installed, interleaved, seconds

TITLE = "linear assignment"
WIDTHS = (64, 256, 512, 1024, 2048)
M = 8
SLOW = 2.0  # seconds of a call that is not repeated, nor tried at larger widths: time grows with the cube, or worse
ALTERNATIVES = {"lap": ("lap", ("lapx", "lap")), "POT emd": ("ot", ("POT",))}  # module, distributions: lapx replaces lap


def measure(options: Options) -> list[Row]:
    """Return milliseconds for each solver, width and kind of matrix."""
    rows, too_slow = [], set()
    for kind, matrix in {"random": _random, "minima": _minima}.items():
        for m in WIDTHS:
            if options.wanted(case := f"{kind}, m = {m}"):
                rows += _measure(case, m, kind, matrix(m), options.repeats, too_slow)
    return rows


def _measure(case: str, m: int, kind: str, similarity: np.ndarray, repeats: int, too_slow: set[tuple[str, str]]) -> list[Row]:
    solvers, rows = {"SciPy (ours)": lambda: linear_sum_assignment(similarity, maximize=True)[1]}, []
    for name, (module, distributions) in ALTERNATIVES.items():
        if not any(map(installed, distributions)):
            rows.append(Row.missing(case, name, "ms", f"{' or '.join(distributions)} is not installed"))
        elif (kind, name) in too_slow:
            rows.append(Row.missing(case, name, "ms", f"on {kind} matrices above {SLOW / 8:g} s at smaller widths"))
        else:
            solvers[name] = _alternative(module, similarity)
    best = similarity[np.arange(m), solvers["SciPy (ours)"]()].sum()
    repeated = {}
    for name, solve in solvers.items():
        took = seconds(solve)
        if took > SLOW / 8:
            too_slow.add((kind, name))
        reached = similarity[np.arange(m), solve()].sum() if took < SLOW else best
        if abs(reached - best) > 1e-9 * abs(best):
            rows.append(Row.missing(case, name, "ms", f"stops {(best - reached) / abs(best):.1e} below the optimum"))
        elif took > SLOW / repeats:
            rows.append(Row.of(case, f"{name}, {kind}", "ms", [1e3 * took], x=m))
        else:
            repeated[name] = solve
    samples = interleaved({name: lambda solve=solve: seconds(solve) for name, solve in repeated.items()}, repeats)
    return rows + [Row.of(case, f"{name}, {kind}", "ms", [1e3 * t for t in found], x=m) for name, found in samples.items()]


def _alternative(module: str, similarity: np.ndarray) -> Callable[[], np.ndarray]:
    library, m = importlib.import_module(module), len(similarity)
    if module == "lap":
        return lambda: library.lapjv(-similarity)[1]
    uniform = np.full(m, 1 / m)
    return lambda: library.emd(uniform, uniform, -similarity, numItermax=10**8).argmax(axis=1)


def _random(m: int) -> np.ndarray:
    return np.random.default_rng(m).normal(size=(m, m))


def _minima(m: int) -> np.ndarray:
    """Similarities of two converged networks: all pairs of neurons of different classes are near ties."""
    draw = np.random.default_rng(m)
    nets = []
    for _ in range(2):
        net = lmc.sample_minimum(M, m, rng=draw).to_network()
        nets.append(lmc.TwoLayerNet(net.W + 1e-7 * draw.normal(size=net.W.shape), net.a))
    return nets[0].W @ nets[1].W.T + np.outer(nets[0].a, nets[1].a)
