import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import EPS, mp_kernel, mp_rows

import lmctheory as lmc
from lmctheory._compiled.angles import COEFFICIENTS, sine_and_supplement
from lmctheory.strategies import weights

RNG = np.random.default_rng(20)
U = RNG.normal(size=3)
NEARLY = U * (1 + np.array([1e-15, -3e-12, 1e-8]))

VECTORS = {
    "random": RNG.normal(size=(6, 3)),
    "one dimension": np.array([[1.0], [-2.0], [0.0], [3.5]]),
    "duplicate and scaled": np.array([U, U, 3 * U]),
    "opposite": np.array([U, -U, -7.3 * U]),
    "nearly collinear": np.array([U, NEARLY, -NEARLY]),
    "zero": np.array([U, 0 * U]),
    "of very different size": np.array([1e-100 * U, 1e100 * NEARLY]),
    "many dimensions": RNG.normal(size=(2, 5_000)),
}


@pytest.mark.parametrize("X", VECTORS.values(), ids=VECTORS)
def test_kernel_agrees_with_high_precision_arithmetic(X):
    norms = np.linalg.norm(X, axis=1)
    exact = np.array([[float(mp_kernel(u, v)) for v in mp_rows(X)] for u in mp_rows(X)])
    # The cosine carries a few roundings, more of them in long sums, and dK/dcos is at most |u||v|/2.
    assert (np.abs(lmc.relu_kernel(X, X) - exact) <= (4 + 0.01 * X.shape[1]) * EPS * np.outer(norms, norms)).all()


@given(weights((4, 3)), weights((2, 3)))
def test_kernel_is_symmetric_and_homogeneous(X, Y):
    kernel = lmc.relu_kernel(X, Y)
    assert (kernel >= 0).all()
    norms = np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Y, axis=1))
    assert (np.abs(kernel - lmc.relu_kernel(Y, X).T) <= 4 * EPS * norms).all()
    np.testing.assert_array_equal(lmc.relu_kernel(8 * X, Y / 4), 2 * kernel)


def test_kernel_is_the_mean_of_the_product_of_activations():
    X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4))
    inputs = np.random.default_rng(1).normal(size=(400_000, 4))
    products = np.maximum(inputs @ X.T, 0)[:, :, None] * np.maximum(inputs @ Y.T, 0)[:, None, :]
    z = (products.mean(axis=0) - lmc.relu_kernel(X, Y)) / (products.std(axis=0) / np.sqrt(len(inputs)))
    assert np.abs(z).max() < 3.5  # six comparisons: exceeded by chance in 0.3 % of seeds


COSINES = np.concatenate([
    np.linspace(-1, 1, 801),
    *[sign * (1 - np.geomspace(1e-16, 1e-2, 60)) for sign in (1, -1)],
    np.array([0.0, -0.0, 5e-324, -5e-324, 1e-17, np.nextafter(1, 0), -np.nextafter(1, 0)]),
])  # fmt: skip


def test_polynomial_angle_agrees_with_the_arccosine():
    for cosine in COSINES:
        sine, supplement = sine_and_supplement(cosine)
        p = mp.acos(mp.mpf(float(cosine)))
        assert abs(supplement - (mp.pi - p)) <= 1e-15, cosine
        assert abs(sine - mp.sin(p)) <= 1e-15, cosine


@pytest.mark.parametrize("excess", [0.0, EPS, 1e-10, 1.0, np.inf])
def test_cosines_beyond_one_count_as_one(excess):
    assert sine_and_supplement(1 + excess) == (0.0, np.pi)
    assert sine_and_supplement(-1 - excess) == (0.0, 0.0)


def test_nan_is_not_an_angle():
    assert np.isnan(sine_and_supplement(np.nan)[1])


def test_polynomial_is_the_chebyshev_interpolant_of_degree_20():
    """Re-derive it: F(t) = arccos(1 - t) / sqrt(t (2 - t)) at the Chebyshev points of [0, 1], to a double's precision."""
    degree = 20
    with mp.workdps(60):
        points = [(1 + mp.cos(mp.pi * (2 * k + 1) / (2 * degree + 2))) / 2 for k in range(degree + 1)]
        values = [mp.acos(1 - t) / mp.sqrt(t * (2 - t)) for t in points]
        coefficients = mp.lu_solve(mp.matrix([[t**k for k in range(degree + 1)] for t in points]), mp.matrix(values))

        def interpolant(t):
            return mp.polyval(list(coefficients)[::-1], t)

        ts = [mp.mpf(k) / 500 for k in range(1, 501)]
        error = max(abs(interpolant(t) - mp.acos(1 - t) / mp.sqrt(t * (2 - t))) for t in ts)
        assert error < 6e-17  # as documented
    found = [float(c) for c in coefficients]
    np.testing.assert_allclose(COEFFICIENTS, found[::-1], rtol=1e-12)


@given(st.floats(-1, 1))
def test_sine_and_angle_belong_together(cosine):
    """Near collinearity their errors must cancel in ``sin p + (pi - p) cos p``, or kernels lose half their digits."""
    sine, supplement = sine_and_supplement(cosine)
    p = mp.acos(mp.mpf(cosine))
    assert abs(sine + supplement * cosine - (mp.sin(p) + (mp.pi - p) * mp.cos(p))) <= 4 * EPS
