"""One training run: an iterate which compiled loops move forward, and what is kept on the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lmctheory._checks import BoolArray, FloatArray, IntArray
from lmctheory._compiled import descent as compiled
from lmctheory._compiled.iterate import Layout, layout, load_iterate, unload
from lmctheory._compiled.teams import CAN_SHARE, CLAIMED
from lmctheory._compiled.vectors import LANES
from lmctheory._parallel import call_as_team
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, SampleLoss, span_coordinates
from lmctheory.training.behaviour import behaviour_of, steps_to_keep
from lmctheory.training.recording import Checkpoints, History, Look, Measurements, checkpoints_of, history_of, measure

CHECK_STEPS = 100  # on random batches tolerances are tested every so many steps, because the test costs a full gradient,
CHECK_EPOCHS = 10  # or every so many passes over a finite sample, where these take longer

STOPPED_BY = {
    compiled.GRADIENT_TOL: "gradient_tol",
    compiled.LOSS_TOL: "loss_tol",
    compiled.MAX_STEPS: "max_steps",
    compiled.DIVERGED: "diverged",
    compiled.INTERRUPTED: "interrupted",
}
_BEHAVIOUR = {compiled.GRADIENT_TOL: "converged", compiled.LOSS_TOL: "converged", compiled.DIVERGED: "diverged"}


@dataclass(frozen=True)
class Flow:
    """How far, and how exactly, gradient flow is followed."""

    horizon: float
    rtol: float
    atol: float


@dataclass(frozen=True, eq=False)
class Plan:
    """What the runs of a batch have in common; a tolerance of 0 is switched off, `batch_size` None is the full gradient.

    `record` and `checkpoints` are steps, or times of the flow.
    """

    max_steps: int
    gradient_tol: float
    loss_tol: float
    batch_size: int | None
    train_output: bool
    flow: Flow | None
    record: FloatArray | IntArray
    checkpoints: FloatArray | IntArray


@dataclass(frozen=True, eq=False)
class Ending:
    """The last iterate of finite loss, why the run ended there, and what was kept on the way."""

    network: TwoLayerNet
    measurements: Measurements
    steps: int
    time: float
    stopped_by: str
    behaviour: str
    history: History
    checkpoints: Checkpoints


class Run:
    """The iterate of one run, as stacked weights in which compiled loops take steps."""

    def __init__(
        self,
        start: TwoLayerNet,
        teacher: TwoLayerNet,
        mask: BoolArray | None,
        points: FloatArray | None,
        rate: float,
        plan: Plan,
        rng: np.random.Generator,
        threads: int = 1,
    ) -> None:
        self.plan = plan
        self.population = PopulationLoss(teacher)
        self.sample = None if points is None else SampleLoss(teacher, points)
        self.step = 0
        self.rate, self._rng, self.mask, self._threads = rate, rng, mask, threads
        self._basis: FloatArray | None = None
        net = start
        if mask is None and points is None and plan.batch_size is None:  # then all steps stay in the span of the rows
            net, teacher, self._basis = span_coordinates(start, teacher)
        self._points = np.empty((0, net.input_dim)) if points is None else points
        self._X, self._c = PopulationLoss(teacher).stack(net)
        self._m = net.width
        self._kept = np.empty((0, 0), dtype=np.bool_) if mask is None else mask
        self._previous = self.iterate()
        self._batch = np.empty((plan.batch_size or 0, net.input_dim))
        self._order = np.arange(len(self._points))
        self._period = max(CHECK_STEPS, CHECK_EPOCHS * len(self._points) // (plan.batch_size or 1))

    def iterate(self) -> FloatArray:
        """Return all weights in the coordinates of the run, ``(m, d + 1)``, output weights last."""
        return np.column_stack([self._X[: self._m], self._c[: self._m]])

    def network(self) -> TwoLayerNet:
        """Return the iterate."""
        W = self._X[: self._m]
        return TwoLayerNet(W if self._basis is None else W @ self._basis.T, self._c[: self._m])

    def measure(self) -> Measurements:
        """Return losses and the norm of the gradient at the iterate."""
        return measure(self.network(), self.population, self.sample, self.plan.train_output, self.mask)

    def advance(self, until: int, stop: np.ndarray) -> int:
        """Move on to step `until`, or to where the run ends before, and return the reason; `MAX_STEPS` if it has not ended."""
        return self._follow_gradient(until, stop) if self.plan.batch_size is None else self._follow_batches(until, stop)

    def _follow_gradient(self, until: int, stop: np.ndarray) -> int:
        plan, first = self.plan, self.step
        limits = first, until, plan.gradient_tol or -1.0, plan.loss_tol or -1.0
        if len(self._points):
            self.step, reason = compiled.descend_on_sample(
                self._X, self._c, self._m, self._kept, self._points, self.rate, plan.train_output, *limits, self._previous, stop
            )
            return reason
        self.step, reason = self._descend(*limits, stop)
        if reason == compiled.DIVERGED:  # at an iterate of infinite loss: the one before, once more
            self._descend(first, max(self.step - 1, first), -1.0, -1.0, stop)
        unload(*self._room, self._X, self._c, self._m)
        return reason

    def _descend(self, first: int, until: int, gradient_tol: float, loss_tol: float, stop: np.ndarray) -> tuple[int, int]:
        """Take steps in the room, from the iterate that is kept outside it; return the last step, and why it is."""
        room, at = self._room
        load_iterate(room, at, self._X, self._c, self._m)
        size = min(self._threads, at.items) if CAN_SHARE else 1
        plan, energy = self.plan, self.population.teacher_energy
        given = room, at, self._kept, energy, self.rate, plan.train_output, first, until, gradient_tol, loss_tol, stop
        if size == 1:
            return compiled.descend(*given)
        counters = np.zeros(CLAIMED + at.items, dtype=np.int64)
        preferred = [at.items * k // size for k in range(size)]
        return call_as_team(lambda k: compiled.descend_together(*given, counters, preferred[k]), size)

    @cached_property
    def _room(self) -> tuple[FloatArray, Layout]:
        at = layout(self._m, len(self._X) - self._m, self._X.shape[1])
        zeros = np.zeros(at.size + LANES)
        start = -(zeros.ctypes.data // zeros.itemsize) % LANES  # where no vector crosses a line of the cache
        return zeros[start : start + at.size], at

    def _follow_batches(self, until: int, stop: np.ndarray) -> int:
        reason = compiled.MAX_STEPS
        while reason == compiled.MAX_STEPS:
            if self.step % self._period == 0 or self.step == self.plan.max_steps:
                reason = self._test_tolerances()
            if self.step == until or reason != compiled.MAX_STEPS:
                break
            target = min(until, self.step + self._period - self.step % self._period)
            self.step, reason = compiled.descend_on_batches(
                self._X, self._c, self._m, self._kept, self._points, self._batch, self._order, self._rng, self.rate,
                self.plan.train_output, self.step, target, self._previous, stop,
            )  # fmt: skip
            if not (np.isfinite(self._X).all() and np.isfinite(self._c).all()):
                reason = self._give_up()
        return reason

    def _test_tolerances(self) -> int:
        found = self.measure()
        value = found.loss if self.sample is None else found.sample_loss
        if not value < compiled.DIVERGENCE_LOSS:
            return self._give_up()
        if self.plan.gradient_tol and found.gradient_norm <= self.plan.gradient_tol:
            return compiled.GRADIENT_TOL
        return compiled.LOSS_TOL if self.plan.loss_tol and value <= self.plan.loss_tol else compiled.MAX_STEPS

    def _give_up(self) -> int:
        self._X[: self._m], self._c[: self._m] = self._previous[:, :-1], self._previous[:, -1]
        return compiled.DIVERGED


def complete(run: Run, stop: np.ndarray) -> Ending:
    """Take the run to its end."""
    plan = run.plan
    window = steps_to_keep(plan.max_steps)
    iterates: dict[int, FloatArray] = {}
    recorded: dict[int, TwoLayerNet] = {}
    kept: dict[int, TwoLayerNet] = {}
    reason = compiled.MAX_STEPS
    for boundary in sorted({*plan.record.tolist(), *plan.checkpoints.tolist(), *window, plan.max_steps}):
        reason = run.advance(boundary, stop)
        ended = reason != compiled.MAX_STEPS or boundary == plan.max_steps
        step = run.step - (reason == compiled.DIVERGED)  # the step of the iterate that the run went back to
        if boundary in window:
            iterates[step] = run.iterate()
        if plan.record.size and (ended or boundary in plan.record):
            recorded[step] = run.network()
        if plan.checkpoints.size and (ended or boundary in plan.checkpoints):
            kept[step] = run.network()
        if ended:
            break
    if reason == compiled.DIVERGED:  # batches may not show it before the iterate has been kept
        recorded.pop(run.step, None)
        kept.pop(run.step, None)
    return Ending(
        network=run.network(),
        measurements=run.measure(),
        steps=run.step,
        time=run.rate * run.step,
        stopped_by=STOPPED_BY[reason],
        behaviour=_BEHAVIOUR.get(reason) or behaviour_of(iterates, plan.max_steps, random=plan.batch_size is not None),
        history=history_of(_looks(run, recorded), run.population, run.sample, plan.train_output, run.mask),
        checkpoints=checkpoints_of(_looks(run, kept)),
    )


def _looks(run: Run, networks: dict[int, TwoLayerNet]) -> list[Look]:
    return [Look(step, run.rate * step, net) for step, net in networks.items()]
