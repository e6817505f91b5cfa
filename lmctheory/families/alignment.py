"""One permutation a network for all pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.alignment.methods import METHODS as PAIRWISE
from lmctheory.alignment.similarity import SIMILARITIES
from lmctheory.errors import InvalidInputError
from lmctheory.families.assignments import Assigned, by_mean, by_reference, by_synchronising
from lmctheory.families.barriers import SimplexBarrier, simplex_barrier
from lmctheory.families.exact import by_enumeration, refuse_search
from lmctheory.families.members import Family, member_permutations, permuted
from lmctheory.families.swaps import by_swaps
from lmctheory.networks import Network, TwoLayerNet
from lmctheory.objectives import Objective
from lmctheory.paths import GRID_SIZE

ASSIGNMENTS = {"reference": by_reference, "mean": by_mean, "synchronise": by_synchronising}
SEARCHES = {"barrier": by_swaps, "exact": by_enumeration}
METHODS = (*ASSIGNMENTS, *SEARCHES)
CRITERIA = {"mean": "similarity", "synchronise": "agreement"}


@dataclass(frozen=True, eq=False)
class FamilyAlignment:
    """One permutation for each of n networks, and the barriers between all pairs under them.

    Attributes
    ----------
    permutations : ndarray of int, shape (n, m)
        Gather indices, the first row the identity: ``networks[k].permute(permutations[k])``, after padding to the largest width
        m, is aligned with all others.
    method, pairwise : str
        The method of `align_many`, and of `align` for the pairs behind it.
    start : str
        The method that found the permutations from which "barrier" or "exact" started, "given" if they were; else empty.
    networks : tuple of TwoLayerNet or LayeredNet
        The networks, padded and permuted.
    objective
        The loss whose barriers were measured.
    height : float
        The worst pairwise barrier: an upper bound of the strong barrier, and its value if `is_optimal`.
    pairs, heights : ndarray, shape (P, 2) and (P,)
        The networks (i, j), i < j, of each pair, and the barrier between them.
    loss_floor : float
        Rounding error to expect in `height`: a smaller height is indistinguishable from zero.
    criterion : str
        What the method improves: "worst barrier", "similarity" of all pairs, or "agreement" with the pairwise matchings.
    trace : ndarray
        The criterion at the start and after each improvement: decreasing for the worst barrier, else increasing.
    is_optimal : bool
        Whether no permutations have a lower worst barrier, proved by complete search.
    simplex : SimplexBarrier
        The barrier on the simplex of `networks`: its height, maximiser and value at the barycentre; computed on first use.
    """

    permutations: IntArray
    method: str
    pairwise: str
    start: str
    networks: tuple[Network, ...]
    objective: Objective
    height: float
    pairs: IntArray
    heights: FloatArray
    loss_floor: float
    criterion: str
    trace: FloatArray
    is_optimal: bool

    @cached_property
    def simplex(self) -> SimplexBarrier:
        return simplex_barrier(self.networks, self.objective)


def align_many(
    networks: Sequence[Network],
    method: str = "reference",
    *,
    objective: TwoLayerNet | Objective,
    pairwise: str = "weights",
    start: ArrayLike | None = None,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> FamilyAlignment:
    """Return one permutation for each of at least two networks, so that all pairs have a low barrier.

    The aim is the strong barrier, ``max_{i<j} barrier(perm_i theta_i, perm_j theta_j)`` at its minimum over all permutations with
    perm_1 = id; what a method reaches is an upper bound of it.

    - "reference": align all networks with one of them, and keep the best of all references, by the worst pairwise barrier.
    - "mean": align each network with the mean of the others until nothing changes [AHS], from the reference of highest
      similarity. With "weights" that is the mean of weights and output weights, with "activations" of the neurons' functions. It
      raises the similarity summed over all pairs and neurons, which is linear in each permutation; with several hidden layers in
      that of each layer, so that one layer after the other is raised, the others kept, until none gains.
    - "synchronise": make the pairwise matchings agree. They are the blocks of a matrix; those of its leading m eigenvectors, each
      multiplied by the transpose of one of them, are rounded to permutations [PKS], the best of all choices is kept, and raised
      further as by "mean" until no network alone can agree better with the pairwise matchings; each hidden layer by itself.
    - "barrier": local search on the worst pairwise barrier by swaps of two neurons, from the best of the three.
    - "exact": complete search, for few and narrow networks and the population loss, from the result of "barrier".

    Parameters
    ----------
    networks : sequence of TwoLayerNet or LayeredNet
        At least two, of one architecture; narrower two-layer networks are padded with zero neurons, see `TwoLayerNet.pad`.
    method : {"reference", "mean", "synchronise", "barrier", "exact"}
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss.
    pairwise : {"weights", "activations", "barrier", "exact"}
        How pairs are aligned, as in `align`; the last two with "reference" and "synchronise" only.
    start : array_like of int, shape (n, m), optional
        Where "barrier" and "exact" start, instead of the best of the other methods.
    inputs, grid_size
        As in `barrier`.

    Returns
    -------
    FamilyAlignment

    Raises
    ------
    InvalidInputError
        If there are fewer than two networks, architectures differ, a name is unknown or does not fit the method, `start` does
        not hold permutations or is given to a method without a start, or a complete search is on data or too large: m > 8 or
        ``(m!)^(n-1) > 2 10^9``.

    Notes
    -----
    Assignments cost ``n (n - 1) / 2`` alignments of pairs; "synchronise" adds the eigenvectors of a matrix of size n m. A swap
    can lower the worst barrier only if it lowers the loss at the maximiser of the worst pair: swaps in the two networks of
    that pair are screened there and on its grid, then in all pairs of the network, then by the refined barriers. "exact"
    tabulates the barriers of all pairs under all m! permutations and searches depth first; its proof is up to the accuracy of
    `barrier`.

    References
    ----------
    [SKD] Sharma et al. 2024; [AHS] Ainsworth, Hayase, Srinivasa, Git Re-Basin, ICLR 2023, algorithm MergeMany; [PKS] Pachauri,
    Kondor, Singh, Solving the multi-way matching problem by permutation synchronization, NIPS 2013.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(3, 3)
    >>> found = lmc.align_many([teacher, teacher.permute([1, 2, 0]), teacher.permute([1, 0, 2])], objective=teacher)
    >>> found.permutations
    array([[0, 1, 2],
           [2, 0, 1],
           [1, 0, 2]])
    >>> found.height < 1e-14
    True
    """
    _checks.choice("method", method, METHODS)
    _checks.choice("pairwise", pairwise, PAIRWISE if method in ("reference", "synchronise") else SIMILARITIES)
    family = Family(networks, objective, inputs, grid_size)
    if start is not None and method not in SEARCHES:
        raise InvalidInputError(f"start must be given with method='barrier' or 'exact' only, got it with method={method!r}")
    if method in ASSIGNMENTS:
        return aligned(family, method, pairwise)
    if method == "exact":
        refuse_search(family)
    if start is None:
        candidates = [aligned(family, name, pairwise) for name in ASSIGNMENTS]
        best = min(candidates, key=lambda candidate: candidate.height)
        given, origin = best.permutations, best.method
    else:
        given, origin = member_permutations("start", start, family.members), "given"
    improved = improve(family, "barrier", pairwise, given, origin)
    return improved if method == "barrier" else improve(family, "exact", pairwise, improved.permutations, origin)


def aligned(family: Family, method: str, pairwise: str) -> FamilyAlignment:
    """Return what one of `ASSIGNMENTS` finds."""
    return _finished(family, method, pairwise, "", ASSIGNMENTS[method](family, pairwise))


def improve(family: Family, method: str, pairwise: str, permutations: IntArray, origin: str) -> FamilyAlignment:
    """Return what one of `SEARCHES` finds from `permutations`."""
    return _finished(family, method, pairwise, origin, SEARCHES[method](family, permutations))


def _finished(family: Family, method: str, pairwise: str, start: str, found: Assigned) -> FamilyAlignment:
    barriers = family.barriers(found.permutations)
    worst = int(np.argmax(barriers.heights))
    return FamilyAlignment(
        permutations=found.permutations,
        method=method,
        pairwise=pairwise,
        start=start,
        networks=tuple(permuted(family.members, found.permutations)),
        objective=family.loss,
        height=float(barriers.heights[worst]),
        pairs=barriers.pairs,
        heights=barriers.heights,
        loss_floor=float(barriers.loss_floors[worst]),
        criterion=CRITERIA.get(method, "worst barrier"),
        trace=found.trace,
        is_optimal=method == "exact",
    )
