from itertools import permutations as all_permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import mp_kernel, mp_rows

import lmctheory as lmc
from lmctheory.strategies import permutations

METHODS = ("weights", "activations")
methods = pytest.mark.parametrize("method", METHODS)


def random_net(m, d, seed, signs=True):
    rng = np.random.default_rng([m, d, seed])
    return lmc.TwoLayerNet(rng.normal(size=(m, d)), rng.normal(size=m) if signs else None)


def similarity(net_a, net_b, method):
    """The documented similarity matrices, written out."""
    outer = net_a.a[:, None] * net_b.a
    if method == "weights":
        return np.array([[u @ v for v in net_b.W] for u in net_a.W]) + outer
    return outer * np.array([[float(mp_kernel(u, v)) for v in mp_rows(net_b.W)] for u in mp_rows(net_a.W)])


@methods
@given(data=st.data())
def test_planted_permutation_is_recovered(method, data):
    """Networks from a continuous distribution have no ties; the identity is the unique optimum for a network and itself."""
    net = random_net(data.draw(st.integers(1, 12)), data.draw(st.integers(2, 6)), data.draw(st.integers(0, 999)))
    perm = data.draw(permutations(net.width))
    found = lmc.align(net, net.permute(perm), method)
    np.testing.assert_array_equal(perm[found.permutation], np.arange(net.width))
    np.testing.assert_array_equal(net.permute(perm).permute(found.permutation).W, net.W)


@methods
@pytest.mark.parametrize("noise", [1e-10, 1e-3])
def test_planted_permutation_is_recovered_under_noise(method, noise):
    net, perm = random_net(16, 8, 0), np.random.default_rng(0).permutation(16)
    other = net.permute(perm)
    noisy = lmc.TwoLayerNet(other.W + noise * np.random.default_rng(1).normal(size=other.W.shape), other.a)
    np.testing.assert_array_equal(lmc.align(net, noisy, method).permutation, np.argsort(perm))


@methods
@pytest.mark.parametrize("seed", range(6))
def test_assignment_is_the_best_of_all_permutations(method, seed):
    net_a, net_b = random_net(5, 3, seed), random_net(5, 3, seed + 100)
    matrix, rows = similarity(net_a, net_b, method), np.arange(5)
    totals = {perm: matrix[rows, perm].sum() for perm in all_permutations(range(5))}
    best = max(totals, key=totals.get)
    found = lmc.align(net_a, net_b, method)
    assert tuple(found.permutation) == best
    assert found.similarity == pytest.approx(totals[best], abs=1e-13)
    assert found.unaligned_similarity == pytest.approx(np.trace(matrix), abs=1e-13)
    assert found.method == method


def test_weights_minimise_the_euclidean_distance():
    net_a, net_b = random_net(4, 3, 0), random_net(4, 3, 1)

    def distance(perm):
        other = net_b.permute(perm)
        return np.sum((net_a.W - other.W) ** 2) + np.sum((net_a.a - other.a) ** 2)

    assert tuple(lmc.align(net_a, net_b).permutation) == min(all_permutations(range(4)), key=distance)


@methods
@given(data=st.data())
def test_matching_does_not_depend_on_the_order_of_neurons(method, data):
    net_a, net_b = random_net(6, 4, 1), random_net(6, 4, 2)
    perm_a, perm_b = data.draw(permutations(6)), data.draw(permutations(6))
    direct = lmc.align(net_a, net_b, method)
    moved = lmc.align(net_a.permute(perm_a), net_b.permute(perm_b), method)
    np.testing.assert_array_equal(perm_b[moved.permutation], direct.permutation[perm_a])
    assert moved.similarity == pytest.approx(direct.similarity, abs=1e-13)


@methods
def test_exchanged_networks_get_the_inverse_permutation(method):
    net_a, net_b = random_net(7, 4, 3), random_net(7, 4, 4)
    forward, backward = lmc.align(net_a, net_b, method), lmc.align(net_b, net_a, method)
    np.testing.assert_array_equal(backward.permutation, np.argsort(forward.permutation))


@methods
def test_degenerate_networks_align(method):
    zeros, one = lmc.TwoLayerNet(np.zeros((3, 2))), lmc.TwoLayerNet([[1.0, 2.0]], [-1.0])
    assert sorted(lmc.align(zeros, zeros, method).permutation) == [0, 1, 2]
    assert lmc.align(one, one, method).permutation.tolist() == [0]


def test_the_methods_are_different():
    """Weights see output weights and norms apart, activations only their product."""
    net = lmc.TwoLayerNet([[1.0, 0.0], [0.0, 1.0]], [3.0, 1.0])
    rescaled = lmc.TwoLayerNet([[0.0, 0.1], [3.0, 0.0]], [10.0, 1.0])
    assert lmc.align(net, rescaled, "activations").permutation.tolist() == [1, 0]
    assert lmc.align(net, rescaled, "weights").permutation.tolist() == [0, 1]
