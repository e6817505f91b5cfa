"""The loss barrier between two global minima, exact at every width."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray, Rng
from lmctheory._compiled.minima import residual_mean
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.minima.exact import MOST_NODES, exact_matching
from lmctheory.minima.heights import highest_loss, mismatched
from lmctheory.minima.manifold import Minimum, same_manifold
from lmctheory.minima.matching import match
from lmctheory.minima.swaps import improve

MATCHINGS = ("lightest", "random", "swaps", "exact")


@dataclass(frozen=True, eq=False)
class MinimaBarrier:
    """The loss barrier on the segment from a global minimum A to a permuted global minimum B, Gaussian inputs.

    Attributes
    ----------
    height : float
        The largest loss on the segment; the loss at both ends is 0.
    position : float
        Its position t in [0, 1]; t = 0 is A. Rounded to an end if it is nearer to it than rounding.
    logit : float
        ``log(t / (1 - t))``, which tells t from an end however near.
    leftover : int
        Number of mismatched pairs, L.
    pairs : ndarray of int, shape (L, 2)
        Their neurons in A and in B.
    residual_l1 : float
        ``E|f_t - f*|`` at `position`.
    matching : str
        "lightest", "random", "swaps", "exact" or "given".
    permutation : ndarray of int, shape (m,)
        Applied to B: neuron i of A meets neuron ``permutation[i]`` of B.
    grid, losses : ndarray
        The positions at which the maximum was located, increasing, and the loss there.
    swaps : int
        Number of swaps that lowered the height; 0 unless matching is "swaps" or "exact".
    seed : tuple or None
        Entropy and spawn key behind a random matching.
    """

    height: float
    position: float
    logit: float
    leftover: int
    pairs: IntArray
    residual_l1: float
    matching: str
    permutation: IntArray
    grid: FloatArray
    losses: FloatArray
    swaps: int
    seed: tuple[object, tuple[int, ...]] | None


@dataclass(frozen=True, eq=False)
class ExactMinimaBarrier(MinimaBarrier):
    """The lowest loss barrier between two global minima over all permutations, with what proves it.

    Attributes
    ----------
    is_optimal : bool
        Whether the search is complete: no permutation is lower, by a part 1e-12 or more.
    lower_bound : float
        Proved to be at most the barrier under every permutation; the height less a part 1e-12 if the search is complete.
    nodes : int
        Number of nodes searched; 0 where the height is 0.
    """

    is_optimal: bool
    lower_bound: float
    nodes: int


@overload
def minima_barrier(
    min_a: Minimum, min_b: Minimum, matching: Literal["exact"], *,
    rng: Rng = ..., time_limit: float | None = ..., node_limit: int | None = ...,
) -> ExactMinimaBarrier: ...  # fmt: skip
@overload
def minima_barrier(
    min_a: Minimum, min_b: Minimum, matching: str | ArrayLike = ..., *,
    rng: Rng = ..., time_limit: float | None = ..., node_limit: int | None = ...,
) -> MinimaBarrier: ...  # fmt: skip


def minima_barrier(
    min_a: Minimum,
    min_b: Minimum,
    matching: str | ArrayLike = "lightest",
    *,
    rng: Rng = None,
    time_limit: float | None = None,
    node_limit: int | None = None,
) -> MinimaBarrier:
    """Return the loss barrier between two global minima of one teacher, modulo the permutation that `matching` selects.

    Where neuron ``alpha e_a`` of A meets ``beta e_b`` of B with ``a != b``, the residual ``f_t - f*`` gains
    ``-min(p|x_a|, q|x_b|) 1{x_a x_b < 0}``, ``p = (1-t) alpha``, ``q = t beta``; equal classes and zero neurons add nothing. All
    terms have one sign, so ``L(theta_t) = sum_kl E[r_k r_l]`` is a sum of non-negative closed forms, and
    ``E|f_t - f*| = sum_k (p_k + q_k - sqrt(p_k^2 + q_k^2)) / sqrt(2 pi)``.

    - "lightest": as few mismatched pairs as possible, and those light. In each class the heaviest neurons of A meet the
      heaviest of B, which leaves over the lightest neurons of the class with more of them. Zero neurons of the other
      network absorb the heaviest of all neurons left over; for no other choice with as few mismatched pairs is the k-th
      lightest neuron left over lighter, for any k. What remains of A, heaviest first, meets what remains of B, lightest
      first: ``E|r|`` and ``E[r^2]`` have positive mixed derivatives in p and q, so of all ways to pair given leftovers
      this one has the least ``E|f_t - f*|`` (and the least sum of ``E[r_k^2]``) at every t.
    - "random": as few mismatched pairs as possible; which neurons are left over in a class, which of them meet zero
      neurons, and which meets which, is uniformly random.
    - "swaps": "lightest", improved by exchanging the partners of two neurons of A until no exchange lowers the height.
    - "exact": the lowest of all permutations, with a proof. Complete search, from "swaps", of how many of the lightest
      neurons of each class are left over and of how they are paired; the optimum may have more mismatched pairs than the least
      number, in a detour through light neurons of a third class.

    Parameters
    ----------
    min_a, min_b : Minimum
        Of one width m and one teacher width M.
    matching : {"lightest", "random", "swaps", "exact"} or array_like of int, shape (m,)
        A permutation of B's neurons may be given.
    rng : int, SeedSequence, Generator or None
        Used by "random" only.
    time_limit : float or None
        Seconds after which "exact" stops, and returns the best permutation and the best bound found; by default never.
    node_limit : int or None
        Number of nodes after which it stops likewise; by default ten million, some ten minutes.

    Returns
    -------
    MinimaBarrier
        An `ExactMinimaBarrier` for "exact".

    Raises
    ------
    InvalidInputError
        If an argument is not a `Minimum`, widths or teacher widths differ, `matching` is neither a name nor a permutation, or
        a limit is not positive or given with another matching than "exact".

    Warns
    -----
    ConvergenceWarning
        If "exact" stops before its search is complete, at a limit or because more than 48 pairs would be mismatched.

    Notes
    -----
    The dimension does not enter. For inputs uniform on the unit sphere in R^d divide the height by d.

    Relative error of the height about 1e-14, whatever the weights; it underflows to 0 below 1e-308. New names of the classes,
    another order of the neurons and an exchange of A and B leave the heights of all matchings but "random" the same up to this
    error, though with equal weights in several classes "swaps" may end in another local optimum.

    The maximum is located on a grid in ``log(t/(1-t))`` that goes on until ``L(t) / (1-t)^2``, which increases with t, or
    ``L(t) / t^2``, which decreases, shows that nothing beyond can be higher; all maxima on the grid that may be the highest are
    refined.

    Cost: sorting, O(m log m), then for each position a time linear in the number L of mismatched pairs, plus about 20 ns
    for each two of them that have exactly one class in common (L is about ``sqrt(m (M-1) / (2 pi))`` for uniform minima).
    Pairs on the same axes with the same ratio of weights, as under equal weights, are merged first.

    "swaps" tries each mismatched pair, the heaviest first, with each other and with the lightest matched neurons of each class;
    no other swap can lower the height more. A trial costs O(L), a round O(L^3). It ends in a local optimum, in which no swap
    gains a part 1e-10. Practical up to m of some 10^4: for uniform minima and M = 4 about a second at m = 10^4, ten at 3 10^4.

    "exact" is branch and bound: at a fixed t the loss of the pairs decided upon, and a linear assignment of the others that
    counts their means in full (residuals are positively correlated) and their covariances from below, is at most the barrier.
    Its time grows exponentially with L: about a second at L = 20 for M = 3 and at L = 15 for M = 4 and 8, a minute at 28, 20 and
    18. For uniform minima these L are usual at m = 1000, 500, 120 and at m = 2000, 800, 200; at half the
    width it takes some 10 ms, but single pairs have many more mismatches than usual. It always ends: at the limit of nodes the
    best permutation so far is returned with what is proved, and `is_optimal` is false. For M = 2 "lightest" is optimal.

    References
    ----------
    [LLW] Lin, Li, Wu 2024, for the minima.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> a = lmc.Minimum([0, 0, 0, 1], [0.5, 0.3, 0.2, 1.0])
    >>> b = lmc.Minimum([0, 1, 1, 1], [1.0, 0.6, 0.3, 0.1])
    >>> found = lmc.minima_barrier(a, b)
    >>> found.pairs  # the lightest of A's surplus meets the heaviest left over of B's
    array([[1, 3],
           [2, 2]])
    >>> net_a, net_b, teacher = a.to_network(), b.to_network(), lmc.orthonormal_teacher(2, 2)
    >>> general = lmc.barrier(net_a, net_b, teacher, align=found.permutation)
    >>> abs(found.height - general.height) < general.loss_floor
    True
    """
    same_manifold(min_a=min_a, min_b=min_b)
    name, seed, swaps, search = "given", None, 0, None
    if isinstance(matching, str):
        name = _checks.choice("matching", matching, MATCHINGS)
    if time_limit is not None:
        time_limit = _checks.real("time_limit", time_limit, positive=True)
        if name != "exact":
            raise InvalidInputError(f"time_limit belongs to matching='exact', got {time_limit} with {name!r}")
    if node_limit is not None:
        node_limit = _checks.integer("node_limit", node_limit, 1)
        if name != "exact":
            raise InvalidInputError(f"node_limit belongs to matching='exact', got {node_limit} with {name!r}")
    if name == "given":
        perm = _checks.permutation("matching", matching, min_a.width)
    elif name == "random":
        root = _checks.seed_sequence(rng)
        seed = (root.entropy, root.spawn_key)
        perm = match(min_a, min_b, np.random.default_rng(_checks.stream(root, "matching")))
    else:
        perm = match(min_a, min_b)
    if name == "swaps" or (name == "exact" and min_a.M > 2):
        perm, swaps = improve(min_a, min_b, perm)
    if name == "exact":
        search = exact_matching(min_a, min_b, perm, time_limit, MOST_NODES if node_limit is None else node_limit)
        perm = search.permutation
    neurons = mismatched(min_a, min_b, perm)
    alpha, beta = min_a.weights[neurons], min_b.weights[perm[neurons]]
    top = highest_loss(min_a, min_b, neurons, perm[neurons])
    found = MinimaBarrier(
        height=top.height,
        position=float(expit(top.logit)),
        logit=top.logit,
        leftover=len(neurons),
        pairs=np.stack([neurons, perm[neurons]], axis=1),
        residual_l1=float(residual_mean(expit(-top.logit), expit(top.logit), alpha, beta)),
        matching=name,
        permutation=perm,
        grid=expit(top.grid),
        losses=top.losses,
        swaps=swaps,
        seed=seed,
    )
    if search is None:
        return found
    if not search.is_optimal:
        warnings.warn(
            f"complete search stopped after {search.nodes} nodes: the barrier is {top.height:.6g} or less, "
            f"and at least {search.lower_bound:.6g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    return ExactMinimaBarrier(**vars(found), is_optimal=search.is_optimal, lower_bound=search.lower_bound, nodes=search.nodes)
