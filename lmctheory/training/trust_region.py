"""Polishing of wide networks: a trust region on products with the Hessian, which is never formed.

Three things stand in the way of a textbook method at the minima of overparameterised networks. The Hessian is singular along the
manifold of minima: conjugate gradients from zero find the shortest step, and the trust region bounds what rounding makes of flat
directions. Differences of the loss drown in rounding long before the gradient is small: below that, the decrease is the
trapezoidal rule on gradients. And small neurons, at the tips of cones of the loss, are out of scale: steps are measured against
their norms, and a neuron that would vanish is put to zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss

MAX_ITERATIONS = 300
MAX_PRODUCTS = 1000  # of one step
FORCING = 0.1  # relative residual at which conjugate gradients stop: convergence is linear with or without more of them
FIRST_RADIUS, LAST_RADIUS = 0.1, 1e-16  # of the trust region, relative to the norm of the weights
RESOLVED = 1e3  # multiple of the rounding error of the loss above which its differences are trusted
SMALL = 100.0  # ratio of norms down to which small neurons count in proportion to their norm
NEAR_ZERO = 1e-3  # share of the loss of the zero network below which the Gauss-Newton matrix is the better model
VANISHING = 1e-2  # share of the largest norm below which a neuron may be put to zero, if a step halves it


@dataclass(frozen=True, eq=False)
class _Step:
    """A step, the decrease of the quadratic model by it, and how it ended."""

    change: FloatArray
    decrease: float
    at_boundary: bool
    negative_curvature: bool


def minimise(loss: PopulationLoss, net: TwoLayerNet, gradient_tol: float) -> tuple[FloatArray, int, str]:
    """Return weights near those of `net` with a gradient norm of at most `gradient_tol`, or as near as it came; steps; reason.

    Steps are by conjugate gradients with the Hessian, cut off at the trust region. Where it has negative curvature, which can
    only come from its bending part (`PopulationLoss.hessian_product`), they use the rest, the Gauss-Newton matrix, which has
    none. Near zero loss they always do: bending is negligible there but for the smallest neurons, of which it is no model.
    """
    value, gradient = loss.value_and_gradient(net)
    floor, size = loss.floor(net), float(np.linalg.norm(net.W))
    ceiling, radius = value + floor, FIRST_RADIUS * size
    for iteration in range(MAX_ITERATIONS):
        norm = np.linalg.norm(gradient)
        if norm <= gradient_tol:
            return net.W, iteration, f"gradient norm at most {gradient_tol:g}"
        scale, near_zero = _scale(net), value < NEAR_ZERO * loss.teacher_energy
        product = loss.hessian_product(net, gauss_newton=near_zero)
        while radius > LAST_RADIUS * size:
            step = _conjugate_gradients(product, gradient, scale, radius)
            if step.negative_curvature:
                product = loss.hessian_product(net, gauss_newton=True)
                step = _conjugate_gradients(product, gradient, scale, radius)
            candidate = _move(net, step.change)
            candidate_value, candidate_gradient = loss.value_and_gradient(candidate)
            if step.decrease > RESOLVED * floor:
                decrease = value - candidate_value
            else:
                decrease = 0.5 * np.sum((gradient + candidate_gradient) * (net.W - candidate.W))
            if decrease >= 0.75 * step.decrease and step.at_boundary:
                radius *= 3.0
            if decrease >= 0.1 * step.decrease and candidate_value <= ceiling:
                break
            radius = 0.25 * float(np.linalg.norm(scale * step.change))
        else:
            return net.W, iteration, "no step within the trust region lowers the loss as its quadratic model says"
        net, value, gradient = candidate, candidate_value, candidate_gradient
    return net.W, MAX_ITERATIONS, f"gradient norm {np.linalg.norm(gradient):.1e} after {MAX_ITERATIONS} iterations"


def _scale(net: TwoLayerNet) -> FloatArray:
    """Return by what the length of a step of each neuron is multiplied, ``(m, 1)``."""
    norms = np.linalg.norm(net.W, axis=1, keepdims=True)
    alive = norms > 0
    ratios = np.median(norms[alive]) / np.where(alive, norms, np.inf)
    return np.sqrt(np.clip(ratios, 1.0, SMALL))


def _move(net: TwoLayerNet, change: FloatArray) -> TwoLayerNet:
    """Return the network after a step; a small neuron that loses half of its length, or turns around, is put to zero."""
    squares = np.sum(net.W**2, axis=1)
    vanishes = (squares < VANISHING**2 * squares.max()) & (np.sum(net.W * (net.W + change), axis=1) < 0.5 * squares)
    return TwoLayerNet(np.where(vanishes[:, None], 0.0, net.W + change), net.a)


def _conjugate_gradients(
    product: Callable[[FloatArray], FloatArray], gradient: FloatArray, scale: FloatArray, radius: float
) -> _Step:
    """Return the step of Steihaug: conjugate gradients, to the boundary if they would leave or the curvature is negative."""
    position, curved = np.zeros_like(gradient), np.zeros_like(gradient)
    residual = -gradient / scale
    direction = residual.copy()
    square = float(np.sum(residual**2))
    target = FORCING**2 * square
    at_boundary = negative_curvature = False
    for _ in range(MAX_PRODUCTS):
        bent = product(direction / scale) / scale
        curvature = float(np.sum(direction * bent))
        negative_curvature = curvature < 0
        length = square / curvature if curvature > 0 else np.inf
        to_boundary = _distance_to_boundary(position, direction, radius)
        at_boundary = not length < to_boundary
        length = min(length, to_boundary)
        position, curved = position + length * direction, curved + length * bent
        residual = residual - length * bent
        previous, square = square, float(np.sum(residual**2))
        if at_boundary or square <= target:
            break
        direction = residual + square / previous * direction
    decrease = -float(np.sum(gradient / scale * position) + 0.5 * np.sum(position * curved))
    return _Step(position / scale, decrease, at_boundary, negative_curvature)


def _distance_to_boundary(position: FloatArray, direction: FloatArray, radius: float) -> float:
    """Return the positive t with ``|position + t direction| = radius``."""
    along, length = float(np.sum(position * direction)), float(np.sum(direction**2))
    inside = max(radius**2 - float(np.sum(position**2)), 0.0)
    root = float(np.sqrt(along**2 + length * inside))
    return inside / (along + root) if along > 0 else (root - along) / length
