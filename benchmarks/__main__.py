"""Time one gradient step against plain NumPy, interleaved: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import lmctheory as lmc
from lmctheory._files import atomic_file

SIZES = ((8, 4, 8), (32, 8, 16), (128, 16, 32))
BATCH = 16
REPEATS = 9
SECONDS = 0.2  # aimed at for one timed call


def numpy_step(W: np.ndarray, V: np.ndarray, rate: float) -> np.ndarray:
    """One step as a user would write it: Gram matrix products and array arccosines, output weights one."""
    w, v = np.linalg.norm(W, axis=1), np.linalg.norm(V, axis=1)
    student = np.arccos(np.clip(W @ W.T / np.outer(w, w), -1, 1))
    cross = np.arccos(np.clip(W @ V.T / np.outer(w, v), -1, 1))
    radial = (np.sin(student) @ w - np.sin(cross) @ v) / w
    gradient = (radial[:, None] * W + (np.pi - student) @ W - (np.pi - cross) @ V) / np.pi
    return W - rate * gradient


def _numpy_runs(starts: list[np.ndarray], V: np.ndarray, rate: float, steps: int) -> None:
    for W in starts:
        for _ in range(steps):
            W = numpy_step(W, V, rate)


def _our_runs(starts: list[lmc.TwoLayerNet], teacher: lmc.TwoLayerNet, rate: float, steps: int) -> None:
    lmc.train(teacher, init=starts, learning_rate=rate, max_steps=steps, gradient_tol=0)


def _per_step(run: Callable[[int], None], steps: int) -> float:
    """Seconds a step: the difference of a long and a one-step call, which removes set-up."""
    times = []
    for count in (1, steps + 1):
        started = time.perf_counter()
        run(count)
        times.append(time.perf_counter() - started)
    return (times[1] - times[0]) / steps


def _steps_for(run: Callable[[int], None]) -> int:
    """Number of steps that takes about `SECONDS`."""
    run(1)  # compiles
    steps = 1
    while True:
        started = time.perf_counter()
        run(steps)
        if (elapsed := time.perf_counter() - started) > SECONDS / 4:
            return max(1, round(steps * SECONDS / elapsed))
        steps *= 2


def measure(m: int, M: int, d: int) -> dict[str, object]:
    """Return medians over interleaved repeats, in microseconds per seed and step."""
    teacher = lmc.orthonormal_teacher(M, d)
    rate = 1e-6  # the networks hardly move, so that every step costs the same
    draw = np.random.default_rng(0)
    starts = [draw.normal(size=(m, d)) / np.sqrt(d) for _ in range(BATCH)]
    nets = [lmc.TwoLayerNet(W) for W in starts]
    contenders: dict[str, tuple[Callable[[int], None], int]] = {
        "numpy": (lambda steps: _numpy_runs(starts[:1], teacher.W, rate, steps), 1),
        "single": (lambda steps: _our_runs(nets[:1], teacher, rate, steps), 1),
        f"batch of {BATCH}": (lambda steps: _our_runs(nets, teacher, rate, steps), BATCH),
    }
    steps = {name: _steps_for(run) for name, (run, _) in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(REPEATS):
        for name, (run, seeds) in contenders.items():
            samples[name].append(1e6 * _per_step(run, steps[name]) / seeds)
    return {
        "m": m,
        "M": M,
        "d": d,
        "microseconds": {name: statistics.median(values) for name, values in samples.items()},
        "spread": {name: [min(values), max(values)] for name, values in samples.items()},
        "numpy over batch": statistics.median(samples["numpy"]) / statistics.median(samples[f"batch of {BATCH}"]),
    }


def main() -> int:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.json"))
    out: Path = parser.parse_args().out
    rows = []
    print("microseconds per seed and step")
    print(f"{'(m, M, d)':>16} {'NumPy':>10} {'single':>10} {f'batch/{BATCH}':>10} {'NumPy/batch':>12}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        for size in SIZES:
            rows.append(row := measure(*size))
            values = list(row["microseconds"].values())
            print(f"{size!s:>16} {values[0]:>10.1f} {values[1]:>10.2f} {values[2]:>10.2f} {row['numpy over batch']:>12.1f}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out, "w") as file:
        json.dump({"repeats": REPEATS, "rows": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
