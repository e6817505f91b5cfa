"""Networks brought to one scale: the same function, and copies that every method of alignment recovers."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc

EPS = np.finfo(float).eps
SCALES = [1e-300, 1e-150, 1e-20, 1.0, 1e20, 1e150, 1e300]


def drawn(rng, m, d):
    return lmc.TwoLayerNet(rng.normal(size=(m, d)), rng.normal(size=m))


def rescaled_copy(net, rng):
    """The same function with factors 10^U(-1, 1) and neurons in random order, and the order that undoes it."""
    factors, order = 10.0 ** rng.uniform(-1, 1, net.width), rng.permutation(net.width)
    return lmc.TwoLayerNet(net.W * factors[:, None], net.a / factors).permute(order), np.argsort(order)


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_same_function_with_equal_norms(m, d, seed):
    rng = np.random.default_rng(seed)
    net = lmc.TwoLayerNet(rng.normal(size=(m, d)) * 10 ** rng.uniform(-5, 5, (m, 1)), rng.normal(size=m))
    balanced = net.balance()
    np.testing.assert_allclose(np.linalg.norm(balanced.W, axis=1), np.abs(balanced.a), rtol=8 * EPS)
    X = rng.normal(size=(20, d))
    sizes = np.abs(X) @ np.abs(net.W).T @ np.abs(net.a)
    assert (np.abs(balanced(X) - net(X)) <= 16 * EPS * sizes).all()
    np.testing.assert_array_equal(np.sign(balanced.a), np.sign(net.a))
    again = balanced.balance()
    np.testing.assert_allclose(again.W, balanced.W, rtol=8 * EPS, atol=0)
    np.testing.assert_allclose(again.a, balanced.a, rtol=8 * EPS)


@pytest.mark.parametrize("norm", SCALES)
@pytest.mark.parametrize("output", SCALES)
def test_norms_and_output_weights_of_every_size(norm, output):
    """Each neuron contributes the same: ``a w`` entry by entry, of which the factors alone may be out of range."""
    rng = np.random.default_rng(0)
    net = lmc.TwoLayerNet(rng.normal(size=(4, 3)) * norm, [output, -output, 2 * output, -0.5 * output])
    balanced = net.balance()
    assert np.isfinite(balanced.W).all()
    for w, a, v, b in zip(net.W, net.a, balanced.W, balanced.a, strict=True):
        size = mp.sqrt(sum(mp.mpf(float(x)) ** 2 for x in w))
        expected = mp.sqrt(size * abs(mp.mpf(float(a))))
        assert abs(abs(mp.mpf(float(b))) / expected - 1) < 8 * EPS
        for x, y in zip(w, v, strict=True):
            assert abs(mp.mpf(float(y)) / (mp.mpf(float(x)) / size * expected) - 1) < 8 * EPS


def test_neurons_that_contribute_nothing_become_zero():
    net = lmc.TwoLayerNet([[0.0, 0.0], [1.0, 2.0], [-0.0, 0.0], [4.0, 0.0], [3.0, 4.0]], [7.0, 0.0, -2.0, -1.0, -0.0])
    balanced = net.balance()
    np.testing.assert_array_equal(balanced.W, [[0, 0], [0, 0], [0, 0], [2, 0], [0, 0]])
    np.testing.assert_array_equal(balanced.a, [0, 0, 0, -2, 0])
    assert not np.signbit(balanced.W).any()
    assert not np.signbit(balanced.a[[0, 1, 2, 4]]).any()
    assert lmc.TwoLayerNet([[0.0]]).balance().a.tolist() == [0.0]


def test_balanced_networks_stay_and_the_norm_is_least():
    rng = np.random.default_rng(1)
    teacher = lmc.orthonormal_teacher(3, 5)
    np.testing.assert_array_equal(teacher.balance().W, teacher.W)
    net = drawn(rng, 6, 3)
    least = sum((x**2).sum() for x in (net.balance().W, net.balance().a))
    for _ in range(20):
        other, _ = rescaled_copy(net, rng)
        assert (other.W**2).sum() + (other.a**2).sum() >= least


@pytest.mark.parametrize(("method", "m", "d"), [
    ("weights", 8, 4), ("weights", 40, 6), ("activations", 8, 4), ("activations", 40, 6),
    ("barrier", 8, 4), ("barrier", 16, 5), ("exact", 8, 4),
])  # fmt: skip
def test_balancing_makes_every_method_recover_rescaled_copies(method, m, d):
    rng = np.random.default_rng(m)
    teacher = lmc.orthonormal_teacher(2, d)
    unbalanced = 0
    for _ in range(5):
        net = drawn(rng, m, d)
        copy, planted = rescaled_copy(net, rng)
        a, b = net.balance(), copy.balance()
        found = lmc.align(a, b, method, objective=teacher)
        np.testing.assert_array_equal(found.permutation, planted)
        straight = lmc.barrier(a, b, teacher, align=found)
        assert straight.height <= straight.loss_floor
        apart = lmc.barrier(net, copy, teacher, align=planted)  # of the copies as they are, the neurons with themselves
        unbalanced += apart.height > 1e3 * apart.loss_floor
    assert unbalanced >= 3


def test_zero_neurons_of_rescaled_copies_do_no_harm():
    rng = np.random.default_rng(3)
    net = drawn(rng, 9, 4)
    net = lmc.TwoLayerNet(np.where(np.arange(9)[:, None] == 4, 0.0, net.W), np.where(np.arange(9) == 7, 0.0, net.a))
    copy, planted = rescaled_copy(net, rng)
    a, b = net.balance(), copy.balance()
    for method in ("weights", "activations"):
        found = lmc.align(a, b, method).permutation
        living = ~np.isin(np.arange(9), (4, 7))
        np.testing.assert_array_equal(found[living], planted[living])
        assert lmc.barrier(a, b, lmc.orthonormal_teacher(2, 4), align=found).height < 1e-13
