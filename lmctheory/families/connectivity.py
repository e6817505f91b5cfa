"""Weak and strong connectivity of a set of networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.alignment.path import path_under
from lmctheory.alignment.similarity import SIMILARITIES
from lmctheory.alignment.swaps import lower_by_swaps
from lmctheory.families.alignment import ASSIGNMENTS, FamilyAlignment, aligned, improve
from lmctheory.families.exact import refuse_search
from lmctheory.families.members import Family
from lmctheory.families.tables import all_permutations
from lmctheory.networks import Network, TwoLayerNet
from lmctheory.objectives import Objective
from lmctheory.paths import GRID_SIZE

SEARCHES = ("assignments", "swaps", "exact")
IMPROVED = 3  # of the permutations found by assignments, the best so many are improved by swaps


@dataclass(frozen=True, eq=False)
class StrongConnectivity:
    """The lowest barrier that one permutation a network achieves for all pairs at once.

    Attributes
    ----------
    height : float
        The worst pairwise barrier: an upper bound of the strong barrier, and its value if `is_optimal`.
    best : FamilyAlignment
        The permutations that achieve it.
    alignments : tuple of FamilyAlignment
        All that were tried.
    is_optimal : bool
        Whether no permutations have a lower worst barrier, proved by complete search.
    """

    height: float
    best: FamilyAlignment
    alignments: tuple[FamilyAlignment, ...]
    is_optimal: bool


@dataclass(frozen=True, eq=False)
class WeakConnectivity:
    """The worst of the pairs when each of them has a permutation of its own.

    Attributes
    ----------
    height : float
        The barrier of the worst pair: an upper bound of the weak barrier, and its value if `is_optimal`. Never above that of
        `strong`.
    pairs, heights : ndarray, shape (P, 2) and (P,)
        The networks (i, j), i < j, of each pair, and the lowest barrier found between them.
    permutations : ndarray of int, shape (P, m)
        The permutation of network j that achieves it.
    found_by : tuple of str
        Where it comes from: a method of `align`, "strong" if one of ``strong.alignments`` induces it, or "swaps" from there.
    loss_floor : float
        Rounding error to expect in `height`.
    is_optimal : bool
        Whether no permutation of any pair has a lower barrier, proved by complete search.
    strong : StrongConnectivity
        Of the same networks by the same search.
    gap : float
        ``strong.height - height``, never negative: what it costs to have one permutation a network. If the strong barrier is
        optimal, the true gap is at least this.
    """

    height: float
    pairs: IntArray
    heights: FloatArray
    permutations: IntArray
    found_by: tuple[str, ...]
    loss_floor: float
    is_optimal: bool
    strong: StrongConnectivity

    @property
    def gap(self) -> float:
        return self.strong.height - self.height


def strong_connectivity(
    networks: Sequence[Network],
    objective: TwoLayerNet | Objective,
    search: str = "swaps",
    *,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> StrongConnectivity:
    """Return the barrier of a set of networks under one permutation each.

    ``strong = min max_{i<j} barrier(perm_i theta_i, perm_j theta_j)`` over perm_1 = id, perm_2, ..., perm_n.

    Parameters
    ----------
    networks : sequence of TwoLayerNet or LayeredNet
        At least two, of one architecture; narrower two-layer networks are padded with zero neurons, see `TwoLayerNet.pad`.
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss.
    search : {"assignments", "swaps", "exact"}
        - "assignments": "reference", "mean" and "synchronise" of `align_many`, by weights and by activations;
        - "swaps": in addition "reference" and "synchronise" by the pairs' own barriers, and swaps from the three best of all;
        - "exact": in addition complete search, which proves the result optimal; for the population loss.
    inputs, grid_size
        As in `barrier`.

    Returns
    -------
    StrongConnectivity

    Raises
    ------
    InvalidInputError
        If there are fewer than two networks, architectures differ, a name is unknown, or a complete search is on data or too
        large, see `align_many`.

    References
    ----------
    [SKD] Sharma, Kwok, Denton, Roy, Rolnick, Dziugaite 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(3, 3)
    >>> networks = [lmc.sample_minimum(3, 5, rng=seed).to_network() for seed in (1, 3, 6)]
    >>> found = lmc.strong_connectivity(networks, teacher, "exact")
    >>> round(found.height, 6), found.is_optimal
    (0.006253, True)
    """
    _checks.choice("search", search, SEARCHES)
    family = Family(networks, objective, inputs, grid_size)
    return _strong(family, search)


def weak_connectivity(
    networks: Sequence[Network],
    objective: TwoLayerNet | Objective,
    search: str = "swaps",
    *,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> WeakConnectivity:
    """Return the barrier of a set of networks whose pairs have a permutation each, and the strong one.

    ``weak = max_{i<j} min_perm barrier(theta_i, perm theta_j)``. Each pair takes the lowest of its own search and of all the
    permutations that `strong_connectivity` tried, so that weak <= strong holds for what is found too.

    Parameters
    ----------
    networks, objective, search, inputs, grid_size
        As for `strong_connectivity`; a pair's own search is by both similarities ("assignments"), by `align` with "barrier"
        ("swaps"), or of all permutations ("exact").

    Returns
    -------
    WeakConnectivity

    Raises
    ------
    InvalidInputError
        As `strong_connectivity`.

    References
    ----------
    [SKD] Sharma, Kwok, Denton, Roy, Rolnick, Dziugaite 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(3, 3)
    >>> networks = [lmc.sample_minimum(3, 5, rng=seed).to_network() for seed in (1, 3, 6)]
    >>> found = lmc.weak_connectivity(networks, teacher, "exact")
    >>> round(found.height, 6), round(found.gap, 6)
    (0.001454, 0.0048)
    """
    _checks.choice("search", search, SEARCHES)
    family = Family(networks, objective, inputs, grid_size)
    strong = _strong(family, search)
    own = {name: family.matchings(name) for name in (*SIMILARITIES, *(() if search == "assignments" else ("barrier",)))}
    found = [_lowest(family, pair, {name: rows[pair] for name, rows in own.items()}, search, strong) for pair in family.pairs]
    worst = max(range(len(found)), key=lambda p: found[p].height)
    return WeakConnectivity(
        height=found[worst].height,
        pairs=np.array(family.pairs),
        heights=np.array([pair.height for pair in found]),
        permutations=np.stack([pair.permutation for pair in found]),
        found_by=tuple(pair.found_by for pair in found),
        loss_floor=found[worst].floor,
        is_optimal=search == "exact",
        strong=strong,
    )


@dataclass(frozen=True, eq=False)
class _Lowest:
    height: float
    floor: float
    permutation: IntArray
    found_by: str


def _lowest(family: Family, pair: tuple[int, int], own: dict[str, IntArray], search: str, strong: StrongConnectivity) -> _Lowest:
    """Return the lowest barrier of a pair, under its own permutations and those that the strong alignments induce."""
    i, j = pair
    nets = family.members[i], family.members[j]
    if search == "exact":  # the search for the strong barrier has tabulated whatever is below it
        own = own | {"exact": all_permutations(family.width)[np.argmin(family.tables(0.0)[pair])]}
    candidates = []
    distinct = {permutation.tobytes(): (name, permutation) for name, permutation in reversed(own.items())}
    for name, permutation in distinct.values():
        path = path_under(family.loss, *nets, permutation, family.grid_size)
        candidates.append(_Lowest(path.height, path.floor, permutation, name))
    p = family.pairs.index(pair)
    for alignment in strong.alignments:  # with the heights found there: another order of the neurons rounds differently
        induced = alignment.permutations[j][np.argsort(alignment.permutations[i])]
        candidates.append(_Lowest(float(alignment.heights[p]), alignment.loss_floor, induced, "strong"))
    best = min(candidates, key=lambda candidate: candidate.height)
    if search == "assignments" or best.found_by != "strong":
        return best
    path = lower_by_swaps(family.loss, *nets, path_under(family.loss, *nets, best.permutation, family.grid_size)).path
    return min(best, _Lowest(path.height, path.floor, path.permutation, "swaps"), key=lambda candidate: candidate.height)


def _strong(family: Family, search: str) -> StrongConnectivity:
    if search == "exact":
        refuse_search(family)
    found = [aligned(family, method, pairwise) for pairwise in SIMILARITIES for method in ASSIGNMENTS]
    if search != "assignments":
        found += [aligned(family, method, "barrier") for method in ("reference", "synchronise")]
        distinct = {alignment.permutations.tobytes(): alignment for alignment in reversed(found)}
        for start in sorted(distinct.values(), key=lambda alignment: alignment.height)[:IMPROVED]:
            found.append(improve(family, "barrier", start.pairwise, start.permutations, start.method))
    best = min(found, key=lambda alignment: alignment.height)
    if search == "exact":
        best = improve(family, "exact", best.pairwise, best.permutations, best.method)
        found.append(best)
    return StrongConnectivity(best.height, best, tuple(found), best.is_optimal)
