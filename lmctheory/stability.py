"""Sharpness of the loss at a network."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from lmctheory._checks import FloatArray
from lmctheory._parallel import blas
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, span_coordinates

DENSE_LIMIT = 128  # weights up to which a dense eigenvalue is faster than Lanczos (half a millisecond each there)
LANCZOS_TOL = 1e-10  # of the residual, relative to the eigenvalue: bounds its error, which is of the order of the square


def sharpness(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian") -> float:
    """Return the largest eigenvalue of `population_hessian`.

    Gradient descent with learning rate eta is linearly stable at a minimum iff its sharpness is at most ``2 / eta``.

    Parameters and errors as for `population_loss`.

    Notes
    -----
    Every Hessian block is a multiple of the identity plus a traceless matrix that lives on the span of student and teacher rows.
    Averaged over an orthonormal basis of the span the quadratic form therefore takes its value off the span, so the
    largest eigenvalue belongs to the span, of dimension ``min(d, m + M)``. Up to 128 weights there the Hessian is formed;
    beyond, Lanczos iterations on exact Hessian-vector products take memory ``O(m (m + M))`` and about thirty products (2 ms at
    m = 64, d = 8). They start from a fixed vector, so the result is reproducible, and end at a relative residual of 1e-10.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 3)
    >>> round(lmc.sharpness(teacher, teacher), 12)
    1.0
    """
    loss = PopulationLoss(teacher, inputs)
    loss.stack(net)  # validates
    reduced, reduced_teacher, _ = span_coordinates(net, teacher)
    reduced_loss = PopulationLoss(reduced_teacher)
    if not (net.W.any(axis=1) & (net.a != 0)).any():
        return 0.0  # a Hessian of zeros, from which Lanczos cannot start
    size = reduced.W.size
    if size <= DENSE_LIMIT:
        top = eigh(reduced_loss.hessian(reduced), eigvals_only=True, subset_by_index=(size - 1, size - 1))
    else:
        product = reduced_loss.hessian_product(reduced)

        def multiply(vector: FloatArray) -> FloatArray:
            return product(vector.reshape(reduced.W.shape)).ravel()

        operator = LinearOperator((size, size), matvec=multiply, dtype=float)
        start = np.random.default_rng(0).normal(size=size)  # a structured vector could miss an eigenvector for symmetry
        with blas().limit(limits=1):
            top = eigsh(operator, k=1, which="LA", tol=LANCZOS_TOL, v0=start, return_eigenvectors=False)
    return float(loss.scale * top[0])
