"""Explicit vectors do the same compiled and interpreted, and what NumPy does on whole arrays."""

import numpy as np
import pytest
from numba import config, njit
from reference import EPS

from lmctheory._compiled.angles import COEFFICIENTS, sine_and_supplement
from lmctheory._compiled.vectors import (
    LANES,
    ROWS,
    add_product,
    count_up,
    fma,
    load,
    magnitude,
    polynomial,
    root,
    set_product,
    splat,
    store,
    total,
    transpose,
    where_less,
)

RNG = np.random.default_rng(0)
A, B, C = RNG.normal(size=(3, LANES))


@njit
def operations(a, b, c, out):
    x, y, z = load(a, 0), load(b, 0), load(c, 0)
    results = (
        x + y, x - y, x * y, x / y, fma(x, y, z), root(magnitude(x)), where_less(x, y, z, splat(2.0)), count_up(),
        polynomial(magnitude(x), COEFFICIENTS),
    )  # fmt: skip
    for k in range(len(results)):
        store(out, k * LANES, results[k])
    return total(x)


def test_operations_are_those_of_arrays():
    out = np.zeros(9 * LANES)
    summed = operations(A, B, C, out)
    expected = [
        A + B, A - B, A * B, A / B, A * B + C, np.sqrt(np.abs(A)), np.where(A < B, C, 2.0), np.arange(8.0),
        np.polyval(COEFFICIENTS, np.abs(A)),
    ]  # fmt: skip
    np.testing.assert_allclose(out.reshape(9, LANES), expected, rtol=4 * EPS, atol=4 * EPS)
    halves = A[:4] + A[4:]
    assert summed == (halves[0] + halves[2]) + (halves[1] + halves[3])


@njit
def compare(a, b, out):
    store(out, 0, where_less(load(a, 0), load(b, 0), splat(1.0), splat(0.0)))


def test_comparison_with_nan_is_false():
    values, out = np.array([np.nan, 0.0, -0.0, np.inf, -np.inf, 1.0, np.nan, 2.0]), np.full(LANES, 7.0)
    compare(values, np.array([0.0, np.nan, 0.0, np.inf, 0.0, 2.0, np.nan, 1.0]), out)
    assert out.tolist() == [0, 0, 0, 0, 1, 1, 0, 0]


@njit
def transposed(a, out):
    transpose(a, 3, out, 5)


def test_transpose_of_eight_by_eight():
    values, out = RNG.normal(size=70), np.zeros(70)
    transposed(values, out)
    np.testing.assert_array_equal(out[5:69].reshape(8, 8), values[3:67].reshape(8, 8).T)
    assert not out[:5].any()
    assert out[69] == 0


@njit
def products(out, left, right, depth, add):
    if add:
        add_product(out, 1, LANES + 2, left, 2, depth, 1, right, 3, depth)
    else:
        set_product(out, 1, LANES + 2, left, 2, 1, ROWS, right, 3, depth)


@pytest.mark.parametrize("depth", [1, 2, 7, 64])
def test_products_are_those_of_matrices(depth):
    left, right = RNG.normal(size=2 + ROWS * depth), RNG.normal(size=3 + LANES * depth)
    before = RNG.normal(size=1 + ROWS * (LANES + 2))
    factor = right[3:].reshape(depth, LANES)
    for add, block in ((True, left[2:].reshape(ROWS, depth)), (False, left[2:].reshape(depth, ROWS).T)):
        out, expected = before.copy(), before.copy()
        products(out, left, right, depth, add)
        rows = expected[1:].reshape(ROWS, LANES + 2)
        rows[:, :LANES] = block @ factor + (rows[:, :LANES] if add else 0.0)
        np.testing.assert_allclose(out, expected, rtol=0, atol=EPS * (8 + depth))


@njit
def angle(t):
    return polynomial(t, COEFFICIENTS)


@pytest.mark.skipif(config.DISABLE_JIT, reason="to the last bit only where both are compiled")
def test_polynomial_of_numbers_is_that_of_vectors():
    out = np.zeros(9 * LANES)
    operations(A, B, C, out)
    np.testing.assert_array_equal(out[8 * LANES :], [angle(abs(a)) for a in A])
    assert sine_and_supplement(0.0) == (1.0, np.pi / 2)
