"""Spurious local minima: existence, uniqueness and positive definiteness on a box, and a loss that is proved positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from flint import arb_mat

from lmctheory._checks import FloatArray
from lmctheory.certificates.balls import arb, box, ctx, exact_row, exact_rows, root, total
from lmctheory.certificates.certificate import (
    Certificate,
    Enclosure,
    dyadic,
    enclosure_of,
    enclosure_text,
    network_of,
    network_text,
)
from lmctheory.certificates.enclosures import gradient_enclosure, hessian_enclosure, loss_enclosure
from lmctheory.errors import NotCertifiedError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss

PRECISION = 128  # bits: at a polished centre the gradient, of 1e-13, is enclosed to 1e-36
SETTLED = 2.0**-36  # Newton steps below this leave the centre where it is
NEWTON_STEPS = 20
FLAT = 1e-10  # share of the largest eigenvalue below which one counts as zero, in floating point
TRIAL_RADIUS = 2.0**-24  # where the growth of the Hessian's variation with the box is measured
SHARE = 0.25  # of the smallest eigenvalue, by which the Hessian may vary on the box
STATED = 0.5  # of the smallest eigenvalue are stated as curvature, so that wider enclosures than these can confirm it
ROOM = arb(2) ** -64  # part of the growth of gradient and loss on the box; bounds leave it to those who check them
SMALL = 2.0**-6  # of the shortest neuron is the half-diagonal of a box at most
ATTEMPTS = 4
BOUNDS = ("radius", "distance", "curvature", "moved")


@dataclass(frozen=True, eq=False)
class LocalMinimumCertificate(Certificate):
    """A proof that there is exactly one critical point near a network, and that it is a local minimum of positive loss.

    The box holds all weights that differ from those of `net` by at most `radius`, each. The critical point in it is called
    ``W*``. The float64 weights and bounds are meant exactly.

    Attributes
    ----------
    net : TwoLayerNet
        The centre of the box.
    teacher : TwoLayerNet
    radius : float
        A power of two.
    distance : float
        At least the Frobenius norm of the difference between ``W*`` and the centre.
    curvature : float
        Positive, and at most the smallest eigenvalue of the Hessian, anywhere in the box.
    loss : Enclosure
        Of the loss at ``W*``; positive.
    moved : float
        By how much a weight of the network that was given differs from the centre: 0 if that is the network itself, else at most
        `radius`.
    """

    kind: ClassVar[str] = "local-minimum"
    net: TwoLayerNet
    teacher: TwoLayerNet
    radius: float
    distance: float
    curvature: float
    loss: Enclosure
    moved: float

    @property
    def is_spurious(self) -> bool:
        """Whether loss zero is attained elsewhere: each teacher neuron has a student neuron whose output weight has its sign."""
        a, b = self.net.a, self.teacher.a
        return bool(np.sum(a > 0) >= np.sum(b > 0) and np.sum(a < 0) >= np.sum(b < 0))

    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON."""
        networks = {"net": network_text(self.net), "teacher": network_text(self.teacher)}
        return {**networks, **{name: getattr(self, name).hex() for name in BOUNDS}, "loss": enclosure_text(self.loss)}

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> LocalMinimumCertificate:
        """Return the certificate with this content."""
        bounds = {name: float.fromhex(content[name]) for name in BOUNDS}
        net, teacher = network_of(content["net"]), network_of(content["teacher"])
        return cls(net=net, teacher=teacher, loss=enclosure_of(content["loss"]), **bounds)


def certify_local_minimum(net: TwoLayerNet, teacher: TwoLayerNet) -> LocalMinimumCertificate:
    """Prove that there is exactly one critical point in a box around `net`, and that it is a local minimum of positive loss.

    With g the gradient and H the Hessian of the population loss with respect to W, c the centre of the box X of radius r, and R a
    floating-point inverse of ``H(c)``:

    - existence and uniqueness, by Krawczyk's operator in the maximum norm: ``|R g(c)| < (1 - q) r``, ``q = |I - R H(X)| < 1``;
    - positive definiteness on X: Gershgorin discs in a floating-point eigenbasis bound the eigenvalues of ``H(c)`` from below,
      and nowhere in X are they lower by more than the largest row sum of ``|H(X) - H(c)|``;
    - loss: by convexity on X, ``L(c) - |g(c)|^2 / (2 mu) <= L(W*) <= L(c)``, with mu the curvature.

    Parameters
    ----------
    net : TwoLayerNet
        Near a critical point: polished, or the end of a long descent. If a Newton step still moves it, the centre of the box is
        the end of Newton's iteration, rounded to float64; the box then holds `net` as well.
    teacher : TwoLayerNet
        Of the same input dimension.

    Returns
    -------
    LocalMinimumCertificate

    Raises
    ------
    InvalidInputError
        If input dimensions differ.
    NotCertifiedError
        If this cannot be proved; the message says why. That is no proof of the contrary.

    Notes
    -----
    Output weights are fixed, so that there is no rescaling symmetry, and a permutation of neurons leads to another box. Flat
    directions are refused, not factored out: minima on a manifold (the global ones for m > M, those with components off the
    teacher's span, which rotations carry along), and isolated ones with a singular Hessian. Zero neurons, at which the loss
    has no gradient, are refused too.

    What is proved rests on the correctness of Arb and of the closed forms [SS]; floating point only proposes.

    Costs ``O(m (m + M) d^2 + (m d)^3)`` operations on balls of 128 bits: 0.4 s for ``m = d = 12``, 4 s for 20.

    References
    ----------
    [SS] Safran and Shamir 2018.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(8, 8)
    >>> net = lmc.train(teacher, width=8, learning_rate=1 / 8, rng=2, polish=True).networks[0]
    >>> found = lmc.certify_local_minimum(net, teacher)
    >>> found.is_spurious, found.radius > 1e-6, round(float(found.loss.midpoint), 6)
    (True, True, 0.043016)
    """
    loss = PopulationLoss(teacher)
    loss.check("net", net)
    for i in np.flatnonzero(~net.W.any(axis=1)):
        raise NotCertifiedError(f"neuron {i} is zero: the loss has no gradient there")
    center, eigenvalues, eigenvectors = _refine(net, loss)
    moved = float(np.abs(center.W - net.W).max())
    with ctx.workprec(PRECISION):
        return _prove(center, teacher, eigenvalues, eigenvectors, moved)


def _refine(net: TwoLayerNet, loss: PopulationLoss) -> tuple[TwoLayerNet, FloatArray, FloatArray]:
    """Return the end of Newton's iteration from `net`, and eigenvalues and eigenvectors of its Hessian, in floating point."""
    for _ in range(NEWTON_STEPS):
        value, gradient = loss.value_and_gradient(net)
        if value <= loss.floor(net):
            raise NotCertifiedError(f"the loss, {value:.1e}, is zero up to rounding: a global minimum is not spurious")
        eigenvalues, eigenvectors = np.linalg.eigh(loss.hessian(net))
        if eigenvalues[0] <= FLAT * eigenvalues[-1]:
            flat = abs(eigenvalues[0]) <= FLAT * eigenvalues[-1]
            reading = "a direction is flat" if flat else "this is no minimum"
            raise NotCertifiedError(f"the smallest eigenvalue of the Hessian is about {eigenvalues[0]:.1e}: {reading}")
        step = eigenvectors @ ((gradient.ravel() @ eigenvectors) / eigenvalues)
        if np.abs(step).max() <= SETTLED:
            return net, eigenvalues, eigenvectors
        net = TwoLayerNet(net.W - step.reshape(net.W.shape), net.a)
    raise NotCertifiedError(f"Newton's iteration does not settle: its last step is {np.abs(step).max():.1e}")


def _prove(
    center: TwoLayerNet, teacher: TwoLayerNet, eigenvalues: FloatArray, eigenvectors: FloatArray, moved: float
) -> LocalMinimumCertificate:
    """Return the proof for the largest box, of a power of two, that it works for."""
    rows, (a, V, b) = exact_rows(center.W), (exact_row(center.a), exact_rows(teacher.W), exact_row(teacher.a))
    gradient = gradient_enclosure(rows, a, V, b).entries()
    central = hessian_enclosure(rows, a, V, b)
    smallest = _smallest_eigenvalue(central, eigenvectors)
    inverse = arb_mat(exact_rows((eigenvectors / eigenvalues) @ eigenvectors.T))
    newton_step = _largest((inverse * arb_mat([[entry] for entry in gradient])).entries())
    variation = float(_row_sum(hessian_enclosure(box(rows, TRIAL_RADIUS), a, V, b) - central))
    if not np.isfinite(variation):
        raise NotCertifiedError(f"a neuron has a norm below {TRIAL_RADIUS:.1e}: the Hessian has no bounds near it")
    shortest = np.linalg.norm(center.W, axis=1).min()
    largest = min(SMALL * shortest / np.sqrt(center.input_dim), SHARE * eigenvalues[0] / max(variation / TRIAL_RADIUS, SHARE))
    largest = 2.0 ** np.floor(np.log2(largest))
    curvature = _below(arb(STATED) * smallest)
    for radius in largest / 2.0 ** np.arange(ATTEMPTS):
        hessian = hessian_enclosure(box(rows, radius), a, V, b)
        contraction = _row_sum(inverse * hessian - _identity(len(eigenvalues)))
        if 0 < curvature <= smallest - _row_sum(hessian - central) and newton_step < (1 - contraction) * arb(radius):
            break
    else:
        raise NotCertifiedError(f"no box of radius {radius:.1e} or more passes Krawczyk's test with a positive definite Hessian")
    if moved > radius:
        raise NotCertifiedError(
            f"the critical point that Newton's iteration finds differs by {moved:.1e} from the given weights, too far for one "
            f"box: it is proved to be the only one up to {radius:.1e}"
        )
    growth = arb(curvature) * arb(radius)  # at least, of the gradient on the way to the boundary
    size = root(total(entry * entry for entry in gradient)) + ROOM * growth
    value = loss_enclosure(rows, a, V, b) + arb(0, ROOM * growth * arb(radius))
    lowest = (value - size * size / (2 * arb(curvature))).lower()
    if not lowest > 0:
        raise NotCertifiedError(f"the loss is not proved positive: its lower bound is {float(lowest):.1e}")
    enclosure = Enclosure.between(dyadic(lowest), dyadic(value.upper()))
    return LocalMinimumCertificate(center, teacher, float(radius), _above(size / arb(curvature)), curvature, enclosure, moved)


def _smallest_eigenvalue(hessian: arb_mat, eigenvectors: FloatArray) -> arb:
    """Return a lower bound of the eigenvalues: ``x' H x >= (lowest disc) |Q^-1 x|^2`` and ``|x| <= |Q| |Q^-1 x|``."""
    basis = arb_mat(exact_rows(eigenvectors))
    discs = (basis.transpose() * hessian * basis).tolist()
    lowest = arb.pos_inf()
    for i, row in enumerate(discs):
        lowest = lowest.min(row[i] - total(abs(entry) for j, entry in enumerate(row) if j != i)).lower()
    stretch = _row_sum(basis.transpose() * basis)  # at least the square of the norm of Q
    return lowest / stretch if lowest > 0 else arb.neg_inf()


def _identity(size: int) -> arb_mat:
    return arb_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])


def _row_sum(matrix: arb_mat) -> arb:
    """Return an upper bound of the largest sum of absolute values in a row."""
    return _largest([total(entry.abs_upper() for entry in row) for row in matrix.tolist()])


def _largest(entries: list[arb]) -> arb:
    bound = arb(0)
    for entry in entries:
        bound = bound.max(entry.abs_upper())
    return bound.upper()


def _below(value: arb) -> float:
    """Return a float64 number below all of the ball."""
    return float(np.nextafter(float(value.lower()), -np.inf))


def _above(value: arb) -> float:
    """Return a float64 number above all of the ball."""
    return float(np.nextafter(float(value.upper()), np.inf))
