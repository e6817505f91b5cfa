"""One gradient step on the population loss, against what a user would otherwise write."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lmctheory as lmc
from benchmarks.harness import Options, Row, interleaved, per_step

TITLE = "one gradient step on the population loss, (m, M, d), time per network"
SIZES = ((8, 4, 8), (32, 8, 16), (128, 16, 32), (512, 16, 64), (2048, 32, 128))
BATCH = 32
RATE = 1e-6  # the networks hardly move, so that every step costs the same


def measure(options: Options) -> list[Row]:
    """Return microseconds per network and step."""
    return [row for size in filter(options.wanted, SIZES) for row in _measure_size(size, options.repeats)]


def _measure_size(size: tuple[int, int, int], repeats: int) -> list[Row]:
    m, M, d = size
    teacher = lmc.orthonormal_teacher(M, d)
    draw = np.random.default_rng(0)
    nets = [lmc.TwoLayerNet(draw.normal(size=(m, d)) / np.sqrt(d)) for _ in range(BATCH)]
    contenders: dict[str, tuple[Callable[[int], object], int]] = {
        "ours": (lambda steps: _ours(nets[:1], teacher, steps), 1),
        f"ours, batch of {BATCH}": (lambda steps: _ours(nets, teacher, steps), BATCH),
        "NumPy": (lambda steps: _numpy(nets[0].W, teacher.W, steps), 1),
    }
    samples = interleaved({name: per_step(run) for name, (run, _) in contenders.items()}, repeats)
    return [
        Row.of(size, name, "us", [1e6 * value / networks for value in samples[name]], x=m)
        for name, (_, networks) in contenders.items()
    ]


def _ours(starts: list[lmc.TwoLayerNet], teacher: lmc.TwoLayerNet, steps: int) -> None:
    lmc.train(teacher, init=starts, learning_rate=RATE, max_steps=steps, gradient_tol=0)


def _numpy(W: np.ndarray, V: np.ndarray, steps: int) -> None:
    for _ in range(steps):
        W = numpy_step(W, V)


def numpy_step(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Take one step as a user would write it: Gram matrix products and array arccosines, output weights one."""
    w, v = np.linalg.norm(W, axis=1), np.linalg.norm(V, axis=1)
    student = np.arccos(np.clip(W @ W.T / np.outer(w, w), -1, 1))
    cross = np.arccos(np.clip(W @ V.T / np.outer(w, v), -1, 1))
    radial = (np.sin(student) @ w - np.sin(cross) @ v) / w
    gradient = (radial[:, None] * W + (np.pi - student) @ W - (np.pi - cross) @ V) / np.pi
    return W - RATE * gradient
