"""The one entry to all methods of alignment."""

from __future__ import annotations

import warnings
from typing import Literal, overload

from lmctheory import _checks
from lmctheory._checks import Rng
from lmctheory.alignment.alignment import Alignment
from lmctheory.alignment.assignment import N_ORDERS, Assignment, by_similarity
from lmctheory.alignment.exact import MAX_WIDTH, ExactAlignment, by_complete_search
from lmctheory.alignment.similarity import SIMILARITIES
from lmctheory.alignment.swaps import SwapAlignment, by_swaps
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.networks import LayeredNet, Network, TwoLayerNet, same_architecture
from lmctheory.objectives import Objective, PopulationLoss, as_objective
from lmctheory.paths import GRID_SIZE

METHODS = (*SIMILARITIES, "barrier", "exact")


# fmt: off
@overload
def align(
    net_a: Network, net_b: Network, method: Literal["weights", "activations"] = ..., *,
    objective: TwoLayerNet | Objective | None = ..., inputs: str = ..., grid_size: int = ..., time_limit: None = ...,
    n_orders: int = ..., rng: Rng = ...,
) -> Assignment: ...
@overload
def align(
    net_a: Network, net_b: Network, method: Literal["barrier"], *,
    objective: TwoLayerNet | Objective, inputs: str = ..., grid_size: int = ..., time_limit: None = ...,
    n_orders: int = ..., rng: Rng = ...,
) -> SwapAlignment: ...
@overload
def align(
    net_a: TwoLayerNet, net_b: TwoLayerNet, method: Literal["exact"], *,
    objective: TwoLayerNet | Objective, inputs: str = ..., grid_size: int = ..., time_limit: float | None = ...,
    n_orders: int = ..., rng: Rng = ...,
) -> ExactAlignment: ...
@overload
def align(
    net_a: Network, net_b: Network, method: str = ..., *,
    objective: TwoLayerNet | Objective | None = ..., inputs: str = ..., grid_size: int = ..., time_limit: float | None = ...,
    n_orders: int = ..., rng: Rng = ...,
) -> Alignment: ...
# fmt: on


def align(
    net_a: Network,
    net_b: Network,
    method: str = "weights",
    *,
    objective: TwoLayerNet | Objective | None = None,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
    time_limit: float | None = None,
    n_orders: int = N_ORDERS,
    rng: Rng = 0,
) -> Alignment:
    """Return a permutation that matches the neurons of `net_b` to those of `net_a`, layer by layer.

    By linear assignment on a similarity of neurons, which is a proxy of the barrier:

    - "weights": ``W_A W_B' + a_A a_B'``, which minimises the Euclidean distance of the networks. In a hidden layer l of a
      `LayeredNet` the similarity is ``W_{l-1}^A (W_{l-1}^B)' + b_{l-1}^A (b_{l-1}^B)' + (W_l^A)' W_l^B``, with B's neighbouring
      layers under their permutations: coordinate ascent over the layers, until none gains [AHS].
    - "activations": ``(a_A a_B') * E[h_A h_B']``, the inner product of what two neurons add to the outputs; in a `LayeredNet`
      ``((W_l^A)' W_l^B) * E[h_l^A (h_l^B)']``, of what they add to the next layer, from the last hidden layer to the first.
      Means are over the data of a `DataLoss`, else over Gaussian inputs, in closed form.

    By search for ``min_perm max_t e(t)``, the exact barrier of `objective` over the chord:

    - "barrier": local search by swaps of two neurons of a layer, from the better of the two assignments;
    - "exact": complete search by branch and bound, with a proof that no permutation is lower, for the population loss.

    Parameters
    ----------
    net_a, net_b : TwoLayerNet or LayeredNet
        Networks of one architecture; `TwoLayerNet.pad` brings unequal widths together. Convolutional networks are out of scope.
    method : {"weights", "activations", "barrier", "exact"}
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss; a network is the teacher of the population loss. Required by "barrier" and "exact", and by "activations" for a
        `LayeredNet`. Of a `DataLoss`, "activations" uses the inputs alone; "weights" does not depend on it. For "barrier" prefer
        a smooth loss: the error rate has steps, on which hardly a swap of two neurons gains.
    inputs : {"gaussian", "sphere"}
        Distribution of the inputs, as in `population_loss`; assignments do not depend on it.
    grid_size : int
        As in `barrier`, with which the heights agree.
    time_limit : float or None
        Seconds after which "exact" stops, and returns the best permutation and the best bound found; by default never.
    n_orders : int
        With "weights", and at the start of "barrier": how many orders of the layers are tried; the best is kept. Of D hidden
        layers there are ``2^(D-1)`` at most.
    rng : int, SeedSequence or Generator
        Draws the orders; the same by default.

    Returns
    -------
    Alignment
        An `Assignment`, a `SwapAlignment` or an `ExactAlignment`, with the evidence of the method.

    Raises
    ------
    InvalidInputError
        If architectures differ (the layer is named), a name is unknown, `objective` is missing or, with "exact", not a population
        loss, `time_limit` is not positive or given to another method, or networks of more than 64 neurons are given to "exact".

    Warns
    -----
    ConvergenceWarning
        If the time limit ends the search before the optimum is proved.

    Notes
    -----
    Assignments cost one matrix product and an assignment problem a layer and sweep, cubic in m at worst. Ties are broken by
    SciPy's solver, deterministically. With one hidden layer the assignment is the maximum; with more the similarity is not
    linear in all permutations together, and each order of the layers may end in another maximum. The first sweep goes from the
    input and the output inwards, in one of the orders in which a neighbour is known, and leaves out layers that are not: a copy
    of a network is matched exactly, and the numbering of the neurons does not matter. Later sweeps are in random order. If the
    identity is better than all that is found, the ascent starts from there too.

    No permutation undoes a scale: ``a relu(w . x) = (a / s) relu(s w . x)`` for every s > 0. The barrier depends on s, and so
    do all methods but "activations". Where neurons may have come to different scales, as in networks trained with their output
    weights or brought from elsewhere, align ``net_a.balance()`` with ``net_b.balance()``: copies that differ by scales and
    order alone are then recovered by every method.

    Activations are matched in [AHS] by the uncentred moments ``E[h_A h_B']`` alone. Outgoing weights make the similarity that
    of the neurons' contributions, which does not change when a neuron is scaled, ``h -> c h``, and its outgoing weights by 1/c.

    Heights are those of `barrier`, with the positions of narrow passages, so that `ExactAlignment.is_optimal` holds as far as
    what `barrier` says of its height; `ExactAlignment.lower_bound` is the excess at one position, and holds in any case.

    A swap changes two mixed neurons. The barrier can fall only if the loss falls at the present maximiser: all swaps are tried
    there, with ``2 (m + M)`` kernel evaluations each, those that pass on the uniform grid, and those that pass again by the
    refined maximum. The first that gains is made, and the search goes on behind it, in cyclic order; everything is
    deterministic. At the end no swap gains more than a relative 1e-10 or the rounding error of the barrier, whichever is
    larger. A round of all swaps costs ``m^2 (m + M)`` kernel evaluations, 0.1 s at m = 256, and a search a few of them.

    On n data the loss is convex in the outputs, and rises at least as much as to first order: that excludes most swaps of the
    last hidden layer in O(n), of the layer before it in O(n m). A swap that passes, or one in another layer, or with the error
    rate, costs the products from its layer on. On 1500 digits a search took 1 s at m = 64, 3 s at m = 128, 7 s and 30 s with two
    and three layers of 64 neurons. Of the grid, the four points next to the maximiser are tried before the refined maximum.

    The exact search rests on ``max_t e(t) >= e(t*)``, with t* the maximiser for the best permutation known, at first that of
    "barrier". There the excess is ``constant + sum_i linear[i, p_i] + sum_{i != j} quadratic[i, p_i, j, p_j]``, in closed form.
    It is bounded from below by dual ascent [HG]: amounts are moved between terms, so that the excess of no permutation changes
    and no term is negative, whatever the signs of output weights; what can be taken out as a constant is then a bound.
    Decisions ``i -> p`` whose linear term closes the gap to the best barrier are excluded, for no permutation with them is
    lower. What is left is split, depth first, at the neuron whose decisions cost most. A permutation found below the best
    barrier at t* is measured on the whole path; if it is lower there too, swaps lower it further, and the search starts again
    at its maximiser. Of permutations that differ by exchanges among equal neurons, or among neurons of one ray and one output
    weight, one is searched. Tables take ``m^4`` numbers. The time limit is checked once a round of ascent; the swaps before,
    the tables and the first round (a few seconds at m = 64) are not interrupted. Without a limit the search is deterministic.

    References
    ----------
    [AHS] Ainsworth, Hayase, Srinivasa, Git Re-Basin, ICLR 2023, for "weights". [HG] Hahn, Grant, Lower bounds for the quadratic
    assignment problem based upon a dual formulation, Operations Research 46, 1998.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> net = lmc.TwoLayerNet([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> lmc.align(net, net.permute([2, 0, 1])).permutation
    array([1, 2, 0])

    >>> deep = lmc.LayeredNet([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 2.0], [3.0, 4.0], [0.0, 5.0]], [[1.0, -1.0, 0.5]]])
    >>> lmc.align(deep, deep.permute([1, 0, 4, 2, 3])).permutation
    array([1, 0, 3, 4, 2])

    Two global minima, for which weight matching is not optimal:

    >>> net_a, net_b = (lmc.sample_minimum(2, 6, rng=seed).to_network() for seed in (12, 13))
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> lmc.align(net_a, net_b, "barrier", objective=teacher).trace.round(6)
    array([0.005361, 0.004774, 0.004472])
    >>> found = lmc.align(net_a, net_b, "exact", objective=teacher)
    >>> found.is_optimal, round(found.height, 6), round(found.lower_bound, 6)
    (True, 0.004472, 0.004472)
    """
    same_architecture("net_a", net_a, "net_b", net_b)
    _checks.choice("method", method, METHODS)
    n_orders, root = _checks.integer("n_orders", n_orders, 1), _checks.seed_sequence(rng)
    if time_limit is not None:
        time_limit = _checks.real("time_limit", time_limit, positive=True)
        if method != "exact":
            raise InvalidInputError(f"time_limit belongs to method='exact', got {time_limit} with {method!r}")
    if method == "weights":
        return by_similarity(net_a, net_b, method, None, n_orders, root)
    if objective is None and (method != "activations" or isinstance(net_a, LayeredNet)):
        why = "needs data for a LayeredNet" if method == "activations" else "minimises the barrier"
        raise InvalidInputError(f"objective must be given with method={method!r}, which {why}, got None")
    loss = None if objective is None else as_objective(objective, inputs)
    if loss is not None:
        loss.check("net_a", net_a)
    if loss is None or method == "activations":
        return by_similarity(net_a, net_b, method, loss)
    if method == "barrier":
        return by_swaps(loss, net_a, net_b, grid_size, n_orders, root)
    if isinstance(net_a, LayeredNet) or isinstance(net_b, LayeredNet) or not isinstance(loss, PopulationLoss):
        raise InvalidInputError(f"objective must be a population loss with method='exact', got a {type(loss).__name__}")
    if net_a.width > MAX_WIDTH:
        raise InvalidInputError(f"net_a must have at most {MAX_WIDTH} neurons with method='exact', got {net_a.width}")
    found = by_complete_search(loss, net_a, net_b, grid_size, time_limit)
    if not found.is_optimal:
        warnings.warn(
            f"complete search stopped after {found.nodes} nodes: the barrier is {found.height:.6g} or less, "
            f"and at least {found.lower_bound:.6g}",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    return found
