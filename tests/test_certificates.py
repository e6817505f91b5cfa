"""Certificates of values: enclosures contain what 200 digits give, also on degenerate networks, and only exact zeros are zero."""

import json
import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import _dot, mp_kernel, stack

import lmctheory as lmc
from lmctheory.certificates.balls import box, exact_row, exact_rows
from lmctheory.certificates.certificate import power_of_two_below
from lmctheory.certificates.enclosures import gradient_enclosure, hessian_enclosure, loss_enclosure
from lmctheory.errors import CertificateError, ConvergenceWarning

T = lmc.orthonormal_teacher(2, 3)
DEGENERATE = {
    "zero neurons": lmc.TwoLayerNet([[0.0, 0, 0], [0.3, -1, 2], [0, 0, 0]], [1.0, 2.0, -1.0]),
    "duplicates": lmc.TwoLayerNet([[0.3, -1, 2], [0.3, -1, 2], [0.6, -2, 4]]),
    "opposite": lmc.TwoLayerNet([[0.3, -1, 2], [-0.3, 1, -2], [0, -1, 0]], [1.0, 0.5, 1.0]),
    "next to collinear": lmc.TwoLayerNet([[1.0, 1e-9, 0], [1.0, 0, 0], [-1.0, 1e-12, 1e-300]]),
    "one neuron": lmc.TwoLayerNet([[0.0, 1.0, 0.0]], [-2.0]),
    "extreme sizes": lmc.TwoLayerNet([[1e-200, 1e-210, 0], [1e100, 0, 1e80]]),
    "minimum up to rounding": lmc.TwoLayerNet([[0.1, 0, 0], [0, 1, 0], [0.9, 0, 0]]),
}

weights = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5]), st.floats(-4, 4))


@st.composite
def networks(draw, d=3):
    m = draw(st.integers(1, 4))
    W = [[draw(weights) for _ in range(d)] for _ in range(m)]
    if m > 1 and draw(st.booleans()):
        W[-1] = [draw(st.sampled_from([1.0, -1.0, 0.5])) * x for x in W[0]]  # duplicates and opposites
    return lmc.TwoLayerNet(W, [draw(weights) for _ in range(m)])


def contains(enclosure, value):
    """Whether the interval holds a number known to 150 digits, relative to 1 or to the size of the number."""
    number = Fraction(mp.nstr(value, 180, min_fixed=-math.inf, max_fixed=math.inf))
    slack = max(abs(number), Fraction(1)) / 10**150
    return enclosure.lower - slack <= number <= enclosure.upper + slack


def reference_loss(net, teacher):
    rows, c = stack(net, teacher)
    n = len(rows)
    own = mp.fsum(c[i] ** 2 * _dot(rows[i], rows[i]) / 2 for i in range(n))
    return own + 2 * mp.fsum(c[i] * c[j] * mp_kernel(rows[i], rows[j]) for i in range(n) for j in range(i))


def reference_gradient_row(net, teacher, i):
    """``dL/dw_i`` from the angle, by ``2 c_i sum_j c_j (|v| sin p u^ + (pi - p) v) / (2 pi)``."""
    rows, c = stack(net, teacher)
    row = [c[i] ** 2 * x for x in rows[i]]
    norm = mp.sqrt(_dot(rows[i], rows[i]))
    for j, other in enumerate(rows):
        size = mp.sqrt(_dot(other, other))
        if j == i or not size or not norm:
            continue
        cosine = _dot(rows[i], other) / (norm * size)
        p = mp.acos(max(-1, min(1, cosine)))
        row = [
            x + c[i] * c[j] * (size * mp.sin(p) * u / norm + (mp.pi - p) * v) / mp.pi
            for x, u, v in zip(row, rows[i], other, strict=True)
        ]
    return row


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_losses_are_enclosed(name):
    net = DEGENERATE[name]
    found = lmc.certify_loss(net, T, digits=40)
    with mp.workdps(900):  # weights span 400 orders of magnitude
        assert contains(found.loss, reference_loss(net, T))
    assert found.loss.radius * 10**40 <= found.loss.midpoint
    lmc.verify_certificate(found)


@settings(max_examples=20, deadline=None)
@given(networks())
def test_enclosures_hold_values_of_200_digits(net):
    found = lmc.certify_loss(net, T, digits=60)
    with mp.workdps(400):
        assert contains(found.loss, reference_loss(net, T))
        gradient = lmc.certify_gradient(net, T, digits=40)
        for i in range(net.width):
            for enclosure, value in zip(gradient.W[i], reference_gradient_row(net, T, i), strict=True):
                assert contains(enclosure, value)
    lmc.verify_certificate(found)
    lmc.verify_certificate(gradient)


@settings(max_examples=25, deadline=None)
@given(networks())
def test_the_hessian_encloses_differences_of_enclosed_gradients(net):
    found = lmc.certify_hessian(net, T, digits=20)
    lmc.verify_certificate(found)
    scale = 1 + np.abs(lmc.population_hessian(net, T)).max()
    assert np.abs(found.midpoints - lmc.population_hessian(net, T)).max() <= 1e-12 * scale
    with ctx.workprec(1200):  # neurons may be next to zero or to collinear, but not closer than floats are
        rows, rest = exact_rows(net.W), (exact_row(net.a), exact_rows(T.W), exact_row(T.a))
        if net.W.any(axis=1).all():
            k = net.W.size - 1
            i, q = divmod(k, 3)
            shifted = [list(row) for row in rows]
            shifted[i][q] += arb(1) / 2**200
            before, after = gradient_enclosure(rows, *rest).entries(), gradient_enclosure(shifted, *rest).entries()
            slopes = [float((y - x) * 2**200) for x, y in zip(before, after, strict=True)]
            assert np.allclose(slopes, found.midpoints[:, k], rtol=1e-6, atol=1e-9 * scale)


@settings(max_examples=25, deadline=None)
@given(networks(), st.sampled_from([1e-12, 1e-3, 1.0]), st.integers(0, 2**32 - 1))
def test_boxes_enclose_every_network_in_them(net, radius, seed):
    inside = net.W + radius * np.random.default_rng(seed).uniform(-0.99, 0.99, net.W.shape)
    with ctx.workprec(128):
        rest = exact_row(net.a), exact_rows(T.W), exact_row(T.a)
        wide, thin = box(exact_rows(net.W), radius), exact_rows(inside)
        assert loss_enclosure(wide, *rest).overlaps(loss_enclosure(thin, *rest))
        for enclose in (gradient_enclosure, hessian_enclosure):
            for outer, inner in zip(enclose(wide, *rest).entries(), enclose(thin, *rest).entries(), strict=True):
                assert outer.overlaps(inner) or not outer.is_finite()
        gradient = gradient_enclosure(wide, *rest).entries()
    assert all(entry.is_finite() for entry in gradient)  # also where the box holds a zero neuron


def test_boxes_shrink_to_the_value():
    net = DEGENERATE["duplicates"]
    with ctx.workprec(128):
        rest = exact_row(net.a), exact_rows(T.W), exact_row(T.a)
        widths = [
            max(float(entry.rad()) for entry in hessian_enclosure(box(exact_rows(net.W), radius), *rest).entries())
            for radius in (1e-3, 1e-5, 1e-7)
        ]
    assert widths[2] < 2e-2 * widths[1] < 4e-4 * widths[0]


SAME = [
    (lmc.TwoLayerNet([[0.5, 0, 0], [0, 1, 0], [0.5, 0, 0]]), T),
    (lmc.TwoLayerNet([[0, 1.0, 0], [0, 0, 0], [1, 0, 0]], [1, 7, 1]), T),
    # relu(z) - relu(-z) = z: kinks are the same on every line, and so are linear parts
    (lmc.TwoLayerNet([[1.0], [-1.0], [3.0]], [1, -1, 1]), lmc.TwoLayerNet([[2.0], [-1.0], [1.0]], [2, -1, 0])),
    (lmc.TwoLayerNet([[-1.0, -1], [1, 0], [0, 1]]), lmc.TwoLayerNet([[1.0, 1], [-1, 0], [0, -1]])),
]


@pytest.mark.parametrize(("net", "teacher"), SAME)
def test_the_loss_of_the_same_function_is_exactly_zero(net, teacher):
    if lmc.population_loss(net, teacher) > 1e-12:
        pytest.fail("the example is wrong")
    found = lmc.certify_loss(net, teacher)
    assert (found.loss.midpoint, found.loss.radius) == (0, 0)
    assert lmc.verify_certificate(found) == found.statement
    gradient = lmc.certify_gradient(net, teacher)
    assert all(entry.midpoint == entry.radius == 0 for entry in [*gradient.W.flat, *gradient.a])
    lmc.verify_certificate(gradient)


def test_a_loss_of_zero_up_to_rounding_is_proved_positive():
    found = lmc.certify_loss(DEGENERATE["minimum up to rounding"], T, digits=10)
    excess = Fraction(0.1) + Fraction(0.9) - 1
    assert float(found.loss.midpoint) == pytest.approx(float(excess**2 / 2), rel=1e-9)
    assert found.loss.lower > 0


def test_a_gradient_that_may_be_zero_is_a_warning_and_stays_proved(tmp_path):
    # student relu(x), teacher x: the residual vanishes where the student is active, so this is critical, at a loss of 1/2
    net, teacher = lmc.TwoLayerNet([[0.25], [0.75]]), lmc.TwoLayerNet([[1.0], [-1.0]], [1.0, -1.0])
    assert Fraction(1, 2) in lmc.certify_loss(net, teacher).loss
    with pytest.warns(ConvergenceWarning, match="8192 bits give 0 digits instead of 5: all entries are at most"):
        found = lmc.certify_gradient(net, teacher, digits=5)
    assert all(0 in entry and entry.radius < Fraction(1, 2**8000) for entry in [*found.W.flat, *found.a])
    lmc.verify_certificate(found)


def test_the_gradient_of_zero_neurons_is_zero():
    found = lmc.certify_gradient(lmc.TwoLayerNet([[0.0, 0.0]], [0.0]), lmc.orthonormal_teacher(1, 2))
    assert all(entry.midpoint == entry.radius == 0 for entry in [*found.W.flat, *found.a])
    lmc.verify_certificate(found)


def test_saved_certificates_come_back(tmp_path):
    net = DEGENERATE["opposite"]
    for k, certify in enumerate((lmc.certify_loss, lmc.certify_gradient, lmc.certify_hessian)):
        found = certify(net, T)
        found.save(tmp_path / f"{k}.json")
        again = lmc.load_certificate(tmp_path / f"{k}.json")
        assert type(again) is type(found)
        assert again.document() == found.document()
        assert again.statement == found.statement
        assert lmc.verify_certificate(tmp_path / f"{k}.json") == found.statement


def test_enclosures_print_the_digits_they_prove():
    third = lmc.Enclosure(Fraction(1, 3), Fraction(1, 2**30))
    assert str(third) == "0.3333333333 +/- 9.7e-10"
    assert 1 / 3 in third
    assert 0.34 not in third
    assert "x" not in third
    assert str(lmc.Enclosure(Fraction(5, 2), Fraction(0))) == "2.5"
    assert str(lmc.Enclosure(Fraction(0), Fraction(1, 4))) == "0 +/- 2.5e-1"


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_powers_of_two_below(value):
    power = power_of_two_below(value)
    assert power <= value < 2 * power
    assert power.numerator == 1 or power.denominator == 1


@given(st.fractions(), st.fractions(min_value=Fraction(1, 10**30), max_value=10))
def test_what_is_printed_holds_the_interval(midpoint, radius):
    middle, reach = map(Fraction, str(lmc.Enclosure(midpoint, radius)).split(" +/- "))
    assert middle - reach <= midpoint - radius
    assert middle + reach >= midpoint + radius


def test_files_that_are_no_certificates(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"format": "lmctheory certificate", "version": 2, "kind": "loss"}))
    with pytest.raises(CertificateError, match="version 1"):
        lmc.load_certificate(path)
    with pytest.raises(CertificateError, match="version 1"):
        lmc.verify_certificate(path)


def test_enclosures_are_matrices_of_balls():
    with ctx.workprec(64):
        assert isinstance(gradient_enclosure(exact_rows(T.W), exact_row(T.a), exact_rows(T.W), exact_row(T.a)), arb_mat)
