"""The truth about networks to 200 digits, and exactly in one dimension: what forged certificates are judged by.

Nothing here is shared with `lmctheory.certificates`. With ``A = |u||v| sin p`` and ``q = u . v`` the kernel is
``K(u, v) = (A + (pi - p) q) / (2 pi)``; along ``u + x e, v + x f`` the squares and products are polynomials in x with exact
coefficients, and K is expanded in x to second order, which gives all derivatives. Neurons on one line have ``A = 0`` and
``K = q / 2`` if they point one way, else 0, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

from flint import arb, arb_mat, fmpq

PRECISION = 1024  # bits, of which 664 are 200 digits
POSITION_BITS = 700
SETTLED = arb(2) ** -680

Vector = Sequence[fmpq]
Network = tuple[list[list[fmpq]], list[fmpq]]
Number = arb | fmpq
Jet = tuple[Number, Number, Number]  # coefficients of 1, x, x^2


def rational(value: Fraction | float) -> fmpq:
    """Return an exact number."""
    return fmpq(*Fraction(value).as_integer_ratio())


def compare(value: Number, bound: fmpq) -> int | None:
    """Return the sign of ``value - bound``, None if it is not decided."""
    if isinstance(value, fmpq):
        return (value > bound) - (value < bound)
    difference = value - bound
    return 1 if difference > 0 else -1 if difference < 0 else 0 if difference == 0 else None


def lies_between(value: Number, low: fmpq, high: fmpq) -> bool | None:
    """Whether a number lies in an interval, None if it is not decided."""
    below, above = compare(value, low), compare(value, high)
    if below == -1 or above == 1:
        return False
    return None if below is None or above is None else True


def dot(u: Vector, v: Vector) -> fmpq:
    """Return ``u . v``."""
    return sum((x * y for x, y in zip(u, v, strict=True)), fmpq(0))


def times(p: Jet, q: Jet) -> Jet:
    """Return the product of two expansions, to second order."""
    return p[0] * q[0], p[0] * q[1] + p[1] * q[0], p[0] * q[2] + p[1] * q[1] + p[2] * q[0]


def kernel_jet(g: Jet, h: Jet, q: Jet, gram: Jet) -> Jet | None:
    """Return K from ``|u|^2, |v|^2, u . v`` and ``A^2``, None if neither ``A > 0`` nor ``A = 0`` is certain."""
    zero = fmpq(0)
    if g[0] == 0 or h[0] == 0:
        return zero, zero, zero
    if gram[0] == 0:
        return (q[0] / 2, q[1] / 2, q[2] / 2) if q[0] > 0 else (zero, zero, zero)
    if not gram[0] > 0:
        return None
    area = arb(gram[0]).sqrt()
    area1 = gram[1] / (2 * area)
    area2 = (gram[2] - area1 * area1) / (2 * area)
    size = times(g, h)
    turn = area * q[1] - q[0] * area1
    turned = 2 * (area * q[2] - q[0] * area2)
    rate = turn / size[0]
    open_angle = arb.pi() - arb.atan2(area, arb(q[0]))
    supplement = open_angle, rate, (turned - rate * size[1]) / (2 * size[0])
    inner, scale = times(supplement, q), 2 * arb.pi()
    return (area + inner[0]) / scale, (area1 + inner[1]) / scale, (area2 + inner[2]) / scale


def kernel(u: Vector, e: Vector, v: Vector, f: Vector) -> Jet:
    """Return the expansion of ``K(u + x e, v + x f)`` at x = 0, for exact vectors."""
    g, h, q = ((dot(a, b), dot(a, d) + dot(c, b), dot(c, d)) for a, c, b, d in ((u, e, u, e), (v, f, v, f), (u, e, v, f)))
    outer, inner = times(g, h), times(q, q)
    found = kernel_jet(g, h, q, tuple(x - y for x, y in zip(outer, inner, strict=True)))
    assert found is not None  # the numbers are exact
    return found


class Point:
    """Loss, gradient and Hessian of a network."""

    def __init__(self, net: Network, teacher: Network) -> None:
        self.rows = [*net[0], *teacher[0]]
        self.c = [*net[1], *(-b for b in teacher[1])]
        self.m, self.d = len(net[0]), len(net[0][0])
        self.zero = [fmpq(0)] * self.d
        self._axes: dict[tuple[int, int, int], Number] = {}
        self.units = [[fmpq(int(k == n)) for n in range(self.d)] for k in range(self.d)]

    def _pair(self, i: int, j: int, e: Vector, f: Vector) -> Jet:
        return kernel(self.rows[i], e, self.rows[j], f)

    @cached_property
    def loss(self) -> Number:
        """``sum_ij c_i c_j K_ij``."""
        if vanishes(self.rows, self.c):
            return fmpq(0)
        n, total = len(self.c), fmpq(0)
        for i in range(n):
            total = total + self.c[i] ** 2 * dot(self.rows[i], self.rows[i]) / 2
            for j in range(i):
                total = total + 2 * self.c[i] * self.c[j] * self._pair(i, j, self.zero, self.zero)[0]
        return total

    @cached_property
    def outputs(self) -> list[Number]:
        """``dL/da``, 0 where both functions are the same."""
        if self.loss == 0:
            return [fmpq(0)] * self.m
        return [
            sum((2 * self.c[j] * self._pair(i, j, self.zero, self.zero)[0] for j in range(len(self.c)) if j != i), fmpq(0))
            + self.c[i] * dot(self.rows[i], self.rows[i])
            for i in range(self.m)
        ]

    @cached_property
    def gradient(self) -> list[list[Number]]:
        """``dL/dW``, 0 for zero neurons, and where both functions are the same."""
        if self.loss == 0:
            return [[fmpq(0)] * self.d for _ in range(self.m)]
        return [[self._slope(i, k) for k in range(self.d)] for i in range(self.m)]

    def _slope(self, i: int, k: int) -> Number:
        total = self.c[i] ** 2 * self.rows[i][k]
        for n in range(len(self.c)):
            if n != i:
                total = total + 2 * self.c[i] * self.c[n] * self._pair(i, n, self.units[k], self.zero)[1]
        return total

    @cached_property
    def hessian(self) -> list[list[Number]]:
        """``d^2 L / dW dW``, row-major in W; 0 in the blocks of zero neurons."""
        n = self.m * self.d
        found: list[list[Number]] = [[fmpq(0)] * n for _ in range(n)]
        for i in range(self.m):
            for j in range(i + 1):
                if not (any(self.rows[i]) and any(self.rows[j])):
                    continue
                for k in range(self.d):
                    for q in range(self.d if i != j else k + 1):
                        value = self._bend(i, k, q) if i == j else self._mixed(i, j, k, q)
                        found[i * self.d + k][j * self.d + q] = found[j * self.d + q][i * self.d + k] = value
        return found

    def _along(self, i: int, n: int, k: int) -> Number:
        """Return the coefficient of x^2 where neuron i moves along axis k and neuron n rests."""
        if (i, n, k) not in self._axes:
            self._axes[i, n, k] = self._pair(i, n, self.units[k], self.zero)[2]
        return self._axes[i, n, k]

    def _bend(self, i: int, k: int, q: int) -> Number:
        total: Number = self.c[i] ** 2 if k == q else fmpq(0)
        both = [x + y for x, y in zip(self.units[k], self.units[q], strict=True)]
        for n in range(len(self.c)):
            if n == i:
                continue
            second = 2 * self._along(i, n, k)
            if k != q:
                second = self._pair(i, n, both, self.zero)[2] - self._along(i, n, k) - self._along(i, n, q)
            total = total + 2 * self.c[i] * self.c[n] * second
        return total

    def _mixed(self, i: int, j: int, k: int, q: int) -> Number:
        second = self._pair(i, j, self.units[k], self.units[q])[2] - self._along(i, j, k) - self._along(j, i, q)
        return 2 * self.c[i] * self.c[j] * second


def vanishes(rows: Sequence[Vector], c: Vector) -> bool:
    """Whether ``sum_k c_k relu(x_k . z)`` is 0 for every z: ``relu(s) = (s + |s|) / 2``, and both parts must cancel."""
    lines: dict[tuple[tuple[int, int], ...], fmpq] = {}
    straight = [fmpq(0)] * len(rows[0])
    for row, output in zip(rows, c, strict=True):
        straight = [s + output * x for s, x in zip(straight, row, strict=True)]
        lead = next((x for x in row if x), None)
        if lead is not None:
            key = tuple((int((x / lead).p), int((x / lead).q)) for x in row)
            lines[key] = lines.get(key, fmpq(0)) + output * abs(lead)
    return not any(straight) and not any(lines.values())


def exact(value: Number) -> fmpq:
    """Return a number, of a ball its centre, as a fraction."""
    if isinstance(value, fmpq):
        return value
    mantissa, exponent = value.mid().man_exp()
    return fmpq(int(mantissa)) * fmpq(2) ** int(exponent)


def rounded(t: fmpq, bits: int) -> fmpq:
    """Return the nearest dyadic number."""
    return fmpq(int((t * 2**bits + fmpq(1, 2)).floor()), 2**bits)


def is_positive_definite(matrix: list[list[Number]], shift: fmpq) -> bool | None:
    """Whether ``matrix - shift I`` is positive definite, by elimination; None if it is not decided."""
    n = len(matrix)
    rows = [[arb(matrix[i][j]) - (arb(shift) if i == j else 0) for j in range(n)] for i in range(n)]
    for k in range(n):
        if rows[k][k] < 0 or rows[k][k] == 0:
            return False
        if not rows[k][k] > 0:
            return None
        for i in range(k + 1, n):
            ratio = rows[i][k] / rows[k][k]
            for j in range(i, n):
                rows[i][j] = rows[j][i] = rows[i][j] - ratio * rows[k][j]
    return True


def critical_point(net: Network, teacher: Network, steps: int = 40) -> list[list[fmpq]] | None:
    """Return the weights to which Newton's iteration with the Hessian at `net` converges, to 200 digits; None if it does not."""
    W, a = net
    m, d = len(W), len(W[0])
    hessian = arb_mat([[arb(x).mid() for x in row] for row in Point(net, teacher).hessian])
    try:
        inverse = arb_mat([[x.mid() for x in row] for row in hessian.inv().tolist()])
    except ZeroDivisionError:
        return None
    for _ in range(steps):
        gradient = arb_mat([[arb(x).mid()] for row in Point((W, a), teacher).gradient for x in row])
        step = [x.mid() for x in (inverse * gradient).entries()]
        W = [[rounded(W[i][k] - exact(step[i * d + k]), POSITION_BITS) for k in range(d)] for i in range(m)]
        size = max(abs(x) for x in step)
        if size < SETTLED:
            return W
        if not size < 1:
            return None
    return None
