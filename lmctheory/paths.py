"""Height of the loss along given paths between two networks; many paths at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.objectives import SegmentLosses

GRID_SIZE = 33
KINDS = ("chord", "endpoint-mean", "midpoint")
ROOM = 2.0  # between neighbours the excess may rise this many times as high as if it were concave there
HALVINGS = 12  # of the spacing; a smooth maximum is then finished by a parabola,
SMOOTH = 1e-8  # which is trusted if the excess falls by less than this share of it over the last spacing;
MAX_HALVINGS = 52  # a kink, where a neuron crosses the origin, is halved down to rounding
COLUMNS = 16  # positions beside the grid that are evaluated together; paths may have many or none

Losses: TypeAlias = Callable[[IntArray, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class PathMaxima:
    """The highest excess on each of P paths: values and positions ``(P,)``, and losses ``(P, grid_size)`` on the uniform grid."""

    heights: FloatArray
    positions: FloatArray
    grid: FloatArray
    losses: FloatArray


def maximise_excess(
    losses: Losses | SegmentLosses, n_paths: int = 1, kind: str = "chord", grid_size: int = GRID_SIZE
) -> PathMaxima:
    """Return the highest excess of each path over the level that `kind` names, for positions t in [0, 1].

    - "chord": ``max_t L(t) - (1-t) L(0) - t L(1)``, never negative;
    - "endpoint-mean": ``max_t L(t) - (L(0) + L(1)) / 2`` [AHS], never negative;
    - "midpoint": ``L(1/2) - (L(0) + L(1)) / 2``, of either sign.

    ``losses(paths, positions)`` returns the loss at positions ``(Q, T)`` of paths ``(Q,)``. Maxima are located on a uniform grid
    of `grid_size` points with both ends. Where `losses` know their narrow passages, as `SegmentLosses` do, these join the
    grid, and so do the points half-way between them. Every point that is higher than its neighbours, and between which
    and them the excess may exceed the highest value so far, is refined by repeated halving and a last parabola. How high
    it may rise there is judged by the slopes beyond: `ROOM` times as far as a concave function could.
    """
    _checks.choice("kind", kind, KINDS)
    grid = np.linspace(0.0, 1.0, _checks.integer("grid_size", grid_size, 3))
    everything = np.arange(n_paths)
    ts = np.tile(grid, (n_paths, 1))
    values = losses(everything, ts)
    if not np.isfinite(values).all():
        raise InvalidInputError(f"networks must have a finite loss on the whole path, got {values[~np.isfinite(values)][0]}")
    start, end = values[:, :1], values[:, -1:]
    if kind == "midpoint":
        half = np.full((n_paths, 1), 0.5)
        heights = (losses(everything, half) - (start + end) / 2)[:, 0]
        return PathMaxima(heights, half[:, 0], grid, values)

    def excess(paths: IntArray, ts: FloatArray) -> FloatArray:
        first, last = start[paths], end[paths]
        return losses(paths, ts) - ((1 - ts) * first + ts * last if kind == "chord" else (first + last) / 2)

    found = chord_excess(values, grid) if kind == "chord" else values - (start + end) / 2
    if kind == "chord":
        found[:, 0] = found[:, -1] = 0.0  # exactly, by definition
    if isinstance(losses, SegmentLosses):
        ts, found = _with_passages(excess, ts, found, losses.passages(1.0 / (grid_size - 1)))
    best = np.argmax(found, axis=1)
    heights, positions = found[everything, best], ts[everything, best]
    rounding = 4 * np.finfo(float).eps * np.abs(values).max(axis=1)  # a flat or convex path keeps its height of exactly 0
    noise = rounding
    chosen = _contenders(ts, found, heights, noise)
    if isinstance(losses, SegmentLosses) and np.count_nonzero(chosen) > n_paths:
        noise = np.maximum(rounding, losses.floor(everything, positions[:, None])[:, 0])
        chosen = _contenders(ts, found, heights, noise)
    paths, centres = np.nonzero(chosen)
    neighbours = np.clip(centres[:, None] + np.arange(-1, 2), 0, ts.shape[1] - 1)
    brackets = paths[:, None], neighbours
    refined_positions, refined = _refine(excess, paths, ts[brackets], found[brackets], heights, noise)
    for k in np.argsort(refined, kind="stable"):  # ascending: the highest contender of a path is written last
        if refined[k] > heights[paths[k]] + rounding[paths[k]]:
            heights[paths[k]], positions[paths[k]] = refined[k], refined_positions[k]
    return PathMaxima(np.maximum(heights, 0.0), positions, grid, values)


def chord_excess(losses: FloatArray, grid: FloatArray) -> FloatArray:
    """Return ``L(t) - (1-t) L(0) - t L(1)`` of `losses` ``(..., T)`` at positions `grid` ``(T,)``, both ends included."""
    return losses - ((1 - grid) * losses[..., :1] + grid * losses[..., -1:])


def rounding_errors(floor: Losses, found: PathMaxima) -> FloatArray:
    """Return the rounding error of each height: that of the loss at the maximiser, and at the ends by their weight in the chord.

    ``floor(paths, positions)`` is the rounding error of the losses.
    """
    t = found.positions
    at_maximum, start, end = floor(np.arange(len(t)), np.stack([t, np.zeros_like(t), np.ones_like(t)], axis=1)).T
    return at_maximum + (1 - t) * start + t * end


def _with_passages(
    excess: Losses, ts: FloatArray, found: FloatArray, passages: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return positions and excess ``(P, T)`` with those at `passages` ``(P, K)``, and half-way between these, in ascending order.

    Rows are filled up with ends t = 1.
    """
    if passages.shape[1] == 0:
        return ts, found
    between = (passages[:, 1:] + passages[:, :-1]) / 2
    between[passages[:, 1:] == 1.0] = 1.0
    joining = np.sort(np.hstack([passages, between]), axis=1)
    counts = np.count_nonzero(joining < 1.0, axis=1)
    joining = joining[:, : counts.max()]
    values = np.tile(found[:, -1:], (1, joining.shape[1]))
    for first in range(0, joining.shape[1], COLUMNS):
        columns, rows = slice(first, first + COLUMNS), np.flatnonzero(counts > first)
        values[rows, columns] = excess(rows, joining[rows, columns])
    ts, found = np.hstack([ts, joining]), np.hstack([found, values])
    order = np.argsort(ts, axis=1, kind="stable")
    return np.take_along_axis(ts, order, axis=1), np.take_along_axis(found, order, axis=1)


def _contenders(ts: FloatArray, found: FloatArray, heights: FloatArray, noise: FloatArray) -> BoolArray:
    """Say which points ``(P, T)`` to refine: maxima on the grid that are the highest, `heights` ``(P,)``, or next to higher ones."""
    high = _ceilings(ts, found) > (heights + noise)[:, None]
    chosen = found == heights[:, None]
    chosen[:, 1:] |= high
    chosen[:, :-1] |= high
    chosen[:, 1:] &= found[:, 1:] >= found[:, :-1]
    chosen[:, :-1] &= found[:, :-1] >= found[:, 1:]
    return chosen


def _ceilings(ts: FloatArray, values: FloatArray) -> FloatArray:
    """Return how high a function may rise in each cell ``(Q, T - 1)`` between positions `ts` ``(Q, T)``, where it has `values`.

    A concave function stays below the line through the two points to the left of a cell, and below that through the two to
    its right. Their slopes are taken `ROOM` times; where there are no two points, any slope is possible.
    """
    gaps = ts[:, 1:] - ts[:, :-1]
    is_cell = gaps > 0
    slopes = np.divide(ROOM * (values[:, 1:] - values[:, :-1]), gaps, out=np.full_like(gaps, np.inf), where=is_cell)
    ahead, back = np.full_like(gaps, np.inf), np.full_like(gaps, np.inf)
    ahead[:, 1:] = slopes[:, :-1]
    back[:, :-1] = np.where(is_cell, -slopes, np.inf)[:, 1:]
    gaps[~is_cell] = np.finfo(float).tiny
    return np.where(is_cell, np.minimum(values[:, :-1] + ahead * gaps, values[:, 1:] + back * gaps), values[:, 1:])


def _refine(
    excess: Losses, paths: IntArray, ts: FloatArray, values: FloatArray, top: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return maximisers and maxima of the excess in brackets ``(Q, 3)`` of `paths` ``(Q,)``, all halved together.

    A bracket is a point with its neighbours, which are not higher. The points half-way to these are evaluated, and the best of
    the three becomes the centre of the next bracket. A bracket is left where the excess cannot exceed the highest value on its
    path, `top`, by more than `noise`; one that holds this value not before its last parabola.
    """
    position, value, top = ts[:, 1].copy(), values[:, 1].copy(), top.copy()
    active = np.arange(len(paths))
    points, heights = np.empty((len(paths), 5)), np.empty((len(paths), 5))
    for halving in range(MAX_HALVINGS):
        rows, own, centre = np.arange(len(active)), paths[active], ts[:, 1]
        points, heights = points[: len(active)], heights[: len(active)]
        halves = (ts[:, 1:] + ts[:, :-1]) / 2
        points[:, ::2], points[:, 1::2] = ts, halves
        heights[:, ::2], heights[:, 1::2] = values, excess(own, halves)
        choice = np.argmax(heights[:, 1:4], axis=1)
        choice[points[rows, choice + 1] == centre] = 1  # an end of the path has no other side
        window = rows[:, None], choice[:, None] + np.arange(3)
        ts, values = points[window], heights[window]
        position[active], value[active] = ts[:, 1], values[:, 1]
        np.maximum.at(top, own, values[:, 1])
        ceilings = _ceilings(points, heights)
        is_open = np.maximum(ceilings[rows, choice], ceilings[rows, choice + 1]) > top[own] + noise[own]
        if halving + 1 < HALVINGS:
            is_open |= values[:, 1] == top[own]
        elif halving + 1 == HALVINGS:
            vertex, vertex_value = _parabola(excess, own, points[:, 1:4], heights[:, 1:4])
            better = vertex_value > values[:, 1]
            position[active[better]], value[active[better]] = vertex[better], vertex_value[better]
            drop = heights[:, 1:4].max(axis=1) - heights[:, 1:4].min(axis=1)
            is_open &= drop > SMOOTH * np.abs(value[active])
        active, ts, values = active[is_open], ts[is_open], values[is_open]
        if active.size == 0:
            break
    return position, value


def _parabola(excess: Losses, paths: IntArray, ts: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the vertices of the parabolas through three points ``(Q, 3)``, and the excess there."""
    gaps = ts[:, 1:] - ts[:, :-1]
    slopes = np.divide(values[:, 1:] - values[:, :-1], gaps, out=np.zeros_like(gaps), where=gaps > 0)
    bend = slopes[:, 1] - slopes[:, 0]
    mean = slopes[:, 0] * gaps[:, 1] + slopes[:, 1] * gaps[:, 0]
    shift = np.divide(mean, -2 * bend, out=np.zeros_like(bend), where=bend < 0)
    vertex = ts[:, 1] + np.clip(shift, -gaps[:, 0], gaps[:, 1])
    return vertex, excess(paths, vertex[:, None])[:, 0]
