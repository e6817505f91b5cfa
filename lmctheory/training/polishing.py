"""Polishing: a Newton-like phase that takes a nearly converged network to a critical point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from lmctheory._checks import FloatArray
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, span_coordinates
from lmctheory.training import trust_region

GRADIENT_TOL = 1e-12
MAX_ITERATIONS = 200
DAMPING_LIMIT = 1e12
NEGLIGIBLE = 1e-3  # share of the largest norm below which a neuron may be set to zero
DENSE_LIMIT = 256  # weights from about which Hessian products beat factorising dense Hessians; at 1024 they are 30 times as fast


@dataclass(frozen=True)
class Polish:
    """What polishing did to one network.

    Attributes
    ----------
    method : str
        "newton", with the exact dense Hessian, or "trust-region", with Hessian-vector products, above `DENSE_LIMIT` weights.
    gradient_norm : float
        Frobenius norm of dL/dW afterwards.
    distance : float
        Frobenius distance moved.
    zeroed : int
        Neurons of negligible norm that were set to zero.
    iterations : int
    success : bool
        The gradient norm is at most 1e-12.
    message : str
        Why it ended, in particular why without success.
    """

    method: str
    gradient_norm: float
    distance: float
    zeroed: int
    iterations: int
    success: bool
    message: str


def polish(net: TwoLayerNet, teacher: TwoLayerNet) -> tuple[TwoLayerNet, Polish]:
    """Return a network with gradient norm at most 1e-12 near `net`, or `net` improved as far as possible, and the report.

    Up to `DENSE_LIMIT` weights by regularised Newton steps ``s = -(H + sqrt(|g| / |W|) I)^-1 g`` with the exact Hessian H and
    gradient g, accepted when they shrink ``|g|`` without raising the loss above its start (towards a saddle): differences of the
    loss drown in rounding long before the gradient is small, so they decide nothing else. The shift keeps steps along flat
    directions of the manifold of minima short. At minima of an overparameterised network the Hessian is singular and the loss
    grows like a cube: convergence is then linear; elsewhere it is superlinear. Beyond: see `trust_region`.
    """
    reduced, reduced_teacher, basis = span_coordinates(net, teacher)
    loss = PopulationLoss(reduced_teacher)
    dense = reduced.W.size <= DENSE_LIMIT
    W, iterations, message = _newton(loss, reduced) if dense else trust_region.minimise(loss, reduced, GRADIENT_TOL)
    gradient_norm = float(np.linalg.norm(loss.value_and_gradient(TwoLayerNet(W, net.a))[1]))
    report = Polish(
        method="newton" if dense else "trust-region",
        gradient_norm=gradient_norm,
        distance=float(np.linalg.norm(W - reduced.W)),
        zeroed=int(np.sum(W.any(axis=1) < reduced.W.any(axis=1))),
        iterations=iterations,
        success=gradient_norm <= GRADIENT_TOL,
        message=message,
    )
    return TwoLayerNet(W if basis is None else W @ basis.T, net.a), report


def _newton(loss: PopulationLoss, net: TwoLayerNet) -> tuple[FloatArray, int, str]:
    value, gradient = loss.value_and_gradient(net)
    ceiling = value + loss.floor(net)
    damping = 1.0
    for iteration in range(MAX_ITERATIONS):
        norm = np.linalg.norm(gradient)
        if norm <= GRADIENT_TOL:
            return net.W, iteration, f"gradient norm at most {GRADIENT_TOL:g}"
        hessian = loss.hessian(net)
        while damping <= DAMPING_LIMIT:
            candidate = _damped_step(net, hessian, gradient, damping * np.sqrt(norm / np.linalg.norm(net.W)))
            if candidate is not None:
                value, candidate_gradient = loss.value_and_gradient(candidate)
                if np.linalg.norm(candidate_gradient) < norm and value <= ceiling:
                    damping = max(1.0, damping / 4.0)
                    break
            damping *= 4.0
        else:
            candidate, damping = _zero_smallest(net), 1.0
            value, candidate_gradient = loss.value_and_gradient(candidate)
            if candidate is net or value > ceiling:
                return net.W, iteration, "no damped Newton step shrinks the gradient without raising the loss"
        net, gradient = candidate, candidate_gradient
    return net.W, MAX_ITERATIONS, f"gradient norm {np.linalg.norm(gradient):.1e} after {MAX_ITERATIONS} iterations"


def _damped_step(net: TwoLayerNet, hessian: FloatArray, gradient: FloatArray, shift: float) -> TwoLayerNet | None:
    """Return the network after ``(H + shift I)^-1 g``, or None if that matrix is not positive definite.

    A negligible neuron that would be carried past the origin, where the loss has a cone, is put on it.
    """
    shifted = hessian.T.copy(order="F")  # in LAPACK's order: factorised in place
    shifted[np.diag_indices_from(shifted)] += shift
    try:
        factor = cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    step = cho_solve(factor, gradient.ravel()).reshape(net.W.shape)
    dies = _negligible(net) & (np.linalg.norm(step, axis=1) > np.linalg.norm(net.W, axis=1))
    return TwoLayerNet(np.where(dies[:, None], 0.0, net.W - step), net.a)


def _negligible(net: TwoLayerNet) -> NDArray[np.bool_]:
    norms = np.linalg.norm(net.W, axis=1)
    return (norms > 0) & (norms < NEGLIGIBLE * norms.max())


def _zero_smallest(net: TwoLayerNet) -> TwoLayerNet:
    """Return `net` with its smallest negligible neuron set to zero; `net` itself if there is none."""
    candidates = np.flatnonzero(_negligible(net))
    if candidates.size == 0:
        return net
    W = net.W.copy()
    W[candidates[np.argmin(np.linalg.norm(W[candidates], axis=1))]] = 0.0
    return TwoLayerNet(W, net.a)
