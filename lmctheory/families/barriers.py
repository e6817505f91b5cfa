"""The height of the loss over the simplex of several networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.families.ascent import climb
from lmctheory.families.members import member_permutations, padded_networks, permuted
from lmctheory.families.simplex import Edges, Simplex, lattice, lattice_steps
from lmctheory.networks import Network, TwoLayerNet
from lmctheory.objectives import Objective, as_objective
from lmctheory.paths import GRID_SIZE, maximise_excess

CONTENDER = 0.9  # local maxima on the lattice above this share of the highest are refined too,
MAX_CONTENDERS = 3  # up to this many: a simplex that is flat up to rounding has a maximum at every other point
MOST_POINTS = 600  # of the lattice, unless its size is asked for


@dataclass(frozen=True, eq=False)
class SimplexBarrier:
    """The loss barrier on the simplex of k permuted networks.

    Attributes
    ----------
    height : float
        The barrier: the highest excess over the whole simplex.
    position : ndarray, shape (k,)
        Barycentric coordinates of the maximiser.
    barycentre : float
        The excess at ``s = (1/k, ..., 1/k)``, of either sign.
    edges : ndarray, shape (k (k - 1) / 2,)
        The barrier on each edge; `height` is at least the largest.
    pairs : ndarray of int, shape (k (k - 1) / 2, 2)
        The networks (i, j), i < j, at the ends of each edge.
    grid, losses : ndarray, shape (G, k) and (G,)
        The lattice of barycentric coordinates on which the maximum was located, and the loss there.
    corner_losses : ndarray, shape (k,)
    loss_floor : float
        Rounding error to expect in `height`: a smaller height is indistinguishable from zero.
    permutations : ndarray of int, shape (k, m)
        Applied to the networks, after padding to the largest width m.
    """

    height: float
    position: FloatArray
    barycentre: float
    edges: FloatArray
    pairs: IntArray
    grid: FloatArray
    losses: FloatArray
    corner_losses: FloatArray
    loss_floor: float
    permutations: IntArray


def simplex_barrier(
    networks: Sequence[Network],
    objective: TwoLayerNet | Objective,
    permutations: ArrayLike | None = None,
    *,
    inputs: str = "gaussian",
    grid_size: int | None = None,
) -> SimplexBarrier:
    """Return the loss barrier on the simplex of k networks.

    With ``theta_s = sum_k s_k perm_k(theta_k)`` and ``e(s) = L(theta_s) - sum_k s_k L(theta_k)``, the height is
    ``max_s e(s) >= 0`` over all ``s_k >= 0`` with ``sum_k s_k = 1``.

    Parameters
    ----------
    networks : sequence of TwoLayerNet or LayeredNet
        At least one, of one architecture; narrower two-layer networks are padded with zero neurons, see `TwoLayerNet.pad`.
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss.
    permutations : array_like of int, shape (k, m), optional
        One permutation of all hidden neurons a network; none by default.
    inputs : {"gaussian", "sphere"}
        Distribution of the inputs, as in `population_loss`.
    grid_size : int, optional
        Points of the lattice along each edge, ends included, at least 2; by default as many as a lattice of 600 points allows,
        33 at most.

    Returns
    -------
    SimplexBarrier

    Raises
    ------
    InvalidInputError
        If architectures differ, a row of `permutations` is not a permutation, or a name is unknown.

    Notes
    -----
    Gram matrices are computed once; each point then costs ``m (m + 1) / 2 + m M`` kernel evaluations, whatever d. The highest of
    the lattice's local maxima, the barycentre and the edges' maxima, which are located as by `barrier`, are refined by pattern
    search along the edges' directions, with a parabola through each pattern. Two networks give their `barrier`. Where a neuron,
    on data of the first layer, passes the origin more quickly than the lattice can follow, the point of each triangle and of
    the whole simplex joins the lattice that is nearest to the centre of those where its norm is least. What `barrier` says of
    its height holds on the edges; inside, a spike around other points can be missed, and where several neurons of
    ``d < k - 1`` inputs cross the origin at once, the refinement may stop short of the top. On data the first layer's
    products are made once.

    References
    ----------
    [SKD] Sharma et al. 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(3, 3)
    >>> networks = [teacher, teacher.permute([1, 2, 0]), teacher.permute([2, 0, 1])]
    >>> found = lmc.simplex_barrier(networks, teacher)
    >>> round(found.height, 4), found.position.round(4), found.edges.round(4)
    (0.5167, array([0.3333, 0.3333, 0.3333]), array([0.2383, 0.2383, 0.2383]))
    >>> lmc.simplex_barrier(networks, teacher, [[0, 1, 2], [2, 0, 1], [1, 2, 0]]).height < 1e-14
    True
    """
    loss = as_objective(objective, inputs)
    members = padded_networks(loss, networks)
    perms = member_permutations("permutations", permutations, members)
    k = len(members)
    most = lattice_steps(k, GRID_SIZE - 1, MOST_POINTS)
    steps = most if grid_size is None else _checks.integer("grid_size", grid_size, 2) - 1
    simplex = Simplex(loss, permuted(members, perms))
    grid, neighbours = lattice(k, steps)
    losses = simplex(grid)
    on_grid = losses - grid @ simplex.corner_losses
    on_grid[grid.max(axis=1) == 1] = 0.0  # exactly, by definition
    edges, edge_points = _edge_maxima(simplex)
    centre = np.full((1, k), 1 / k)
    barycentre = float(simplex.excess(centre)[0]) if k > 1 else 0.0
    peaks = _contenders(on_grid, neighbours)
    zeros = simplex.zeros(1 / steps)
    points = np.concatenate([grid[peaks], centre, edge_points, zeros])
    values = np.concatenate([on_grid[peaks], [barycentre], edges, simplex.excess(zeros)])
    best = int(np.argmax(values))
    height, position = float(values[best]), points[best]
    rounding = 4 * np.finfo(float).eps * np.abs(losses).max()  # a flat or convex simplex keeps its height of exactly 0
    for start in np.argsort(-values, kind="stable")[: MAX_CONTENDERS + 1 if k > 2 else 0]:
        if values[start] < CONTENDER * values[best]:
            break
        top, value = climb(simplex, points[start], float(values[start]), 1 / steps, rounding)
        if value > height + rounding:
            height, position = value, top
    floors = simplex.floor(np.vstack([position, np.eye(k)]))
    return SimplexBarrier(
        height=max(height, 0.0),
        position=position,
        barycentre=barycentre,
        edges=edges,
        pairs=simplex.pairs,
        grid=grid,
        losses=losses,
        corner_losses=simplex.corner_losses,
        loss_floor=float(floors[0] + position @ floors[1:]),
        permutations=perms,
    )


def _edge_maxima(simplex: Simplex) -> tuple[FloatArray, FloatArray]:
    """Return the barriers on the edges, and the points where they are attained."""
    edges, paths = Edges(simplex), np.arange(len(simplex.pairs))
    found = maximise_excess(edges, len(paths))
    return found.heights, edges.points(paths, found.positions[:, None])[:, 0]


def _contenders(on_grid: FloatArray, neighbours: IntArray) -> IntArray:
    """Return the highest local maxima of the lattice, those that come near the highest point."""
    peaks = np.flatnonzero((on_grid[:, None] >= on_grid[neighbours]).all(axis=1) & (on_grid >= CONTENDER * on_grid.max()))
    return peaks[np.argsort(-on_grid[peaks], kind="stable")][:MAX_CONTENDERS]
