"""Proved enclosures of loss, gradient and Hessian at a network."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from flint import arb_mat
from numpy.typing import NDArray

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.certificates.balls import arb, ctx, exact_row, exact_rows
from lmctheory.certificates.certificate import (
    Certificate,
    Enclosure,
    enclosure_of,
    enclosure_text,
    enclosures_of,
    midpoints,
    network_of,
    network_text,
    power_of_two_below,
)
from lmctheory.certificates.enclosures import (
    gradient_enclosure,
    hessian_enclosure,
    loss_enclosure,
    output_gradient_enclosure,
)
from lmctheory.certificates.reduction import same_function
from lmctheory.errors import ConvergenceWarning
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss

FIRST_PRECISION, MAX_PRECISION = 128, 8192  # bits
DIGITS = 30
ROOM = 2**20  # by which the radii that are stated exceed those computed, so that any correct computation can confirm them
FINER = 2**64  # by which midpoints are finer than radii


@dataclass(frozen=True, eq=False)
class LossCertificate(Certificate):
    """A proved enclosure of the population loss of a network, whose float64 weights are taken as exact numbers.

    Attributes
    ----------
    net, teacher : TwoLayerNet
    loss : Enclosure
        Of ``E[(f(x) - f*(x))^2]``, Gaussian inputs; exactly 0 if f and f* are the same function, which is decided exactly.
    digits : int
        The radius is at most ``10^-digits`` of the midpoint: as asked for, or as many as were reached, after a warning.
    precision : int
        Bits of the ball arithmetic that sufficed.
    """

    kind: ClassVar[str] = "loss"
    net: TwoLayerNet
    teacher: TwoLayerNet
    loss: Enclosure
    digits: int
    precision: int

    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON."""
        return {
            "net": network_text(self.net), "teacher": network_text(self.teacher), "loss": enclosure_text(self.loss),
            "digits": self.digits, "precision": self.precision,
        }  # fmt: skip

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> LossCertificate:
        """Return the certificate with this content."""
        return cls(*_networks(content), enclosure_of(content["loss"]), content["digits"], content["precision"])


@dataclass(frozen=True, eq=False)
class GradientCertificate(Certificate):
    """Proved enclosures of the gradient of the population loss with respect to W and a.

    Attributes
    ----------
    net, teacher : TwoLayerNet
    W : ndarray of Enclosure, shape (m, d)
        Of ``dL/dW``; the rows of zero neurons are 0, see `population_gradient`.
    a : ndarray of Enclosure, shape (m,)
        Of ``dL/da``.
    digits : int
        Each radius is at most ``10^-digits`` of the largest entry of W and a: as asked for, or as many as were reached, after a
        warning; 0 says nothing.
    precision : int
        Bits of the ball arithmetic.
    """

    kind: ClassVar[str] = "gradient"
    net: TwoLayerNet
    teacher: TwoLayerNet
    W: NDArray[np.object_]
    a: NDArray[np.object_]
    digits: int
    precision: int

    @property
    def midpoints(self) -> FloatArray:
        """Midpoints of the enclosures of dL/dW, rounded to floats ``(m, d)``."""
        return midpoints(self.W)

    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON."""
        return {
            "net": network_text(self.net), "teacher": network_text(self.teacher),
            "W": [[enclosure_text(entry) for entry in row] for row in self.W], "a": [enclosure_text(entry) for entry in self.a],
            "digits": self.digits, "precision": self.precision,
        }  # fmt: skip

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> GradientCertificate:
        """Return the certificate with this content."""
        W, a = enclosures_of(content["W"]), enclosures_of([content["a"]])[0]
        return cls(*_networks(content), W, a, content["digits"], content["precision"])


@dataclass(frozen=True, eq=False)
class HessianCertificate(Certificate):
    """Proved enclosures of the Hessian of the population loss with respect to W.

    Attributes
    ----------
    net, teacher : TwoLayerNet
    hessian : ndarray of Enclosure, shape (m d, m d)
        Row-major in W; the blocks of zero neurons are 0, see `population_hessian`.
    digits : int
        Each radius is at most ``10^-digits`` of the largest entry: as asked for, or as many as were reached, after a warning;
        0 says nothing.
    precision : int
        Bits of the ball arithmetic.
    """

    kind: ClassVar[str] = "hessian"
    net: TwoLayerNet
    teacher: TwoLayerNet
    hessian: NDArray[np.object_]
    digits: int
    precision: int

    @property
    def midpoints(self) -> FloatArray:
        """Midpoints of the enclosures, rounded to floats ``(m d, m d)``."""
        return midpoints(self.hessian)

    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON."""
        return {
            "net": network_text(self.net), "teacher": network_text(self.teacher),
            "hessian": [[enclosure_text(entry) for entry in row] for row in self.hessian],
            "digits": self.digits, "precision": self.precision,
        }  # fmt: skip

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> HessianCertificate:
        """Return the certificate with this content."""
        return cls(*_networks(content), enclosures_of(content["hessian"]), content["digits"], content["precision"])


def certify_loss(net: TwoLayerNet, teacher: TwoLayerNet, digits: int = DIGITS) -> LossCertificate:
    """Return a proved enclosure of the population loss ``E[(f(x) - f*(x))^2]``, Gaussian inputs.

    The closed form of `population_loss` in ball arithmetic, for the float64 weights taken as exact numbers; the precision is
    doubled until the radius meets the request.

    Parameters
    ----------
    net, teacher : TwoLayerNet
        Of one input dimension.
    digits : int
        At least 1; the radius is at most ``10^-digits`` of the midpoint.

    Returns
    -------
    LossCertificate

    Raises
    ------
    InvalidInputError
        If an argument is not a network, input dimensions differ, or `digits` is not a positive integer.
    MissingDependencyError
        Without python-flint.

    Warns
    -----
    ConvergenceWarning
        If 8192 bits do not give so many digits (about 2450 can be had). The enclosure holds all the same, and the certificate
        says how many digits it has.

    Notes
    -----
    No ball of positive radius around 0 has relative digits. Whether the loss is exactly 0 is therefore decided first, in rational
    arithmetic: f and f* are the same function if and only if their kinks cancel on every line and their linear parts cancel.
    Otherwise the loss is positive, and some precision suffices. Weights that are a minimum only up to rounding have a tiny loss.

    What is proved rests on the correctness of Arb, of Python's integers, and of the closed form [CS].

    References
    ----------
    [CS] Cho and Saul 2009.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> print(lmc.certify_loss(lmc.TwoLayerNet([[0.5, 0], [0, 1], [0.5, 0]]), teacher).loss)
    0
    >>> print(lmc.certify_loss(lmc.TwoLayerNet([[0.1, 0], [0, 1], [0.9, 0]]), teacher, digits=5).loss)
    3.851860E-34 +/- 3.0e-39
    """
    _check(net, teacher)
    digits = _checks.integer("digits", digits, 1)
    if same_function(net, teacher):
        return LossCertificate(net, teacher, Enclosure.of(arb(0)), digits, FIRST_PRECISION)
    [[loss]], digits, precision = _refine(lambda *X: arb_mat([[loss_enclosure(*X)]]), net, teacher, digits)
    return LossCertificate(net, teacher, loss, digits, precision)


def certify_gradient(net: TwoLayerNet, teacher: TwoLayerNet, digits: int = DIGITS) -> GradientCertificate:
    """Return proved enclosures of the gradient of the population loss with respect to W and a.

    It is the gradient of `population_gradient`, zero at zero neurons. Parameters and errors as for `certify_loss`; the radius of
    every entry is at most ``10^-digits`` of the largest entry.

    Warns
    -----
    ConvergenceWarning
        If 8192 bits do not suffice: the gradient may be exactly 0 although the loss is not. The enclosures hold all the same.
        Where the loss is exactly 0, so is the gradient, and it is returned as such.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> found = lmc.certify_gradient(lmc.TwoLayerNet([[2.0, 1.0]]), lmc.orthonormal_teacher(1, 2), digits=20)
    >>> found.midpoints.round(6), found.W[0, 0].radius < 1e-19
    (array([[1.02026 , 0.936338]]), True)
    """
    _check(net, teacher)
    digits = _checks.integer("digits", digits, 1)
    m = net.width
    if same_function(net, teacher):
        nothing = np.full((m, net.input_dim + 1), Enclosure.of(arb(0)), dtype=object)
        return GradientCertificate(net, teacher, nothing[:, :-1], nothing[:, -1], digits, FIRST_PRECISION)

    def both(*X: Any) -> arb_mat:
        gradient, output = gradient_enclosure(*X).tolist(), output_gradient_enclosure(*X).tolist()
        return arb_mat([[*row, *last] for row, last in zip(gradient, output, strict=True)])

    found, digits, precision = _refine(both, net, teacher, digits)
    return GradientCertificate(net, teacher, found[:, :-1], found[:, -1], digits, precision)


def certify_hessian(net: TwoLayerNet, teacher: TwoLayerNet, digits: int = DIGITS) -> HessianCertificate:
    """Return proved enclosures of the Hessian of the population loss with respect to W.

    It is that of `population_hessian`, zero in the blocks of zero neurons. Parameters and errors as for `certify_loss`; the
    radius of every entry is at most ``10^-digits`` of the largest entry.

    Notes
    -----
    Time of the order of ``m (m + M) d^2`` microseconds.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> found = lmc.certify_hessian(lmc.TwoLayerNet([[1.0, 0.0], [0.0, 1.0]]), lmc.orthonormal_teacher(2, 2), digits=20)
    >>> print(found.hessian[0, 3])  # 1/pi
    0.318309886183790671538 +/- 7.1e-21
    """
    _check(net, teacher)
    digits = _checks.integer("digits", digits, 1)
    found, digits, precision = _refine(hessian_enclosure, net, teacher, digits)
    return HessianCertificate(net, teacher, found, digits, precision)


def _networks(content: Mapping[str, Any]) -> tuple[TwoLayerNet, TwoLayerNet]:
    return network_of(content["net"]), network_of(content["teacher"])


def _check(net: TwoLayerNet, teacher: TwoLayerNet) -> None:
    _checks.instance("teacher", teacher, TwoLayerNet)
    PopulationLoss(teacher).check("net", net)


def _refine(
    enclose: Callable[..., arb_mat], net: TwoLayerNet, teacher: TwoLayerNet, digits: int
) -> tuple[NDArray[np.object_], int, int]:
    """Return enclosures of radius ``10^-digits`` of the largest entry, the digits that were reached, and the bits needed."""
    precision = FIRST_PRECISION
    while True:
        with ctx.workprec(precision):
            balls = enclose(exact_rows(net.W), exact_row(net.a), exact_rows(teacher.W), exact_row(teacher.a)).tolist()
        found = np.array([[Enclosure.of(ball) for ball in row] for row in balls], dtype=object)
        size = max(abs(entry.midpoint) for entry in found.flat)
        radius = max(entry.radius for entry in found.flat)
        stated, reached = power_of_two_below(size / 10**digits), digits
        if radius <= stated / ROOM:
            break
        if precision >= MAX_PRECISION:
            stated = power_of_two_below(2 * ROOM * radius)
            reached = _digits(size, stated)
            warnings.warn(
                f"{precision} bits give {reached} digits instead of {digits}"
                + ("" if reached else f": all entries are at most {float(size + radius):.1e} and may be 0"),
                ConvergenceWarning,
                stacklevel=3,
            )
            break
        precision *= 2
    grid = stated / FINER if stated else Fraction(1)  # midpoints on it are as short as their radius permits
    rounded = [[Enclosure(round(entry.midpoint / grid) * grid, stated) for entry in row] for row in found]
    return np.array(rounded, dtype=object), reached, precision


def _digits(size: Fraction, radius: Fraction) -> int:
    """Return how many digits a number of this size has that is known up to `radius`; 0 if it may be 0."""
    ratio, digits = size / radius, 0
    while ratio >= 10 ** (digits + 1):
        digits += 1
    return digits
