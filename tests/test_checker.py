"""Parts of the checker of certificates: text becomes exact or is refused, bounds are on the safe side, polynomials enclose."""

import ast
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from flint import arb, arb_poly, ctx
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory.certificates import outward, verify
from lmctheory.certificates.permutations import ModuloCertificate
from lmctheory.certificates.verify_balls import ball, ball_between, floor_of, lies_between, root
from lmctheory.certificates.verify_permutations import permutations_in_groups
from lmctheory.certificates.verify_taylor import MovingPair, kernel_polynomial
from lmctheory.certificates.verify_text import BOOLEAN, FLOAT64, FRACTION, Array, Integer, Pair, parse_json
from lmctheory.errors import CertificateError, InvalidInputError

fractions = st.fractions(max_denominator=10**40) | st.fractions().map(lambda x: x * Fraction(2) ** -900)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_hexadecimal_text_is_read_exactly(x):
    FLOAT64.check(x.hex(), "x")
    assert FLOAT64.read(x.hex()) == Fraction(x)


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "0.08", "0x1", "0x1.8", "1", "0X1.8P+1", " 0x1.8p+1", "0x1.8p+1 ", "0x1.8p+1\n", "+0x1.8p+1", "0x1.8p1",
     "0x2.0p+1", "0x1.00000000000001p+0", "0x1.8p+1024", "0x0.0000000000001p-1023", "0x1.8p+01", "0x1.8p+99999999",
     "0x1.A000000000000p+1",
     "", "0x1.٣p+1", 1.5, 1, True, None, ["0x1.8p+1"], {"x": 1}],
)  # fmt: skip
def test_what_is_no_float64_number_is_refused(text):
    with pytest.raises(CertificateError, match="x must be a float64 number"):
        FLOAT64.check(text, "x")
    good = [(0.5).hex(), (-1e-310).hex(), (0.0).hex()]
    Array(FLOAT64).check(good, "x")
    for place in range(4):
        with pytest.raises(CertificateError, match="x must be a float64 number"):
            Array(FLOAT64).check([*good[:place], text, *good[place:]], "x")


@given(fractions)
def test_fractions_are_read_exactly(x):
    FRACTION.check(str(x), "x")
    assert FRACTION.read(str(x)) == x


@pytest.mark.parametrize(
    "text", ["1/0", "1/00", "1/-2", " 1", "1 ", "1_0", "+1", "1.5", "1e5", "٣", "--1", "/2", "1/", "", "9" * 4301, 1, True, None]
)
def test_what_is_no_fraction_is_refused(text):
    with pytest.raises(CertificateError, match="x must be a fraction"):
        FRACTION.check(text, "x")
    for pair in ([text, "1"], ["1", text]):
        for pairs in ([pair], [["-1/2", "0"], pair, ["3", "1/4"]]):
            with pytest.raises(CertificateError, match="of x must be a fraction"):
                Array(Pair(tuple)).check(pairs, "x")


def test_booleans_are_no_integers_and_integers_no_booleans():
    for value in (True, False, 1.0, "1", None, -1, 11):
        with pytest.raises(CertificateError, match="n must be an integer from 0 to 10"):
            Integer(0, 10).check(value, "n")
    for value in (0, 1, "true", None):
        with pytest.raises(CertificateError, match="b must be true or false"):
            BOOLEAN.check(value, "b")


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"a": 1, "a": 1}', "appears twice"), ('{"a": 1.0}', "integers or text"), ('{"a": NaN}', "integers or text"),
     ('{"a": 1e5}', "integers or text"), ('{"a": 12345678901}', "more than 9 digits"), ("[1]", "not a JSON object"),
     ('{"a": ' + "[" * 2000 + "]" * 2000 + "}" + " " * 20_000, "nested too deeply"),
     ('{"a": ' + "[" * 9_000, "more names or brackets"), ('{"a": 1', "cut short"), ("", "not JSON")],
)  # fmt: skip
def test_json_is_read_strictly(text, reason):
    with pytest.raises(CertificateError, match=reason):
        parse_json(text)


@given(fractions, st.fractions(0, 1).filter(bool), st.sampled_from([0, 3, 30, 300]))
def test_printed_enclosures_hold_what_is_enclosed(midpoint, radius, power):
    radius *= Fraction(10) ** -power
    for exact in (radius, Fraction(0)):
        middle, _, reach = outward.enclosure(midpoint, exact).partition(" +/- ")
        shown, reach = Fraction(Decimal(middle)), Fraction(Decimal(reach or 0))
        assert shown - reach <= midpoint - exact
        assert midpoint + exact <= shown + reach


@given(fractions)
def test_printed_bounds_are_on_the_safe_side(x):
    low, high = Fraction(Decimal(outward.at_least(x))), Fraction(Decimal(outward.at_most(x)))
    assert low <= x <= high
    assert high - low <= abs(x) / 50


@given(fractions, st.integers(-200, 200))
def test_rounding_down_is_exact(x, bits):
    with ctx.workprec(64):
        value = ball(x)
        found = floor_of(value, bits)
        lower = Fraction(int(value.lower().man_exp()[0])) * Fraction(2) ** int(value.lower().man_exp()[1])
    assert found <= lower * Fraction(2) ** bits < found + 1
    assert found <= x * Fraction(2) ** bits


@given(fractions, fractions)
def test_balls_hold_their_ends(x, y):
    low, high = min(x, y), max(x, y)
    with ctx.workprec(53):
        both = ball_between(low, high)
        with ctx.workprec(2000):
            assert both.contains(ball(low))
            assert both.contains(ball(high))
        if lies_between(both, low - 1, high + 1):
            assert not lies_between(both, low + (high - low) / 3 + 1, high + 1)
        assert root(arb(-1, 0.5)).contains(0)


def moving_pair(u, v, du, dv):
    """The inner products of u + s du and v + s dv."""
    u, v, du, dv = ([arb(x) for x in row] for row in (u, v, du, dv))

    def dot(x, y):
        return sum((p * q for p, q in zip(x, y, strict=True)), arb(0))

    def product(x, dx, y, dy):
        return arb_poly([dot(x, y), dot(x, dy) + dot(dx, y), dot(dx, dy)])

    def along(dx, y, dy):
        return arb_poly([dot(dx, y), dot(dx, dy)])

    g, h, i = product(u, du, u, du), product(v, dv, v, dv), product(u, du, v, dv)
    return MovingPair(
        g, h, i, g * h - i * i,
        dot(du, du) * h - along(du, v, dv) * along(du, v, dv), dot(dv, dv) * g - along(dv, u, du) * along(dv, u, du),
    )  # fmt: skip


def kernel(u, v):
    """``K(u, v)`` to 60 digits."""
    r, s = (mp.sqrt(mp.fsum(x * x for x in row)) for row in (u, v))
    p = 2 * mp.atan2(
        mp.sqrt(mp.fsum((x / r - y / s) ** 2 for x, y in zip(u, v, strict=True))),
        mp.sqrt(mp.fsum((x / r + y / s) ** 2 for x, y in zip(u, v, strict=True))),
    )
    return r * s * (mp.sin(p) + (mp.pi - p) * mp.cos(p)) / (2 * mp.pi)


PAIRS = {
    "wide angle": ([1.0, 0.5, 0.2], [-0.3, 1.0, 0.1], [0.3, -0.2, 0.1], [0.1, 0.2, -0.4]),
    "right angle": ([1.0, 0.0], [1e-7, 0.7], [0.1, 1e-7], [0.0, -0.2]),
    "nearly parallel": ([1.0, 1e-6, 0.0], [0.5, -1e-6, 1e-7], [0.2, 1e-6, 1e-6], [-0.2, 1e-6, 0.0]),
    "crossing": ([1.0, -1e-6], [0.5, 1e-6], [0.3, 8e-6], [-0.2, -3e-6]),
    "nearly opposite": ([1.0, 1e-6, 0.0], [-0.5, 1e-6, 1e-7], [0.2, 1e-6, 1e-6], [0.2, 1e-6, 0.0]),
    "crossing opposite": ([1.0, -1e-6], [-0.5, -1e-6], [0.3, 8e-6], [0.2, 3e-6]),
    "same direction at the centre": ([1.0, 2.0], [0.5, 1.0], [1.0, -1.0], [0.0, 0.25]),
}


@pytest.mark.parametrize("radius", [0.1, 0.01])
@pytest.mark.parametrize("name", PAIRS)
def test_polynomials_enclose_the_kernel_and_its_derivatives(name, radius):
    u, v, du, dv = PAIRS[name]
    with ctx.workprec(300), mp.workdps(60):
        polynomial = kernel_polynomial(moving_pair(u, v, du, dv), arb(0, radius))
        slope = polynomial.derivative()

        def exact(s):
            return kernel(*([mp.mpf(x) + s * mp.mpf(y) for x, y in zip(*rows, strict=True)] for rows in ((u, du), (v, dv))))

        for s in (-0.99 * radius, -radius / 3, 0.0, radius / 7, radius):
            s, h = mp.mpf(s), mp.mpf(10) ** -15
            values = [exact(s + k * h) for k in (-1, 0, 1)]
            slopes, bend = (values[2] - values[0]) / (2 * h), (values[2] - 2 * values[1] + values[0]) / h**2
            at = arb(mp.nstr(s, 40))
            for found, wanted, slack in (
                (polynomial, values[1], 1e-35),
                (slope, slopes, 1e-12),
                (slope.derivative(), bend, 1e-10),
            ):
                assert found(at).overlaps(arb(mp.nstr(wanted, 40)) + arb(0, slack)), (float(s), found(at), wanted)
        if "parallel" in name or "opposite" in name or name == "crossing":
            assert polynomial(arb(radius)).rad() < 1e-15  # of the third order in an angle of 1e-6


def test_kernels_of_neurons_that_may_vanish_have_no_polynomial():
    with ctx.workprec(100):
        assert kernel_polynomial(moving_pair([0.0, 1e-9], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]), arb(0, 0.1)) is None


def test_a_barrier_that_is_zero_is_proved_although_its_terms_cancel_to_20_digits():
    teacher = lmc.TwoLayerNet([[1.0, 0.0], [0.0, 1.0]])
    a = lmc.TwoLayerNet([[-5.45495153e-07, 2.73413578e-01], [1.0, -3.35622105e-13], [5.45495602e-07, 7.26586422e-01]])
    b = lmc.TwoLayerNet([[3.30096435e-07, 8.73785560e-01], [1.0, -1.93380023e-13], [-3.30096177e-07, 1.26214440e-01]])
    found = lmc.certify_barrier(a, b, teacher)
    assert found.height.upper == 0 < lmc.certify_loss(a, teacher).loss.lower
    assert not found.is_affine
    assert lmc.verify_certificate(found) == "the barrier between two networks of width 3 under a given permutation is 0"


def test_a_check_that_may_take_longer_than_the_limit_is_refused_before_it_starts(monkeypatch):
    teacher = lmc.orthonormal_teacher(2, 2)
    found = lmc.certify_barrier(teacher, teacher, teacher, [1, 0])
    monkeypatch.setattr(verify, "CHECKS", {})
    with pytest.raises(CertificateError, match=r"the check may take .* s, more than limit = 0.001 s; pass limit=\d+"):
        lmc.verify_certificate(found, limit=0.001)
    for limit in (0, -1, float("nan"), "1", True, None):
        with pytest.raises(InvalidInputError, match="limit must be a positive number"):
            lmc.verify_certificate(found, limit=limit)


def test_digits_that_cannot_be_had_are_not_stated():
    net, teacher = lmc.TwoLayerNet([[1.0, 0.5]]), lmc.orthonormal_teacher(1, 2)
    with pytest.warns(lmc.ConvergenceWarning, match=r"8192 bits give 24\d\d digits instead of 2500"):
        found = lmc.certify_loss(net, teacher, digits=2500)
    assert 2400 < found.digits < 2500
    assert found.loss.radius * 10**found.digits <= found.loss.midpoint
    assert lmc.verify_certificate(found) == found.statement


def test_the_checker_holds_no_floating_point_numbers():
    folder = Path(verify.__file__).parent
    modules = [*folder.glob("verify*.py"), folder / "outward.py"]
    assert len(modules) == 10
    for path in modules:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        numbers = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if path.name == "verify.py":  # the limit of time is a number of seconds, and no part of any proof
            continue
        assert not numbers, path.name
        assert "float" not in names or path.name == "verify_local_minimum.py", path.name
        assert not names & {"np"} or path.name in ("verify_local_minimum.py", "verify_permutations.py"), path.name


def test_arrays_of_permutations_hold_every_permutation_once():
    for m in (1, 2, 5, 8):
        rows = np.concatenate(list(permutations_in_groups(m)))
        assert len(np.unique(rows, axis=0)) == len(rows) == np.prod(np.arange(1, m + 1))
        assert (np.sort(rows, axis=1) == np.arange(m)).all()


def net(W, a):
    return lmc.TwoLayerNet(np.array(W, dtype=float), np.array(a, dtype=float))


@pytest.mark.parametrize(("width", "positions"), [(21, 0), (50, 0), (50, 1), (1, 257)])
def test_more_permutations_or_positions_than_the_search_could_have_tried_are_refused(width, positions):
    a = net([[1.0]] * width, [1.0] * width)
    best = lmc.certify_barrier(a, a, a)
    claimed = ModuloCertificate(best, best.height, np.full(positions, 0.5), 1e-6, True)
    with pytest.raises(CertificateError, match=r"more than 20 neurons|at most 256 positions"):
        lmc.verify_certificate(claimed, limit=float("inf"))


e1, e2, skew = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], np.array([0.6, -0.5, 0.8])
SEGMENTS = {
    "neurons of the teacher that nearly cancel": (
        net([e1, e2], [1, 1]), net([e2, e1], [1, 1]), net([e1, e2, skew, skew + np.array([1e-6, 2e-6, 0])], [1, 1, 1e6, -1e6])
    ),
    "multiples that move and cancel": (
        net([[-1], [-2], [0]], [2, -1, -1]), net([[1], [2], [0]], [2, -1, -1]), net([[0]], [-1])
    ),
    "a height that is a fraction": (net([[2], [1]], [0, 1]), net([[1], [2]], [1, 0]), net([[2], [-1]], [-1, -2])),
    "a neuron that all but vanishes at the end": (
        net([[1, -2.0**-500, -2.0**-500], [-8, -2.0**-200, 1]], [-2.0**100, -2.0**-30]),
        net([[-2.0**-500, 2.0**-500, 2.0**-500], [8, -1, -0.5]], [-2.0**100, -1]),
        net([[2.0**100, -2.0**-200, 2.0**100]], [1]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SEGMENTS)
def test_barriers_at_the_edge_of_what_enclosures_show_are_confirmed(name):
    found = lmc.certify_barrier(*SEGMENTS[name])
    assert lmc.verify_certificate(found) == found.statement


@pytest.mark.parametrize("digits", [20, 100, 2400])
@pytest.mark.parametrize(
    ("student", "teacher"),
    [(net([[0, -2]], [-2]), net([[0, 0]], [-1])), (net([[1], [-2], [0]], [0, -1, 1]), net([[1], [-2], [0]], [1, 0, 2])),
     (net([[1, 1]], [0]), net([[-3, -3]], [1])), (net([[1, 1], [0, 1.5]], [-1, -1]), net([[-0.1, -0.1], [0, 1]], [-1, 1]))],
)  # fmt: skip
def test_values_that_are_fractions_are_confirmed_to_any_number_of_digits(student, teacher, digits):
    for certify in (lmc.certify_loss, lmc.certify_gradient, lmc.certify_hessian):
        found = certify(student, teacher, digits=digits)
        assert lmc.verify_certificate(found) == found.statement


@pytest.mark.parametrize(
    ("W", "others", "outputs"),
    [([[1, 1, 1]], [[-1, -1, -1]], [1, 1]), ([[3, 4]], [[-3, -4]], [1, 1]), ([[3]], [[-1]], [1, 1]),
     ([[0.86, -0.064], [-1.22, -0.053]], [[-0.43, 0.032]], [1, 1, 0.01]), ([[1, 0], [0, 1]], [[-1, -1]], [1, 1, 1e-3])],
)  # fmt: skip
def test_local_minima_among_neurons_on_one_line_are_confirmed(W, others, outputs):
    found = lmc.certify_local_minimum(net(W, [1.0] * len(W)), net([*W, *others], outputs))
    assert lmc.verify_certificate(found) == found.statement
