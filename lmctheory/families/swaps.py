"""Local search on the worst pairwise barrier: two neurons of one network exchange their places as long as that lowers it."""

from __future__ import annotations

import numpy as np

from lmctheory._checks import IntArray
from lmctheory._parallel import blas
from lmctheory.alignment.arrangement import Arrangement, arrange
from lmctheory.alignment.path import Path, path_under
from lmctheory.alignment.swaps import GAIN, trial_points
from lmctheory.families.assignments import Assigned
from lmctheory.families.members import Family, from_the_first
from lmctheory.networks import Network


class Pairs:
    """The paths between all pairs of a family under its present permutations."""

    def __init__(self, family: Family, permutations: IntArray) -> None:
        self.family = family
        self.permutations = permutations.copy()
        self.order = np.arange(family.width)
        self.paths = {(i, j): self.path(i, j) for i, j in family.pairs}
        self.arrangements: dict[tuple[int, int], Arrangement] = {}

    def member(self, k: int, permutation: IntArray | None = None) -> Network:
        """Return network k under its present permutation, or another."""
        return self.family.members[k].permute(self.permutations[k] if permutation is None else permutation)

    def path(self, i: int, j: int, k: int = -1, permutation: IntArray | None = None) -> Path:
        """Return the path between networks i and j, network k under another permutation."""
        net_i, net_j = (self.member(p, permutation if p == k else None) for p in (i, j))
        return path_under(self.family.loss, net_i, net_j, self.order, self.family.grid_size)

    def arrangement(self, i: int, j: int) -> Arrangement:
        """Return what trial swaps between networks i and j are computed from."""
        if (i, j) not in self.arrangements:
            self.arrangements[i, j] = arrange(self.family.loss, self.member(i), self.member(j), self.order)
        return self.arrangements[i, j]

    def screen(self, i: int, j: int, target: float, number: int, count: int) -> tuple[int, int, int]:
        """Return the first of `count` swaps, from `number` on, that brings the path from i to j below `target` on its grid."""
        arrangement = self.arrangement(i, j)
        return arrangement.first_swap(*trial_points(self.paths[i, j], target, arrangement.screened), number, count)

    def exchanged(self, k: int, number: int, q: int, r: int, target: float) -> dict[tuple[int, int], Path] | None:
        """Return the new paths from network k when its neurons at q and r change places; None if one is not below `target`."""
        involved = [(i, j) for i, j in self.paths if k in (i, j)]
        if any(self.screen(i, j, target, number, 1)[0] < 0 for i, j in involved):
            return None
        permutation = self.permutations[k].copy()
        permutation[[q, r]] = permutation[[r, q]]
        paths = {}
        for i, j in involved:
            paths[i, j] = self.path(i, j, k, permutation)
            if paths[i, j].height >= target:
                return None
        return paths

    def exchange(self, k: int, q: int, r: int, paths: dict[tuple[int, int], Path]) -> None:
        """Let the neurons of network k at q and r change places."""
        self.permutations[k, [q, r]] = self.permutations[k, [r, q]]
        self.paths |= paths
        for pair in paths:
            self.arrangements.pop(pair, None)


def by_swaps(family: Family, permutations: IntArray) -> Assigned:
    """Return a local minimum of the worst pairwise barrier under swaps in one network, by cyclic first improvement.

    Only a fall of the worst barrier at its maximiser can lower it, so only swaps in the two networks of the worst pair are tried.
    """
    with blas().limit(limits=1):  # products are small, and threads that wait for a busy core stall each of them
        return _descend(family, permutations)


def _descend(family: Family, permutations: IntArray) -> Assigned:
    state = Pairs(family, permutations)
    all_swaps = state.arrangement(*family.pairs[0]).all_swaps
    trace: list[float] = []
    number, last = 0, (-1, -1)
    while number >= 0:
        worst = max(state.paths, key=lambda pair: state.paths[pair].height)
        path = state.paths[worst]
        trace.append(path.height)
        target = path.height - max(GAIN * path.height, path.floor)
        number = _improve(state, worst, target, number if worst == last else 0, all_swaps)
        last = worst
    return Assigned(from_the_first(state.permutations), np.array(trace))


def _improve(state: Pairs, worst: tuple[int, int], target: float, number: int, all_swaps: int) -> int:
    """Make the first swap that brings all paths it changes below `target`; return the number of the next one, -1 if none does."""
    untried = all_swaps if target > 0 else 0
    while untried > 0:
        q, r, tried = state.screen(*worst, target, number, untried)
        if q < 0:
            return -1
        this = (number + tried - 1) % all_swaps
        untried, number = untried - tried, (number + tried) % all_swaps
        for k in reversed(worst):
            paths = state.exchanged(k, this, q, r, target)
            if paths is not None:
                state.exchange(k, q, r, paths)
                return number
    return -1
