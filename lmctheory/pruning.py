"""Iterative magnitude pruning with rewinding; masks, and what permutations do to them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray, Rng
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.training import TrainingResult, train


@dataclass(frozen=True, eq=False)
class PruningResult:
    """Networks of K = levels + 1 densities, dense first, of each of R runs, and how they were trained.

    Attributes
    ----------
    masks : ndarray of bool, shape (K, R, m, d)
        The hidden weights that are there; all of them at level 0.
    counts : ndarray of int, shape (K,)
        How many there are in a network of each level.
    training : tuple of TrainingResult, length K
        The training of all runs at each level; its networks are zero outside the masks.
    rewound : tuple of TwoLayerNet, length R
        The dense networks at the step to which runs were rewound.
    rewind : int
        That step.
    """

    masks: BoolArray
    counts: IntArray
    training: tuple[TrainingResult, ...]
    rewound: tuple[TwoLayerNet, ...]
    rewind: int

    @property
    def losses(self) -> FloatArray:
        """Population losses, shape (K, R); NaN for diverged runs."""
        return np.array([result.losses for result in self.training])

    def networks(self, run: int = 0) -> tuple[TwoLayerNet, ...]:
        """Return the K networks of a run, dense first: a sequence for `align_sequences`."""
        return tuple(result.networks[run] for result in self.training)


def prune_iteratively(
    teacher: TwoLayerNet,
    width: int | None = None,
    init: TwoLayerNet | Sequence[TwoLayerNet] | None = None,
    *,
    learning_rate: float,
    rate: float = 0.2,
    levels: int = 10,
    rewind: int = 0,
    max_steps: int = 20_000,
    rng: Rng = None,
    n_runs: int = 1,
    init_scale: float | None = None,
    gradient_tol: float = 1e-9,
    loss_tol: float | None = None,
) -> PruningResult:
    """Train networks, then prune their smallest hidden weights, rewind the others and retrain, level after level.

    With n weights of W left, a level removes the ``ceil(rate * n)`` of smallest magnitude, sets the others back to their values
    at step `rewind` of the dense run, and trains these for the remaining ``max_steps - rewind`` steps.

    Parameters
    ----------
    teacher, width, init, rng, n_runs, init_scale, gradient_tol, loss_tol
        As for `train`: gradient descent on the population loss, with fixed output weights.
    learning_rate : float
        Positive.
    rate : float
        Share of the surviving weights that a level removes, between 0 and 1. It counts as the decimal fraction it is written
        as: a rate of 0.07 removes 7 of 100 weights.
    levels : int
        Number of prunings, at least 1; a weight must be left in the end.
    rewind : int
        From 0, the initialisation, to ``max_steps - 1``. A dense run that stopped before is rewound to its last step.
    max_steps : int
        Largest number of steps of the dense run, at least 1.

    Returns
    -------
    PruningResult

    Raises
    ------
    InvalidInputError
        As `train`, or if `rate`, `levels` or `rewind` is out of its range.

    Warns
    -----
    ConvergenceWarning
        If runs at some level diverged, or met no tolerance although one was set.

    Notes
    -----
    Ties are broken by `magnitude_mask`; without ties, pruning commutes with permutations of the initial neurons.

    References
    ----------
    [SKD] Sharma et al. 2024, for one permutation of all levels.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> options = {"rate": 0.5, "levels": 2, "learning_rate": 0.3, "loss_tol": 1e-12, "gradient_tol": 0.0, "rng": 0}
    >>> found = lmc.prune_iteratively(lmc.orthonormal_teacher(2, 4), 2, **options)
    >>> found.counts
    array([8, 4, 2])
    >>> bool((found.losses < 1e-12).all())  # of each neuron the weight on its axis is left
    True
    """
    counts = _surviving_counts(_weight_count(teacher, width, init), _checks.probability("rate", rate), levels)
    max_steps = _checks.integer("max_steps", max_steps, 1)
    rewind = _checks.integer("rewind", rewind, 0)
    if rewind >= max_steps:
        raise InvalidInputError(f"rewind must be less than max_steps, {max_steps}, got {rewind}")
    learning_rate = _checks.real("learning_rate", learning_rate, positive=True)
    fresh: dict[str, Any] = {"width": width, "init": init, "rng": rng, "n_runs": n_runs, "init_scale": init_scale}
    common: dict[str, Any] = {"learning_rate": learning_rate, "gradient_tol": gradient_tol, "loss_tol": loss_tol}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one warning for all levels follows
        training = [train(teacher, **fresh, **common, max_steps=max_steps, checkpoints=[rewind])]
        rewound = tuple(kept.networks[0] for kept in training[0].checkpoints)
        masks = [np.ones((len(rewound), *rewound[0].W.shape), dtype=np.bool_)]
        for before, after in pairwise(counts):
            trained = zip(training[-1].networks, masks[-1], strict=True)
            masks.append(np.stack([magnitude_mask(net, before - after, mask) for net, mask in trained]))
            training.append(train(teacher, init=rewound, mask=masks[-1], **common, max_steps=max_steps - rewind))
    converged = np.array([result.converged for result in training])
    if not converged.all() and (gradient_tol or loss_tol or any(result.diverged.any() for result in training)):
        warnings.warn(
            f"of {converged.size} trainings on {len(training)} levels {converged.size - int(converged.sum())} diverged or met no "
            f"tolerance in {max_steps} steps",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    return PruningResult(np.stack(masks), np.array(counts), tuple(training), rewound, rewind)


def magnitude_mask(net: TwoLayerNet, count: int, mask: ArrayLike | None = None) -> BoolArray:
    """Return `mask` without the `count` hidden weights of smallest magnitude that it keeps.

    Parameters
    ----------
    net : TwoLayerNet
        Of width m and input dimension d.
    count : int
        From 0 to the number of weights that `mask` keeps.
    mask : array_like of bool, shape (m, d), optional
        All weights by default.

    Returns
    -------
    ndarray of bool, shape (m, d)

    Raises
    ------
    InvalidInputError
        If `mask` has another shape, or keeps fewer than `count` weights.

    Notes
    -----
    Of weights of one magnitude those that come first, row by row, are removed first.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.magnitude_mask(lmc.TwoLayerNet([[1.0, -3.0], [-1.0, 2.0]]), 1)
    array([[False,  True],
           [ True,  True]])
    """
    shape = _checks.instance("net", net, TwoLayerNet).W.shape
    kept = np.ones(shape, dtype=np.bool_) if mask is None else _checks.mask("mask", mask, shape)
    surviving = np.flatnonzero(kept)
    count = _checks.integer("count", count, 0)
    if count > len(surviving):
        raise InvalidInputError(f"count must be at most the number of weights that mask keeps, {len(surviving)}, got {count}")
    smallest = np.argsort(np.abs(net.W.ravel()[surviving]), kind="stable")[:count]
    kept.ravel()[surviving[smallest]] = False
    return kept


def transport_mask(mask: ArrayLike, permutation: ArrayLike) -> BoolArray:
    """Return the mask of network A for network B, which `permutation` aligns with A: ``transported[permutation] = mask``.

    Neuron i of A meets neuron ``permutation[i]`` of B, as in `align`, and hands its mask to it:
    ``perm.(transported * theta_B) = mask * (perm.theta_B)``.

    Parameters
    ----------
    mask : array_like of bool, shape (m, d)
    permutation : array_like of int, shape (m,)

    Returns
    -------
    ndarray of bool, shape (m, d)
        For the `mask` of `train`, say.

    Raises
    ------
    InvalidInputError
        If `mask` is not a matrix of booleans, or `permutation` is none of its rows.

    References
    ----------
    [SKD] Sharma et al. 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.transport_mask([[True, False], [False, True], [True, True]], [1, 2, 0])
    array([[ True,  True],
           [ True, False],
           [False,  True]])
    """
    kept = _checks.mask("mask", mask)
    return kept[np.argsort(_checks.permutation("permutation", permutation, len(kept)))]


def _weight_count(teacher: TwoLayerNet, width: int | None, init: TwoLayerNet | Sequence[TwoLayerNet] | None) -> int:
    """Return the number ``m d`` of hidden weights of a run."""
    d = _checks.instance("teacher", teacher, TwoLayerNet).input_dim
    if init is None:
        return _checks.integer("width", width, 1) * d
    first = init if isinstance(init, TwoLayerNet) else _checks.items("init", init, "networks")[0]
    return _checks.instance("init[0]", first, TwoLayerNet).width * d


def _surviving_counts(n: int, rate: float, levels: int) -> list[int]:
    """Return how many of n weights there are at each level, dense first."""
    counts, share = [n], Fraction(repr(rate))  # the float 0.07 is a little more than 0.07
    for _ in range(_checks.integer("levels", levels, 1)):
        counts.append(counts[-1] - math.ceil(share * counts[-1]))
        if counts[-1] == 0:
            raise InvalidInputError(
                f"levels must leave a weight: {len(counts) - 2} at most at rate {rate} of {n} weights, got {levels}"
            )
    return counts
