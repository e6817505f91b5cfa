"""Claims on sequences of networks and on masks: decision rules that can fail, and what they are applied to."""

import numpy as np
import pytest

import lmctheory as lmc
from validation.cells import pruning
from validation.cells.one_permutation import SEQUENCES, measure_pair
from validation.claim import Verdict
from validation.claims import mask_transport, one_permutation_for_pruned_sequences, one_permutation_per_trajectory
from validation.evidence import one_permutation

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
ROOT = np.random.SeedSequence(3)


def comparison(left, lost):
    return one_permutation.Comparison(np.arange(1), np.zeros(1), np.array([left]), np.zeros(1), np.array([lost]))


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([((0.0, 0.5), (-0.2, 0.1))], S),
        ([((0.0, 0.51), (0.0, 0.0))], I),
        ([((0.0, 0.0), (0.05, 0.11))], I),
        ([((0.51, 0.6), (0.0, 0.0))], R),
        ([((0.0, 0.1), (0.0, 0.1)), ((0.0, 0.1), (0.11, 0.2))], R),
        ([], I),
    ],
)
def test_rule_of_one_permutation(intervals, verdict):
    assert one_permutation.decide([comparison(*both) for both in intervals]) is verdict


@pytest.mark.parametrize(("share", "verdict"), [(0.05, S), (0.3, R), (0.0, S), (1.0, R)])
def test_one_permutation_is_judged_by_the_share_it_leaves(share, verdict):
    rng = np.random.default_rng(0)
    unaligned = rng.lognormal(size=(200, 4))
    own = 0.001 * unaligned
    one = np.maximum(own, share * rng.lognormal(-0.02, 0.2, size=(200, 4)) * unaligned)
    found = one_permutation.compare(one, own, unaligned, np.arange(1, 4), 1, ROOT)
    assert found.judged.tolist() == [1, 2, 3]
    assert one_permutation.decide([found]) is verdict
    np.testing.assert_allclose(found.left, one[:, 1:].mean(axis=0) / unaligned[:, 1:].mean(axis=0), rtol=1e-12)


def test_steps_that_leave_nothing_to_align_are_not_judged():
    unaligned = np.tile([1.0, 0.0, 0.05, 0.2], (20, 1))
    found = one_permutation.compare(0 * unaligned, 0 * unaligned, unaligned, np.arange(4), 1, ROOT)
    assert found.judged.tolist() == [0, 3]
    assert one_permutation.decide([found]) is S


def test_intervals_of_ratios_cover():
    """Of 200 intervals that cover at level 0.9 fewer than 6 or more than 34 miss with probability 0.001 each."""
    rng = np.random.default_rng(1)
    numerators, denominators = rng.exponential(0.3, size=(80, 200)), rng.exponential(size=(80, 200))
    ratios, intervals = one_permutation.ratios_of_means(numerators, denominators, 0.9, ROOT)
    np.testing.assert_allclose(ratios, numerators.sum(axis=0) / denominators.sum(axis=0), rtol=1e-12)
    missed = np.mean((intervals[:, 0] > 0.3) | (intervals[:, 1] < 0.3))
    assert 6 / 200 <= missed <= 34 / 200


def test_ratio_to_nothing_is_zero():
    ratios, intervals = one_permutation.ratios_of_means(np.zeros((5, 1)), np.zeros((5, 1)), 0.95, ROOT)
    assert ratios.tolist() == [0]
    assert intervals.tolist() == [[0, 0]]


def test_serving_needs_both_limits():
    barriers, own, unaligned = np.array([[0.0, 0.09, 0.11], [0.45, 0.49, 0.51]]), np.array([0.0, 0.45]), np.ones(2)
    assert one_permutation.serving(barriers, own, unaligned).tolist() == [[True, True, False], [True, True, False]]


def test_measures_of_a_planted_pair():
    teacher = lmc.orthonormal_teacher(2, 2)
    seq = [lmc.sample_minimum(2, 8, rng=seed).to_network() for seed in range(3)]
    perm = np.random.default_rng(0).permutation(8)
    found = measure_pair(seq, [net.permute(perm) for net in seq], teacher, np.random.default_rng(1))
    assert set(found) == set(SEQUENCES)
    assert found["joint"].max() < 1e-14
    assert np.diag(found["barriers"]).max() < 1e-14
    assert found["unaligned"].max() > 0.01
    assert found["random"].max() > 0.01
    assert found["losses"].max() < 1e-14


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [([(0.1, 0.8), (0.2, 0.7)], S), ([(0.1, 0.8), (0.2, 0.9)], I), ([(0.1, 0.8), (0.81, 0.9)], R), ([(1.1, 1.3), (0, 0.1)], R)],
)
def test_rule_of_transport(intervals, verdict):
    assert mask_transport.decide({str(k): (0.5, interval) for k, interval in enumerate(intervals)}) is verdict


def test_transport_compares_means_over_pairs_and_levels():
    rng = np.random.default_rng(0)
    base = rng.lognormal(sigma=0.3, size=(100, 4))
    losses = {"carried": 0.5 * base, "unpermuted": base, "random": 3 * base, "shuffled": base}
    good, bad = (mask_transport.compare(losses, name, ROOT) for name in ("carried", "shuffled"))
    assert good["carried / unpermuted"][0] == pytest.approx(0.5)
    assert good["carried / random"][0] == pytest.approx(1 / 6)
    assert mask_transport.decide(good) is S
    assert mask_transport.decide(bad) is R


@pytest.mark.jit
def test_cells_of_all_claims(monkeypatch):
    monkeypatch.setattr(one_permutation_per_trajectory, "STEPS", (0, 8, 64))
    found = one_permutation_per_trajectory.trajectories(0, 8, 2)
    assert found["barriers"].shape == (2, 3, 3)
    assert found["fixed_points"].shape == (2, 2)
    assert (np.diff(found["losses"], axis=1) < 0).all()
    monkeypatch.setattr(pruning, "MAX_STEPS", 60)
    monkeypatch.setattr(mask_transport, "MAX_STEPS", 60)
    found = one_permutation_for_pruned_sequences.pruned_pairs(0, "rotated", 2)
    assert found["barriers"].shape == (2, 11, 11)
    assert found["densities"][[0, -1]].tolist() == [1.0, 25 / 256]
    found = mask_transport.transported(0, "on the axes", 2)
    assert found["densities"][-1] == 25 / 256
    assert {name: found[name].shape for name in mask_transport.LOSSES} == dict.fromkeys(mask_transport.LOSSES, (2, 4))
    assert found["random"][:, -1].mean() > found["carried"][:, -1].mean()


@pytest.mark.parametrize("kind", pruning.TEACHERS)
def test_teachers_are_orthonormal(kind):
    W = pruning.teacher_of(kind, np.random.default_rng(0)).W
    np.testing.assert_allclose(W @ W.T, np.eye(4), atol=1e-14)
    assert (np.count_nonzero(W) == 4) == (kind == "on the axes")


def _barriers(n):
    names = ("unaligned", "random", "joint", "own", "last", "dense", "losses")
    return {name: np.linspace(0.1, 0.2, n) / (k + 1) for k, name in enumerate(names)} | {"n_pairs": 3}


def _trajectory_data():
    serves = np.tril(np.ones((3, 3), dtype=bool))
    record = {"width": 16, "steps": [0, 1, 4], "barriers": np.eye(3) / 20, "serves": serves}
    return {"settings": [_barriers(3) | record, _barriers(3) | record | {"width": 64}]}


def _pruning_data():
    return {"settings": [_barriers(3) | {"teacher": name, "densities": [1.0, 0.5, 0.1]} for name in ("on the axes", "rotated")]}


def _transport_data():
    pairs = {name: np.geomspace(1e-18, 1, 6).reshape(3, 2) for name in mask_transport.LOSSES}
    return {"settings": [{"teacher": "rotated", "densities": [0.4, 0.1], "pairs": pairs}]}


SEQUENCES_DATA = {  # made-up numbers for the figures
    "trajectory": _trajectory_data,
    "pruned_sequences": _pruning_data,
    "mask_transport": _transport_data,
}
