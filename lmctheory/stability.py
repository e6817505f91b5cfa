"""Sharpness of the loss at a network."""

from __future__ import annotations

from scipy.linalg import eigh

from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, span_coordinates


def sharpness(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian") -> float:
    """Return the largest eigenvalue of `population_hessian`.

    Gradient descent with learning rate eta is linearly stable at a minimum iff its sharpness is at most ``2 / eta``.

    Parameters and errors as for `population_loss`.

    Notes
    -----
    Every Hessian block is a multiple of the identity plus a traceless matrix that lives on the span of student and teacher rows.
    Averaged over an orthonormal basis of the span the quadratic form therefore takes its value off the span, so the
    largest eigenvalue belongs to the span: the cost is cubic in m times ``min(d, m + M)``, whatever d.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 3)
    >>> round(lmc.sharpness(teacher, teacher), 12)
    1.0
    """
    loss = PopulationLoss(teacher, inputs)
    loss.stack(net)  # validates
    reduced_net, reduced_teacher, _ = span_coordinates(net, teacher)
    hessian = loss.scale * PopulationLoss(reduced_teacher).hessian(reduced_net)
    last = len(hessian) - 1
    return float(eigh(hessian, eigvals_only=True, subset_by_index=(last, last))[0])
