"""The checker: proves what a certificate states from its data alone, by code that shares nothing with the search but Arb.

A certificate is a JSON object. Its digest shows that nothing was changed by accident; whoever recomputes the digest after a
change meets the proof itself. Formulas here are written down anew, for `p` the angle between u and v:

- ``P = ||v| u + |u| v| = 2 |u||v| cos(p/2)`` and ``Q = ||v| u - |u| v| = 2 |u||v| sin(p/2)`` give the angle and the area
  ``|u||v| sin p = P Q / (2 |u||v|)`` of two fixed vectors without cancellation;
- on a segment, where ``i(t) = u . v`` is a polynomial, those of `lmctheory.certificates.segments`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any, Protocol, TypeAlias

import numpy as np
from flint import arb, ctx, fmpq

from lmctheory._files import read_json
from lmctheory.certificates.verify_local_minimum import refutations
from lmctheory.certificates.verify_segment import Segment
from lmctheory.errors import CertificateError

FORMAT, VERSION = "lmctheory certificate", 1
MAX_PRECISION = 2**15
GUARD_BITS = 64  # by which the check is more precise than the search was
SEGMENT_PRECISION = (
    512  # at which Gram determinants of products of three floats are exact, and collinear neurons are seen to be so
)

Network: TypeAlias = tuple[list[list[Fraction]], list[Fraction]]
Json: TypeAlias = dict[str, Any]


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
    What is trusted: Arb, Python's integers and fractions, and `lmctheory.certificates.verify`, which is meant to be read. The
    time is about that of the search.

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


def require(condition: object, reason: str) -> None:
    """Refuse the certificate unless the condition is true."""
    if not condition:
        raise CertificateError(reason)


def network(text: Json) -> Network:
    """Return the exact weights of a network."""
    require(text.keys() == {"W", "a"}, "a network must have weights W and a")
    W = [[Fraction(float.fromhex(x)) for x in row] for row in text["W"]]
    a = [Fraction(float.fromhex(x)) for x in text["a"]]
    require(len(W) == len(a) > 0 and len({len(row) for row in W}) == 1 and W[0], "the weights of a network must be a matrix")
    return W, a


def interval(text: Sequence[str]) -> tuple[Fraction, Fraction]:
    """Return the ends of an enclosure."""
    midpoint, radius = map(Fraction, text)
    require(radius >= 0, "a radius is negative")
    return midpoint - radius, midpoint + radius


def ball(value: Fraction) -> arb:
    """Return a fraction as a ball."""
    return arb(fmpq(value.numerator, value.denominator))


def lies_in(found: arb, text: Sequence[str]) -> bool:
    """Whether the ball lies in the stated enclosure."""
    low, high = interval(text)
    return bool(found >= ball(low) and found <= ball(high)) if low < high else bool(found == ball(low) and found.is_exact())


def _student(body: Json, *names: str) -> tuple[Network, Network, int]:
    require(
        body.keys() == {"net", "teacher", "digits", "precision", *names},
        "the entries of the certificate are not those of its kind",
    )
    net, teacher, precision, digits = network(body["net"]), network(body["teacher"]), body["precision"], body["digits"]
    require(len(net[0][0]) == len(teacher[0][0]), "student and teacher differ in input dimension")
    require(type(precision) is int and 2 <= precision <= MAX_PRECISION, "the precision is out of range")
    require(type(digits) is int and digits >= 1, "the number of digits is out of range")
    return net, teacher, precision + GUARD_BITS


def check_loss(body: Json) -> None:
    """Check the enclosure of a loss."""
    net, teacher, precision = _student(body, "loss")
    low, high = interval(body["loss"])
    if low == high == 0:
        require(_difference_vanishes(net, teacher), "student and teacher are not the same function, and the loss is not 0")
        return
    require((high - low) / 2 * 10 ** body["digits"] <= abs(high + low) / 2, "the radius of the loss is not that asked for")
    with ctx.workprec(precision):
        pairs = _Pairs(net, teacher)
        found = sum((pairs.c[i] * pairs.c[j] * pairs.kernel(i, j) for i in pairs.all for j in pairs.all), arb(0))
        require(lies_in(found, body["loss"]), "the loss does not lie in its enclosure")


def check_gradient(body: Json) -> None:
    """Check the enclosures of a gradient."""
    net, teacher, precision = _student(body, "W", "a")
    same = _difference_vanishes(net, teacher)
    with ctx.workprec(precision):
        pairs = _Pairs(net, teacher)
        d = len(net[0][0])
        require(len(body["W"]) == len(body["a"]) == pairs.m, "the gradient has another shape than the weights")
        for i in range(pairs.m):
            row, output = [arb(0)] * d, arb(0)
            for j in pairs.all:
                slope = pairs.slope(i, j)
                row = [x + 2 * pairs.c[i] * pairs.c[j] * y for x, y in zip(row, slope, strict=True)]
                output += 2 * pairs.c[j] * pairs.kernel(i, j)
            entries = [*body["W"][i], body["a"][i]]
            for value, text in zip([arb(0)] * (d + 1) if same else [*row, output], entries, strict=True):
                require(lies_in(value, text), f"the gradient of neuron {i} does not lie in its enclosure")


def check_hessian(body: Json) -> None:
    """Check the enclosures of a Hessian."""
    net, teacher, precision = _student(body, "hessian")
    with ctx.workprec(precision):
        pairs = _Pairs(net, teacher)
        m, d = pairs.m, len(net[0][0])
        require(len(body["hessian"]) == m * d, "the Hessian has another shape than the weights")
        for i in range(m):
            for j in range(m):
                block = pairs.hessian_block(i, j)
                for k in range(d):
                    stated = body["hessian"][i * d + k]
                    require(len(stated) == m * d, "the Hessian has another shape than the weights")
                    for value, text in zip(block[k], stated[j * d : (j + 1) * d], strict=True):
                        require(lies_in(value, text), f"the Hessian of neurons {i} and {j} does not lie in its enclosure")


class _Pairs:
    """Kernels and derivatives of ``c' K(X, X) c``, ``X = [W; V]``, ``c = (a, -b)``, at the working precision."""

    def __init__(self, net: Network, teacher: Network) -> None:
        self.rows = [[ball(x) for x in row] for row in [*net[0], *teacher[0]]]
        self.c = [ball(a) for a in net[1]] + [-ball(b) for b in teacher[1]]
        self.m, self.all = len(net[0]), range(len(self.c))
        self.norms = [_norm(row) for row in self.rows]
        self.is_zero = [not any(row) for row in [*net[0], *teacher[0]]]

    def geometry(self, i: int, j: int) -> tuple[arb, arb, arb, list[arb], list[arb]]:
        """Return ``pi - p``, ``|u||v| sin p``, ``u . v``, and unit vectors along ``u/|u| + v/|v|`` and ``v/|v| - u/|u|``."""
        u, v, r, s = self.rows[i], self.rows[j], self.norms[i], self.norms[j]
        plus, minus = [s * x + r * y for x, y in zip(u, v, strict=True)], [r * y - s * x for x, y in zip(u, v, strict=True)]
        P, Q = _norm(plus), _norm(minus)
        supplement = 2 * (P / Q).atan() if Q > P else arb.pi() - 2 * (Q / P).atan()
        product = sum((x * y for x, y in zip(u, v, strict=True)), arb(0))
        anything = [arb(0, 1)] * len(u)
        e = [x / P for x in plus] if P > 0 else anything
        f = [x / Q for x in minus] if Q > 0 else anything
        return supplement, P * Q / (2 * r * s), product, e, f

    def kernel(self, i: int, j: int) -> arb:
        if self.is_zero[i] or self.is_zero[j]:
            return arb(0)
        if i == j:
            return self.norms[i] * self.norms[i] / 2
        supplement, area, product, _, _ = self.geometry(i, j)
        return (area + supplement * product) / (2 * arb.pi())

    def slope(self, i: int, j: int) -> list[arb]:
        """Return ``dK(w_i, x_j) / dw_i``, half of ``d|w_i|^2 / 2`` for i = j."""
        if i == j:
            return [x / 2 for x in self.rows[i]]
        if self.is_zero[i] or self.is_zero[j]:
            return [arb(0)] * len(self.rows[i])
        supplement, area, _, _, _ = self.geometry(i, j)
        radial = area / (self.norms[i] * self.norms[i])
        return [(radial * x + supplement * y) / (2 * arb.pi()) for x, y in zip(self.rows[i], self.rows[j], strict=True)]

    def hessian_block(self, i: int, j: int) -> list[list[arb]]:
        """Return ``d^2 L / dw_i dw_j``."""
        d = len(self.rows[i])
        block = [[arb(0)] * d for _ in range(d)]
        if self.is_zero[i] or self.is_zero[j]:
            return block
        for k in range(d):
            block[k][k] = self.c[i] * self.c[i] if i == j else arb(0)
        for n in self.all if i == j else [j]:
            if n == i or self.is_zero[n]:
                continue
            supplement, area, _, e, f = self.geometry(i, n)
            r, s = self.norms[i], self.norms[n]
            weight = self.c[i] * self.c[n] / arb.pi()
            cosine, sine = (arb.pi() - supplement) / 2, area / (r * s)
            half_cosine, half_sine = cosine.cos(), cosine.sin()
            normal = [half_sine * x + half_cosine * y for x, y in zip(e, f, strict=True)]
            unit = [x / r for x in self.rows[i]]
            for k in range(d):
                for q in range(d):
                    same = arb(int(k == q))
                    if i == j:
                        block[k][q] += weight * s * sine / r * (same - unit[k] * unit[q] + normal[k] * normal[q])
                    else:
                        block[k][q] += weight * (supplement * same + sine * (e[k] * e[q] - f[k] * f[q]))
        return block


def _norm(row: Sequence[arb]) -> arb:
    square = sum((x * x for x in row), arb(0))
    return square.sqrt() if square > 0 else arb(0).union(square.abs_upper().sqrt())


def _difference_vanishes(net: Network, teacher: Network) -> bool:
    """Whether student minus teacher is zero: ``sum_k c_k relu(x_k . z)`` has no kink on any line, and no linear part."""
    kinks: dict[tuple[Fraction, ...], Fraction] = {}
    linear = [Fraction(0)] * len(net[0][0])
    for row, c in zip([*net[0], *teacher[0]], [*net[1], *(-b for b in teacher[1])], strict=True):
        if not any(row):
            continue
        lead = next(x for x in row if x)
        line = tuple(x / lead for x in row)
        kinks[line] = kinks.get(line, Fraction(0)) + c * abs(lead)
        linear = [x + c * y for x, y in zip(linear, row, strict=True)]
    return not any(kinks.values()) and not any(linear)


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
    pairs = _Pairs((mixed, [(1 - t) * x + t * y for x in a for y in b]), teacher)
    teachers = range(m * m, len(pairs.c))
    ends = [_Pairs(net, teacher) for net in (net_a, net_b)]
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
