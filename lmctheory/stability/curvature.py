"""The sharpness of a loss at a network: its largest Hessian eigenvalue, from products with the Hessian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from lmctheory._checks import FloatArray
from lmctheory._parallel import blas
from lmctheory.errors import InvalidInputError
from lmctheory.networks import Network, TwoLayerNet
from lmctheory.objectives import DataLoss, Objective, PopulationLoss, SampleLoss, as_objective, span_coordinates

DENSE_LIMIT = 128  # weights up to which a dense eigenvalue is faster than Lanczos (half a millisecond each there)
LANCZOS_TOL = 1e-10  # of the residual, relative to the eigenvalue: bounds its error, which is of the order of the square


def sharpness(
    net: Network, objective: TwoLayerNet | Objective, inputs: str = "gaussian", samples: ArrayLike | None = None
) -> float:
    """Return the largest eigenvalue of the Hessian of a loss: the population loss, the loss on a finite sample, or that on data.

    Gradient descent with learning rate eta is linearly stable at a minimum iff its sharpness is at most ``2 / eta``.

    Parameters
    ----------
    net : TwoLayerNet or LayeredNet
    objective : TwoLayerNet, PopulationLoss or DataLoss
        The loss, as it is defined there: squared errors have no factor 1/2, cross-entropy is a mean over inputs. A network is the
        teacher of the population loss.
    inputs : {"gaussian", "sphere"}
        Of the population loss, where a teacher is given.
    samples : array_like, shape (n, d), optional
        Inputs of the loss against a teacher, instead of all; see `SampleLoss.hessian_product`.

    Returns
    -------
    float
        With respect to W of a `TwoLayerNet`, to all weights and biases of a `LayeredNet`.

    Raises
    ------
    InvalidInputError
        If the loss is not defined for the network or has no derivatives, `inputs` is unknown, or `samples` come without a
        teacher.

    Notes
    -----
    Of the population loss, every Hessian block is a multiple of the identity plus a traceless matrix that lives on the span of
    student and teacher rows. Averaged over an orthonormal basis of the span the quadratic form therefore takes its value off the
    span, so the largest eigenvalue belongs to the span, of dimension ``min(d, m + M)``. Up to 128 weights there the Hessian is
    formed; beyond, Lanczos iterations on exact Hessian-vector products take memory ``O(m (m + M))`` and about thirty products
    (2 ms at m = 64, d = 8). On data, products are those of `DataLoss.hessian_product`. The iterations start from a fixed vector,
    so the result is reproducible, and end at a relative residual of 1e-10.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 3)
    >>> round(lmc.sharpness(teacher, teacher), 12)
    1.0
    >>> data = lmc.DataLoss([[1.0, 0.0], [0.0, 2.0]], [1.0, 2.0])
    >>> round(lmc.sharpness(lmc.TwoLayerNet([[1.0, 1.0]]), data), 12)
    4.0
    """
    loss = as_objective(objective, inputs)
    if samples is not None:
        if not isinstance(loss, PopulationLoss):
            raise InvalidInputError("samples belong to a teacher; the objective has data of its own, got samples with it")
        return _on_inputs(SampleLoss(loss.teacher, samples), net)
    if isinstance(loss, DataLoss):
        return _on_inputs(loss, net)
    assert isinstance(loss, PopulationLoss)
    loss.check("net", net)
    assert isinstance(net, TwoLayerNet)
    reduced, reduced_teacher, _ = span_coordinates(net, loss.teacher)
    reduced_loss = PopulationLoss(reduced_teacher)
    if reduced.W.size <= DENSE_LIMIT:
        return loss.scale * _largest_eigenvalue(reduced_loss.hessian(reduced))
    return loss.scale * _lanczos(reduced_loss.hessian_product(reduced), reduced.W.shape)


def _on_inputs(loss: SampleLoss | DataLoss, net: Any) -> float:
    product = loss.hessian_product(net)
    return top_eigenvalue(product, net.W.shape if isinstance(net, TwoLayerNet) else net.parameters.shape)


def top_eigenvalue(product: Callable[[FloatArray], FloatArray], shape: tuple[int, ...]) -> float:
    """Return the largest eigenvalue of a symmetric map of arrays of this shape."""
    size = math.prod(shape)
    if size > DENSE_LIMIT:
        return _lanczos(product, shape)
    return _largest_eigenvalue(np.stack([product(unit.reshape(shape)).ravel() for unit in np.eye(size)]))


def _largest_eigenvalue(matrix: FloatArray) -> float:
    last, unit = len(matrix) - 1, _unit(matrix)
    return unit * float(eigh(matrix / unit, eigvals_only=True, subset_by_index=(last, last))[0])


def _unit(values: FloatArray) -> float:
    """Return a power of two of the size of the values: LAPACK and ARPACK square what they are given."""
    return float(np.ldexp(1.0, min(int(np.frexp(np.abs(values).max())[1]), 1023)))


def _lanczos(product: Callable[[FloatArray], FloatArray], shape: tuple[int, ...]) -> float:
    """Return the largest eigenvalue of a symmetric map of arrays of this shape."""
    size = math.prod(shape)
    start = np.random.default_rng(0).normal(size=size)  # a structured vector could miss an eigenvector for symmetry
    image = product(start.reshape(shape))
    if not image.any():
        return 0.0  # a map to zero, from which Lanczos cannot start
    unit = _unit(image)
    operator = LinearOperator((size, size), matvec=lambda vector: product(vector.reshape(shape)).ravel() / unit, dtype=float)
    with blas().limit(limits=1):
        top = eigsh(operator, k=1, which="LA", tol=LANCZOS_TOL, v0=start, return_eigenvectors=False)
    return unit * float(top[0])
