"""One permutation for two sequences of networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory.alignment.similarity import SIMILARITIES

TEACHER = lmc.orthonormal_teacher(2, 3)
methods = pytest.mark.parametrize("method", ["each", "last", "joint"])
similarities = pytest.mark.parametrize("similarity", list(SIMILARITIES))


def sequence(n, m, seed):
    """Networks near global minima: between far ones the loss is often convex, and there is no barrier."""
    draw = np.random.default_rng(seed)

    def near_minimum():
        W = np.pad(lmc.sample_minimum(2, m, rng=draw).to_network().W, ((0, 0), (0, 1)))
        return lmc.TwoLayerNet(W + 0.02 * draw.normal(size=W.shape), draw.normal(1.0, 0.02, size=m))

    return [near_minimum() for _ in range(n)]


@methods
@similarities
def test_sequences_of_one_are_pairs(method, similarity):
    (net_a,), (net_b,) = sequence(1, 5, 0), sequence(1, 5, 1)
    found = lmc.align_sequences([net_a], [net_b], TEACHER, method, similarity)
    pair, none = (lmc.barrier(net_a, net_b, TEACHER, align) for align in (similarity, None))
    assert (found.permutations[0] == pair.permutation).all()
    assert found.barriers.tolist() == [[pair.height]]
    assert (found.own[0], found.unaligned[0]) == (pair.height, none.height)
    assert found.loss_floors[0] == max(pair.loss_floor, none.loss_floor)
    assert found.fixed_points.shape == (0,)
    assert found.earliest == 0


@methods
@similarities
def test_planted_sequences_have_no_barriers(method, similarity):
    seq, perm = sequence(4, 6, 2), np.random.default_rng(3).permutation(6)
    found = lmc.align_sequences(seq, [net.permute(perm) for net in seq], TEACHER, method, similarity)
    assert (found.permutations == np.argsort(perm)).all()
    assert (found.barriers <= found.loss_floors[:, None]).all()
    assert found.unaligned.max() > 0.1
    assert (found.fixed_points == 1).all()
    assert found.earliest == 0


@methods
def test_barriers_are_those_of_the_pairs(method):
    seq_a, seq_b = sequence(3, 5, 4), sequence(3, 5, 5)
    found = lmc.align_sequences(seq_a, seq_b, TEACHER, method)
    for t, (net_a, net_b) in enumerate(zip(seq_a, seq_b, strict=True)):
        for s, perm in enumerate(found.permutations):
            assert found.barriers[t, s] == lmc.barrier(net_a, net_b, TEACHER, perm).height
        assert found.own[t] == lmc.barrier(net_a, net_b, TEACHER, "weights").height
        assert found.unaligned[t] == lmc.barrier(net_a, net_b, TEACHER).height
    assert (found.scores == found.barriers.max(axis=0)).all()
    agreements = [np.mean(p == q) for p, q in zip(found.permutations, found.permutations[1:], strict=False)]
    assert found.fixed_points.tolist() == agreements


def test_each_and_last_use_the_permutations_of_the_steps():
    seq_a, seq_b = sequence(3, 5, 6), sequence(3, 5, 7)
    own = [lmc.align(a, b).permutation for a, b in zip(seq_a, seq_b, strict=True)]
    assert (lmc.align_sequences(seq_a, seq_b, TEACHER, "each").permutations == own).all()
    assert (lmc.align_sequences(seq_a, seq_b, TEACHER, "last").permutations == own[-1]).all()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_joint_permutation_has_the_largest_weighted_similarity(seed):
    seq_a, seq_b = sequence(3, 4, [seed, 0]), sequence(3, 4, [seed, 1])
    weights = np.random.default_rng(seed).random(3)
    found = lmc.align_sequences(seq_a, seq_b, TEACHER, "joint", weights=weights)

    def total(perm):
        return sum(w * np.trace(a.W @ b.permute(perm).W.T + np.outer(a.a, b.permute(perm).a))
                   for w, a, b in zip(weights, seq_a, seq_b, strict=True))  # fmt: skip

    best = total(found.permutations[0])
    rivals = [*(lmc.align(a, b).permutation for a, b in zip(seq_a, seq_b, strict=True)), np.arange(4)]
    rivals += [np.random.default_rng([seed, k]).permutation(4) for k in range(10)]
    assert all(total(perm) <= best + 1e-12 for perm in rivals)


def test_weight_of_one_step_alone_is_that_step():
    seq_a, seq_b = sequence(3, 5, 6), sequence(3, 5, 7)
    found = lmc.align_sequences(seq_a, seq_b, TEACHER, "joint", weights=[0, 2.5, 0])
    assert (found.permutations == lmc.align(seq_a[1], seq_b[1]).permutation).all()


def test_earliest_step_is_the_first_that_serves_all_later_ones():
    """Neurons are exchanged after the first step, so its permutation serves it alone; the second serves to the end."""
    seq = sequence(4, 4, 8)
    perms = [[1, 0, 2, 3], *[[2, 3, 0, 1]] * 3]
    found = lmc.align_sequences(seq, [net.permute(np.argsort(p)) for net, p in zip(seq, perms, strict=True)], TEACHER)
    assert (found.permutations == perms).all()
    assert found.serves.tolist() == [[True, False, False, False], *[[False, True, True, True]] * 3]
    assert found.earliest == 1
    assert found.fixed_points.tolist() == [0, 1, 1]


def test_a_factor_widens_what_serves():
    seq_a, seq_b = sequence(4, 12, 9), sequence(4, 12, 10)
    strict, wide = (lmc.align_sequences(seq_a, seq_b, TEACHER, factor=factor) for factor in (1.0, 30.0))
    assert (strict.barriers == wide.barriers).all()
    for found in (strict, wide):
        limits = found.factor * found.own + found.loss_floors
        assert found.serves.tolist() == [
            [bool(b <= limit) for b in row] for row, limit in zip(found.barriers, limits, strict=True)
        ]
        assert np.diag(found.serves).all()
    assert strict.serves.sum() < wide.serves.sum() < wide.serves.size


@pytest.mark.jit
def test_checkpoints_and_levels_are_sequences():
    options = {"learning_rate": 0.1, "max_steps": 40, "rng": 0, "n_runs": 2, "gradient_tol": 0.0}
    kept = lmc.train(TEACHER, 6, checkpoints=[0, 10, 40], **options).checkpoints
    assert lmc.align_sequences(kept[0].networks, kept[1].networks, TEACHER).barriers.shape == (3, 3)
    pruned = lmc.prune_iteratively(TEACHER, 6, levels=2, **options)
    found = lmc.align_sequences(pruned.networks(0), pruned.networks(1), TEACHER, "joint", "activations")
    assert (found.permutations == found.permutations[0]).all()
