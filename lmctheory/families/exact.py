"""Complete search for the best permutations of a few small networks."""

from __future__ import annotations

from math import factorial

import numpy as np

from lmctheory._checks import IntArray
from lmctheory.alignment.swaps import GAIN
from lmctheory.errors import InvalidInputError
from lmctheory.families.assignments import Assigned
from lmctheory.families.members import Family
from lmctheory.families.tables import all_permutations
from lmctheory.objectives import PopulationLoss

MOST_NEURONS = 8
MOST_COMBINATIONS = 2 * 10**9


def refuse_search(family: Family) -> None:
    """Refuse a search that is not small, or not on a population loss."""
    n, m = len(family), family.width
    if not isinstance(family.loss, PopulationLoss):
        raise InvalidInputError(f"objective must be a population loss for a complete search, got a {type(family.loss).__name__}")
    if m > MOST_NEURONS or factorial(m) ** (n - 1) > MOST_COMBINATIONS:
        raise InvalidInputError(
            f"networks must be few and narrow for a complete search, m <= {MOST_NEURONS} and (m!)^(n-1) <= "
            f"{MOST_COMBINATIONS:.0e}, got n = {n} networks of width m = {m}"
        )


def by_enumeration(family: Family, permutations: IntArray) -> Assigned:
    """Return permutations of the lowest worst barrier, those given if none gain on them; the trace has every new best.

    Network by network, depth first; a branch is left as soon as one of its pairs gains nothing on the best found. A gain below
    the rounding error of the barrier, or a part 1e-10 of it, is none.
    """
    search = _Search(family, permutations)
    search.descend([np.arange(family.width)], 0.0)
    return Assigned(search.permutations, np.array(search.trace))


class _Search:
    def __init__(self, family: Family, permutations: IntArray) -> None:
        self.family = family
        self.group = all_permutations(family.width)
        self.digits = family.width ** np.arange(family.width)[::-1]
        self.codes = self.group @ self.digits  # increasing, as the group is in lexicographic order
        barriers = family.barriers(permutations)
        self.floor = float(barriers.loss_floors.max())
        self.trace: list[float] = []
        self.keep(permutations, float(barriers.heights.max()))
        self.tables = family.tables(self.target)

    def keep(self, permutations: IntArray, height: float) -> None:
        self.permutations = permutations
        self.trace.append(height)
        self.target = height - max(GAIN * height, self.floor)

    def descend(self, chosen: list[IntArray], height: float) -> None:
        """Try all permutations of the next network; `height` is the worst barrier among the `chosen` ones."""
        k = len(chosen)
        if k == len(self.family):
            self.keep(np.stack(chosen), height)
            return
        worst = np.maximum(self.tables[0, k], height)
        candidates = np.flatnonzero(worst < self.target)
        for i in range(1, k):
            relative = self.group[candidates][:, np.argsort(chosen[i])]  # neuron u of network i meets neuron relative[u] of k
            heights = self.tables[i, k][np.searchsorted(self.codes, relative @ self.digits)]
            worst[candidates] = np.maximum(worst[candidates], heights)
            candidates = candidates[worst[candidates] < self.target]
        for candidate in candidates[np.argsort(worst[candidates], kind="stable")]:
            if worst[candidate] < self.target:
                self.descend([*chosen, self.group[candidate]], float(worst[candidate]))
