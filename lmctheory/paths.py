"""Height of the loss along given paths between two networks; many paths at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray

KINDS = ("chord", "endpoint-mean", "midpoint")
CONTENDER = 0.9  # local maxima on the grid above this share of the highest are refined too,
MAX_CONTENDERS = 3  # up to this many: a path that is flat up to rounding has a maximum at every other point
HALVINGS = 12  # a grid of 33 points ends at a spacing of 8e-6, and the excess is flat at its maximum

Losses: TypeAlias = Callable[[IntArray, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class PathMaxima:
    """The highest excess on each of P paths: values and positions ``(P,)``, and losses ``(P, grid_size)`` on the first grid."""

    heights: FloatArray
    positions: FloatArray
    grid: FloatArray
    losses: FloatArray


def maximise_excess(losses: Losses, n_paths: int = 1, kind: str = "chord", grid_size: int = 33) -> PathMaxima:
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
    start, end = values[:, :1], values[:, -1:]
    if kind == "midpoint":
        half = np.full((n_paths, 1), 0.5)
        heights = (losses(everything, half) - (start + end) / 2)[:, 0]
        return PathMaxima(heights, half[:, 0], grid, values)

    def excess(paths: IntArray, ts: FloatArray) -> FloatArray:
        first, last = start[paths], end[paths]
        return losses(paths, ts) - ((1 - ts) * first + ts * last if kind == "chord" else (first + last) / 2)

    on_grid = values - ((1 - grid) * start + grid * end if kind == "chord" else (start + end) / 2)
    if kind == "chord":
        on_grid[:, 0] = on_grid[:, -1] = 0.0  # exactly, by definition
    best = np.argmax(on_grid, axis=1)
    heights, positions = on_grid[everything, best], grid[best]
    paths, centres = _contenders(on_grid, heights, best)
    refined_positions, refined = _refine(excess, paths, grid, centres, on_grid[paths, centres])
    for k in np.argsort(refined, kind="stable"):  # ascending: the highest contender of a path is written last
        if refined[k] > heights[paths[k]]:
            heights[paths[k]], positions[paths[k]] = refined[k], refined_positions[k]
    return PathMaxima(np.maximum(heights, 0.0), positions, grid, values)


def _contenders(on_grid: FloatArray, heights: FloatArray, best: IntArray) -> tuple[IntArray, IntArray]:
    """Return paths and grid indices of the highest point of each path, and of its other inner maxima that come near it."""
    inner = on_grid[:, 1:-1]
    peaks = (inner >= on_grid[:, :-2]) & (inner >= on_grid[:, 2:]) & (inner >= CONTENDER * heights[:, None])
    ranks = np.argsort(np.argsort(np.where(peaks, -inner, np.inf), axis=1, kind="stable"), axis=1, kind="stable")
    chosen = np.zeros(on_grid.shape, dtype=bool)
    chosen[:, 1:-1] = peaks & (ranks < MAX_CONTENDERS)
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
    position, value = grid[centres], values
    for _ in range(HALVINGS):
        h /= 2
        left, right = np.maximum(position - h, 0.0), np.minimum(position + h, 1.0)
        sides = excess(paths, np.stack([left, right], axis=1))
        triple = np.stack([sides[:, 0], value, sides[:, 1]], axis=1)
        choice = np.argmax(triple, axis=1)
        old, old_triple = position, triple
        position = np.choose(choice, [left, position, right])
        value = triple[np.arange(len(paths)), choice]
    bend = old_triple[:, 0] - 2 * old_triple[:, 1] + old_triple[:, 2]
    slope = old_triple[:, 0] - old_triple[:, 2]
    shift = np.divide(slope, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    vertex = np.clip(old + np.clip(shift, -1, 1) * h, 0.0, 1.0)
    vertex_value = excess(paths, vertex[:, None])[:, 0]
    better = vertex_value > value
    return np.where(better, vertex, position), np.where(better, vertex_value, value)
