import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory import strategies

FEW = settings(max_examples=2000, derandomize=True, database=None, deadline=None)


@given(strategies.networks(), strategies.networks(width=3, input_dim=2, unit_output=True))
def test_networks_are_valid_and_of_the_shape_asked_for(net, shaped):
    assert 1 <= net.width <= strategies.MAX_WIDTH
    assert 1 <= net.input_dim <= strategies.MAX_DIM
    assert shaped.W.shape == (3, 2)
    assert shaped.a.tolist() == [1, 1, 1]


@given(st.integers(1, 6).flatmap(strategies.permutations))
def test_permutations_are_permutations(perm):
    assert sorted(perm.tolist()) == list(range(len(perm)))


@given(st.integers(1, 5).flatmap(strategies.rotations))
def test_rotations_are_orthogonal(Q):
    np.testing.assert_allclose(Q @ Q.T, np.eye(len(Q)), rtol=0, atol=1e-14)


@given(strategies.rescalings(4))
def test_rescalings_are_positive(factors):
    assert factors.shape == (4,)
    assert (factors > 0).all()


@given(strategies.students_and_teachers(students=3))
def test_students_share_a_shape_and_the_teacher_their_dimension(drawn):
    *students, teacher = drawn
    assert len(students) == 3
    assert len({net.W.shape for net in students}) == 1
    assert teacher.input_dim == students[0].input_dim


def two_related(net, factor):
    W = net.W[net.W.any(axis=1)]
    return any((W[i] == factor * W[j]).all() for i in range(len(W)) for j in range(i))


DEGENERATE = {
    "zero neuron": lambda net: not net.W.any(axis=1).all(),
    "duplicates": lambda net: two_related(net, 1.0),
    "opposites": lambda net: two_related(net, -1.0),
    "one neuron": lambda net: net.width == 1,
    "one dimension": lambda net: net.input_dim == 1,
    "mixed signs": lambda net: (net.a > 0).any() and (net.a < 0).any(),
}


@pytest.mark.parametrize("condition", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_networks_are_drawn(condition):
    assert condition(find(strategies.networks(), condition, settings=FEW))


@pytest.mark.parametrize("orthonormal", [True, False])
def test_teachers_of_both_kinds_are_drawn(orthonormal):
    def condition(teacher):
        return np.array_equal(teacher.W, np.eye(*teacher.W.shape)) == orthonormal

    assert find(strategies.teachers(3), condition, settings=FEW).input_dim == 3


def test_rotations_reach_both_determinants():
    for sign in (1, -1):
        Q = find(strategies.rotations(3), lambda Q, sign=sign: np.linalg.det(Q) * sign > 0, settings=FEW)
        assert np.linalg.det(Q) == pytest.approx(sign)


def test_failures_shrink_to_simple_networks():
    net = find(strategies.networks(), lambda net: lmc.population_loss(net, net) == 0 and net.W.any(), settings=FEW)
    assert net.W.shape == (1, 1)


@given(strategies.network_pairs(width=(2, 4), unit_output=True), strategies.networks(input_dim=(2, 3)))
def test_sizes_may_be_ranges_and_pairs_share_a_shape(pair, net):
    assert pair[0].W.shape == pair[1].W.shape
    assert 2 <= pair[0].width <= 4
    assert pair[1].a.tolist() == [1] * pair[1].width
    assert net.input_dim in (2, 3)


@given(strategies.rotations(4, fixing=[[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]]))
def test_rotations_leave_fixed_vectors_alone(Q):
    np.testing.assert_allclose(Q @ Q.T, np.eye(4), rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q @ [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], rtol=0, atol=1e-13)


X = np.random.default_rng(0).normal(size=(40, 3))
TEACHER = lmc.orthonormal_teacher(2, 4)
CHECKS = {
    "permutation": strategies.assert_permutation_invariant,
    "rescaling": strategies.assert_rescaling_invariant,
    "rotation": strategies.assert_rotation_invariant,
}


def function_loss(W, a):
    """On data: knows its inputs, so it has preferred directions."""
    return np.mean((np.maximum(X[:, : W.shape[1]] @ W.T, 0) @ a - 1.0) ** 2)


def norm_loss(W, a):
    return np.abs(a) @ np.linalg.norm(W, axis=1)


def exact_loss(W, a):
    return lmc.population_loss(lmc.TwoLayerNet(W, a), TEACHER)


def indexed_loss(W, a):
    return np.arange(len(a)) @ (a**2 * np.sum(W**2, axis=1))


def first_copy_loss(W, a):
    """Sees only the first of equal neurons."""
    _, first = np.unique(W, axis=0, return_index=True)
    return np.sum(W[first] ** 2, axis=1) @ a[first] ** 2


def blind_loss(W, a):
    """Ignores the output weights."""
    return np.sum(W**2)


def axis_loss(W, a):
    return np.abs(a) @ np.abs(W).sum(axis=1)


HELD = [
    ("permutation", function_loss, {"input_dim": 3}),
    ("rescaling", function_loss, {"input_dim": 3, "width": 4}),
    ("permutation", norm_loss, {}),
    ("rescaling", norm_loss, {}),
    ("rotation", norm_loss, {}),
    ("permutation", exact_loss, {"input_dim": 4, "unit_output": True}),
    ("rescaling", exact_loss, {"input_dim": 4, "width": (2, 5)}),
    ("rotation", exact_loss, {"fixing": TEACHER}),
    ("rotation", exact_loss, {"fixing": np.eye(3, 4), "input_dim": 4}),
    ("permutation", blind_loss, {}),
    ("rotation", blind_loss, {}),
    ("permutation", first_copy_loss, {"unit_output": True}),
]


@pytest.mark.parametrize(("symmetry", "loss", "options"), HELD)
def test_symmetries_that_hold_are_accepted(symmetry, loss, options):
    CHECKS[symmetry](loss, **options)


BROKEN = [  # the symmetry, the loss, its options, and: neurons and dimension of the smallest failure, changed neurons
    ("permutation", indexed_loss, {}, 2, 1, "neurons 0 and 1"),
    ("permutation", indexed_loss, {"width": 3, "input_dim": 2}, 3, 2, "neurons 1 and 2"),
    ("permutation", first_copy_loss, {}, 2, 1, "neurons 0 and 1"),
    ("rescaling", blind_loss, {}, 1, 1, "neuron 0"),
    ("rescaling", blind_loss, {"width": 3, "unit_output": True}, 3, 1, "neuron 2"),
    ("rotation", axis_loss, {}, 1, 2, "neuron 0"),
    ("rotation", exact_loss, {"input_dim": 4}, 1, 4, "neuron 0"),
    ("rotation", function_loss, {"input_dim": 3, "width": 2}, 2, 3, "neuron 1"),
    ("rotation", axis_loss, {"fixing": [[1.0, 0.0, 0.0]]}, 1, 3, "neuron 0"),
]


@pytest.mark.parametrize(("symmetry", "loss", "options", "width", "input_dim", "changed"), BROKEN)
def test_broken_symmetries_shrink_to_the_neurons_to_blame(symmetry, loss, options, width, input_dim, changed):
    with pytest.raises(AssertionError, match="not invariant") as failure:
        CHECKS[symmetry](loss, **options)
    lines = dict(line.split(": ", 1) for line in str(failure.value).splitlines()[1:])
    assert f"({width} neuron{'s' * (width > 1)}, input dimension {input_dim})" in lines["network"]
    assert lines["changes"].strip() == changed
    network = {}
    exec(lines["network"].strip().split(" (")[0].replace("]], ", "]]; "), network)  # it can be pasted
    assert f"{float(loss(np.array(network['W']), np.array(network['a'])))!r} before" in lines["loss"]
    assert np.shape(network["W"]) == (width, input_dim)


def test_failure_says_all_there_is_to_know():
    with pytest.raises(AssertionError) as failure:
        strategies.assert_permutation_invariant(indexed_loss, width=(1, 4), input_dim=2, rtol=0.0, atol=1e-3)
    assert str(failure.value) == (
        "the loss is not invariant under permutation of the neurons\n"
        "network:        W = [[0.0, 0.0], [0.0, 1.0]], a = [0.0, 1.0] (2 neurons, input dimension 2)\n"
        "transformation: permutation [1, 0]: new neuron i is old neuron permutation[i]\n"
        "changes:        neurons 0 and 1\n"
        "loss:           1.0 before, 0.0 after, 1 apart\n"
        "tolerance:      0.001 = atol 0.001 + rtol 0 times 1"
    )


def test_tolerance_decides():
    def rounded(W, a):
        return norm_loss(W, a) + 1e-6 * (len(a) > 1 and abs(a[0]) > abs(a[1]))

    strategies.assert_permutation_invariant(rounded, width=2, atol=1e-5)
    with pytest.raises(AssertionError):
        strategies.assert_permutation_invariant(rounded, width=2, atol=1e-7, rtol=0.0)


def test_rare_failure_needs_examples():
    def rare(W, a):
        return float(len(a) == 6 and a[0] != a[1] and (W[0] == -W[1]).all() and W[0].any() and a[0] > 0)

    strategies.assert_permutation_invariant(rare, max_examples=1)
    with pytest.raises(AssertionError):
        strategies.assert_permutation_invariant(rare, max_examples=3000)


def test_same_seed_same_networks():
    def tried(seed):
        seen = []
        strategies.assert_rescaling_invariant(lambda W, a: seen.append(W.tolist()) or 0.0, seed=seed, max_examples=20)
        return seen

    assert tried(1) == tried(1)
    assert tried(1) != tried(2)


def test_loss_may_overwrite_what_it_is_given():
    def careless(W, a):
        W *= 2
        a /= 2
        return norm_loss(W, a)

    strategies.assert_permutation_invariant(careless)


def test_infinite_losses_are_equal_and_nan_is_a_failure():
    strategies.assert_permutation_invariant(lambda W, a: np.inf)
    with pytest.raises(AssertionError, match="not invariant"):
        strategies.assert_permutation_invariant(lambda W, a: np.inf if a[0] > a[-1] else -np.inf)
    with pytest.raises(AssertionError, match="the loss is not a number"):
        strategies.assert_permutation_invariant(lambda W, a: np.nan)


def test_errors_of_the_loss_come_through():
    with pytest.raises(ZeroDivisionError):
        strategies.assert_rotation_invariant(lambda W, a: 1 / 0)


def test_checks_run_inside_a_property_test():
    @settings(max_examples=2, suppress_health_check=[HealthCheck.nested_given])
    @given(strategies.teachers(3))
    def every_teacher(teacher):
        strategies.assert_permutation_invariant(
            lambda W, a: lmc.population_loss(lmc.TwoLayerNet(W, a), teacher), input_dim=3, max_examples=5
        )

    every_teacher()


def test_student_and_teacher_rotate_together():
    def joint(X, c):
        return lmc.population_loss(lmc.TwoLayerNet(X[2:], c[2:]), lmc.TwoLayerNet(X[:2], c[:2]))

    strategies.assert_rotation_invariant(joint, width=(3, 5))


NOISE = np.random.default_rng(0)
# fmt: off
BAD = [
    (lambda check: check(5), "loss must be a callable loss(W, a), got 5"),
    (lambda check: check(norm_loss, width=0), "width must be at least 1, got 0"),
    (lambda check: check(norm_loss, width=2.0), "width must be an integer, got 2.0"),
    (lambda check: check(norm_loss, input_dim=(3, 2)), "input_dim must be a positive integer, or the smallest and the largest of them, got (3, 2)"),  # noqa: E501
    (lambda check: check(norm_loss, input_dim=(1, 2, 3)), "input_dim must be a positive integer, or the smallest and the largest of them, got (1, 2, 3)"),  # noqa: E501
    (lambda check: check(norm_loss, rtol=-1.0), "rtol must not be negative, got -1.0"),
    (lambda check: check(norm_loss, atol=np.nan), "atol must be finite, got nan"),
    (lambda check: check(norm_loss, max_examples=0), "max_examples must be at least 1, got 0"),
    (lambda check: check(norm_loss, seed=-1), "seed must be at least 0, got -1"),
    (lambda check: check(lambda W, a: None), "loss must return one real number, got None"),
    (lambda check: check(lambda W, a: np.ones(2)), "loss must return one real number, got array([1., 1.])"),
    (lambda check: check(lambda W, a: NOISE.random()), "loss must give the same value for the same network, got different ones"),
]
# fmt: on


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_call_is_refused(check, call, message):
    with pytest.raises(lmc.InvalidInputError) as refusal:
        call(check)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixing": np.eye(3)}, "fixing must leave a direction free, got vectors that span all 3 dimensions"),
        ({"fixing": TEACHER, "input_dim": 3}, "input_dim must be that of the fixed vectors, 4, or left out, got 3"),
        ({"fixing": [1.0, 2.0]}, "fixing must be a matrix, got an array of shape (2,)"),
        ({"fixing": [[np.nan]]}, "fixing must be finite, got nan at index [0, 0]"),
    ],
)
def test_bad_fixed_vectors_are_refused(options, message):
    with pytest.raises(lmc.InvalidInputError) as refusal:
        strategies.assert_rotation_invariant(norm_loss, **options)
    assert str(refusal.value) == message


def test_bad_strategies_are_refused_where_they_are_made():
    for make in (
        lambda: strategies.networks(width=0),
        lambda: strategies.permutations(0),
        lambda: strategies.rescalings(-1),
        lambda: strategies.rotations(2, fixing=[[1.0]]),
        lambda: strategies.widths(0),
    ):
        with pytest.raises(lmc.InvalidInputError):
            make()


@pytest.mark.filterwarnings("default")  # JAX's own
def test_jax_loss_in_single_precision():
    pytest.importorskip("jax")
    import jax
    import jax.numpy as jnp

    @jax.jit
    def loss(W, a):
        return jnp.mean((jax.nn.relu(jnp.asarray(X, dtype=jnp.float32) @ W.T) @ a - 1.0) ** 2)

    options = {"width": 3, "input_dim": 3, "max_examples": 100}
    strategies.assert_permutation_invariant(loss, **options)
    strategies.assert_rescaling_invariant(loss, **options)
    with pytest.raises(AssertionError, match="neuron 2"):
        strategies.assert_rotation_invariant(loss, **options)
    with pytest.raises(AssertionError, match="neurons 1 and 2"):
        strategies.assert_permutation_invariant(lambda W, a: loss(W, a * jnp.arange(3)), **options)
