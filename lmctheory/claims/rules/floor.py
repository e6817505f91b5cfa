"""The rule `vanishes`: every value is zero up to its rounding error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.claims import figures
from lmctheory.claims.data import Measured, Sample, label
from lmctheory.claims.interval import Interval, at_most, number_text
from lmctheory.claims.rules.rule import Rule, Worlds
from lmctheory.claims.verdict import Condition, Conditions, Verdict
from lmctheory.errors import InvalidInputError

CERTAIN = 10.0  # floors: what is above this is not rounding
PLANTED = 100.0  # floors: the falsehood that must be seen


def vanishes(*, floor: str | float = "loss_floors", of: str = "heights") -> Rule:
    """Return the rule that every value is zero: at most its rounding floor.

    Supported if all values are at most their floors; refuted if one is above ten times its floor; undecided between.

    Parameters
    ----------
    floor : str or float
        The field of the results with the rounding error of each value, as `pairwise_barriers` returns it; or one number.
    of : str
        The field of the results.

    Raises
    ------
    InvalidInputError
        If `floor` is neither a name nor a positive number.

    Notes
    -----
    Planted worlds: one value of each cell at a hundred floors; all values scaled to at most half a floor.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, vanishes
    >>> data = Measured([({"width": 4}, np.array([0.0, 3e-16, 1e-15]))])
    >>> vanishes(floor=1e-14).judge(data, np.random.default_rng(0)).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    return Vanishes(floor=floor if isinstance(floor, str) else _checks.real("floor", floor, positive=True), of=of)


@dataclass(frozen=True)
class Vanishes(Rule):
    """See `vanishes`."""

    floor: str | float = "loss_floors"
    of: str = "heights"

    @property
    def text(self) -> str:
        """The rule in words, with its numbers."""
        floor = f"its rounding floor ({self.floor})" if isinstance(self.floor, str) else number_text(self.floor)
        return f"Supported if every value of {self.of} is at most {floor}; refuted if one is above ten times that."

    def count(self, data: Measured) -> int:
        """One condition a cell."""
        return len(data.samples(self.of))

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """Judge the largest value of each cell in units of its floor; rounding is no chance, so that levels do not matter."""
        varying, found = data.varying(), []
        for sample, floors in self._with_floors(data):
            where = label(sample.cell, varying)
            ratio = float((np.abs(sample.values.astype(float)) / floors).max())
            holds = True if ratio <= 1 else False if ratio > CERTAIN else None
            name = f"largest value / floor at {where}" if where else "largest value / floor"
            extreme = Interval(ratio, ratio, kind="sample extreme")
            found.append(Condition(name, ratio, extreme, at_most(1.0), holds, n=sample.n_units))
        return Conditions(found)

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """One value of each cell at a hundred floors; all values at most half a floor."""
        floors = [pair[1] for pair in self._with_floors(data)]

        def raised(k: int, sample: Sample) -> FloatArray:
            values, at = sample.values.astype(float), int(rng.integers(len(sample.values)))
            values[at] = PLANTED * floors[k][at]
            return values

        def lowered(k: int, sample: Sample) -> FloatArray:
            values = sample.values.astype(float)
            return values / max(1.0, 2 * float((np.abs(values) / floors[k]).max()))

        return {
            "one value in each cell at 100 floors": (data.replace(self.of, raised), Verdict.REFUTED),
            "all values at most half a floor": (data.replace(self.of, lowered), Verdict.SUPPORTED),
        }

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """All values in units of their floors, and the floor."""
        pairs = self._with_floors(data)
        varying = data.varying()
        groups = {label(sample.cell, varying): np.abs(sample.values.astype(float)) / floors for sample, floors in pairs}
        figures.floors(axes, groups, f"{self.of} / rounding floor")

    def _with_floors(self, data: Measured) -> list[tuple[Sample, FloatArray]]:
        samples = data.samples(self.of)
        if not isinstance(self.floor, str):
            return [(sample, np.full(len(sample.values), self.floor)) for sample in samples]
        if isinstance(data[0].result, (int, float, list, tuple, np.ndarray)):
            raise InvalidInputError(
                f"floor must be a number where results are {type(data[0].result).__name__}, got {self.floor!r}"
            )
        pairs = []
        for sample, floors in zip(samples, data.samples(self.floor), strict=True):
            if len(floors.values) not in (1, len(sample.values)) or floors.values.min() <= 0:
                raise InvalidInputError(f"{self.floor} must hold one positive number, or one for each of {self.of}")
            pairs.append((sample, np.broadcast_to(floors.values.astype(float), sample.values.shape)))
        return pairs
