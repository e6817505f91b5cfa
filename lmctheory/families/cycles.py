"""Whether pairwise alignments fit together: round a cycle of networks every neuron should return to its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.alignment.methods import METHODS
from lmctheory.alignment.path import path_under
from lmctheory.errors import InvalidInputError
from lmctheory.families.members import Family
from lmctheory.networks import Network, TwoLayerNet
from lmctheory.objectives import Objective
from lmctheory.paths import GRID_SIZE


@dataclass(frozen=True, eq=False)
class CycleConsistency:
    """Pairwise alignments composed round all T cycles of three networks.

    Attributes
    ----------
    cycles : ndarray of int, shape (T, 3)
        The networks (i, j, k), i < j < k, of each cycle i -> j -> k -> i.
    permutations : ndarray of int, shape (T, m)
        The composed permutation: neuron q of network i meets a neuron of j, which meets one of k, which meets neuron
        ``permutations[t, q]`` of i.
    fixed : ndarray, shape (T,)
        Share of neurons that return to their place.
    chance : float
        ``1/m``, the mean share of a random permutation; with several hidden layers their number over that of all neurons.
    heights : ndarray, shape (T,)
        The barrier between network i and itself after the cycle: 0 if neurons that do not return are exchanged for equal ones.
    loss_floors : ndarray, shape (T,)
        Rounding error to expect in `heights`.
    method : str
        How pairs were aligned.
    """

    cycles: IntArray
    permutations: IntArray
    fixed: FloatArray
    chance: float
    heights: FloatArray
    loss_floors: FloatArray
    method: str


def cycle_consistency(
    networks: Sequence[Network],
    objective: TwoLayerNet | Objective,
    method: str = "weights",
    *,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> CycleConsistency:
    """Return how far pairwise alignments compose to the identity round all cycles of three networks.

    With ``p_ij`` aligning network j with network i, the cycle ``i -> j -> k -> i`` takes neuron q of i to
    ``p_ki[p_jk[p_ij[q]]]``. One permutation a network makes all cycles the identity, and every longer cycle is made of these.

    Parameters
    ----------
    networks : sequence of TwoLayerNet or LayeredNet
        At least three, of one architecture; narrower two-layer networks are padded with zero neurons, see `TwoLayerNet.pad`.
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss.
    method : {"weights", "activations", "barrier", "exact"}
        How pairs are aligned, as in `align`.
    inputs, grid_size
        As in `barrier`.

    Returns
    -------
    CycleConsistency

    Raises
    ------
    InvalidInputError
        If there are fewer than three networks, architectures differ, or a name is unknown.

    References
    ----------
    [SKD] Sharma, Kwok, Denton, Roy, Rolnick, Dziugaite 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(3, 3)
    >>> copies = [teacher, teacher.permute([1, 2, 0]), teacher.permute([1, 0, 2])]
    >>> lmc.cycle_consistency(copies, teacher).fixed
    array([1.])
    """
    _checks.choice("method", method, METHODS)
    family = Family(networks, objective, inputs, grid_size)
    if len(family) < 3:
        raise InvalidInputError(f"networks must be at least three for a cycle, got {len(family)}")
    matchings = family.matchings(method)
    cycles = np.array(list(combinations(range(len(family)), 3)))
    permutations = np.stack([matchings[k, i][matchings[j, k][matchings[i, j]]] for i, j, k in cycles])
    nets = [family.members[i] for i in cycles[:, 0]]
    paths = [
        path_under(family.loss, net, net, permutation, grid_size) for net, permutation in zip(nets, permutations, strict=True)
    ]
    return CycleConsistency(
        cycles=cycles,
        permutations=permutations,
        fixed=(permutations == np.arange(family.width)).mean(axis=1),
        chance=len(family.layers) / family.width,
        heights=np.array([path.height for path in paths]),
        loss_floors=np.array([path.floor for path in paths]),
        method=method,
    )
