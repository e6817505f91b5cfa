"""One step of stochastic gradient descent on fresh Gaussian inputs, against plain NumPy."""

from __future__ import annotations

import numpy as np

import lmctheory as lmc
from benchmarks.harness import Options, Row, interleaved, per_step
from benchmarks.steps import RATE, SHORT

TITLE = "one step of stochastic gradient descent, (m, M, d, batch)"
SIZES = ((8, 4, 8, 16), (32, 8, 16, 64), (128, 16, 32, 256), (512, 16, 64, 256))


def measure(options: Options) -> list[Row]:
    """Return microseconds a step."""
    return [row for size in filter(options.wanted, SIZES) for row in _measure(size, options.repeats)]


def _measure(size: tuple[int, int, int, int], repeats: int) -> list[Row]:
    m, M, d, batch = size
    teacher = lmc.orthonormal_teacher(M, d)
    start = lmc.TwoLayerNet(np.random.default_rng(0).normal(size=(m, d)) / np.sqrt(d))

    def ours(steps: int) -> None:
        lmc.train(
            teacher, init=start, learning_rate=RATE, algorithm="sgd", batch_size=batch, max_steps=steps, gradient_tol=0, rng=0
        )

    samples = interleaved(
        {"ours": per_step(ours, SHORT), "NumPy": per_step(lambda steps: _numpy(start.W, teacher.W, batch, steps))}, repeats
    )
    return [Row.of(size, name, "us", [1e6 * value for value in found], x=m) for name, found in samples.items()]


def _numpy(W: np.ndarray, V: np.ndarray, batch: int, steps: int) -> None:
    draw = np.random.default_rng(0)
    for _ in range(steps):
        x = draw.standard_normal((batch, W.shape[1]))
        student = x @ W.T
        residual = np.maximum(student, 0).sum(axis=1) - np.maximum(x @ V.T, 0).sum(axis=1)
        W = W - RATE * 2 / batch * ((student > 0) * residual[:, None]).T @ x
