"""What ready rules draw into a matplotlib Axes: fits, means, shares, distribution functions, broken lines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.claims.interval import Interval

if TYPE_CHECKING:
    from lmctheory.claims.data import Measured
    from lmctheory.claims.verdict import Conditions
    from lmctheory.rates import RateFit

MINUS = "\N{MINUS SIGN}"
LOG_FROM = 5.0  # ratio of the largest to the smallest number from which on an axis is logarithmic
MARKERS = "os^Dvp"


def power_laws(axes: Any, fits: Mapping[str, RateFit], exponent: float, over: str, what: str) -> None:
    """Means with intervals and fitted power laws on log-log axes, and the slope claimed from the first mean of each."""
    grey = _colour("grey")
    for (group, fit), (colour, marker) in zip(fits.items(), _styles(), strict=False):
        text = f"exponent {fit.exponent:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]".replace("-", MINUS)
        _error_bars(axes, fit.widths, fit.means, fit.mean_intervals, colour, marker)
        name = f"{group}: {text}" if group else text
        axes.plot(fit.widths, fit.predict(fit.widths), "-", lw=1.2, color=colour, label=name)
        claimed = fit.means[0] * (fit.widths / fit.widths[0]) ** exponent
        label = f"slope {exponent:g}, as claimed".replace("-", MINUS) if fit is next(iter(fits.values())) else None
        axes.plot(fit.widths, claimed, "--", lw=1, color=grey, label=label)
    axes.set(xscale="log", yscale="log", xlabel=over, ylabel=what)
    if fits:
        _ticks(axes, np.unique(np.concatenate([fit.widths for fit in fits.values()])))
        axes.legend()
    else:
        axes.text(0.5, 0.5, "no power law can be fitted", ha="center", transform=axes.transAxes)


def points(axes: Any, data: Measured, conditions: Conditions, what: str) -> None:
    """One value a cell with its interval, against the first parameter that varies, and where it must lie."""
    cells = _distinct(data)
    varying = data.varying()
    over = next((name for name in varying if _numeric(cells, name)), None)
    groups: dict[str, list[int]] = {}
    for k, cell in enumerate(cells):
        groups.setdefault(", ".join(f"{n}={cell[n]}" for n in varying if n != over), []).append(k)
    for (group, rows), (colour, marker) in zip(groups.items(), _styles(), strict=False):
        found = [conditions.conditions[k] for k in rows]
        xs = np.array([float(cells[k][over]) if over else float(k) for k in rows])
        values = np.array([math.nan if c.value is None else c.value for c in found])
        ends = np.array([list(c.interval) if c.interval else [math.nan] * 2 for c in found])
        _error_bars(axes, xs, values, np.where(np.isfinite(ends), ends, values[:, None]), colour, marker, group or None)
        bounds = [c.bound if isinstance(c.bound, Interval) else None for c in found]
        _bounds(axes, xs, bounds, labelled=group == next(iter(groups)))
    values = np.array([c.value for c in conditions.conditions if c.value is not None])
    if len(values) and values.min() > 0 and values.max() / values.min() > LOG_FROM:
        axes.set_yscale("log")
    axes.set(ylabel=what)
    if over:
        xs = np.unique([float(cell[over]) for cell in cells])
        axes.set_xlabel(over)
        if xs.min() > 0 and xs.max() / xs.min() > LOG_FROM:
            axes.set_xscale("log")
        _ticks(axes, xs)
    else:
        axes.set_xticks([])
    if axes.get_legend_handles_labels()[1]:
        axes.legend()


def floors(axes: Any, groups: Mapping[str, FloatArray], what: str) -> None:
    """All values of each cell in units of the rounding floor, and the floor."""
    smallest = min((values[values > 0].min() for values in groups.values() if (values > 0).any()), default=1e-3)
    bottom = min(float(smallest), 0.1) / 3
    for k, values in enumerate(groups.values()):
        zeros = int((values == 0).sum())
        axes.plot(np.full(len(values) - zeros, k), values[values > 0], "_", ms=14, color=_colour("blue"))
        if zeros:
            axes.annotate(f"{zeros} at 0", (k, bottom), ha="center", va="bottom", fontsize=8)
    axes.axhline(1.0, ls="--", lw=1, color=_colour("grey"), label="rounding floor")
    axes.set(yscale="log", ylabel=what, ylim=(bottom, None), xlim=(-0.6, len(groups) - 0.4))
    axes.set_xticks(range(len(groups)), list(groups) if len(groups) > 1 else ["all"])
    axes.legend()


def distributions(
    axes: Any, groups: Mapping[str, FloatArray], cdf: Callable[[FloatArray], FloatArray], margin: float, what: str
) -> None:
    """Empirical distribution functions, the one claimed, and the margin around it."""
    everything = np.concatenate(list(groups.values()))
    xs = np.linspace(everything.min(), everything.max(), 400)
    claimed = cdf(xs)
    grey = _colour("grey")
    axes.fill_between(xs, np.clip(claimed - margin, 0, 1), np.clip(claimed + margin, 0, 1), color=grey, alpha=0.15, lw=0)
    axes.plot(xs, claimed, "--", lw=1, color=grey, label=f"claimed, within {margin:g}")
    for (group, values), (colour, _) in zip(groups.items(), _styles(), strict=False):
        axes.step(
            np.sort(values), np.arange(1, len(values) + 1) / len(values), where="post", lw=1.2, color=colour, label=group or None
        )
    axes.set(xlabel=what, ylabel="distribution function", ylim=(0, 1.02))
    axes.legend()


def broken_lines(
    axes: Any, lines: Mapping[str, tuple[FloatArray, FloatArray, FloatArray | None]], claimed: tuple[float, float],
    over: str, what: str,
) -> None:  # fmt: skip
    """Means, the broken line through them, and where it must break."""
    axes.axvspan(*claimed, color=_colour("grey"), alpha=0.15, lw=0, label="claimed change point")
    for (group, (xs, means, line)), (colour, marker) in zip(lines.items(), _styles(), strict=False):
        axes.plot(xs, means, marker, ms=4, color=colour, label=group or None)
        if line is not None and np.isfinite(line[2]):
            points_ = np.array([xs[0], line[2], xs[-1]])
            axes.plot(points_, line[0] + line[1] * np.maximum(0.0, points_ - line[2]), "-", lw=1.2, color=colour)
    axes.set(xlabel=over, ylabel=what)
    axes.legend()


def _distinct(data: Measured) -> list[dict[str, Any]]:
    """The cells without blocks, as in `Measured.samples`."""
    return list(
        {repr(sorted(cell.items())): cell for cell in ({k: v for k, v in r.cell.items() if k != "block"} for r in data)}.values()
    )


def _numeric(cells: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(cell.get(name), (int, float)) and not isinstance(cell.get(name), bool) for cell in cells)


def _bounds(axes: Any, xs: FloatArray, bounds: Sequence[Interval | None], *, labelled: bool) -> None:
    ends = np.array([[math.nan, math.nan] if bound is None else list(bound) for bound in bounds])
    ends[~np.isfinite(ends)] = math.nan
    order, grey = np.argsort(xs), _colour("grey")
    for column, name in ((0, "smallest allowed"), (1, "largest allowed")):
        if np.isfinite(ends[:, column]).any():
            style = "--" if len(xs) > 1 else "_"
            axes.plot(xs[order], ends[order, column], style, ms=18, lw=1, color=grey, label=name if labelled else None)


def _error_bars(
    axes: Any, xs: FloatArray, values: FloatArray, ends: FloatArray, colour: str, marker: str, label: str | None = None
) -> None:
    ends = np.where(np.isfinite(ends), ends, values[:, None])
    axes.errorbar(xs, values, yerr=np.abs(ends.T - values), fmt=marker, ms=4, capsize=2, lw=1, color=colour, label=label)


def _ticks(axes: Any, xs: FloatArray) -> None:
    if len(xs) <= 12:
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)


def _colour(name: str) -> str:
    from lmctheory.plotting import COLOURS

    return COLOURS[name]


def _styles() -> Iterator[tuple[str, str]]:
    colours = [_colour(name) for name in ("blue", "orange", "green", "red", "purple")]
    return ((colour, MARKERS[k % len(MARKERS)]) for k, colour in enumerate(itertools.cycle(colours)))
