"""Proved intervals for the barrier on a segment."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.certificates.balls import arb, ctx
from lmctheory.certificates.certificate import (
    Certificate,
    Enclosure,
    dyadic,
    enclosure_of,
    enclosure_text,
    network_of,
    network_text,
)
from lmctheory.certificates.reduction import is_affine, path_neurons
from lmctheory.certificates.segments import Excess
from lmctheory.certificates.subdivision import maximise
from lmctheory.errors import ConvergenceWarning
from lmctheory.networks import TwoLayerNet, same_architecture
from lmctheory.objectives import PopulationLoss

RTOL = 1e-8
MAX_CELLS = 1024
PRECISIONS = (128, 256, 512)  # bits; the next is tried if
ACCURATE = 60  # the height is known to fewer


@dataclass(frozen=True, eq=False)
class BarrierCertificate(Certificate):
    """A proved interval for the barrier on the segment from A to a permuted B; float64 weights are taken as exact numbers.

    Attributes
    ----------
    net_a, net_b, teacher : TwoLayerNet
    permutation : ndarray of int, shape (m,)
        Applied to B: neuron i of A meets neuron ``permutation[i]`` of B.
    height : Enclosure
        Of ``max_t L(theta_t) - (1-t) L(theta_A) - t L(theta_B)`` over all of [0, 1]. Its lower end is at most the excess at
        `position`, or 0; its upper end is an upper bound on every cell.
    position : float
        Near the maximiser; 0 where the barrier is 0.
    cells : ndarray, shape (n + 1,)
        Ends of the n cells, from 0 to 1, on which the upper bound was proved.
    is_affine : bool
        Whether f_t is affine in t, so that the loss is convex on the segment and the barrier exactly 0 without any cells.
    rtol : float
        As asked for: the upper end is at most ``1 + rtol`` times the lower end, if `is_tight`.
    is_tight : bool
    precision : int
        Bits of the ball arithmetic.
    """

    kind: ClassVar[str] = "barrier"
    net_a: TwoLayerNet
    net_b: TwoLayerNet
    teacher: TwoLayerNet
    permutation: IntArray
    height: Enclosure
    position: float
    cells: FloatArray
    is_affine: bool
    rtol: float
    is_tight: bool
    precision: int

    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON."""
        return {
            "net_a": network_text(self.net_a), "net_b": network_text(self.net_b), "teacher": network_text(self.teacher),
            "permutation": self.permutation.tolist(), "height": enclosure_text(self.height), "position": self.position.hex(),
            "cells": [end.hex() for end in self.cells.tolist()], "is_affine": self.is_affine, "rtol": self.rtol.hex(),
            "is_tight": self.is_tight, "precision": self.precision,
        }  # fmt: skip

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> BarrierCertificate:
        """Return the certificate with this content."""
        net_a, net_b, teacher = (network_of(content[name]) for name in ("net_a", "net_b", "teacher"))
        permutation, cells = np.array(content["permutation"], dtype=np.intp), np.array([*map(float.fromhex, content["cells"])])
        return cls(
            net_a, net_b, teacher, permutation, enclosure_of(content["height"]), float.fromhex(content["position"]), cells,
            content["is_affine"], float.fromhex(content["rtol"]), content["is_tight"], content["precision"],
        )  # fmt: skip


def certify_barrier(
    net_a: TwoLayerNet,
    net_b: TwoLayerNet,
    teacher: TwoLayerNet,
    permutation: ArrayLike | None = None,
    *,
    rtol: float = RTOL,
    max_cells: int = MAX_CELLS,
) -> BarrierCertificate:
    """Return a proved interval for the barrier on the segment between two networks, Gaussian inputs.

    The barrier is ``max_{t in [0,1]} L(theta_t) - (1-t) L(theta_A) - t L(theta_B)``, with
    ``theta_t = (1-t) theta_A + t perm(theta_B)``.
    The maximum is over the whole segment: [0, 1] is divided into cells, on each of which ball arithmetic bounds the excess from
    its value at the centre and its first two derivatives on the cell, until no bound is above the highest value found.

    Parameters
    ----------
    net_a, net_b : TwoLayerNet
        Of one shape (m, d).
    teacher : TwoLayerNet
    permutation : array_like of int, shape (m,), optional
        Of the neurons of `net_b`; the identity by default.
    rtol : float
        Positive: width of the interval, as a part of its lower end.
    max_cells : int
        At least 2: cells to examine.

    Returns
    -------
    BarrierCertificate

    Raises
    ------
    InvalidInputError
        If shapes differ, or an argument is out of range.
    MissingDependencyError
        Without python-flint.

    Warns
    -----
    ConvergenceWarning
        If `max_cells` do not suffice; the interval returned is proved all the same. This happens where the barrier is 0 and the
        excess next to 0 on part of the segment, as between global minima that are so only up to rounding.

    Notes
    -----
    A barrier of exactly 0 is proved as such where f_t is affine, or where the signs of derivatives show that the excess is never
    positive.

    Neurons that move on one ray are first added up, in exact arithmetic, so that pairs of global minima cost as much as their
    mismatched neurons. With n neurons left, an evaluation takes about ``5 n^2`` microseconds, a proof some 100 of them. Where a
    neuron passes the origin the loss has a kink; cells around it shrink to the width that is asked for.

    What is proved rests on the correctness of Arb and of the formulas of `lmctheory.certificates.segments`; `verify_certificate`
    checks it by code of its own.

    References
    ----------
    [CS] Cho and Saul 2009; [SS] Safran and Shamir 2018.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> found = lmc.certify_barrier(teacher, teacher, teacher, [1, 0])
    >>> print(found.height)  # 1/2 - 1/pi = 0.18169011...
    0.1816901147 +/- 9.4e-10
    >>> print(lmc.certify_barrier(teacher, teacher, teacher).height)
    0
    """
    PopulationLoss(_checks.instance("teacher", teacher, TwoLayerNet)).check("net_a", net_a)
    same_architecture("net_a", net_a, "net_b", net_b)
    perm = np.arange(net_a.width) if permutation is None else _checks.permutation("permutation", permutation, net_a.width)
    rtol = _checks.real("rtol", rtol, positive=True)
    max_cells = _checks.integer("max_cells", max_cells, 2)
    found = prove_barrier(net_a, net_b, teacher, perm, rtol, max_cells)
    if not found.is_tight:
        warnings.warn(
            f"{max_cells} cells do not give a relative width of {rtol:g}: the barrier is from {float(found.height.lower):.6g} "
            f"to {float(found.height.upper):.6g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    return found


def prove_barrier(
    net_a: TwoLayerNet, net_b: TwoLayerNet, teacher: TwoLayerNet, permutation: IntArray, rtol: float, max_cells: int
) -> BarrierCertificate:
    """Return the certificate, tight or not; for arguments known to be right."""
    neurons = path_neurons(net_a, net_b.permute(permutation), teacher)
    if is_affine(neurons):
        nothing = Enclosure(Fraction(0), Fraction(0))
        return BarrierCertificate(
            net_a, net_b, teacher, permutation, nothing, 0.0, np.array([0.0, 1.0]), True, rtol, True, PRECISIONS[0]
        )
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            excess = Excess(neurons)
            found = maximise(excess, rtol, max_cells)
            if found.is_tight or excess(arb(found.position)).value.rel_accuracy_bits() > ACCURATE:
                break
    lower = dyadic(found.lower) * excess.unit
    goal = lower * (1 + Fraction(rtol))
    upper = goal if found.is_tight else dyadic(found.upper) * excess.unit
    height, cells = Enclosure.between(lower, upper), np.array(found.ends)
    return BarrierCertificate(
        net_a, net_b, teacher, permutation, height, found.position, cells, False, rtol, upper <= goal, precision
    )
