"""Complete search for the permutation of the lowest barrier, with a lower bound that proves it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.quadratic import ascend, reduce, restrict
from lmctheory.alignment.alignment import Alignment
from lmctheory.alignment.path import Path, path_under
from lmctheory.alignment.quadratic import QuadraticExcess, quadratic_excess
from lmctheory.alignment.swaps import best_assignment, lower_by_swaps
from lmctheory.alignment.symmetry import superfluous_pairs
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss

MAX_WIDTH = 64  # m^4 floats are 128 MB
RELATIVE_MARGIN = 1e-9  # the margin is this share of the barrier,
FLOORS = 8.0  # or so many of its rounding errors; half of it is for rounding, half for exchanges that change next to nothing
PROGRESS = 0.02  # a node whose bound closes a smaller share of the gap in a round is split


@dataclass(frozen=True, eq=False)
class ExactAlignment(Alignment):
    """The permutation of the lowest barrier, or of the lowest found in time, with a lower bound for all permutations.

    Attributes
    ----------
    permutation, method
        As for `Alignment`; the method is "exact".
    height, position : float
        The barrier under the permutation and its maximiser, as `barrier` computes them.
    loss_floor : float
        Rounding error to expect in `height`.
    is_optimal : bool
        Whether the search is complete, ``height - margin <= lower_bound``: no permutation is lower by more than `margin`.
    lower_bound : float
        At most the barrier under every permutation, and never negative.
    margin : float
        1e-9 of the height, or eight rounding errors of it if that is more: permutations this close to the best count as ties.
    nodes : int
        How many partial permutations were bounded; 0 where the height is within the margin of 0, which nothing can beat.
    seconds : float
        Time taken.
    time_limit : float or None
        As given.
    """

    height: float
    position: float
    loss_floor: float
    is_optimal: bool
    lower_bound: float
    margin: float
    nodes: int
    seconds: float
    time_limit: float | None


def by_complete_search(
    loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, grid_size: int, time_limit: float | None
) -> ExactAlignment:
    """Return the optimum, or the best permutation found in time, with what is proved about it."""
    started = time.monotonic()
    deadline = np.inf if time_limit is None else started + time_limit
    best = lower_by_swaps(loss, net_a, net_b, best_assignment(loss, net_a, net_b, grid_size)[1]).path
    lower_bound, nodes = 0.0, 0
    while (goal := best.height - _margin(best)) > lower_bound and time.monotonic() < deadline:
        half_margin = _margin(best) / 2
        target = goal + half_margin
        tree = _Tree(_costs(loss, net_a, net_b, best, half_margin), target / loss.scale)
        better = None
        while better is None and (candidate := tree.next_candidate(deadline)) is not None:
            path = path_under(loss, net_a, net_b, candidate, grid_size)
            better = path if path.height < target else None
        nodes += tree.nodes
        if better is not None:
            best = lower_by_swaps(loss, net_a, net_b, better).path
            lower_bound = max(lower_bound, min(tree.bound * loss.scale, better.height) - half_margin)
        elif tree.is_exhausted:
            lower_bound = goal
        else:
            lower_bound = max(lower_bound, tree.bound * loss.scale - half_margin)
    return ExactAlignment(
        permutation=best.permutation,
        method="exact",
        height=best.height,
        position=best.position,
        loss_floor=best.floor,
        is_optimal=best.height - _margin(best) <= lower_bound,
        lower_bound=lower_bound,
        margin=_margin(best),
        nodes=nodes,
        seconds=time.monotonic() - started,
        time_limit=time_limit,
    )


def _margin(path: Path) -> float:
    return max(RELATIVE_MARGIN * path.height, FLOORS * path.floor)


def _costs(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, best: Path, slack: float) -> QuadraticExcess:
    """Return the excess at the maximiser of `best`, without permutations that others match up to `slack`.

    An exchange that changes the function at t by eta in norm changes its loss by at most ``2 eta sqrt(L) + eta^2``, and at most
    ``m^2 / 2`` of them lead from a permutation to the one that is kept.
    """
    excess = quadratic_excess(loss, net_a, net_b, best.position)
    m, slack = net_a.width, slack / loss.scale
    highest_loss = (best.height + max(best.losses[0], best.losses[-1])) / loss.scale  # at t, where the barrier is below the best
    eta = min(slack / (2 * np.sqrt(highest_loss)), np.sqrt(slack)) / m**2
    excess.quadratic[superfluous_pairs(net_a, net_b, eta)] = np.inf
    return excess


@dataclass(eq=False)
class _Node:
    """A partial permutation: neurons `rows` of A and `columns` of B are free, and cost what is left above the bound."""

    permutation: IntArray
    rows: IntArray
    columns: IntArray
    bound: float
    linear: FloatArray
    quadratic: FloatArray

    def decide(self, i: int, p: int) -> _Node:
        """Return the node in which the i-th free neuron of A meets the p-th of B."""
        permutation = self.permutation.copy()
        permutation[self.rows[i]] = self.columns[p]
        linear, quadratic = restrict(self.linear, self.quadratic, i, p)
        rows, columns = np.delete(self.rows, i), np.delete(self.columns, p)
        return _Node(permutation, rows, columns, self.bound + float(self.linear[i, p]), linear, quadratic)


class _Tree:
    """Depth-first branch and bound for permutations with an excess below `cutoff` at one position; `excess` is used up."""

    def __init__(self, excess: QuadraticExcess, cutoff: float) -> None:
        m = len(excess.linear)
        free = np.arange(m)
        root = _Node(free.copy(), free, free, excess.constant, excess.linear, excess.quadratic)
        if m > 1:  # from now on no cost is negative
            root.bound += ascend(root.linear, root.quadratic, np.inf)
        self.cutoff = cutoff
        self.nodes = 0
        self._open: list[tuple[float, _Node, tuple[int, int] | None]] = [(root.bound, root, None)]

    @property
    def bound(self) -> float:
        """The lowest bound of an open node, or the cutoff: at most the excess of every permutation that has not been returned."""
        return min([self.cutoff, *(bound for bound, _, _ in self._open)])

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is open."""
        return not self._open

    def next_candidate(self, deadline: float) -> IntArray | None:
        """Return the next permutation with an excess below the cutoff; None if there is none, or at the deadline."""
        while self._open and time.monotonic() < deadline:
            _, node, decision = self._open.pop()
            if decision is not None:
                node = node.decide(*decision)
            self.nodes += 1
            self._raise_bound(node, deadline)
            if node.bound >= self.cutoff:
                continue
            if len(node.rows) == 1:
                node.permutation[node.rows] = node.columns
                return node.permutation
            self._split(node)
        return None

    def _raise_bound(self, node: _Node, deadline: float) -> None:
        node.bound += reduce(node.linear)
        while node.bound < self.cutoff and len(node.rows) > 1 and time.monotonic() < deadline:
            gap = self.cutoff - node.bound
            gain = ascend(node.linear, node.quadratic, gap)
            node.bound += gain
            if gain < PROGRESS * gap:
                break

    def _split(self, node: _Node) -> None:
        """Open the decisions about the neuron, of A or of B, for which they cost most; the cheapest comes first."""
        gap = self.cutoff - node.bound
        capped = np.minimum(node.linear, gap)
        of_a, of_b = capped.sum(axis=1), capped.sum(axis=0)
        if of_a.max() >= of_b.max():
            i = int(of_a.argmax())
            decisions = [(i, p) for p in range(len(capped))]
        else:
            p = int(of_b.argmax())
            decisions = [(i, p) for i in range(len(capped))]
        decisions.sort(key=lambda decision: -node.linear[decision])
        self._open += [(node.bound + float(node.linear[d]), node, d) for d in decisions if node.linear[d] < gap]
