"""One gradient step on the population loss, against what users would otherwise write; what is left to gain, in `floor`."""

from __future__ import annotations

import statistics

import numpy as np

import lmctheory as lmc
from benchmarks.harness import Options, Row, installed, interleaved, per_step
from benchmarks.steps import RATE, SHORT, Run, jax_steps, numpy_steps, torch_steps

TITLE = "one gradient step on the population loss, (m, M, d), time per network"
SIZES = ((8, 4, 8), (32, 8, 16), (128, 16, 32), (512, 16, 64), (2048, 32, 128))
BATCH = 32
OURS, OUR_BATCH = "ours", f"ours, batch of {BATCH}"

# Times of these contenders over ours, the best of them where there are several.
RATIOS = {
    "best of JAX closed form, torch.compile / ours": (OURS, ("JAX closed form", "PyTorch closed form, torch.compile")),
    "JAX given our arccosine / ours": (OURS, ("JAX closed form, our arccosine",)),
    "best autograd / ours": (OURS, ("JAX grad", "PyTorch autograd")),
    "JAX vmap / our batch": (OUR_BATCH, ("JAX vmap, closed form",)),
    "JAX vmap given our arccosine / our batch": (OUR_BATCH, ("JAX vmap, our arccosine",)),
}


def measure(options: Options) -> list[Row]:
    """Return microseconds per network and step, and ratios of them within each round."""
    return [row for size in filter(options.wanted, SIZES) for row in _measure_size(size, options.repeats)]


def _measure_size(size: tuple[int, int, int], repeats: int) -> list[Row]:
    m, M, d = size
    teacher = lmc.orthonormal_teacher(M, d)
    starts = np.random.default_rng(0).normal(size=(BATCH if m <= 512 else 4, m, d)) / np.sqrt(d)
    nets = [lmc.TwoLayerNet(W) for W in starts]
    contenders: dict[str, Run] = {OURS: lambda steps: _train(nets[:1], teacher, steps)}
    if len(nets) == BATCH:
        contenders[OUR_BATCH] = lambda steps: _train(nets, teacher, steps)
    contenders["NumPy"] = numpy_steps(starts[0], teacher.W)
    rows = []
    for package, build in (("torch", lambda: torch_steps(starts[0], teacher.W)), ("jax", lambda: jax_steps(starts, teacher.W))):
        if installed(package):
            contenders |= build()
        else:
            rows.append(Row.missing(size, package, "us", "not installed: python -m pip install -e '.[bench]'"))
    if m > 128:
        contenders = {name: run for name, run in contenders.items() if "vmap" not in name}
    contenders, failures = _that_run(contenders)
    rows += [Row.missing(size, name, "us", why) for name, why in failures.items()]
    samples = interleaved(
        {name: per_step(run, SHORT if name in (OURS, OUR_BATCH) else 1) for name, run in contenders.items()}, repeats
    )
    networks = {name: len(nets) if name == OUR_BATCH or "vmap" in name else 1 for name in samples}
    times = {name: [1e6 * value / networks[name] for value in values] for name, values in samples.items()}
    return [Row.of(size, name, "us", values, x=m) for name, values in times.items()] + rows + _ratios(size, times)


def _that_run(contenders: dict[str, Run]) -> tuple[dict[str, Run], dict[str, str]]:
    """Return the contenders that work here, and why the others do not: torch.compile needs a C++ compiler, for one."""
    working, failures = {}, {}
    for name, run in contenders.items():
        try:
            run(1)
        except Exception as error:  # whatever it is, it is the finding
            failures[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        else:
            working[name] = run
    return working, failures


def _ratios(size: tuple[int, int, int], times: dict[str, list[float]]) -> list[Row]:
    """Return the ratios round by round, of the contender whose median is best."""
    rows = []
    for name, (ours, others) in RATIOS.items():
        if ours in times and (present := [other for other in others if other in times]):
            best = min(present, key=lambda other: statistics.median(times[other]))
            rows.append(Row.of(size, name, "x", [b / a for a, b in zip(times[ours], times[best], strict=True)], x=size[0]))
    return rows


def _train(starts: list[lmc.TwoLayerNet], teacher: lmc.TwoLayerNet, steps: int) -> None:
    lmc.train(teacher, init=starts, learning_rate=RATE, max_steps=steps, gradient_tol=0)
