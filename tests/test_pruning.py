"""Training under masks, iterative magnitude pruning, and permuted masks."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc

TEACHER = lmc.orthonormal_teacher(2, 4)
KINDS = {
    "gd": {},
    "gd, all weights": {"train_output": True},
    "gd, samples": {"samples": 20},
    "sgd": {"algorithm": "sgd", "batch_size": 6},
    "sgd, samples": {"algorithm": "sgd", "batch_size": 6, "samples": 20},
}


def random_net(m, d, seed=0):
    draw = np.random.default_rng(seed)
    return lmc.TwoLayerNet(draw.normal(size=(m, d)) / 2, draw.normal(1.0, 0.2, size=m))


def random_mask(shape, seed=0):
    return np.random.default_rng(seed).random(shape) < 0.6


def short(**options):
    defaults = {"teacher": TEACHER, "learning_rate": 0.05, "max_steps": 30, "gradient_tol": 0, "rng": 0}
    return lmc.train(**{**defaults, **options})


def prune(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        return lmc.prune_iteratively(*arguments, **{"learning_rate": 0.1, "max_steps": 50, "rng": 0, **options})


# --- training under a mask


@pytest.mark.parametrize("kind", KINDS)
def test_masked_weights_stay_exactly_zero_and_the_others_move(kind):
    masks = random_mask((2, 5, 4))
    masks[0, 0] = False  # a neuron without weights
    result = short(width=5, n_runs=2, mask=masks, **KINDS[kind])
    for net, mask in zip(result.networks, masks, strict=True):
        assert (net.W[~mask] == 0).all()
        assert (net.W[mask] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_full_mask_changes_no_bit(kind):
    start = random_net(5, 4)
    free, masked = (short(init=start, mask=mask, **KINDS[kind]).networks[0] for mask in (None, np.ones((5, 4), dtype=bool)))
    assert free.W.tobytes() == masked.W.tobytes()
    assert free.a.tobytes() == masked.a.tobytes()


@pytest.mark.parametrize("d", [4, 12])  # in 12 dimensions descent without a mask runs in the span
def test_masked_descent_is_descent_along_the_masked_gradient(d):
    teacher, start, mask = random_net(2, d, 1), random_net(5, d, 2), random_mask((5, d), seed=2)
    result = short(teacher=teacher, init=start, mask=mask, checkpoints=[0, 30])
    W = mask * start.W
    assert W.any(axis=1).all()
    assert (result.checkpoints[0].networks[0].W == W).all()
    for _ in range(30):
        W = W - 0.05 * mask * reference.loss_and_gradient(W, start.a, teacher.W, teacher.a)[1]
    np.testing.assert_allclose(result.networks[0].W, W, rtol=0, atol=1e-12)
    gradient = lmc.population_gradient(result.networks[0], teacher)[0]
    assert result.gradient_norms[0] == pytest.approx(np.linalg.norm(mask * gradient), rel=1e-12)


def test_tolerance_counts_trained_weights_alone():
    """One weight is left, and it is at its optimum, where the gradient of the others is not zero."""
    teacher = lmc.TwoLayerNet([[1.0, 1.0]])
    mask = np.array([[True, False]])
    result = lmc.train(teacher, init=lmc.TwoLayerNet([[1.0, 7.0]]), mask=mask, learning_rate=0.3, gradient_tol=1e-10)
    assert result.stopped_by == ("gradient_tol",)
    assert np.abs(lmc.population_gradient(result.networks[0], teacher)[0][~mask]).max() > 0.1


def test_masks_commute_with_permutations_of_training():
    start, mask, perm = random_net(5, 4), random_mask((5, 4)), np.random.default_rng(1).permutation(5)
    assert lmc.TwoLayerNet(mask * start.W, start.a).permute(perm).W.tobytes() == (mask[perm] * start.permute(perm).W).tobytes()
    end = short(init=start, mask=mask).networks[0].permute(perm)
    moved = short(init=start.permute(perm), mask=mask[perm]).networks[0]
    np.testing.assert_allclose(moved.W, end.W, rtol=0, atol=1e-13)


# --- masks


@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_the_smallest_surviving_weights_go_first_and_ties_go_in_order(m, d, data):
    levels = st.integers(-2, 2)  # few magnitudes: many ties
    W = np.array(data.draw(st.lists(levels, min_size=m * d, max_size=m * d)), dtype=float).reshape(m, d)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=m * d, max_size=m * d))).reshape(m, d)
    count = data.draw(st.integers(0, int(mask.sum())))
    found = lmc.magnitude_mask(lmc.TwoLayerNet(W), count, mask)
    order = sorted((abs(W.flat[k]), k) for k in range(m * d) if mask.flat[k])  # by magnitude, then by position
    assert set(np.flatnonzero(found)) == {k for _, k in order[count:]}


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_transported_mask_meets_the_mask(m, d, seed):
    draw = np.random.default_rng(seed)
    mask, net, perm = draw.random((m, d)) < 0.5, lmc.TwoLayerNet(draw.normal(size=(m, d))), draw.permutation(m)
    transported = lmc.transport_mask(mask, perm)
    np.testing.assert_array_equal(lmc.TwoLayerNet(transported * net.W).permute(perm).W, mask * net.permute(perm).W)
    assert (lmc.transport_mask(transported, np.argsort(perm)) == mask).all()
    assert (transported[perm] == mask).all()


# --- iterative pruning


@pytest.mark.parametrize("rate", [0.2, 0.07, 0.5, 1 / 3])
@pytest.mark.parametrize("m", [3, 25])
def test_counts_are_exact_and_masks_nested(rate, m):
    found = prune(TEACHER, m, rate=rate, levels=3, n_runs=2, max_steps=3)
    n = 4 * m
    for level, count in enumerate(found.counts):
        assert count == n
        assert (found.masks[level].sum(axis=(1, 2)) == n).all()
        assert not (found.masks[level] & ~found.masks[max(level - 1, 0)]).any()
        n -= math.ceil(Fraction(repr(rate)) * n)
    assert found.losses.shape == (4, 2)
    assert len(found.networks(1)) == 4


def test_a_rate_counts_as_it_is_written():
    assert 0.07 * 100 > 7  # in floats
    assert prune(TEACHER, 25, rate=0.07, levels=1, max_steps=1).counts.tolist() == [100, 93]


@pytest.mark.parametrize("rewind", [0, 7])
def test_levels_are_pruned_rewound_and_retrained(rewind):
    found = prune(TEACHER, 4, rate=0.3, levels=2, n_runs=2, rewind=rewind, max_steps=40)
    dense = short(width=4, n_runs=2, learning_rate=0.1, max_steps=40, checkpoints=[rewind])
    for run in range(2):
        assert found.networks(run)[0].W.tobytes() == dense.networks[run].W.tobytes()
        assert found.rewound[run].W.tobytes() == dense.checkpoints[run].networks[0].W.tobytes()
        for level in (1, 2):
            before, mask = found.networks(run)[level - 1], found.masks[level, run]
            removed = int(found.counts[level - 1] - found.counts[level])
            assert (mask == lmc.magnitude_mask(before, removed, found.masks[level - 1, run])).all()
            again = short(init=found.rewound[run], mask=mask, learning_rate=0.1, max_steps=40 - rewind).networks[0]
            assert found.networks(run)[level].W.tobytes() == again.W.tobytes()
            assert found.losses[level, run] == lmc.population_loss(again, TEACHER)


def test_pruning_commutes_with_permutations():
    start, perm = random_net(5, 4, 3), np.random.default_rng(2).permutation(5)
    found, moved = (prune(TEACHER, init=net, levels=6, rate=0.3) for net in (start, start.permute(perm)))
    assert (moved.masks[:, 0] == found.masks[:, 0][:, perm]).all()
    for net, other in zip(found.networks(), moved.networks(), strict=True):
        np.testing.assert_allclose(other.W, net.permute(perm).W, rtol=0, atol=1e-12)


def test_run_that_stops_before_the_rewinding_step_is_rewound_to_its_end():
    found = prune(TEACHER, init=TEACHER, levels=1, rewind=20, loss_tol=1e-6)
    assert (found.rewound[0].W == TEACHER.W).all()
    assert found.training[1].steps.tolist() == [0]  # zeros were pruned


def test_unconverged_levels_are_reported_once():
    with pytest.warns(lmc.ConvergenceWarning, match="of 6 trainings on 3 levels 6") as caught:
        lmc.prune_iteratively(TEACHER, 3, learning_rate=0.1, levels=2, n_runs=2, max_steps=5, rng=0)
    assert len(caught) == 1
