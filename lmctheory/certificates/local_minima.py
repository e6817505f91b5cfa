"""Spurious local minima: existence, uniqueness and positive definiteness on a box, and a loss that is proved positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb_mat

from lmctheory._checks import FloatArray
from lmctheory.certificates.balls import arb, box, ctx, exact_row, exact_rows, root, total
from lmctheory.certificates.enclosures import gradient_enclosure, hessian_enclosure, loss_enclosure
from lmctheory.errors import CertificationError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss

PRECISION = 128  # bits: at a polished centre the gradient, of 1e-13, is enclosed to 1e-36
SETTLED = 2.0**-36  # Newton steps below this leave the centre where it is
NEWTON_STEPS = 20
FLAT = 1e-10  # share of the largest eigenvalue below which one counts as zero, in floating point
TRIAL_RADIUS = 2.0**-24  # where the growth of the Hessian's variation with the box is measured
SHARE = 0.25  # of the smallest eigenvalue, which the Hessian may vary by on the box
MARGIN = 1.5  # times the variation go off the curvature, so that wider enclosures than these can confirm it
ATTEMPTS = 4


@dataclass(frozen=True, eq=False)
class CertifiedMinimum:
    """A proved local minimum of positive loss.

    In the box ``|W - W_c| <= radius`` (the largest deviation of a weight) around the weights ``W_c`` of `center` there is exactly
    one critical point ``W*``. All weights and bounds are float64 numbers that are meant exactly.

    Attributes
    ----------
    center : TwoLayerNet
        ``W_c`` ``(m, d)`` with output weights a ``(m,)``.
    teacher : TwoLayerNet
    radius : float
        A power of two.
    distance : float
        ``|W* - W_c|``, in the Frobenius norm, is at most this.
    curvature : float
        No eigenvalue of the Hessian, anywhere in the box, is less than this positive number.
    loss : tuple of float
        Encloses the loss at ``W*``; the lower end is positive.
    moved : float
        Largest deviation of a weight of the network that was given from `center`: 0 if that is the network itself, else at most
        `radius`.
    """

    center: TwoLayerNet
    teacher: TwoLayerNet
    radius: float
    distance: float
    curvature: float
    loss: tuple[float, float]
    moved: float

    @property
    def is_spurious(self) -> bool:
        """Whether loss zero is attained elsewhere: each teacher neuron has a student neuron whose output weight has its sign."""
        a, b = self.center.a, self.teacher.a
        return bool(np.sum(a > 0) >= np.sum(b > 0) and np.sum(a < 0) >= np.sum(b < 0))


def certify_local_minimum(net: TwoLayerNet, teacher: TwoLayerNet) -> CertifiedMinimum:
    """Prove that there is exactly one critical point in a box around `net`, and that it is a local minimum of positive loss.

    With g the gradient and H the Hessian of the population loss with respect to W, c the centre of the box X of radius r, and R a
    floating-point inverse of ``H(c)``:

    - existence and uniqueness, by Krawczyk's operator: ``|R g(c)| < (1 - q) r`` with ``q = |I - R H(X)| < 1`` in the maximum norm;
    - positive definiteness on X: Gershgorin discs in a floating-point eigenbasis bound the eigenvalues of ``H(c)`` from below, and
      nowhere in X are they lower by more than the largest row sum of ``|H(X) - H(c)|``;
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
    CertifiedMinimum

    Raises
    ------
    InvalidInputError
        If input dimensions differ.
    CertificationError
        If this cannot be proved; the message says why. That is no proof of the contrary.

    Notes
    -----
    Output weights are fixed, so that there is no rescaling symmetry, and a permutation of neurons leads to another box. Whatever is
    flat is refused, not factored out: minima on a manifold (the global ones for m > M, a neuron split in two, components off the
    teacher's span that a rotation carries along), and degenerate isolated ones. Zero neurons, at which the loss has no
    gradient, are refused too.

    Costs ``O(m (m + M) d^2 + (m d)^3)`` operations on balls of 128 bits: 0.4 s for ``m = d = 12``, 4 s for 20.

    References
    ----------
    [SS] Safran and Shamir 2018.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> found = lmc.certify_local_minimum(lmc.TwoLayerNet([[0.5, 0.5]]), lmc.orthonormal_teacher(2, 2))
    >>> found.curvature > 0.5, found.loss[0] > 0, found.is_spurious
    (True, True, False)
    """
    loss = PopulationLoss(teacher)
    loss.check("net", net)
    for i in np.flatnonzero(~net.W.any(axis=1)):
        raise CertificationError(f"neuron {i} is zero: the loss has no gradient there")
    center, eigenvalues, eigenvectors = _refine(net, loss)
    moved = float(np.abs(center.W - net.W).max())
    with ctx.workprec(PRECISION):
        return _prove(center, teacher, eigenvalues, eigenvectors, moved)


def _refine(net: TwoLayerNet, loss: PopulationLoss) -> tuple[TwoLayerNet, FloatArray, FloatArray]:
    """Return the end of Newton's iteration from `net`, and eigenvalues and eigenvectors of its Hessian, in floating point."""
    for _ in range(NEWTON_STEPS):
        value, gradient = loss.value_and_gradient(net)
        if value <= loss.floor(net):
            raise CertificationError(f"the loss, {value:.1e}, is zero up to rounding: a global minimum is not spurious")
        eigenvalues, eigenvectors = np.linalg.eigh(loss.hessian(net))
        if eigenvalues[0] <= FLAT * eigenvalues[-1]:
            flat = abs(eigenvalues[0]) <= FLAT * eigenvalues[-1]
            reading = "a direction is flat" if flat else "no minimum is near"
            raise CertificationError(f"the smallest eigenvalue of the Hessian is about {eigenvalues[0]:.1e}: {reading}")
        step = eigenvectors @ ((gradient.ravel() @ eigenvectors) / eigenvalues)
        if np.abs(step).max() <= SETTLED:
            return net, eigenvalues, eigenvectors
        net = TwoLayerNet(net.W - step.reshape(net.W.shape), net.a)
    raise CertificationError(f"Newton's iteration does not settle: its last step is {np.abs(step).max():.1e}")


def _prove(
    center: TwoLayerNet, teacher: TwoLayerNet, eigenvalues: FloatArray, eigenvectors: FloatArray, moved: float
) -> CertifiedMinimum:
    """Return the proof for the largest box, of a power of two, that it works for."""
    rows, (a, V, b) = exact_rows(center.W), (exact_row(center.a), exact_rows(teacher.W), exact_row(teacher.a))
    gradient = gradient_enclosure(rows, a, V, b).entries()
    central = hessian_enclosure(rows, a, V, b)
    smallest = _smallest_eigenvalue(central, eigenvectors)
    inverse = arb_mat(exact_rows((eigenvectors / eigenvalues) @ eigenvectors.T))
    newton_step = _largest((inverse * arb_mat([[entry] for entry in gradient])).entries())
    trial = _row_sum(hessian_enclosure(box(rows, TRIAL_RADIUS), a, V, b) - central)
    largest = 2.0 ** np.floor(np.log2(TRIAL_RADIUS * SHARE * eigenvalues[0] / float(trial)))
    for radius in largest / 2.0 ** np.arange(ATTEMPTS):
        hessian = hessian_enclosure(box(rows, radius), a, V, b)
        curvature = _below(smallest - arb(MARGIN) * _row_sum(hessian - central))
        contraction = _row_sum(inverse * hessian - _identity(len(eigenvalues)))
        if curvature > 0 and newton_step < (1 - contraction) * arb(radius):
            break
    else:
        raise CertificationError(f"no box of radius {radius:.1e} or more passes Krawczyk's test with a positive definite Hessian")
    if moved > radius:
        raise CertificationError(
            f"the critical point that Newton's iteration finds differs by {moved:.1e} from the given weights, too far for one box: "
            f"it is proved to be the only one up to {radius:.1e}"
        )
    size = root(total(entry * entry for entry in gradient))
    value = loss_enclosure(rows, a, V, b)
    low = _below(value - size * size / (2 * arb(curvature)))
    if low <= 0:
        raise CertificationError(f"the loss is not proved positive: its lower bound is {low:.1e}")
    distance = _above(size / arb(curvature))
    return CertifiedMinimum(center, teacher, float(radius), distance, curvature, (low, _above(value)), moved)


def _smallest_eigenvalue(hessian: arb_mat, eigenvectors: FloatArray) -> arb:
    """Return a lower bound of the eigenvalues of a symmetric matrix: ``x' H x >= min disc |Q^-1 x|^2`` and ``|x| <= |Q| |Q^-1 x|``."""
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
