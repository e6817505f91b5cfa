"""What is minimised: the population loss ``E[(f(x) - f*(x))^2]`` against a teacher, in closed form, with its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.gradient import loss_and_gradient
from lmctheory._compiled.hessian import hessian_blocks, hessian_product, hessian_structure
from lmctheory._compiled.population import kernel_from_cosines, segment_losses
from lmctheory.kernels import unit_rows
from lmctheory.networks import TwoLayerNet, same_architecture

INPUTS = ("gaussian", "sphere")
FLOOR = 4.0 * np.finfo(float).eps  # rounding error of a loss, relative to the sum of the absolute values of its terms


class PopulationLoss:
    """The loss ``L(theta) = E[(f(x) - f*(x))^2]`` against a teacher.

    ``L = a' K(W, W) a - 2 a' K(W, V) b + b' K(V, V) b`` for Gaussian inputs, and exactly 1/d of it for inputs uniform on
    the unit sphere, because both networks are 1-homogeneous and ``E|x|^2 = d``.

    Parameters
    ----------
    teacher : TwoLayerNet
        The target ``f*``, weights V ``(M, d)`` and b ``(M,)``.
    inputs : {"gaussian", "sphere"}
        ``x ~ N(0, I_d)``, or x uniform on the unit sphere.
    """

    def __init__(self, teacher: TwoLayerNet, inputs: str = "gaussian") -> None:
        self.teacher: TwoLayerNet = _checks.instance("teacher", teacher, TwoLayerNet)
        self.inputs = _checks.choice("inputs", inputs, INPUTS)
        self.scale = 1.0 if inputs == "gaussian" else 1.0 / teacher.input_dim
        self.teacher_norms, units = unit_rows(teacher.W)
        self.teacher_kernel = kernel_from_cosines(units @ units.T, self.teacher_norms, self.teacher_norms)
        self.teacher_energy = float(teacher.a @ self.teacher_kernel @ teacher.a)

    def check(self, name: str, net: Any) -> None:
        """Refuse anything but a network of the teacher's input dimension."""
        _checks.instance(name, net, TwoLayerNet)
        _checks.same_dimension(name, net.input_dim, "the teacher", self.teacher.input_dim)

    def stack(self, net: TwoLayerNet, name: str = "net") -> tuple[FloatArray, FloatArray]:
        """Return student over teacher: ``X = [W; V]`` and signed output weights ``c = (a, -b)``, so that ``L = c' K(X, X) c``."""
        self.check(name, net)
        return np.vstack([net.W, self.teacher.W]), np.concatenate([net.a, -self.teacher.a])

    def value_and_gradients(self, net: TwoLayerNet) -> tuple[float, FloatArray, FloatArray]:
        """Return the loss, never negative, ``dL/dW`` and ``dL/da_i = 2 [(K(W, W) a)_i - (K(W, V) b)_i]``."""
        X, c = self.stack(net)
        value, gradient, output_gradient = loss_and_gradient(X, c, net.width, self.teacher_energy)
        value = max(value, 0.0) if np.isfinite(value) else np.inf  # beyond weights of 1e150 squares overflow
        return value * self.scale, gradient * self.scale, output_gradient * self.scale

    def value_and_gradient(self, net: TwoLayerNet) -> tuple[float, FloatArray]:
        """Return the loss, never negative, and ``dL/dW``."""
        return self.value_and_gradients(net)[:2]

    def floor(self, net: TwoLayerNet) -> float:
        """Return the rounding error to expect: ``4 eps |c|' K(X, X) |c|``, the size of the terms that cancel."""
        kernel, c = self._kernel(net)
        return float(FLOOR * self.scale * (np.abs(c) @ kernel @ np.abs(c)))

    def hessian(self, net: TwoLayerNet) -> FloatArray:
        """Return the Hessian with respect to W, shape ``(m d, m d)``, row-major; blocks of zero neurons are zero."""
        X, c = self.stack(net)
        m, d = net.W.shape
        norms, units = unit_rows(X)
        hessian: FloatArray = hessian_blocks(units, norms, c, m).reshape(m * d, m * d)
        hessian *= self.scale
        return hessian

    def hessian_product(self, net: TwoLayerNet) -> Callable[[FloatArray], FloatArray]:
        """Return the map ``D -> H D`` of directions ``(m, d)``, with H the Hessian with respect to W, which is never formed.

        What all products share is computed here, at ``m (m + M) d`` operations; a product costs four matrix products with
        ``(m, m + M)`` matrices, which are the memory.
        """
        X, c = self.stack(net)
        norms, units = unit_rows(X)
        rise, fall, bend, scalar = hessian_structure(units, norms, c, net.width)

        def product(direction: FloatArray) -> FloatArray:
            return self.scale * hessian_product(units, c, rise, fall, bend, scalar, np.ascontiguousarray(direction))

        return product

    def segments(self, nets_a: Sequence[Any], nets_b: Sequence[Any]) -> Segments:
        """Return the loss on the straight lines from each of `nets_a` to its partner in `nets_b`; all have one shape."""
        for net_a, net_b in zip(nets_a, nets_b, strict=True):
            self.check("net_a", net_a)
            same_architecture("net_a", net_a, "net_b", net_b)
        return Segments(self, nets_a, nets_b)

    def _kernel(self, net: TwoLayerNet) -> tuple[FloatArray, FloatArray]:
        X, c = self.stack(net)
        norms, units = unit_rows(X)
        return kernel_from_cosines(units @ units.T, norms, norms), c


class Segments:
    """The loss along P straight lines between networks, from Gram blocks computed once.

    ``W_t W_t' = (1-t)^2 W_A W_A' + t(1-t) (W_A W_B' + W_B W_A') + t^2 W_B W_B'`` and ``W_t V' = (1-t) W_A V' + t W_B V'``:
    the cost at each t does not depend on d. Norms come from ``|w_t|^2 = |foot|^2 + (t - t_foot)^2 |w_B - w_A|^2``, the foot
    being the point of a neuron's line nearest to the origin: nothing cancels where a neuron crosses 0.
    """

    def __init__(self, loss: PopulationLoss, nets_a: Sequence[TwoLayerNet], nets_b: Sequence[TwoLayerNet]) -> None:
        self.loss = loss
        A, B = (np.stack([net.W for net in nets]) for nets in (nets_a, nets_b))
        self._a_a, self._a_b = (np.stack([net.a for net in nets]) for nets in (nets_a, nets_b))
        cross = A @ B.transpose(0, 2, 1)
        self._gram_ab = cross + cross.transpose(0, 2, 1)
        self._gram_aa, self._gram_bb = A @ A.transpose(0, 2, 1), B @ B.transpose(0, 2, 1)
        self._teacher_a, self._teacher_b = A @ loss.teacher.W.T, B @ loss.teacher.W.T
        direction = B - A
        length = np.einsum("pij,pij->pi", direction, direction)
        position = -np.einsum("pij,pij->pi", A, direction) / np.where(length > 0, length, 1.0)
        foot = A + position[..., None] * direction
        self._feet = np.stack([position, np.einsum("pij,pij->pi", foot, foot), length], axis=-1)

    def __len__(self) -> int:
        return len(self._gram_aa)

    def __call__(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the loss at `positions` ``(Q, T)`` of segments `paths` ``(Q,)``; rounding may leave it below zero."""
        loss = self.loss
        return self._sum(paths, positions, self._a_a, self._a_b, loss.teacher.a, loss.teacher_energy)

    def floor(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the rounding error to expect in the loss there, `FLOOR` times the sum of the absolute values of its terms.

        Output weights of opposite sign at the ends count with ``(1-t) |a_A| + t |a_B|``, which overestimates.
        """
        teacher = self.loss.teacher
        energy = float(np.abs(teacher.a) @ self.loss.teacher_kernel @ np.abs(teacher.a))
        return FLOOR * self._sum(paths, positions, np.abs(self._a_a), np.abs(self._a_b), -np.abs(teacher.a), energy)

    def _sum(
        self, paths: IntArray, positions: FloatArray, a_a: FloatArray, a_b: FloatArray, b: FloatArray, energy: float
    ) -> FloatArray:
        losses = segment_losses(
            paths, np.ascontiguousarray(positions), self._gram_aa, self._gram_ab, self._gram_bb, self._teacher_a,
            self._teacher_b, self._feet, a_a, a_b, self.loss.teacher_norms, b, energy,
        )  # fmt: skip
        return losses * self.loss.scale


def span_coordinates(net: TwoLayerNet, teacher: TwoLayerNet) -> tuple[TwoLayerNet, TwoLayerNet, FloatArray | None]:
    """Return student and teacher in an orthonormal basis of the span of their rows, and that basis ``(d, m + M)``.

    Loss, gradient and gradient descent are the same in these coordinates. Where that saves nothing, the networks come
    back unchanged with basis None.
    """
    if net.input_dim <= net.width + teacher.width:
        return net, teacher, None
    basis, triangle = np.linalg.qr(np.vstack([teacher.W, net.W]).T)
    rows = triangle.T
    return TwoLayerNet(rows[teacher.width :], net.a), TwoLayerNet(rows[: teacher.width], teacher.a), basis


def population_loss(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian") -> float:
    """Return ``L = E[(f(x) - f*(x))^2]``, exactly up to rounding.

    ``L = a' K(W, W) a - 2 a' K(W, V) b + b' K(V, V) b`` with the arc-cosine kernel K; no factor 1/2.

    Parameters
    ----------
    net, teacher : TwoLayerNet
        Student (W, a) and teacher (V, b), of one input dimension d.
    inputs : {"gaussian", "sphere"}
        ``x ~ N(0, I_d)``, or uniform on the unit sphere, where every loss is exactly 1/d of the Gaussian one.

    Returns
    -------
    float
        The loss, clipped at 0; `loss_floor` is its absolute rounding error.

    Raises
    ------
    InvalidInputError
        If input dimensions differ or `inputs` is unknown.

    References
    ----------
    [CS] Cho and Saul 2009; [SS] Safran and Shamir 2018.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 2)
    >>> lmc.population_loss(lmc.TwoLayerNet([[0.0, 0.0]]), teacher)  # E[relu(x)^2]
    0.5
    """
    return PopulationLoss(teacher, inputs).value_and_gradient(net)[0]


def loss_floor(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian") -> float:
    """Return the absolute rounding error to expect in `population_loss`.

    ``4 eps (|a|' K(W, W) |a| + 2 |a|' K(W, V) |b| + |b|' K(V, V) |b|)``, eps = 2.2e-16: the terms of the loss cancel near a
    global minimum, their rounding errors do not. A computed loss below this value is indistinguishable from 0.
    Parameters and errors as for `population_loss`.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> lmc.population_loss(teacher, teacher) <= lmc.loss_floor(teacher, teacher) < 1e-14
    True
    """
    return PopulationLoss(teacher, inputs).floor(net)


def population_gradient(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian") -> tuple[FloatArray, FloatArray]:
    """Return the gradient of `population_loss` with respect to W ``(m, d)`` and a ``(m,)``.

    ``dL/dw_i = 2 a_i [sum_j a_j grad_u K(w_i, w_j) - sum_j b_j grad_u K(w_i, v_j)]`` with
    ``grad_u K(u, v) = (|v| sin p u/|u| + (pi - p) v) / (2 pi)``, and ``dL/da_i = 2 [(K(W, W) a)_i - (K(W, V) b)_i]``.
    Parameters and errors as for `population_loss`.

    Notes
    -----
    The row of a zero neuron is 0 (the choice relu'(0) = 0): the loss has no gradient there.

    References
    ----------
    [SS] Safran and Shamir, Spurious local minima are common in two-layer ReLU neural networks, 2018.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 2)
    >>> grad_W, grad_a = lmc.population_gradient(lmc.TwoLayerNet([[2.0, 0.0]]), teacher)
    >>> grad_W, grad_a
    (array([[1., 0.]]), array([2.]))
    """
    return PopulationLoss(teacher, inputs).value_and_gradients(net)[1:]


def population_hessian(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian") -> FloatArray:
    """Return the Hessian of `population_loss` with respect to W, shape ``(m d, m d)``, row-major.

    Parameters and errors as for `population_loss`.

    Notes
    -----
    Rows and columns of zero neurons are zero. The Hessian is continuous away from zero neurons, also where neurons are
    collinear. Memory ``(m d)^2`` floats.

    References
    ----------
    [SS] Safran and Shamir 2018, section on the closed form; blocks as in `lmctheory._compiled.hessian`.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.population_hessian(lmc.TwoLayerNet([[2.0]]), lmc.orthonormal_teacher(1, 1))
    array([[1.]])
    """
    return PopulationLoss(teacher, inputs).hessian(net)
