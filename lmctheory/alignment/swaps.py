"""Local search on the exact barrier: two neurons exchange their partners as long as that lowers it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.swaps import Arrangement, exchange, first_swap, nearest_points
from lmctheory.alignment.alignment import Alignment
from lmctheory.alignment.assignment import SIMILARITIES, by_similarity
from lmctheory.alignment.path import Path, path_under
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss

GAIN = 1e-10  # a swap must lower the barrier by more than this share of it, and by more than its rounding error


@dataclass(frozen=True, eq=False)
class SwapAlignment(Alignment):
    """An alignment whose barrier no swap of two neurons lowers.

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
        How many were made, and how many tried; the last ``m (m - 1) / 2`` trials, all in vain, make it a local optimum.
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


def by_swaps(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, grid_size: int) -> SwapAlignment:
    """Return the local minimum of the barrier that swaps reach from the better assignment."""
    started_from, start = best_assignment(loss, net_a, net_b, grid_size)
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


def best_assignment(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, grid_size: int) -> tuple[str, Path]:
    """Return the similarity whose assignment has the lowest barrier, and the path."""
    paths = {
        method: path_under(loss, net_a, net_b, by_similarity(net_a, net_b, method).permutation, grid_size)
        for method in SIMILARITIES
    }
    return min(paths.items(), key=lambda item: item[1].height)


def lower_by_swaps(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, path: Path) -> Descent:
    """Make the first swap in cyclic order that gains, until none does."""
    arrangement = arrange(loss, net_a, net_b, path.permutation)
    trace, trials, number = [path.height], 0, 0
    untried = all_swaps = net_a.width * (net_a.width - 1) // 2
    while untried > 0:
        target = path.height - max(GAIN * path.height, path.floor)
        i, j, tried = first_swap(arrangement, *trial_points(path, target, loss.scale), number, untried)
        trials, untried, number = trials + tried, untried - tried, (number + tried) % all_swaps
        if i < 0:
            break
        exchange(arrangement, i, j)
        swapped = path_under(loss, net_a, net_b, arrangement.partners.copy(), len(path.grid))
        if swapped.height < target:
            path, untried = swapped, all_swaps
            trace.append(path.height)
        else:
            exchange(arrangement, i, j)
    return Descent(path, np.array(trace), trials)


def trial_points(path: Path, target: float, scale: float) -> tuple[FloatArray, FloatArray]:
    """Return the positions at which swaps are tried, the maximiser first, and by how much each may change the loss there.

    A change by less than that, over the `scale` of the inputs, leaves the excess below `target`.
    """
    inner = np.argsort(np.abs(path.grid[1:-1] - path.position), kind="stable") + 1  # most swaps fail near the maximum
    room = target - np.append(path.height, path.excess[inner])
    return np.append(path.position, path.grid[inner]), room / scale


def arrange(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, permutation: IntArray) -> Arrangement:
    """Return the inner products that all trial swaps are computed from."""
    A, B, V = net_a.W, net_b.W[permutation], loss.teacher.W
    cross = A @ B.T
    norms = loss.teacher_norms
    return Arrangement(
        gram_aa=A @ A.T,
        gram_ab=cross,
        gram_ba=np.ascontiguousarray(cross.T),
        gram_bb=B @ B.T,
        teacher_a=A @ V.T,
        teacher_b=B @ V.T,
        outputs_a=net_a.a.copy(),
        outputs_b=net_b.a[permutation],
        partners=permutation.copy(),
        feet=nearest_points(A, net_b.W),
        teacher_inverse_norms=np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0),
        teacher_mass=loss.teacher.a * norms,
    )
