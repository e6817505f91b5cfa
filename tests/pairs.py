"""Pairs of networks with a teacher, in eleven families, on which barriers are measured and proved.

`draw(family, seed)` gives the same pair whenever it is called; `width` fixes the number of neurons m, else it is drawn as well.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

import lmctheory as lmc


class Pair(NamedTuple):
    """Two networks of one shape ``(m, d)`` and a teacher."""

    net_a: lmc.TwoLayerNet
    net_b: lmc.TwoLayerNet
    teacher: lmc.TwoLayerNet


def draw(family: str, seed: int, width: int | None = None) -> Pair:
    """Return pair number `seed` of a family."""
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    return _LAWS[family](rng, width)


def _uniform(rng, width):
    return _minima(rng, width, "uniform")


def _sparse(rng, width):
    return _minima(rng, width, "sparse", r=float(rng.choice([0.2, 0.5, 0.7])))


def _minima(rng, width, law, **parameters):
    M, m = _sizes(rng, width)
    a, b = (lmc.sample_minimum(M, m, law, rng=rng, **parameters).to_network() for _ in range(2))
    return Pair(a, b, lmc.orthonormal_teacher(M, M))


def _dyadic(rng, width):
    """Minima whose weights are powers of two that sum to 1 exactly, or equal within a class."""
    M, m = _sizes(rng, width)
    if rng.random() < 0.3:
        return _minima(rng, m, "equal")
    return Pair(*(_dyadic_minimum(rng, M, m).to_network() for _ in range(2)), lmc.orthonormal_teacher(M, M))


def _dyadic_minimum(rng, M, m):
    labels, weights = list(range(M)), [1.0] * M
    while len(labels) < m:
        k = int(rng.integers(len(labels)))
        weights[k] /= 2
        labels.append(labels[k])
        weights.append(weights[k])
    order = rng.permutation(m)
    return lmc.Minimum(np.array(labels)[order], np.array(weights)[order])


def _descent(rng, width):
    """Ends of gradient descent from random starts, polished; a pool of each shape is trained once in a process."""
    M, m = _sizes(rng, width)
    pool = _pool(M, m)
    i, j = rng.choice(len(pool), 2, replace=False)
    return Pair(pool[i], pool[j].permute(rng.permutation(m)), lmc.orthonormal_teacher(M, M))


@cache
def _pool(M, m):
    teacher = lmc.orthonormal_teacher(M, M)
    found = lmc.train(teacher, m, learning_rate=0.25, rng=M * 100 + m, n_runs=12, max_steps=2000, polish=True)
    return tuple(found.networks)


def _random(rng, width):
    m, d = width or int(rng.integers(1, 7)), int(rng.integers(2, 5))
    return Pair(_gaussian(rng, m, d), _gaussian(rng, m, d), _gaussian(rng, int(rng.integers(1, d + 1)), d))


def _rescaled(rng, width):
    """A pair of another family with every neuron scaled by its own factor 10^U(-2, 2), and its output weight inversely."""
    a, b, teacher = (_uniform, _random, _dyadic, _descent)[rng.integers(4)](rng, width)
    if rng.random() < 0.3:
        b = a.permute(rng.permutation(a.width))
    return Pair(*(_scaled(rng, net) for net in (a, b)), teacher)


def _scaled(rng, net):
    scale = 10 ** rng.uniform(-2, 2, net.width)
    return lmc.TwoLayerNet(net.W * scale[:, None], net.a / scale)


def _kinks(rng, width):
    """Neurons of B point against those of A: exactly, as in one dimension, or up to a small angle."""
    m, d = width or int(rng.integers(1, 7)), int(rng.integers(1, 3))
    W, a = rng.normal(size=(m, d)), rng.normal(size=m)
    flipped = -W * 10 ** rng.uniform(-2, 2, (m, 1))
    if d == 1:
        return Pair(lmc.TwoLayerNet(W, a), lmc.TwoLayerNet(flipped, rng.normal(size=m)), lmc.TwoLayerNet([[1.0], [-1.0]]))
    angle = 10 ** rng.uniform(-12, -1, m) * rng.choice([-1, 1], m)
    turned = flipped + angle[:, None] * flipped[:, ::-1] * [1, -1]
    keeps = rng.random(m) < 0.2
    turned[keeps] = rng.normal(size=(keeps.sum(), d))
    return Pair(lmc.TwoLayerNet(W, a), lmc.TwoLayerNet(turned, rng.normal(size=m)), lmc.orthonormal_teacher(2, 2))


def _zero(rng, width):
    """Pairs of barrier 0, for some permutation: one cell of minima, copies, affine ways, and neighbours on a convex way."""
    M, m = _sizes(rng, width)
    teacher, minimum = lmc.orthonormal_teacher(M, M), lmc.sample_minimum(M, m, rng=rng)
    a, d = minimum.to_network(), M
    case = rng.integers(6)
    if case == 0:
        weights = 1 - rng.random(m)
        totals = np.bincount(minimum.classes, weights, M)
        return Pair(a, lmc.Minimum(minimum.classes, weights / totals[minimum.classes]).to_network(), teacher)
    if case == 1:
        return Pair(a, a.permute(rng.permutation(m)), teacher)
    net = _gaussian(rng, m, d)
    if case == 2:
        return Pair(net, net, teacher)
    if case == 3:
        return Pair(net, lmc.TwoLayerNet(net.W * 10 ** rng.uniform(-1, 1, (m, 1)), net.a), teacher)
    if case == 4:
        return Pair(net, lmc.TwoLayerNet(net.W, rng.normal(size=m)), teacher)
    return Pair(a, lmc.TwoLayerNet(a.W + rng.normal(size=a.W.shape) * 10 ** rng.uniform(-9, -1), a.a), teacher)


def _line(rng, width):
    """One input: neurons keep or change their sign on the way, and some are zero at one end."""
    m, M = width or int(rng.integers(1, 7)), int(rng.integers(1, 4))
    nets = [_gaussian(rng, m, 1) for _ in range(2)]
    zero = rng.random((2, m, 1)) < 0.1
    a, b = (lmc.TwoLayerNet(np.where(gone, 0.0, net.W), net.a) for net, gone in zip(nets, zero, strict=True))
    return Pair(a, b, _gaussian(rng, M, 1))


def _crowded(rng, width):
    """A teacher with more neurons than inputs."""
    m, d = width or int(rng.integers(1, 7)), int(rng.integers(1, 4))
    return Pair(_gaussian(rng, m, d), _gaussian(rng, m, d), _gaussian(rng, d + int(rng.integers(1, 4)), d))


def _collinear(rng, width):
    """Neurons of both networks and of the teacher on few lines, in either direction, exactly or nearly."""
    m, d = width or int(rng.integers(2, 7)), int(rng.integers(1, 4))
    lines = rng.normal(size=(2, d))

    def net(n):
        W = lines[rng.integers(2, size=n)] * (rng.choice([-1, 1], n) * 10 ** rng.uniform(-1, 1, n))[:, None]
        W += (rng.random((n, 1)) < 0.5) * 10 ** rng.uniform(-17, -2, (n, 1)) * rng.normal(size=(n, d))
        W[rng.random(n) < 0.1] = 0
        return lmc.TwoLayerNet(W, rng.normal(size=n))

    return Pair(net(m), net(m), net(int(rng.integers(1, 4))))


def _sizes(rng, width):
    M = int(rng.integers(2, 4)) if width is None or width > 2 else width
    return M, width or int(rng.integers(M, 7))


def _gaussian(rng, m, d):
    return lmc.TwoLayerNet(rng.normal(size=(m, d)), rng.normal(size=m))


_LAWS: dict[str, Callable[[np.random.Generator, int | None], Pair]] = {
    "uniform": _uniform,
    "sparse": _sparse,
    "dyadic": _dyadic,
    "descent": _descent,
    "random": _random,
    "rescaled": _rescaled,
    "kinks": _kinks,
    "zero": _zero,
    "line": _line,
    "crowded": _crowded,
    "collinear": _collinear,
}
FAMILIES = tuple(_LAWS)
