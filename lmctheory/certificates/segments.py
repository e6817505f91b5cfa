"""The loss on a segment with its first two derivatives, enclosed on intervals of t.

On the segment every neuron of `path_neurons` is ``c(t) relu(u(t) . x)`` with u affine and c a polynomial. With ``g = |u|^2``,
``h = |v|^2``, ``i = u . v`` (polynomials of degree 2), ``S = sqrt(g h - i^2)`` and p the angle,

    2 pi K   = S + (pi - p) i
    2 pi K'  = (pi - p) i' + S (g'/g + h'/h) / 2
    2 pi K'' = (pi - p) i'' + S p'^2 + S ((A/g)^2 + (B/h)^2 + g' h' / (2 g h))

where ``A^2 = |u|^2 |u'|^2 - (u . u')^2``, constant in t, makes ``A/g`` the speed at which u turns, and B the same for v. Hence
``|p'| <= A/g + B/h``, and where S is not 0, ``S p'^2 = (i' - i (g'/g + h'/h) / 2)^2 / S``. So K'' stays enclosed where neurons
are collinear. Only where a neuron passes the origin the loss has a kink: there ``S |g'| / g <= 2 |v||u'|`` encloses K',
and K'' is unbounded.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb_mat

from lmctheory.certificates.balls import Row, arb, between, fraction, root
from lmctheory.certificates.reduction import PathNeurons


@dataclass(frozen=True)
class Jet:
    """Enclosures of a function and of its first two derivatives on an interval; the second is infinite where a kink may be."""

    value: arb
    slope: arb
    bend: arb

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.slope + other.slope, self.bend + other.bend)

    def __mul__(self, other: Jet) -> Jet:
        return Jet(
            self.value * other.value,
            self.value * other.slope + self.slope * other.value,
            self.value * other.bend + 2 * self.slope * other.slope + self.bend * other.value,
        )


class Excess:
    """``e(t) = L(t) - (1-t) L(0) - t L(1)`` on the segment, at the working precision of its construction."""

    def __init__(self, neurons: PathNeurons) -> None:
        keys = sorted(neurons, key=lambda key: key[0] == key[1])  # neurons that turn come first
        self.turning = sum(start != end for start, end in keys)
        self._outputs = [tuple(fraction(c) for c in neurons[key]) for key in keys]
        start = arb_mat([[arb(x) for x in key[0]] for key in keys])
        step = arb_mat([[arb(y - x) for x, y in zip(*key, strict=True)] for key in keys])
        cross = start * step.transpose()
        self._gram = start * start.transpose(), cross + cross.transpose(), step * step.transpose()
        first, mixed, last = (gram.tolist() for gram in (self._gram[0], cross, self._gram[2]))
        self._speeds = [root(last[k][k]) for k in range(len(keys))]
        self._areas = [root(first[k][k] * last[k][k] - mixed[k][k] * mixed[k][k]) for k in range(len(keys))]
        fixed = range(self.turning, len(keys))
        self._fixed = {
            (k, j): _pair(first[k][k], first[j][j], first[k][j], arb(0), _STILL, _STILL).value
            for k in fixed
            for j in fixed
            if j < k
        }
        self._ends = self._loss(arb(0)).value, self._loss(arb(1)).value

    def __call__(self, t: arb) -> Jet:
        """Return the excess and its derivatives everywhere in the ball t."""
        start, end = self._ends
        return self._loss(t) + Jet(-((1 - t) * start + t * end), start - end, arb(0))

    def _loss(self, t: arb) -> Jet:
        centre, delta = t.mid(), t - t.mid()
        constant, linear, quadratic = self._gram
        slope_at_centre = linear + 2 * centre * quadratic
        products = (constant + centre * (linear + centre * quadratic) + delta * (slope_at_centre + delta * quadratic)).tolist()
        slopes = (slope_at_centre + 2 * delta * quadratic).tolist()
        bends = (2 * quadratic).tolist()
        outputs = [_polynomial(c, centre, delta) for c in self._outputs]
        motions = [
            _Motion(slopes[k][k] / products[k][k], self._areas[k] / products[k][k])
            if products[k][k] > 0
            else _Motion.touching(speed)
            for k, speed in enumerate(self._speeds)
        ]
        parts = []
        for k, output in enumerate(outputs):
            own = Jet(products[k][k] / 2, slopes[k][k] / 2, bends[k][k] / 2)
            inner = Jet(arb(0), arb(0), arb(0))
            for j in range(k):
                if j >= self.turning:
                    kernel = Jet(self._fixed[k, j], arb(0), arb(0))
                else:
                    kernel = _pair(
                        products[k][k], products[j][j], products[k][j], slopes[k][j], motions[k], motions[j], bends[k][j]
                    )
                inner += outputs[j] * kernel
            parts.append(output * (output * own + inner + inner))
        zero = Jet(arb(0), arb(0), arb(0))
        return sum(parts, zero)


@dataclass(frozen=True)
class _Motion:
    """How a neuron moves on the interval: ``growth = g'/g``, ``turn = A/g``; where it may vanish, its speed ``|u'|`` alone."""

    growth: arb
    turn: arb
    speed: arb | None = None

    @staticmethod
    def touching(speed: arb) -> _Motion:
        return _Motion(arb(0), arb(0, arb.pos_inf()), speed)


_STILL = _Motion(arb(0), arb(0))


def _pair(g: arb, h: arb, i: arb, slope: arb, u: _Motion, v: _Motion, bend: arb | int = 0) -> Jet:
    """Return K and its derivatives from ``g, h, i = u . v``, the derivatives of i, and the motions of u and v."""
    area = root(g * h - i * i)
    if i > 0:
        supplement = arb.pi() - (area / i).atan()
    elif i < 0:
        supplement = (area / -i).atan()
    else:
        supplement = arb.pi() / 2 + (i / area).atan() if area > 0 else between(0, arb.pi())
    twist = u.growth + v.growth
    first = supplement * slope + area * twist / 2
    for motion, other in ((u, h), (v, g)):
        if motion.speed is not None:
            first += arb(0, (root(other) * motion.speed).abs_upper())
    turn = u.turn + v.turn
    turning = between(0, (area * turn * turn).abs_upper())
    if area > 0:
        change = slope - i * twist / 2
        exact = change * change / area
        turning = exact.intersection(turning) if exact.overlaps(turning) else turning
    second = supplement * bend + turning + area * (u.turn * u.turn + v.turn * v.turn + u.growth * v.growth / 2)
    scale = 2 * arb.pi()
    return Jet((area + supplement * i) / scale, first / scale, second / scale)


def _polynomial(c: Row, centre: arb, delta: arb) -> Jet:
    slope = c[1] + 2 * centre * c[2]
    return Jet(c[0] + centre * (c[1] + centre * c[2]) + delta * (slope + delta * c[2]), slope + 2 * delta * c[2], 2 * c[2])
