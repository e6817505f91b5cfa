"""The maximum over [0, 1] of a function that vanishes at both ends, by adaptive subdivision with enclosures.

On a cell of centre c and half-width r a function is at most the least of

- ``e(c) + sup |e'| r``,
- ``e(c) + sup (e'(c) s + e'' s^2 / 2)`` over ``|s| <= r``,
- its value at one end, where e' has one sign,
- the larger of its values at both ends, where e'' is not negative.

Cells are halved until no bound is above the goal. Where the highest value found is a tiny part of the terms that make up the
function, enclosures on cells come from polynomials, which take longer and lose nothing to cancellation. Ends of cells are
floats with few bits, so that their centres are floats too.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Protocol

from lmctheory.certificates.balls import arb
from lmctheory.certificates.segments import Jet

TINY = 2.0**-20  # heights below that are enclosed by polynomials

GRID = 8  # cells on which the search for the maximiser starts
NEWTON_STEPS = 24
RESOLUTION = 2.0**-40  # of the maximiser
NARROWEST = 2.0**-48  # half-width of the narrowest cells
SHARE = 0.5  # of the tolerance, which the bounds of cells must meet; the rest is left to those who check them


class Function(Protocol):
    """A function that is a sum of terms of size 1, with enclosures on balls of the value and of two derivatives."""

    def __call__(self, t: arb) -> Jet: ...

    def polynomials(self, t: arb) -> Jet: ...


@dataclass(frozen=True)
class Subdivision:
    """``lower <= e(position) <= max e <= upper``; the upper bound holds on every cell between neighbouring `ends`.

    `is_tight` says whether the goal was reached with the cells allowed.
    """

    position: float
    lower: arb
    upper: arb
    ends: list[float]
    is_tight: bool


def maximise(function: Function, rtol: float, max_cells: int) -> Subdivision:
    """Return the maximum of `function` up to a part `rtol`; at most `max_cells` cells are evaluated."""
    position = _maximiser(function)
    lower = _at(function, position).value.lower()
    if not lower > 0:
        position, lower = 0.0, arb(0)
    accepted = lower * (1 + SHARE * arb(rtol))
    done: list[tuple[float, float]] = []
    open_cells: list[tuple[float, float, float, arb, arb]] = []
    evaluated = 0

    def open_cell(left: float, right: float) -> None:
        nonlocal evaluated
        evaluated += 1
        bound, value = cell_bound(function, left, right, accepted)
        if bound <= accepted:
            done.append((left, right))
        else:
            rank = -float(bound.upper())
            heapq.heappush(open_cells, (-math.inf if math.isnan(rank) else rank, left, right, bound, value))

    for left, right in _first_cells(function, position, accepted):
        open_cell(left, right)
    while open_cells and evaluated < max_cells:
        _, left, right, bound, value = open_cells[0]
        if bound <= accepted or right - left <= NARROWEST:
            break
        heapq.heappop(open_cells)
        centre = (left + right) / 2
        if value.lower() > lower:
            position, lower = centre, value.lower()
            accepted = lower * (1 + SHARE * arb(rtol))
        open_cell(left, centre)
        open_cell(centre, right)
    cells = sorted([*done, *((left, right) for _, left, right, _, _ in open_cells)])
    is_tight = all(bound <= accepted for _, _, _, bound, _ in open_cells)
    upper = lower
    if not is_tight:
        for _, _, _, bound, _ in open_cells:
            upper = upper.max(bound)
    return Subdivision(position, lower, (upper * (1 + arb(rtol))).upper(), [0.0, *(right for _, right in cells)], is_tight)


def cell_bound(function: Function, left: float, right: float, accepted: arb) -> tuple[arb, arb]:
    """Return an upper bound on the cell, and the value at its centre; what no bound `accepted` needs is not computed."""
    radius = (right - left) / 2
    cell = arb((left + right) / 2, radius)
    centre, wide = _at(function, (left + right) / 2), function(cell)
    bound = _bound(function, left, right, accepted, centre, wide)
    if not bound <= accepted and accepted <= TINY:
        bound = _least(bound, _bound(function, left, right, accepted, centre, function.polynomials(cell)))
    return bound, centre.value


def _bound(function: Function, left: float, right: float, accepted: arb, centre: Jet, wide: Jet) -> arb:
    """Return an upper bound on the cell from the function at its centre and on the whole of it."""
    radius = (right - left) / 2
    bound = _least(centre.value + abs(wide.slope) * radius, centre.value + _parabola(centre.slope, wide.bend, arb(radius)))
    if bound <= accepted:
        return bound
    if wide.slope <= 0:
        return _end_value(function, left)
    if wide.slope >= 0:
        return _end_value(function, right)
    if wide.bend >= 0:
        return _least(bound, _end_value(function, left).max(_end_value(function, right)))
    return bound


def _parabola(slope: arb, bend: arb, radius: arb) -> arb:
    """Return an upper bound of ``slope s + bend s^2 / 2`` over ``|s| <= radius``."""
    rise, fall = abs(slope).upper(), bend.upper()
    if fall < 0:
        vertex = rise / -fall
        if vertex < radius:
            return rise * vertex / 2
    return rise * radius + fall * radius * radius / 2


def _least(first: arb, second: arb) -> arb:
    first, second = first.upper(), second.upper()
    return second if second <= first or not first.is_finite() else first


def _end_value(function: Function, t: float) -> arb:
    return arb(0) if t in (0.0, 1.0) else _at(function, t).value.upper()


def _at(function: Function, t: float) -> Jet:
    return function(arb(t))


def _maximiser(function: Function) -> float:
    """Return a position near the maximum, by Newton steps on the slope from the best point of a grid; it need not be right."""
    values = {k / GRID: float(_at(function, k / GRID).value) for k in range(1, GRID)}
    position = max(values, key=values.__getitem__)
    low, high = max(0.0, position - 1 / GRID), min(1.0, position + 1 / GRID)
    for _ in range(NEWTON_STEPS):
        jet = _at(function, position)
        slope, bend = float(jet.slope), float(jet.bend)
        if slope > 0:
            low = position
        else:
            high = position
        step = -slope / bend if bend < 0 else math.inf
        if abs(step) < RESOLUTION or high - low < RESOLUTION:
            break
        following = position + step if low < position + step < high else (low + high) / 2
        position = round(following / RESOLUTION) * RESOLUTION
    return position


def _first_cells(function: Function, position: float, accepted: arb) -> list[tuple[float, float]]:
    """Return cells that cover [0, 1]; one of them is centred at `position`, as wide as its bound permits."""
    radius = min(position, 1 - position, 0.25)
    while radius > RESOLUTION:
        radius = 2.0 ** math.floor(math.log2(radius))
        if cell_bound(function, position - radius, position + radius, accepted)[0] <= accepted:
            cells = [(0.0, position - radius), (position - radius, position + radius), (position + radius, 1.0)]
            return [(left, right) for left, right in cells if left < right]
        radius /= 4
    return [(0.0, 0.5), (0.5, 1.0)]
