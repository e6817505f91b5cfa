"""No false statement is accepted, of certificates of every kind in which something was changed; and the judge can be trusted."""

import json
from collections import Counter
from fractions import Fraction

import mpmath as mp
import numpy as np
import pairs
import pytest
import reference

pytest.importorskip("flint")

from flint import arb, ctx, fmpq
from forgery import forge
from honest import Base, bases, with_digest
from judging import Judge, exact_network, overstates
from true_segments import Line, Segment
from truths import PRECISION, Point, kernel, lies_between, rational, vanishes

import lmctheory as lmc
from lmctheory.errors import CertificateError

FORGED = 500
SEED = 2


@pytest.fixture(scope="module")
def honest():
    return bases(1, widest=2)


@pytest.fixture(scope="module")
def judge():
    return Judge()


def accepts(body, path):
    """Whether the checker proves what the file states; nothing but a `CertificateError` may be raised."""
    path.write_text(json.dumps(with_digest(body)))
    try:
        statement = lmc.verify_certificate(path)
    except CertificateError:
        return False
    assert not overstates(statement, body), statement
    return True


@pytest.mark.jit
def test_no_false_statement_is_accepted(honest, judge, tmp_path):
    """A third and more of all forged certificates state something false, of every kind; some that stay true are accepted."""
    found, false_accepted = Counter(), []
    for n in range(FORGED):
        body, field = forge(honest[n % len(honest)], np.random.default_rng([SEED, n]), judge)
        truth, accepted = judge.is_true(body), accepts(body, tmp_path / "forged.json")
        found[body["kind"], truth, accepted] += 1
        if truth is False and accepted:
            false_accepted.append((n, honest[n % len(honest)].name, field))
    assert false_accepted == []
    for kind in {base.body["kind"] for base in honest}:
        assert found[kind, False, False] > 4
        assert found[kind, True, True] > 0
    assert sum(count for (_, truth, _), count in found.items() if truth is False) > FORGED / 3
    assert sum(count for (_, truth, _), count in found.items() if truth is None) < FORGED / 20


@pytest.mark.jit
def test_false_statements_found_by_thought_are_refused(honest, judge, tmp_path):
    planted = [base for base in honest if base.name.startswith("planted")]
    assert {base.name.split()[1] for base in planted} == {"exchange", "strip", "integer"}
    for base in planted:
        assert judge.is_true(base.body) is False, base.name
        assert not accepts(base.body, tmp_path / "forged.json"), base.name


@pytest.mark.jit
def test_honest_certificates_are_true_and_accepted(honest, judge, tmp_path):
    for base in honest:
        if not base.name.startswith("planted"):
            assert judge.is_true(base.body) is True, base.name
            assert accepts(base.body, tmp_path / "honest.json"), base.name


@pytest.mark.jit
def test_the_same_seed_forges_the_same(honest, judge):
    first, second = (forge(honest[7], np.random.default_rng(5), judge) for _ in range(2))
    assert first == second


# ---------------------------------------------------------------------------------------------------- whether the judge is right


@pytest.mark.parametrize("seed", range(4))
def test_kernels_are_those_of_50_digits(seed):
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, 3))
    v = u + v * 10.0 ** -(4 * seed)
    zero = [fmpq(0)] * 3
    with ctx.workprec(PRECISION):
        found = kernel([rational(x) for x in u], zero, [rational(x) for x in v], zero)[0]
        shown = mp.mpf(found.str(60, radius=False))
    expected = reference.mp_kernel(*(reference.mp_rows(w)[0] for w in (u, v)))
    assert abs(shown - expected) < mp.mpf(10) ** -38 * abs(expected)


def test_kernels_are_expectations():
    """``E[relu(u.x) relu(v.x)]`` over the angle of x in the plane, where the radius contributes ``E|x|^2 / 2 = 1``."""
    u, v = [fmpq(3), fmpq(1)], [fmpq(-1), fmpq(2)]
    edges = sorted({-mp.pi, mp.pi, *(mp.atan2(-s * w[0], s * w[1]) for w in ((3, 1), (-1, 2)) for s in (1, -1))})
    value = mp.quad(
        lambda p: max(3 * mp.cos(p) + mp.sin(p), 0) * max(-mp.cos(p) + 2 * mp.sin(p), 0) / mp.pi, edges
    )  # fmt: skip
    assert abs(mp.mpf(kernel(u, [fmpq(0)] * 2, v, [fmpq(0)] * 2)[0].str(20, radius=False)) - value) < 1e-14


def test_derivatives_are_differences():
    """Gradient and Hessian in 200 digits against differences of losses in 200 digits."""
    pair = pairs.draw("random", 3, 2)
    net, teacher = (
        [[[rational(x) for x in row] for row in n.W.tolist()], [rational(x) for x in n.a.tolist()]] for n in (pair[0], pair[2])
    )
    step = fmpq(1, 2**100)

    def loss(moves):
        W = [list(row) for row in net[0]]
        for (i, k), by in moves:
            W[i][k] += by
        return Point((W, net[1]), teacher).loss

    with ctx.workprec(PRECISION):
        point, d = Point(tuple(net), tuple(teacher)), len(net[0][0])
        for first in ((0, 0), (0, 1), (1, 0)):
            slope = (loss([(first, step)]) - loss([(first, -step)])) / (2 * step)
            assert abs(slope - point.gradient[first[0]][first[1]]) < arb(2) ** -180
            for second in ((0, 0), (1, 0), (1, 1)):
                corners = [s * q * loss([(first, s * step), (second, q * step)]) for s in (1, -1) for q in (1, -1)]
                bend = sum(corners, arb(0)) / (4 * step * step)
                assert abs(bend - point.hessian[first[0] * d + first[1]][second[0] * d + second[1]]) < arb(2) ** -180


def test_a_known_barrier_is_found_to_200_digits():
    """``1/2 - 1/pi`` where both neurons of an orthonormal teacher change places."""
    teacher = exact_network({"W": [["0x1p+0", "0x0p+0"], ["0x0p+0", "0x1p+0"]], "a": ["0x1p+0", "0x1p+0"]})
    found = Segment(teacher, (teacher[0][::-1], teacher[1]), teacher)
    with ctx.workprec(PRECISION):
        assert abs(found.maximum - (arb(1) / 2 - 1 / arb.pi())) < arb(2) ** -664
        low, high = fmpq(18169011, 10**8), fmpq(18169012, 10**8)
        assert lies_between(found.maximum, low, high) is True
        assert lies_between(found.maximum, high, high + 1) is False


def test_barriers_on_a_line_are_decided_exactly():
    """One neuron that turns from 1 to -1 while ``|x| / 2`` is taught: the excess is ``p^2 / 2 - p / 2 + 1/8`` at its least."""
    net_a, net_b = ([[fmpq(1)]], [fmpq(1)]), ([[fmpq(-1)]], [fmpq(1)])
    teacher = ([[fmpq(1)], [fmpq(-1)]], [fmpq(2), fmpq(2)])
    found = Line(net_a, net_b, teacher)
    peak = found.excess(fmpq(1, 2))
    assert peak == fmpq(3, 2) > 0
    tiny = fmpq(1, 2**2000)
    for bound, exceeded, reached in (
        (peak, False, True),
        (peak - tiny, True, True),
        (peak + tiny, False, False),
        (fmpq(0), True, True),
    ):
        assert found.exceeds(bound) is exceeded
        assert found.reaches(bound) is reached


@pytest.mark.parametrize("seed", range(12))
def test_the_exact_maximum_on_a_line_is_that_of_newton(seed):
    pair = pairs.draw("line", seed, 3)
    nets = [
        exact_network({"W": [[x.hex() for x in row] for row in n.W.tolist()], "a": [x.hex() for x in n.a.tolist()]}) for n in pair
    ]
    with ctx.workprec(PRECISION):
        exact, value = Line(*nets), Segment(*nets).maximum
        middle = value if isinstance(value, fmpq) else rational(Fraction(*map(int, (value.mid().fmpq().p, value.mid().fmpq().q))))
        step = fmpq(1, 2**400)
        assert exact.reaches(middle - step)
        assert not exact.exceeds(middle + step)
        grid = max(exact.excess(fmpq(k, 256)) for k in range(257))
        assert exact.reaches(grid)


def test_functions_that_are_zero():
    one, row = fmpq(1), [fmpq(1), fmpq(2)]
    opposite = [-x for x in row]
    assert vanishes([row, row], [one, -one])
    assert vanishes([row, [2 * x for x in row]], [one, -one / 2])
    assert not vanishes([row, opposite], [one, -one])  # a linear function
    assert not vanishes([row, opposite], [one, one])  # a kink


def test_the_judge_tells_true_from_false():
    """A loss of 1/2 in one dimension, exactly: what touches it is true, what misses it by 2^-3000 is false."""
    half = {"net": {"W": [["0x1p+0"]], "a": ["0x1p+0"]}, "teacher": {"W": [["-0x1p+0"], ["0x1p+0"]], "a": ["0x1p+0", "0x1p+0"]}}
    middle, tiny = Fraction(1, 2), Fraction(1, 2**3000)
    for low, high, truth in ((middle, middle, True), (middle, 1, True), (middle + tiny, 1, False), (0, middle - tiny, False)):
        body = {"kind": "loss", **half, "loss": [str((low + high) / 2), str((high - low) / 2)], "digits": 0, "precision": 128}
        assert Judge().is_true(body) is truth
    body |= {"loss": ["1/2", "1/2"], "digits": 1}
    assert Judge().is_true(body) is False


@pytest.mark.parametrize(
    ("statement", "overstated"),
    [
        ("the loss of width 3 is 0.5 +/- 0.25", False),
        ("the loss of width 3 is 0.5 +/- 0.2499999", True),
        ("the loss of width 3 is 5.01E-1 +/- 2.5e-1", True),
        ("the loss of width 3 is 0.5", True),
    ],
)
def test_what_is_printed_may_say_more_than_the_file(statement, overstated):
    assert overstates(statement, {"kind": "loss", "loss": ["1/2", "1/4"]}) is overstated


@pytest.mark.jit
def test_a_base_has_a_name_and_a_body(honest):
    assert all(isinstance(base, Base) and base.body["format"] for base in honest)
    assert len({base.name for base in honest}) > 60
