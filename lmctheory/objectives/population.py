"""What is minimised: the population loss ``E[(f(x) - f*(x))^2]`` against a teacher, in closed form, with its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory._compiled.gradient import loss_and_gradient
from lmctheory._compiled.hessian import hessian_blocks, hessian_product, hessian_structure
from lmctheory._compiled.iterate import padded
from lmctheory._compiled.population import kernel_from_cosines, segment_sums
from lmctheory._compiled.vectors import LANES
from lmctheory._parallel import map_threads
from lmctheory.errors import InvalidInputError
from lmctheory.kernels import unit_rows
from lmctheory.networks import TwoLayerNet, same_architecture
from lmctheory.objectives.passages import narrow_passages, nearest_points

INPUTS = ("gaussian", "sphere")
FLOOR = 4.0 * np.finfo(float).eps  # rounding error of a loss, relative to the sum of the absolute values of its terms
CANCELLATION = np.finfo(float).eps / 4.0  # relative to products of masses; thrice as much as was seen at the ends of hats
SHARE = 256  # students; segments between wider networks are shared by threads


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
        _refuse_overflow(hessian, norms[:m])
        hessian *= self.scale
        return hessian

    def hessian_product(self, net: TwoLayerNet, gauss_newton: bool = False) -> Callable[[FloatArray], FloatArray]:
        """Return the map ``D -> H D`` of directions ``(m, d)``, with H the Hessian with respect to W, which is never formed.

        With `gauss_newton`, H is its positive semi-definite part ``2 E[(df/dW) (df/dW)']``; the rest, which bends the loss of
        single neurons, vanishes with the residual ``f - f*``.

        What all products share is computed here, at ``m (m + M) d`` operations; a product costs four matrix products with
        ``(m, m + M)`` matrices, which are the memory.
        """
        X, c = self.stack(net)
        norms, units = unit_rows(X)
        rise, fall, bend, scalar = hessian_structure(units, norms, c, net.width)
        _refuse_overflow(bend, norms[: net.width])
        if gauss_newton:
            bend[:] = 0.0
            np.fill_diagonal(scalar, np.where(norms[: net.width] > 0, net.a**2, 0.0))

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

    With students stacked over the teacher, ``X_t X_t' = (1-t)^2 X_A X_A' + t(1-t) (X_A X_B' + X_B X_A') + t^2 X_B X_B'``: the
    cost at each t does not depend on d. Norms come from ``|x_t|^2 = |foot|^2 + (t - t_foot)^2 |x_B - x_A|^2``, the foot
    being the point of a neuron's line nearest to the origin: nothing cancels where a neuron crosses 0. Wide networks are divided
    into shares of students, which threads take; what they find is added up in order.
    """

    def __init__(self, loss: PopulationLoss, nets_a: Sequence[TwoLayerNet], nets_b: Sequence[TwoLayerNet]) -> None:
        self.loss, self._width = loss, nets_a[0].width
        (A, self._c_a), (B, self._c_b) = (_whole_vectors(nets, loss.teacher) for nets in (nets_a, nets_b))
        self._feet = nearest_points(A, B)
        both, swapped = np.concatenate([A, B], axis=2), np.concatenate([B, A], axis=2)
        edges = _equal_shares(nets_a[0].width)

        def grams(k: int) -> FloatArray:
            rows, columns = slice(edges[k], edges[k + 1]), slice(edges[k], None)
            blocks = np.empty((len(A), 3, edges[k + 1] - edges[k], A.shape[1] - edges[k]))
            for block, (X, Y) in enumerate([(A, A), (both, swapped), (B, B)]):
                np.matmul(X[:, rows], Y[:, columns].transpose(0, 2, 1), out=blocks[:, block])
            return blocks

        self._grams = _for_each(grams, len(edges) - 1)

    def __len__(self) -> int:
        return len(self._c_a)

    def __call__(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the loss at `positions` ``(Q, T)`` of segments `paths` ``(Q,)``; rounding may leave it below zero."""
        return self._sum(paths, positions, self._c_a, self._c_b, self.loss.teacher_energy)

    def floor(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the rounding error to expect in the loss there, `FLOOR` times the sum of the absolute values of its terms.

        Output weights of opposite sign at the ends count with ``(1-t) |a_A| + t |a_B|``, which overestimates. The
        `cancellation_error` is added, which is far larger where a neuron nearly vanishes.
        """
        b, c_a, c_b = np.abs(self.loss.teacher.a), np.abs(self._c_a), np.abs(self._c_b)
        terms = self._sum(paths, positions, c_a, c_b, float(b @ self.loss.teacher_kernel @ b))
        t, (position, foot, length) = positions[..., None], np.moveaxis(self._feet[paths][:, None], -1, 0)
        norms, start, end = (np.sqrt(foot + (at - position) ** 2 * length) for at in (t, 0.0, 1.0))
        outputs = np.abs((1 - t) * self._c_a[paths][:, None] + t * self._c_b[paths][:, None])
        mixed = (outputs * ((1 - t) * start + t * end)).sum(axis=-1)
        return FLOOR * terms + self.loss.scale * cancellation_error(mixed, (outputs * norms).sum(axis=-1))

    def passages(self, spacing: float) -> FloatArray:
        """Return where students pass the origin more quickly than a grid of this spacing can follow: see `narrow_passages`."""
        return narrow_passages(self._feet[:, : self._width], spacing)

    def _sum(self, paths: IntArray, positions: FloatArray, c_a: FloatArray, c_b: FloatArray, energy: float) -> FloatArray:
        ts = np.ascontiguousarray(positions)
        losses = np.full(ts.shape, energy)
        for part in _for_each(lambda k: segment_sums(paths, ts, self._grams[k], self._feet, c_a, c_b), len(self._grams)):
            losses += part
        return losses * self.loss.scale


def cancellation_error(mixed: FloatArray, left: FloatArray) -> FloatArray:
    """Return the error of a loss at mixtures of networks, whose inner products are mixed of those of the ends.

    `mixed` is the sum of the masses if norms were mixed, `left` of the masses that there are: less, where vectors cancel.
    """
    return CANCELLATION * mixed * np.maximum(mixed - left, 0.0)


def _refuse_overflow(derivatives: FloatArray, norms: FloatArray) -> None:
    """Refuse second derivatives that are not finite: those of one neuron are of the size of the others over its norm."""
    if not np.isfinite(derivatives).all():
        positive = norms[norms > 0]
        raise InvalidInputError(
            "net must have second derivatives within the range of double precision, which grow as 1 / |w| for a neuron w, "
            f"got norms from {positive.min():.3g} to {positive.max():.3g}"
        )


def _whole_vectors(nets: Sequence[TwoLayerNet], teacher: TwoLayerNet) -> tuple[FloatArray, FloatArray]:
    """Return students over teacher ``(P, n, d)`` and signed output weights ``(P, n)``, with zero neurons at the end."""
    m, both = nets[0].width, nets[0].width + teacher.width
    X, c = np.zeros((len(nets), padded(both), teacher.input_dim)), np.zeros((len(nets), padded(both)))
    X[:, m:both], c[:, m:both] = teacher.W, -teacher.a
    for k, net in enumerate(nets):
        X[k, :m], c[k, :m] = net.W, net.a
    return X, c


def _equal_shares(m: int) -> list[int]:
    """Return where shares of students begin and end that have about as many pairs each; all begin with a whole vector."""
    shares = -(-m // SHARE)
    return [int(m * (1 - np.sqrt(1 - k / shares))) // LANES * LANES for k in range(shares)] + [m]


def _for_each(function: Callable[[int], FloatArray], count: int) -> list[FloatArray]:
    """Return what the function returns for each of `count` shares, in threads if there are several."""
    return map_threads(lambda k, _: function(k), count) if count > 1 else [function(0)]


def span_coordinates(net: TwoLayerNet, teacher: TwoLayerNet) -> tuple[TwoLayerNet, TwoLayerNet, FloatArray | None]:
    """Return student and teacher in an orthonormal basis of the span of their rows, and that basis ``(d, m + M)``.

    Loss, gradient and gradient descent are the same in these coordinates. Where that saves nothing, the networks come
    back unchanged with basis None.
    """
    if net.input_dim <= net.width + teacher.width:
        return net, teacher, None
    both = np.vstack([teacher.W, net.W])
    exponents = np.frexp(np.abs(both).max(axis=1))[1]  # products of subnormal numbers would lose their directions
    basis, triangle = np.linalg.qr(np.ldexp(both, -exponents[:, None]).T)
    rows = np.ldexp(triangle.T, exponents[:, None])
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

    Parameters and errors as for `population_loss`; refused, too, where entries exceed the range of double precision, as for a
    neuron of norm 1e-309 beside others of norm 1.

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
