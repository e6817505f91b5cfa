"""The part of the checker that proves enclosures of losses, gradients and Hessians; it shares nothing with the search but Arb.

Formulas are written down anew, for `p` the angle between u and v: ``P = ||v| u + |u| v| = 2 |u||v| cos(p/2)`` and
``Q = ||v| u - |u| v| = 2 |u||v| sin(p/2)`` give the angle and the area ``|u||v| sin p = P Q / (2 |u||v|)`` of two fixed vectors
without cancellation.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import arb, ctx

from lmctheory.certificates.verify_data import (
    GUARD_BITS,
    MAX_PRECISION,
    Json,
    Network,
    ball,
    interval,
    lies_in,
    network,
    require,
    root,
)


def check_loss(body: Json) -> None:
    """Check the enclosure of a loss."""
    net, teacher, precision = _student(body, "loss")
    low, high = interval(body["loss"])
    if low == high == 0:
        require(_difference_vanishes(net, teacher), "student and teacher are not the same function, and the loss is not 0")
        return
    require((high - low) / 2 * 10 ** body["digits"] <= abs(high + low) / 2, "the radius of the loss is not that asked for")
    with ctx.workprec(precision):
        pairs = Pairs(net, teacher)
        found = sum((pairs.c[i] * pairs.c[j] * pairs.kernel(i, j) for i in pairs.all for j in pairs.all), arb(0))
        require(lies_in(found, body["loss"]), "the loss does not lie in its enclosure")


def check_gradient(body: Json) -> None:
    """Check the enclosures of a gradient."""
    net, teacher, precision = _student(body, "W", "a")
    same = _difference_vanishes(net, teacher)
    with ctx.workprec(precision):
        pairs = Pairs(net, teacher)
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
        pairs = Pairs(net, teacher)
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


class Pairs:
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
    return root(sum((x * x for x in row), arb(0)))


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
