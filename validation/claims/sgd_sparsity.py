"""Where neurons start to die with random batches, and on finite samples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.divergence import diverging_rates
from validation.cells.rate_sweeps import LOSS_TOL, MAX_STEPS, REFERENCE, SETTLED
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.broken_line import BrokenLine, fit_broken_lines, margin
from validation.theory.mean_square import mean_square_threshold

KEY = 631
LEVEL = 0.95
RATES = (0.8, 0.92, 0.98, 1.02, 1.06, 1.1, 1.15)  # in units of the threshold of each run
DECIDING_BATCH, SMALL_BATCH = (
    8,
    1,
)  # in units of M d: batches from which on change points decide, and which make SGD diverge first
ARRAYS = ("thresholds", "excess", "diverged")


@dataclass(frozen=True, eq=False)
class NoisySweep:
    """Runs of one cell at R learning rates from S initial networks, with random batches or on finite samples.

    `thresholds` ``(S,)`` are those for the class sizes reached at half the balanced threshold; on samples, 2 / sharpness of the
    loss on them at the network reached there. `excess` ``(S, R)`` are neurons dead beyond those of that reference run, NaN for
    runs that did not settle; `diverged` ``(S, R)``.
    """

    M: int
    d: int
    width: int
    batch_size: int | None
    n_samples: int | None
    thresholds: np.ndarray
    excess: np.ndarray
    diverged: np.ndarray

    @property
    def decides(self) -> bool:
        """Whether the change point is part of the rule: on samples, and with batches that do not make SGD diverge near it."""
        return self.batch_size is None or self.batch_size >= DECIDING_BATCH * self.M * self.d

    @property
    def mean_square(self) -> float:
        """The threshold of mean-square stability in units of that of descent."""
        assert self.batch_size is not None
        return mean_square_threshold(self.M, self.d, self.batch_size)

    def __str__(self) -> str:
        kind = f"B={self.batch_size}" if self.batch_size is not None else f"n={self.n_samples}"
        return f"{kind} (M={self.M}, d={self.d}, m={self.width})"


def requests(context: Context) -> list[dict[str, Any]]:
    """Cells with random batches, the smallest of which make SGD diverge below the threshold, and cells with finite samples."""
    sizes = context.pick(quick=((2, 2, 48),), full=((2, 2, 64), (2, 4, 64), (4, 4, 128)))
    batches = context.pick(quick=(SMALL_BATCH, 4, DECIDING_BATCH, 16), full=(SMALL_BATCH, 2, 4, DECIDING_BATCH, 16, 32))
    samples = context.pick(quick=(16, 32), full=(16, 32, 64))
    with_batches, on_samples = context.pick(quick=(20, 20), full=(48, 32))
    cells: list[dict[str, Any]] = []
    for M, d, width in sizes:
        size = {"M": M, "d": d, "width": width}
        cells += [size | {"batch_size": k * M * d, "n_samples": None, "n_runs": with_batches} for k in batches]
        cells += [size | {"batch_size": None, "n_samples": k * M * d, "n_runs": on_samples} for k in samples]
    return cells


def experiment(context: Context) -> Outcome:
    """Sweep the rate in every cell, fit all broken lines together, and compare change points with the thresholds."""
    found = sweeps_of(context, requests(context))
    small = [sweep for sweep in found if sweep.batch_size == SMALL_BATCH * sweep.M * sweep.d]
    sweeps = [sweep for sweep in found if sweep not in small]
    lines = fit_broken_lines(
        np.array(RATES), [sweep.excess for sweep in sweeps], [sweep.width for sweep in sweeps],
        context.rng(KEY), context.pick(quick=2000, full=10_000), LEVEL,
    )  # fmt: skip
    escapes = context.sweep(diverging_rates, escape_cells(context), cost=lambda cell: cell["batch_size"] + 20.0)
    verdict, control = decide(sweeps, lines, small)
    return Outcome(
        verdict=verdict,
        control=control,
        headline=[Measurement(str(sweep), line.change_point, line.interval) for sweep, line in zip(sweeps, lines, strict=True)],
        findings=[
            *(_mean_square(sweep, line) for sweep, line in zip(sweeps, lines, strict=True) if sweep.batch_size is not None),
            *(_on_samples(sweep) for sweep in sweeps if sweep.n_samples is not None),
            *(_small(sweep) for sweep in small),
            *_escapes(escapes),
        ],
        data={
            "cells": [
                _shares(sweep)
                | {"line": as_json(vars(line)), "margin": margin(sweep.M, sweep.width), "deciding": sweep.decides}
                | {"mean_square": None if sweep.batch_size is None else sweep.mean_square}
                for sweep, line in zip(sweeps, lines, strict=True)
            ],
            "small": [_shares(sweep) for sweep in small],
            "escapes": [
                as_json(cell) | {"mean_square": mean_square_threshold(cell["M"], cell["d"], cell["batch_size"])}
                for cell in escapes
            ],
        },
    )


def decide(sweeps: Sequence[NoisySweep], lines: Sequence[BrokenLine], small: Sequence[NoisySweep]) -> tuple[Verdict, Verdict]:
    """Return the verdict, and that of the control: change points at the thresholds of mean-square stability."""
    deciding = [(sweep, line, margin(sweep.M, sweep.width)) for sweep, line in zip(sweeps, lines, strict=True) if sweep.decides]
    conditions = [line.agrees(1.0, allowed) for _, line, allowed in deciding]
    mean_square = [line.agrees(sweep.mean_square, allowed) for sweep, line, allowed in deciding if sweep.batch_size is not None]
    return Verdict.of(*conditions, *map(diverges_first, small)), Verdict.of(*mean_square)


def sweeps_of(context: Context, cells: Sequence[dict[str, Any]]) -> list[NoisySweep]:
    """Return the sweep of each request."""

    def cost(cell: dict[str, Any]) -> float:
        return float(cell["n_runs"] * (cell["batch_size"] or cell["n_samples"]) * cell["width"])

    found = sweep_in_blocks(context, noisy_sweep, cells, "n_runs", lambda _: 6, cost)
    names = ("M", "d", "width", "batch_size", "n_samples")
    sweeps = []
    for cell, parts in zip(cells, found, strict=True):
        fields: dict[str, Any] = {name: cell[name] for name in names} | joined(parts, ARRAYS)
        sweeps.append(NoisySweep(**fields))
    return sweeps


def noisy_sweep(
    seed: int, M: int, d: int, width: int, batch_size: int | None, n_samples: int | None, n_runs: int, block: int = 0
) -> dict[str, Any]:
    """Return what `NoisySweep` holds of `n_runs` initial networks, each with its own batches or sample, the same at all rates."""
    teacher, balanced = lmc.orthonormal_teacher(M, d), lmc.stability_threshold(M, width)
    root = np.random.SeedSequence([seed, KEY, M, d, width, batch_size or 0, n_samples or 0, block])

    def train(relative: float, learning_rate: Any, **options: Any) -> lmc.TrainingResult:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # what did not settle is in the results
            return lmc.train(
                teacher, learning_rate=learning_rate, samples=n_samples, algorithm="gd" if batch_size is None else "sgd",
                batch_size=batch_size, max_steps=round(MAX_STEPS / min(1.0, relative)), loss_tol=LOSS_TOL, rng=root, **options,
            )  # fmt: skip

    def dead(result: lmc.TrainingResult) -> np.ndarray:
        return np.array([round(lmc.sparsity(net).dead_share * width) for net in result.networks])

    def settled(result: lmc.TrainingResult) -> np.ndarray:
        return np.array(result.behaviour) == SETTLED

    reference = train(REFERENCE, REFERENCE * balanced, width=width, n_runs=n_runs, checkpoints=[0])
    starts = [checkpoints.networks[0] for checkpoints in reference.checkpoints]
    sizes = [lmc.sparsity(net, teacher).class_sizes for net in reference.networks]
    usable = settled(reference) & np.array([size is not None and size.min() > 0 for size in sizes])
    thresholds = np.full(n_runs, balanced)
    for k in np.flatnonzero(usable):
        if n_samples is None:
            thresholds[k] = lmc.stability_threshold(M, width, sizes[k])
        else:
            thresholds[k] = 2 / lmc.sharpness(reference.networks[k], teacher, samples=reference.samples[k])
    results = [train(rate, rate * thresholds, init=starts) for rate in RATES]
    died = np.stack([np.where(settled(result), dead(result) - dead(reference), np.nan) for result in results], axis=1)
    return {
        "thresholds": np.where(usable, thresholds, np.nan),
        "excess": np.where(usable[:, None], died, np.nan),
        "diverged": np.stack([result.diverged for result in results], axis=1),
    }


def escape_cells(context: Context) -> list[dict[str, Any]]:
    """Cells in which the rate is found at which SGD diverges."""
    n_runs = context.pick(quick=8, full=32)
    teachers = context.pick(quick=(2,), full=(2, 4))
    batches = context.pick(quick=(4, 8, 16, 32, 64, 128), full=(2, 4, 8, 16, 32, 64, 128, 256))
    cells = [{"M": M, "d": M, "width": 8 * M, "batch_size": B} for M in teachers for B in batches]
    return [cell | {"scale": 1.0, "n_runs": n_runs} for cell in cells]


def diverges_first(sweep: NoisySweep) -> bool:
    """Return whether at least half of the runs diverge just below the threshold."""
    below = np.array(RATES) < 1
    return bool(sweep.diverged[:, below][:, -1].mean() >= 0.5)


def _shares(sweep: NoisySweep) -> dict[str, Any]:
    """Return the numbers of a sweep: mean shares over settled runs at each rate, None where no run settled."""
    present = np.isfinite(sweep.excess)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means over no run
        shares = np.nanmean(sweep.excess, axis=0) / sweep.width
    return {
        "M": sweep.M,
        "d": sweep.d,
        "width": sweep.width,
        "batch_size": sweep.batch_size,
        "n_samples": sweep.n_samples,
        "rates": list(RATES),
        "excess_share": [float(share) if np.isfinite(share) else None for share in shares],
        "settled": present.mean(axis=0).tolist(),
        "diverged": sweep.diverged.mean(axis=0).tolist(),
        "thresholds": (sweep.thresholds / lmc.stability_threshold(sweep.M, sweep.width)).tolist(),
    }


def _on_samples(sweep: NoisySweep) -> str:
    units = sweep.thresholds[np.isfinite(sweep.thresholds)] / lmc.stability_threshold(sweep.M, sweep.width)
    return (
        f"{sweep}: thresholds of the samples are {units.mean():.3f} of that of the population in the mean, standard deviation "
        f"{units.std(ddof=1):.3f}; {np.isfinite(sweep.excess).mean():.0%} of the runs settled."
    )


def _mean_square(sweep: NoisySweep, line: BrokenLine) -> str:
    early = np.nanmean(sweep.excess[:, RATES.index(0.92)]) / sweep.width
    compared = {True: "supported", False: "refuted", None: "undecided"}[
        line.agrees(sweep.mean_square, margin(sweep.M, sweep.width))
    ]
    return (
        f"{sweep}: mean-square stability would put the change point at {sweep.mean_square:.3f}, {compared}; at 0.92 of the "
        f"threshold noise has killed {early:.1%} of the neurons."
    )


def _small(sweep: NoisySweep) -> str:
    diverged = [f"{share:.0%} ({rate:g})" for rate, share in zip(RATES, sweep.diverged.mean(axis=0), strict=True)]
    return f"{sweep}: share of runs that diverge, at rates over the threshold: {', '.join(diverged)}."


def _escapes(escapes: Sequence[dict[str, Any]]) -> list[str]:
    """Say at which rates SGD diverges, and at which batch size that is the threshold."""
    sentences = []
    for M in sorted({cell["M"] for cell in escapes}):
        mine = [cell for cell in escapes if cell["M"] == M]
        rates = np.array([np.log(cell["rates"] / cell["threshold"]).mean() for cell in mine])
        sizes = np.array([cell["batch_size"] for cell in mine])
        over = np.exp(rates) / [mean_square_threshold(M, cell["d"], cell["batch_size"]) for cell in mine]
        crossing = np.exp(np.interp(0.0, rates, np.log(sizes)))
        sentences.append(
            f"M={M}: SGD diverges at {', '.join(f'{np.exp(r):.3g} (B={B})' for r, B in zip(rates, sizes, strict=True))} of the "
            f"threshold, {over.min():.3g} to {over.max():.3g} times that of mean-square stability. Below B = {crossing:.2g} it "
            "diverges before any neuron needs to die."
        )
    return sentences


CLAIM = Claim(
    name="sgd-sparsity",
    statement="Random batches of B >= 8 M d do not move the rate from which on neurons have to die; with B = M d SGD diverges "
    "below it. On a finite sample of n >= 16 M d that rate is the threshold of the loss on the sample.",
    source="ours; [ZLW], abstract, reports the transition for GD and SGD",
    prediction="change point at 2/sharpness of the dense minimum, for each batch size and sample; diverging rate falling with B",
    rule="Rates and shares as in sparsity-transition, with fresh Gaussian batches of B, or full gradients on n samples drawn for "
    "each run. Rates are scaled run by run by the threshold for the class sizes reached at half the balanced threshold; on "
    "samples, by 2/sharpness of the loss on them at the network reached there. Supported if, for B >= 8 M d and n >= 16 M d, the "
    "simultaneous 95 % interval of the change point lies within max(0.05, 2M/m) of 1, and if at B = M d at least half of the "
    "runs diverge at 0.98 of the threshold. Refuted if an interval lies outside, or at B = M d fewer diverge.",
    control="The same rule with the thresholds of mean-square stability of SGD, which fall with the batch size, is refuted.",
    experiment=experiment,
)
