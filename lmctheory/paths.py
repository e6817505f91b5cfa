"""Height of the loss along given paths between two networks; many paths at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError

GRID_SIZE = 33
KINDS = ("chord", "endpoint-mean", "midpoint")
CONTENDER = 0.9  # local maxima on the grid above this share of the highest are refined too,
MAX_CONTENDERS = 3  # up to this many: a path that is flat up to rounding has a maximum at every other point
HALVINGS = 12  # of the grid spacing; a smooth maximum is then finished by a parabola,
SMOOTH = 1e-8  # which is trusted if the excess falls by less than this share of it over the last spacing;
MAX_HALVINGS = 52  # a kink, where a neuron crosses the origin, is halved down to rounding

Losses: TypeAlias = Callable[[IntArray, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class PathMaxima:
    """The highest excess on each of P paths: values and positions ``(P,)``, and losses ``(P, grid_size)`` on the first grid."""

    heights: FloatArray
    positions: FloatArray
    grid: FloatArray
    losses: FloatArray


def maximise_excess(losses: Losses, n_paths: int = 1, kind: str = "chord", grid_size: int = GRID_SIZE) -> PathMaxima:
    """Return the highest excess of each path over the level that `kind` names, for positions t in [0, 1].

    - "chord": ``max_t L(t) - (1-t) L(0) - t L(1)``, never negative;
    - "endpoint-mean": ``max_t L(t) - (L(0) + L(1)) / 2`` [AHS], never negative;
    - "midpoint": ``L(1/2) - (L(0) + L(1)) / 2``, of either sign.

    ``losses(paths, positions)`` returns the loss at positions ``(Q, T)`` of paths ``(Q,)``. Maxima are located on a uniform grid
    of `grid_size` points with both ends; every contending grid maximum is refined between its neighbours by repeated
    halving and a last parabola. A spike narrower than the grid can be missed.
    """
    _checks.choice("kind", kind, KINDS)
    grid = np.linspace(0.0, 1.0, _checks.integer("grid_size", grid_size, 3))
    everything = np.arange(n_paths)
    values = losses(everything, np.tile(grid, (n_paths, 1)))
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

    on_grid = chord_excess(values, grid) if kind == "chord" else values - (start + end) / 2
    if kind == "chord":
        on_grid[:, 0] = on_grid[:, -1] = 0.0  # exactly, by definition
    best = np.argmax(on_grid, axis=1)
    heights, positions = on_grid[everything, best], grid[best]
    paths, centres = _contenders(on_grid, heights, best)
    refined_positions, refined = _refine(excess, paths, grid, centres, on_grid[paths, centres])
    rounding = 4 * np.finfo(float).eps * np.abs(values).max(axis=1)  # a flat or convex path keeps its height of exactly 0
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


def _contenders(on_grid: FloatArray, heights: FloatArray, best: IntArray) -> tuple[IntArray, IntArray]:
    """Return paths and grid indices of the highest point of each path, and of its other local maxima that come near it."""
    padded = np.pad(on_grid, ((0, 0), (1, 1)), constant_values=-np.inf)
    peaks = (on_grid >= padded[:, :-2]) & (on_grid >= padded[:, 2:]) & (on_grid >= CONTENDER * heights[:, None])
    ranks = np.argsort(np.argsort(np.where(peaks, -on_grid, np.inf), axis=1, kind="stable"), axis=1, kind="stable")
    chosen = peaks & (ranks < MAX_CONTENDERS)
    chosen[np.arange(len(best)), best] = True
    paths, centres = np.nonzero(chosen)
    return paths, centres


def _refine(
    excess: Losses, paths: IntArray, grid: FloatArray, centres: IntArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return maximisers and maxima near grid points `centres`, all brackets halved together.

    A bracket is a centre, its value, and a half-width h; the points at +- h/2, clipped to [0, 1], are evaluated, and the best
    of the three becomes the centre of the next bracket, of half-width h/2.
    """
    h = 1.0 / (len(grid) - 1)
    position, value = grid[centres], values.copy()
    active = np.arange(len(paths))
    for halving in range(MAX_HALVINGS):
        h /= 2
        centre = position[active]
        ts = np.stack([np.maximum(centre - h, 0.0), centre, np.minimum(centre + h, 1.0)], axis=1)
        sides = excess(paths[active], ts[:, ::2])
        triple = np.stack([sides[:, 0], value[active], sides[:, 1]], axis=1)
        choice = np.argmax(triple, axis=1)
        rows = np.arange(len(active))
        position[active], value[active] = ts[rows, choice], triple[rows, choice]
        if halving + 1 == HALVINGS:
            vertex, vertex_value = _parabola(excess, paths, ts, triple, h)
            better = vertex_value > value
            position[better], value[better] = vertex[better], vertex_value[better]
            drop = triple.max(axis=1) - triple.min(axis=1)
            active = active[drop > SMOOTH * np.abs(value)]
            if active.size == 0:
                break
    return position, value


def _parabola(excess: Losses, paths: IntArray, ts: FloatArray, triple: FloatArray, h: float) -> tuple[FloatArray, FloatArray]:
    """Return the vertices of the parabolas through three points a distance h apart, and the excess there."""
    bend = triple[:, 0] - 2 * triple[:, 1] + triple[:, 2]
    shift = np.divide(triple[:, 0] - triple[:, 2], 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    vertex = np.clip(ts[:, 1] + np.clip(shift, -1, 1) * h, 0.0, 1.0)
    return vertex, excess(paths, vertex[:, None])[:, 0]
