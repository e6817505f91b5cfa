"""The excess on a segment between two networks in 200 digits, and exactly in one dimension.

In one dimension the excess is a polynomial between the positions where neurons vanish, and whether it is anywhere above a bound
is decided by counting roots. Else local maxima are enclosed by signs of the slope on a grid, which is fine around the positions
where a neuron comes closest to the origin, and found by Newton's method.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from flint import arb, ctx, fmpq, fmpq_poly
from truths import (
    POSITION_BITS,
    PRECISION,
    SETTLED,
    Jet,
    Network,
    Number,
    Point,
    compare,
    dot,
    exact,
    kernel_jet,
    rounded,
    times,
    vanishes,
)

GRID_PRECISION = 256
GRID = 96
NEWTON_STEPS = 800


class Segment:
    """The excess on the segment between two networks in 200 digits, its maximisers by Newton's method."""

    def __init__(self, net_a: Network, net_b: Network, teacher: Network) -> None:
        d = len(teacher[0][0])
        self.start = [*net_a[0], *teacher[0]]
        self.step = [[y - x for x, y in zip(u, v, strict=True)] for u, v in zip(net_a[0], net_b[0], strict=True)]
        self.step += [[fmpq(0)] * d for _ in teacher[0]]
        self.c = [(a, b - a) for a, b in zip(net_a[1], net_b[1], strict=True)] + [(-b, fmpq(0)) for b in teacher[1]]
        self.ends = self._loss_at(fmpq(0)), self._loss_at(fmpq(1))

    def rows(self, t: fmpq) -> list[list[fmpq]]:
        """Return all neurons at t."""
        return [[x + t * y for x, y in zip(u, v, strict=True)] for u, v in zip(self.start, self.step, strict=True)]

    def excess(self, t: fmpq) -> Number:
        """Return the excess over the chord at an exact position."""
        return self._loss_at(t) - (1 - t) * self.ends[0] - t * self.ends[1]

    def _loss_at(self, t: fmpq) -> Number:
        return Point((self.rows(t), [x + t * y for x, y in self.c]), ([], [])).loss

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
            outputs = times(*((self.c[n][0] + t * self.c[n][1], self.c[n][1], fmpq(0)) for n in (k, j)))
            if k == j:
                part: Jet | None = tuple(x / 2 for x in inner)
            else:
                part = kernel_jet(taylor[k, k][0], taylor[j, j][0], inner, gram)
                outputs = tuple(2 * x for x in outputs)
            if part is None:
                return None
            total = tuple(x + y for x, y in zip(total, times(outputs, part), strict=True))
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
        for u, e in zip(self.start, self.step, strict=True):
            speed = dot(e, e)
            if speed == 0:
                continue
            foot = rounded(-dot(u, e) / speed, 80)
            closest = [x + foot * y for x, y in zip(u, e, strict=True)]
            narrow = 60  # bits of the width of the passage
            if any(closest):
                narrow = max(2, min(narrow, 2 - round(float((arb(dot(closest, closest)) / speed).log()) / math.log(4))))
            points |= {foot + sign * fmpq(1, 2**k) for k in range(3, narrow + 3) for sign in (-1, 1)}
        for t in self.breaks:
            points |= {t + sign * fmpq(1, 2**k) for k in (10, 20, 30, 40, 50, 60) for sign in (-1, 1)}
        return {rounded(t, 80) for t in points if 0 < t < 1}

    def _newton(self, left: fmpq, right: fmpq) -> fmpq:
        """Return the zero of the slope between two positions, by Newton steps that fall back on halving."""
        t = (left + right) / 2
        with ctx.workprec(PRECISION):
            for _ in range(NEWTON_STEPS):
                jet = self.jet(t)
                if jet is None:
                    break
                if jet[1] > 0:
                    left = t
                else:
                    right = t
                step = -jet[1] / (2 * jet[2]) if jet[2] != 0 else arb(2)
                if abs(step) < SETTLED:
                    break
                following = rounded(exact(t + step), POSITION_BITS) if arb(step).is_finite() else right
                if not left < following < right:
                    following = rounded((left + right) / 2, POSITION_BITS)
                if following in (left, right):
                    break
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
                elif isinstance(value, arb) and value.overlaps(arb(best)) and value != best:
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


def segment(net_a: Network, net_b: Network, teacher: Network) -> Segment:
    """Return the segment, exact in one dimension."""
    return (Line if len(teacher[0][0]) == 1 else Segment)(net_a, net_b, teacher)


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
