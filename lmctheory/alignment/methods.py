"""The one entry to all methods of alignment."""

from __future__ import annotations

from lmctheory import _checks
from lmctheory.alignment.alignment import Alignment
from lmctheory.alignment.assignment import SIMILARITIES, by_similarity
from lmctheory.alignment.swaps import by_swaps
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, same_shape
from lmctheory.paths import GRID_SIZE

METHODS = (*SIMILARITIES, "barrier")


def align(
    net_a: TwoLayerNet,
    net_b: TwoLayerNet,
    method: str = "weights",
    *,
    teacher: TwoLayerNet | None = None,
    inputs: str = "gaussian",
    grid_size: int = GRID_SIZE,
) -> Alignment:
    """Return a permutation that matches the neurons of `net_b` to those of `net_a`.

    By linear assignment, exact, on a similarity of neurons, which is a proxy of the barrier:

    - "weights": ``W_A W_B' + a_A a_B'``, which minimises the Euclidean distance of the networks;
    - "activations": ``(a_A a_B') * K(W_A, W_B)``, the exact second moments of the neurons' outputs for Gaussian inputs.

    By search for ``min_perm max_t e(t)``, the exact barrier against `teacher` over the chord:

    - "barrier": local search by swaps of two neurons, from the better of the two assignments.

    Parameters
    ----------
    net_a, net_b : TwoLayerNet
        Networks of one shape (m, d).
    method : {"weights", "activations", "barrier"}
    teacher : TwoLayerNet
        The target of the loss. Required by "barrier"; assignments do not depend on it.
    inputs : {"gaussian", "sphere"}
        Distribution of the inputs, as in `population_loss`; assignments do not depend on it.
    grid_size : int
        As in `barrier`, with which the heights agree.

    Returns
    -------
    Alignment
        An `Assignment`, or a `SwapAlignment`, with the evidence of the method.

    Raises
    ------
    InvalidInputError
        If shapes differ, a name is unknown, or `teacher` is missing.

    Notes
    -----
    Assignments cost one matrix product and an assignment problem, cubic in m at worst. Ties are broken by SciPy's solver,
    deterministically.

    A swap changes two mixed neurons. The barrier can fall only if the loss falls at the present maximiser: all swaps are tried
    there, with ``2 (m + M)`` kernel evaluations each, those that pass on the whole grid, and those that pass again by the
    refined maximum. The first that gains is made, and the search goes on behind it, in cyclic order; everything is
    deterministic. At the end no swap gains more than a relative 1e-10 or the rounding error of the barrier, whichever is
    larger. A round of all swaps costs ``m^2 (m + M)`` kernel evaluations, 0.1 s at m = 256, and a search a few of them.

    References
    ----------
    [AHS] Ainsworth, Hayase, Srinivasa, Git Re-Basin, ICLR 2023, for "weights".

    Examples
    --------
    >>> import lmctheory as lmc
    >>> net = lmc.TwoLayerNet([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> lmc.align(net, net.permute([2, 0, 1])).permutation
    array([1, 2, 0])

    Two global minima, for which weight matching is not optimal:

    >>> net_a, net_b = (lmc.sample_minimum(2, 6, rng=seed).to_network() for seed in (12, 13))
    >>> lmc.align(net_a, net_b, "barrier", teacher=lmc.orthonormal_teacher(2, 2)).trace.round(6)
    array([0.005361, 0.004774, 0.004472])
    """
    same_shape("net_a", net_a, "net_b", net_b)
    if _checks.choice("method", method, METHODS) in SIMILARITIES:
        return by_similarity(net_a, net_b, method)
    if teacher is None:
        raise InvalidInputError(f"teacher must be given with method={method!r}, which minimises the barrier, got None")
    loss = PopulationLoss(teacher, inputs)
    loss.check("net_a", net_a)
    return by_swaps(loss, net_a, net_b, grid_size)
