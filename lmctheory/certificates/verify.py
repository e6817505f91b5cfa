"""The checker: proves what a certificate states from its data alone, by code that shares nothing with the search but Arb.

A certificate is a JSON object. Its digest shows that nothing was changed by accident; whoever recomputes the digest after a
change meets the proof itself. Enclosures of values are proved in `verify_values`, bounds on a segment in `verify_segment`, and
local minima in `verify_local_minimum`, by formulas written down anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any, Protocol

import numpy as np
from flint import arb, ctx

from lmctheory._files import read_json
from lmctheory.certificates.verify_data import GUARD_BITS, MAX_PRECISION, Json, Network, ball, interval, network, require
from lmctheory.certificates.verify_local_minimum import refutations
from lmctheory.certificates.verify_segment import Segment
from lmctheory.certificates.verify_values import Pairs, check_gradient, check_hessian, check_loss
from lmctheory.errors import CertificateError

FORMAT, VERSION = "lmctheory certificate", 1
SEGMENT_PRECISION = 512  # makes Gram determinants of products of three floats exact, so that collinear neurons are seen


class HasDocument(Protocol):
    """A certificate."""

    def document(self) -> Json: ...


def verify_certificate(certificate: HasDocument | str | os.PathLike[str]) -> str:
    """Prove what a certificate states once more, by code of its own, and return the kind of certificate.

    Parameters
    ----------
    certificate : Certificate or path
        A certificate, or a file written by `Certificate.save`.

    Returns
    -------
    str
        The kind, such as "barrier".

    Raises
    ------
    CertificateError
        If the certificate has been changed or does not prove what it states; the message says where.
    InvalidInputError
        If the file cannot be read or is not JSON.

    Notes
    -----
    What is trusted: Arb, Python's integers and fractions, and `lmctheory.certificates.verify` with the modules ``verify_*``
    beside it, which are meant to be read. The time is about that of the search.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> lmc.verify_certificate(lmc.certify_barrier(teacher, teacher, teacher, [1, 0]))
    'barrier'
    """
    document = read_json(certificate) if isinstance(certificate, str | os.PathLike) else certificate.document()
    body = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    if (body.pop("format", None), body.pop("version", None)) != (FORMAT, VERSION):
        raise CertificateError(f"not a certificate of version {VERSION}")
    if document.get("digest") != hashlib.sha256(text.encode()).hexdigest():
        raise CertificateError("the certificate has been changed: its digest does not fit")
    kind = body.pop("kind", None)
    if kind not in CHECKS:
        raise CertificateError(f"unknown kind of certificate: {kind!r}")
    try:
        CHECKS[kind](body)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, CertificateError):
            raise
        raise CertificateError(f"the data of the certificate are malformed: {error!r}") from None
    return str(kind)


def check_barrier(body: Json) -> None:
    """Check the interval of a barrier on a segment: the lower end at one position, the upper end on every cell."""
    names = {
        "net_a",
        "net_b",
        "teacher",
        "permutation",
        "height",
        "position",
        "cells",
        "is_affine",
        "rtol",
        "is_tight",
        "precision",
    }
    require(body.keys() == names, "the entries of the certificate are not those of its kind")
    net_a, net_b, teacher = (network(body[name]) for name in ("net_a", "net_b", "teacher"))
    m, permutation = len(net_a[0]), body["permutation"]
    require(sorted(permutation) == list(range(m)) == list(range(len(net_b[0]))), "the permutation is not one of the neurons of B")
    require(len({len(net[0][0]) for net in (net_a, net_b, teacher)}) == 1, "networks differ in input dimension")
    permuted = [net_b[0][p] for p in permutation], [net_b[1][p] for p in permutation]
    lower, upper = interval(body["height"])
    position, cells = float.fromhex(body["position"]), [float.fromhex(t) for t in body["cells"]]
    rtol, precision = float.fromhex(body["rtol"]), body["precision"]
    require(type(precision) is int and 2 <= precision <= MAX_PRECISION, "the precision is out of range")
    require(
        rtol > 0 and body["is_tight"] is (upper <= lower * (1 + Fraction(rtol))),
        "it is not said rightly whether the interval is tight",
    )
    require(0 <= lower <= upper and 0 <= position <= 1, "the interval of the barrier is not one")
    with ctx.workprec(max(precision + GUARD_BITS, SEGMENT_PRECISION)):
        segment = Segment(net_a, permuted, teacher)
        if body["is_affine"] is not False:
            require(
                segment.is_affine and lower == upper == 0 and cells == [0.0, 1.0], "the function is not affine on the segment"
            )
            return
        require(lower == 0 or segment.excess(position) >= ball(lower), "the lower end is not reached at the position")
        require(cells[0] == 0 and cells[-1] == 1, "the cells do not cover [0, 1]")
        for left, right in pairwise(cells):
            require(left < right, "the cells are not in order")
            require(segment.is_below(left, right, ball(upper)), f"the upper end is not proved between {left} and {right}")


def check_modulo_permutation(body: Json) -> None:
    """Check the interval of a barrier modulo permutation: that of one permutation, and a position for every other."""
    require(
        body.keys() == {"best", "height", "positions", "rtol", "is_tight"},
        "the entries of the certificate are not those of its kind",
    )
    best = body["best"]
    check_barrier(best)
    lower, upper = interval(body["height"])
    rtol = Fraction(float.fromhex(body["rtol"]))
    require(upper == interval(best["height"])[1], "the upper end is not that of the best permutation")
    require(0 <= lower <= upper and rtol > 0, "the interval of the barrier is not one")
    require(body["is_tight"] is (lower >= upper * (1 - rtol)), "it is not said rightly whether the interval is tight")
    nets = [network(best[name]) for name in ("net_a", "net_b", "teacher")]
    positions = [Fraction(float.fromhex(t)) for t in body["positions"]]
    require(all(0 < t < 1 for t in positions), "a position is not inside of [0, 1]")
    if lower == 0:
        return
    left = np.array(list(permutations(range(len(nets[0][0])))))
    for t in positions:
        with ctx.workprec(SEGMENT_PRECISION):
            left = left[_may_be_below(nets[0], nets[1], nets[2], t, lower, left)]
    require(len(left) == 0, f"the lower end is not proved for {len(left)} permutations")


def _may_be_below(net_a: Network, net_b: Network, teacher: Network, t: Fraction, lower: Fraction, group: Any) -> Any:
    """Say for which permutations in `group` the excess at t is not proved to be at least `lower`.

    The loss at t is ``sum_ij cost(i, p_i, j, p_j)`` plus the teacher's energy. Every cost is rounded down to an integer.
    """
    (W_a, a), (W_b, b), m = net_a, net_b, len(net_a[0])
    mixed = [[(1 - t) * x + t * y for x, y in zip(u, v, strict=True)] for u in W_a for v in W_b]
    pairs = Pairs((mixed, [(1 - t) * x + t * y for x in a for y in b]), teacher)
    teachers = range(m * m, len(pairs.c))
    ends = [Pairs(net, teacher) for net in (net_a, net_b)]
    at_a, at_b = (sum((p.c[i] * p.c[j] * p.kernel(i, j) for i in p.all for j in p.all), arb(0)) for p in ends)
    constant = sum((pairs.c[i] * pairs.c[j] * pairs.kernel(i, j) for i in teachers for j in teachers), arb(0))
    constant -= ball(1 - t) * at_a + ball(t) * at_b + ball(lower)
    own = [
        pairs.c[k] * (pairs.c[k] * pairs.kernel(k, k) + 2 * sum((pairs.c[r] * pairs.kernel(k, r) for r in teachers), arb(0)))
        for k in range(m * m)
    ]
    mutual = {
        (k, n): 2 * pairs.c[k] * pairs.c[n] * pairs.kernel(k, n) for k in range(m * m) for n in range(k - k % m) if k % m != n % m
    }
    largest = sum(float(abs(x).upper()) for x in [constant, *own, *mutual.values()])
    scale = arb(2) ** (61 - math.frexp(largest)[1])  # no sum of integers overflows

    def rounded(value: arb) -> int:
        return int((value * scale).floor().lower().unique_fmpz() or 0)

    linear, quadratic = np.array([rounded(x) for x in own]), np.zeros((m * m, m * m), dtype=np.int64)
    for (k, n), value in mutual.items():
        quadratic[k, n] = rounded(value)
    total = np.full(len(group), rounded(constant), dtype=np.int64)
    for i in range(m):
        total += linear[i * m + group[:, i]]
        for j in range(i):
            total += quadratic[i * m + group[:, i], j * m + group[:, j]]
    return total < 0


def check_local_minimum(body: Json) -> None:
    """Check that there is exactly one critical point in a box, and that it is a local minimum of positive loss."""
    names = {"net", "teacher", "radius", "distance", "curvature", "moved", "loss"}
    require(body.keys() == names, "the entries of the certificate are not those of its kind")
    net, teacher = network(body["net"]), network(body["teacher"])
    require(len(net[0][0]) == len(teacher[0][0]), "student and teacher differ in input dimension")
    for reason in refutations(body):
        raise CertificateError(f"not proved: {reason}")


CHECKS: dict[str, Callable[[Json], None]] = {
    "loss": check_loss,
    "gradient": check_gradient,
    "hessian": check_hessian,
    "barrier": check_barrier,
    "modulo-permutation": check_modulo_permutation,
    "local-minimum": check_local_minimum,
}
