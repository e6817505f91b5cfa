"""Height of the loss along given paths between two networks; many paths at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray
from lmctheory._compiled.maxima import halve, open_sides
from lmctheory.errors import InvalidInputError
from lmctheory.objectives import SegmentLosses

GRID_SIZE = 33
KINDS = ("chord", "endpoint-mean", "midpoint")
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
    passages = losses.passages(1.0 / (grid_size - 1)) if isinstance(losses, SegmentLosses) else np.empty((n_paths, 0))
    ts, found, bends = _with_passages(excess, ts, found, passages)
    best = np.argmax(found, axis=1)
    heights, positions = found[everything, best], ts[everything, best]
    rounding = 4 * np.finfo(float).eps * np.abs(values).max(axis=1)  # a flat or convex path keeps its height of exactly 0
    noise = rounding
    is_open = open_sides(ts, found, bends, heights, noise)
    if isinstance(losses, SegmentLosses) and np.count_nonzero(is_open.any(axis=2)) > n_paths:
        noise = np.maximum(rounding, losses.floor(everything, positions[:, None])[:, 0])
        is_open = open_sides(ts, found, bends, heights, noise)
    paths, centres = np.nonzero(is_open.any(axis=2))
    reach = is_open[paths, centres].astype(np.intp)
    brackets = paths[:, None], np.stack([centres - reach[:, 0], centres, centres + reach[:, 1]], axis=1)
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
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return positions and excess ``(P, T)`` with those at `passages` ``(P, K)``, and half-way between these, in ascending order.

    The third array says which are passages. Rows are filled up with ends t = 1.
    """
    if passages.shape[1] == 0:
        return ts, found, np.zeros(ts.shape, dtype=np.bool_)
    between = (passages[:, 1:] + passages[:, :-1]) / 2
    between[passages[:, 1:] == 1.0] = 1.0
    joining, values = np.hstack([passages, between]), np.empty((len(ts), 2 * passages.shape[1] - 1))
    values[:] = found[:, -1:]
    order = np.argsort(joining, axis=1)
    joining, is_passage = np.take_along_axis(joining, order, axis=1), order < passages.shape[1]
    counts = np.count_nonzero(joining < 1.0, axis=1)
    for first in range(0, int(counts.max()), COLUMNS):
        columns, rows = slice(first, first + COLUMNS), np.flatnonzero(counts > first)
        values[rows, columns] = excess(rows, joining[rows, columns])
    is_passage = np.hstack([np.zeros(ts.shape, dtype=np.bool_), is_passage])
    ts, found = np.hstack([ts, joining]), np.hstack([found, values])
    order = np.argsort(ts, axis=1)
    rows = np.arange(len(ts))[:, None]
    return ts[rows, order], found[rows, order], is_passage[rows, order]


def _refine(
    excess: Losses, paths: IntArray, ts: FloatArray, values: FloatArray, top: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return maximisers and maxima of the excess in brackets ``(Q, 3)`` of `paths` ``(Q,)``, all halved together, see `halve`."""
    active, top = np.arange(len(paths)), top.copy()
    vertex, vertex_value = np.zeros(len(paths)), np.full(len(paths), -np.inf)
    for halving in range(1, MAX_HALVINGS + 1):
        own = ts[active]
        halves = (own[:, 1:] + own[:, :-1]) / 2
        active = halve(active, ts, values, halves, excess(paths[active], halves), paths, top, noise, halving <= HALVINGS)
        if halving == HALVINGS:
            vertex[active], vertex_value[active] = _parabola(excess, paths[active], ts[active], values[active])
            drop = values[active, 1] - np.minimum(values[active, 0], values[active, 2])
            active = active[drop > SMOOTH * np.abs(np.maximum(values[active, 1], vertex_value[active]))]
        if active.size == 0:
            break
    is_vertex = vertex_value > values[:, 1]
    return np.where(is_vertex, vertex, ts[:, 1]), np.where(is_vertex, vertex_value, values[:, 1])


def _parabola(excess: Losses, paths: IntArray, ts: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the vertices of the parabolas through three points ``(Q, 3)``, and the excess there."""
    gaps = ts[:, 1:] - ts[:, :-1]
    slopes = np.divide(values[:, 1:] - values[:, :-1], gaps, out=np.zeros_like(gaps), where=gaps > 0)
    bend = slopes[:, 1] - slopes[:, 0]
    mean = slopes[:, 0] * gaps[:, 1] + slopes[:, 1] * gaps[:, 0]
    shift = np.divide(mean, -2 * bend, out=np.zeros_like(bend), where=bend < 0)
    vertex = ts[:, 1] + np.clip(shift, -gaps[:, 0], gaps[:, 1])
    return vertex, excess(paths, vertex[:, None])[:, 0]
