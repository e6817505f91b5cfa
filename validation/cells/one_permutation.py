"""Barriers of all steps of two sequences of networks under the permutations of each; shared by the claims."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import lmctheory as lmc

SEQUENCES = ("barriers", "unaligned", "joint", "random", "fixed_points", "losses")  # arrays of `measure_pair`


def measure_pair(
    seq_a: Sequence[lmc.TwoLayerNet], seq_b: Sequence[lmc.TwoLayerNet], teacher: lmc.TwoLayerNet, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return barriers of n steps: ``(n, n)`` under each step's permutation, ``(n,)`` under none, a joint and a random one."""
    found = lmc.align_sequences(seq_a, seq_b, teacher)
    joint = lmc.align_sequences(seq_a, seq_b, teacher, "joint")
    perm = rng.permutation(seq_a[0].width)
    pairs = list(zip(seq_a, seq_b, strict=True))
    return {
        "barriers": found.barriers,
        "unaligned": found.unaligned,
        "joint": joint.barriers[:, 0],
        "random": np.array([lmc.barrier(a, b, teacher, perm).height for a, b in pairs]),
        "fixed_points": found.fixed_points,
        "losses": np.array([(lmc.population_loss(a, teacher) + lmc.population_loss(b, teacher)) / 2 for a, b in pairs]),
    }
