import numpy as np
import pytest
from hypothesis import find, given, settings
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
