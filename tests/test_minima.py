"""Membership, projection and laws of the manifold of global minima."""

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, chi2_contingency, chisquare, kstest

import lmctheory as lmc
from lmctheory.minima.laws import log_cell_weight

LEVEL = 1e-3


def compositions(M, m, least=1):
    return [c for c in itertools.product(range(least, m + 1), repeat=M) if sum(c) == m]


def enumerated(M, m, law, r):
    """Class sizes and their probabilities, from the definitions in exact or plain arithmetic."""
    if law != "sparse":
        sizes = compositions(M, m)
        p = [math.prod(math.sqrt(n) / (math.factorial(n) * math.factorial(n - 1)) for n in c) for c in sizes]
    else:
        sizes = [c for c in compositions(M + 1, m, 0) if min(c[:M]) >= 1]
        p = [math.factorial(m) / math.prod(map(math.factorial, c)) * r ** c[M] * ((1 - r) / M) ** (m - c[M]) for c in sizes]
    return sizes, np.array(p) / sum(p)


LAW_CASES = [
    ("uniform", {}, 2, 6),
    ("uniform", {}, 3, 7),
    ("uniform", {}, 4, 5),
    ("sparse", {"r": 0.4}, 2, 6),
    ("sparse", {"r": 0.0}, 3, 6),
    ("sparse", {"r": 0.9}, 2, 4),
    ("sparse", {"r": 0.5}, 1, 5),
    ("dirichlet", {"concentration": 0.2}, 3, 6),
    ("equal", {}, 3, 6),
]


@pytest.mark.parametrize(("law", "kwargs", "M", "m"), LAW_CASES)
def test_class_sizes_follow_the_enumerated_law(law, kwargs, M, m):
    sizes, p = enumerated(M, m, law, kwargs.get("r"))
    rng = np.random.default_rng(2)
    n = 4000
    index = {c: k for k, c in enumerate(sizes)}
    counts = np.zeros(len(sizes))
    for _ in range(n):
        minimum = lmc.sample_minimum(M, m, law, rng=rng, **kwargs)
        key = tuple(int(k) for k in minimum.class_sizes)
        counts[index[(*key, m - sum(key)) if law == "sparse" else key]] += 1
    order = np.argsort(p)  # rare cells are pooled until each expects at least 5
    pools = np.floor(np.cumsum(p[order]) * n / 20).astype(int)
    observed, expected = np.bincount(pools, counts[order]), np.bincount(pools, n * p[order])
    kept = expected > 0
    assert observed[~kept].sum() == 0
    assert kept.sum() > 1
    assert chisquare(observed[kept], expected[kept]).pvalue > LEVEL


def test_the_chi_square_tells_uniform_from_multinomial_sizes():
    _, p = enumerated(3, 7, "uniform", None)
    sizes, other = enumerated(3, 7, "sparse", 0.0)
    counts = np.random.default_rng(3).multinomial(4000, other[[c[-1] == 0 for c in sizes]])
    kept = p * 4000 > 5
    assert chisquare(counts[kept], p[kept] / p[kept].sum() * counts[kept].sum()).pvalue < 1e-12


@pytest.mark.parametrize(("M", "m", "r"), [(2, 60, None), (4, 200, None), (3, 80, 0.3), (5, 9, None)])
def test_conditioned_draws_agree_with_dynamic_programming(M, m, r):
    law = "uniform" if r is None else "sparse"
    p = lmc.class_size_law(M, m, law, r=r)
    rng = np.random.default_rng(4)
    n = 4000
    sampled = [lmc.sample_minimum(M, m, law, r=r, rng=rng).class_sizes for _ in range(n)]
    drawn = np.random.default_rng(5).choice(m + 1, size=n, p=p)
    for j in (0, M - 1):  # whichever count is not drawn but left by the sum, one of these or both are drawn
        table = np.stack([np.bincount([s[j] for s in sampled], minlength=m + 1), np.bincount(drawn, minlength=m + 1)])
        pools = np.floor(np.cumsum(p) * 20 * (1 - 1e-12)).astype(int)
        pooled = np.stack([np.bincount(pools, row) for row in table])
        assert chi2_contingency(pooled[:, pooled.sum(axis=0) > 0]).pvalue > LEVEL


@pytest.mark.parametrize(
    ("M", "m", "law", "r"), [(1, 4, "uniform", None), (3, 3, "uniform", None), (3, 8, "uniform", None), (2, 6, "sparse", 0.4)]
)
def test_class_size_law_is_the_enumerated_marginal(M, m, law, r):
    sizes, p = enumerated(M, m, law, r)
    expected = np.bincount([c[0] for c in sizes], p, m + 1)
    np.testing.assert_allclose(lmc.class_size_law(M, m, law, r=r), expected, rtol=1e-12, atol=1e-300)


def test_cell_weight_is_the_derived_volume():
    for n in range(1, 9):
        expected = sp.log(lmc.symbolic.simplex_volume(n) / sp.factorial(n))
        assert log_cell_weight(np.array([float(n)]))[0] == pytest.approx(float(expected), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("c", [0.3, 1.0, 4.0])
def test_weights_in_a_class_are_dirichlet(c):
    """With one class of m neurons each weight is Beta(c, (m - 1) c); for c = 1 the largest has a known law too."""
    m, rng = 5, np.random.default_rng(6)
    draws = np.array([lmc.sample_minimum(1, m, "dirichlet", concentration=c, rng=rng).weights for _ in range(3000)])
    assert kstest(draws[:, 2], beta(c, (m - 1) * c).cdf).pvalue > LEVEL
    if c == 1.0:

        def largest(x):  # P(max <= x) by inclusion and exclusion over spacings
            return sum((-1) ** k * math.comb(m, k) * np.maximum(1 - k * x, 0.0) ** (m - 1) for k in range(m + 1))

        assert kstest(draws.max(axis=1), largest).pvalue > LEVEL
        assert kstest(draws.min(axis=1), lambda x: 1 - np.maximum(1 - m * x, 0.0) ** (m - 1)).pvalue > LEVEL


def test_very_small_concentrations_neither_underflow_nor_divide_by_zero():
    minimum = lmc.sample_minimum(2, 50, "dirichlet", concentration=1e-3, rng=7)
    assert minimum.width == 50
    assert minimum.weights.max() > 0.5


def test_sampling_a_million_neurons():
    minimum = lmc.sample_minimum(4, 10**6, rng=8)
    assert minimum.class_sizes.sum() == 10**6
    # standard deviation of a class size: sqrt(m (M - 1) / M / (2 M)), measured from the tilted table's variance n / 2
    assert np.abs(minimum.class_sizes - 250_000).max() < 6 * math.sqrt(250_000 / 2)
    assert np.abs(minimum.class_sizes - 250_000).max() > 0


def test_seeds():
    first, second = (lmc.sample_minimum(3, 20, rng=9) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
    rng = np.random.default_rng(9)
    third, fourth = (lmc.sample_minimum(3, 20, rng=rng) for _ in range(2))
    assert not np.array_equal(third.weights, fourth.weights)


@given(st.integers(1, 4), st.integers(0, 6), st.sampled_from(["uniform", "equal", "sparse"]), st.integers(0, 2**20))
@settings(deadline=None, max_examples=60)
def test_samples_are_global_minima(M, extra, law, seed):
    minimum = lmc.sample_minimum(M, M + extra, law, r=0.4 if law == "sparse" else None, rng=seed)
    net, teacher = minimum.to_network(M + 1), lmc.orthonormal_teacher(M, M + 1)
    check = lmc.is_global_minimum(net, teacher, atol=1e-12)
    assert check
    np.testing.assert_array_equal(check.classes, minimum.classes)
    assert lmc.population_loss(net, teacher) <= lmc.loss_floor(net, teacher)
    found = lmc.project_to_minimum(net, teacher)
    assert found.distance < 1e-12
    assert found.is_nearest


def test_failing_conditions_are_named():
    teacher = lmc.orthonormal_teacher(2, 3)
    check = lmc.is_global_minimum(lmc.TwoLayerNet([[2.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0.1]]), teacher)
    assert not check
    assert check.wrong_neurons.tolist() == [1, 2]
    assert check.wrong_classes.tolist() == [0]
    assert "neuron 1 is 1 away" in check.reason
    assert "class 0 sums to 2" in check.reason
    many = [lmc.is_global_minimum(lmc.TwoLayerNet(-np.ones((m, 3))), teacher).reason for m in (5, 6)]
    assert ["more" in reason for reason in many] == [False, True]
    assert "neuron 4 is" in many[1]
    assert "and 1 more" in many[1]
    assert lmc.is_global_minimum(lmc.TwoLayerNet([[1.0, 0, 0], [0, 1.0, 0.1]]), teacher, atol=0.2)


def rotated_teacher(M, d, seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return lmc.TwoLayerNet(q[:M])


def nearest_by_enumeration(net, teacher):
    from scipy.optimize import minimize

    z, rest = net.W @ teacher.W.T, (net.W**2).sum()
    m, M = z.shape
    best = np.inf
    for classes in itertools.product(range(M), repeat=m):
        if len(set(classes)) < M:
            continue
        total = rest - (z[np.arange(m), classes] ** 2).sum()
        for j in range(M):
            y = z[np.flatnonzero(np.array(classes) == j), j]
            found = minimize(
                lambda x, y=y: ((x - y) ** 2).sum(), np.full(len(y), 1 / len(y)), jac=lambda x, y=y: 2 * (x - y),
                bounds=[(0, None)] * len(y), constraints={"type": "eq", "fun": lambda x: x.sum() - 1}, method="SLSQP",
                options={"ftol": 1e-14},
            )  # fmt: skip
            total += found.fun
        best = min(best, total)
    return math.sqrt(best)


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_projection_against_enumeration(scale):
    rng = np.random.default_rng(10)
    proved = 0
    for k in range(12):
        teacher = rotated_teacher(2, 3, k)
        minimum = lmc.sample_minimum(2, 4, rng=rng)
        W = minimum.to_network().W @ teacher.W + scale * rng.normal(size=(4, 3))
        found = lmc.project_to_minimum(lmc.TwoLayerNet(W), teacher)
        exact = nearest_by_enumeration(lmc.TwoLayerNet(W), teacher)
        assert lmc.is_global_minimum(found.network, teacher, atol=1e-12)
        assert np.linalg.norm(W - found.network.W) == pytest.approx(found.distance, rel=1e-12)
        assert found.lower_bound <= exact + 1e-6
        assert found.distance >= exact - 1e-6
        if found.is_nearest:
            assert found.distance == pytest.approx(exact, abs=1e-6)
        proved += found.is_nearest
    if scale == 0.01:
        assert proved >= 10


def test_projection_when_a_class_is_empty():
    teacher = lmc.orthonormal_teacher(2, 2)
    found = lmc.project_to_minimum(lmc.TwoLayerNet([[1.0, 0.0], [0.9, 0.2]]), teacher)
    assert found.minimum.classes.tolist() == [0, 1]
    assert found.distance == pytest.approx(nearest_by_enumeration(lmc.TwoLayerNet([[1.0, 0.0], [0.9, 0.2]]), teacher), abs=1e-6)
    assert found.lower_bound <= found.distance


def test_zero_neurons_and_permutations():
    minimum = lmc.Minimum([0, 1, 1], [1.0, 1.0, 0.0])
    assert minimum.classes.tolist() == [0, 1, -1]
    assert minimum.permute([2, 0, 1]).classes.tolist() == [-1, 0, 1]
    assert repr(minimum) == "Minimum(width=3, M=2)"
    with pytest.raises(ValueError, match="read-only"):
        minimum.weights[0] = 2.0


UNEVEN = lmc.TwoLayerNet(np.eye(2), [1.0, 2.0])
SKEW = lmc.TwoLayerNet([[1.0, 0.0], [0.6, 0.8]])
TEACHER = lmc.orthonormal_teacher(2, 2)
BAD_CALLS = [
    (lambda: lmc.Minimum([0, 0, 1], [0.5, 0.4, 1.0]), "class 0 sums to 0.9"),
    (lambda: lmc.Minimum([0, 2, 0], [0.5, 1.0, 0.5]), "class 1 sums to 0"),
    (lambda: lmc.Minimum([0, 1], [2.0, 1.0]), "class 0 sums to 2"),
    (lambda: lmc.Minimum([0, 0], [2.0, -1.0]), "weights must not be negative, got -1.0 for neuron 1"),
    (lambda: lmc.Minimum([0, -1], [1.0, 0.5]), "weights of neurons of class -1 must be 0"),
    (lambda: lmc.Minimum([-1], [0.0]), "class 0 sums to 0"),
    (lambda: lmc.Minimum([0, -2], [1.0, 0.0]), "classes must be -1 or more, got -2"),
    (lambda: lmc.Minimum([0, 5], [1.0, 1.0]), "classes must be less than the width"),
    (lambda: lmc.Minimum([0.0, 1.0], [1.0, 1.0]), "classes must be integers"),
    (lambda: lmc.Minimum([0], [1.0, 1.0]), "classes must be integers, one a weight"),
    (lambda: lmc.Minimum([0], [np.nan]), "weights must be finite"),
    (lambda: lmc.Minimum([0, 1], [1.0, 1.0]).to_network(1), "d must be at least 2"),
    (lambda: lmc.sample_minimum(3, 2), "width must be at least M = 3, got 2"),
    (lambda: lmc.sample_minimum(0, 2), "M must be at least 1"),
    (lambda: lmc.sample_minimum(2, 4, "unifrom"), "did you mean 'uniform'"),
    (lambda: lmc.sample_minimum(2, 4, "sparse"), "r belongs to law='sparse'"),
    (lambda: lmc.sample_minimum(2, 4, r=0.5), "r belongs to law='sparse'"),
    (lambda: lmc.sample_minimum(2, 4, "sparse", r=1.0), "r must be less than 1"),
    (lambda: lmc.sample_minimum(2, 4, "dirichlet"), "concentration belongs to"),
    (lambda: lmc.sample_minimum(2, 4, "dirichlet", concentration=0.0), "concentration must be positive"),
    (lambda: lmc.sample_minimum(2, 4, rng=-1), "rng must be at least 0"),
    (lambda: lmc.is_global_minimum(TEACHER, SKEW), "orthonormal rows"),
    (
        lambda: lmc.is_global_minimum(UNEVEN, TEACHER),
        "net must have output weights one, got 2.0 at neuron 1",
    ),
    (
        lambda: lmc.is_global_minimum(TEACHER, UNEVEN),
        "teacher must have output weights one, got 2.0 at neuron 1",
    ),
    (lambda: lmc.is_global_minimum(TEACHER, lmc.orthonormal_teacher(2, 3)), "input dimension"),
    (lambda: lmc.is_global_minimum(TEACHER, TEACHER, atol=-1.0), "atol must not be negative"),
    (lambda: lmc.project_to_minimum(lmc.TwoLayerNet([[1.0, 0.0]]), TEACHER), "at least as wide as the teacher"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_input(call, message):
    with pytest.raises(lmc.InvalidInputError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_weights_of_tiny_concentration_do_not_underflow(seed):
    """Half of all gamma variables of parameter 1e-3 are below the smallest double; one weight in each class is then nearly 1."""
    minimum = lmc.sample_minimum(2, 4, "dirichlet", concentration=1e-3, rng=seed)
    present = minimum.classes >= 0
    np.testing.assert_allclose(np.bincount(minimum.classes[present], minimum.weights[present]), [1.0, 1.0], rtol=1e-14)
