"""Layer-wise weight matching of networks trained on the digits, against PyPI's `rebasin`: barrier reached, time, memory.

Both maximise the inner product of the weights by coordinate ascent over the layers, which says little about the barrier when
maxima are close: read the interval. `rebasin` makes one run from the identity, and biases do not influence it, for the product
of two of them is a number there, the same for all neurons.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import binom

import lmctheory as lmc
from benchmarks.harness import Options, Row, installed, seconds

TITLE = "weight matching of two networks trained on the digits (cross-entropy), 20 pairs of independent networks"
WIDTHS = ((64,), (64, 64), (128, 128, 128))
PAIRS = 20
EPOCHS = 60
LEVEL = 0.95
THEIRS, TRACED = "rebasin", "rebasin, traced before"
Match: TypeAlias = Callable[[], lmc.LayeredNet]  # returns the second network, permuted


def measure(options: Options) -> list[Row]:
    """Return barriers, times and peak memories; times are those of single calls, contenders in turn."""
    data = lmc.load_images()
    return [row for widths in filter(options.wanted, WIDTHS) for row in _measure_widths(widths, data)]


def _measure_widths(widths: tuple[int, ...], data: lmc.ImageData) -> list[Row]:
    objective = data.objective()
    networks = lmc.train_on_data(
        data.X_train, data.y_train, widths, n_runs=2 * PAIRS, rng=0, max_epochs=EPOCHS, tol=None
    ).networks  # fmt: skip
    pairs = list(zip(networks[::2], networks[1::2], strict=True))
    contenders = {"ours": _ours} | ({THEIRS: _rebasin, TRACED: _rebasin_traced} if installed(THEIRS) else {})
    for prepare in contenders.values():
        prepare(*pairs[0], 0)()  # compiles, loads
    times: dict[str, list[float]] = {name: [] for name in contenders}
    heights: dict[str, list[float]] = {"none": [], **{name: [] for name in contenders if name != TRACED}}
    for k, (net_a, net_b) in enumerate(pairs):
        heights["none"].append(lmc.barrier(net_a, net_b, objective).height)
        for name, prepare in contenders.items():
            call = prepare(net_a, net_b, k)
            times[name].append(1e3 * seconds(call))
            if name in heights:
                found = prepare(net_a, net_b, k)()
                assert np.allclose(found(data.X_test), net_b(data.X_test), atol=1e-4), f"{name} changed the function"
                heights[name].append(lmc.barrier(net_a, found, objective).height)
    case = "-".join(map(str, widths))
    notes = {name: "" for name in heights}
    if THEIRS in heights:
        differences = np.subtract(heights["ours"], heights[THEIRS])
        low, high = median_interval(differences)
        interval = f"median {np.median(differences):.3g}, 95 % interval [{low:.3g}, {high:.3g}]"
        notes["ours"] = f"{case}: less that of {THEIRS}, {interval}; lower in {(differences < 0).sum()} of {PAIRS} pairs"
    rows = [Row.of(case, f"barrier, {name}", "barrier", values, note=notes[name]) for name, values in heights.items()]
    rows += [Row.of(case, f"time, {name}", "ms", values) for name, values in times.items()]
    rows += [Row.of(case, f"peak memory, {name}", "MB", [_peak_memory(name, pairs[0])]) for name in heights if name != "none"]
    if THEIRS not in heights:
        rows.append(Row.missing(case, THEIRS, "barrier", "not installed: pip install --no-deps rebasin torchview graphviz tqdm"))
    return rows


def median_interval(sample: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return the shortest pair of order statistics that holds the median with probability `LEVEL`, whatever the distribution."""
    ordered = np.sort(sample)
    skip = int(binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) - 1
    return float(ordered[skip]), float(ordered[-1 - skip])


def _ours(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, seed: int) -> Match:
    return lambda: net_b.permute(lmc.align(net_a, net_b, "weights", rng=seed).permutation)


def _rebasin(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, seed: int) -> Match:
    """Match as the package's own instructions do: modules, here in single precision, are traced on an input."""
    import torch

    torch.manual_seed(seed)
    model_a, model_b = lmc.to_torch(net_a).float(), lmc.to_torch(net_b).float()
    return lambda: _descend(_trace(model_a, model_b), model_b)


def _rebasin_traced(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, seed: int) -> Match:
    """The same without the time for tracing the modules."""
    import torch

    torch.manual_seed(seed)
    model_a, model_b = lmc.to_torch(net_a).float(), lmc.to_torch(net_b).float()
    descent = _trace(model_a, model_b)
    return lambda: _descend(descent, model_b)


def _trace(model_a: Any, model_b: Any) -> Any:
    import torch
    from rebasin import PermutationCoordinateDescent

    return PermutationCoordinateDescent(model_a, model_b, torch.zeros(1, model_a[0].in_features))


def _descend(descent: Any, model_b: Any) -> lmc.LayeredNet:
    descent.rebasin()
    return lmc.from_torch(model_b)


def _peak_memory(name: str, pair: tuple[lmc.LayeredNet, lmc.LayeredNet]) -> float:
    """Return the peak memory in MB of a process that matches one pair, libraries and all."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"{k}.npz") for k in range(2)]
        for net, file in zip(pair, files, strict=True):
            net.save(file)
        command = [sys.executable, "-m", "benchmarks.layerwise_matching", name, *files]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    contender, *paths = sys.argv[1:]
    {"ours": _ours, THEIRS: _rebasin}[contender](*map(lmc.LayeredNet.load, paths), 0)()
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    print(int(peak.split()[1]) / 1024)
