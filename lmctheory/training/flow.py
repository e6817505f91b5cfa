"""Gradient flow ``d theta / dt = -gradient``, followed by a stiff solver."""

from __future__ import annotations

import numpy as np
from scipy.integrate import BDF

from lmctheory._checks import BoolArray, FloatArray
from lmctheory._compiled.descent import DIVERGENCE_LOSS
from lmctheory.kernels import relu_kernel, unit_rows
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, span_coordinates
from lmctheory.training.recording import Look, checkpoints_of, history_of, measure
from lmctheory.training.runs import Ending, Flow, Plan

ROUNDING = 100.0  # radius of the rounded tips of the loss at the origin, in units of the absolute tolerance


class _Field:
    """Velocity of the flow and its Jacobian, on the weights as one vector; a trained output weight follows its row of W.

    The gradient jumps where a neuron passes the origin, which no solver gets past: each neuron therefore keeps a tiny fixed
    distance from it, in one more input dimension that the teacher does not see.
    """

    def __init__(
        self, start: TwoLayerNet, teacher: TwoLayerNet, mask: BoolArray | None, train_output: bool, distance: float
    ) -> None:
        self._basis: FloatArray | None = None
        net = start
        if mask is None:
            net, teacher, self._basis = span_coordinates(start, teacher)
        self._loss = PopulationLoss(TwoLayerNet(np.column_stack([teacher.W, np.zeros(teacher.width)]), teacher.a))
        self._a, self._d, self._train_output = net.a, net.input_dim, train_output
        self._distance = distance * net.W.any(axis=1)  # neurons that are zero stay zero
        self.trained = np.ones(net.W.shape, dtype=np.bool_) if mask is None else mask
        if train_output:
            self.trained = np.column_stack([self.trained, np.ones(net.width, dtype=np.bool_)])
        self.start = (np.column_stack([net.W, net.a]) if train_output else net.W).ravel()

    def network(self, state: FloatArray) -> TwoLayerNet:
        """Return the network with these weights, in all its dimensions."""
        W, a = self._weights(state)
        return TwoLayerNet(W if self._basis is None else W @ self._basis.T, a)

    def velocity(self, _: float, state: FloatArray) -> FloatArray:
        """Return minus the gradient, zero where the mask is."""
        _, gradient, output_gradient = self._loss.value_and_gradients(self._lifted(state))
        gradient = gradient[:, : self._d]
        full = np.column_stack([gradient, output_gradient]) if self._train_output else gradient
        return -(self.trained * full).ravel()

    def jacobian(self, _: float, state: FloatArray) -> FloatArray:
        """Return minus the Hessian, zero where the mask is."""
        net = self._lifted(state)
        m, d = net.W.shape
        hessian = self._loss.hessian(net).reshape(m, d, m, d)
        if self._train_output:
            hessian = _with_output_weights(hessian, net, self._loss.teacher)
        seen = np.arange(hessian.shape[1]) != self._d
        trained = self.trained.ravel()
        return np.where(trained[:, None] & trained, -hessian[:, seen][..., seen].reshape(trained.size, trained.size), 0.0)

    def _weights(self, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        weights = state.reshape(len(self._a), -1)
        return weights[:, : self._d], weights[:, self._d] if self._train_output else self._a

    def _lifted(self, state: FloatArray) -> TwoLayerNet:
        W, a = self._weights(state)
        return TwoLayerNet(np.column_stack([W, self._distance]), a)


def _with_output_weights(hessian: FloatArray, net: TwoLayerNet, teacher: TwoLayerNet) -> FloatArray:
    """Return the Hessian in all weights, ``(m, d + 1, m, d + 1)``, from that in W, ``(m, d, m, d)``.

    ``d^2 L / da_i da_j = 2 K(w_i, w_j)`` and ``d^2 L / dw_i da_j = 2 a_i grad_u K(w_i, w_j) + 1{i = j} (dL/dw_i) / a_i``.
    """
    m, d = net.W.shape
    X, c = np.vstack([net.W, teacher.W]), np.concatenate([net.a, -teacher.a])
    norms, units = unit_rows(X)
    angles = np.arccos(np.clip(units[:m] @ units.T, -1.0, 1.0))
    slopes = np.sin(angles)[..., None] * norms[:, None] * units[:m, None] + (np.pi - angles)[..., None] * X  # (m, m + M, d)
    slopes *= (norms[:m] > 0)[:, None, None] / (2 * np.pi)
    full = np.zeros((m, d + 1, m, d + 1))
    full[:, :d, :, :d] = hessian
    full[:, d, :, d] = 2 * relu_kernel(net.W, net.W)
    mixed = 2 * net.a[:, None, None] * slopes[:, :m]
    mixed[np.arange(m), np.arange(m)] += 2 * np.einsum("j,ijk->ik", c, slopes)
    full[:, :d, :, d] = mixed.transpose(0, 2, 1)
    full[:, d, :, :d] = mixed.transpose(1, 0, 2)
    return full


def follow(start: TwoLayerNet, teacher: TwoLayerNet, mask: BoolArray | None, plan: Plan, flow: Flow, stop: np.ndarray) -> Ending:
    """Follow the flow from `start` to its horizon, or to the first step of the solver at which a tolerance is met."""
    field, population = _Field(start, teacher, mask, plan.train_output, ROUNDING * flow.atol), PopulationLoss(teacher)
    solver = BDF(field.velocity, 0.0, field.start, flow.horizon, rtol=flow.rtol, atol=flow.atol, jac=field.jacobian)
    step, state = 0, field.start
    recorded: list[Look] = []
    kept: list[Look] = []
    waiting = [(recorded, list(plan.record)), (kept, list(plan.checkpoints))]
    while True:
        found = measure(field.network(solver.y), population, None, plan.train_output, mask)
        if not found.loss < DIVERGENCE_LOSS:
            reason = "diverged"
            break
        state = solver.y
        for looks, times in waiting:
            while times and times[0] <= solver.t:
                time = float(times.pop(0))
                there = state if time == solver.t else solver.dense_output()(time)
                looks.append(Look(step, time, field.network(there)))
        if reason := _reason(found.loss, found.gradient_norm, step, solver.status, plan):
            break
        if stop[0]:
            reason = "interrupted"
            break
        solver.step()
        step += solver.status != "failed"
    network = field.network(state)
    for looks, asked in ((recorded, plan.record), (kept, plan.checkpoints)):
        if asked.size and (not looks or looks[-1].time < solver.t):
            looks.append(Look(step, solver.t, network))
    return Ending(
        network=network,
        measurements=measure(network, population, None, plan.train_output, mask),
        steps=step,
        time=float(solver.t),
        stopped_by=reason,
        behaviour={"gradient_tol": "converged", "loss_tol": "converged", "diverged": "diverged", "horizon": "drift"}.get(
            reason, "unsettled"
        ),
        history=history_of(recorded, population, None, plan.train_output, mask),
        checkpoints=checkpoints_of(kept),
    )


def _reason(loss: float, gradient_norm: float, step: int, status: str, plan: Plan) -> str:
    """Return why the flow ends here, if it does."""
    if plan.gradient_tol and gradient_norm <= plan.gradient_tol:
        return "gradient_tol"
    if plan.loss_tol and loss <= plan.loss_tol:
        return "loss_tol"
    if status == "finished":
        return "horizon"
    if status == "failed":
        return "stalled"
    return "max_steps" if step == plan.max_steps else ""
