"""One permutation for two sequences of networks: checkpoints of two runs, or levels of pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray, Rng
from lmctheory._parallel import map_threads
from lmctheory.alignment.assignment import N_ORDERS, maximise
from lmctheory.alignment.similarity import SIMILARITIES, Similarity, WeightedSum, similarity_of
from lmctheory.connectivity import CHUNK_FLOATS
from lmctheory.errors import InvalidInputError
from lmctheory.networks import Network, TwoLayerNet, same_architecture
from lmctheory.objectives import Objective, as_objective
from lmctheory.paths import GRID_SIZE, maximise_excess, rounding_errors

METHODS = ("each", "last", "joint")


@dataclass(frozen=True, eq=False)
class SequenceAlignment:
    """Permutations P_s of one sequence of n networks, and the barriers of all steps t under all of them.

    Attributes
    ----------
    permutations : ndarray of int, shape (n, m)
        P_s, applied to the networks of B; one and the same for "last" and "joint".
    barriers : ndarray, shape (n, n)
        Row t, column s: the barrier between A_t and P_s B_t.
    own, unaligned : ndarray, shape (n,)
        The barrier at each step under the permutation found at this step, and under none.
    loss_floors : ndarray, shape (n,)
        Rounding error to expect in any of the barriers of a step.
    method, similarity : str
    factor : float
        P_s serves step t if ``barriers[t, s] <= factor * own[t]``, up to the rounding error.
    """

    permutations: IntArray
    barriers: FloatArray
    own: FloatArray
    unaligned: FloatArray
    loss_floors: FloatArray
    method: str
    similarity: str
    factor: float

    @property
    def scores(self) -> FloatArray:
        """The highest barrier of any step under each P_s, shape (n,): how well it aligns all steps at once."""
        return self.barriers.max(axis=0)

    @property
    def serves(self) -> BoolArray:
        """Whether P_s serves step t, shape (n, n), t the row."""
        return self.barriers <= (self.factor * self.own + self.loss_floors)[:, None]

    @property
    def earliest(self) -> int | None:
        """The first step whose permutation serves it and all later ones; None if there is none."""
        serves = self.serves
        return next((s for s in range(len(serves)) if serves[s:, s].all()), None)

    @property
    def fixed_points(self) -> FloatArray:
        """The share of neurons on which P_s and P_{s+1} agree, shape (n - 1,); 1/m by chance, D/m with D hidden layers."""
        shares: FloatArray = (self.permutations[1:] == self.permutations[:-1]).mean(axis=1)
        return shares


def align_sequences(
    seq_a: Sequence[Network],
    seq_b: Sequence[Network],
    objective: TwoLayerNet | Objective,
    method: str = "each",
    similarity: str = "weights",
    *,
    weights: ArrayLike | None = None,
    factor: float = 1.1,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
    n_orders: int = N_ORDERS,
    rng: Rng = 0,
) -> SequenceAlignment:
    """Return permutations that align matching networks of two sequences, and the barrier of every step under each of them.

    ``barriers[t, s] = barrier(A_t, P_s B_t)``, over the chord, with P_s for the n steps s

    - "each": found at step s as by `align`;
    - "last": found at the last step, for all s;
    - "joint": found in the same way, by linear assignments on ``sum_t weights[t] S_t``, with S_t the similarity of neurons at
      step t.

    Parameters
    ----------
    seq_a, seq_b : sequence of TwoLayerNet or LayeredNet
        n networks each, all of one architecture: checkpoints of `train`, say, or levels of `prune_iteratively`.
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss.
    method : {"each", "last", "joint"}
    similarity : {"weights", "activations"}
        As in `align`; activations are on the data of a `DataLoss`, else on Gaussian inputs.
    weights : array_like, shape (n,), optional
        Non-negative, not all zero, for "joint" only; ones by default.
    factor : float
        At least 1. How far a barrier may exceed that under the step's own permutation where P_s is said to serve the step.
    inputs, grid_size
        As for `barrier`.
    n_orders, rng
        As for `align`.

    Returns
    -------
    SequenceAlignment

    Raises
    ------
    InvalidInputError
        If the sequences differ in length, networks in architecture, or an argument is out of its range.

    Notes
    -----
    A step's own permutation maximises the similarity, a proxy of the barrier, so that another may serve the step better.
    Cost: n assignments, and ``n (n + 1)`` barriers for "each", at most ``3 n`` otherwise.

    References
    ----------
    [SKD] Sharma et al. 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 4)
    >>> options = {"learning_rate": 0.3, "loss_tol": 1e-9, "gradient_tol": 0.0, "checkpoints": [0, 4, 64]}
    >>> runs = lmc.train(teacher, 8, n_runs=2, rng=0, **options).checkpoints
    >>> found = lmc.align_sequences(runs[0].networks, runs[1].networks, teacher)
    >>> found.barriers.shape
    (4, 4)
    >>> found.earliest  # the permutation found after 64 steps serves to the end
    2
    """
    loss = as_objective(objective, inputs)
    nets_a = _sequence("seq_a", seq_a, loss)
    nets_b = _sequence("seq_b", seq_b, loss)
    n, m = len(nets_a), nets_a[0].width
    if len(nets_b) != n:
        raise InvalidInputError(f"seq_b must have the length of seq_a, {n}, got {len(nets_b)}")
    same_architecture("seq_a[0]", nets_a[0], "seq_b[0]", nets_b[0])
    shares = _step_weights(weights, n, _checks.choice("method", method, METHODS))
    factor = _checks.real("factor", factor)
    if factor < 1:
        raise InvalidInputError(f"factor must be at least 1, got {factor}")
    _checks.choice("similarity", similarity, SIMILARITIES)
    n_orders, root = _checks.integer("n_orders", n_orders, 1), _checks.seed_sequence(rng)
    similarities = [similarity_of(net_a, net_b, similarity, loss) for net_a, net_b in zip(nets_a, nets_b, strict=True)]

    def best(measure: Similarity) -> IntArray:
        return maximise(measure, similarity, n_orders, root).permutation

    own = np.stack([best(measure) for measure in similarities])
    if method == "each":
        permutations = own
    else:
        permutations = np.tile(own[-1] if method == "last" else best(WeightedSum(similarities, shares)), (n, 1))
    wanted = [[own[t], np.arange(m), *permutations] for t in range(n)]
    heights, floors = _barriers(loss, nets_a, nets_b, wanted, grid_size)
    return SequenceAlignment(
        permutations=permutations,
        barriers=heights[:, 2:],
        own=heights[:, 0],
        unaligned=heights[:, 1],
        loss_floors=floors.max(axis=1),
        method=method,
        similarity=similarity,
        factor=factor,
    )


def _sequence(name: str, value: Sequence[Network], loss: Objective) -> list[Network]:
    networks: list[Network] = _checks.items(name, value, "networks")
    for t, net in enumerate(networks):
        loss.check(f"{name}[{t}]", net)
        same_architecture(f"{name}[0]", networks[0], f"{name}[{t}]", net)
    return networks


def _step_weights(value: ArrayLike | None, n: int, method: str) -> FloatArray:
    if value is None:
        return np.ones(n)
    if method != "joint":
        raise InvalidInputError(f"weights must be left out with method {method!r}, got {value!r}")
    weights = _checks.real_array("weights", value, 1)
    if len(weights) != n:
        raise InvalidInputError(f"weights must hold one number a step, {n}, got {len(weights)}")
    if weights.min() < 0 or weights.max() == 0:
        raise InvalidInputError(f"weights must be non-negative and not all zero, got {weights.tolist()}")
    return weights


def _barriers(
    loss: Objective,
    nets_a: Sequence[Network],
    nets_b: Sequence[Network],
    wanted: Sequence[Sequence[IntArray]],
    grid_size: int,
) -> tuple[FloatArray, FloatArray]:
    """Return barriers and their rounding errors ``(n, k)``: those of step t under the k permutations ``wanted[t]``."""
    index: dict[tuple[int, bytes], int] = {}  # permutations often agree
    ends: list[tuple[Network, Network]] = []
    rows = np.empty((len(wanted), len(wanted[0])), dtype=np.intp)
    for t, permutations in enumerate(wanted):
        for k, permutation in enumerate(permutations):
            key = (t, permutation.tobytes())
            if key not in index:
                index[key] = len(ends)
                ends.append((nets_a[t], nets_b[t].permute(permutation)))
            rows[t, k] = index[key]
    chunk_size = max(1, CHUNK_FLOATS // (3 * nets_a[0].width ** 2))

    def evaluate(chunk: int, _: NDArray[np.uint8]) -> FloatArray:
        some = ends[chunk * chunk_size : (chunk + 1) * chunk_size]
        segments = loss.segments(*zip(*some, strict=True))
        found = maximise_excess(segments, len(some), "chord", grid_size)
        return np.stack([found.heights, rounding_errors(segments.floor, found)])

    heights, floors = np.concatenate(map_threads(evaluate, -(-len(ends) // chunk_size)), axis=1)
    return heights[rows], floors[rows]
