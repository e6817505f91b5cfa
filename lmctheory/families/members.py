"""The members of a family of networks: checked, brought to one width, and compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.alignment import align
from lmctheory.connectivity import PairwiseBarriers, pairwise_barriers
from lmctheory.families.tables import barrier_table
from lmctheory.networks import Network, TwoLayerNet, network_permutation, same_architecture
from lmctheory.objectives import Objective, as_objective
from lmctheory.paths import GRID_SIZE


def padded_networks(loss: Objective, networks: Sequence[Network], minimum: int = 1) -> list[Network]:
    """Return the networks, at least `minimum`, of one architecture; two-layer networks padded to the largest width."""
    networks = _checks.items("networks", networks, "networks", minimum)
    for k, net in enumerate(networks):
        loss.check(f"networks[{k}]", net)
    width = max(net.width for net in networks)
    members = [net.pad(width) if isinstance(net, TwoLayerNet) and net.width < width else net for net in networks]
    for k, net in enumerate(members):
        same_architecture("networks[0]", members[0], f"networks[{k}]", net)
    return members


def member_permutations(name: str, permutations: ArrayLike | None, networks: Sequence[Network]) -> IntArray:
    """Return one permutation a network, ``(n, m)``; the identity if none are given."""
    n, m = len(networks), networks[0].width
    if permutations is None:
        return np.tile(np.arange(m), (n, 1))
    rows = _checks.integer_array(name, permutations, (n, m))
    return np.stack(
        [network_permutation(f"{name}[{i}]", row, net) for i, (row, net) in enumerate(zip(rows, networks, strict=True))]
    )


def permuted(networks: Sequence[Network], permutations: IntArray) -> list[Network]:
    """Return the networks, each under its permutation."""
    return [net.permute(perm) for net, perm in zip(networks, permutations, strict=True)]


def from_the_first(permutations: IntArray) -> IntArray:
    """Return the permutations of the same alignment, ``(n, m)``, whose first is the identity."""
    return permutations[:, np.argsort(permutations[0])]


class Family:
    """At least two networks of one architecture, and what is computed for each pair of them, once."""

    def __init__(
        self,
        networks: Sequence[Network],
        objective: TwoLayerNet | Objective,
        inputs: str = "gaussian",
        grid_size: int = GRID_SIZE,
    ) -> None:
        self.loss = as_objective(objective, inputs)
        self.members = padded_networks(self.loss, networks, 2)
        self.grid_size = _checks.integer("grid_size", grid_size, 3)
        self.pairs = list(combinations(range(len(self.members)), 2))
        self._matchings: dict[str, IntArray] = {}
        self._barriers: dict[bytes, PairwiseBarriers] = {}
        self._tables: dict[tuple[int, int], FloatArray] = {}
        self._tables_below = -np.inf

    def __len__(self) -> int:
        """Number n of networks."""
        return len(self.members)

    @property
    def width(self) -> int:
        """Their common width m, the number of hidden neurons."""
        return self.members[0].width

    @property
    def layers(self) -> tuple[slice, ...]:
        """Where the neurons of each hidden layer stand among all."""
        return self.members[0].layers

    def matchings(self, method: str) -> IntArray:
        """Return ``(n, n, m)``: row (i, j) aligns network j with network i by a method of `align`; (j, i) is its inverse."""
        if method not in self._matchings:
            found = np.tile(np.arange(self.width), (len(self), len(self), 1))
            options: dict[str, Any] = {"objective": self.loss, "grid_size": self.grid_size}
            for i, j in self.pairs:
                found[i, j] = align(self.members[i], self.members[j], method, **options).permutation
                found[j, i] = np.argsort(found[i, j])
            self._matchings[method] = found
        return self._matchings[method]

    def tables(self, below: float) -> dict[tuple[int, int], FloatArray]:
        """Return `barrier_table` of each pair, of barriers less than `below` or more."""
        if below > self._tables_below:
            loss: Any = self.loss
            nets: Any = self.members
            self._tables = {(i, j): barrier_table(loss, nets[i], nets[j], self.grid_size, below) for i, j in self.pairs}
            self._tables_below = below
        return self._tables

    def barriers(self, permutations: IntArray) -> PairwiseBarriers:
        """Return the barriers of all pairs, each network under its permutation; methods often agree on the permutations."""
        key = permutations.tobytes()
        if key not in self._barriers:
            networks = permuted(self.members, permutations)
            self._barriers[key] = pairwise_barriers(networks, self.loss, "none", grid_size=self.grid_size)
        return self._barriers[key]
