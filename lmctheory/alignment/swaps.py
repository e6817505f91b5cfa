"""Local search on the exact barrier: two neurons exchange their partners as long as that lowers it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmctheory._checks import FloatArray, IntArray, Rng  # noqa: F401  IntArray is the type of an inherited field
from lmctheory._parallel import blas
from lmctheory.alignment.alignment import Alignment
from lmctheory.alignment.arrangement import arrange
from lmctheory.alignment.assignment import N_ORDERS, by_similarity
from lmctheory.alignment.path import Path, path_under
from lmctheory.alignment.similarity import SIMILARITIES
from lmctheory.networks import Network
from lmctheory.objectives import Objective

GAIN = 1e-10  # a swap must lower the barrier by more than this share of it, and by more than its rounding error


@dataclass(frozen=True, eq=False)
class SwapAlignment(Alignment):
    """An alignment whose barrier no swap of two neurons of a layer lowers.

    Attributes
    ----------
    permutation, method
        As for `Alignment`; the method is "barrier".
    height, position : float
        The barrier under the permutation and its maximiser, as `barrier` computes them.
    loss_floor : float
        Rounding error to expect in `height`. No swap gains more than this, or 1e-10 of the height if that is more: a height
        below the floor is never improved.
    trace : ndarray, shape (swaps + 1,)
        The barrier before the first swap and after each: strictly decreasing.
    swaps, trial_swaps : int
        How many were made, and how many tried; the last of these, every swap there is, all in vain, make it a local optimum. At a
        height below the floor none is tried.
    started_from : str
        The assignment the search started from, the one with the lower barrier.
    """

    height: float
    position: float
    loss_floor: float
    trace: FloatArray
    swaps: int
    trial_swaps: int
    started_from: str


@dataclass(frozen=True, eq=False)
class Descent:
    """Where swaps have led, and how: see `SwapAlignment`."""

    path: Path
    trace: FloatArray
    trial_swaps: int


def by_swaps(
    loss: Objective, net_a: Network, net_b: Network, grid_size: int, n_orders: int = N_ORDERS, rng: Rng = 0
) -> SwapAlignment:
    """Return the local minimum of the barrier that swaps reach from the better assignment."""
    started_from, start = best_assignment(loss, net_a, net_b, grid_size, n_orders, rng)
    found = lower_by_swaps(loss, net_a, net_b, start)
    return SwapAlignment(
        permutation=found.path.permutation,
        method="barrier",
        height=found.path.height,
        position=found.path.position,
        loss_floor=found.path.floor,
        trace=found.trace,
        swaps=len(found.trace) - 1,
        trial_swaps=found.trial_swaps,
        started_from=started_from,
    )


def best_assignment(
    loss: Objective, net_a: Network, net_b: Network, grid_size: int, n_orders: int = N_ORDERS, rng: Rng = 0
) -> tuple[str, Path]:
    """Return the similarity whose assignment has the lowest barrier, and the path."""
    paths = {}
    for method in SIMILARITIES:
        permutation = by_similarity(net_a, net_b, method, loss, n_orders, rng).permutation
        paths[method] = path_under(loss, net_a, net_b, permutation, grid_size)
    return min(paths.items(), key=lambda item: item[1].height)


def lower_by_swaps(loss: Objective, net_a: Network, net_b: Network, path: Path) -> Descent:
    """Make the first swap in cyclic order that gains, until none does."""
    with blas().limit(limits=1):  # products are small, and threads that wait for a busy core stall each of them
        return _descend(loss, net_a, net_b, path)


def _descend(loss: Objective, net_a: Network, net_b: Network, path: Path) -> Descent:
    arrangement = arrange(loss, net_a, net_b, path.permutation)
    trace, trials, number = [path.height], 0, 0
    untried = all_swaps = arrangement.all_swaps
    while untried > 0 and (target := path.height - max(GAIN * path.height, path.floor)) > 0:
        i, j, tried = arrangement.first_swap(*trial_points(path, target, arrangement.screened), number, untried)
        trials, untried, number = trials + tried, untried - tried, (number + tried) % all_swaps
        if i < 0:
            break
        arrangement.exchange(i, j)
        swapped = path_under(loss, net_a, net_b, arrangement.permutation.copy(), len(path.grid))
        if swapped.height < target:
            path, untried = swapped, all_swaps
            trace.append(path.height)
        else:
            arrangement.exchange(i, j)
    return Descent(path, np.array(trace), trials)


def trial_points(path: Path, target: float, most: int) -> tuple[FloatArray, FloatArray]:
    """Return `most` positions at which swaps are tried, the maximiser first, and by how much each may change the loss there.

    A change by less than that leaves the excess below `target`.
    """
    inner = np.argsort(np.abs(path.grid[1:-1] - path.position), kind="stable")[: most - 1] + 1  # most swaps fail near the maximum
    room = target - np.append(path.height, path.excess[inner])
    return np.append(path.position, path.grid[inner]), room
