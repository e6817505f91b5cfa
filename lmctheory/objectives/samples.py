"""The loss on a finite sample of inputs, labelled by the teacher."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory._compiled.samples import BLOCK, sample_loss_and_gradient
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives.data import DataLoss
from lmctheory.objectives.population import PopulationLoss


class SampleLoss:
    """The loss ``(1/n) sum_i (f(x_i) - f*(x_i))^2`` on n given inputs, without noise in the labels.

    Parameters
    ----------
    teacher : TwoLayerNet
        The target ``f*``, which labels the inputs.
    samples : array_like, shape (n, d)
        The inputs, one a row.

    Raises
    ------
    InvalidInputError
        If `samples` is not a finite matrix with the teacher's input dimension.

    Notes
    -----
    A gradient costs two matrix products of ``(m + M, d)`` by ``(d, n)``. ``relu'(0) = 0``, so that zero neurons have gradient 0.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> loss = lmc.SampleLoss(lmc.orthonormal_teacher(1, 2), [[2.0, 0.0], [-1.0, 3.0]])
    >>> value, gradient, output_gradient = loss.value_and_gradients(lmc.TwoLayerNet([[2.0, 0.0]]))
    >>> value, gradient, output_gradient
    (2.0, array([[4., 0.]]), array([8.]))
    """

    def __init__(self, teacher: TwoLayerNet, samples: ArrayLike) -> None:
        self._population = PopulationLoss(teacher)
        self.samples = _checks.real_array("samples", samples, 2)
        _checks.same_dimension("samples", self.samples.shape[1], "the teacher", teacher.input_dim)

    def value_and_gradients(self, net: TwoLayerNet) -> tuple[float, FloatArray, FloatArray]:
        """Return the loss, ``dL/dW`` and ``dL/da``."""
        X, c = self._population.stack(net)
        m, scratch = net.width, np.empty((len(c) + 1) * min(len(self.samples), BLOCK))
        gradient, output_gradient = np.empty(net.W.shape), np.empty(m)
        value = sample_loss_and_gradient(self.samples, X, c, m, scratch, np.empty(net.W.shape), gradient, output_gradient)
        return value, gradient, output_gradient

    def hessian_product(self, net: TwoLayerNet) -> Callable[[FloatArray], FloatArray]:
        """Return the map ``D -> H D`` of directions ``(m, d)``, with H the Hessian with respect to W where no input is on a kink.

        There ``H = (2/n) sum_i g_i g_i'`` with ``g_i`` the gradient of ``f(x_i)``: it does not depend on the teacher.
        """
        self._population.check("net", net)
        return DataLoss(self.samples, self._population.teacher(self.samples), "squared").hessian_product(net)
