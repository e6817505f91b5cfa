"""The part of the checker that proves enclosures of losses, gradients and Hessians; it shares nothing with the search but Arb.

Formulas are written down anew, for `p` the angle between u and v: ``P = ||v| u + |u| v| = 2 |u||v| cos(p/2)`` and
``Q = ||v| u - |u| v| = 2 |u||v| sin(p/2)`` give the angle and the area ``|u||v| sin p = P Q / (2 |u||v|)`` of two fixed vectors
without cancellation.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import arb

from lmctheory.certificates.verify_balls import ball, lies_between, root, working
from lmctheory.certificates.verify_text import require
from lmctheory.certificates.verify_theorems import GradientTheorem, HessianTheorem, Interval, LossTheorem, Network

GUARD_BITS = 64  # by which the check is more precise than the search was


def bits_of(theorem: LossTheorem | GradientTheorem | HessianTheorem) -> int:
    """Return the precision of the check; a search that was exact may have stated more digits than it had bits for."""
    return max(theorem.precision, 4 * theorem.digits) + GUARD_BITS


def check_loss(theorem: LossTheorem) -> None:
    """Prove the enclosure of a loss."""
    if theorem.loss.midpoint == theorem.loss.radius == 0:
        require(
            _is_same_function(theorem.net, theorem.teacher),
            "student and teacher are not the same function, and the loss is not 0",
        )
        return
    with working(bits_of(theorem)):
        pairs = Pairs(theorem.net, theorem.teacher)
        require(_lies_in(pairs.loss(pairs.all), theorem.loss), "the loss does not lie in its enclosure")


def check_gradient(theorem: GradientTheorem) -> None:
    """Prove the enclosures of a gradient."""
    net = theorem.net
    vanishes = _is_same_function(net, theorem.teacher)
    with working(bits_of(theorem)):
        pairs = Pairs(net, theorem.teacher)
        for i in range(net.width):
            row, output = [arb(0)] * net.input_dim, arb(0)
            for j in range(0 if vanishes else len(pairs.c)):
                weight = 2 * pairs.c[i] * pairs.c[j]
                row = [x + weight * y for x, y in zip(row, pairs.slope(i, j), strict=True)]
                output += 2 * pairs.c[j] * pairs.kernel(i, j)
            for value, stated in zip([*row, output], [*theorem.W[i], theorem.a[i]], strict=True):
                require(_lies_in(value, stated), f"the gradient of neuron {i} does not lie in its enclosure")


def check_hessian(theorem: HessianTheorem) -> None:
    """Prove the enclosures of a Hessian."""
    m, d = theorem.net.width, theorem.net.input_dim
    with working(bits_of(theorem)):
        pairs = Pairs(theorem.net, theorem.teacher)
        for i in range(m):
            for j in range(m):
                block = pairs.hessian_block(i, j)
                for k in range(d):
                    stated = theorem.hessian[i * d + k][j * d : (j + 1) * d]
                    for value, entry in zip(block[k], stated, strict=True):
                        require(_lies_in(value, entry), f"the Hessian of neurons {i} and {j} does not lie in its enclosure")


def _lies_in(found: arb, stated: Interval) -> bool:
    return lies_between(found, stated.lower, stated.upper)


class Pairs:
    """Kernels and derivatives of ``c' K(X, X) c``, ``X = [W; V]``, ``c = (a, -b)``, at the working precision."""

    def __init__(self, net: Network, teacher: Network) -> None:
        self.rows = [[ball(x) for x in row] for row in [*net.W, *teacher.W]]
        self.c = [ball(a) for a in net.a] + [-ball(b) for b in teacher.a]
        self.all = range(len(self.c))
        self.squares = [_square(row) for row in self.rows]
        self.norms = [root(square) for square in self.squares]
        self.lines, self.leads = zip(*map(_line, [*net.W, *teacher.W]), strict=True)
        self.is_zero = [not lead for lead in self.leads]

    def loss(self, neurons: range) -> arb:
        """Return ``c' K c`` over these neurons: the loss of student over teacher, the energy of either alone."""
        own = sum((self.c[i] * self.c[i] * self.kernel(i, i) for i in neurons), arb(0))
        cross = sum((self.c[i] * self.c[j] * self.kernel(i, j) for i in neurons for j in neurons if j < i), arb(0))
        return own + 2 * cross

    def geometry(self, i: int, j: int) -> tuple[arb, arb, arb, list[arb], list[arb]]:
        """Return ``pi - p``, ``|u||v| sin p``, ``u . v``, and unit vectors along ``u/|u| + v/|v|`` and ``v/|v| - u/|u|``."""
        u, v, r, s = self.rows[i], self.rows[j], self.norms[i], self.norms[j]
        same = self.lines[i] == self.lines[j] and self.leads[i] * self.leads[j] > 0
        opposite = self.lines[i] == self.lines[j] and not same
        plus, minus = [s * x + r * y for x, y in zip(u, v, strict=True)], [r * y - s * x for x, y in zip(u, v, strict=True)]
        P, Q = arb(0) if opposite else root(_square(plus)), arb(0) if same else root(_square(minus))
        supplement = 2 * (P / Q).atan() if Q > P else arb.pi() - 2 * (Q / P).atan()
        product = sum((x * y for x, y in zip(u, v, strict=True)), arb(0))
        anything = [arb(0) if x == y == 0 else arb(0, 1) for x, y in zip(u, v, strict=True)]
        e = [x / P for x in plus] if P > 0 else anything
        f = [x / Q for x in minus] if Q > 0 else anything
        return supplement, P * Q / (2 * r * s), product, e, f

    def kernel(self, i: int, j: int) -> arb:
        if self.is_zero[i] or self.is_zero[j]:
            return arb(0)
        if i == j:
            return self.squares[i] / 2
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


def _square(row: Sequence[arb]) -> arb:
    return sum((x * x for x in row), arb(0))


def _line(row: Sequence[Fraction]) -> tuple[tuple[Fraction, ...], Fraction]:
    """Return what vectors on one line have in common, and the factor that makes it `row`: 0 for the zero vector."""
    lead = next((x for x in row if x), Fraction(0))
    return tuple(x / lead for x in row) if lead else (), lead


def _is_same_function(net: Network, teacher: Network) -> bool:
    """Whether student minus teacher is zero: ``sum_k c_k relu(x_k . z)`` has no kink on any line, and no linear part."""
    kinks: dict[tuple[Fraction, ...], Fraction] = {}
    linear = [Fraction(0)] * net.input_dim
    for row, c in zip([*net.W, *teacher.W], [*net.a, *(-b for b in teacher.a)], strict=True):
        line, lead = _line(row)
        kinks[line] = kinks.get(line, Fraction(0)) + c * abs(lead)
        linear = [x + c * y for x, y in zip(linear, row, strict=True)]
    return not any(kinks.values()) and not any(linear)
