"""Paths of zero loss between global minima, and their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmctheory import _checks
from lmctheory._checks import IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.minima.centres import Overlap, common_neighbour, overlap, second_neighbour, turning_point
from lmctheory.minima.manifold import Minimum, same_manifold


@dataclass(frozen=True, eq=False)
class ZeroLossPath:
    """A piecewise linear path of global minima, or why there is none; true or false in a condition.

    Attributes
    ----------
    corners : tuple of Minimum
        Both ends and the corners between them, in order; empty if there is no path.
    reason : str
        Why there is no path, empty if there is one.
    """

    corners: tuple[Minimum, ...]
    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason

    @property
    def pieces(self) -> int:
        """Number of straight pieces."""
        return max(len(self.corners) - 1, 0)

    @property
    def length(self) -> float:
        """Euclidean length in the hidden weights; infinite if there is no path."""
        return sum(map(_distance, self.corners, self.corners[1:])) if self else np.inf


@dataclass(frozen=True, eq=False)
class StarCenter:
    """A global minimum joined to several others, or why there is none; true or false in a condition.

    Attributes
    ----------
    center : Minimum or None
    paths : tuple of ZeroLossPath
        From each of the given minima to the centre, in their order; empty if there is no centre.
    reason : str
        Why there is no centre, empty if there is one.
    """

    center: Minimum | None
    paths: tuple[ZeroLossPath, ...]
    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


@dataclass(frozen=True, eq=False)
class GeodesicBound:
    """An enclosure of the normalised geodesic distance between two minima.

    Attributes
    ----------
    ratio : float
        Length of `path` over `distance`, an upper bound; infinite if there is no path of two pieces, 1 if the minima agree.
    lower_bound : float
        No path of zero loss, however curved, is shorter than this times `distance`.
    distance : float
        Euclidean distance of the hidden weights.
    path : ZeroLossPath
        Of two pieces, or of one if that suffices.
    """

    ratio: float
    lower_bound: float
    distance: float
    path: ZeroLossPath


def zero_loss_path(min_a: Minimum, min_b: Minimum, pieces: int = 2) -> ZeroLossPath:
    """Return a path of zero loss between two global minima with at most `pieces` straight pieces, or why there is none.

    All neurons stay where they are: no permutation is applied. The segment between two minima has zero loss iff for every
    neuron one of the two is zero or both have the same class.

    - One piece: this criterion.
    - Two: a corner C exists iff each class j has a neuron that is in class j, or zero, in A and in B and not zero in both; for
      each class without one, a neuron that is zero in both serves. The path returned is the shortest of two pieces, see
      `geodesic_upper_bound`.
    - Four: always possible for ``m >= 2 M - 1``, by a construction; below, a path is found or excluded by an integer
      programme. It is not made short.

    Parameters
    ----------
    min_a, min_b : Minimum
        Of one width m and one teacher width M.
    pieces : {1, 2, 4}
        At most; one or two are used if they suffice.

    Returns
    -------
    ZeroLossPath

    Raises
    ------
    InvalidInputError
        If an argument is not a `Minimum`, widths or teacher widths differ, or `pieces` is not 1, 2 or 4.

    Notes
    -----
    The answer is exact for every width: a path is refused only if there is none. Cost linear in m, except for the integer
    programme (M m binary variables, ``m <= 2 M - 2``): some 10 ms for M = 4, 50 ms for M = 32.

    Four pieces cannot be made three at any width: if a neuron is the only one of class 0 in A and the only one of class 1 in
    B, then A's next corner keeps it in class 0 and B's in class 1. Nor does ``m = 2 M - 2`` suffice: see
    `lmctheory.minima.centres.second_neighbour` for the proofs.

    References
    ----------
    [LLW] Lin, Li, Wu 2024, Lemma 7, Theorems 8 and 9.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> a = lmc.Minimum([0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5])
    >>> b = lmc.Minimum([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    >>> path = lmc.zero_loss_path(a, b)
    >>> path.corners[1].classes, path.corners[1].weights
    (array([ 0, -1, -1,  1]), array([1., 0., 0., 1.]))
    >>> c = lmc.Minimum([1, 1, 0, 0], [0.5, 0.5, 0.5, 0.5])
    >>> lmc.zero_loss_path(a, c).reason
    'every neuron of classes 0, 1 in one minimum has another class in another'
    >>> lmc.zero_loss_path(a, c, pieces=4).pieces
    3
    """
    same_manifold(min_a=min_a, min_b=min_b)
    pieces = _checks.integer("pieces", pieces, 1)
    if pieces not in (1, 2, 4):
        raise InvalidInputError(f"pieces must be 1, 2 or 4, got {pieces}")
    conflicts = _conflicts(min_a, min_b)
    if len(conflicts) == 0:
        return ZeroLossPath((min_a, min_b))
    if pieces == 1:
        return ZeroLossPath((), f"{_listed('neuron', conflicts)} in different classes")
    shared = overlap([min_a, min_b])
    reason = _no_common_neighbour(shared)
    if not reason:
        return ZeroLossPath((min_a, turning_point(min_a, min_b, shared), min_b))
    if pieces == 2:
        return ZeroLossPath((), reason)
    center = second_neighbour([min_a, min_b])
    if center is None:
        return ZeroLossPath((), _no_second_neighbour([min_a, min_b]))
    first, second = zero_loss_path(min_a, center), zero_loss_path(center, min_b)
    return ZeroLossPath((*first.corners, *second.corners[1:]))


def star_center(minima: Sequence[Minimum], pieces: int = 1) -> StarCenter:
    """Return a global minimum joined to each of the given ones by a path of zero loss, or why there is none.

    - One piece each: a centre exists iff each class j has a neuron that is in class j or zero in all minima and not zero in
      all; for each class without one, a neuron that is zero in all serves. Of all centres this is one of least mean square
      distance from the minima.
    - Two pieces each: always possible for ``m >= k (M - 1) + 1``, by a construction; below, a centre is found or excluded
      by an integer programme. The paths are the shortest to that centre.

    Parameters
    ----------
    minima : sequence of Minimum
        k of them, at least two, of one width m and one teacher width M.
    pieces : {1, 2}
        Of the path from each minimum to the centre; one is used if it suffices for all of them.

    Returns
    -------
    StarCenter

    Raises
    ------
    InvalidInputError
        If there are fewer than two minima, widths or teacher widths differ, or `pieces` is not 1 or 2.

    Notes
    -----
    The answer is exact for every width: a centre is refused only if there is none. Cost linear in m, except for the integer
    programme.

    [LLW] Theorem 11 asks for ``m >= k M``; ``k (M - 1) + 1`` is enough, and ``k (M - 1)`` is not for any k, M >= 2: see
    `lmctheory.minima.centres.second_neighbour` for the proofs. For k = 2 this is the path of four pieces for ``m >= 2 M - 1``.

    References
    ----------
    [LLW] Lin, Li, Wu 2024, Theorems 10 and 11.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> minima = [lmc.sample_minimum(2, 40, rng=k) for k in range(4)]
    >>> star = lmc.star_center(minima)
    >>> [path.pieces for path in star.paths]
    [1, 1, 1, 1]
    """
    minima = _checks.items("minima", minima, "minima", 2)
    same_manifold(**{f"minima[{k}]": minimum for k, minimum in enumerate(minima)})
    pieces = _checks.integer("pieces", pieces, 1)
    if pieces > 2:
        raise InvalidInputError(f"pieces must be 1 or 2, got {pieces}")
    shared = overlap(minima)
    reason = _no_common_neighbour(shared)
    if not reason:
        center = common_neighbour(minima, shared)
    elif pieces == 1:
        return StarCenter(None, (), reason)
    else:
        found = second_neighbour(minima)
        if found is None:
            return StarCenter(None, (), _no_second_neighbour(minima))
        center = found
    return StarCenter(center, tuple(zero_loss_path(minimum, center) for minimum in minima))


def geodesic_upper_bound(min_a: Minimum, min_b: Minimum) -> GeodesicBound:
    """Return the length of the shortest path of zero loss with two pieces, over the Euclidean distance, and a lower bound.

    The normalised geodesic distance is the infimum of ``length / |A - B|`` over all paths of zero loss. The shortest path of two
    pieces bounds it from above: with ``n_j`` the number of neurons that are in class j, or zero, in both,
    ``a_j`` and ``b_j`` the weight of class j on the other neurons, and ``S = sum alpha_i^2 + sum_j a_j^2 / n_j``,
    ``T = sum beta_i^2 + sum_j b_j^2 / n_j``, the first sums over neurons of different classes,

        length^2 = |A - B|^2 + 2 sum_j a_j b_j / n_j + 2 sqrt(S T).

    From below: a neuron of different classes has to pass through 0, so that it travels at least ``alpha_i + beta_i``, and no
    path is shorter than the root of the sum of the squares of what its neurons travel,

        length^2 >= |A - B|^2 + 2 sum alpha_i beta_i.

    Parameters
    ----------
    min_a, min_b : Minimum
        Of one width m and one teacher width M.

    Returns
    -------
    GeodesicBound
        With ratio inf and the reason in `GeodesicBound.path` if no path of two pieces exists.

    Raises
    ------
    InvalidInputError
        As for `zero_loss_path`.

    Notes
    -----
    Paths of more pieces may be shorter. Where no neuron is zero in both, the classes of the corner are forced, its weights are
    a closed form, and no path of two pieces is shorter. Neurons that are zero in both are shared out among the classes by
    alternating minimisation: among 1641 random pairs of width below 12 it missed the best way in 28, by up to 1 % in length.
    Cost O(m), or O(M m log m) with such neurons.

    References
    ----------
    [LLW] Lin, Li, Wu 2024, Theorems 12 and 14.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> a = lmc.Minimum([0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5])
    >>> b = lmc.Minimum([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    >>> bound = lmc.geodesic_upper_bound(a, b)
    >>> round(bound.lower_bound, 6), round(bound.ratio, 6)
    (1.414214, 2.0)
    """
    path = zero_loss_path(min_a, min_b)
    distance = _distance(min_a, min_b)
    if distance == 0:
        return GeodesicBound(1.0, 1.0, distance, path)
    conflicts = _conflicts(min_a, min_b)
    detour = 2 * float(min_a.weights[conflicts] @ min_b.weights[conflicts])
    return GeodesicBound(
        ratio=path.length / distance,
        lower_bound=float(np.sqrt(1 + detour / distance**2)),
        distance=distance,
        path=path,
    )


def _conflicts(min_a: Minimum, min_b: Minimum) -> IntArray:
    """Return the neurons that have different classes."""
    return np.flatnonzero((min_a.classes != min_b.classes) & (min_a.classes >= 0) & (min_b.classes >= 0))


def _distance(min_a: Minimum, min_b: Minimum) -> float:
    """Return the Euclidean distance: neurons of different classes are orthogonal."""
    apart = _conflicts(min_a, min_b)
    steps = min_a.weights - min_b.weights
    steps[apart] = np.hypot(min_a.weights[apart], min_b.weights[apart])
    return float(np.linalg.norm(steps))


def _no_common_neighbour(shared: Overlap) -> str:
    """Return why no minimum is linearly connected to all, empty if one is."""
    missing, free = shared.missing, len(shared.free)
    if len(missing) <= free:
        return ""
    reason = f"every neuron of {_listed('class', missing)} in one minimum has another class in another"
    return f"{reason}, and only {free} neuron{'s are' if free > 1 else ' is'} zero in all" if free else reason


def _no_second_neighbour(minima: Sequence[Minimum]) -> str:
    k, m, M = len(minima), minima[0].width, minima[0].M
    return f"no minimum is at two pieces from each of the {k}, by an integer programme (m = {m}, k (M - 1) = {k * (M - 1)})"


def _listed(kind: str, indices: IntArray) -> str:
    names = ", ".join(map(str, indices[:5])) + (f" and {len(indices) - 5} more" if len(indices) > 5 else "")
    return f"{kind} {names}" if len(indices) == 1 else f"{kind}{'es' if kind == 'class' else 's'} {names}"
