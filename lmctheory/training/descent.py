"""Gradient descent on the population loss, many seeds in parallel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, Rng
from lmctheory._compiled import descent as compiled
from lmctheory._parallel import map_threads
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, span_coordinates
from lmctheory.training.polishing import Polish
from lmctheory.training.polishing import polish as polish_network
from lmctheory.training.result import TrainingResult

_STOPPED_BY = {
    compiled.GRADIENT_TOL: "gradient_tol",
    compiled.LOSS_TOL: "loss_tol",
    compiled.MAX_STEPS: "max_steps",
    compiled.DIVERGED: "diverged",
}


def train(
    teacher: TwoLayerNet,
    width: int | None = None,
    init: TwoLayerNet | Sequence[TwoLayerNet] | None = None,
    *,
    learning_rate: float | ArrayLike,
    max_steps: int = 20_000,
    rng: Rng = None,
    n_runs: int = 1,
    init_scale: float | None = None,
    gradient_tol: float = 1e-9,
    loss_tol: float | None = None,
    polish: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingResult:
    """Run gradient descent ``W <- W - learning_rate * dL/dW`` on the population loss for Gaussian inputs.

    The output weights stay fixed. ``L = E[(f - f*)^2]`` without a factor 1/2, so that a learning rate here is half of one for
    the loss with that factor. On the sphere the same trajectory has d times the learning rate.

    Parameters
    ----------
    teacher : TwoLayerNet
        The target, of width M and input dimension d.
    width : int, optional
        Width m of freshly initialised students with output weights one. Exactly one of `width` and `init` is given.
    init : TwoLayerNet or sequence of TwoLayerNet, optional
        Initial networks, one a run; they must share one width.
    learning_rate : float or array_like, shape (n_runs,)
        Positive.
    max_steps : int
        Largest number of steps, at least 1.
    rng : int, SeedSequence, Generator or None
        Source of the initial weights. Run k depends on the seed and k alone, not on `n_runs`. A Generator is advanced.
    n_runs : int
        Number of independent runs from `width`; with `init` it is the number of networks given.
    init_scale : float, optional
        Each initial weight is N(0, s^2/d) with s = init_scale, by default ``min(1, M/m)``.
    gradient_tol : float
        Stop when the Frobenius norm of dL/dW is at most this; 0 switches the test off.
    loss_tol : float, optional
        Stop when the loss is at most this; None or 0 switches the test off.
    polish : bool
        Follow descent by a second-order phase down to a gradient norm of 1e-12; see `TrainingResult.polish`.
    progress : callable, optional
        Called as ``progress(done, n_runs)`` whenever the descent of a run has ended.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InvalidInputError
        If an argument is out of its range, both or neither of `width` and `init` are given, or initial networks do not fit.

    Warns
    -----
    ConvergenceWarning
        If runs diverged, or met no tolerance although one was set.

    Notes
    -----
    A step costs two matrix products with the ``(m, m + M)`` Gram block and as many arccosines. Gradient descent stays in the
    span of the rows of W_0 and V, so it runs in ``min(d, m + M)`` coordinates. Same seed, same bits, at any number of threads.
    Descent in the overparameterised case converges like a power of the number of steps: expect a gradient tolerance
    of 1e-9 not to be met in 20 000 steps for m > M, and set `loss_tol` or `polish`.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> result = lmc.train(lmc.orthonormal_teacher(2, 4), width=2, learning_rate=0.3, rng=0, n_runs=3)
    >>> result.stopped_by
    ('gradient_tol', 'gradient_tol', 'gradient_tol')
    >>> bool((result.losses < 1e-15).all())
    True
    """
    loss = PopulationLoss(teacher)
    max_steps = _checks.integer("max_steps", max_steps, 1)
    gradient_tol = _checks.real("gradient_tol", gradient_tol, non_negative=True)
    loss_tol = _checks.real("loss_tol", 0.0 if loss_tol is None else loss_tol, non_negative=True)
    root = _checks.seed_sequence(rng)
    if (width is None) == (init is None):
        raise InvalidInputError(f"exactly one of width and init must be given, got width={width!r}, init={init!r}")
    if init is None:
        width = _checks.integer("width", width, 1)
        n_runs = _checks.integer("n_runs", n_runs, 1)
        scale = min(1.0, teacher.width / width) if init_scale is None else _checks.real("init_scale", init_scale, positive=True)
        starts = [_initial_network(width, teacher.input_dim, scale, _checks.stream(root, "init", k)) for k in range(n_runs)]
    else:
        starts, scale = _given_networks(init, loss, n_runs, init_scale), None
    rates = _learning_rates(learning_rate, len(starts))

    def run(k: int, stop: np.ndarray) -> tuple[TwoLayerNet, int, int]:
        net, reduced_teacher, basis = span_coordinates(starts[k], teacher)
        X, c = PopulationLoss(reduced_teacher).stack(net)
        W, steps, reason = compiled.descend(
            X, c, net.width, loss.teacher_energy, rates[k], max_steps,
            gradient_tol or -1.0, loss_tol or -1.0, stop,
        )  # fmt: skip
        return TwoLayerNet(W if basis is None else W @ basis.T, net.a), steps, reason

    outcomes = map_threads(run, len(starts), progress)
    networks = [net for net, _, _ in outcomes]
    reasons = np.array([reason for _, _, reason in outcomes])
    diverged = reasons == compiled.DIVERGED
    converged = (reasons == compiled.GRADIENT_TOL) | (reasons == compiled.LOSS_TOL)
    reports: list[Polish | None] = []
    if polish:
        polished = map_threads(
            lambda k, _: (networks[k], None) if diverged[k] else polish_network(networks[k], teacher), len(networks)
        )
        networks, reports = [net for net, _ in polished], [report for _, report in polished]
        converged |= [report is not None and report.success for report in reports]
    losses, gradient_norms = _evaluate(networks, loss, diverged)
    if diverged.any() or (not converged.all() and (gradient_tol or loss_tol)):
        unmet = len(networks) - int(converged.sum()) - int(diverged.sum())
        warnings.warn(
            f"of {len(networks)} runs {int(diverged.sum())} diverged and {unmet} met no tolerance in {max_steps} steps",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    return TrainingResult(
        networks=tuple(networks),
        losses=losses,
        gradient_norms=gradient_norms,
        converged=converged,
        diverged=diverged,
        steps=np.array([steps for _, steps, _ in outcomes]),
        stopped_by=tuple(_STOPPED_BY[reason] for reason in reasons),
        polish=tuple(reports),
        learning_rates=rates,
        init_scale=scale,
        seed=(root.entropy, tuple(root.spawn_key)),
    )


def _initial_network(width: int, d: int, scale: float, seed: np.random.SeedSequence) -> TwoLayerNet:
    return TwoLayerNet(np.random.default_rng(seed).normal(scale=scale / np.sqrt(d), size=(width, d)))


def _given_networks(
    init: TwoLayerNet | Sequence[TwoLayerNet], loss: PopulationLoss, n_runs: int, init_scale: float | None
) -> list[TwoLayerNet]:
    networks = [init] if isinstance(init, TwoLayerNet) else _checks.items("init", init, "networks")
    if init_scale is not None:
        raise InvalidInputError(f"init_scale must not be given together with init, got {init_scale!r}")
    if n_runs not in (1, len(networks)):
        raise InvalidInputError(f"n_runs must be the number of initial networks, {len(networks)}, or left out, got {n_runs!r}")
    for k, net in enumerate(networks):
        loss.check(f"init[{k}]", net)
        if net.width != networks[0].width:
            raise InvalidInputError(f"init[{k}] must have the width of init[0], {networks[0].width}, got {net.width}")
    return networks


def _learning_rates(value: float | ArrayLike, n_runs: int) -> FloatArray:
    if isinstance(value, Real):
        return np.full(n_runs, _checks.real("learning_rate", value, positive=True))
    rates = _checks.real_array("learning_rate", value, 1)
    if len(rates) != n_runs:
        raise InvalidInputError(f"learning_rate must be a number or hold one a run, {n_runs}, got {len(rates)}")
    if (rates <= 0).any():
        raise InvalidInputError(f"learning_rate must be positive, got {rates.min()}")
    return rates


def _evaluate(networks: list[TwoLayerNet], loss: PopulationLoss, diverged: np.ndarray) -> tuple[FloatArray, FloatArray]:
    losses, norms = np.full(len(networks), np.nan), np.full(len(networks), np.nan)
    for k in np.flatnonzero(~diverged):
        losses[k], gradient = loss.value_and_gradient(networks[k])
        norms[k] = np.linalg.norm(gradient)
    return losses, norms
