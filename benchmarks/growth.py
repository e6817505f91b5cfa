"""How the time of a gradient step grows with the width, and with the dimension, with fitted exponents."""

from __future__ import annotations

import numpy as np

import lmctheory as lmc
from benchmarks.harness import Options, Row, interleaved, per_step, seconds
from benchmarks.steps import RATE, SHORT

TITLE = "growth of the time with the width (M = 8, d = 16) and the dimension (m = 32, M = 8)"
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
DIMENSIONS = (8, 30, 100, 300, 1000, 10_000, 100_000)
LARGE = 256  # widths from here on, and dimensions from m + M on, show the exponent


def measure(options: Options) -> list[Row]:
    """Return microseconds a step at each width and dimension, and the exponents as notes."""
    rows = []
    if options.wanted("width"):
        nets = {m: _network(m, 16) for m in WIDTHS}
        rows += _steps("a step, against m", nets, 8, options.repeats, LARGE)
    if options.wanted("dimension"):
        nets = {d: _network(32, d) for d in DIMENSIONS}
        rows += _steps("a step, against d", nets, 8, options.repeats, 32 + 8)
        rows += _whole("a run of one step, against d", nets, options.repeats)
    return rows


def _network(m: int, d: int) -> lmc.TwoLayerNet:
    return lmc.TwoLayerNet(np.random.default_rng(0).normal(size=(m, d)) / np.sqrt(d))


def _train(net: lmc.TwoLayerNet, M: int, steps: int) -> None:
    lmc.train(
        lmc.orthonormal_teacher(min(M, net.input_dim), net.input_dim),
        init=net,
        learning_rate=RATE,
        max_steps=steps,
        gradient_tol=0,
    )


def _steps(contender: str, nets: dict[int, lmc.TwoLayerNet], M: int, repeats: int, large: int) -> list[Row]:
    measurements = {str(x): per_step(lambda steps, net=net: _train(net, M, steps), SHORT, aim=0.5) for x, net in nets.items()}
    samples = interleaved(measurements, repeats)
    return _rows(contender, {x: samples[str(x)] for x in nets}, large)


def _whole(contender: str, nets: dict[int, lmc.TwoLayerNet], repeats: int) -> list[Row]:
    """The projection onto the span of student and teacher is in it: once a run, and linear in d."""
    samples = interleaved({str(d): lambda net=net: seconds(lambda: _train(net, 8, 1)) for d, net in nets.items()}, repeats)
    return _rows(contender, {d: samples[str(d)] for d in nets}, 1000)


def _rows(contender: str, samples: dict[int, list[float]], large: int) -> list[Row]:
    positive = {
        x: [value for value in found if value > 0] for x, found in samples.items()
    }  # differences of noisy calls may not be
    chosen = [x for x, found in positive.items() if x >= large and len(found) > 1]
    fit = lmc.fit_rate(chosen, [positive[x] for x in chosen], rng=0)
    note = f"exponent {fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}] from {chosen[0]} on"
    return [Row.of(x, contender, "us", [1e6 * value for value in found], x, note) for x, found in samples.items()]
