"""Certificates of barriers: right, tight, complete where grids are blind, and refused once anything is changed."""

import copy
import importlib
import json
import math
import sys
import warnings
from fractions import Fraction
from itertools import permutations

import mpmath as mp
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mp_path_loss

import lmctheory as lmc
from lmctheory import cli
from lmctheory.certificates.balls import fraction
from lmctheory.certificates.certificate import digest
from lmctheory.certificates.reduction import path_neurons, ray_of
from lmctheory.certificates.segments import Excess, Jet
from lmctheory.certificates.subdivision import maximise
from lmctheory.certificates.verify_segment import Segment
from lmctheory.certificates.verify_theorems import Network
from lmctheory.errors import CertificateError, ConvergenceWarning
from lmctheory.minima import minima_barrier, sample_minimum

T = lmc.orthonormal_teacher(2, 3)
TWO = lmc.orthonormal_teacher(2, 2)
# three neurons that cross the origin one after another: their sum is a hat of width 1/256, and zero elsewhere
CROSSINGS = [257 / 512, 258 / 512, 259 / 512]
SPIKE = (
    lmc.TwoLayerNet([[-512 * t, 0.0] for t in CROSSINGS] + [[0.0, 1.0]], [1.0, -2.0, 1.0, 1.0]),
    lmc.TwoLayerNet([[512 * (1 - t), 0.0] for t in CROSSINGS] + [[0.0, 1.0]], [1.0, -2.0, 1.0, 1.0]),
    lmc.TwoLayerNet([[0.0, 1.0]]),
)

values = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0]), st.floats(-2, 2))


@st.composite
def ends(draw):
    """Two networks of one shape; neurons may be zero, equal, opposite, or cross the origin."""
    m = draw(st.integers(1, 4))
    A, B = (np.array([[draw(values) for _ in range(3)] for _ in range(m)]) for _ in range(2))
    for W, other in ((A, B), (B, A)):
        if draw(st.booleans()):
            W[draw(st.integers(0, m - 1))] = draw(st.sampled_from([-1.0, 0.0, 0.5])) * other[draw(st.integers(0, m - 1))]
    a, b = ([draw(values) for _ in range(m)] for _ in range(2))
    return lmc.TwoLayerNet(A, a), lmc.TwoLayerNet(B, b)


def exact_excess(net_a, net_b, teacher, t):
    t = mp.mpf(t)
    at_a, at_b = mp_path_loss(net_a, net_b, teacher, 0), mp_path_loss(net_a, net_b, teacher, 1)
    return mp_path_loss(net_a, net_b, teacher, t) - (1 - t) * at_a - t * at_b


def uniform_pair(M, m, seed):
    rng = np.random.default_rng([M, m, seed])
    return [sample_minimum(M, m, rng=rng) for _ in range(2)]


def in_units(excess, t):
    """The excess and its derivatives in the unit of the loss."""
    unit = fraction(excess.unit)
    return Jet(*(unit * part for part in (excess(t).value, excess(t).slope, excess(t).bend)))


class QuadraticSpike:
    """A function of height 1 on an interval, a parabola there and 0 elsewhere, with honest derivatives."""

    def __init__(self, position, width):
        self.position, self.width = arb(position), arb(width)

    def __call__(self, t):
        x = (t - self.position) / self.width
        if abs(x) >= 1:
            return Jet(arb(0), arb(0), arb(0))
        inside = Jet(1 - x * x, -2 * x / self.width, arb(-2) / self.width**2)
        if abs(x) < 1:
            return inside
        return Jet(inside.value.union(arb(0)), inside.slope.union(arb(0)), arb(0, arb.pos_inf()))

    polynomials = __call__


@settings(max_examples=20, deadline=None)
@given(ends(), st.floats(0.001, 0.999), st.floats(0, 0.2))
def test_cells_hold_the_excess_and_its_derivatives(nets, centre, radius):
    radius = min(radius, centre, 1 - centre)
    with ctx.workprec(160):
        excess = Excess(path_neurons(*nets, T))
        checker = Segment(*(Network([[*map(Fraction, row)] for row in net.W], [*map(Fraction, net.a)]) for net in (*nets, T)))
        wide = in_units(excess, arb(centre, radius))
        for share in (-0.99, 0.5):
            t = centre + share * radius
            value = mp.nstr(exact_excess(*nets, T, t), 40)
            thin = in_units(excess, arb(t))
            assert abs(thin.value - arb(value)) < 1e-20
            assert wide.value.overlaps(thin.value)
            assert wide.slope.overlaps(thin.slope)
            assert wide.bend.overlaps(thin.bend) or not wide.bend.is_finite() or not thin.bend.is_finite()
            assert checker.excess(Fraction(t)).overlaps(thin.value)
        left, right = Fraction(centre) - Fraction(radius), Fraction(centre) + Fraction(radius)
        jet = excess.polynomials(arb(centre, radius))
        own = [fraction(excess.unit) * part for part in (jet.value, jet.slope, jet.bend)]
        others = checker._excess(left, right), checker._polynomials(left, right), own
        for other in others:
            for wanted, found in zip((wide.value, wide.slope, wide.bend), other, strict=True):
                assert wanted.overlaps(found) or not wanted.is_finite() or not found.is_finite()
            assert other[0].overlaps(in_units(excess, arb(centre + 0.9 * radius)).value) or not other[0].is_finite()


@settings(max_examples=25, deadline=None)
@given(ends(), st.floats(0.05, 0.95))
def test_derivatives_are_those_of_the_excess(nets, t):
    h = arb(2) ** -80
    with ctx.workprec(400):
        excess = Excess(path_neurons(*nets, T))
        here, before, after = excess(arb(t)), excess(arb(t) - h), excess(arb(t) + h)
        if here.bend.is_finite() and abs(here.bend) < 1e6:  # away from kinks
            assert abs((after.value - before.value) / (2 * h) - here.slope) < 1e-15
            assert abs((after.slope - before.slope) / (2 * h) - here.bend) < 1e-9


@settings(max_examples=8, deadline=None)
@given(ends())
def test_no_position_is_above_the_proved_interval(nets):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = lmc.certify_barrier(*nets, T, max_cells=100)
    assert found.cells[0] == 0
    assert found.cells[-1] == 1
    for t in np.random.default_rng(0).random(4):
        assert exact_excess(*nets, T, t) <= float(found.height.upper) + 1e-14
    floating = lmc.barrier(*nets, T)
    assert float(found.height.lower) >= floating.height - 1e-9 * floating.height - floating.loss_floor or not found.is_tight
    assert float(found.height.upper) >= floating.height - floating.loss_floor
    assert lmc.verify_certificate(found) == found.statement


@pytest.mark.parametrize(("M", "m", "seed"), [(2, 3, 0), (3, 5, 1), (3, 8, 0), (4, 40, 3)])
def test_barriers_of_minima_are_those_without_cancellation(M, m, seed):
    a, b = uniform_pair(M, m, seed)
    floating = minima_barrier(a, b)
    found = lmc.certify_barrier(a.to_network(), b.to_network(), lmc.orthonormal_teacher(M, M), floating.permutation)
    assert found.is_tight
    assert found.height.upper <= found.height.lower * (1 + Fraction(1e-8))
    assert floating.height * (1 - 1e-8) <= float(found.height.upper) <= floating.height * (1 + 2e-8)
    assert lmc.verify_certificate(found) == found.statement


def test_a_known_barrier():
    found = lmc.certify_barrier(TWO, TWO, TWO, [1, 0])
    exact = 1 / 2 - 1 / math.pi
    assert float(found.height.lower) == pytest.approx(exact, rel=1e-14)
    assert found.position == pytest.approx(0.5, abs=1e-6)
    assert not found.is_affine


def test_a_spike_between_the_points_of_a_grid_is_found():
    assert lmc.barrier(*SPIKE, grid_size=101).losses.max() < 1e-9
    assert lmc.barrier(*SPIKE, grid_size=101).height == pytest.approx(1.0, abs=1e-9)
    found = lmc.certify_barrier(*SPIKE)
    assert Fraction(1) in found.height  # E[x^2], at the middle crossing
    assert found.position == CROSSINGS[1]
    assert lmc.verify_certificate(found) == found.statement


@pytest.mark.parametrize(("position", "width"), [(0.123, 1e-3), (0.5077, 2e-4), (0.98765, 1e-3)])
def test_subdivision_finds_narrow_spikes(position, width):
    with ctx.workprec(128):
        function = QuadraticSpike(position, width)
        assert all(function(arb(k) / 100).value == 0 for k in range(101))
        found = maximise(function, 1e-8, 2000)
    assert found.is_tight
    assert 1 - 1e-8 <= float(found.lower) <= 1 <= float(found.upper)


@pytest.mark.parametrize(
    ("net_a", "net_b"),
    [
        (TWO, TWO),
        (lmc.TwoLayerNet([[1.0, 0], [0, 0.25], [0, 0.75]]), lmc.TwoLayerNet([[0.5, 0], [0, 0.5], [0, 0.5]])),
        (lmc.TwoLayerNet([[1.0, 2.0], [0, 0]]), lmc.TwoLayerNet([[2.0, 4.0], [1.0, 1.0]])),
        (lmc.TwoLayerNet([[0.0, 0]]), lmc.TwoLayerNet([[0.0, 0]])),
    ],
)
def test_affine_paths_have_a_barrier_of_exactly_zero(net_a, net_b):
    found = lmc.certify_barrier(net_a, net_b, TWO)
    assert found.is_affine
    assert found.height.lower == found.height.upper == 0
    assert lmc.verify_certificate(found) == found.statement


def test_signs_of_derivatives_prove_zero():
    rng = np.random.default_rng(0)
    nets = [lmc.TwoLayerNet(rng.normal(size=(4, 3))) for _ in range(2)]
    found = lmc.certify_barrier(*nets, T)
    assert not found.is_affine
    assert found.height.lower == found.height.upper == 0
    lmc.verify_certificate(found)


def test_too_few_cells_warn_and_stay_proved():
    with pytest.warns(ConvergenceWarning, match="4 cells"):
        found = lmc.certify_barrier(*SPIKE, max_cells=4)
    assert not found.is_tight
    assert found.height.upper > 1
    lmc.verify_certificate(found)


@pytest.mark.parametrize(("M", "m", "seed"), [(2, 4, 1), (3, 5, 0), (3, 6, 1)])
def test_the_minimum_over_permutations_is_enclosed(M, m, seed):
    a, b = uniform_pair(M, m, seed)
    teacher = lmc.orthonormal_teacher(M, M)
    found = lmc.certify_barrier_modulo_permutation(a.to_network(), b.to_network(), teacher)
    heights = [minima_barrier(a, b, np.array(p)).height for p in permutations(range(m))]
    assert found.is_tight
    assert float(found.height.lower) * (1 - 1e-12) <= min(heights) <= float(found.height.upper) * (1 + 1e-12)
    assert heights[list(permutations(range(m))).index(tuple(found.best.permutation))] == pytest.approx(min(heights), rel=1e-9)
    assert lmc.verify_certificate(found) == found.statement


def test_networks_off_the_axes_are_enclosed_modulo_permutation():
    rng = np.random.default_rng(5)
    a, b = (lmc.TwoLayerNet(rng.normal(size=(4, 3)), [1.0, -1.0, 1.0, -1.0]) for _ in range(2))
    found = lmc.certify_barrier_modulo_permutation(a, b, T)
    heights = [lmc.barrier(a, b, T, np.array(p)).height for p in permutations(range(4))]
    assert float(found.height.lower) - 1e-12 <= min(heights) <= float(found.height.upper) + 1e-12
    assert found.is_tight
    lmc.verify_certificate(found)


def test_positions_that_do_not_suffice_warn():
    a, b = (net.to_network() for net in uniform_pair(3, 5, 0))
    with pytest.warns(ConvergenceWarning, match="1 positions"):
        found = lmc.certify_barrier_modulo_permutation(a, b, lmc.orthonormal_teacher(3, 3), rtol=1e-20, max_positions=1)
    assert 0 <= found.height.lower < found.height.upper
    lmc.verify_certificate(found)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4), st.integers(-40, 40))
def test_rays_are_exact(row, power):
    exact = [Fraction(x) for x in row]
    ray, scale = ray_of(exact)
    assert [scale * x for x in ray] == exact
    assert ray_of([x * Fraction(2) ** power for x in exact]) == (ray, scale * Fraction(2) ** power)


@pytest.fixture(scope="module")
def documents():
    a, b = (net.to_network() for net in uniform_pair(2, 3, 0))
    found = lmc.certify_barrier_modulo_permutation(a, b, TWO)
    return {"barrier": found.best.document(), "modulo-permutation": found.document()}


class Document:
    """What `verify_certificate` sees of a certificate."""

    def __init__(self, document, sign=False):
        self._document = document
        if sign:
            body = {key: value for key, value in document.items() if key != "digest"}
            self._document = {**body, "digest": digest(body)}

    def document(self):
        return self._document


def leaves(node, path=()):
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*path, key))
    else:
        yield path


def changed(document, path):
    result = copy.deepcopy(document)
    node = result
    for key in path[:-1]:
        node = node[key]
    old = node[path[-1]]
    if isinstance(old, bool):
        node[path[-1]] = not old
    elif isinstance(old, int):
        node[path[-1]] = old + 1
    elif "x" in str(old):
        node[path[-1]] = (float.fromhex(old) * 1.0625 + 0.0625).hex()
    else:
        node[path[-1]] = f"{old}1"
    return result


@pytest.mark.parametrize("kind", ["barrier", "modulo-permutation"])
def test_any_change_is_refused(documents, kind):
    document = documents[kind]
    paths = list(leaves(document))
    assert len(paths) > 40
    for path in paths:
        with pytest.raises(CertificateError):
            lmc.verify_certificate(Document(changed(document, path)))
    for key in document:
        with pytest.raises(CertificateError):
            lmc.verify_certificate(Document({name: value for name, value in document.items() if name != key}))


WEIGHTS = ("W", "a", "permutation", "height", "position", "is_affine", "is_tight")


def test_false_statements_are_refused_also_with_a_new_digest(documents):
    document = documents["barrier"]
    refused = 0
    for path in leaves(document):
        if any(key in path for key in WEIGHTS):
            try:
                lmc.verify_certificate(Document(changed(document, path), sign=True))
            except CertificateError:
                refused += 1
                continue
            assert "position" in path or "W" in path, path  # a weight of 0 may have moved where it does no harm
    assert refused > 15


def test_intervals_that_are_too_narrow_are_refused(documents):
    document = documents["barrier"]
    low, high = (Fraction(document["height"][0]) + sign * Fraction(document["height"][1]) for sign in (-1, 1))
    for lower, upper in ((low, low - (high - low)), (high, high), (low, low + (high - low) / 10**6)):
        if lower > upper:
            lower, upper = upper, upper
        false = {**document, "height": [str((lower + upper) / 2), str((upper - lower) / 2)]}
        if lower > low or upper < low:
            with pytest.raises(CertificateError):
                lmc.verify_certificate(Document(false, sign=True))


def test_cells_with_gaps_are_refused(documents):
    document = documents["barrier"]
    cells = document["cells"]
    for false in (cells[1:], cells[:-1], cells[::-1], [cells[0], *cells], []):
        with pytest.raises(CertificateError):
            lmc.verify_certificate(Document({**document, "cells": false}, sign=True))


def test_a_bound_below_another_permutation_is_refused(documents):
    document = documents["modulo-permutation"]
    high = Fraction(document["height"][0]) + Fraction(document["height"][1])
    for positions in ([], [(0.01).hex()]):
        false = {**document, "positions": positions}
        with pytest.raises(CertificateError, match="permutations"):
            lmc.verify_certificate(Document(false, sign=True))
    worse = copy.deepcopy(document)
    order = next(p for p in permutations(range(3)) if list(p) != document["best"]["permutation"])
    worse["best"]["permutation"] = list(order)
    with pytest.raises(CertificateError):
        lmc.verify_certificate(Document(worse, sign=True))
    lossless = {**document, "height": ["0", "0"], "is_tight": True}
    assert high > 0
    with pytest.raises(CertificateError):
        lmc.verify_certificate(Document(lossless, sign=True))


def test_certificates_of_barriers_come_back_from_files(tmp_path, documents):
    a, b = (net.to_network() for net in uniform_pair(2, 3, 0))
    found = lmc.certify_barrier_modulo_permutation(a, b, TWO)
    for k, certificate in enumerate((found, found.best)):
        path = tmp_path / f"{k}.json"
        certificate.save(path)
        again = lmc.load_certificate(path)
        assert again.document() == certificate.document() == documents[certificate.kind]
        assert again.statement == certificate.statement
        assert lmc.verify_certificate(path) == lmc.verify_certificate(again) == certificate.statement
        text = path.read_text()
        path.write_text(text.replace("0x1.", "0x1.1", 1))
        with pytest.raises(CertificateError, match="changed"):
            lmc.load_certificate(path)
    assert json.loads(text)["format"] == "lmctheory certificate"


def test_the_command_verifies_files(tmp_path, capsys, documents):
    path = tmp_path / "barrier.json"
    lmc.certify_barrier(TWO, TWO, TWO, [1, 0]).save(path)
    assert cli.main(["verify-certificate", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("verified    the barrier between two networks of width 2")
    assert err == ""
    assert cli.main(["verify-certificate", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["verified"] is True
    body = {**documents["barrier"], "cells": ["0x0.0p+0", "0x1.0p-1"]}
    body.pop("digest")
    for text in (path.read_text().replace("0x1.", "0x1.1", 1), json.dumps({**body, "digest": digest(body)}), "{}", "[", "no"):
        path.write_text(text)
        assert cli.main(["verify-certificate", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"lmctheory verify-certificate: error: {path}")
        assert err.count("\n") == 1


def test_a_missing_package_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lmctheory.certificates")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(lmc.MissingDependencyError, match=r"pip install 'lmctheory\[certify\]'"):
        importlib.import_module("lmctheory.certificates")
