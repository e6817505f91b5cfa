"""Rules on the mean in each cell: `agrees_with`, `bounded_by` and `ordered`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.bootstrap import bootstrap_means
from lmctheory.claims import figures
from lmctheory.claims.data import Measured, Sample, label
from lmctheory.claims.interval import UNKNOWN, Interval, at_least, at_most, number_text
from lmctheory.claims.rules.rule import Rule, Worlds, positive_target
from lmctheory.claims.statistics import mean_intervals, with_mean
from lmctheory.claims.verdict import Condition, Conditions, Verdict
from lmctheory.errors import InvalidInputError

N_RESAMPLES = 2000
ORDERS = ("increasing", "decreasing")


def agrees_with(
    f: float | Callable[..., float], *, margin: float = 0.1, resolution: float | None = None, of: str = "heights",
    exact: bool = False, level: float = 0.95,
) -> Rule:  # fmt: skip
    """Return the rule that the mean in each cell is `f`, up to a share `margin` of it.

    Not rejecting equality would be no support: all of the interval must lie within the margin.

    Parameters
    ----------
    f : float or callable
        The number, or a curve: a function of parameters of the cells, as ``lambda width: 2 / width``. Not zero.
    margin : float
        Equivalence margin, as a share of `f`.
    resolution : float, optional
        How far outside of the margin the planted means are, as a share of `f`; `margin` by default.
    of : str
        The field of the results.
    exact : bool
        The numbers are exact: no interval is made, and every one must lie within the margin.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, agrees_with
    >>> draw = np.random.default_rng(0)
    >>> data = Measured([({"width": m}, draw.normal(1 / m, 0.1 / m, size=100)) for m in (8, 16)])
    >>> agrees_with(lambda width: 1 / width).judge(data, draw).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    margin = _checks.real("margin", margin, positive=True)
    return AgreesWith(
        level=level,
        f=f if callable(f) else _checks.real("f", f),
        of=of,
        exact=exact,
        margin=margin,
        resolution=margin if resolution is None else _checks.real("resolution", resolution, positive=True),
    )


def bounded_by(
    f: float | Callable[..., float], *, resolution: float = 0.5, of: str = "heights", exact: bool = False, level: float = 0.95
) -> Rule:
    """Return the rule that the mean in each cell is at most `f`.

    Parameters
    ----------
    f : float or callable
        The number, or a curve: a function of parameters of the cells. Not zero.
    resolution : float
        How far from the bound the planted means are, as a share of `f`.
    of : str
        The field of the results.
    exact : bool
        The numbers are exact: no interval is made, and every one must be at most `f`.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, bounded_by
    >>> data = Measured([({"width": m}, np.linspace(0.5, 1.5, 99) / m) for m in (8, 16)])
    >>> bounded_by(lambda width: width**-0.5).judge(data, np.random.default_rng(0)).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    return BoundedBy(
        level=level,
        f=f if callable(f) else _checks.real("f", f),
        of=of,
        exact=exact,
        resolution=_checks.real("resolution", resolution, positive=True),
    )


def ordered(
    order: str | Sequence[Any] = "increasing", *, over: str = "width", of: str = "heights", resolution: float = 0.5,
    level: float = 0.95,
) -> Rule:  # fmt: skip
    """Return the rule that means are in this order over a parameter.

    Parameters
    ----------
    order : {"increasing", "decreasing"} or sequence
        How means go as the parameter increases; or the values of the parameter, from the smallest mean to the largest.
    over, of : str
        The parameter of the cells, and the field of the results.
    resolution : float
        In the planted worlds neighbouring means differ by a factor ``1 + resolution``.
    level : float

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, ordered
    >>> draw = np.random.default_rng(0)
    >>> data = Measured([({"width": m}, draw.exponential(1 / m, size=100)) for m in (8, 16, 32)])
    >>> ordered("decreasing").judge(data, draw).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    if isinstance(order, str):
        order = _checks.choice("order", order, ORDERS)
    else:
        order = tuple(_checks.items("order", order, "values of the parameter", 2))
    return Ordered(level=level, order=order, over=over, of=of, resolution=_checks.real("resolution", resolution, positive=True))


@dataclass(frozen=True)
class MeanRule(Rule):
    """The mean in each cell lies in a range that depends on the cell."""

    f: float | Callable[..., float] = 1.0
    of: str = "heights"
    exact: bool = False
    resolution: float = 0.5

    @abstractmethod
    def allowed(self, cell: dict[str, Any]) -> Interval:
        """Return where the mean must lie."""

    def count(self, data: Measured) -> int:
        """One condition a cell."""
        return len(data.samples(self.of))

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Judge the mean of each cell; without spread it is undecided."""
        root, varying = _checks.seed_sequence(rng), data.varying()
        found, notes = [], []
        for k, sample in enumerate(data.samples(self.of)):
            where = label(sample.cell, varying)
            name = f"mean at {where}" if where else "mean"
            if self.exact:
                found.append(self._exact(name, sample))
                continue
            stream, values = _checks.stream(root, "mean", k), sample.values.astype(float)
            interval, wider = mean_intervals(values, (self.level, refuting_level), pairs=sample.pairs, rng=stream)
            if interval.low == -np.inf:
                notes.append(f"{name}: {_no_interval(sample)}.")
            refuting = wider.of_kind("simultaneous") if refuting_level > self.level else None
            allowed = self.allowed(sample.cell)
            found.append(Condition.judged(name, float(values.mean()), interval, allowed, refuting, sample.n_units))
        return Conditions(found, notes=notes)

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Means in the cells, with their intervals and where they must lie."""
        figures.points(axes, data, self.conditions(data, rng, self.level), f"mean of {self.of}")

    def _exact(self, name: str, sample: Sample) -> Condition:
        allowed, values = self.allowed(sample.cell), sample.values.astype(float)
        outside = np.maximum(allowed.low - values, values - allowed.high)
        worst = float(values[np.argmax(outside)])
        return Condition(name.replace("mean", "value"), worst, Interval(worst, worst, kind="exact"), allowed, outside.max() <= 0)

    def _with_means(self, data: Measured, share: float) -> Measured:
        """The measured values with mean ``f + share |f|`` in each cell; exact ones with their largest there."""

        def transform(_: int, sample: Sample) -> FloatArray:
            f = positive_target(self.f, sample.cell)
            target, values = f + share * abs(f), sample.values.astype(float)
            return with_mean(values, target) + (0.0 if not self.exact else target - with_mean(values, target).max())

        return data.replace(self.of, transform)


@dataclass(frozen=True)
class AgreesWith(MeanRule):
    """See `agrees_with`."""

    margin: float = 0.1

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        what = f"{_name(self.f)} up to {self.margin:.3g} of it"
        if self.exact:
            return f"Supported if every value of {self.of} is {what}; refuted if one is not. The numbers are exact."
        return (
            f"Supported if in every cell the {self.level:.0%} interval of the mean of {self.of} lies within {what}; refuted if "
            "one of the intervals that hold together at this level lies outside."
        )

    def allowed(self, cell: dict[str, Any]) -> Interval:
        """Within the margin of f."""
        f = positive_target(self.f, cell)
        return Interval(f - self.margin * abs(f), f + self.margin * abs(f), kind="exact")

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured values with means on both sides outside of the margin, and at f."""
        away = self.margin + self.resolution
        return {
            f"means {away:.3g} of f above it": (self._with_means(data, away), Verdict.REFUTED),
            f"means {away:.3g} of f below it": (self._with_means(data, -away), Verdict.REFUTED),
            "means at f": (self._with_means(data, 0.0), Verdict.SUPPORTED),
        }


@dataclass(frozen=True)
class BoundedBy(MeanRule):
    """See `bounded_by`."""

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        if self.exact:
            return (
                f"Supported if every value of {self.of} is at most {_name(self.f)}; refuted if one is not. The numbers are exact."
            )
        return (
            f"Supported if in every cell the upper end of the {self.level:.0%} interval of the mean of {self.of} is at most "
            f"{_name(self.f)}; refuted if the lower end of one of the intervals that hold together at this level is above it."
        )

    def allowed(self, cell: dict[str, Any]) -> Interval:
        """Up to f."""
        return at_most(positive_target(self.f, cell))

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured values with means above and below the bound."""
        return {
            f"means {self.resolution:.3g} of f above it": (self._with_means(data, self.resolution), Verdict.REFUTED),
            f"means {self.resolution:.3g} of f below it": (self._with_means(data, -self.resolution), Verdict.SUPPORTED),
        }


@dataclass(frozen=True)
class Ordered(Rule):
    """See `ordered`."""

    order: str | tuple[Any, ...] = "increasing"
    over: str = "width"
    of: str = "heights"
    resolution: float = 0.5

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        order = f"means of {self.of} are {self.order} in {self.over}"
        if not isinstance(self.order, str):
            order = f"means of {self.of} increase in the order {self.over} = {', '.join(map(str, self.order))}"
        return (
            f"Supported if {order}: the {self.level:.0%} interval of the difference of neighbours is positive; refuted if one of "
            "the intervals that hold together at this level is negative."
        )

    def count(self, data: Measured) -> int:
        """One condition for two neighbours."""
        return sum(len(chain) - 1 for chain in self._chains(data).values())

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Judge the difference of the means of neighbours."""
        root, found, notes = _checks.seed_sequence(rng), [], []
        for k, (group, chain) in enumerate(self._chains(data).items()):
            suffix = f" ({group})" if group else ""
            for i in range(len(chain) - 1):
                (_, small), (_, large) = chain[i : i + 2]
                name = f"mean at {self.over} {large.cell[self.over]} less that at {small.cell[self.over]}{suffix}"
                difference = float(large.values.mean()) - float(small.values.mean())
                missing = next((s for s in (small, large) if s.n_units < (3 if s.pairs is not None else 2)), None)
                if missing is None and np.ptp(small.values) == np.ptp(large.values) == 0:
                    missing = small
                if missing is not None:
                    notes.append(f"{name}: {_no_interval(missing)}.")
                    found.append(Condition(name, difference, UNKNOWN, at_least(0.0), None))
                    continue
                boot = bootstrap_means(
                    [small.values.astype(float), large.values.astype(float)], [small.pairs, large.pairs],
                    n_resamples=N_RESAMPLES, root=_checks.stream(root, "chain", k, i),
                )  # fmt: skip
                weights = np.array([-1.0, 1.0])
                low, high = boot.interval(weights, self.level)[1]
                interval = Interval(low, high, self.level)
                refuting = None
                if refuting_level > self.level:
                    low, high = boot.interval(weights, refuting_level)[1]
                    refuting = Interval(low, high, refuting_level, "simultaneous")
                n = min(small.n_units, large.n_units)
                found.append(Condition.judged(name, difference, interval, at_least(0.0), refuting, n))
        return Conditions(found, notes=notes)

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """The measured values with their means in the reverse order, and in the order claimed."""
        factor = number_text(1 + self.resolution)
        return {
            f"reverse order, by factors of {factor}": (self._in_order(data, -1), Verdict.REFUTED),
            f"this order, by factors of {factor}": (self._in_order(data, 1), Verdict.SUPPORTED),
        }

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """Means in the cells, with their intervals."""
        root, found = _checks.seed_sequence(rng), []
        for k, sample in enumerate(data.samples(self.of)):
            stream, values = _checks.stream(root, "mean", k), sample.values.astype(float)
            (interval,) = mean_intervals(values, (self.level,), pairs=sample.pairs, rng=stream)
            found.append(Condition(str(k), float(values.mean()), interval))
        figures.points(axes, data, Conditions(found), f"mean of {self.of}")

    def _chains(self, data: Measured) -> dict[str, list[tuple[int, Sample]]]:
        """For each combination of the other parameters the samples, with their numbers, from the smallest mean to the largest."""
        varying = data.varying(self.over)
        groups: dict[str, list[tuple[int, Sample]]] = {}
        for k, sample in enumerate(data.samples(self.of)):
            if self.over not in sample.cell:
                raise InvalidInputError(f"over must be a parameter of the cells, {', '.join(sample.cell)}, got {self.over!r}")
            groups.setdefault(label(sample.cell, varying), []).append((k, sample))
        for name, chain in groups.items():
            if isinstance(self.order, str):
                chain.sort(key=lambda item: item[1].cell[self.over], reverse=self.order == "decreasing")
            else:
                there = {item[1].cell[self.over]: item for item in chain}
                missing = [value for value in self.order if value not in there]
                if missing:
                    raise InvalidInputError(
                        f"order must hold values of {self.over}, {', '.join(map(str, there))}, got {missing[0]!r}"
                    )
                chain = groups[name] = [there[value] for value in self.order]
            if len(chain) < 2:
                raise InvalidInputError(f"cells must have at least two values of {self.over}, got {len(chain)}")
        return groups

    def _in_order(self, data: Measured, sign: int) -> Measured:
        targets: dict[int, float] = {}
        for chain in self._chains(data).values():
            means = np.array([float(sample.values.mean()) for _, sample in chain])
            steps = sign * (np.arange(len(chain)) - (len(chain) - 1) / 2)
            if (means > 0).all():
                planted = np.exp(np.log(means).mean() + steps * np.log1p(self.resolution))
            else:
                spread = max(float(np.std(np.concatenate([sample.values for _, sample in chain]))), 1e-12)
                planted = means.mean() + steps * self.resolution * spread
            targets |= {k: float(mean) for (k, _), mean in zip(chain, planted, strict=True)}
        return data.replace(
            self.of, lambda k, sample: with_mean(sample.values.astype(float), targets[k]) if k in targets else sample.values
        )


def _name(f: float | Callable[..., float]) -> str:
    return "f at the cell" if callable(f) else number_text(f)


def _no_interval(sample: Sample) -> str:
    if sample.pairs is not None and sample.n_units < 3:
        return f"{sample.n_units} networks, an interval takes three"
    if len(sample.values) < 2:
        return "one value, an interval takes two (exact=True is for numbers without randomness)"
    return f"all {len(sample.values)} values are the same, so that they say nothing about rare others"
