"""The part of the checker that encloses kernels by polynomials, for excesses far smaller than the terms that they consist of.

On a cell of centre c a kernel is written as ``K(c + s) = K_0 + K_1 s + ... + K_N s^N`` with coefficients that are balls: those at
the centre, which are known to full precision, but for the last, which holds on the whole cell. The first two derivatives of K are
those of the polynomial. In sums of kernels the coefficients at the centre cancel as they should.

Let u and v move linearly, ``g = |u|^2``, ``h = |v|^2``, ``i = u . v``, ``q = g h - i^2`` and ``S = sqrt(q) = |u||v| sin p``.
Where q > 0 K is analytic, and power series give its coefficients. Where u and v may be parallel, ``K = G + max(i, 0) / 2`` with

    2 pi G = j F(x),   j = |i|,   x = S / j = |tan p|,   F(x) = x - arctan(x),   0 <= F <= x^3 / 3,

which is of the third order in the angle: with ``F' = x^2 / (1 + x^2)``, ``0 <= F'' <= 2 x`` and ``-2 x^3 / 3 <= F - x F' <= 0``,

    2 pi G'  = j' F + F' (S' - x j')
    2 pi G'' = j'' (F - x F') + j F'' x'^2 + F' S'',   x' = (S' - x j') / j,   S S'' = q'' / 2 - S'^2,

where ``|S'|`` is at most the sum of the areas of u', v and of u, v'. So G'' is bounded by products of small numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb, arb_poly, arb_series

from lmctheory.certificates.verify_balls import root, working

SERIES_PRECISION = 192  # bits
TERMS = 20  # of power series before the remainder; as many as let the remainder vanish on cells of width 1/16 or so


@dataclass(frozen=True)
class MovingPair:
    """Inner products of two neurons u and v as polynomials of the distance s from a position, and those with their velocities.

    `area_u` is ``|u'|^2 |v|^2 - (u' . v)^2``, and `area_v` is ``|u|^2 |v'|^2 - (u . v')^2``.
    """

    g: arb_poly
    h: arb_poly
    i: arb_poly
    q: arb_poly
    area_u: arb_poly
    area_v: arb_poly

    def at(self, delta: arb) -> MovingPair:
        """Return the same as polynomials of the distance from any position in ``s = delta``."""
        shift = arb_poly([delta, 1])
        return MovingPair(*(p(shift) for p in (self.g, self.h, self.i, self.q, self.area_u, self.area_v)))


def kernel_polynomial(pair: MovingPair, cell: arb) -> arb_poly | None:
    """Return a polynomial that encloses the kernel and its derivatives for s in `cell`; None if a neuron may vanish there."""
    everywhere, found = pair.at(cell), []
    if not (everywhere.g[0] > 0 and everywhere.h[0] > 0):
        return None
    with working(SERIES_PRECISION, TERMS + 1):
        central, last = _series(pair), _series(everywhere)
    if central and last:
        found.append(arb_poly([*central[:TERMS], last[TERMS]]))
    for sign in (1, -1):
        if sign * everywhere.i[0] > 0:
            linear = pair.i * (arb(1) / 2) if sign > 0 else arb_poly([])
            found.append(linear + _nearly_parallel(pair, everywhere, sign))
    found = [polynomial for polynomial in found if polynomial(cell).is_finite()]
    return min(found, key=lambda polynomial: _remainder(polynomial, cell), default=None)


def _remainder(polynomial: arb_poly, cell: arb) -> arb:
    """Return how much the last coefficient leaves open."""
    degree = polynomial.degree()
    return (polynomial[degree].rad() * cell.abs_upper() ** degree).upper()


def _series(pair: MovingPair) -> list[arb] | None:
    """Return ``TERMS + 1`` Taylor coefficients of K; None where u and v may be parallel."""
    square, product = arb_series(pair.q, TERMS + 1), arb_series(pair.i, TERMS + 1)
    if not square[0] > 0:
        return None
    area = square.sqrt()
    if not area[0] > 0:
        return None
    if product[0] > 0:
        supplement = arb.pi() - (area / product).atan()
    elif product[0] < 0:
        supplement = (area / -product).atan()
    else:
        supplement = arb.pi() / 2 + (product / area).atan()
    kernel = (area + supplement * product) / (2 * arb.pi())
    return [kernel[n] for n in range(TERMS + 1)] if kernel.prec == TERMS + 1 else None


def _nearly_parallel(pair: MovingPair, everywhere: MovingPair, sign: int) -> arb_poly:
    """Return G as a polynomial of degree 2; i has this sign on the whole cell."""
    j, j1 = sign * pair.i[0], sign * pair.i[1]
    area = root(pair.q[0])
    x = area / j
    F, F1 = x - x.atan(), x * x / (1 + x * x)
    steepness = _bound_of_slope(pair)
    area1 = pair.q[1] / (2 * area) if area > 0 else arb(0, steepness)
    value, slope = j * F, j1 * F + F1 * (area1 - x * j1)

    j, j1, j2 = sign * everywhere.i[0], sign * everywhere.i[1], sign * 2 * everywhere.i[2]
    area = root(everywhere.q[0]).abs_upper()
    x, steepness = (area / j).abs_upper(), _bound_of_slope(everywhere)
    turn = ((steepness + x * abs(j1)) / j).abs_upper()
    curving = everywhere.q[2] - _from_zero(steepness * steepness)  # S S''
    bend = j2 * -_from_zero(2 * x * x * x / 3) + _from_zero(2 * x * j * turn * turn) + _from_zero(area) * curving / (j * j)
    return arb_poly([x / (2 * arb.pi()) for x in (value, slope, bend / 2)])


def _bound_of_slope(pair: MovingPair) -> arb:
    """Return an upper bound of ``|S'|``."""
    return (root(pair.area_u[0]) + root(pair.area_v[0])).abs_upper()


def _from_zero(bound: arb) -> arb:
    """Return a ball that contains the numbers from 0 to `bound`, which is not negative."""
    return arb(0).union(bound.abs_upper())
