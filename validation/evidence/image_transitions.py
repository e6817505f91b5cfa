"""What claims on images trained at many learning rates decide by, and what they save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from validation.cells.image_sweeps import KEY, LARGE, PER_RUN, ImageSweep
from validation.claim import Context, as_json
from validation.evidence.broken_line import BrokenLine, fit_broken_lines
from validation.evidence.intervals import mean_and_interval

LEVEL = 0.95


def change_points(context: Context, sweeps: Sequence[ImageSweep]) -> list[BrokenLine]:
    """Return the rates at which dead shares start to rise, in units of the threshold, with intervals for all sweeps at once."""
    excess, widths = [sweep.excess for sweep in sweeps], [sweep.width for sweep in sweeps]
    return fit_broken_lines(sweeps[0].rates, excess, widths, context.rng(KEY), context.pick(quick=2000, full=10_000), LEVEL)


def as_if_larger(sweep: ImageSweep) -> ImageSweep:
    """Return the solutions found below the threshold as if they had been found at the rates above it."""
    rows = np.arange(len(sweep.rates))
    large = sweep.rates >= LARGE
    rows[large] = np.resize(np.flatnonzero(sweep.rates < 1), large.sum())
    moved = {name: getattr(sweep, name)[:, rows] for name in PER_RUN}
    return replace(sweep, **moved | {"edge": moved["edge"] * sweep.rates / sweep.rates[rows]})


def record(sweep: ImageSweep) -> dict[str, Any]:
    """Return the numbers of a sweep, with means over solutions and their intervals at each rate; None where there are too few."""

    def along(values: np.ndarray) -> list[tuple[float, float, float] | None]:
        found = [mean_and_interval(column[np.isfinite(column)]) for column in np.where(sweep.learnt, values, np.nan).T]
        return [(mean, *interval) if np.isfinite(interval).all() else None for mean, interval in found]

    return as_json(vars(sweep)) | {
        "dead_share": along(sweep.dead / sweep.width),
        "rate_times_sharpness": along(sweep.edge),
        "effective_share": along(sweep.effective / sweep.width),
        "learnt": sweep.learnt.mean(axis=0).tolist(),
    }
