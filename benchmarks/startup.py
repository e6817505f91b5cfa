"""Start-up: the import, what it loads, the first call with a warm cache, and the peak memory of each item."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.harness import Options, Row

TITLE = "start-up and memory, each in a process of its own"
HEAVY = ("numba", "scipy", "sympy", "matplotlib", "hypothesis", "torch", "jax")
TEACHER = "teacher = lmc.orthonormal_teacher(8, 16)"
NETS = "import numpy as np; a, b = (lmc.TwoLayerNet(np.random.default_rng(k).normal(size=({m}, 16)) / {m}) for k in (0, 1))"
CALLS = {
    "import lmctheory": "",
    "first loss": f"{TEACHER}; lmc.population_loss(teacher, teacher)",
    "first train, m = 8": f"{TEACHER}; lmc.train(teacher, 8, learning_rate=0.1, max_steps=10, gradient_tol=0)",
    "first barrier, m = 8": f"{TEACHER}; {NETS.format(m=8)}; lmc.barrier(a, b, teacher)",
    "first align, m = 8": f"{TEACHER}; {NETS.format(m=8)}; lmc.align(a, b, 'barrier', objective=teacher)",
    "train, m = 2048": f"{TEACHER}; lmc.train(teacher, 2048, learning_rate=1e-3, max_steps=3, gradient_tol=0)",
    "barrier, m = 4096": f"{TEACHER}; {NETS.format(m=4096)}; lmc.barrier(a, b, teacher)",
    "minima_barrier, m = 10^6": "a, b = (lmc.sample_minimum(4, 10**6, rng=k) for k in (0, 1)); lmc.minima_barrier(a, b)",
}
SCRIPT = r"""
import re, sys, time
from pathlib import Path
started = time.perf_counter()
import lmctheory as lmc
imported = time.perf_counter() - started
loaded = [name for name in {heavy!r} if name in sys.modules]
started = time.perf_counter()
{call}
took, status = time.perf_counter() - started, Path("/proc/self/status")  # not getrusage: it counts the process before exec
peak = int(re.search(r"VmHWM:\s*(\d+)", status.read_text()).group(1)) / 1024 if status.exists() else float("nan")
print(imported, took, peak, ",".join(loaded))
"""


def measure(options: Options) -> list[Row]:
    """Return seconds of imports and first calls, and megabytes at their peaks."""
    rows = []
    for case, call in CALLS.items():
        if not options.wanted(case):
            continue
        _run(call)  # fills the cache of compiled loops
        runs = [_run(call) for _ in range(options.repeats)]
        loaded = runs[0][3]
        note = f"loads {loaded or 'nothing heavy'}" if not call else ""
        rows.append(Row.of(case, "seconds", "s", [run[1] if call else run[0] for run in runs], note=note))
        rows.append(Row.of(case, "peak memory", "MB", [run[2] for run in runs]))
    return rows


def _run(call: str) -> tuple[float, float, float, str]:
    script = SCRIPT.format(heavy=HEAVY, call=call)
    printed = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True).stdout
    imported, took, memory, *loaded = printed.split()
    return float(imported), float(took), float(memory), "".join(loaded)
