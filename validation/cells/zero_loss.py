"""Minima to be connected, and whether the paths between them really have zero loss, by the code for any networks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

import lmctheory as lmc

ZEROS = 0.3  # probability of a zero neuron under the law "sparse"
UNEVENNESS = 0.2  # concentration of the Dirichlet law of class sizes: small, so that most classes have one neuron
VANISHES = 10.0  # floors: where all weights are equal rounding errors add up, to 2.4 floors at m = 256


def highest_loss(min_a: lmc.Minimum, min_b: lmc.Minimum) -> tuple[float, float]:
    """Return the highest loss on the segment between two minima, and its rounding floor, from their weights alone."""
    teacher = lmc.orthonormal_teacher(min_a.M, min_a.M)
    found = lmc.barrier(min_a.to_network(), min_b.to_network(), teacher)
    return max(found.height, float(found.losses.max())), found.loss_floor


def loss_over_floor(path: lmc.ZeroLossPath) -> float:
    """Return the highest loss over its floor on all pieces of a path: at most VANISHES if it is zero everywhere."""
    return max(loss / floor for loss, floor in (highest_loss(a, b) for a, b in pairwise(path.corners)))


def bounded_weights(classes: np.ndarray, rng: np.random.Generator) -> lmc.Minimum:
    """Return a minimum with these classes, -1 for zero neurons, whose weights in a class differ by a factor 2 at most."""
    weights = np.where(classes >= 0, 1 + rng.random(len(classes)), 0.0)
    sums = np.bincount(classes + 1, weights)
    return lmc.Minimum(classes, np.where(classes >= 0, weights / np.where(classes >= 0, sums[classes + 1], 1.0), 0.0))


def draw_pair(M: int, width: int, law: str, rng: np.random.Generator) -> list[lmc.Minimum]:
    """Return two independent minima; "one large class" has one neuron in every class but one, at random places."""
    if law == "one large class":
        labels = np.append(np.arange(M - 1), np.full(width - M + 1, M - 1))
        return [bounded_weights(rng.permutation(M)[rng.permutation(labels)], rng) for _ in range(2)]
    return [lmc.sample_minimum(M, width, law, r=ZEROS if law == "sparse" else None, rng=rng) for _ in range(2)]


def uneven_minimum(M: int, width: int, draw: np.random.Generator) -> lmc.Minimum:
    """Return a minimum most of whose classes have one neuron: these are the hardest to connect."""
    sizes = 1 + draw.multinomial(width - M, draw.dirichlet(np.full(M + 1, UNEVENNESS)))[:M]
    labels = np.repeat(np.arange(-1, M), [width - sizes.sum(), *sizes])
    return bounded_weights(draw.permutation(labels), draw)
