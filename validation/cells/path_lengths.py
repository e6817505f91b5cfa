"""Lengths of paths of zero loss between pairs of minima; cells shared by the claims."""

from __future__ import annotations

from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.zero_loss import loss_over_floor

KEY = 524
CHECKED_WIDTH = 400  # paths between minima of at most this width are checked by the general code
SEVERAL = 2


def pair_lengths(seed: int, M: int, width: int, n_pairs: int, r: float = 0.0, law: str = "uniform") -> dict[str, Any]:
    """Return normalised lengths of independent pairs: of the best path of two pieces, of one of three, and a lower bound.

    Laws are "uniform", "sparse" with zero neurons of probability r, and "crossed": equal weights, and classes of which only one
    neuron each has the same class in both. `worst` is the highest loss over its floor on the first paths.
    """
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY, M, width, round(1e9 * r), len(law)]))
    rows, worst = [], 0.0
    for k in range(n_pairs):
        a, b = crossed_pair(M, width) if law == "crossed" else independent_pair(M, width, r, draw)
        bound, detour = lmc.geodesic_upper_bound(a, b), three_pieces(a, b)
        rows.append([bound.ratio, detour.length / bound.distance, bound.lower_bound])
        if law != "crossed" and k < SEVERAL and width <= CHECKED_WIDTH:
            worst = max([worst, *(loss_over_floor(path) for path in (bound.path, detour) if path)])
    two, three, lower = np.array(rows).T
    return {"two": two, "three": three, "lower": lower, "worst": worst}


def independent_pair(M: int, width: int, r: float, draw: np.random.Generator) -> list[lmc.Minimum]:
    """Return two minima of SP(r), or of the uniform law for r = 0."""
    law: dict[str, Any] = {"law": "sparse", "r": r} if r else {}
    return [lmc.sample_minimum(M, width, rng=draw, **law) for _ in range(2)]


def crossed_pair(M: int, width: int) -> tuple[lmc.Minimum, lmc.Minimum]:
    """Return minima of equal weights, B having the next class of A but for one neuron of each class."""
    classes = np.arange(width) % M
    other = np.where(np.arange(width) < M, classes, (classes + 1) % M)
    return tuple(lmc.Minimum(c, 1 / np.bincount(c)[c]) for c in (classes, other))  # type: ignore[return-value]


def three_pieces(a: lmc.Minimum, b: lmc.Minimum) -> lmc.ZeroLossPath:
    """Return a path of three pieces: A moves off its lighter half of the neurons of different classes, then B's corner follows.

    Where the classes differ, the neuron is kept for A if its weight there is at least that in B, else for B: the corner next to
    each end has its classes on the neurons kept for it, and the mass of the others spread over them.
    """
    apart = (a.classes != b.classes) & (a.classes >= 0) & (b.classes >= 0)
    for_a = a.weights >= b.weights
    corners = [concentrated(a, ~apart | for_a), concentrated(b, ~apart | ~for_a)]
    if corners[0] is None or corners[1] is None:
        return lmc.ZeroLossPath((), "a class has no neuron to keep")
    return lmc.ZeroLossPath((a, corners[0], corners[1], b))


def concentrated(minimum: lmc.Minimum, kept: np.ndarray) -> lmc.Minimum | None:
    """Return the nearest minimum of these classes that is zero on all neurons but `kept`; None if there is none."""
    kept = kept & (minimum.classes >= 0)
    sizes = np.bincount(minimum.classes[kept], minlength=minimum.M)
    if not sizes.all():
        return None
    rest = 1 - np.bincount(minimum.classes[kept], minimum.weights[kept], minimum.M)
    shift = np.maximum(rest, 0.0) / sizes
    weights = np.where(kept, minimum.weights + shift[minimum.classes], 0.0)
    return lmc.Minimum(np.where(kept, minimum.classes, -1), weights)
