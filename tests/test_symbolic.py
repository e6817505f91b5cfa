import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from reference import mp_kernel, mp_rows

import lmctheory as lmc
from lmctheory.symbolic import P, R, S


def test_derived_kernel_is_the_integral_of_its_definition():
    """Independent quadrature over the half-planes where both neurons are active, after the exact radial integral (2)."""
    kernel = sp.lambdify([R, S, P], lmc.symbolic.relu_kernel(), "mpmath")
    for r, s, p in ((1, 1, "0.3"), (2, "0.5", "1.5"), (3, 1, "3.0")):
        r, s, p = map(mp.mpf, (r, s, p))
        angular = mp.quad(lambda t, p=p: mp.cos(t) * mp.cos(t - p), [p - mp.pi / 2, mp.pi / 2])
        assert abs(kernel(r, s, p) - r * s * 2 * angular / (2 * mp.pi)) < mp.mpf(10) ** -40


@pytest.mark.parametrize("d", [2, 3])
def test_derivatives_agree_with_differences(d):
    gradient, same, cross, u, v = lmc.symbolic.kernel_derivatives(d)
    derive = sp.lambdify([u, v], [gradient, same, cross], "mpmath", cse=True)
    point = mp_rows(np.random.default_rng(d).normal(size=(2, d)))
    h = mp.mpf("1e-12")

    def moved(which, k, step):
        return [[x + step * (i == which and j == k) for j, x in enumerate(row)] for i, row in enumerate(point)]

    def difference(function, which, k):
        return (function(*moved(which, k, h)) - function(*moved(which, k, -h))) / (2 * h)

    found_gradient, found_same, found_cross = derive(*point)
    for i in range(d):
        assert abs(found_gradient[i] - difference(mp_kernel, 0, i)) < 1e-20
        for k in range(d):

            def component(x, y, i=i):
                return derive(x, y)[0][i]

            assert abs(found_same[i, k] - difference(component, 0, k)) < 1e-20
            assert abs(found_cross[i, k] - difference(component, 1, k)) < 1e-20


def test_derived_threshold_is_the_closed_form_and_two_over_the_sharpness():
    rate = lmc.symbolic.stability_threshold()
    for M, m in ((1, 1), (2, 6), (4, 4), (8, 100), (50, 77)):
        derived = float(rate.subs({lmc.symbolic.CLASSES: M, lmc.symbolic.WIDTH: m}))
        assert derived == pytest.approx(lmc.stability_threshold(M, m), rel=1e-14)
        teacher = lmc.orthonormal_teacher(min(M, 8), 9)
        if m == M:
            assert derived == pytest.approx(2 / lmc.sharpness(teacher, teacher), rel=1e-13)


def test_derived_moments_are_means_over_inputs():
    x = np.random.default_rng(0).normal(size=(400_000, 4))
    for a, b in ((0, 0), (0, 1)):
        active = ((x[:, a] > 0) & (x[:, b] > 0))[:, None, None]
        products = (active * x[:, :, None] * x[:, None, :]).reshape(len(x), 16)
        exact = [float(lmc.symbolic.half_space_moment(a, b, i, j)) for i in range(4) for j in range(4)]
        z = (products.mean(axis=0) - exact) / (products.std(axis=0) / np.sqrt(len(x)))
        assert np.abs(z).max() < 4.2  # 20 different moments: exceeded by chance in 0.05 % of seeds
