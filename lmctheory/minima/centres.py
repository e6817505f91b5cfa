"""Minima next to several given ones: which classes their neurons may have, and with which weights they are near.

A and B are linearly connected iff for every neuron one of the two is zero or both have the same class ([LLW] Lemma 7): a
neuron of a common neighbour must be zero where two of the given minima have different classes, may have any class where all
are zero, and else only the one class that occurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import LmcError
from lmctheory.minima.manifold import Minimum

ANY, NONE = -1, -2  # classes open to a neuron of a common neighbour
MAX_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Overlap:
    """What k minima of M classes and width m have in common.

    `labels` ``(m,)`` are the classes open to a common neighbour, ANY or NONE included, and `sizes` ``(M,)`` the numbers of
    neurons open to one class each. `moved` ``(k, M)`` is the weight of each class on neurons of label NONE, which a common
    neighbour must carry elsewhere, `lost` ``(k,)`` the sum of the squares of these weights.
    """

    labels: IntArray
    sizes: IntArray
    moved: FloatArray
    lost: FloatArray

    @property
    def missing(self) -> IntArray:
        """Classes that no neuron is open to, those open to any class aside."""
        return np.flatnonzero(self.sizes == 0)

    @property
    def free(self) -> IntArray:
        """Neurons open to any class."""
        return np.flatnonzero(self.labels == ANY)

    def share_out(self, demand: FloatArray) -> tuple[IntArray, IntArray]:
        """Return labels and sizes with the free neurons given to classes so that ``sum_j demand_j^2 / sizes_j`` is least.

        The terms are convex in the sizes, so each free neuron goes where it lowers the sum most. There must be as many free
        neurons as missing classes.
        """
        free = self.free
        sizes = self.sizes[:, None] + np.arange(len(free))
        with np.errstate(divide="ignore"):
            gains = demand[:, None] ** 2 / (sizes * (sizes + 1.0))
        classes = np.sort(np.argsort(-gains, axis=None, kind="stable")[: len(free)] // max(len(free), 1))
        labels = self.labels.copy()
        labels[free] = classes
        return labels, self.sizes + np.bincount(classes, minlength=len(self.sizes))


def overlap(minima: Sequence[Minimum]) -> Overlap:
    """Return what the minima, all of one width and M, have in common."""
    M = minima[0].M
    classes = np.stack([minimum.classes for minimum in minima])
    weights = np.stack([minimum.weights for minimum in minima])
    top = classes.max(axis=0)
    clash = ((classes != top) & (classes >= 0)).any(axis=0)
    moved = [np.bincount(c[clash] + 1, w[clash], M + 1)[1:] for c, w in zip(classes, weights, strict=True)]
    return Overlap(
        labels=np.where(clash, NONE, top),
        sizes=np.bincount(top[~clash] + 1, minlength=M + 1)[1:],
        moved=np.array(moved, dtype=np.float64),
        lost=(weights[:, clash] ** 2).sum(axis=1),
    )


def common_neighbour(minima: Sequence[Minimum], shared: Overlap) -> Minimum:
    """Return the minimum linearly connected to all the given ones with the least mean square distance from them.

    On every neuron open to a class its weight is the mean of the given ones; what these have on neurons of label NONE is
    spread evenly over the neurons of the class, which nothing clips, because it is never negative.
    """
    mixture = np.full(len(minima), 1 / len(minima))
    return _mixed(minima, shared, mixture, *shared.share_out(mixture @ shared.moved))


def turning_point(a: Minimum, b: Minimum, shared: Overlap) -> Minimum:
    """Return the common neighbour C of two minima with the least ``|A - C| + |C - B|``.

    Let ``n_j`` be the number of neurons of class j in C, ``a_j`` and ``b_j`` the weights `moved`, ``P`` and ``Q`` the sums
    of squares `lost`, and ``S = P + sum_j a_j^2 / n_j``, ``T = Q + sum_j b_j^2 / n_j``. A minimiser of the sum of the
    distances minimises ``|A - C|^2 (1 - x) + |C - B|^2 x`` for some x: its weights are ``(1 - x) alpha_i + x beta_i`` and an
    equal share of what is moved, and with them ``|A - C|^2 = S + x^2 G`` and ``|C - B|^2 = T + (1 - x)^2 G`` for one G. By
    Minkowski's inequality the sum is least at ``x = sqrt(S) / (sqrt(S) + sqrt(T))``, where its square is
    ``|A - B|^2 + 2 sum_j a_j b_j / n_j + 2 sqrt(S T)``.

    Neurons that are zero in both are shared out to make this least: ``2 sqrt(S T)`` is the minimum over k of
    ``k S + T / k``, and for given k `Overlap.share_out` is exact, so that alternating between the two never lengthens the path.
    """
    labels, sizes = shared.share_out(shared.moved.sum(axis=0))
    for _ in range(MAX_ROUNDS):
        root_s, root_t = np.maximum(np.sqrt(shared.lost + (shared.moved**2 / sizes).sum(axis=1)), np.finfo(float).tiny)
        k, previous = root_t / root_s, labels
        labels, sizes = shared.share_out(np.sqrt(k) * shared.moved[0] + shared.moved[1] / np.sqrt(k))
        if np.array_equal(labels, previous):
            break
    return _mixed([a, b], shared, np.array([root_t, root_s]) / (root_s + root_t), labels, sizes)


def _mixed(minima: Sequence[Minimum], shared: Overlap, mixture: FloatArray, labels: IntArray, sizes: IntArray) -> Minimum:
    shift = mixture @ shared.moved / sizes
    weights = np.zeros(len(labels))
    kept = labels >= 0
    weights[kept] = sum(x * minimum.weights[kept] for x, minimum in zip(mixture, minima, strict=True)) + shift[labels[kept]]
    return Minimum(np.where(kept, labels, -1), weights)


def second_neighbour(minima: Sequence[Minimum]) -> Minimum | None:
    """Return a minimum at two pieces from each of k minima, None if there is none; for ``m >= k (M - 1) + 1`` there is one.

    Turning a neuron to zero keeps all connections, so that only minima with one neuron a class matter. Pick such a neighbour
    of each minimum l, neuron ``picks[l, j]`` for class j. A centre then exists if each class has a place of its own: a
    *clean* neuron, picked for no other class, or one that was not picked at all. Of these there are ``m - k M + D``, D being
    the number of picks less that of the neurons picked, so that ``w <= D - (k - 1)`` must be shown for ``m = k (M - 1) + 1``
    and w the number of classes without a clean neuron. (A zero neuron may be taken to be of any class here.)

    - Greedy picks: a neuron is picked for all of its classes that have none yet, so the first one for k. If it is picked for
      one class alone it adds ``k - 1`` to D; all k picks of a class without a clean neuron are of other neurons, each of which
      adds at least half of its picks to D: ``D >= k - 1 + k w / 2``. Else let it have x picks of such classes. The others add
      at least ``(k w - x) / 2``, rounded up; ``x <= k - 1`` if w = 1, ``x <= k`` else, and for k >= 3 this is at least w.
    - For k = 2 write each neuron picked twice as an arrow from its class in A to that in B. Every class has at most one arrow
      in and one out, so that they form paths, loops and longer cycles; ``D - w`` counts the paths and loops. If there is
      none, some neuron is not picked. It is picked instead of an arrow of a class in a cycle, which leaves a path, or, if
      neither of its classes is in one, for both, as a new arrow.

    No smaller width suffices: with m = k (M - 1), let neuron ``(M - 1) l + j`` be the only one of class j in minimum l, for
    j < M - 1, and all others of class M - 1. No other class can be put on any of them: there is no place for the last class.
    """
    m, M = minima[0].width, minima[0].M
    classes = np.stack([minimum.classes for minimum in minima])
    some_class = np.maximum(classes, 0)
    picks = _greedy_picks(some_class, M)
    labels, stuck = _places(picks, m)
    if labels is None and len(minima) == 2 and m >= 2 * M - 1:
        i = int(np.setdiff1d(np.arange(m), picks)[0])
        a, b = some_class[:, i]
        if stuck[a] or not stuck[b]:
            picks[0, a] = i
        if not stuck[a]:
            picks[1, b] = i
        labels, _ = _places(picks, m)
    if labels is None:
        labels = _by_integer_programme(classes, M)
    return None if labels is None else Minimum(labels, (labels >= 0).astype(np.float64))


def _greedy_picks(classes: IntArray, M: int) -> IntArray:
    k, m = classes.shape
    first = np.empty((k, M), dtype=np.intp)
    for row, labels in zip(first, classes, strict=True):
        row[labels[::-1]] = np.arange(m)[::-1]
    picks = np.full((k, M), -1)
    for minimum, j in np.ndindex(k, M):
        if picks[minimum, j] < 0:
            i = first[minimum, j]
            new = np.flatnonzero(picks[np.arange(k), classes[:, i]] < 0)
            picks[new, classes[new, i]] = i
    return picks


def _places(picks: IntArray, m: int) -> tuple[IntArray | None, np.ndarray]:
    """Return labels with a place for each class, None if there are not enough, and which classes have no clean neuron."""
    M = picks.shape[1]
    lowest, highest = np.full(m, M), np.full(m, -1)
    classes = np.broadcast_to(np.arange(M), picks.shape)
    np.minimum.at(lowest, picks, classes)
    np.maximum.at(highest, picks, classes)
    place = np.full(M, -1)
    clean = np.flatnonzero(lowest == highest)
    place[lowest[clean]] = clean
    stuck, unpicked = place < 0, np.flatnonzero(highest < 0)
    if stuck.sum() > len(unpicked):
        return None, stuck
    place[stuck] = unpicked[: stuck.sum()]
    labels = np.full(m, -1)
    labels[place] = np.arange(M)
    return labels, stuck


def _by_integer_programme(classes: IntArray, M: int) -> IntArray | None:
    """Return labels of a second neighbour with one neuron a class, None if there are none.

    ``x[i, j]`` says that neuron i has class j. Each class of each minimum needs a neuron that x puts in no other class; a zero
    neuron serves one class, chosen by z, which may be continuous: given x it is a matching.
    """
    k, m = classes.shape
    eye, ones = sparse.eye_array, np.ones((1, M))
    zero_of, zero = np.nonzero(classes < 0)
    of, neuron = np.nonzero(classes >= 0)
    own = classes[of, neuron]
    n, serving = m * M, len(zero) * M
    elsewhere = sparse.kron(eye(m), 1 - np.eye(M), format="csr")  # row (i, j): neuron i is in a class other than j
    owners = sparse.csr_array((np.ones(len(of)), (of * M + own, np.arange(len(of)))), shape=(k * M, len(of)))
    served = (zero_of[:, None] * M + np.arange(M)).ravel()
    servants = sparse.csr_array((np.ones(serving), (served, np.arange(serving))), shape=(k * M, serving))
    matrix = sparse.block_array(
        [
            [sparse.kron(np.ones((1, m)), eye(M)), sparse.csr_array((M, serving))],
            [sparse.kron(eye(m), ones), sparse.csr_array((m, serving))],
            [sparse.csr_array((len(zero), n)), sparse.kron(eye(len(zero)), ones)],
            [elsewhere[(zero[:, None] * M + np.arange(M)).ravel()], eye(serving)],
            [-owners @ elsewhere[neuron * M + own], servants],
        ]
    )
    needed = 1 - np.bincount(of * M + own, minlength=k * M)
    free = np.zeros(m + len(zero) + serving)
    found = milp(
        np.zeros(n + serving),
        integrality=np.arange(n + serving) < n,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(
            matrix, np.concatenate([np.ones(M), free, needed]), np.concatenate([np.ones(M), free + 1, np.full(k * M, np.inf)])
        ),
    )
    if found.status not in (0, 2):
        raise LmcError(f"the search for a common second neighbour failed: {found.message}")
    if found.status == 2:
        return None
    x = found.x[:n].reshape(m, M) > 0.5
    return np.where(x.any(axis=1), x.argmax(axis=1), -1)
