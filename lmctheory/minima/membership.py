"""Whether a network is a global minimum, and which global minimum is nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.minima.manifold import Minimum
from lmctheory.networks import TwoLayerNet

ORTHONORMAL_TOL = 1e-10
MAX_ROUNDS = 100
LARGEST_WEIGHT = 1e150  # to project; squares of distances are added up


@dataclass(frozen=True, eq=False)
class MembershipCheck:
    """Whether a network is a global minimum; true or false in a condition.

    Attributes
    ----------
    classes : ndarray of int, shape (m,)
        The teacher neuron whose ray is nearest to each neuron; -1 where none is nearer than the origin.
    weights : ndarray, shape (m,)
        Position of the nearest point on that ray.
    off_ray : ndarray, shape (m,)
        Distance of each neuron to it.
    class_sums : ndarray, shape (M,)
    wrong_neurons, wrong_classes : ndarray of int
        Neurons with ``off_ray > atol``, and classes with ``|class_sums - 1| > atol``.
    atol : float
    reason : str
        What fails, empty if nothing does.
    """

    classes: IntArray
    weights: FloatArray
    off_ray: FloatArray
    class_sums: FloatArray
    wrong_neurons: IntArray
    wrong_classes: IntArray
    atol: float
    reason: str

    def __bool__(self) -> bool:
        return not self.reason


def is_global_minimum(net: TwoLayerNet, teacher: TwoLayerNet, *, atol: float = 1e-6) -> MembershipCheck:
    """Return whether `net` is a global minimum: every neuron on a teacher's ray, the weights on each ray summing to 1.

    ``L = 0`` iff ``w_i = alpha_i v_{c(i)}`` with ``alpha_i >= 0`` and ``sum_{c(i) = j} alpha_i = 1`` for each j ([LLW] Theorem 6,
    with the sign made explicit: weights 2 and -1 in one class have loss 1).

    Parameters
    ----------
    net, teacher : TwoLayerNet
        Output weights one; the teacher's rows orthonormal within 1e-10. For other teachers further minima may exist and
        these conditions decide nothing.
    atol : float
        Tolerance, non-negative, of the distance of each neuron from its ray and of each sum.

    Returns
    -------
    MembershipCheck
        True or false in a condition; says which neurons and classes fail, and by how much.

    Raises
    ------
    InvalidInputError
        If input dimensions differ, the teacher is not orthonormal, an output weight is not one, or `atol` is negative.

    Notes
    -----
    A tolerance in the weights, not in the loss: off its ray by a small delta, a neuron costs a loss of order delta^3 if a
    partner on the other side of the ray makes up for it, so a network of loss 1e-15 may be off by 1e-5.

    References
    ----------
    [LLW] Lin, Li, Wu 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> bool(lmc.is_global_minimum(lmc.TwoLayerNet([[0.25, 0], [0, 1], [0.75, 0]]), teacher))
    True
    >>> check = lmc.is_global_minimum(lmc.TwoLayerNet([[2.0, 0], [0, 1], [-1.0, 0]]), teacher)
    >>> print(check.reason)
    neuron 2 is 1 away from every teacher's ray; class 0 sums to 2
    """
    projections = _teacher_coordinates(net, teacher)
    atol = _checks.real("atol", atol, non_negative=True)
    m, M = projections.shape
    classes = np.argmax(projections, axis=1)
    weights = np.maximum(projections[np.arange(m), classes], 0.0)
    with np.errstate(over="ignore"):  # infinitely far away
        off_ray = np.linalg.norm(net.W - weights[:, None] * teacher.W[classes], axis=1)
    class_sums: FloatArray = np.bincount(classes, weights, M).astype(np.float64)
    wrong_neurons = np.flatnonzero(off_ray > atol)
    wrong_classes = np.flatnonzero(np.abs(class_sums - 1) > atol)
    reasons = [
        *_listed([f"neuron {i} is {off_ray[i]:.6g} away from every teacher's ray" for i in wrong_neurons], "neurons"),
        *_listed([f"class {j} sums to {class_sums[j]:.12g}" for j in wrong_classes], "classes"),
    ]
    return MembershipCheck(
        np.where(weights > 0, classes, -1), weights, off_ray, class_sums, wrong_neurons, wrong_classes, atol, "; ".join(reasons)
    )


@dataclass(frozen=True, eq=False)
class Projection:
    """A global minimum near a network, and how near.

    Attributes
    ----------
    minimum : Minimum
        Its class j is row j of the teacher.
    network : TwoLayerNet
        `minimum` in the coordinates of the teacher.
    distance : float
        Euclidean distance of the hidden weights to `network`.
    lower_bound : float
        No global minimum is nearer than this.
    is_nearest : bool
        Whether the lower bound reaches the distance up to rounding, so that `minimum` is proved a nearest one.
    """

    minimum: Minimum
    network: TwoLayerNet
    distance: float
    lower_bound: float
    is_nearest: bool


def project_to_minimum(net: TwoLayerNet, teacher: TwoLayerNet) -> Projection:
    """Return the global minimum nearest to `net`, with the distance and a proof or a bound.

    Minimises ``sum_i |w_i - alpha_i v_{c(i)}|^2`` over classes c and weights ``alpha >= 0`` that sum to 1 in each class. For
    given classes the weights are Euclidean projections onto simplices, ``alpha_i = max(w_i . v_c - tau_c, 0)``; neurons then
    move to the class of largest ``w_i . v_j - tau_j`` until none moves.

    Parameters
    ----------
    net, teacher : TwoLayerNet
        As for `is_global_minimum`; the network must be at least as wide as the teacher.

    Returns
    -------
    Projection

    Raises
    ------
    InvalidInputError
        As for `is_global_minimum`, or if the network is narrower than the teacher or has a weight beyond 1e150.

    Notes
    -----
    Choosing classes is a combinatorial problem, but its Lagrangian dual bounds it: for every tau,
    ``distance^2 - sum_i g_i`` with ``g_i = max_j max(w_i . v_j - tau_j, 0)^2 - alpha_i^2 >= 0`` is a lower bound of the squared
    distance of every global minimum. When no neuron would rather move all g_i vanish, and the minimum found is a nearest
    one: so it is for nearly converged networks, whose neurons prefer one class clearly. Otherwise the bound says how much
    may be missing. Neurons that the projection shrinks to 0 become zero neurons. A class that no neuron prefers gets the
    one that loses least, by linear assignment.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> found = lmc.project_to_minimum(lmc.TwoLayerNet([[0.3, 0.0], [0.0, 1.0], [0.8, 0.1]]), teacher)
    >>> found.minimum.weights
    array([0.25, 1.  , 0.75])
    >>> round(found.distance, 6), found.is_nearest
    (0.122474, True)
    """
    z = _teacher_coordinates(net, teacher)
    m, M = z.shape
    if m < M:
        raise InvalidInputError(f"net must be at least as wide as the teacher, M = {M}, got width {m}")
    if np.abs(net.W).max() > LARGEST_WEIGHT:
        raise InvalidInputError(f"net must have weights of at most {LARGEST_WEIGHT:g}, got {np.abs(net.W).max():g}")
    neurons = np.arange(m)
    best: tuple[float, float, IntArray, FloatArray] | None = None
    scores, seen = z, set()
    for _ in range(MAX_ROUNDS):
        classes = _all_present(scores)
        top = np.array([z[classes == j, j].max() for j in range(M)])
        shifted = z - np.where(np.abs(top) > 2, top, 0.0)  # tau is within 1 of top, which would be lost in a large tau
        scores = shifted - np.array([_simplex_threshold(shifted[classes == j, j]) for j in range(M)])
        alpha = np.maximum(scores[neurons, classes], 0.0)
        squared = float(((net.W - alpha[:, None] * teacher.W[classes]) ** 2).sum())
        gaps = np.maximum(scores.max(axis=1), 0.0) ** 2 - alpha**2
        if best is None or squared < best[0]:
            best = (squared, float(np.maximum(gaps, 0.0).sum()), classes, alpha)
        if best[1] == 0 or classes.tobytes() in seen:
            break
        seen.add(classes.tobytes())
    assert best is not None
    squared, gap, classes, alpha = best
    rounding = 64 * np.finfo(float).eps * float((net.W**2).sum() + M)
    return Projection(
        minimum=Minimum(classes, alpha),
        network=TwoLayerNet(alpha[:, None] * teacher.W[classes]),
        distance=float(np.sqrt(squared)),
        lower_bound=float(np.sqrt(max(squared - gap, 0.0))),
        is_nearest=bool(gap <= rounding),
    )


def _teacher_coordinates(net: TwoLayerNet, teacher: TwoLayerNet) -> FloatArray:
    """Return ``w_i . v_j`` ``(m, M)``, refusing what the characterisation of the minima does not cover."""
    _checks.instance("net", net, TwoLayerNet)
    _checks.instance("teacher", teacher, TwoLayerNet)
    _checks.same_dimension("net", net.input_dim, "the teacher", teacher.input_dim)
    for name, network in (("net", net), ("teacher", teacher)):
        if (network.a != 1).any():
            i = int(np.argmax(network.a != 1))
            raise InvalidInputError(f"{name} must have output weights one, got {network.a[i]} at neuron {i}")
    deviation = np.abs(teacher.W @ teacher.W.T - np.eye(teacher.width))
    if deviation.max() > ORTHONORMAL_TOL:
        i, j = (int(k) for k in np.unravel_index(np.argmax(deviation), deviation.shape))
        raise InvalidInputError(
            f"teacher must have orthonormal rows, got v_{i} . v_{j} = {float(teacher.W[i] @ teacher.W[j]):.12g}"
        )
    return net.W @ teacher.W.T


def _simplex_threshold(z: FloatArray) -> float:
    """Return tau with ``sum_i max(z_i - tau, 0) = 1``."""
    ordered = np.sort(z)[::-1]
    candidates = (np.cumsum(ordered) - 1) / np.arange(1, len(z) + 1)
    return float(candidates[np.flatnonzero(ordered > candidates)[-1]])


def _all_present(scores: FloatArray) -> IntArray:
    """Return the class of largest score of each neuron, with one neuron reserved for each class if one would be empty."""
    classes = np.argmax(scores, axis=1)
    if len(np.unique(classes)) < scores.shape[1]:
        reserved, j = linear_sum_assignment(scores - scores.max(axis=1, keepdims=True), maximize=True)
        classes[reserved] = j
    return classes


def _listed(reasons: list[str], kind: str) -> list[str]:
    return reasons if len(reasons) <= 5 else [*reasons[:5], f"and {len(reasons) - 5} more {kind}"]
