"""Gradient descent, stochastic gradient descent and gradient flow, many seeds in parallel."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray, Rng
from lmctheory._parallel import finished_calls, keep_finished, map_threads, thread_count
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss
from lmctheory.training.arguments import (
    batch_size_of,
    finite_samples,
    flow_of,
    given_networks,
    initial_network,
    learning_rates,
    masks,
)
from lmctheory.training.flow import follow
from lmctheory.training.polishing import Polish
from lmctheory.training.polishing import polish as polish_network
from lmctheory.training.recording import measure
from lmctheory.training.result import TrainingResult
from lmctheory.training.runs import Ending, Plan, Run, complete
from lmctheory.training.schedule import steps_of_interest, times_of_interest

ALGORITHMS = ("gd", "sgd", "flow")


def train(
    teacher: TwoLayerNet,
    width: int | None = None,
    init: TwoLayerNet | Sequence[TwoLayerNet] | None = None,
    *,
    learning_rate: float | ArrayLike | None = None,
    algorithm: str = "gd",
    horizon: float | None = None,
    batch_size: int | None = None,
    samples: int | ArrayLike | None = None,
    train_output: bool = False,
    mask: ArrayLike | None = None,
    max_steps: int = 20_000,
    rng: Rng = None,
    n_runs: int = 1,
    init_scale: float | None = None,
    gradient_tol: float = 1e-9,
    loss_tol: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    polish: bool = False,
    record: int | ArrayLike | None = None,
    checkpoints: int | ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingResult:
    """Train networks by ``W <- W - learning_rate * gradient`` on the exact population loss, on fresh inputs, or on a sample.

    With ``algorithm="flow"`` by the limit of small steps, ``dW/dt = -gradient``, at time ``t = learning_rate * steps``.
    The gradient is that of ``E[(f - f*)^2]``, without a factor 1/2, so that a learning rate here is half of one for the loss with
    that factor. The mean E is over

    ==============================  =====================================================================
    ``algorithm="gd"``              Gaussian inputs: the population loss, in closed form
    ``"gd"`` with `samples`         the n samples
    ``"sgd"``                       `batch_size` Gaussian inputs, fresh at every step
    ``"sgd"`` with `samples`        `batch_size` distinct samples, chosen anew at every step
    ``"flow"``                      Gaussian inputs: the population loss, in closed form
    ==============================  =====================================================================

    Parameters
    ----------
    teacher : TwoLayerNet
        The target, of width M and input dimension d. It labels samples, without noise.
    width : int, optional
        Width m of freshly initialised students with output weights one. Exactly one of `width` and `init` is given.
    init : TwoLayerNet or sequence of TwoLayerNet, optional
        Initial networks, one a run; they must share one width.
    learning_rate : float or array_like, shape (n_runs,)
        Positive; given unless the algorithm is "flow".
    algorithm : {"gd", "sgd", "flow"}
        Steps along the full gradient, steps along gradients on random batches, or gradient flow.
    horizon : float, optional
        Time at which the flow ends, positive; given if and only if the algorithm is "flow".
    batch_size : int, optional
        Inputs in a batch, at least 1 and at most n; given if and only if the algorithm is "sgd".
    samples : int or array_like, shape (n, d), optional
        A finite sample of inputs: an array for all runs, or a number n of Gaussian inputs, drawn for each run. Not for "flow".
    train_output : bool
        Train the output weights too, at the same rate.
    mask : array_like of bool, shape (m, d) or (n_runs, m, d), optional
        Hidden weights that are there, of all runs or of each; the others are set to zero at the start and stay exactly zero.
    max_steps : int
        Largest number of steps, at least 1; of "flow" those that its solver takes.
    rng : int, SeedSequence, Generator or None
        Source of initial weights, samples and batches. Run k depends on the seed and k alone, not on `n_runs`. A Generator is
        advanced.
    n_runs : int
        Number of independent runs from `width`; with `init` it is the number of networks given.
    init_scale : float, optional
        Each initial weight is N(0, s^2/d) with s = init_scale, by default ``min(1, M/m)``.
    gradient_tol : float
        Stop when the norm of the gradient is at most this; 0 switches the test off.
    loss_tol : float, optional
        Stop when the loss is at most this; None or 0 switches the test off. Both tolerances are for the population loss or, with
        `samples`, for the loss on all of them. "sgd" tests them every 100 steps, or every 10 passes over the samples if
        these take longer, "flow" after every step of its solver.
    rtol, atol : float, optional
        Error that the solver of "flow" allows in a step, relative to each weight and absolute: by default 1e-8 and 1e-10; rtol is
        at least 1e-12.
    polish : bool
        Follow descent by a second-order phase down to a gradient norm of 1e-12; see `TrainingResult.polish`. For the population
        loss, fixed output weights and no mask only.
    record : int or array_like of int, optional
        Steps at which losses, sharpness, norms of neurons and sparsity are recorded: increasing steps from 0 to `max_steps`, or
        a number of log-spaced ones, at least 2. The last step of a run is added. For "flow" they are times from 0 to `horizon`;
        a number gives 0 and log-spaced times from ``horizon / 10^4`` on. See `TrainingResult.history`.
    checkpoints : int or array_like of int, optional
        Steps, given in the same way, at which networks are kept. See `TrainingResult.checkpoints`.
    progress : callable, optional
        Called as ``progress(done, n_runs)`` whenever the descent of a run has ended.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InvalidInputError
        If an argument is out of its range, both or neither of `width` and `init` are given, initial networks, samples or masks
        do not fit, or an argument is given where it has no meaning.

    Warns
    -----
    ConvergenceWarning
        If runs diverged, met no tolerance although one was set, or the solver of the flow gave up; `TrainingResult.behaviour`
        says what each was doing.

    Notes
    -----
    A step on the population loss costs two matrix products with the ``(m, m + M)`` Gram block and as many arccosines. Without a
    mask it stays in the span of the rows of W_0 and V, and runs in ``min(d, m + M)`` coordinates. A step on n inputs costs two
    matrix products of ``(m + M, d)`` by ``(d, n)``. Same seed, same bits, at any number of threads, with or without recording.

    Descent in the overparameterised case converges like a power of the number of steps: expect a gradient tolerance
    of 1e-9 not to be met in 20 000 steps for m > M, and set `loss_tol` or `polish`. At a minimum of zero loss all gradients on
    batches vanish, so that "sgd" can converge at a constant rate.

    Flow is stiff: at minima of wide networks rates of decay go down to zero. SciPy's BDF follows it, with the exact Hessian, in
    about 600 steps to time 1000 (0.4 s at m = 16, d = 4); Radau took 2 to 3 times as long for the same tolerance, explicit
    methods 20 times and more. LSODA is 2 to 3 times as fast, but up to SciPy 1.16 only one may be under way at a time.
    Meant for up to about 1000 weights, whose Hessian is factorised every few steps. At a fixed time descent at rate eta is within
    O(eta) of the flow. The tips of the loss where a neuron is at the origin, and the gradient jumps, are rounded off at a radius
    of 100 atol.

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
    _checks.choice("algorithm", algorithm, ALGORITHMS)
    flow = flow_of(algorithm, horizon, rtol, atol, samples is not None)
    root = _checks.seed_sequence(rng)
    if (width is None) == (init is None):
        raise InvalidInputError(f"exactly one of width and init must be given, got width={width!r}, init={init!r}")
    if init is None:
        width = _checks.integer("width", width, 1)
        n_runs = _checks.integer("n_runs", n_runs, 1)
        scale = min(1.0, teacher.width / width) if init_scale is None else _checks.real("init_scale", init_scale, positive=True)
        starts = [initial_network(width, teacher.input_dim, scale, _checks.stream(root, "init", k)) for k in range(n_runs)]
    else:
        starts, scale = given_networks(init, loss, n_runs, init_scale), None
    rates = learning_rates(algorithm, learning_rate, len(starts))
    points = finite_samples(samples, teacher, root, len(starts))
    kept = masks(mask, starts)
    starts = [
        net if there is None else TwoLayerNet(np.where(there, net.W, 0.0), net.a) for net, there in zip(starts, kept, strict=True)
    ]

    def looks(name: str, value: int | ArrayLike | None) -> FloatArray | IntArray:
        return times_of_interest(name, value, flow.horizon) if flow else steps_of_interest(name, value, max_steps)

    plan = Plan(
        max_steps=max_steps,
        gradient_tol=_checks.real("gradient_tol", gradient_tol, non_negative=True),
        loss_tol=_checks.real("loss_tol", 0.0 if loss_tol is None else loss_tol, non_negative=True),
        batch_size=batch_size_of(algorithm, batch_size, points),
        train_output=bool(train_output),
        flow=flow,
        record=looks("record", record),
        checkpoints=looks("checkpoints", checkpoints),
    )
    if polish and (points or train_output or mask is not None):
        reason = "with samples" if points else "where output weights are trained" if train_output else "with a mask"
        raise InvalidInputError(f"polish must be off {reason}: it minimises the population loss over W, got {polish!r}")

    threads = max(1, thread_count() // len(starts))

    def run(k: int, stop: np.ndarray) -> Ending:
        if plan.flow is not None:
            return follow(starts[k], teacher, kept[k], plan, plan.flow, stop)
        batches = np.random.default_rng(_checks.stream(root, "batches", k))
        return complete(Run(starts[k], teacher, kept[k], points[k] if points else None, rates[k], plan, batches, threads), stop)

    endings = map_threads(run, len(starts), progress)
    networks = [ending.network for ending in endings]
    measurements = [ending.measurements for ending in endings]
    diverged = np.array([ending.behaviour == "diverged" for ending in endings])
    converged = np.array([ending.behaviour == "converged" for ending in endings])
    reports: list[Polish | None] = []
    if polish:
        try:
            polished = map_threads(
                lambda k, _: (networks[k], None) if diverged[k] else polish_network(networks[k], teacher), len(networks)
            )
        except KeyboardInterrupt as interrupt:  # descent has ended: what is not polished is worth keeping too
            done = {k: dataclasses.replace(endings[k], network=net) for k, (net, _) in finished_calls(interrupt).items()}
            keep_finished(interrupt, dict(enumerate(endings)) | done)
            raise
        networks, reports = [net for net, _ in polished], [report for _, report in polished]
        measurements = [measure(net, loss, None, train_output=False, mask=None) for net in networks]
        converged |= [report is not None and report.success for report in reports]
    stalled = sum(ending.stopped_by == "stalled" for ending in endings)
    if diverged.any() or stalled or (not converged.all() and (plan.gradient_tol or plan.loss_tol)):
        unmet = len(networks) - int(converged.sum()) - int(diverged.sum())
        within = f"up to time {flow.horizon:g}" if flow else f"in {max_steps} steps"
        gave_up = f"; the solver of the flow gave up on {stalled}" if stalled else ""
        warnings.warn(
            f"of {len(networks)} runs {int(diverged.sum())} diverged and {unmet} met no tolerance {within}{gave_up}",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    losses, sample_losses, gradient_norms = np.array([dataclasses.astuple(found) for found in measurements]).T
    return TrainingResult(
        networks=tuple(networks),
        losses=np.where(diverged, np.nan, losses),
        sample_losses=np.where(diverged, np.nan, sample_losses),
        gradient_norms=np.where(diverged, np.nan, gradient_norms),
        last_finite_losses=losses,
        converged=converged,
        diverged=diverged,
        steps=np.array([ending.steps for ending in endings]),
        times=np.array([ending.time for ending in endings]),
        stopped_by=tuple(ending.stopped_by for ending in endings),
        behaviour=tuple(ending.behaviour for ending in endings),
        polish=tuple(reports),
        history=tuple(ending.history for ending in endings) if plan.record.size else (),
        checkpoints=tuple(ending.checkpoints for ending in endings) if plan.checkpoints.size else (),
        learning_rates=rates,
        samples=tuple(points),
        init_scale=scale,
        seed=(root.entropy, tuple(root.spawn_key)),
    )
