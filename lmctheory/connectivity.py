"""The loss barrier between two networks, modulo a permutation of the neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory._parallel import map_threads
from lmctheory.alignment import Alignment
from lmctheory.alignment import align as align_networks
from lmctheory.alignment.methods import METHODS
from lmctheory.networks import Network, TwoLayerNet, network_permutation, same_architecture
from lmctheory.objectives import Objective, as_objective
from lmctheory.paths import GRID_SIZE, maximise_excess, rounding_errors

CHUNK_FLOATS = 2**20  # size of the Gram blocks of the pairs that a thread evaluates together


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
        The uniform positions on which the maximum was located, and the loss there; narrow passages join them in the search.
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
    net_a: Network,
    net_b: Network,
    objective: TwoLayerNet | Objective,
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
    net_a, net_b : TwoLayerNet or LayeredNet
        Ends of the path, of one architecture; `TwoLayerNet.pad` brings unequal widths together.
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss.
    align : None, str, array_like of shape (m,), or Alignment
        The permutation of `net_b`: none, found by a method of `align`, or given. Methods that minimise the barrier minimise that
        over the chord, whatever `kind` is.
    kind : {"chord", "endpoint-mean", "midpoint"}
        ``max e``; ``max L - (L_A + L_B)/2`` [AHS]; ``e(1/2)``, the only one that can be negative.
    inputs : {"gaussian", "sphere"}
        Distribution of the inputs of a teacher, as in `population_loss`.
    grid_size : int
        Points of the uniform grid, ends included, on which the maximum is located before it is refined; at least 3. The others
        join by themselves.

    Returns
    -------
    Barrier

    Raises
    ------
    InvalidInputError
        If architectures differ, `align` is neither a method nor a permutation, or a name is unknown.

    Notes
    -----
    Against a teacher, Gram matrices are computed once; each position then costs ``m (m + 1) / 2 + m M`` kernel evaluations,
    whatever d. On data the first layer's products are made once.

    The height is the maximum over all t in [0, 1] to a relative 1e-6, or to `loss_floor` if that is more, unless two turning
    points of the excess lie between neighbouring points of the grid. So that spikes do not, points join the uniform grid where a
    neuron passes the origin more quickly than the grid can follow, and half-way between these, as documented in
    `docs/numerics.md`.
    On data these are the passages of the first layer's neurons, at which all inputs switch together; where single inputs do,
    the loss bends by a share 1/n, and of deeper layers no closed form is known. The error rate jumps at such points: its
    barrier is a lower bound. `certify_barrier` proves the height.

    The barrier depends on the scale of neurons, which the functions at the ends do not: ``a relu(w . x) = (a / s) relu(s w . x)``
    for every s > 0, but straight lines from the two are different paths. `TwoLayerNet.balance` brings both ends to one scale.

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
    loss = as_objective(objective, inputs)
    loss.check("net_a", net_a)
    same_architecture("net_a", net_a, "net_b", net_b)
    permutation, method = _permutation(net_a, net_b, align, loss, grid_size)
    segments = loss.segments([net_a], [net_b.permute(permutation)])
    found = maximise_excess(segments, 1, kind, grid_size)
    return Barrier(
        height=float(found.heights[0]),
        position=float(found.positions[0]),
        kind=kind,
        grid=found.grid,
        losses=found.losses[0],
        loss_floor=float(rounding_errors(segments.floor, found)[0]),
        permutation=permutation,
        method=method,
    )


@dataclass(frozen=True, eq=False)
class PairwiseBarriers:
    """Barriers of all P pairs among n networks.

    Attributes
    ----------
    pairs : ndarray of int, shape (P, 2)
        The networks (i, j), i < j, of each pair.
    heights : ndarray, shape (P,)
        The barrier; where several methods were asked for, the lowest they give.
    by_method : dict of str to ndarray of shape (P,)
        The barrier under each method's permutation; "none" is the identity.
    loss_floors : ndarray, shape (P,)
        Rounding error to expect in `heights`.
    kind : str
    """

    pairs: IntArray
    heights: FloatArray
    by_method: dict[str, FloatArray]
    loss_floors: FloatArray
    kind: str


def pairwise_barriers(
    networks: Sequence[Network],
    objective: TwoLayerNet | Objective,
    align: str | Sequence[str] = "weights",
    kind: str = "chord",
    *,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> PairwiseBarriers:
    """Return the barriers of all ``n (n - 1) / 2`` pairs among at least two networks, computed in threads.

    Parameters
    ----------
    networks : sequence of TwoLayerNet or LayeredNet
        At least two, of one architecture.
    align : str or sequence of str
        Methods of `align`, or "none" for no permutation. With several, `PairwiseBarriers.heights` is the lowest.
    objective, kind, inputs, grid_size
        As for `barrier`.

    Returns
    -------
    PairwiseBarriers
        Pairs share networks: pass `pairs` on to `fit_rate`, which then resamples networks.

    Raises
    ------
    InvalidInputError
        If there are fewer than two networks, architectures differ, or a name is unknown.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> networks = [teacher, teacher.permute([1, 0]), teacher]
    >>> lmc.pairwise_barriers(networks, teacher, "none").heights.round(3)
    array([0.182, 0.   , 0.182])
    """
    loss = as_objective(objective, inputs)
    networks = _checks.items("networks", networks, "networks", 2)
    names = [align] if isinstance(align, str) else _checks.items("align", align, "methods")
    methods = [_checks.choice("align", name, (*METHODS, "none")) for name in names]
    loss.check("networks[0]", networks[0])
    for k, net in enumerate(networks):
        same_architecture("networks[0]", networks[0], f"networks[{k}]", net)
    pairs = np.stack(np.triu_indices(len(networks), 1), axis=1)

    def evaluate(chunk: int, _: NDArray[np.uint8]) -> FloatArray:
        """Heights and floors ``(2, chunk, methods)`` of a chunk of pairs, evaluated together."""
        ends: list[tuple[Network, Network]] = []
        index: dict[tuple[int, bytes], int] = {}  # methods often agree on the permutation
        rows = []
        for i, j in pairs[chunk * chunk_size : (chunk + 1) * chunk_size]:
            net_a, net_b = networks[i], networks[j]
            for method in methods:
                permutation = _permutation(net_a, net_b, None if method == "none" else method, loss, grid_size)[0]
                key = (i * len(networks) + j, permutation.tobytes())
                if key not in index:
                    index[key] = len(ends)
                    ends.append((net_a, net_b.permute(permutation)))
                rows.append(index[key])
        segments = loss.segments(*zip(*ends, strict=True))
        found = maximise_excess(segments, len(ends), kind, grid_size)
        return np.stack([found.heights[rows], rounding_errors(segments.floor, found)[rows]]).reshape(2, -1, len(methods))

    chunk_size = max(1, CHUNK_FLOATS // (3 * len(methods) * networks[0].width ** 2))
    chunks = -(-len(pairs) // chunk_size)
    parts = map_threads(evaluate, chunks) if chunks > 1 else [evaluate(0, np.zeros(1, dtype=np.uint8))]
    heights, floors = np.concatenate(parts, axis=1)
    return PairwiseBarriers(
        pairs=pairs,
        heights=heights.min(axis=1),
        by_method=dict(zip(methods, heights.T, strict=True)),
        loss_floors=np.take_along_axis(floors, heights.argmin(axis=1)[:, None], axis=1)[:, 0],
        kind=kind,
    )


def _permutation(
    net_a: Network, net_b: Network, align: str | ArrayLike | Alignment | None, loss: Objective, grid_size: int
) -> tuple[IntArray, str]:
    """Return the permutation of B that `align` asks for, and where it comes from."""
    if align is None:
        return np.arange(net_a.width), "none"
    if isinstance(align, str):
        method = _checks.choice("align", align, METHODS)
        found = align_networks(net_a, net_b, method, objective=loss, grid_size=grid_size)
        return found.permutation, method
    if isinstance(align, Alignment):
        return network_permutation("align.permutation", align.permutation, net_a), align.method
    return network_permutation("align", align, net_a), "given"
