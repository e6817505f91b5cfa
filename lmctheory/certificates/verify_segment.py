"""The part of the checker that bounds the excess on a segment; it shares nothing with the search but Arb."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

from flint import arb, arb_mat, arb_poly

from lmctheory.certificates import outward
from lmctheory.certificates.verify_balls import ball, ball_between, root, working
from lmctheory.certificates.verify_taylor import MovingPair, kernel_polynomial
from lmctheory.certificates.verify_text import require
from lmctheory.certificates.verify_theorems import BarrierTheorem, Network

Triple: TypeAlias = tuple[arb, arb, arb]
Products: TypeAlias = tuple[list[list[arb]], list[list[arb]], list[list[arb]]]

PRECISION = 576  # bits; makes Gram determinants of products of three floats exact, so that collinear neurons are seen
CELLS_EACH, CELLS_MORE = 3, 64  # the checker may divide the stated cells into so many on average, and so many more in all


def max_cells(theorem: BarrierTheorem) -> int:
    """Return a bound of the number of cells on which the excess is enclosed."""
    return CELLS_EACH * (len(theorem.cells) - 1) + CELLS_MORE


def check_barrier(theorem: BarrierTheorem) -> None:
    """Prove the theorem: the lower end at one position, the upper end cell by cell."""
    with working(PRECISION):
        segment = Segment(theorem.net_a, theorem.net_b.permute(theorem.permutation), theorem.teacher)
        if theorem.is_affine:
            require(segment.is_affine, "f_t is not affine on the segment")
            return
        lower, upper = theorem.height.lower, ball(theorem.height.upper)
        require(lower == 0 or segment.excess(theorem.position) >= ball(lower), "the lower end is not reached at the position")
        waiting = list(pairwise(theorem.cells))[::-1]
        left_to_try = max_cells(theorem)
        while waiting:
            left, right = waiting.pop()
            left_to_try -= 1
            if segment.is_below(left, right, upper):
                continue
            # An upper end above the maximum is confirmed on cells that are narrow enough, because enclosures on a cell of width h
            # exceed the truth by O(h^2), O(h) where a neuron passes the origin.
            require(left_to_try > len(waiting) + 1, f"the upper end is not proved near t = {outward.at_least(left)}")
            centre = (left + right) / 2
            waiting += [(centre, right), (left, centre)]


class Segment:
    """``f_t - f* = sum_k c_k(t) relu((u_k + t v_k) . x)`` on a segment; neurons that are multiples of one all the way add up.

    Weights become vectors of integers, and lengths go to the output weights, so that no number is divided or rounded.
    """

    def __init__(self, net_a: Network, net_b: Network, teacher: Network) -> None:
        paths: dict[tuple[int, ...], list[Fraction]] = {}  # output weights by the ends of the neuron, one after the other

        def put(path: tuple[int, ...], output: list[Fraction]) -> None:
            paths[path] = [x + y for x, y in zip(paths.get(path, [Fraction(0)] * 3), output, strict=True)]

        for u, a, v, b in zip(net_a.W, net_a.a, net_b.W, net_b.a, strict=True):
            (ray_u, r), (ray_v, s) = _on_ray(u), _on_ray(v)
            if ray_u == ray_v or not r or not s:  # both on one ray, or one of them zero
                put(2 * (ray_u if r else ray_v), [a * r, a * (s - r) + (b - a) * r, (b - a) * (s - r)])
            else:
                path, length = _on_ray([*u, *v])
                put(path, [a * length, (b - a) * length, Fraction(0)])
        for v, b in zip(teacher.W, teacher.a, strict=True):
            ray, length = _on_ray(v)
            put(2 * ray, [-b * length, Fraction(0), Fraction(0)])
        kept, d = {path: output for path, output in paths.items() if any(output)}, teacher.input_dim
        starts, motions = [path[:d] for path in kept], [[y - x for x, y in zip(path[:d], path[d:], strict=True)] for path in kept]
        self._moves = [any(motion) for motion in motions]
        self.is_affine = not any(self._moves) and all(output[2] == 0 for output in kept.values())
        self._c = [[ball(x) for x in output] for output in kept.values()]
        self._u, self._v = (
            arb_mat([[ball(Fraction(x)) for x in row] for row in rows]) if kept else arb_mat(0, d) for rows in (starts, motions)
        )
        self._still: dict[tuple[int, int], arb] = {}
        squares, mixed, speeds = self._u * self._u.transpose(), self._u * self._v.transpose(), self._v * self._v.transpose()
        self._mixed, self._speeds = mixed, speeds
        n = range(len(self._c))
        self._speed = [root(speeds[k, k]) for k in n]
        self._sweep = [root(squares[k, k] * speeds[k, k] - mixed[k, k] * mixed[k, k]) for k in n]
        self._ends = self._loss(Fraction(0), Fraction(0))[0], self._loss(Fraction(1), Fraction(1))[0]

    def excess(self, t: Fraction) -> arb:
        """Return the excess over the chord at t."""
        return self._excess(t, t)[0]

    def is_below(self, left: Fraction, right: Fraction, upper: arb) -> bool:
        """Whether the excess is proved to be at most `upper` from left to right; polynomials take longer and come second."""
        ways = (self._excess, self._polynomials)
        return any(self._is_below(enclose(left, right), left, right, upper) for enclose in ways)

    def _is_below(self, enclosures: Triple, left: Fraction, right: Fraction, upper: arb) -> bool:
        """Whether this follows from enclosures of the excess and of its first two derivatives on the cell."""
        values, slopes, bends = enclosures
        centre, radius = (left + right) / 2, ball((right - left) / 2)
        value, slope, _ = self._excess(centre, centre)
        steep, bent = abs(slope).upper(), bends.upper()  # the excess is below a parabola on either side of the centre
        rise = steep * steep / (-2 * bent) if bent < 0 and steep < -bent * radius else steep * radius + bent * radius * radius / 2
        if values <= upper or value + rise <= upper or value + abs(slopes) * radius <= upper:
            return True
        if slopes <= 0:
            return self._is_below_at(left, upper)
        if slopes >= 0:
            return self._is_below_at(right, upper)
        return bool(bends >= 0) and self._is_below_at(left, upper) and self._is_below_at(right, upper)

    def _is_below_at(self, t: Fraction, upper: arb) -> bool:
        """Whether the excess at t is proved to be at most `upper`; at both ends of the segment it is 0."""
        return bool(upper >= 0 if t in (0, 1) else self.excess(t) <= upper)

    def _excess(self, left: Fraction, right: Fraction) -> Triple:
        """Return enclosures of the excess and of its first two derivatives from left to right."""
        (value, slope, bend), (start, end), t = self._loss(left, right), self._ends, ball_between(left, right)
        return value - (1 - t) * start - t * end, slope + start - end, bend

    def _polynomials(self, left: Fraction, right: Fraction) -> Triple:
        """Return the same by polynomials: where the excess is far smaller than its terms, these cancel in their coefficients."""
        centre, (start, end) = (left + right) / 2, self._ends
        middle = ball(centre)
        s = ball_between(left, right) - middle
        c = [arb_poly([p + middle * (q + middle * r), q + 2 * middle * r, r]) for p, q, r in self._c]
        at_centre, on_cell = self._products(centre, centre), self._products(left, right)
        excess, kinks = -arb_poly([(1 - middle) * start + middle * end, end - start]), arb(0)
        for k in range(len(c)):
            excess += c[k] * c[k] * _local(at_centre, k, k) * (arb(1) / 2)
            for j in range(k):
                if not self._moves[k] and not self._moves[j]:
                    kernel: arb_poly | None = arb_poly([self._kernel(k, j, at_centre)[0]])
                else:
                    kernel = kernel_polynomial(self._pair(k, j, at_centre, middle), s)
                if kernel is None:
                    kernel, kinks = arb_poly([self._kernel(k, j, at_centre)[0], self._kernel(k, j, on_cell)[1]]), _anything()
                excess += 2 * c[k] * c[j] * kernel
        slope = excess.derivative()
        return excess(s), slope(s), slope.derivative()(s) + kinks

    def _pair(self, k: int, j: int, at_centre: Products, middle: arb) -> MovingPair:
        g, h, i = _local(at_centre, k, k), _local(at_centre, j, j), _local(at_centre, k, j)
        motion_k = arb_poly([self._mixed[j, k] + middle * self._speeds[j, k], self._speeds[j, k]])  # u_k' . u_j
        motion_j = arb_poly([self._mixed[k, j] + middle * self._speeds[k, j], self._speeds[k, j]])
        return MovingPair(
            g, h, i, g * h - i * i, self._speeds[k, k] * h - motion_k * motion_k, self._speeds[j, j] * g - motion_j * motion_j
        )

    def _products(self, left: Fraction, right: Fraction) -> Products:
        """Return the inner products of all neurons, and their first two derivatives, from left to right."""
        middle = ball((left + right) / 2)
        s = ball_between(left, right) - middle
        at_middle = self._u + middle * self._v
        cross = at_middle * self._v.transpose()
        constant, linear, quadratic = at_middle * at_middle.transpose(), cross + cross.transpose(), self._v * self._v.transpose()
        inner, slopes, bends = constant + s * (linear + s * quadratic), linear + 2 * s * quadratic, 2 * quadratic
        return inner.tolist(), slopes.tolist(), bends.tolist()

    def _loss(self, left: Fraction, right: Fraction) -> Triple:
        """Return enclosures of the loss and of its first two derivatives from left to right."""
        t, products = ball_between(left, right), self._products(left, right)
        inner, inner_slope, inner_bend = products
        c = [(p + t * (q + t * r), q + 2 * t * r, 2 * r) for p, q, r in self._c]
        value, slope, bend = arb(0), arb(0), arb(0)
        for k in range(len(c)):
            for j in range(k + 1):
                if k == j:
                    K, K1, K2 = inner[k][k] / 2, inner_slope[k][k] / 2, inner_bend[k][k] / 2
                elif not self._moves[k] and not self._moves[j]:
                    if (k, j) not in self._still:
                        self._still[k, j] = self._kernel(k, j, products)[0]
                    K, K1, K2 = self._still[k, j], arb(0), arb(0)
                else:
                    K, K1, K2 = self._kernel(k, j, products)
                (x, x1, x2), (y, y1, y2) = c[k], c[j]
                twice = 1 if k == j else 2
                weight, weight1, weight2 = x * y, x1 * y + x * y1, x2 * y + 2 * x1 * y1 + x * y2
                value += twice * weight * K
                slope += twice * (weight1 * K + weight * K1)
                bend += twice * (weight2 * K + 2 * weight1 * K1 + weight * K2)
        return value, slope, bend

    def _kernel(self, k: int, j: int, products: Products) -> Triple:
        """Return enclosures of a kernel and of its first two derivatives."""
        inner, inner_slope, inner_bend = products
        g, h, i = inner[k][k], inner[j][j], inner[k][j]
        area = root(g * h - i * i)
        if i > 0:
            supplement = arb.pi() - (area / i).atan()
        elif i < 0:
            supplement = (area / -i).atan()
        else:
            supplement = arb.pi() / 2 + ((i / area).atan() if area > 0 else arb(0, 1) * arb.pi() / 2)
        first, second = supplement * inner_slope[k][j], supplement * inner_bend[k][j]
        growth, turning = arb(0), arb(0)
        rates = []
        for n, other in ((k, h), (j, g)):
            if inner[n][n] > 0:
                rate = inner_slope[n][n] / inner[n][n]
                turn = self._sweep[n] / inner[n][n]
                growth += rate
                turning += turn
                second += area * turn * turn
                rates.append(rate)
            else:  # the neuron may vanish: |v| sin p times its speed, in either direction
                first += arb(0, (root(other) * self._speed[n]).abs_upper())
                second += arb(0, arb.pos_inf())
        first += area * growth / 2
        if len(rates) == 2:
            widest = (area * turning * turning).abs_upper()
            turned = arb(0).union(widest)
            if area > 0:
                change = inner_slope[k][j] - i * growth / 2
                exact = change * change / area
                turned = exact.intersection(turned) if exact.overlaps(turned) else turned
            second += turned + area * rates[0] * rates[1] / 2
        return (area + supplement * i) / (2 * arb.pi()), first / (2 * arb.pi()), second / (2 * arb.pi())


def _on_ray(values: Sequence[Fraction]) -> tuple[tuple[int, ...], Fraction]:
    """Return the shortest vector of integers on the ray of `values`, and how many times it is to be taken: 0 times for zero."""
    common = math.lcm(*(x.denominator for x in values))
    integers = [x.numerator * (common // x.denominator) for x in values]
    divisor = math.gcd(*integers)
    return tuple(x // max(divisor, 1) for x in integers), Fraction(divisor, common)


def _local(products: Products, k: int, j: int) -> arb_poly:
    """Return the inner product of two neurons as a polynomial of the distance from where `products` were taken."""
    inner, slopes, bends = products
    return arb_poly([inner[k][j], slopes[k][j], bends[k][j] / 2])


def _anything() -> arb:
    return arb(0, arb.pos_inf())
