"""The checks themselves are tested on losses that have the symmetry and on losses that lack it, each in a way of its own."""

import re
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory import strategies
from lmctheory.strategies import invariance
from lmctheory.strategies.cases import Case
from lmctheory.strategies.rounding import Judge
from lmctheory.strategies.search import Search
from lmctheory.strategies.symmetries import Rotation

X = np.random.default_rng(0).normal(size=(20, 1000))
X32 = X.astype(np.float32)
CHECKS = {
    "permutation": strategies.assert_permutation_invariant,
    "rescaling": strategies.assert_rescaling_invariant,
    "rotation": strategies.assert_rotation_invariant,
}


def squares(W, a):
    return np.mean((np.maximum(X[:, : W.shape[1]] @ W.T, 0) @ a - 1) ** 2)


def squares32(W, a):
    W, a = W.astype(np.float32), a.astype(np.float32)
    return np.mean((np.maximum(X32[:, : W.shape[1]] @ W.T, 0) @ a - 1) ** 2)


def norms(W, a):
    return np.abs(a) @ np.linalg.norm(W, axis=1)


def norms32(W, a):
    return np.sum(np.abs(a.astype(np.float32)) * np.sqrt(np.sum(W.astype(np.float32) ** 2, axis=1)))


def in_turn(W, a):
    """Neurons added up one after the other, in single precision."""
    total = np.zeros(20, np.float32)
    for w, b in zip(W.astype(np.float32), a.astype(np.float32), strict=True):
        total = total + b * np.maximum(X32[:, : W.shape[1]] @ w, 0)
    return np.mean((total - 1) ** 2)


def logistic(W, a):
    return np.mean(np.logaddexp(0, np.maximum(X[:, : W.shape[1]] @ W.T, 0) @ a))


def gram(W, a):
    """The squared norm of a function in a kernel space, whose terms may cancel."""
    return a @ np.maximum(W @ W.T, 0) @ a


def gram32(W, a):
    W, a = W.astype(np.float32), a.astype(np.float32)
    return a @ np.maximum(W @ W.T, 0) @ a


def zero_neurons(W, a):
    return int(np.sum(~W.any(axis=1)))


def sign_of_first(W, a):
    return float(W[0, 0] > 0)


def teacher_loss(W, a):
    return lmc.population_loss(lmc.TwoLayerNet(W, a), lmc.orthonormal_teacher(1, W.shape[1]))


def merged(W, a):
    """Copies are merged first, correctly."""
    rows, inverse = np.unique(W, axis=0, return_inverse=True)
    return squares(rows, np.bincount(inverse.ravel(), weights=a, minlength=len(rows)))


RIGHT = {
    "permutation": [
        squares, squares32, norms, norms32, in_turn, logistic, gram, gram32, zero_neurons, teacher_loss, merged,
        lambda W, a: 3.0, lambda W, a: float(squares32(W, a)), lambda W, a: np.sort(a) @ np.arange(len(a)),
        lambda W, a: 1e-12 * norms(W, a), lambda W, a: 1e12 * squares(W, a), lambda W, a: a.max() + W.max(),
    ],
    "rescaling": [
        squares, squares32, norms, norms32, in_turn, logistic, gram, gram32, zero_neurons, teacher_loss,
        lambda W, a: 3.0, lambda W, a: float(squares32(W, a)), lambda W, a: float(np.sum(a > 0)),
        lambda W, a: 1e-12 * norms(W, a),
    ],
    "rotation": [
        norms, norms32, gram, gram32, lambda W, a: 3.0, zero_neurons, lambda W, a: np.sum(a), lambda W, a: np.trace(W @ W.T),
        lambda W, a: np.linalg.norm(W, 2), lambda W, a: norms(W, a) ** 2, lambda W, a: 1e-12 * norms(W, a),
        lambda W, a: np.log1p(norms(W, a)),
    ],
}  # fmt: skip
SIZES = [{}, {"width": 2, "input_dim": 1}, {"width": (1, 200), "input_dim": (1, 60)}, {"width": 40, "input_dim": 100}]


@cache
def examples(symmetry):
    """Return for each size the weights before and after, in all examples of a check: drawn once, for all losses."""
    found = []

    class Recorder(Judge):
        def compare(self, before, after, complete=False):
            found[-1].append((before, after))
            return super().compare(before, after, complete)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invariance, "Judge", Recorder)
        for size in SIZES:
            found.append([])
            CHECKS[symmetry](lambda W, a: 0.0, **size, max_examples=40)
    return found


@pytest.mark.parametrize(("symmetry", "number"), [(name, k) for name, losses in RIGHT.items() for k in range(len(losses))])
def test_right_losses_pass(symmetry, number):
    loss = RIGHT[symmetry][number]
    for cases in examples(symmetry):
        assert len(cases) == 40
        judge = Judge(lambda weights: loss(np.array(weights["W"]), np.array(weights["a"], dtype=float)), None, None)
        for _ in range(2):  # the second time in the precision that all values show
            assert all(judge.compare(before, after).equal for before, after in cases)


@pytest.mark.parametrize("symmetry", CHECKS)
@pytest.mark.parametrize("number", [0, 1])
def test_checks_of_right_losses_pass(symmetry, number):
    for size in SIZES:
        CHECKS[symmetry](RIGHT[symmetry][number], **size, max_examples=20)


def with_fault(loss, fault):
    return lambda W, a: loss(W, a) + fault(W, a)


def at_copies(W, a):
    _, first = np.unique(W, axis=0, return_index=True)
    return np.sum(a[first])


def relative(size):
    """A relative error of one loss in two, by the order of the neurons."""
    return lambda W, a: squares(W, a) * (1 + size * (a[0] > a[-1]))


def relative32(size):
    return lambda W, a: np.float32(squares32(W, a) * np.float32(1 + size * (a[0] > a[-1])))


LARGE = {"width": 300, "input_dim": 3}
BROKEN = {
    "permutation": {
        "first neuron": (lambda W, a: a[0] ** 2, {}),
        "last neuron": (lambda W, a: W[-1] @ W[-1], {}),
        "first neuron of many": (sign_of_first, LARGE),
        "order of a sum": (lambda W, a: np.sum(np.cumsum(a) ** 2), {}),
        "order of a sum of many": (lambda W, a: np.sum(np.cumsum(a) ** 2), LARGE),
        "one pair": (lambda W, a: W[0] @ W[1] if len(a) > 1 else 0.0, {}),
        "one pair of many": (lambda W, a: W[100] @ W[200], LARGE),
        "sorted weights": (lambda W, a: np.sort(W[:, 0]) @ a, {}),
        "index": (lambda W, a: np.arange(len(a)) @ np.abs(a), {}),
        "zero neurons": (with_fault(squares, lambda W, a: 0.1 * a[0] * (not W[0].any())), {}),
        "copies": (at_copies, {}),
        "copies among many": (at_copies, LARGE),
        "large widths": (lambda W, a: a[0] if len(a) > 150 else norms(W, a), {"width": (1, 200), "input_dim": 2}),
        "blocks": (lambda W, a: norms(W[:256], a[:256]), {"width": 257, "input_dim": 4}),
        "1e-6 in double": (relative(1e-6), {}),
        "1e-6 in double, many": (relative(1e-6), LARGE),
        "1e-6 in double, 64 x 64": (relative(1e-6), {"width": 64, "input_dim": 64}),
        "1e-3 in single": (relative32(1e-3), {}),
        "1e-3 in single, many": (relative32(1e-3), LARGE),
        "tiny scale": (lambda W, a: 1e-12 * a[0] ** 2, {}),
        "half the weights in single": (lambda W, a: norms(W, a) + 1e-5 * np.abs(a[0]), {}),
        "infinite": (lambda W, a: np.inf if a[0] > a[-1] else 1.0, {}),
        "hash": (lambda W, a: hash(a.tobytes()) % 97 / 97, {}),
    },
    "rescaling": {
        "norm": (lambda W, a: np.sum(W**2), {}),
        "decay": (with_fault(squares, lambda W, a: 0.01 * np.sum(W**2)), {}),
        "output norm": (lambda W, a: np.sum(np.abs(a)), {}),
        "output weights alone": (lambda W, a: np.sum(a), LARGE),
        "large weights": (lambda W, a: float(np.sum(np.abs(W) > 1)), {}),
        "biases": (lambda W, a: np.mean((np.maximum(X[:, : W.shape[1]] @ W.T + 0.1, 0) @ a) ** 2), {}),
        "smooth": (lambda W, a: np.mean((np.logaddexp(0, X[:, : W.shape[1]] @ W.T) @ a) ** 2), {}),
        "cosine with a floor": (lambda W, a: np.sum(a * np.linalg.norm(W, axis=1) + 1e-3 * np.abs(a)), {}),
        "one neuron": (lambda W, a: norms(W, a) + a[0] ** 2, LARGE),
        "only at width 1": (lambda W, a: float(np.abs(a[0])) if len(a) == 1 else norms(W, a), {}),
        "only at zero neurons": (with_fault(squares, lambda W, a: np.sum(np.abs(a[~W.any(axis=1)]))), {}),
        "1e-6 in double": (lambda W, a: squares(W, a) * (1 + 1e-6 * (np.abs(a).sum() > 3)), {}),
        "large": (lambda W, a: np.sum(W**2), {"width": 64, "input_dim": 64}),
    },
    "rotation": {
        "axes": (lambda W, a: np.sum(np.abs(W)), {}),
        "first input": (lambda W, a: np.sum(W[:, 0] ** 2), {"input_dim": (2, 5)}),
        "data": (squares, {}),
        "largest entry": (lambda W, a: np.max(np.abs(W)), {"input_dim": 3}),
        "sum": (lambda W, a: np.sum(W), {}),
        "sign": (lambda W, a: float(np.sum(W[:, 0] > 0)), {}),
        "reflections": (lambda W, a: np.linalg.det(W), {"width": 3, "input_dim": 3}),
        "only in one dimension": (lambda W, a: W[0, 0] if W.shape[1] == 1 else norms(W, a), {}),
        "only at width 1": (lambda W, a: W[0, 0] if len(a) == 1 else norms(W, a), {}),
        "1e-6 in double": (lambda W, a: norms(W, a) * (1 + 1e-6 * (W[0, 0] > 0)), {}),
        "many inputs": (lambda W, a: np.sum(np.abs(W)), {"width": 10, "input_dim": 784}),
        "many neurons": (lambda W, a: np.sum(W[:, 0]), LARGE),
        "few examples": (lambda W, a: np.sum(W**4), {"width": 10, "input_dim": 40, "max_examples": 2}),
    },
}


@pytest.mark.parametrize(("symmetry", "name"), [(symmetry, name) for symmetry, losses in BROKEN.items() for name in losses])
def test_broken_losses_are_caught(symmetry, name):
    loss, options = BROKEN[symmetry][name]
    with pytest.raises(AssertionError, match="not invariant"):
        CHECKS[symmetry](loss, **options)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_max_examples_are_networks_that_are_changed(check):
    seen = []
    check(lambda W, a: seen.append((W.tobytes(), a.tobytes())) or 0.0, width=300, input_dim=3, max_examples=7)
    assert sum(first != second for first, second in pairwise(seen)) >= 7
    assert len(set(seen)) >= 12


def test_too_few_examples_are_a_failure():
    case = Case({"W": np.zeros((1, 1)), "a": np.ones(1)}, {"normals": np.ones((1, 1))})
    search = Search(st.just(case), Rotation(), Judge(lambda weights: 1.0, None, None), max_examples=5, seed=0, minimal=True)
    with pytest.raises(lmc.LmcError, match="only 0 of max_examples = 5 networks of this size could be drawn"):
        search.failure()


def test_one_neuron_cannot_be_permuted():
    with pytest.raises(lmc.InvalidInputError, match="width must be at least 2, or reach it"):
        strategies.assert_permutation_invariant(norms, width=1)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("size", [{}, LARGE])
def test_losses_that_are_no_numbers_fail(check, size):
    with pytest.raises(AssertionError, match="the loss is not a number"):
        check(lambda W, a: np.nan, **size)
    with pytest.raises(AssertionError, match="the loss is not a number"):
        check(lambda W, a: np.nan if (a == 0).any() else 1.0, **size)
    with pytest.raises(KeyError, match="of the loss"):
        check(lambda W, a: {}["of the loss"], **size)


@pytest.mark.parametrize(
    "value", ["1.0", b"1", np.complex128(1), np.ma.masked, np.ma.array(1.0, mask=True), None, [1.0], np.ones(2)]
)
def test_values_that_float_would_take_on_trust_are_refused(value):
    with pytest.raises(lmc.InvalidInputError, match="loss must return one real number"):
        strategies.assert_permutation_invariant(lambda W, a: value)


@pytest.mark.parametrize("convert", [np.float16, np.float32])
def test_half_precision_is_refused_unless_tolerances_are_given(convert):
    def loss(W, a):
        return convert(np.abs(a).max())

    if convert is np.float16:
        with pytest.raises(lmc.InvalidInputError, match="single or double precision, got a value in float16"):
            strategies.assert_permutation_invariant(loss)
    strategies.assert_permutation_invariant(loss, rtol=1e-2, atol=1e-2)


def test_failures_say_in_which_precision():
    for loss, expected in ((relative32(1e-2), "precision:      single"), (relative(1e-6), "precision:      double")):
        with pytest.raises(AssertionError, match=expected):
            strategies.assert_permutation_invariant(loss, width=4, input_dim=2)


def test_early_values_in_single_precision_do_not_hide_a_fault_in_double():
    """A fault that single precision would excuse, in values that look like it until a third comes."""

    def loss(W, a):
        return 1.0 + 2.0**-23 * (a[0] > a[-1]) + (1 / 3 if (W[0] == W[-1]).all() and W[0].any() else 0.0)

    with pytest.raises(AssertionError, match="precision:      double"):
        strategies.assert_permutation_invariant(loss, width=4, input_dim=2, max_examples=600)


@pytest.mark.parametrize(
    ("symmetry", "loss", "size"),
    [
        ("permutation", lambda W, a: a[0] ** 2, {"width": 1000, "input_dim": 100}),
        ("permutation", relative(1e-4), LARGE),
        ("rescaling", lambda W, a: np.sum(W**2), {"width": 10, "input_dim": 784}),
        ("rotation", lambda W, a: np.sum(W[:, 0]), {"width": 64, "input_dim": 64}),
        ("permutation", lambda W, a: W[0] @ W[1], {"width": 64, "input_dim": 64, "unit_output": True}),
    ],
)
def test_code_of_large_failures_repeats_them(symmetry, loss, size, capsys):
    with pytest.raises(strategies.BrokenSymmetryError) as failure:
        CHECKS[symmetry](loss, **size)
    code = str(failure.value).split("reproduce:\n")[1]
    exec("\n".join(line.removeprefix("    ") for line in code.splitlines()), {"loss": loss})
    before, after = (float(number) for number in re.sub(r"np.float\d\d\((.*?)\)", r"\1", capsys.readouterr().out).split())
    np.testing.assert_allclose([before, after], [failure.value.before, failure.value.after], rtol=1e-9, atol=1e-12)
    assert np.shape(failure.value.arguments[0]) == (size["width"], size["input_dim"])


def test_broken_losses_of_many_weights_shrink_to_few_in_few_calls():
    calls = []

    def loss(W, a):
        calls.append(0)
        return a[3] * W[3, 5]

    with pytest.raises(strategies.BrokenSymmetryError) as failure:
        strategies.assert_permutation_invariant(loss, width=10, input_dim=64)
    W, a = failure.value.arguments
    assert (np.count_nonzero(W), np.count_nonzero(a)) == (1, 1)
    assert (W[W != 0].tolist(), a[a != 0].tolist()) == ([1.0], [1.0])
    assert len(calls) < 600


@settings(max_examples=15, deadline=None)
@given(
    strategies.networks(width=1000, input_dim=(1, 50)),
    strategies.teachers(200),
    strategies.permutations(1000),
    strategies.rescalings(1000),
    strategies.rotations(50, fixing=np.eye(2, 50)),
    strategies.weights((300, 200)),
)
def test_strategies_draw_large_objects(net, teacher, perm, factors, Q, array):
    assert net.width == 1000
    assert teacher.input_dim == 200
    assert sorted(perm.tolist()) == list(range(1000))
    assert factors.shape == (1000,)
    assert (factors > 0).all()
    np.testing.assert_allclose(Q @ Q.T, np.eye(50), atol=1e-13)
    np.testing.assert_allclose(Q[:2, :2], np.eye(2), atol=1e-13)
    assert array.shape == (300, 200)
    assert np.isfinite(array).all()


LARGE_DEGENERATE = {
    "zero neuron among others": lambda net: 0 < np.sum(~net.W.any(axis=1)) < 10,
    "copies": lambda net: (net.W[0] == net.W[1]).all() and net.W[0].any(),
    "opposites": lambda net: (net.W[0] == -net.W[1]).all() and net.W[0].any(),
    "all different": lambda net: len(np.unique(net.W, axis=0)) == net.width,
    "mixed signs": lambda net: (net.a > 0).any() and (net.a < 0).any(),
}


@pytest.mark.parametrize("condition", LARGE_DEGENERATE.values(), ids=LARGE_DEGENERATE)
def test_degenerate_networks_are_drawn_large(condition):
    few = settings(max_examples=1500, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    assert condition(find(strategies.networks(width=150, input_dim=4), condition, settings=few))


def test_large_networks_shrink_to_few_neurons():
    few = settings(max_examples=200, derandomize=True, database=None, deadline=None)
    net = find(strategies.networks(width=200, input_dim=10), lambda net: np.count_nonzero(net.W) >= 2, settings=few)
    assert np.count_nonzero(net.W.any(axis=1)) == 1
    assert (np.round(net.W) == net.W).all()


def test_half_precision_behind_python_floats_is_named():
    with pytest.raises(AssertionError, match="even of half precision"):
        strategies.assert_permutation_invariant(lambda W, a: float(np.cumsum(a.astype(np.float16))[-1]))
    with pytest.raises(AssertionError) as failure:
        strategies.assert_permutation_invariant(relative32(1e-2))
    assert "half" not in str(failure.value)
