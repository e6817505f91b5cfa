"""What all benchmarks share: interleaved timing, medians with their spread, and how results are shown and kept."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

PAUSE = 0.05
UNITS = {"us": "microseconds", "ms": "milliseconds", "s": "seconds", "x": "ratio of times", "MB": "megabytes"}
PACKAGES = ("lmctheory", "numpy", "scipy", "numba", "torch", "jax", "scikit-learn", "rebasin", "lap", "lapx", "POT")


@dataclass(frozen=True)
class Options:
    """How to measure: interleaved repeats, and the cases asked for (all if none are named)."""

    repeats: int = 9
    cases: tuple[str, ...] = ()

    def wanted(self, case: object) -> bool:
        return not self.cases or any(part in str(case) for part in self.cases)


@dataclass(frozen=True)
class Row:
    """One number of a benchmark: median and extremes over the repeats; without a median the note says why.

    `x` is the case as a number, where cases can be put on an axis.
    """

    case: str
    contender: str
    unit: str
    median: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    x: float | None = None

    @classmethod
    def of(cls, case: object, contender: str, unit: str, samples: Sequence[float], x: float | None = None, note: str = "") -> Row:
        return cls(str(case), contender, unit, statistics.median(samples), min(samples), max(samples), note, x)

    @classmethod
    def missing(cls, case: object, contender: str, unit: str, why: str) -> Row:
        return cls(str(case), contender, unit, None, note=why)


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def interleaved(measurements: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Return what each measurement gave in each round; rounds are interleaved, so that a slow minute slows all alike.

    Before each there is a pause, in which the threads of the one before (of a BLAS, say) stop waiting for more at full speed.
    """
    samples: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(repeats):
        for name, measurement in measurements.items():
            time.sleep(PAUSE)
            samples[name].append(measurement())
    return samples


def per_step(run: Callable[[int], object], short: int = 1, aim: float = 0.3) -> Callable[[], float]:
    """Return a measurement of the seconds that one step of ``run(steps)`` takes.

    It is the difference of a long call and one of `short` steps, which removes what each call costs beside its steps; these
    fill about `aim` seconds, or as many as the short call takes.
    """
    run(1)  # compiles
    base, steps = min(seconds(lambda: run(short)) for _ in range(3)), 1
    while (
        elapsed := min(seconds(partial(run, short + steps)) for _ in range(3)) - base
    ) < aim / 4:  # one slow call is no long one
        steps *= 2
    steps = max(1, round(steps * max(aim, base) / elapsed))

    def measurement() -> float:
        base = seconds(lambda: run(short))
        return (seconds(lambda: run(short + steps)) - base) / steps

    return measurement


def installed(package: str) -> str | None:
    """Return the version of a package, None if it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, object]:
    """Return what the numbers depend on: machine, versions."""
    cpu = platform.processor()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: installed(package) for package in PACKAGES},
        "LMCTHEORY_THREADS": os.environ.get("LMCTHEORY_THREADS"),
    }


def show(title: str, rows: Sequence[Row]) -> None:
    """Print a table with a row a case and a column a contender, and the notes below."""
    contenders = list(dict.fromkeys(row.contender for row in rows))
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for case in (cases := list(dict.fromkeys(row.case for row in rows))):
        table.add_column(case, justify="right")
    found = {(row.contender, row.case): row for row in rows}
    for contender in contenders:
        table.add_row(contender, *(_cell(found.get((contender, case))) for case in cases))
    console = Console(width=160)
    console.print(table)
    for note in dict.fromkeys(f"{row.contender}: {row.note}" for row in rows if row.note):
        console.print(f"  {note}", markup=False, highlight=False)


def _cell(row: Row | None) -> str:
    if row is None or row.median is None:
        return "-"
    if row.low is None or row.high is None:
        return f"{row.median:.3g} {row.unit}"
    return f"{row.median:.3g} {row.unit} \\[{row.low:.3g}, {row.high:.3g}]"


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw medians and spread against x on log-log axes, or as bars by case where there is no x."""
    rows = [row for row in rows if row.median is not None]
    units = list(dict.fromkeys(row.unit for row in rows))
    figure = Figure(figsize=(7.5, 4.5 * max(1, len(units))), layout="constrained")
    for axes, unit in zip(figure.subplots(max(1, len(units)), squeeze=False)[:, 0], units, strict=False):
        chosen = [row for row in rows if row.unit == unit]
        cases = list(dict.fromkeys(row.case for row in chosen))
        contenders = list(dict.fromkeys(row.contender for row in chosen))
        numeric = all(row.x is not None for row in chosen)
        for number, contender in enumerate(contenders):
            own = [row for row in chosen if row.contender == contender]
            medians = [row.median for row in own]
            below = [row.median - (row.median if row.low is None else row.low) for row in own]
            above = [(row.median if row.high is None else row.high) - row.median for row in own]
            style = {"label": contender, "color": f"C{number % 10}"}
            if numeric:
                style |= {"marker": "os^vDPX*"[number % 8], "markersize": 4, "linestyle": "-" if number < 10 else "--"}
                axes.errorbar([row.x for row in own], medians, yerr=(below, above), capsize=2, **style)
            else:
                width = 0.8 / len(contenders)
                places = [cases.index(row.case) + (number + 0.5) * width - 0.4 for row in own]
                axes.bar(places, medians, width, yerr=(below, above), capsize=2, **style)
        if numeric:
            axes.set_xscale("log")
            axes.set_xlabel("size, as named in the legend or the title")
        else:
            axes.set_xticks(range(len(cases)), cases)
        axes.set_yscale("log")
        axes.set_ylabel(UNITS.get(unit, unit))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=150)
