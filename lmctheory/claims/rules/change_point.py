"""The rule `change_point_at`: where a mean starts to change as a parameter grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.claims import figures
from lmctheory.claims.data import Measured, Sample, label
from lmctheory.claims.interval import UNKNOWN, Interval, number_text
from lmctheory.claims.rules.rule import Rule, Worlds
from lmctheory.claims.verdict import Condition, Conditions, Verdict
from lmctheory.errors import InvalidInputError

N_RESAMPLES = 1000
CANDIDATES = 801


def change_point_at(
    x: float, *, margin: float = 0.05, resolution: float | None = None, of: str = "heights", over: str = "learning_rate",
    level: float = 0.95,
) -> Rule:  # fmt: skip
    """Return the rule that a mean is constant in a parameter up to `x` and changes from there on.

    The line ``mean = baseline + slope * max(0, over - change point)`` is fitted by least squares; each combination of the other
    parameters is a condition of its own. Supported if every interval of the change point lies within ``x +- margin``.

    Parameters
    ----------
    x : float
        As claimed.
    margin : float
        Equivalence margin, in units of the parameter.
    resolution : float, optional
        The planted change points are ``x`` and ``x +- (margin + resolution)``; twice `margin` by default.
    of, over : str
        The field of the results, and the parameter of the cells.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Notes
    -----
    Values are resampled in each cell; the interval is symmetric, its half-width a quantile of the deviations of resampled
    change points. A change point can be located between the second and the last but one value of the parameter: where
    resamples reach these ends, or nothing changes, the interval is unbounded on that side, and the condition undecided unless the
    other end decides it. Plan values of the parameter on both sides of `x`, beyond the planted change points.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, change_point_at
    >>> draw = np.random.default_rng(0)
    >>> rates = np.linspace(0.5, 1.5, 11)
    >>> data = Measured([({"rate": r}, max(0.0, r - 1) + 0.01 * draw.normal(size=20)) for r in rates])
    >>> change_point_at(1.0, over="rate").judge(data, draw).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    margin = _checks.real("margin", margin, positive=True)
    return ChangePointAt(
        level=level,
        x=_checks.real("x", x),
        margin=margin,
        resolution=2 * margin if resolution is None else _checks.real("resolution", resolution, positive=True),
        of=of,
        over=over,
    )


@dataclass(frozen=True)
class ChangePointAt(Rule):
    """See `change_point_at`."""

    x: float = 1.0
    margin: float = 0.05
    resolution: float = 0.1
    of: str = "heights"
    over: str = "learning_rate"

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        return (
            f"Least squares of the mean of {self.of} on a line in {self.over} that is constant up to a change point. Supported "
            f"if every {self.level:.0%} interval of the change point lies within {number_text(self.margin)} of "
            f"{number_text(self.x)}; refuted if one of the intervals that hold together at this level lies outside."
        )

    def count(self, data: Measured) -> int:
        """One condition for each combination of the other parameters."""
        return len(self._groups(data))

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Judge the change point of each group."""
        root, found, notes = _checks.seed_sequence(rng), [], []
        bound = Interval(self.x - self.margin, self.x + self.margin, kind="exact")
        for k, (group, samples) in enumerate(self._groups(data).items()):
            name = f"change point ({group})" if group else "change point"
            draw = np.random.default_rng(_checks.stream(root, "change point", k))
            fit, replicates = self._fit(samples, draw)
            if fit is None or replicates is None:
                reason = "nothing changes" if fit is None else "one value in a cell, an interval takes two"
                notes.append(f"{name}: {reason}.")
                found.append(Condition(name, None, UNKNOWN, bound, None))
                continue
            interval = self._interval(samples, fit[2], replicates, self.level, "marginal")
            refuting = None
            if refuting_level > self.level:
                refuting = self._interval(samples, fit[2], replicates, refuting_level, "simultaneous")
            n = min(len(sample.values) for _, sample in samples)
            found.append(Condition.judged(name, fit[2], interval, bound, refuting, n))
        return Conditions(found, notes=notes)

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured values around broken lines with other change points, of the fitted baseline and slope."""
        away = self.margin + self.resolution
        return {
            f"change point {number_text(self.x + away)}": (self._with_change_point(data, self.x + away), Verdict.REFUTED),
            f"change point {number_text(self.x - away)}": (self._with_change_point(data, self.x - away), Verdict.REFUTED),
            f"change point {number_text(self.x)}": (self._with_change_point(data, self.x), Verdict.SUPPORTED),
        }

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Means against the parameter, with the broken lines and where they must break."""
        lines = {}
        for group, samples in self._groups(data).items():
            xs, means = _means(samples, self.over)
            lines[group] = (xs, means, _broken_line(xs, means[None])[0] if len(xs) > 3 else None)
        figures.broken_lines(axes, lines, (self.x - self.margin, self.x + self.margin), self.over, f"mean of {self.of}")

    def _groups(self, data: Measured) -> dict[str, list[tuple[int, Sample]]]:
        varying = data.varying(self.over)
        groups: dict[str, list[tuple[int, Sample]]] = {}
        for k, sample in enumerate(data.samples(self.of)):
            if self.over not in sample.cell:
                raise InvalidInputError(f"over must be a parameter of the cells, {', '.join(sample.cell)}, got {self.over!r}")
            groups.setdefault(label(sample.cell, varying), []).append((k, sample))
        for samples in groups.values():
            samples.sort(key=lambda item: item[1].cell[self.over])
            if len(samples) < 4:
                raise InvalidInputError(f"cells must have at least four values of {self.over}, got {len(samples)}")
        return groups

    def _fit(self, samples: list[tuple[int, Sample]], rng: np.random.Generator) -> tuple[FloatArray | None, FloatArray | None]:
        """Baseline, slope and change point, and the change points of resamples; None where nothing changes, or without spread."""
        xs, means = _means(samples, self.over)
        fit = _broken_line(xs, means[None])[0]
        if not np.isfinite(fit[2]):
            return None, None
        if any(len(sample.independent(rng)) < 2 for _, sample in samples):
            return fit, None
        columns = []
        for _, sample in samples:
            values = sample.independent(rng).astype(float)
            columns.append(
                rng.choice(values, size=(N_RESAMPLES, len(values))).mean(axis=1) - values.mean() + sample.values.mean()
            )
        return fit, _broken_line(xs, np.stack(columns, axis=1))[:, 2]

    def _interval(
        self, samples: list[tuple[int, Sample]], point: float, replicates: FloatArray, level: float, kind: str
    ) -> Interval:
        xs, _ = _means(samples, self.over)
        tail = (1 - level) / 2
        lost = np.isnan(replicates)
        deviations = np.where(lost, np.inf, np.abs(np.where(lost, point, replicates) - point))
        half = float(np.quantile(deviations, level, method="higher"))
        early = (replicates <= xs[1]).mean() > tail or lost.mean() > tail
        late = (replicates >= xs[-2]).mean() > tail or lost.mean() > tail
        return Interval(-np.inf if early else point - half, np.inf if late else point + half, level, kind)

    def _with_change_point(self, data: Measured, point: float) -> Measured:
        targets: dict[int, float] = {}
        for samples in self._groups(data).values():
            xs, means = _means(samples, self.over)
            baseline, slope, found = _broken_line(xs, means[None])[0]
            if not np.isfinite(found):
                baseline, slope = float(means.mean()), max(float(np.ptp(means)), 1.0) / (xs[-1] - xs[0])
            line = baseline + slope * np.maximum(0.0, xs - point)
            targets |= {k: float(mean) for (k, _), mean in zip(samples, line, strict=True)}
        return data.replace(self.of, lambda k, sample: sample.values.astype(float) - float(sample.values.mean()) + targets[k])


def _means(samples: list[tuple[int, Sample]], over: str) -> tuple[FloatArray, FloatArray]:
    return (
        np.array([float(sample.cell[over]) for _, sample in samples]),
        np.array([float(sample.values.mean()) for _, sample in samples]),
    )


def _broken_line(xs: FloatArray, ys: FloatArray) -> FloatArray:
    """Return baseline, slope and change point of the best broken line through each row of `ys`, NaN where nothing changes."""
    candidates = np.linspace(xs[1], xs[-2], CANDIDATES)
    ramps = np.maximum(0.0, xs - candidates[:, None])  # (K, n)
    centred = ramps - ramps.mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1)
    slopes = (ys - ys.mean(axis=1, keepdims=True)) @ centred.T / spread  # (B, K)
    best = np.argmax(slopes**2 * spread, axis=1)
    rows = np.arange(len(ys))
    slope = slopes[rows, best]
    changes = np.abs(slope) * np.ptp(xs) > 1e-12 * np.maximum(np.abs(ys).max(axis=1), 1e-300)
    baseline = ys.mean(axis=1) - slope * ramps.mean(axis=1)[best]
    return np.stack([baseline, slope, np.where(changes, candidates[best], np.nan)], axis=1)
