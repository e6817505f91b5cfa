"""Certified local minima: what is certified is one, nothing else is certified, and the checker refuses what was changed."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb_mat, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory.certificates.balls import arb, box, ctx, exact_row, exact_rows
from lmctheory.certificates.enclosures import gradient_enclosure, hessian_enclosure, loss_enclosure
from lmctheory.certificates.local_minima import _smallest_eigenvalue as lowest_in_eigenbasis
from lmctheory.certificates.verify import digest
from lmctheory.certificates.verify_local_minimum import _derivatives, _smallest_eigenvalue
from lmctheory.errors import CertificateError, NotCertifiedError

EIGHT = lmc.orthonormal_teacher(8, 8)
LINE = lmc.TwoLayerNet([[1.0], [-1.0]], [1.0, -1.0])  # f*(x) = x


class Signed:
    """A document with a digest that fits."""

    def __init__(self, document):
        self._document = {**document, "digest": digest(document)}

    def document(self):
        return self._document


@pytest.fixture(scope="module")
def spurious():
    """A run of gradient descent that ends in a spurious minimum, unpolished."""
    return lmc.train(EIGHT, width=8, learning_rate=1 / 8, rng=2).networks[0]


@pytest.fixture(scope="module")
def certificate(spurious):
    return lmc.certify_local_minimum(spurious, EIGHT)


def test_a_run_that_ends_in_a_spurious_minimum_is_certified(certificate, spurious):
    assert certificate.is_spurious
    assert "is a spurious local minimum, of loss 0.04301607434304" in certificate.statement
    assert 0 < certificate.distance < certificate.radius
    assert np.abs(certificate.net.W - spurious.W).max() == certificate.moved <= certificate.radius
    assert 0.49 < certificate.curvature / np.linalg.eigvalsh(lmc.population_hessian(spurious, EIGHT))[0] < 1
    assert float(certificate.loss.midpoint) == pytest.approx(lmc.population_loss(spurious, EIGHT), abs=1e-14)
    assert certificate.loss.radius < Fraction(1, 10**20)
    assert lmc.verify_certificate(certificate) == certificate.statement


def test_the_box_holds_the_limit_of_newton_steps(certificate, spurious):
    W = spurious.W
    for _ in range(4):
        net = lmc.TwoLayerNet(W)
        W = W - np.linalg.solve(lmc.population_hessian(net, EIGHT), lmc.population_gradient(net, EIGHT)[0].ravel()).reshape(8, 8)
    assert np.abs(W - certificate.net.W).max() < certificate.radius
    assert np.linalg.norm(W - certificate.net.W) <= certificate.distance + 1e-14


def test_the_centre_is_the_given_network_where_it_is_accurate(certificate):
    again = lmc.certify_local_minimum(certificate.net, EIGHT)
    assert again.moved == 0
    assert np.array_equal(again.net.W, certificate.net.W)


def test_symmetries_lead_to_the_same_loss(certificate):
    net = certificate.net
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 8)))[0].T
    images = [
        (net.permute(np.arange(8)[::-1]), EIGHT),
        (lmc.TwoLayerNet(net.W @ rotation), lmc.TwoLayerNet(rotation)),
        (lmc.TwoLayerNet(net.W / 4, np.full(8, 4.0)), EIGHT),
    ]
    for image, teacher in images:
        found = lmc.certify_local_minimum(image, teacher)
        assert found.is_spurious
        assert float(found.loss.midpoint) == pytest.approx(float(certificate.loss.midpoint), abs=1e-14)
        assert lmc.verify_certificate(found) == found.statement


def test_an_isolated_spurious_minimum_with_one_neuron_more_than_the_teacher():
    teacher = lmc.orthonormal_teacher(14, 14)
    net = lmc.train(teacher, width=15, learning_rate=1 / 15, rng=8, polish=True).networks[0]
    found = lmc.certify_local_minimum(net, teacher)
    assert found.is_spurious
    assert 0.05 < found.loss.lower < found.loss.upper < 0.06


@pytest.mark.parametrize(("m", "M", "d"), [(1, 2, 2), (1, 2, 5), (2, 4, 5)])
def test_minima_of_narrower_students_are_not_called_spurious(m, M, d):
    teacher = lmc.orthonormal_teacher(M, d)
    net = lmc.train(teacher, width=m, learning_rate=0.3, rng=0, polish=True).networks[0]
    found = lmc.certify_local_minimum(net, teacher)
    assert not found.is_spurious
    assert "spurious" not in found.statement
    assert lmc.verify_certificate(found) == found.statement


def test_the_loss_of_one_neuron_for_two_is_enclosed():
    """One neuron ``s (1, 1)``: ``L = s^2 - 4 s K + 1 + 1/pi``, least at s = 2 K, with ``2 pi K((1, 1), e_1) = 1 + 3 pi/4``."""
    net = lmc.train(lmc.orthonormal_teacher(2, 2), width=1, learning_rate=0.5, rng=0, polish=True).networks[0]
    found = lmc.certify_local_minimum(net, lmc.orthonormal_teacher(2, 2))
    with ctx.workprec(200):
        kernel = (1 + 3 * arb.pi() / 4) / (2 * arb.pi())
        lower, upper = (arb(fmpq(*end.as_integer_ratio())) for end in (found.loss.lower, found.loss.upper))
        assert lower <= 1 + 1 / arb.pi() - 4 * kernel * kernel <= upper
        assert np.hypot(*(found.net.W[0] - float(2 * kernel))) <= found.distance + 1e-15


def test_neurons_on_a_line():
    """In one dimension the Hessian is constant: the box is as large as is allowed."""
    found = lmc.certify_local_minimum(lmc.TwoLayerNet([[1.0]]), LINE)
    assert found.loss.lower <= Fraction(1, 2) <= found.loss.upper
    assert found.radius == 2.0**-6
    assert lmc.verify_certificate(found) == found.statement


def test_a_neuron_that_nearly_vanishes_is_refused():
    tiny = lmc.TwoLayerNet([[2.0**-25]])  # the minimum for the teacher ``2^-25 relu(x) - relu(-x)``
    with pytest.raises(NotCertifiedError, match="a neuron has a norm below"):
        lmc.certify_local_minimum(tiny, lmc.TwoLayerNet([[2.0**-25], [-1.0]], [1.0, -1.0]))


def _collapsed():
    """The saddle at which all neurons are the same: the gradient vanishes at one scale."""
    net = lmc.TwoLayerNet(np.full((8, 8), 0.1))
    for _ in range(20):
        slope = lmc.population_gradient(net, EIGHT)[0][0, 0] / (lmc.population_hessian(net, EIGHT)[0].sum())
        net = lmc.TwoLayerNet(net.W - slope)
    assert np.abs(lmc.population_gradient(net, EIGHT)[0]).max() < 1e-14
    return net


def _plants(minimum):
    W, eye = minimum.W, np.eye(8)
    softest = np.linalg.eigh(lmc.population_hessian(minimum, EIGHT))[1][:, 0].reshape(8, 8)
    return {
        "global": (EIGHT, EIGHT, "zero up to rounding: a global minimum"),
        "on the manifold of global minima": (lmc.TwoLayerNet([0.3 * eye[0], 0.7 * eye[0], *eye[1:]]), EIGHT, "global minimum"),
        "nearly global": (lmc.TwoLayerNet(eye + 1e-9), EIGHT, "global minimum"),
        "all neurons the same": (_collapsed(), EIGHT, "eigenvalue of the Hessian is about -"),
        "a neuron split in two": (lmc.TwoLayerNet([W[0] / 2, W[0] / 2, *W[1:]]), EIGHT, "eigenvalue of the Hessian is about -"),
        "a zero neuron": (lmc.TwoLayerNet([*W, 0 * W[0]]), EIGHT, "neuron 8 is zero"),
        "flat": (lmc.TwoLayerNet([[0.3], [0.7]]), LINE, "a direction is flat"),
        "a small gradient": (lmc.TwoLayerNet(W + 1e-3 * softest), EIGHT, "too far for one box"),
        "random": (lmc.TwoLayerNet(np.random.default_rng(0).normal(size=(4, 8))), EIGHT, "this is no minimum"),
    }  # fmt: skip


PLANTS = (
    "global", "on the manifold of global minima", "nearly global", "all neurons the same", "a neuron split in two",
    "a zero neuron", "flat", "a small gradient", "random",
)  # fmt: skip


@pytest.mark.parametrize("name", PLANTS)
def test_planted_non_minima_are_not_certified(certificate, name):
    net, teacher, message = _plants(certificate.net)[name]
    if name not in ("random", "a small gradient", "nearly global"):
        assert np.linalg.norm(lmc.population_gradient(net, teacher)[0]) < 1e-10  # critical points all the same
    with pytest.raises(NotCertifiedError, match=message):
        lmc.certify_local_minimum(net, teacher)


def test_early_descent_is_not_certified():
    result = lmc.train(EIGHT, width=8, learning_rate=1 / 8, rng=2, max_steps=400, gradient_tol=0, loss_tol=None)
    with pytest.raises(NotCertifiedError):
        lmc.certify_local_minimum(result.networks[0], EIGHT)


# The checker.


def _scaled(text, factor):
    return (float.fromhex(text) * factor).hex()


TAMPERED = {
    "a larger box": lambda body: body.update(radius=_scaled(body["radius"], 16)),
    "a smaller box": lambda body: body.update(radius=_scaled(body["distance"], 1.5)),
    "a closer minimum": lambda body: body.update(distance=_scaled(body["distance"], 0.99)),
    "more curvature": lambda body: body.update(curvature=_scaled(body["curvature"], 2.1)),
    "negative curvature": lambda body: body.update(curvature=_scaled(body["curvature"], -1)),
    "negative radius": lambda body: body.update(radius=_scaled(body["radius"], -1)),
    "moved too far": lambda body: body.update(moved=_scaled(body["radius"], 2)),
    "a lower loss": lambda body: body["loss"].__setitem__(0, str(Fraction(body["loss"][0]) * (1 - Fraction(1, 10**12)))),
    "a narrower loss": lambda body: body["loss"].__setitem__(1, "0"),
    "a wide loss": lambda body: body["loss"].__setitem__(1, "1"),
    "another weight": lambda body: body["net"]["W"][3].__setitem__(5, (float.fromhex(body["net"]["W"][3][5]) + 1e-9).hex()),
    "another output weight": lambda body: body["net"]["a"].__setitem__(0, (1 + 1e-9).hex()),
    "another teacher": lambda body: body["teacher"]["W"][2].__setitem__(2, (1 - 1e-9).hex()),
    "a global minimum": lambda body: body["net"].update(W=body["teacher"]["W"]),
    "a zero neuron": lambda body: body["net"]["W"].__setitem__(0, [(0.0).hex()] * 8),
    "not a number": lambda body: body["net"]["W"][0].__setitem__(0, "nan"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_the_proof_fails_for_changed_data(certificate, how):
    body = certificate.document()
    TAMPERED[how](body)
    with pytest.raises(CertificateError):
        lmc.verify_certificate(Signed(body))


def test_a_saved_certificate_is_read_and_verified_and_a_tampered_one_refused(certificate, tmp_path):
    path = tmp_path / "minimum.json"
    certificate.save(path)
    again = lmc.load_certificate(path)
    assert again.document() == certificate.document()
    assert lmc.verify_certificate(path) == lmc.verify_certificate(again) == certificate.statement
    text = path.read_text()
    path.write_text(text.replace(certificate.radius.hex(), (2 * certificate.radius).hex()))
    for read in (lmc.load_certificate, lmc.verify_certificate):
        with pytest.raises(CertificateError, match="digest"):
            read(path)
    with pytest.raises(CertificateError, match="an eigenvalue of the Hessian in the box may be less"):
        lmc.verify_certificate(replace(certificate, curvature=3 * certificate.curvature))
    with pytest.raises(CertificateError, match="one number of inputs"):
        lmc.verify_certificate(replace(certificate, teacher=LINE))
    with pytest.raises(CertificateError, match="radius of the local-minimum certificate must be a float64 number"):
        lmc.verify_certificate(replace(certificate, radius=float("nan")))


@pytest.mark.parametrize("radius", [0.0, 2.0**-20, 2.0**-10])
def test_formulas_of_search_and_checker_overlap(radius):
    rng = np.random.default_rng(1)
    net, teacher = (
        lmc.TwoLayerNet(rng.normal(size=(3, 4)), rng.normal(size=3)),
        lmc.TwoLayerNet(rng.normal(size=(2, 4)), [1.0, -2.0]),
    )
    W, a, V, b = exact_rows(net.W), exact_row(net.a), exact_rows(teacher.W), exact_row(teacher.a)
    X = np.array([*box(W, radius), *V], dtype=object)
    loss, gradient, hessian = _derivatives(X, np.array([*a, *(-x for x in b)]), 3)
    assert loss.overlaps(loss_enclosure(box(W, radius), a, V, b))
    for own, other, exact in (
        (gradient, gradient_enclosure(box(W, radius), a, V, b), lmc.population_gradient(net, teacher)[0]),
        (hessian, hessian_enclosure(box(W, radius), a, V, b), lmc.population_hessian(net, teacher)),
    ):
        assert all(x.overlaps(y) for x, y in zip(own.ravel(), other.entries(), strict=True))
        assert np.abs([float(x.mid()) - y for x, y in zip(own.ravel(), exact.ravel(), strict=True)]).max() < 1e-12 + 100 * radius


def test_the_checker_stays_finite_where_neurons_are_collinear():
    net = lmc.TwoLayerNet([[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0]])
    X = np.array(exact_rows(np.vstack([net.W, [3.0, 6.0]])), dtype=object)
    _, gradient, hessian = _derivatives(X, np.array([arb(1), arb(1), arb(1), arb(-1)]), 3)
    teacher = lmc.TwoLayerNet([[3.0, 6.0]])
    for own, exact in ((gradient, lmc.population_gradient(net, teacher)[0]), (hessian, lmc.population_hessian(net, teacher))):
        assert all(x.overlaps(arb(y, 1e-14)) for x, y in zip(own.ravel(), exact.ravel(), strict=True))
        assert max(float(x.rad()) for x in own.ravel()) < 1e-6


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3), st.floats(-3, 3), st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_bounds_of_the_smallest_eigenvalue_are_below_it(diagonal, shift, seed):
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    matrix = Q @ np.diag(diagonal) @ Q.T + shift * np.eye(3)
    matrix = (matrix + matrix.T) / 2
    smallest, basis = np.linalg.eigh(matrix)[0][0], np.linalg.eigh(matrix)[1]
    balls = exact_rows(matrix)
    in_search = lowest_in_eigenbasis(arb_mat(balls), basis)
    in_checker = _smallest_eigenvalue(np.array(balls, dtype=object))
    for bound in (in_search, in_checker):
        assert bound <= smallest + 1e-12
        if smallest > 1e-6:
            assert bound >= smallest - 1e-9
