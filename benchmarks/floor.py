"""The least time a gradient step could take on this machine, and the share of it that ours attains.

A step needs the cosines of all pairs, ``m (m - 1) / 2 + m M`` products of d terms; an arccosine and a square root of each; and
the gradient, ``m (m + M)`` products of d terms. The floor adds up what these take at the peak rates measured in the same run on
all threads: of matrix products, by BLAS or by our own in registers, whichever is faster, and of the elementwise function, on
numbers that stay in the first-level cache.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

import lmctheory as lmc
from benchmarks.gradient_step import BATCH, SIZES
from benchmarks.harness import Options, Row, interleaved, per_step, seconds
from benchmarks.steps import RATE, SHORT
from lmctheory._compiled.angles import COEFFICIENTS
from lmctheory._compiled.vectors import LANES, ROWS, add_product, load, polynomial, root, splat, store
from lmctheory._parallel import blas, thread_count

TITLE = "the floor of a gradient step, (m, M, d), and the share of it attained"
BLAS_SIZE = 768
NUMBERS = 1024  # of the elementwise peak
SWEEPS = 4000


def measure(options: Options) -> list[Row]:
    """Return peak rates, floors, our times, and floors over times."""
    return [row for size in filter(options.wanted, SIZES) for row in _measure_size(size, options.repeats)]


def _measure_size(size: tuple[int, int, int], repeats: int) -> list[Row]:
    m, M, d = size
    teacher = lmc.orthonormal_teacher(M, d)
    starts = np.random.default_rng(0).normal(size=(BATCH, m, d)) / np.sqrt(d)
    nets = [lmc.TwoLayerNet(W) for W in starts]
    contenders = {"ours": nets[:1]} if m > 512 else {"ours": nets[:1], f"ours, batch of {BATCH}": nets}

    def steps_of(chosen: list[lmc.TwoLayerNet]) -> Callable[[], float]:
        return per_step(lambda steps: lmc.train(teacher, init=chosen, learning_rate=RATE, max_steps=steps, gradient_tol=0), SHORT)

    left, right = np.random.default_rng(1).normal(size=(2, BLAS_SIZE, BLAS_SIZE))
    blas()  # two threads or more only where nothing holds them to one
    samples = interleaved(
        {
            **{name: steps_of(chosen) for name, chosen in contenders.items()},
            "BLAS": lambda: 2e-9 * BLAS_SIZE**3 / seconds(lambda: left @ right),
            "registers": lambda: _rate(_multiply, 2e-9 * ROWS * LANES * 64 * 64),
            "elementwise": lambda: _rate(_elementwise, 1e-9 * NUMBERS),
        },
        repeats,
    )
    products = max(max(samples["BLAS"]), max(samples["registers"]))
    elementwise = max(samples["elementwise"])
    pairs = m * (m - 1) / 2 + m * M
    floor = 1e-3 * (2 * d * (pairs + m * (m + M)) / products + pairs / elementwise)
    times = {name: [1e6 * value / len(chosen) for value in samples[name]] for name, chosen in contenders.items()}
    return [
        Row.of(size, "peak of BLAS", "GFLOP/s", samples["BLAS"], x=m),
        Row.of(size, "peak of products in registers", "GFLOP/s", samples["registers"], x=m),
        Row.of(size, "peak of arccosines with square root", "1/ns", samples["elementwise"], x=m),
        Row(str(size), f"floor, {thread_count()} threads", "us", floor, x=m),
        *(Row.of(size, name, "us", values, x=m) for name, values in times.items()),
        *(Row.of(size, f"floor / {name}", "%", [100 * floor / value for value in values], x=m) for name, values in times.items()),
    ]


def _rate(work: Callable[[np.ndarray, int], None], amount: float) -> float:
    """Return how much of `amount`, which one sweep does, all threads do in a second."""
    threads = thread_count()
    buffers = [np.linspace(-1, 1, 2 * NUMBERS + 64 * (LANES + ROWS)) for _ in range(threads)]
    work(buffers[0], 1)  # compiles
    with ThreadPoolExecutor(threads) as pool:
        return threads * SWEEPS * amount / seconds(lambda: list(pool.map(lambda buffer: work(buffer, SWEEPS), buffers)))


@njit(nogil=True)
def _multiply(buffer, sweeps):
    """Do 64 products in registers, of 8 by 64 numbers with 64 by 8, in each sweep."""
    for _ in range(64 * sweeps):
        add_product(buffer, 64 * (LANES + ROWS), LANES, buffer, 64 * LANES, 1, ROWS, buffer, 0, 64)


@njit(nogil=True)
def _elementwise(buffer, sweeps):
    """Write sine and angle of each number, in each sweep."""
    one, two = splat(1.0), splat(2.0)
    for _ in range(sweeps):
        for k in range(0, NUMBERS, LANES):
            t = one - load(buffer, k)
            sine = root(t * (two - t))
            store(buffer, NUMBERS + k, sine + sine * polynomial(t, COEFFICIENTS))
