"""The path between two networks under a permutation, as the searches see it."""

from __future__ import annotations

from dataclasses import dataclass

from lmctheory._checks import FloatArray, IntArray
from lmctheory.networks import Network
from lmctheory.objectives import Objective
from lmctheory.paths import chord_excess, maximise_excess, rounding_errors


@dataclass(frozen=True, eq=False)
class Path:
    """A permutation of B, its barrier over the chord, the maximiser, the rounding error, and the losses on the grid."""

    permutation: IntArray
    height: float
    position: float
    floor: float
    grid: FloatArray
    losses: FloatArray

    @property
    def excess(self) -> FloatArray:
        """The excess over the chord on the grid."""
        return chord_excess(self.losses, self.grid)


def path_under(loss: Objective, net_a: Network, net_b: Network, permutation: IntArray, grid_size: int) -> Path:
    """Return what `barrier` computes under `permutation`."""
    segments = loss.segments([net_a], [net_b.permute(permutation)])
    found = maximise_excess(segments, 1, "chord", grid_size)
    return Path(
        permutation=permutation,
        height=float(found.heights[0]),
        position=float(found.positions[0]),
        floor=float(rounding_errors(segments.floor, found)[0]),
        grid=found.grid,
        losses=found.losses[0],
    )
