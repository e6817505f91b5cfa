"""The rule `falls_as`: a mean falls at least as fast as a power of a parameter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.bootstrap import TooManyZerosError
from lmctheory.claims import figures
from lmctheory.claims.data import Measured, Sample, label
from lmctheory.claims.interval import UNKNOWN, Interval, at_most, number_text
from lmctheory.claims.rules.rule import Rule, Worlds
from lmctheory.claims.verdict import Condition, Conditions, Measurement, Verdict, joined
from lmctheory.errors import InvalidInputError
from lmctheory.rates import MAX_DROPPED, RateFit, fit_rate

TOP_SHARE = 0.1  # of a mean that one value may make up without a note
POOR_FIT = 0.05  # p-value of one power law below which the conditions carry a note


def falls_as(
    exponent: float,
    *,
    margin: float = 0.05,
    resolution: float = 0.4,
    of: str = "heights",
    over: str = "width",
    level: float = 0.95,
) -> Rule:
    """Return the rule that a mean is ``O(over^exponent)``.

    One least-squares fit of ``log(mean)`` on ``log(over)`` over all values of `over`; each combination of the other parameters
    is a condition of its own. Supported if the upper end of every exponent's interval is at most ``exponent + margin``, refuted
    if the lower end of one is above it. Where results have `pairs`, networks are resampled. Local slopes are shown, not judged.

    Parameters
    ----------
    exponent : float
        As claimed; negative for a fall.
    margin : float
        By how much the fitted exponent may be above: constants and lower orders bend the line.
    resolution : float
        Distance of the planted exponents ``exponent + margin +- resolution`` from the bound. The rule must tell them from it.
    of, over : str
        The field of the results, and the parameter of the cells.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Notes
    -----
    Planted worlds: the measured values, rescaled at each value of `over` so that the fitted exponent is the planted one, with
    their pairs and their spread. `fit_rate` says how intervals are made.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, falls_as
    >>> draw = np.random.default_rng(0)
    >>> data = Measured([({"width": m}, draw.lognormal(-np.log(m), 0.5, size=200)) for m in (8, 16, 32, 64)])
    >>> falls_as(-0.5).judge(data, draw).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    return FallsAs(
        level=level,
        exponent=_checks.real("exponent", exponent),
        margin=_checks.real("margin", margin, non_negative=True),
        resolution=_checks.real("resolution", resolution, positive=True),
        of=of,
        over=over,
    )


@dataclass(frozen=True)
class FallsAs(Rule):
    """See `falls_as`."""

    exponent: float = -0.5
    margin: float = 0.05
    resolution: float = 0.4
    of: str = "heights"
    over: str = "width"

    @property
    def bound(self) -> float:
        """The largest exponent that agrees with the claim."""
        return self.exponent + self.margin

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        return (
            f"Least squares of log(mean of {self.of}) on log({self.over}), one fit over all values of {self.over}; intervals by "
            "the bootstrap, of networks where pairs share them. Supported if the upper end of every "
            f"{self.level:.0%} interval of the exponent is at most {number_text(self.bound)}; refuted if the lower end of one "
            "of the intervals that hold together at this level is above it."
        )

    def count(self, data: Measured) -> int:
        """One condition for each combination of the other parameters."""
        return len(self._groups(data))

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Fit each group; what cannot be fitted is undecided."""
        root = _checks.seed_sequence(rng)
        return joined(
            self._condition(name, samples, _checks.stream(root, "fit", k), refuting_level)
            for k, (name, samples) in enumerate(self._groups(data).items())
        )

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured values with exponents a `resolution` above and below the bound."""
        found: Worlds = {}
        for exponent, must_be in (
            (self.bound + self.resolution, Verdict.REFUTED),
            (self.bound - self.resolution, Verdict.SUPPORTED),
        ):
            found[f"exponent {number_text(exponent)}"] = self._with_exponent(data, exponent), must_be
        return found

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Means against the parameter, with the fits and the slope of the bound."""
        root = _checks.seed_sequence(rng)
        fits = {}
        for k, (name, samples) in enumerate(self._groups(data).items()):
            if self._missing(samples) is None:
                with suppress(TooManyZerosError):
                    fits[name] = self._fit(samples, _checks.stream(root, "fit", k), self.level)[0]
        figures.power_laws(axes, fits, self.exponent, self.over, f"mean of {self.of}")

    def _groups(self, data: Measured) -> dict[str, list[Sample]]:
        """The samples of each combination of the other parameters, in the order of `over`."""
        varying = data.varying(self.over)
        groups: dict[str, list[Sample]] = {}
        for sample in data.samples(self.of):
            if self.over not in sample.cell:
                raise InvalidInputError(f"over must be a parameter of the cells, {', '.join(sample.cell)}, got {self.over!r}")
            _checks.real(self.over, sample.cell[self.over], positive=True)
            groups.setdefault(label(sample.cell, varying), []).append(sample)
        for name, samples in groups.items():
            samples.sort(key=lambda sample: sample.cell[self.over])
            if len(samples) < 2:
                where = f" of {name}" if name else ""
                raise InvalidInputError(f"cells{where} must have at least two values of {self.over}, got {len(samples)}")
            if len({sample.pairs is None for sample in samples}) > 1:
                raise InvalidInputError("results must name the networks of their values, as pairs, in all cells or in none")
            if min(sample.values.min() for sample in samples) < 0:
                raise InvalidInputError(f"{self.of} must not be negative: their mean has a logarithm")
        return groups

    def _condition(
        self, group: str, samples: Sequence[Sample], root: np.random.SeedSequence, refuting_level: float
    ) -> Conditions:
        name = f"exponent ({group})" if group else "exponent"
        bound, n = at_most(self.bound), min(sample.n_units for sample in samples)
        missing = self._missing(samples)
        if missing:
            return Conditions([Condition(name, None, UNKNOWN, bound, None)], notes=[f"{name}: {missing}."])
        try:
            fit, notes = self._fit(samples, root, self.level)
        except TooManyZerosError:
            few = f"{name}: most values are zero, so that resamples have no mean to take the logarithm of."
            return Conditions([Condition(name, None, UNKNOWN, bound, None)], notes=[few])
        if fit.dropped_resamples > MAX_DROPPED * fit.n_resamples:  # what is left is no sample of resamples: nothing to judge by
            undecided = Condition(name, fit.exponent, UNKNOWN, bound, None, n=n)
            return Conditions([undecided], notes=[f"{name}: {note}." for note in notes])
        interval, refuting = Interval(fit.interval[0], fit.interval[1], self.level), None
        if refuting_level > self.level:
            low, high = self._fit(samples, root, refuting_level)[0].interval
            refuting = Interval(low, high, refuting_level, "simultaneous")
        if fit.lack_of_fit < POOR_FIT:
            notes.append(
                f"the means do not lie on one power law (p = {fit.lack_of_fit:.2g}); the exponent is of the line through them"
            )
        for sample in samples:
            share = float(sample.values.max() / sample.values.sum())
            if share > TOP_SHARE and len(sample.values) > 1 / TOP_SHARE:
                notes.append(
                    f"the largest of {len(sample.values)} values makes up {share:.0%} of the mean at {self.over} "
                    f"{sample.cell[self.over]:g}; where more such values are likely, the interval is too short"
                )
        prefix = f"{group}: " if group else ""
        widths = [f"{width:g}" for width in fit.widths]
        shown = []
        for first, last, slope, ends in zip(widths, widths[1:], fit.local_slopes, fit.local_intervals, strict=False):
            local = Interval(float(ends[0]), float(ends[1]), self.level)
            shown.append(Measurement(f"{prefix}slope, {self.over} {first} to {last}", float(slope), local))
        condition = Condition.judged(name, fit.exponent, interval, bound, refuting, n)
        return Conditions([condition], shown if len(widths) > 2 else (), [f"{name}: {note}." for note in notes])

    def _missing(self, samples: Sequence[Sample]) -> str | None:
        """Say what is missing for a fit, if anything is."""
        for sample in samples:
            where = f"{self.over} {sample.cell[self.over]:g}"
            if not sample.values.any():
                return f"the mean at {where} is zero, so that no power law can be fitted (vanishes() is the rule for zeros)"
            if sample.pairs is not None and sample.n_units < 3:
                return f"{sample.n_units} networks at {where}, an interval takes three"
            if sample.n_units < 2:
                return f"one value at {where}, an interval takes two"
        return None

    def _fit(self, samples: Sequence[Sample], root: np.random.SeedSequence, level: float) -> tuple[RateFit, list[str]]:
        pairs = [sample.pairs for sample in samples if sample.pairs is not None]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = fit_rate(
                [sample.cell[self.over] for sample in samples], [sample.values.astype(float) for sample in samples],
                pairs=pairs if len(pairs) == len(samples) else None, level=level, rng=root,
            )  # fmt: skip
        return fit, [str(warning.message) for warning in caught]

    def _with_exponent(self, data: Measured, exponent: float) -> Measured:
        factors: dict[int, float] = {}
        order = {_key(sample): k for k, sample in enumerate(data.samples(self.of))}
        for group in self._groups(data).values():
            x = np.log([float(sample.cell[self.over]) for sample in group])
            means = np.array([sample.values.mean() for sample in group])
            fitted = np.polyfit(x, np.log(means), 1)[0] if (means > 0).all() else 0.0
            for sample, log_width in zip(group, x, strict=True):
                factors[order[_key(sample)]] = float(np.exp((exponent - fitted) * (log_width - x[0])))
        return data.replace(self.of, lambda k, sample: sample.values * factors[k])


def _key(sample: Sample) -> str:
    return repr(sorted(sample.cell.items(), key=lambda item: item[0]))
