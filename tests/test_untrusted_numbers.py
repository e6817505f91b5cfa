"""Arrays that NumPy would read as other numbers without a word, and labels that look like targets."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

import lmctheory as lmc
from lmctheory import _checks

NET = lmc.TwoLayerNet([[1.0, 0.0], [0.0, 2.0]])
T = lmc.orthonormal_teacher(2, 2)
MASKED = np.ma.masked_greater([[1.0, 0.5], [0.2, 9.0]], 1)
ROW = MASKED[1]
LABELS = np.ma.masked_equal([0, 1, 1, 0], 0)
EXTENDED = np.longdouble(1) / 3
IS_EXTENDED = np.finfo(np.longdouble).eps < np.finfo(float).eps


MASKS = [
    lambda: lmc.TwoLayerNet(MASKED),
    lambda: lmc.TwoLayerNet([[1.0, 2.0], ROW]),
    lambda: lmc.TwoLayerNet([[1.0, np.ma.masked]]),
    lambda: lmc.TwoLayerNet([[1.0], [1.0]], ROW),
    lambda: lmc.LayeredNet([MASKED, [[1.0, 1.0]]]),
    lambda: lmc.LayeredNet([np.eye(2), [[1.0, 1.0]]], [ROW, [0.0]]),
    lambda: NET(MASKED),
    lambda: NET.permute(np.ma.masked_equal([1, 0], 0)),
    lambda: lmc.relu_kernel(MASKED, np.eye(2)),
    lambda: lmc.relu_kernel(np.eye(2), MASKED),
    lambda: lmc.DataLoss(MASKED, [0.5, 1.5]),
    lambda: lmc.DataLoss(np.eye(2), ROW),
    lambda: lmc.DataLoss(np.eye(2), [0.5, np.ma.masked]),
    lambda: lmc.DataLoss(np.eye(2), [np.ma.masked, 1], "error"),
    lambda: lmc.Minimum([0, np.ma.masked], [0.5, 0.5]),
    lambda: lmc.DataLoss(np.eye(4), LABELS),
    lambda: lmc.DataLoss(np.eye(4), LABELS, "cross-entropy"),
    lambda: lmc.SampleLoss(T, MASKED),
    lambda: lmc.train_on_data(np.ma.masked_equal(np.eye(4), 1), [0, 1, 0, 1]),
    lambda: lmc.train_on_data(np.eye(4), LABELS),
    lambda: lmc.train_on_data(np.eye(4), np.ma.masked_greater([0.1, 0.2, 0.3, 9.0], 1)),
    lambda: lmc.train(T, 2, learning_rate=np.ma.masked_greater([0.1, 9.0], 1), max_steps=1),
    lambda: lmc.fit_rate([8, 16], [np.ma.masked_greater([0.1, 9.0], 1), [0.05, 0.06]]),
    lambda: lmc.fit_rate(np.ma.masked_greater([8, 16], 10), [[0.1, 0.2, 0.3]] * 2),
    lambda: lmc.fit_rate([8, 16], np.ma.masked_greater([[0.1, 9.0, 0.2], [0.1, 0.2, 0.3]], 1)),
    lambda: lmc.Minimum(np.ma.masked_equal([0, 0, 1], 1), [0.5, 0.5, 1.0]),
    lambda: lmc.Minimum([0, 0, 1], np.ma.masked_greater([0.5, 0.5, 1.0], 0.9)),
    lambda: lmc.barrier(NET, NET, T, align=np.ma.masked_equal([1, 0], 0)),
    lambda: lmc.minima_barrier(lmc.Minimum([0, 1], [1, 1]), lmc.Minimum([0, 1], [1, 1]), np.ma.masked_equal([1, 0], 0)),
    lambda: lmc.simplex_barrier([NET, NET], T, [np.ma.masked_equal([1, 0], 0), [0, 1]]),
    lambda: lmc.stability_threshold(2, 5, class_sizes=np.ma.masked_equal([1, 2], 2)),
    lambda: lmc.magnitude_mask(NET, np.ma.masked_equal(0.5, 0.5)),
    lambda: NET.pad(np.ma.masked_equal(np.array(3), 3)),
    lambda: NET.pad(3, np.ma.masked),
]  # fmt: skip


@pytest.mark.parametrize("call", MASKS)
def test_masked_entries_are_refused(call):
    with pytest.raises(lmc.InvalidInputError) as refusal:
        call()
    assert "masked" in str(refusal.value)


def test_masked_arrays_without_masked_entries_pass():
    for mask in (np.ma.nomask, [[False, False], [False, False]]):
        W = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=mask)
        np.testing.assert_array_equal(lmc.TwoLayerNet(W).W, [[1, 2], [3, 4]])
        assert type(lmc.TwoLayerNet(W).W) is np.ndarray
    np.testing.assert_array_equal(NET.permute(np.ma.array([1, 0])).W, [[0, 2], [1, 0]])


@pytest.mark.parametrize(
    ("W", "reason"),
    [
        ([[True, 2.0]], "booleans"),
        ([[np.True_, 2.0]], "booleans"),
        ([np.array([True, False]), np.array([0.5, 2.0])], "booleans"),
        ([[2**53 + 1, 0.5]], "integers beyond 2^53"),
        (np.array([[2**53 + 1]]), "integers beyond 2^53"),
        (np.array([[-(2**62) - 1]]), "integers beyond 2^53"),
        (np.array([[2**64 - 1]], dtype=np.uint64), "integers beyond 2^53"),
        ([[10**30]], "integers beyond 2^53"),
        ([np.array([2**60]), np.array([0.5])], "integers beyond 2^53"),
        ([[1 + 0j]], "complex"),
        (np.array([[1.0, None]], dtype=object), "dtype object"),
        (np.array([[1.0, np.nan]], dtype=object), "dtype object"),
        ([[Fraction(1, 3)]], "dtype object"),
        ([["1.0"]], "dtype <U3"),
        (np.array([["2026-01-01"]], dtype="datetime64[D]"), "datetime64"),
        (np.array([[1]], dtype="timedelta64[s]"), "timedelta64"),
        (sparse.csr_array(np.eye(2)), "dtype object"),
        (np.zeros((1, 1), dtype=[("x", float)]), "dtype"),
    ],
)  # fmt: skip
def test_what_is_no_array_of_doubles_is_refused_by_name(W, reason):
    with pytest.raises(lmc.InvalidInputError, match=r"^W must be a matrix of real numbers, got ") as refusal:
        lmc.TwoLayerNet(W)
    assert reason in str(refusal.value)


@pytest.mark.skipif(not IS_EXTENDED, reason="long doubles are doubles here")
def test_more_than_double_precision():
    for W in (np.array([[EXTENDED]]), [[EXTENDED, 1.0]]):
        with pytest.raises(lmc.InvalidInputError, match=r"W must be .* more than double precision"):
            lmc.TwoLayerNet(W)
    with pytest.raises(lmc.InvalidInputError, match="output must be a real number"):
        NET.pad(3, EXTENDED)
    with pytest.raises(lmc.InvalidInputError, match=r"W must be .* more than double precision"):
        lmc.TwoLayerNet(np.array([[np.longdouble(10) ** 1000]]))
    np.testing.assert_array_equal(lmc.TwoLayerNet(np.array([[0.1, 3.0]], dtype=np.longdouble)).W, [[0.1, 3.0]])


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_other_arrays_of_numbers_are_read_as_they_are():
    for W in (np.matrix([[1.0, 2.0]]), np.array([[1, 2]], dtype=np.int8), np.array([[1, 2]], dtype=np.float16), [(1, 2.0)]):
        np.testing.assert_array_equal(lmc.TwoLayerNet(W).W, [[1, 2]])
    assert lmc.TwoLayerNet([[2**53, -(2**53)]]).W.tolist() == [[2.0**53, -(2.0**53)]]
    assert lmc.TwoLayerNet(np.array([[1.0]])[:, ::-1]).W.flags.c_contiguous


def test_single_numbers():
    for bad in (True, np.True_, "1", b"1", None, 1j, np.array([0.5]), [0.5], np.ma.masked, 2**53 + 1, 10**400, float("nan")):
        with pytest.raises(lmc.InvalidInputError, match="output must be"):
            NET.pad(3, bad)
    for good in (2, np.float32(2), np.array(2.0), Fraction(2), np.ma.array(2.0)):
        assert NET.pad(3, good).a[-1] == 2


def test_integers_that_do_not_fit():
    with pytest.raises(lmc.InvalidInputError, match=r"x must be integers of at most 2\^63 - 1, got 18446744073709551615"):
        _checks.integer_array("x", np.array([2**64 - 1], dtype=np.uint64), (1,))
    for bad in ([True, 0], [np.True_, 0]):
        with pytest.raises(lmc.InvalidInputError, match=r"perm must be integers of shape .* got booleans"):
            NET.permute(bad)
    with pytest.raises(lmc.InvalidInputError, match="mask must have no masked entries, got masked entries"):
        _checks.mask("mask", np.ma.array([[True]], mask=[[True]]))


# --- labels


X = np.random.default_rng(0).normal(size=(60, 3))
CLASSES = np.arange(60) % 3
LABELLIKE = {
    "floats": CLASSES.astype(float),
    "list of floats": CLASSES.astype(float).tolist(),
    "column of integers": CLASSES[:, None],
    "column of floats": CLASSES[:, None].astype(float),
    "one-hot integers": np.eye(3, dtype=int)[CLASSES],
    "one-hot floats": np.eye(3)[CLASSES],
    "from one on": CLASSES + 1.0,
    "plus and minus one": np.where(CLASSES > 0, 1.0, -1.0),
    "single precision": CLASSES.astype(np.float32),
}


@pytest.mark.parametrize("kind", LABELLIKE)
def test_labels_that_come_as_targets_are_warned_about(kind):
    y = LABELLIKE[kind]
    shape = np.shape(y)
    for call in (
        lambda **loss: lmc.DataLoss(X, y, **loss),
        lambda **loss: lmc.train_on_data(X, y, (2,), max_epochs=1, tol=None, **loss),
    ):
        with pytest.warns(
            lmc.DataWarning, match="y holds whole numbers .* integers of shape \\(60,\\), y.*loss='squared'"
        ) as seen:
            call()
        assert str(shape) in str(seen[0].message)
        assert seen[0].filename == __file__
        call(loss="squared")  # without a warning: a regression is meant


def test_the_way_out_that_the_warning_names():
    for y in (LABELLIKE["floats"], LABELLIKE["column of integers"], LABELLIKE["one-hot integers"]):
        with pytest.warns(lmc.DataWarning) as seen:
            lmc.DataLoss(X, y)
        way = str(seen[0].message).split("(60,), ")[1].split(" for instance")[0]
        labels = {"y.astype(int)": y.astype(int), "y.ravel().astype(int)": y.ravel().astype(int)}
        found = labels[way] if way in labels else y.argmax(axis=1)
        np.testing.assert_array_equal(lmc.DataLoss(X, found).labels, CLASSES)


@pytest.mark.parametrize("y", [np.eye(3), np.eye(3, dtype=int), np.eye(5)[[1, 3, 4]]], ids=["floats", "integers", "some classes"])
def test_unit_vectors_of_which_none_repeats_are_warned_about(y):
    with pytest.warns(lmc.DataWarning, match="y holds whole numbers"):
        lmc.DataLoss(X[:3], y)
    lmc.DataLoss(X[:3], y + np.eye(len(y), y.shape[1]))


def test_targets_of_a_regression_are_no_labels():
    draw = np.random.default_rng(1)
    for y in (draw.normal(size=60), np.zeros(60), np.ones((60, 2)), CLASSES + 0.5, np.arange(60.0) + 5):
        lmc.DataLoss(X, y)
    lmc.train_on_data(X, draw.normal(size=60), (2,), max_epochs=1, tol=None)
    lmc.train_on_data(X, CLASSES, (2,), max_epochs=1, tol=None)


@pytest.mark.parametrize("kind", LABELLIKE)
@pytest.mark.parametrize("loss", ["cross-entropy", "error"])
def test_messages_state_the_shape_that_was_given(kind, loss):
    y = LABELLIKE[kind]
    for call in (lmc.DataLoss, lambda X, y, loss: lmc.train_on_data(X, y, (2,), loss=loss)):
        if loss == "error" and call is not lmc.DataLoss:
            continue
        with pytest.raises(lmc.InvalidInputError, match="y must hold integer class labels, of shape \\(60,\\)") as refusal:
            call(X, y, loss)
        assert str(np.shape(y)) in str(refusal.value).partition("got ")[2]


# --- losses without cancellation


@pytest.mark.parametrize("gap", [1e-3, 1e-8, 1e-12])
@pytest.mark.parametrize("sign", [1, -1])
def test_squared_loss_on_labels_near_the_unit_vectors(gap, sign):
    """The output of the class is 1 + gap, that of the other gap: 2 gap^2, which 1 - 2 + 1 swallows."""
    output = 1 + sign * gap
    net = lmc.LayeredNet([[[1.0]], [[output], [gap]]])
    data = lmc.DataLoss([[1.0], [1.0]], [0, 0])
    expected = (output - 1) ** 2 + gap**2
    value, gradient = data.value_and_gradient(net)
    assert data(net) == pytest.approx(expected, rel=1e-14)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient[2:4], [2 * (output - 1), 2 * gap], rtol=1e-14)
    line = data.segments([net], [net])
    np.testing.assert_allclose(line(np.zeros(1, dtype=int), np.array([[0.0, 0.5, 1.0]])), expected, rtol=1e-14)
    as_targets = lmc.DataLoss([[1.0], [1.0]], [[1.0, 0.0], [1.0, 0.0]], "squared")
    assert as_targets(net) == data(net)


def test_cross_entropy_of_confident_networks():
    """log(1 + e^-z) and its derivatives are e^-z for large z, of which 1 leaves nothing."""
    for z in (5.0, 40.0, 300.0):
        net = lmc.LayeredNet([[[1.0]], [[z], [0.0]]])
        data = lmc.DataLoss([[1.0]], [0], "cross-entropy")
        value, gradient = data.value_and_gradient(net)
        assert value == pytest.approx(np.log1p(np.exp(-z)), rel=1e-13)
        share = np.exp(-z) / (1 + np.exp(-z))
        np.testing.assert_allclose(gradient[2:4], [-share, share], rtol=1e-13)
        direction = np.zeros(gradient.size)
        direction[2] = 1.0
        curvature = data.hessian_product(net)(direction)[2:4]
        np.testing.assert_allclose(curvature, [share * (1 - share), -share * (1 - share)], rtol=1e-12)
