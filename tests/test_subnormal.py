"""Neurons so light that their inverse norms, or those times a sum of masses, exceed the range of double precision."""

import numpy as np
import pytest
from reference import EPS, gradient_scale, mp_gradient, mp_hessian, mp_kernel, mp_loss, mp_rows

import lmctheory as lmc
from lmctheory.objectives import PopulationLoss
from lmctheory.stability import curvature

pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning")  # silent when compiled

SCALES = [1e-285, 1e-295, 1e-305, 3e-308, 1e-308, 1e-310, 1e-318]
SMALLEST = np.finfo(float).smallest_subnormal


def networks(scale, light=(0,), m=3, d=4, seed=0):
    """Student and teacher, some neurons of the student scaled; of rows that are exactly the doubles they are."""
    draw = np.random.default_rng(seed)
    W = draw.normal(size=(m, d))
    W[list(light)] *= scale
    return lmc.TwoLayerNet(W, draw.normal(size=m)), lmc.TwoLayerNet(draw.normal(size=(2, d)), [1.0, -0.6])


def assert_gradient(net, teacher):
    (grad_W, grad_a), (exact_W, exact_a) = lmc.population_gradient(net, teacher), mp_gradient(net, teacher)
    assert (np.abs(grad_W - exact_W) <= 8 * EPS * gradient_scale(net, teacher)).all()
    np.testing.assert_allclose(grad_a, exact_a, rtol=0, atol=1e-13 * np.abs(exact_a).max())
    assert lmc.population_loss(net, teacher) == pytest.approx(float(mp_loss(net, teacher)), rel=1e-13)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("light", "m", "d"), [((0,), 3, 4), ((1, 2), 3, 1), ((0, 9), 10, 3), ((0,), 1, 2), ((3,), 5, 11)])
def test_gradients_of_light_neurons(scale, light, m, d):
    net, teacher = networks(scale, light, m, d)
    assert_gradient(net, teacher)
    if m == 3:  # and light neurons of the teacher, which turn nobody
        assert_gradient(lmc.TwoLayerNet(teacher.W), net)


def test_the_smallest_numbers_that_there_are():
    W = np.array([[SMALLEST, 0.0, -SMALLEST], [0.0, 1.0, 0.5], [0.0, 2 * SMALLEST, 0.0], [0.0, 0.0, 0.0]])
    net, (_, teacher) = lmc.TwoLayerNet(W, [1.0, -0.5, 2.0, 1.0]), networks(1.0, d=3)
    grad_W = lmc.population_gradient(net, teacher)[0]
    scale = gradient_scale(net, teacher)
    assert (np.abs(grad_W - mp_gradient(net, teacher)[0]) <= 8 * EPS * scale).all()
    assert (np.abs(grad_W[[0, 2]]) > 0.01).any(axis=1).all()
    assert not grad_W[3].any()
    kernel = [[float(mp_kernel(u, v)) for v in mp_rows(W[1:2])] for u in mp_rows(W[:1] * 2.0**500)]
    np.testing.assert_allclose(lmc.relu_kernel(W[:1] * 2.0**500, W[1:2]), kernel, rtol=1e-14)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("d", [3, 40])
def test_training_takes_light_neurons_along_their_gradients(scale, d):
    """In 40 dimensions in the span of all rows: a basis keeps their directions as far as coordinates there are exact."""
    net, teacher = networks(scale, d=d)
    rate = 1e-3
    found = lmc.train(teacher, init=net, learning_rate=rate, max_steps=1, gradient_tol=0.0).networks[0]
    exact = net.W - rate * mp_gradient(net, teacher)[0]
    lost = 64 * SMALLEST / scale if d > 5 else 0.0
    np.testing.assert_allclose(found.W, exact, rtol=0, atol=1e-14 + rate * lost)
    assert np.linalg.norm(found.W[0]) > 1e-5


def test_the_gradient_in_wide_networks_and_under_a_mask():
    """Several blocks; every eighth neuron is light."""
    light = tuple(range(0, 300, 8))
    net, teacher = networks(1e-309, light, 300, 5)
    lifted = lmc.TwoLayerNet(np.where(np.isin(np.arange(300), light)[:, None], net.W * 2.0**900, net.W), net.a)
    found, expected = (lmc.population_gradient(one, teacher)[0] for one in (net, lifted))
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * EPS * gradient_scale(net, teacher).max())
    mask = np.random.default_rng(0).random((300, 5)) < 0.5
    start = lmc.TwoLayerNet(net.W * mask, net.a)
    masked = lmc.train(teacher, init=start, learning_rate=1e-3, max_steps=1, gradient_tol=0.0, mask=mask).networks[0].W
    step = np.where(mask, 1e-3 * lmc.population_gradient(start, teacher)[0], 0.0)
    np.testing.assert_allclose(masked, start.W - step, rtol=0, atol=1e-14)
    assert (np.abs(step[list(light)]) > 1e-5).any()


@pytest.mark.parametrize("scale", [1e-250, 1e-300, 1e-307])
@pytest.mark.parametrize("d", [4, 12])
def test_second_derivatives_as_far_as_they_are_numbers(scale, d):
    net, teacher = networks(scale, d=d, seed=3)
    net = lmc.TwoLayerNet(net.W, -np.abs(net.a))  # so that the light neuron bends the loss upwards
    exact = mp_hessian(net, teacher)
    size = np.abs(exact).max()
    found = lmc.population_hessian(net, teacher)
    assert np.abs(found / size - exact / size).max() <= 1e-14
    direction = np.random.default_rng(0).normal(size=net.W.shape)
    product = PopulationLoss(teacher).hessian_product(net)(direction).ravel()
    assert np.abs(product / size - (exact / size) @ direction.ravel()).max() <= 1e-13
    top = np.linalg.eigvalsh(exact / size)[-1]
    assert top > 0.1
    assert lmc.sharpness(net, teacher) / size == pytest.approx(top, rel=1e-12)


def test_sharpness_beyond_the_dense_limit_at_every_scale(monkeypatch):
    net, teacher = networks(1e-300, d=6, seed=3)
    net = lmc.TwoLayerNet(net.W, -np.abs(net.a))
    dense = lmc.sharpness(net, teacher)
    monkeypatch.setattr(curvature, "DENSE_LIMIT", 4)
    assert lmc.sharpness(net, teacher) == pytest.approx(dense, rel=1e-9)
    huge = lmc.DataLoss([[1e140, 0.0], [0.0, 2e140]], [0.5, 0.25])
    assert lmc.sharpness(lmc.TwoLayerNet([[1.0, 1.0]] * 4), huge) == pytest.approx(16e280, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-309, 1e-315, SMALLEST])
def test_second_derivatives_that_are_no_numbers_are_refused(scale):
    net, teacher = networks(1.0)
    net = lmc.TwoLayerNet(np.vstack([[scale, 0.0, scale, 0.0], net.W[1:]]), net.a)
    for call in (lmc.population_hessian, lmc.sharpness, lambda net, teacher: PopulationLoss(teacher).hessian_product(net)):
        with pytest.raises(lmc.InvalidInputError, match=r"net must have second derivatives within the range .* norms from"):
            call(net, teacher)
    line = lmc.TwoLayerNet([[scale], [1.0]])  # nothing bends in one dimension
    np.testing.assert_allclose(lmc.population_hessian(line, lmc.TwoLayerNet([[2.0]])), np.full((2, 2), 1.0))


def test_large_neurons_are_refused_as_well():
    net = lmc.TwoLayerNet([[1e-200, 1e-200], [1e200, 0.0]])
    with pytest.raises(lmc.InvalidInputError, match=r"got norms from 1.41e-200 to 1e\+200"):
        lmc.population_hessian(net, lmc.orthonormal_teacher(2, 2))
