"""What barriers, alignments and families ask of an objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives.data import DataLoss
from lmctheory.objectives.population import PopulationLoss


@runtime_checkable
class SegmentLosses(Protocol):
    """The loss along straight lines between networks, each under a number."""

    def __call__(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the loss at `positions` ``(Q, T)`` of lines `paths` ``(Q,)``; rounding may leave it below zero."""

    def floor(self, paths: IntArray, positions: FloatArray) -> FloatArray:
        """Return the rounding error to expect there."""

    def passages(self, spacing: float) -> FloatArray:
        """Return the positions that a grid of this spacing misses, ``(P, K)``: see `narrow_passages`."""


class Objective(Protocol):
    """A loss of networks: `PopulationLoss` against a teacher, or `DataLoss` on inputs with targets."""

    def check(self, name: str, net: Any) -> None:
        """Refuse anything but a network that the loss is defined for."""

    def segments(self, nets_a: Sequence[Any], nets_b: Sequence[Any]) -> SegmentLosses:
        """Return the loss on the straight lines from each of `nets_a` to its partner in `nets_b`; all have one architecture."""


def as_objective(objective: TwoLayerNet | Objective, inputs: str = "gaussian") -> Objective:
    """Return the objective; a network stands for the population loss against it, with the given law of inputs."""
    if isinstance(objective, TwoLayerNet):
        return PopulationLoss(objective, inputs)
    if not isinstance(objective, (PopulationLoss, DataLoss)):
        raise InvalidInputError(
            "objective must be a TwoLayerNet, the teacher of the population loss, or a PopulationLoss or DataLoss, "
            f"got {_checks.describe(objective)}"
        )
    if inputs != "gaussian":
        raise InvalidInputError(f"inputs belongs to a teacher; the objective has its own, got inputs={inputs!r} with it")
    return objective
