"""Complete search for the matching of two global minima with the lowest barrier.

The barrier depends on the mismatched pairs alone, and increases with every weight in them. Therefore one of the matchings of
lowest barrier has all of these properties, and only such ones are searched:

- Of each class the lightest neurons of A and of B are mismatched, if any: a lighter one may take the place of a heavier one.
- No classes ``a -> b -> ... -> a`` occur as the classes of mismatched pairs, those of A and of B of each: all these neurons
  could meet their own class instead, with fewer mismatched pairs.
- Of the pairs from class a to class b, the lighter neuron of A has the heavier one of B: ``min(p|x|, q|y|)`` has a positive
  mixed difference in p and q, so this lowers the residual for every x.
- A class of which neurons of A meet zero neurons has no mismatched neuron of B, and conversely: exchanging partners would
  save a mismatched pair. For the same reason zero neurons do not meet each other.
- Neurons of one class and weight are interchangeable.

So the search has two levels. The first decides how many neurons of each class are left over: the surplus of the class less those
that meet zero neurons, or the surplus and the same number of further neurons of both A and B. (A detour a -> c -> b through
light neurons of c can be lower than a -> b: the number of mismatched pairs need not be the least.) The second pairs those left
over. For M = 2 nothing remains to be searched: "lightest" is optimal. Lower bounds are those of the loss at a few positions,
each of which is at most the barrier; see `_compiled.leftovers`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from threading import Timer

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.leftovers import FOUND, compatible_pairs, leftovers_bound, loss_terms, search_pairings
from lmctheory._parallel import map_threads
from lmctheory.minima.heights import highest_loss, mismatched
from lmctheory.minima.manifold import Minimum
from lmctheory.minima.matching import by_class, match

MOST_LEFTOVERS = 48  # the moments of all pairs of pairs, 8 * 48^4 bytes a position, are held in memory
QUICK = 8  # with fewer leftovers the search is over before anyone would interrupt it
GAP = 1e-12  # permutations lower by a smaller part count as ties
MOST_NODES = 10**7  # by default; some ten minutes
CUTOFF = 1 - GAP / 2  # for computed bounds, in units of the lowest height so far; the rest is left to rounding
PROVED = CUTOFF - GAP / 2


@dataclass(frozen=True, eq=False)
class ExactMatching:
    """The permutation of lowest barrier found, a proved lower bound of all barriers, and the number of nodes searched."""

    permutation: IntArray
    is_optimal: bool
    lower_bound: float
    nodes: int


@dataclass(frozen=True, eq=False)
class Leftovers:
    """How many of the lightest neurons of each class are left over in A and in B ``(M,)``; more may be where not decided."""

    a: IntArray
    b: IntArray
    decided: NDArray[np.bool_]


def exact_matching(
    min_a: Minimum, min_b: Minimum, start: IntArray, time_limit: float | None = None, node_limit: int = MOST_NODES
) -> ExactMatching:
    """Return a permutation of lowest barrier, or the best one found within the limits; `start` is one to improve on."""
    search = Search(min_a, min_b, start, node_limit)
    if time_limit is None and search.most < QUICK:
        return search.run(np.zeros(1, dtype=np.uint8))

    def run(_: int, stop: NDArray[np.uint8]) -> ExactMatching:
        if time_limit is None:
            return search.run(stop)
        timer = Timer(time_limit, stop.fill, [1])
        timer.daemon = True
        timer.start()
        try:
            return search.run(stop)
        finally:
            timer.cancel()

    return map_threads(run, 1)[0]  # an interrupt stops it


class Search:
    """The state of a search: the lowest barrier so far, the pairs behind it, and the numbers of nodes."""

    def __init__(self, min_a: Minimum, min_b: Minimum, start: IntArray, node_limit: int = MOST_NODES) -> None:
        self.min_a, self.min_b, self.node_limit = min_a, min_b, node_limit
        self.lightest_a, self.lightest_b = ([group[::-1] for group in by_class(minimum, None)[1:]] for minimum in (min_a, min_b))
        surplus = min_a.class_sizes - min_b.class_sizes
        self.surplus_a, self.surplus_b = np.maximum(surplus, 0), np.maximum(-surplus, 0)
        self.zeros_a, self.zeros_b = (int(np.sum(minimum.classes < 0)) for minimum in (min_a, min_b))
        self.most = max(0, int(self.surplus_a.sum()) - self.zeros_b)  # leftovers of one class: one in each sequence of classes
        self.is_known = self.most == 0 or min_a.M <= 2
        if self.is_known:
            start = match(min_a, min_b)
        neurons = mismatched(min_a, min_b, start)
        self.pairs = (neurons, start[neurons])
        self.top = highest_loss(min_a, min_b, *self.pairs)
        self.nodes = 0

    def run(self, stop: NDArray[np.uint8]) -> ExactMatching:
        """Search the leftovers of least bound first, until no bound is below the lowest barrier."""
        ticket = count()
        root = Leftovers(self.surplus_a, self.surplus_b, np.zeros(len(self.surplus_a), dtype=bool))
        heap = [(self.bound(root), next(ticket), root)] if self.top.height > 0 and not self.is_known else []
        unsearched = np.inf
        while heap and heap[0][0] < self.top.height * PROVED and unsearched == np.inf:
            bound, _, leftovers = heapq.heappop(heap)
            exhausted = self.nodes == self.node_limit
            self.nodes += not exhausted
            if stop[0] or exhausted or (leftovers.decided.all() and leftovers.a.sum() > MOST_LEFTOVERS):
                unsearched = bound
            elif leftovers.decided.all():
                unsearched = max(bound, self.pair(leftovers, stop))
            else:
                for child in self.children(leftovers):
                    heapq.heappush(heap, (max(bound, self.bound(child)), next(ticket), child))
        proved = min(self.top.height * PROVED, unsearched, *(entry[0] for entry in heap[:1]))
        return ExactMatching(
            permutation=match(self.min_a, self.min_b, pairs=self.pairs),
            is_optimal=unsearched >= self.top.height * PROVED,
            lower_bound=proved,
            nodes=self.nodes,
        )

    def children(self, leftovers: Leftovers) -> Iterator[Leftovers]:
        """Yield what the numbers of one class may be: as they are, one more of both (or yet more), or less by zero neurons."""
        zeros_a, zeros_b = self.zeros_left(leftovers)
        undecided = np.flatnonzero(~leftovers.decided)
        next_alpha, next_beta = self.next_weights(leftovers)
        c = undecided[np.argmin((next_alpha + next_beta)[undecided])]  # it weakens the bounds most
        decided = leftovers.decided.copy()
        decided[c] = True
        yield Leftovers(leftovers.a, leftovers.b, decided)
        unit = np.eye(1, len(decided), c, dtype=np.intp)[0]
        if next_alpha[c] < np.inf:
            yield Leftovers(leftovers.a + unit, leftovers.b + unit, leftovers.decided)
        if leftovers.a[c] == self.surplus_a[c]:
            for less in range(1, min(leftovers.a[c], zeros_b) + 1):
                yield Leftovers(leftovers.a - less * unit, leftovers.b, decided)
            for less in range(1, min(leftovers.b[c], zeros_a) + 1):
                yield Leftovers(leftovers.a, leftovers.b - less * unit, decided)

    def zeros_left(self, leftovers: Leftovers) -> tuple[int, int]:
        """Return how many zero neurons of A and of B are still to meet neurons of undecided classes."""
        met_a, met_b = np.maximum(self.surplus_b - leftovers.b, 0), np.maximum(self.surplus_a - leftovers.a, 0)
        return self.zeros_a - int(met_a.sum()), self.zeros_b - int(met_b.sum())

    def next_weights(self, leftovers: Leftovers) -> tuple[FloatArray, FloatArray]:
        """Return the weights of the next neurons that each class may leave over in A and in B ``(M,)``, infinite if none."""
        weights = np.full((2, len(leftovers.a)), np.inf)
        for c in np.flatnonzero(~leftovers.decided):
            a, b = leftovers.a[c], leftovers.b[c]
            if max(a, b) < self.most and a < len(self.lightest_a[c]) and b < len(self.lightest_b[c]):
                weights[:, c] = self.min_a.weights[self.lightest_a[c][a]], self.min_b.weights[self.lightest_b[c][b]]
        return weights[0], weights[1]

    def neurons(self, leftovers: Leftovers) -> tuple[IntArray, IntArray]:
        """Return the neurons left over in A and in B, by class and from light to heavy."""
        return tuple(  # type: ignore[return-value]
            np.concatenate([group[:n] for group, n in zip(groups, numbers, strict=True)])
            for groups, numbers in ((self.lightest_a, leftovers.a), (self.lightest_b, leftovers.b))
        )

    def bound(self, leftovers: Leftovers) -> float:
        """Return a lower bound of all barriers with these leftovers, or more where not decided."""
        i, j = self.neurons(leftovers)
        a, b = self.min_a.classes[i], self.min_b.classes[j]
        zeros_a, zeros_b = self.zeros_left(leftovers)
        if leftovers.decided.all() and zeros_a + zeros_b > 0:
            return np.inf
        open_to_zeros = ~leftovers.decided & (leftovers.a == self.surplus_a)
        scale = np.sqrt(self.top.height)
        found = leftovers_bound(
            expit(-self.top.logit) / scale, expit(self.top.logit) / scale, a, self.min_a.weights[i], b, self.min_b.weights[j],
            open_to_zeros[a], open_to_zeros[b], zeros_a, zeros_b, *self.next_weights(leftovers), CUTOFF,
        )  # fmt: skip
        return max(0.0, found - (CUTOFF - PROVED)) * self.top.height

    def pair(self, leftovers: Leftovers, stop: NDArray[np.uint8]) -> float:
        """Search all ways to pair the leftovers; return a bound of those not examined, infinite if there are none.

        A pairing that passes at all positions so far either lowers the barrier or shows a position at which it does not pass. If
        one passed again, what is summed here and on the whole path would differ by more than rounding: nothing is proved then.
        """
        i, j = self.neurons(leftovers)
        columns = self.min_a.classes[i], self.min_a.weights[i], self.min_b.classes[j], self.min_b.weights[j]
        logits, examined = [self.top.logit], set()
        while True:
            compatible = compatible_pairs(*columns)
            shape = (len(logits), len(i) ** 2)
            mean, own, joint = np.zeros(shape), np.zeros(shape), np.zeros((*shape, len(i) ** 2))
            scale = np.sqrt(self.top.height)
            for k, u in enumerate(logits):
                loss_terms(expit(-u) / scale, expit(u) / scale, *columns, compatible, CUTOFF, mean[k], own[k], joint[k])
            reason, partners, bound, nodes = search_pairings(
                columns[0], columns[2], len(leftovers.a), compatible, mean, own, joint, CUTOFF, stop, self.node_limit - self.nodes
            )
            self.nodes += nodes
            if reason != FOUND or (found := partners.tobytes()) in examined:
                return max(0.0, bound - (CUTOFF - PROVED)) * self.top.height
            examined.add(found)
            top = highest_loss(self.min_a, self.min_b, i, j[partners])
            if top.height < self.top.height * (1 - GAP / 4):
                self.top, self.pairs = top, (i, j[partners])
                logits = [top.logit]
            else:
                logits.append(top.logit)
