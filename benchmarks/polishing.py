"""Polishing the ends of gradient descent to a gradient norm of 1e-12: products with the Hessian against dense Newton steps."""

from __future__ import annotations

import lmctheory as lmc
from benchmarks.harness import Options, Row, seconds
from lmctheory._parallel import blas
from lmctheory.training import polishing

TITLE = "polishing ends of descent, (m, M, d)"
SIZES = ((12, 4, 4), (16, 8, 8), (32, 8, 8), (64, 8, 8), (128, 8, 8), (512, 8, 8), (512, 16, 64))
DENSE = 1100  # weights up to which the dense method is tried: seconds there
LOSS = 1e-4  # at which descent ends


def measure(options: Options) -> list[Row]:
    """Return seconds of one polish, each on the end of another run."""
    return [row for size in filter(options.wanted, SIZES) for row in _measure(size, options.repeats)]


def _measure(size: tuple[int, int, int], repeats: int) -> list[Row]:
    m, M, d = size
    teacher = lmc.orthonormal_teacher(M, d)
    count = repeats if m * d <= DENSE // 2 else 2 if m < 512 else 1
    ends = lmc.train(teacher, m, learning_rate=1 / m, loss_tol=LOSS, rng=0, n_runs=count).networks
    rows, limit = [], polishing.DENSE_LIMIT
    for method, dense_limit in {"trust region": 0, "dense Newton": DENSE}.items():
        if m * d > DENSE and dense_limit:
            rows.append(Row.missing(size, method, "s", "minutes an iteration" if d > 8 else "minutes"))
            continue
        polishing.DENSE_LIMIT = dense_limit
        try:
            with blas().limit(limits=1):
                polishing.polish(ends[0], teacher)  # compiles
                reports = []
                samples = [seconds(lambda net=net, kept=reports: kept.append(polishing.polish(net, teacher)[1])) for net in ends]
        finally:
            polishing.DENSE_LIMIT = limit
        failed = sum(not report.success for report in reports)
        rows.append(Row.of(size, method, "s", samples, x=m * d, note=f"{failed} of {count} failed at {size}" if failed else ""))
    return rows
