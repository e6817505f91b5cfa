"""Networks pruned step by step, shared by the claims on pruning."""

from __future__ import annotations

import numpy as np

import lmctheory as lmc

M, d, WIDTH = 4, 8, 32
RATE, LEVELS = 0.2, 10
MAX_STEPS = 1000
TEACHERS = ("on the axes", "rotated")


def teacher_of(kind: str, rng: np.random.Generator) -> lmc.TwoLayerNet:
    """Return an orthonormal teacher whose neurons are the first axes, or the first rows of a random rotation."""
    if kind == "on the axes":
        return lmc.orthonormal_teacher(M, d)
    return lmc.TwoLayerNet(np.linalg.qr(rng.normal(size=(d, d)))[0][:M])


def prune(teacher: lmc.TwoLayerNet, root: np.random.SeedSequence, n_runs: int) -> lmc.PruningResult:
    """Prune runs of the width of this study, each to its own mask, rewound to initialisation."""
    return lmc.prune_iteratively(
        teacher, WIDTH, learning_rate=1 / WIDTH, rate=RATE, levels=LEVELS, max_steps=MAX_STEPS, gradient_tol=0.0, rng=root,
        n_runs=n_runs,
    )  # fmt: skip
