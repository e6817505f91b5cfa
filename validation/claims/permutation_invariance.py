"""Permuting neurons changes nothing that can be seen from outside a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lmctheory as lmc
from validation.claim import Claim, Context, Measurement, Outcome, Verdict

EPS = np.finfo(float).eps
WIDTHS, DIM, TEACHER_WIDTH = (2, 3, 5, 8, 13), 6, 4


def experiment(context: Context) -> Outcome:
    """Compare loss, gradient norm, Hessian spectrum and barriers before and after random permutations."""
    repeats = context.pick(quick=6, full=60)
    teacher = lmc.orthonormal_teacher(TEACHER_WIDTH, DIM)
    rows, control_rows = [], []
    for index in context.track(range(repeats * len(WIDTHS))):
        draw = np.random.default_rng(context.rng(1, index))
        width = WIDTHS[index % len(WIDTHS)]
        net, other = (lmc.TwoLayerNet(draw.normal(size=(width, DIM)), draw.normal(size=width)) for _ in range(2))
        perm = _shuffle(draw, width)
        rows.append(_invariants(net, net.permute(perm), teacher) | _barriers(net, other, perm, teacher))
        only_rows = lmc.TwoLayerNet(net.W[perm], net.a)
        control_rows.append(_invariants(net, only_rows, teacher))
    worst = {name: max(row[name] for row in rows) for name in rows[0]}
    control_worst = {name: max(row[name] for row in control_rows) for name in control_rows[0]}
    return Outcome(
        verdict=_decide(worst),
        control=_decide(control_worst),
        headline=[Measurement("largest deviation / rounding floor", max(worst.values()))],
        findings=[f"Permuting W but not a: largest deviation / rounding floor {max(control_worst.values()):.1e}."],
        data={"deviations": rows, "control_deviations": control_rows},
    )


def _decide(worst: dict[str, float]) -> Verdict:
    return Verdict.of(*(value <= 1.0 for value in worst.values()))


def _shuffle(draw: np.random.Generator, width: int) -> np.ndarray:
    """A random permutation without fixed points, so that every neuron moves."""
    order = draw.permutation(width)
    perm = np.empty(width, dtype=int)
    perm[order] = np.roll(order, 1)
    return perm


def _invariants(net: lmc.TwoLayerNet, permuted: lmc.TwoLayerNet, teacher: lmc.TwoLayerNet) -> dict[str, float]:
    """Deviations of loss, gradient norm and Hessian spectrum, each in units of its rounding floor."""

    def deviation(quantity: Callable[[lmc.TwoLayerNet], np.ndarray | float], floor: float) -> float:
        return float(np.max(np.abs(np.asarray(quantity(net)) - quantity(permuted))) / floor)

    def spectrum(n: lmc.TwoLayerNet) -> np.ndarray:
        return np.linalg.eigvalsh(lmc.population_hessian(n, teacher))

    size = net.W.size
    mass = np.abs(net.a) @ np.linalg.norm(net.W, axis=1) + teacher.width
    gradient_floor = 8 * EPS * np.sqrt(size) * np.abs(net.a).max() * mass
    return {
        "loss": deviation(lambda n: lmc.population_loss(n, teacher), lmc.loss_floor(net, teacher)),
        "gradient norm": deviation(lambda n: float(np.linalg.norm(lmc.population_gradient(n, teacher)[0])), gradient_floor),
        "hessian spectrum": deviation(spectrum, 8 * EPS * size * float(np.abs(spectrum(net)).max())),
    }


def _barriers(a: lmc.TwoLayerNet, b: lmc.TwoLayerNet, perm: np.ndarray, teacher: lmc.TwoLayerNet) -> dict[str, float]:
    """Deviations of the barrier modulo permutation when either network is permuted first."""
    deviations = {}
    for method in ("weights", "activations"):
        reference = lmc.barrier(a, b, teacher, align=method)
        for name, pair in (("first", (a.permute(perm), b)), ("second", (a, b.permute(perm)))):
            height = lmc.barrier(*pair, teacher, align=method).height
            deviations[f"barrier, {method}, {name} permuted"] = abs(height - reference.height) / reference.loss_floor
    return deviations


CLAIM = Claim(
    name="permutation-invariance",
    statement="Loss, gradient norm and Hessian spectrum of a network are unchanged by permuting its neurons, and the "
    "barrier modulo permutation is unchanged by permuting either network.",
    source="[ESSN], section 2",
    prediction="deviation 0",
    rule="On random networks with output weights of both signs, every deviation is at most its rounding floor: "
    "4 eps times the sum of absolute terms for losses and barriers, 8 eps times the size of the summands for the gradient, "
    "8 eps m d times the spectral norm for eigenvalues.",
    control="Permuting the rows of W but not the output weights (which are unequal) is caught by the same rule.",
    experiment=experiment,
)
