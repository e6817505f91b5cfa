"""Alignment by linear assignment on a similarity of neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.kernels import relu_kernel
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import same_shape


@dataclass(frozen=True, eq=False)
class Alignment:
    """A permutation of network B that matches it to network A.

    Attributes
    ----------
    permutation : ndarray of int, shape (m,)
        Gather indices: neuron i of A meets neuron ``permutation[i]`` of B, so ``net_b.permute(permutation)`` is aligned with A.
    method : str
        What was maximised: "weights" or "activations". Both are proxies of the barrier; the best permutation may be another.
    similarity : float
        The maximum of the method's similarity, summed over matched neurons.
    unaligned_similarity : float
        The same sum for the identity.
    """

    permutation: IntArray
    method: str
    similarity: float
    unaligned_similarity: float


def _weight_similarity(net_a: TwoLayerNet, net_b: TwoLayerNet) -> FloatArray:
    return net_a.W @ net_b.W.T + np.outer(net_a.a, net_b.a)


def _activation_similarity(net_a: TwoLayerNet, net_b: TwoLayerNet) -> FloatArray:
    return np.outer(net_a.a, net_b.a) * relu_kernel(net_a.W, net_b.W)


SIMILARITIES = {"weights": _weight_similarity, "activations": _activation_similarity}


def align(net_a: TwoLayerNet, net_b: TwoLayerNet, method: str = "weights") -> Alignment:
    """Return the permutation of `net_b` whose neurons are most similar to those of `net_a`.

    Linear assignment, exact, on the similarity matrix

    - "weights": ``W_A W_B' + a_A a_B'``, which minimises the Euclidean distance of the networks;
    - "activations": ``(a_A a_B') * K(W_A, W_B)``, the exact second moments of the neurons' outputs for Gaussian inputs.

    Parameters
    ----------
    net_a, net_b : TwoLayerNet
        Networks of one shape.
    method : {"weights", "activations"}

    Returns
    -------
    Alignment

    Raises
    ------
    InvalidInputError
        If the shapes differ or `method` is unknown.

    Notes
    -----
    Cost: one matrix product and an assignment problem, cubic in m at worst. Ties are broken by SciPy's solver, deterministically.

    References
    ----------
    [AHS] Ainsworth, Hayase, Srinivasa, Git Re-Basin, ICLR 2023, for "weights".

    Examples
    --------
    >>> import lmctheory as lmc
    >>> net = lmc.TwoLayerNet([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> lmc.align(net, net.permute([2, 0, 1])).permutation
    array([1, 2, 0])
    """
    same_shape("net_a", net_a, "net_b", net_b)
    similarity = SIMILARITIES[_checks.choice("method", method, SIMILARITIES)](net_a, net_b)
    rows, permutation = linear_sum_assignment(similarity, maximize=True)
    return Alignment(
        permutation=permutation,
        method=method,
        similarity=float(similarity[rows, permutation].sum()),
        unaligned_similarity=float(np.trace(similarity)),
    )
