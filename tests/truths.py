"""The truth about networks to 200 digits, and exactly in one dimension: what forged certificates are judged by.

Nothing here is shared with `lmctheory.certificates`. With ``A = |u||v| sin p`` and ``q = u . v`` the kernel is
``K(u, v) = (A + (pi - p) q) / (2 pi)``; along ``u + x e, v + x f`` the squares and products are polynomials in x with exact
coefficients, and K is expanded in x to second order, which gives all derivatives. Neurons on one line have ``A = 0`` and
``K = q / 2`` if they point one way, else 0, exactly. In one dimension the excess on a segment is a polynomial between the
positions where neurons vanish, and comparisons with it are decided by counting roots.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from flint import arb, arb_mat, ctx, fmpq, fmpq_poly

PRECISION = 1024  # bits, of which 664 are 200 digits
GRID_PRECISION = 256
POSITION_BITS = 700
GRID = 96
NEWTON_STEPS = 60
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


def _times(p: Jet, q: Jet) -> Jet:
    return p[0] * q[0], p[0] * q[1] + p[1] * q[0], p[0] * q[2] + p[1] * q[1] + p[2] * q[0]


def _kernel(g: Jet, h: Jet, q: Jet, gram: Jet) -> Jet | None:
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
    size = _times(g, h)
    turn = area * q[1] - q[0] * area1
    turned = 2 * (area * q[2] - q[0] * area2)
    rate = turn / size[0]
    open_angle = arb.pi() - arb.atan2(area, arb(q[0]))
    supplement = open_angle, rate, (turned - rate * size[1]) / (2 * size[0])
    inner, scale = _times(supplement, q), 2 * arb.pi()
    return (area + inner[0]) / scale, (area1 + inner[1]) / scale, (area2 + inner[2]) / scale


def kernel(u: Vector, e: Vector, v: Vector, f: Vector) -> Jet:
    """Return the expansion of ``K(u + x e, v + x f)`` at x = 0, for exact vectors."""
    g, h, q = ((dot(a, b), dot(a, d) + dot(c, b), dot(c, d)) for a, c, b, d in ((u, e, u, e), (v, f, v, f), (u, e, v, f)))
    outer, inner = _times(g, h), _times(q, q)
    found = _kernel(g, h, q, tuple(x - y for x, y in zip(outer, inner, strict=True)))
    assert found is not None  # the numbers are exact
    return found


class Point:
    """Loss, gradient and Hessian of a network."""

    def __init__(self, net: Network, teacher: Network) -> None:
        self.rows = [*net[0], *teacher[0]]
        self.c = [*net[1], *(-b for b in teacher[1])]
        self.m, self.d = len(net[0]), len(net[0][0])
        self.zero = [fmpq(0)] * self.d
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

    def _bend(self, i: int, k: int, q: int) -> Number:
        total: Number = self.c[i] ** 2 if k == q else fmpq(0)
        for n in range(len(self.c)):
            if n == i:
                continue
            if k == q:
                second = 2 * self._pair(i, n, self.units[k], self.zero)[2]
            else:
                both = [x + y for x, y in zip(self.units[k], self.units[q], strict=True)]
                second = self._pair(i, n, both, self.zero)[2]
                second = second - self._pair(i, n, self.units[k], self.zero)[2] - self._pair(i, n, self.units[q], self.zero)[2]
            total = total + 2 * self.c[i] * self.c[n] * second
        return total

    def _mixed(self, i: int, j: int, k: int, q: int) -> Number:
        e, f = self.units[k], self.units[q]
        second = self._pair(i, j, e, f)[2] - self._pair(i, j, e, self.zero)[2] - self._pair(i, j, self.zero, f)[2]
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


class Segment:
    """The excess on the segment between two networks in 200 digits, its maximisers by Newton's method."""

    def __init__(self, net_a: Network, net_b: Network, teacher: Network, hints: Sequence[fmpq] | None = None) -> None:
        d = len(teacher[0][0])
        self.start = [*net_a[0], *teacher[0]]
        self.step = [[y - x for x, y in zip(u, v, strict=True)] for u, v in zip(net_a[0], net_b[0], strict=True)]
        self.step += [[fmpq(0)] * d for _ in teacher[0]]
        self.c = [(a, b - a) for a, b in zip(net_a[1], net_b[1], strict=True)] + [(-b, fmpq(0)) for b in teacher[1]]
        self.hints = hints
        self.ends = self._loss_at(fmpq(0)), self._loss_at(fmpq(1))

    def rows(self, t: fmpq) -> list[list[fmpq]]:
        """Return all neurons at t."""
        return [[x + t * y for x, y in zip(u, v, strict=True)] for u, v in zip(self.start, self.step, strict=True)]

    def excess(self, t: fmpq) -> Number:
        """Return the excess over the chord at an exact position."""
        return self._loss_at(t) - (1 - t) * self.ends[0] - t * self.ends[1]

    def _loss_at(self, t: fmpq) -> Number:
        rows, c, n = self.rows(t), [x + t * y for x, y in self.c], len(self.c)
        net = [rows[k] for k in range(n)], [c[k] for k in range(n)]
        return Point(net, ([], [])).loss

    @cached_property
    def _polynomials(self) -> dict[tuple[int, int], tuple[fmpq_poly, fmpq_poly]]:
        n, found = range(len(self.c)), {}
        squares = [self._product(k, k) for k in n]
        for k in n:
            for j in range(k):
                inner = self._product(k, j)
                found[k, j] = inner, squares[k] * squares[j] - inner * inner
            found[k, k] = squares[k], fmpq_poly([0])
        return found

    def _product(self, k: int, j: int) -> fmpq_poly:
        (u, e), (v, f) = (self.start[k], self.step[k]), (self.start[j], self.step[j])
        return fmpq_poly([dot(u, v), dot(u, f) + dot(e, v), dot(e, f)])

    def jet(self, t: fmpq) -> Jet | None:
        """Return the excess at ``t + x`` to second order at the working precision, None where it is not smooth."""
        total: Jet = (fmpq(0), fmpq(0), fmpq(0))
        taylor = {key: tuple(_taylor(p, t) for p in pair) for key, pair in self._polynomials.items()}
        for (k, j), (inner, gram) in taylor.items():
            outputs = _times((self.c[k][0] + t * self.c[k][1], self.c[k][1], fmpq(0)), (self.c[j][0] + t * self.c[j][1], self.c[j][1], fmpq(0)))
            if k == j:
                part: Jet | None = tuple(x / 2 for x in inner)
            else:
                part = _kernel(taylor[k, k][0], taylor[j, j][0], inner, gram)
                outputs = tuple(2 * x for x in outputs)
            if part is None:
                return None
            total = tuple(x + y for x, y in zip(total, _times(outputs, part), strict=True))
        chord = (1 - t) * self.ends[0] + t * self.ends[1]
        return total[0] - chord, total[1] + self.ends[0] - self.ends[1], total[2]

    @cached_property
    def breaks(self) -> list[fmpq]:
        """Positions inside of [0, 1] where a neuron passes the origin."""
        found = set()
        for u, e in zip(self.start, self.step, strict=True):
            k = max(range(len(u)), key=lambda k: abs(e[k]))
            if e[k] != 0:
                t = -u[k] / e[k]
                if 0 < t < 1 and all(x + t * y == 0 for x, y in zip(u, e, strict=True)):
                    found.add(t)
        return sorted(found, key=lambda t: Fraction(int(t.p), int(t.q)))

    @cached_property
    def maximisers(self) -> list[fmpq]:
        """Positions of local maxima to 200 digits where Newton's method settles, and of kinks."""
        with ctx.workprec(GRID_PRECISION):
            points = sorted({Fraction(int(t.p), int(t.q)) for t in self._grid()})
            slopes = [(fmpq(t.numerator, t.denominator), self._slope_sign(t)) for t in points]
        known = [(t, sign) for t, sign in slopes if sign is not None]
        kinks = set(self.breaks)
        found = list(kinks)
        for (left, rising), (right, falling) in pairwise(known):
            if rising > 0 > falling:
                found.append(self._newton(left, right))
        return found

    def _slope_sign(self, t: Fraction) -> int | None:
        jet = self.jet(fmpq(t.numerator, t.denominator))
        return None if jet is None else compare(jet[1], fmpq(0))

    def _grid(self) -> set[fmpq]:
        near = fmpq(1, 2**40)
        points = {near, 1 - near} | {fmpq(k, GRID) + fmpq(1, 2**20) for k in range(GRID)}
        if self.hints is not None:
            steps = [fmpq(1, 2**k) for k in (50, 45, 40, 35, 30, 24, 18, 12, 8)]
            points = {near, 1 - near} | {fmpq(k, 8) + fmpq(1, 2**20) for k in range(8)}
            points |= {t + sign * step for t in self.hints for step in steps for sign in (-1, 1)}
        for u, e in zip(self.start, self.step, strict=True):
            speed = dot(e, e)
            if speed == 0:
                continue
            foot = _rounded(-dot(u, e) / speed, 80)
            closest = [x + foot * y for x, y in zip(u, e, strict=True)]
            narrow = 2 + int(max(0, min(60, -(float(arb(dot(closest, closest) / speed).log()) if any(closest) else -99) / 1.38)))
            points |= {foot + sign * fmpq(1, 2**k) for k in range(3, narrow + 3) for sign in (-1, 1)}
        for t in self.breaks:
            points |= {t + sign * fmpq(1, 2**k) for k in (10, 20, 30, 40, 50, 60) for sign in (-1, 1)}
        return {_rounded(t, 80) for t in points if 0 < t < 1}

    def _newton(self, left: fmpq, right: fmpq) -> fmpq:
        """Return the zero of the slope between two positions, by Newton steps that fall back on halving."""
        t = (left + right) / 2
        with ctx.workprec(PRECISION):
            for _ in range(NEWTON_STEPS + 640):
                jet = self.jet(t)
                if jet is None:
                    break
                if jet[1] > 0:
                    left = t
                else:
                    right = t
                step = -jet[1] / (2 * jet[2]) if jet[2] != 0 else arb(2)
                following = _rounded(_exact(t + step), POSITION_BITS) if arb(step).is_finite() else right + 1
                if not left < following < right:
                    following = _rounded((left + right) / 2, POSITION_BITS)
                if abs(arb(following - t)) < SETTLED or following in (left, right):
                    return following
                t = following
        return t

    @cached_property
    def maximum(self) -> Number:
        """The barrier: the largest excess at the maximisers, or 0."""
        with ctx.workprec(PRECISION):
            best: Number = fmpq(0)
            for t in self.maximisers:
                value = self.excess(t)
                if value > best:
                    best = value
                elif isinstance(value, arb) and value.overlaps(arb(best)) and not value == best:
                    best = value.union(arb(best))
            return best

    @cached_property
    def is_affine(self) -> bool:
        """Whether ``f_t`` is affine in t, tried at many positions."""
        n = len(self.c)
        rows = {t: self.rows(t) for t in (fmpq(0), fmpq(1), *(fmpq(k, 23) for k in range(1, 23, 2)))}
        for t in rows:
            stack = rows[t] + rows[fmpq(0)] + rows[fmpq(1)]
            outputs = [self.c[k][0] + t * self.c[k][1] for k in range(n)]
            outputs += [-(1 - t) * self.c[k][0] for k in range(n)] + [-t * (self.c[k][0] + self.c[k][1]) for k in range(n)]
            if not vanishes(stack, outputs):
                return False
        return True

    def exceeds(self, bound: fmpq) -> bool | None:
        """Whether the barrier is above `bound`, None if it is not decided."""
        sign = compare(self.maximum, bound)
        return None if sign is None else sign > 0

    def reaches(self, bound: fmpq) -> bool | None:
        """Whether the barrier is at least `bound`, None if it is not decided."""
        sign = compare(self.maximum, bound)
        return None if sign is None else sign >= 0


class Line(Segment):
    """The same in one dimension: ``L = (P^2 + N^2) / 2``, P and N the sums of ``c u`` over positive and negative u."""

    @cached_property
    def pieces(self) -> list[tuple[fmpq, fmpq, fmpq_poly]]:
        """Ends of intervals, and the excess on them as a polynomial."""
        ends, found = [fmpq(0), *self.breaks, fmpq(1)], []
        chord = fmpq_poly([self.ends[0], self.ends[1] - self.ends[0]])
        for left, right in pairwise(ends):
            middle, sides = (left + right) / 2, [fmpq_poly([0]), fmpq_poly([0])]
            for (u,), (e,), (a, b) in zip(self.start, self.step, self.c, strict=True):
                if u + middle * e != 0:
                    sides[u + middle * e < 0] += fmpq_poly([u, e]) * fmpq_poly([a, b])
            found.append((left, right, (sides[0] * sides[0] + sides[1] * sides[1]) / 2 - chord))
        return found

    def exceeds(self, bound: fmpq) -> bool:
        """Whether the barrier is above `bound`, exactly."""
        return bound < 0 or any(_is_positive_somewhere(p - bound, left, right) for left, right, p in self.pieces)

    def reaches(self, bound: fmpq) -> bool:
        """Whether the barrier is at least `bound`, exactly."""
        return bound <= 0 or not all(_is_positive_everywhere(bound - p, left, right) for left, right, p in self.pieces)

    @cached_property
    def is_affine(self) -> bool:
        """Whether both sums are affine on all of [0, 1]."""
        return Segment.is_affine.func(self)


def segment(net_a: Network, net_b: Network, teacher: Network, hints: Sequence[fmpq] | None = None) -> Segment:
    """Return the segment, exact in one dimension."""
    return Line(net_a, net_b, teacher) if len(teacher[0][0]) == 1 else Segment(net_a, net_b, teacher, hints)


def _is_positive_somewhere(p: fmpq_poly, left: fmpq, right: fmpq) -> bool:
    """Whether ``p > 0`` at some point of [left, right]."""
    if p(left) > 0 or p(right) > 0:
        return True
    return p.degree() > 0 and (_roots_inside(_odd_part(p), left, right) > 0 or p(_not_a_root(p, left, right)) > 0)


def _is_positive_everywhere(p: fmpq_poly, left: fmpq, right: fmpq) -> bool:
    """Whether ``p > 0`` at every point of [left, right]."""
    if not (p(left) > 0 and p(right) > 0):
        return False
    return p.degree() < 1 or _roots_inside(_parts(p)[0], left, right) == 0


def _parts(p: fmpq_poly) -> tuple[fmpq_poly, fmpq_poly]:
    """Return the product of all irreducible factors of a polynomial, and of those whose multiplicity is odd (Yun)."""
    common = p.gcd(p.derivative())
    whole = b = p // common
    d = p.derivative() // common - b.derivative()
    odd, multiplicity = fmpq_poly([1]), 1
    while b.degree() > 0:
        factor = b.gcd(d)
        if multiplicity % 2:
            odd *= factor
        b, d = b // factor, d // factor - (b // factor).derivative()
        multiplicity += 1
    return whole, odd


def _odd_part(p: fmpq_poly) -> fmpq_poly:
    return _parts(p)[1]


def _roots_inside(p: fmpq_poly, left: fmpq, right: fmpq) -> int:
    """Return the number of roots of a square-free polynomial in the open interval, by Sturm's theorem."""
    if p.degree() < 1:
        return 0
    chain = [p, p.derivative()]
    while chain[-1].degree() > 0:
        chain.append(-(chain[-2] % chain[-1]))

    def changes(t: fmpq) -> int:
        signs = [value > 0 for value in (q(t) for q in chain) if value != 0]
        return sum(x != y for x, y in pairwise(signs))

    return changes(left) - changes(right) - int(p(right) == 0)


def _not_a_root(p: fmpq_poly, left: fmpq, right: fmpq) -> fmpq:
    points = (left + (right - left) * fmpq(k, 11) for k in range(1, 11))
    return next(t for t in points if p(t) != 0)


def _taylor(p: fmpq_poly, t: fmpq) -> Jet:
    first = p.derivative()
    return p(t), first(t), first.derivative()(t) / 2


def _exact(value: Number) -> fmpq:
    if isinstance(value, fmpq):
        return value
    mantissa, exponent = value.mid().man_exp()
    return fmpq(int(mantissa)) * fmpq(2) ** int(exponent)


def _rounded(t: fmpq, bits: int) -> fmpq:
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
        W = [[_rounded(W[i][k] - _exact(step[i * d + k]), POSITION_BITS) for k in range(d)] for i in range(m)]
        size = max(abs(x) for x in step)
        if size < SETTLED:
            return W
        if not size < 1:
            return None
    return None
