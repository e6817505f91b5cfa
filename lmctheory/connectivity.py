"""The loss barrier between two networks, modulo a permutation of the neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory._parallel import map_threads
from lmctheory.alignment import Alignment
from lmctheory.alignment import align as align_networks
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, same_width
from lmctheory.paths import maximise_excess

GRID_SIZE = 33


@dataclass(frozen=True, eq=False)
class Barrier:
    """The loss barrier on the segment from network A to a permuted network B.

    Attributes
    ----------
    height : float
        The barrier.
    position : float
        The maximiser t in [0, 1]; t = 0 is network A.
    kind : str
        "chord", "endpoint-mean" or "midpoint".
    grid, losses : ndarray, shape (grid_size,)
        The positions on which the maximum was located, and the loss there.
    loss_floor : float
        Rounding error to expect in `height`: a smaller height is indistinguishable from zero.
    permutation : ndarray of int, shape (m,)
        Applied to B; the identity if nothing was asked for.
    method : str
        Where the permutation comes from: "none", "given", or the alignment method.
    """

    height: float
    position: float
    kind: str
    grid: FloatArray
    losses: FloatArray
    loss_floor: float
    permutation: IntArray
    method: str


def barrier(
    net_a: TwoLayerNet,
    net_b: TwoLayerNet,
    teacher: TwoLayerNet,
    align: str | ArrayLike | Alignment | None = None,
    kind: str = "chord",
    *,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> Barrier:
    """Return the loss barrier on the straight line between two networks.

    With ``theta_t = (1-t) theta_A + t perm(theta_B)`` and ``e(t) = L(theta_t) - (1-t) L(theta_A) - t L(theta_B)``, the height
    is ``max_{t in [0,1]} e(t) >= 0`` ("chord").

    Parameters
    ----------
    net_a, net_b : TwoLayerNet
        Ends of the path, of one shape (m, d).
    teacher : TwoLayerNet
        The target of the loss.
    align : None, str, array_like of shape (m,), or Alignment
        The permutation of `net_b`: none, found by a method of `align`, or given.
    kind : {"chord", "endpoint-mean", "midpoint"}
        ``max e``; ``max L - (L_A + L_B)/2`` [AHS]; ``e(1/2)``, the only one that can be negative.
    inputs : {"gaussian", "sphere"}
        Distribution of the inputs, as in `population_loss`.
    grid_size : int
        Points of the uniform grid, ends included, on which the maximum is located before it is refined; at least 3.

    Returns
    -------
    Barrier

    Raises
    ------
    InvalidInputError
        If shapes differ, `align` is neither a method nor a permutation, or a name is unknown.

    Notes
    -----
    Gram matrices are computed once; each position then costs ``m (m + 1) / 2 + m M`` kernel evaluations, whatever d. A spike
    narrower than the grid can be missed.

    References
    ----------
    [ESSN] Entezari et al. 2022; [AHS] Ainsworth et al. 2023.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> swapped = teacher.permute([1, 0])
    >>> round(lmc.barrier(teacher, swapped, teacher).height, 6)
    0.18169
    >>> lmc.barrier(teacher, swapped, teacher, align="weights").height < 1e-14
    True
    """
    loss = PopulationLoss(teacher, inputs)
    same_width(net_a, net_b)
    floor = 2 * max(loss.floor(net_a), loss.floor(net_b))
    return _barrier(loss, net_a, net_b, align, kind, grid_size, floor)


@dataclass(frozen=True, eq=False)
class PairwiseBarriers:
    """Barriers of all pairs of networks: ``heights[k]``, ``loss_floors[k]`` belong to networks ``pairs[k] = (i, j)``, i < j."""

    pairs: IntArray
    heights: FloatArray
    loss_floors: FloatArray
    method: str
    kind: str


def pairwise_barriers(
    networks: Sequence[TwoLayerNet],
    teacher: TwoLayerNet,
    align: str | None = None,
    kind: str = "chord",
    *,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> PairwiseBarriers:
    """Return the barriers of all ``n (n - 1) / 2`` pairs among at least two networks, computed in threads.

    Parameters as for `barrier`, with `align` None or a method's name. Pairs share networks: pass `pairs` on to `fit_rate`,
    which then resamples networks.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> lmc.pairwise_barriers([teacher, teacher.permute([1, 0]), teacher], teacher).heights.round(3)
    array([0.182, 0.   , 0.182])
    """
    loss = PopulationLoss(teacher, inputs)
    networks = list(networks)
    if len(networks) < 2:
        raise InvalidInputError(f"networks must hold at least two networks, got {len(networks)}")
    if align is not None and not isinstance(align, str):
        raise InvalidInputError(f"align must be None or the name of a method, got {align!r}")
    for net in networks:
        same_width(networks[0], net)
    floors = np.array([loss.floor(net) for net in networks])
    pairs = np.stack(np.triu_indices(len(networks), 1), axis=1)
    loss_floors = 2 * floors[pairs].max(axis=1)

    def height(k: int, _: np.ndarray) -> float:
        i, j = pairs[k]
        return _barrier(loss, networks[i], networks[j], align, kind, grid_size, float(loss_floors[k])).height

    heights = np.array(map_threads(height, len(pairs)))
    return PairwiseBarriers(pairs, heights, loss_floors, align or "none", kind)


def _barrier(
    loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet,
    align: str | ArrayLike | Alignment | None, kind: str, grid_size: int, floor: float,
) -> Barrier:  # fmt: skip
    if align is None:
        permutation, method = np.arange(net_a.width), "none"
    elif isinstance(align, str):
        permutation, method = align_networks(net_a, net_b, align).permutation, align
    elif isinstance(align, Alignment):
        permutation, method = _checks.permutation("align.permutation", align.permutation, net_a.width), align.method
    else:
        permutation, method = _checks.permutation("align", align, net_a.width), "given"
    segment = loss.segment(net_a, net_b if align is None else net_b.permute(permutation))
    found = maximise_excess(segment, kind, grid_size)
    return Barrier(found.height, found.position, kind, found.grid, found.losses, floor, permutation, method)
