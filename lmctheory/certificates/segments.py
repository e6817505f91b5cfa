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

An excess far smaller than the kernels that it consists of needs more: on an interval their enclosures do not cancel. Polynomials
do, coefficient by coefficient, up to a small remainder; these are borrowed from the checker (`verify_taylor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from flint import arb_mat, arb_poly

from lmctheory.certificates.balls import Row, Rows, arb, between, fraction, root
from lmctheory.certificates.reduction import PathNeurons, Polynomial, Ray
from lmctheory.certificates.verify_taylor import MovingPair, kernel_polynomial

Gram: TypeAlias = tuple[Rows, Rows, Rows]  # inner products, their slopes, and half of their second derivatives


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
    """``e(t) = L(t) - (1-t) L(0) - t L(1)`` on the segment in units of `unit`, at the working precision of its construction.

    The unit is the power of two that makes the terms of the excess about 1, so that no number is too small or large for a float.
    """

    def __init__(self, neurons: PathNeurons) -> None:
        keys = sorted(neurons, key=lambda key: key[0] == key[1])  # neurons that turn come first
        self.turning = sum(start != end for start, end in keys)
        size = sum((_energy(key, neurons[key]) for key in keys), Fraction(0))
        root_of_unit = Fraction(2) ** ((size.numerator.bit_length() - size.denominator.bit_length()) // 2)
        self.unit = root_of_unit * root_of_unit
        self._outputs = [tuple(fraction(c / root_of_unit) for c in neurons[key]) for key in keys]
        start = arb_mat([[arb(x) for x in key[0]] for key in keys])
        step = arb_mat([[arb(y - x) for x, y in zip(*key, strict=True)] for key in keys])
        cross = self._mixed = start * step.transpose()
        self._gram = start * start.transpose(), cross + cross.transpose(), step * step.transpose()
        first, mixed, last = (gram.tolist() for gram in (self._gram[0], cross, self._gram[2]))
        self._speeds = [root(last[k][k]) for k in range(len(keys))]
        self._areas = [root(first[k][k] * last[k][k] - mixed[k][k] * mixed[k][k]) for k in range(len(keys))]
        fixed = range(self.turning, len(keys))
        self._fixed = {
            (k, j): _pair(first[k][k], first[j][j], first[k][j], arb(0), arb(0), _STILL, _STILL).value
            for k in fixed
            for j in fixed
            if j < k
        }
        self._ends = self._loss(arb(0)).value, self._loss(arb(1)).value

    def __call__(self, t: arb) -> Jet:
        """Return the excess and its derivatives everywhere in the ball t."""
        start, end = self._ends
        return self._loss(t) + Jet(-((1 - t) * start + t * end), start - end, arb(0))

    def polynomials(self, t: arb) -> Jet:
        """Return what calling the excess returns, by polynomials about the middle of the ball t, which cancel where terms do."""
        centre, delta, (start, end) = t.mid(), t - t.mid(), self._ends
        near, wide = self._gram_at(centre), self._gram_at(t)
        result, kinks = -arb_poly([(1 - centre) * start + centre * end, end - start]), arb(0)
        outputs = [arb_poly([p + centre * (q + centre * r), q + 2 * centre * r, r]) for p, q, r in self._outputs]
        for k, output in enumerate(outputs):
            inner = output * arb_poly([matrix[k][k] / 2 for matrix in near])
            for j in range(k):
                if j >= self.turning:
                    kernel: arb_poly | None = arb_poly([self._fixed[k, j]])
                else:
                    kernel = kernel_polynomial(self._moving_pair(k, j, near, centre), delta)
                if kernel is None:  # a neuron may vanish
                    at_centre, on_cell = (
                        _pair(*_entries(gram, k, j), self._motion(k, gram), self._motion(j, gram)) for gram in (near, wide)
                    )
                    kernel, kinks = arb_poly([at_centre.value, on_cell.slope]), arb(0, arb.pos_inf())
                inner += 2 * outputs[j] * kernel
            result += output * inner
        slope = result.derivative()
        return Jet(result(delta), slope(delta), slope.derivative()(delta) + kinks)

    def _moving_pair(self, k: int, j: int, gram: Gram, centre: arb) -> MovingPair:
        g, h, i = (arb_poly([matrix[p][q] for matrix in gram]) for p, q in ((k, k), (j, j), (k, j)))
        speeds = self._gram[2]
        motion_k, motion_j = (
            arb_poly([self._mixed[q, p] + centre * speeds[q, p], speeds[q, p]]) for p, q in ((k, j), (j, k))
        )  # the velocity of p times q
        return MovingPair(g, h, i, g * h - i * i, speeds[k, k] * h - motion_k * motion_k, speeds[j, j] * g - motion_j * motion_j)

    def _loss(self, t: arb) -> Jet:
        centre, delta = t.mid(), t - t.mid()
        gram = self._gram_at(t)
        outputs = [_polynomial(c, centre, delta) for c in self._outputs]
        motions = [self._motion(k, gram) for k in range(len(outputs))]
        parts = []
        for k, output in enumerate(outputs):
            own = Jet(gram[0][k][k] / 2, gram[1][k][k] / 2, gram[2][k][k])
            inner = Jet(arb(0), arb(0), arb(0))
            for j in range(k):
                if j >= self.turning:
                    kernel = Jet(self._fixed[k, j], arb(0), arb(0))
                else:
                    kernel = _pair(*_entries(gram, k, j), motions[k], motions[j])
                inner += outputs[j] * kernel
            parts.append(output * (output * own + inner + inner))
        zero = Jet(arb(0), arb(0), arb(0))
        return sum(parts, zero)

    def _gram_at(self, t: arb) -> Gram:
        """Return matrices of the Taylor coefficients of all inner products, everywhere in the ball t."""
        centre, delta = t.mid(), t - t.mid()
        constant, linear, quadratic = self._gram
        slope = linear + 2 * centre * quadratic
        at_centre = constant + centre * (linear + centre * quadratic)
        inner, slopes = at_centre + delta * (slope + delta * quadratic), slope + 2 * delta * quadratic
        return inner.tolist(), slopes.tolist(), quadratic.tolist()

    def _motion(self, k: int, gram: Gram) -> _Motion:
        square, slope, _ = (matrix[k][k] for matrix in gram)
        return _Motion(slope / square, self._areas[k] / square) if square > 0 else _Motion.touching(self._speeds[k])


def _energy(rays: tuple[Ray, Ray], output: Polynomial) -> Fraction:
    """Return ``c^2 |u|^2`` at both ends."""
    ends = zip(rays, (output[0], sum(output, Fraction(0))), strict=True)
    return sum((c * c * sum(x * x for x in ray) for ray, c in ends), start=Fraction(0))


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


def _entries(gram: Gram, k: int, j: int) -> tuple[arb, arb, arb, arb, arb]:
    """Return ``g, h, i = u . v``, and the first two derivatives of i."""
    return gram[0][k][k], gram[0][j][j], gram[0][k][j], gram[1][k][j], 2 * gram[2][k][j]


def _pair(g: arb, h: arb, i: arb, slope: arb, bend: arb, u: _Motion, v: _Motion) -> Jet:
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
