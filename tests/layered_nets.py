"""Networks of any depth and data that the tests of alignments share."""

from itertools import permutations, product

import numpy as np

import lmctheory as lmc
from lmctheory.alignment.similarity import join


def random_layered(shape, seed, biases=True):
    """A network with layers of the sizes `shape`, input and output included."""
    draw = np.random.default_rng([seed, *shape])
    sizes = list(zip(shape[1:], shape[:-1], strict=True))
    weights = [draw.normal(size=size) for size in sizes]
    return lmc.LayeredNet(weights, [draw.normal(size=size[0]) for size in sizes] if biases else None)


def random_two_layer(m, d, seed):
    draw = np.random.default_rng([seed, m, d])
    return lmc.TwoLayerNet(draw.normal(size=(m, d)), draw.normal(size=m))


def random_permutation(net, seed):
    draw = np.random.default_rng(seed)
    return join([draw.permutation(layer.stop - layer.start) for layer in net.layers])


def all_permutations(net):
    """All permutations of a network that map every layer to itself."""
    for parts in product(*(permutations(range(layer.stop - layer.start)) for layer in net.layers)):
        yield join([np.array(part) for part in parts])


def random_data(d, k, loss, n=30, seed=7):
    """Inputs with class labels; with one output and the squared loss, with targets."""
    draw = np.random.default_rng([seed, d, k])
    y = draw.normal(size=n) if k == 1 and loss == "squared" else draw.integers(k, size=n)
    return lmc.DataLoss(draw.normal(size=(n, d)), y, loss)


def split_copy(source, widths, draw):
    """The same function in wider layers: every neuron split into a random number of scaled copies, which share its outputs."""
    parts, shares, scales = [], [], []
    for m, width in zip(source.widths, widths, strict=True):
        labels = draw.permutation(np.concatenate([np.arange(m), draw.integers(m, size=width - m)]))
        raw = draw.exponential(size=width)
        parts.append(labels)
        shares.append(raw / np.bincount(labels, raw)[labels])
        scales.append(np.exp(draw.normal(size=width)))
    weights, biases = list(source.weights), list(source.biases)
    for k, (labels, share, scale) in enumerate(zip(parts, shares, scales, strict=True)):
        weights[k], biases[k] = weights[k][labels] * scale[:, None], biases[k][labels] * scale
        weights[k + 1] = weights[k + 1][:, labels] * share / scale
    return lmc.LayeredNet(weights, biases)


def related(shape, seed, loss):
    """Two networks that compute the same, with layers of the sizes `shape`, and data that they fit: pairs with a barrier."""
    source = random_layered((shape[0], *(1 + m // 2 for m in shape[1:-1]), shape[-1]), seed)
    draw = np.random.default_rng([seed, 1])
    X = draw.normal(size=(60, shape[0]))
    centred = [*source.biases[:-1], source.biases[-1] - np.median(source(X), axis=0)]  # no class has all inputs
    source = lmc.LayeredNet(source.weights, centred)
    net_a, net_b = (split_copy(source, shape[1:-1], draw) for _ in range(2))
    return net_a, net_b, lmc.DataLoss(X, source(X) if loss == "squared" else source(X).argmax(axis=1), loss)


def between(net_a, net_b, t):
    """The network at position t of the straight line."""
    return lmc.LayeredNet(
        [(1 - t) * W + t * V for W, V in zip(net_a.weights, net_b.weights, strict=True)],
        [(1 - t) * b + t * c for b, c in zip(net_a.biases, net_b.biases, strict=True)],
    )


def parameters(net):
    return np.concatenate([array.ravel() for array in (*net.weights, *net.biases)])
