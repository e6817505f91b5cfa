"""The part of the checker that bounds the excess on a segment; it shares nothing with the search but Arb."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import arb, arb_mat

from lmctheory.certificates.verify_data import ball, root

Exact = Sequence[Sequence[Fraction]]
Triple = tuple[arb, arb, arb]


class Segment:
    """``f_t - f* = sum_k c_k(t) relu((u_k + t v_k) . x)`` on a segment, with neurons that share their direction added up."""

    def __init__(
        self,
        net_a: tuple[Exact, Sequence[Fraction]],
        net_b: tuple[Exact, Sequence[Fraction]],
        teacher: tuple[Exact, Sequence[Fraction]],
    ) -> None:
        rays: dict[tuple[Fraction, ...], int] = {}  # where to find neurons that keep this direction
        weights: list[tuple[Sequence[Fraction], Sequence[Fraction]]] = []  # where they start, and their motion
        outputs: list[list[Fraction]] = []

        def put_on_ray(w: Sequence[Fraction], output: Sequence[Fraction]) -> None:
            """Add a neuron ``output(t) relu(w . x)``, exactly: as a multiple of the first one on its ray."""
            longest = max(map(abs, w))
            k = rays.setdefault(tuple(x / longest for x in w), len(weights))
            if k == len(weights):
                weights.append((w, [Fraction(0)] * len(w)))
                outputs.append([Fraction(0)] * 3)
            ratio = longest / max(map(abs, weights[k][0]))
            outputs[k] = [x + ratio * y for x, y in zip(outputs[k], output, strict=True)]

        for u, a, v, b in zip(*net_a, *net_b, strict=True):
            long_u, long_v = max(map(abs, u)), max(map(abs, v))
            if any(x * long_v != y * long_u for x, y in zip(u, v, strict=True)):
                weights.append((u, [y - x for x, y in zip(u, v, strict=True)]))
                outputs.append([a, b - a, Fraction(0)])
            elif long_u + long_v > 0:  # both on one ray, or one of them zero
                start, growth = long_u / (long_u + long_v), (long_v - long_u) / (long_u + long_v)
                both = [x + y for x, y in zip(u, v, strict=True)]
                put_on_ray(both, [a * start, a * growth + (b - a) * start, (b - a) * growth])
        for v, b in zip(*teacher, strict=True):
            if any(v):
                put_on_ray(v, [-b, Fraction(0), Fraction(0)])
        kept = [k for k, output in enumerate(outputs) if any(output)]
        self._moves = [any(weights[k][1]) for k in kept]
        self.is_affine = not any(self._moves) and all(outputs[k][2] == 0 for k in kept)
        self._c = [[ball(x) for x in outputs[k]] for k in kept]
        d = len(teacher[0][0])
        self._u, self._v = (
            arb_mat([[ball(x) for x in weights[k][end]] for k in kept]) if kept else arb_mat(0, d) for end in (0, 1)
        )
        self._still: dict[tuple[int, int], arb] = {}
        squares, mixed, speeds = self._u * self._u.transpose(), self._u * self._v.transpose(), self._v * self._v.transpose()
        n = range(len(self._c))
        self._speed = [root(speeds[k, k]) for k in n]
        self._sweep = [root(squares[k, k] * speeds[k, k] - mixed[k, k] * mixed[k, k]) for k in n]
        self._losses = self._loss(0.0, 0.0)[0], self._loss(1.0, 0.0)[0]

    def excess(self, t: float) -> arb:
        """Return the excess over the chord at t."""
        return self._excess(t, 0.0)[0]

    def is_below(self, left: float, right: float, upper: arb, halvings: int = 3) -> bool:
        """Whether the excess is proved to be at most `upper` from left to right, in parts if need be."""
        if self._is_below(left, right, upper):
            return True
        centre = (left + right) / 2
        return halvings > 0 and all(self.is_below(*half, upper, halvings - 1) for half in ((left, centre), (centre, right)))

    def _is_below(self, left: float, right: float, upper: arb) -> bool:
        centre, radius = (left + right) / 2, arb((right - left) / 2)
        value, slope, _ = self._excess(centre, 0.0)
        _, slopes, bends = self._excess(centre, (right - left) / 2)
        steep, bent = abs(slope).upper(), bends.upper()  # the excess is below a parabola on either side of the centre
        rise = steep * steep / (-2 * bent) if bent < 0 and steep < -bent * radius else steep * radius + bent * radius * radius / 2
        if value + rise <= upper or value + abs(slopes) * radius <= upper:
            return True
        if slopes <= 0:
            return bool(upper >= 0 if left == 0 else self.excess(left) <= upper)
        if slopes >= 0:
            return bool(upper >= 0 if right == 1 else self.excess(right) <= upper)
        return False

    def _excess(self, centre: float, radius: float) -> Triple:
        value, slope, bend = self._loss(centre, radius)
        t = arb(centre, radius)
        return value - (1 - t) * self._losses[0] - t * self._losses[1], slope + self._losses[0] - self._losses[1], bend

    def _loss(self, centre: float, radius: float) -> Triple:
        """Return enclosures of the loss and of its first two derivatives within `radius` of `centre`."""
        s, t = arb(0, radius), arb(centre, radius)
        at_centre = self._u + arb(centre) * self._v
        cross = at_centre * self._v.transpose()
        constant, linear, quadratic = at_centre * at_centre.transpose(), cross + cross.transpose(), self._v * self._v.transpose()
        inner = (constant + s * (linear + s * quadratic)).tolist()
        inner_slope, inner_bend = (linear + 2 * s * quadratic).tolist(), (2 * quadratic).tolist()
        c = [(p + t * (q + t * r), q + 2 * t * r, 2 * r) for p, q, r in self._c]
        value, slope, bend = arb(0), arb(0), arb(0)
        for k in range(len(c)):
            for j in range(k + 1):
                if k == j:
                    K, K1, K2 = inner[k][k] / 2, inner_slope[k][k] / 2, inner_bend[k][k] / 2
                elif not self._moves[k] and not self._moves[j]:
                    if (k, j) not in self._still:
                        self._still[k, j] = self._kernel(k, j, inner, inner_slope, inner_bend)[0]
                    K, K1, K2 = self._still[k, j], arb(0), arb(0)
                else:
                    K, K1, K2 = self._kernel(k, j, inner, inner_slope, inner_bend)
                (x, x1, x2), (y, y1, y2) = c[k], c[j]
                twice = 1 if k == j else 2
                weight, weight1, weight2 = x * y, x1 * y + x * y1, x2 * y + 2 * x1 * y1 + x * y2
                value += twice * weight * K
                slope += twice * (weight1 * K + weight * K1)
                bend += twice * (weight2 * K + 2 * weight1 * K1 + weight * K2)
        return value, slope, bend

    def _kernel(
        self, k: int, j: int, inner: list[list[arb]], inner_slope: list[list[arb]], inner_bend: list[list[arb]]
    ) -> Triple:
        g, h, i = inner[k][k], inner[j][j], inner[k][j]
        area = root(g * h - i * i)
        if i > 0:
            supplement = arb.pi() - (area / i).atan()
        elif i < 0:
            supplement = (area / -i).atan()
        else:
            supplement = arb.pi() / 2 + ((i / area).atan() if area > 0 else arb(0, 2))
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
