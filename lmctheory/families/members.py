"""The members of a family of networks: checked, and brought to one width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import IntArray
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss


def padded_networks(loss: PopulationLoss, networks: Sequence[TwoLayerNet], minimum: int = 1) -> list[TwoLayerNet]:
    """Return the networks, at least `minimum`, padded with zero neurons to the largest width."""
    networks = _checks.items("networks", networks, "networks", minimum)
    for k, net in enumerate(networks):
        loss.check(f"networks[{k}]", net)
    width = max(net.width for net in networks)
    return [net if net.width == width else net.pad(width) for net in networks]


def member_permutations(permutations: ArrayLike | None, networks: Sequence[TwoLayerNet]) -> IntArray:
    """Return one permutation a network, ``(k, m)``; the identity if none are given."""
    k, m = len(networks), networks[0].width
    if permutations is None:
        return np.tile(np.arange(m), (k, 1))
    rows = _checks.integer_array("permutations", permutations, (k, m))
    return np.stack([_checks.permutation(f"permutations[{i}]", row, m) for i, row in enumerate(rows)])


def permuted(networks: Sequence[TwoLayerNet], permutations: IntArray) -> list[TwoLayerNet]:
    """Return the networks, each under its permutation."""
    return [net.permute(perm) for net, perm in zip(networks, permutations, strict=True)]
