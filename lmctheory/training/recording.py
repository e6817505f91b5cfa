"""What is kept along a run: numbers at recorded steps, networks at checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmctheory._checks import BoolArray, FloatArray, IntArray
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, SampleLoss
from lmctheory.stability import Sparsity, sharpness, sparsity


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """Networks along one run.

    Attributes
    ----------
    steps : ndarray of int, shape (C,)
        Increasing; the steps asked for which the run reached, and its last. Of the flow: those that its solver had taken.
    times : ndarray, shape (C,)
        Learning rate times steps, or the time of the flow.
    networks : tuple of TwoLayerNet
    """

    steps: IntArray
    times: FloatArray
    networks: tuple[TwoLayerNet, ...]


@dataclass(frozen=True, eq=False)
class History:
    """Numbers along one run.

    Attributes
    ----------
    steps : ndarray of int, shape (R,)
        Increasing; the steps asked for which the run reached, and its last. Of the flow: those that its solver had taken.
    times : ndarray, shape (R,)
        Learning rate times steps, or the time of the flow.
    losses : ndarray, shape (R,)
        Population loss.
    sample_losses : ndarray, shape (R,)
        Loss on the finite sample; NaN without one.
    gradient_norms : ndarray, shape (R,)
        Norm of the gradient, as in `TrainingResult`.
    sharpness : ndarray, shape (R,)
        Largest eigenvalue of the Hessian with respect to W, of the loss on the finite sample where there is one; all of W counts,
        whatever the mask.
    neuron_norms : ndarray, shape (R, m)
        Norms of the rows of W.
    sparsity : tuple of Sparsity, length R
        Dead neurons, active class sizes, effective number of neurons; see `sparsity`.
    """

    steps: IntArray
    times: FloatArray
    losses: FloatArray
    sample_losses: FloatArray
    gradient_norms: FloatArray
    sharpness: FloatArray
    neuron_norms: FloatArray
    sparsity: tuple[Sparsity, ...]


@dataclass(frozen=True, eq=False)
class Look:
    """The iterate at a step and time."""

    step: int
    time: float
    network: TwoLayerNet


@dataclass(frozen=True, eq=False)
class Measurements:
    """The numbers of one network."""

    loss: float
    sample_loss: float
    gradient_norm: float


def measure(
    net: TwoLayerNet, population: PopulationLoss, sample: SampleLoss | None, train_output: bool, mask: BoolArray | None
) -> Measurements:
    """Return losses at `net`, and the norm of the gradient of that one of them which is minimised over the trained weights."""
    loss, gradient, output_gradient = population.value_and_gradients(net)
    sample_loss = np.nan
    if sample is not None:
        sample_loss, gradient, output_gradient = sample.value_and_gradients(net)
    norm = np.linalg.norm(gradient if mask is None else mask * gradient)
    return Measurements(loss, sample_loss, float(np.hypot(norm, np.linalg.norm(output_gradient)) if train_output else norm))


def checkpoints_of(looks: Sequence[Look]) -> Checkpoints:
    """Return the networks at looks in increasing order."""
    return Checkpoints(_steps(looks), _times(looks), tuple(look.network for look in looks))


def history_of(
    looks: Sequence[Look], population: PopulationLoss, sample: SampleLoss | None, train_output: bool, mask: BoolArray | None
) -> History:
    """Return the numbers at looks in increasing order."""
    teacher, points = population.teacher, None if sample is None else sample.samples
    networks = [look.network for look in looks]
    found = [measure(net, population, sample, train_output, mask) for net in networks]
    return History(
        steps=_steps(looks),
        times=_times(looks),
        losses=np.array([one.loss for one in found]),
        sample_losses=np.array([one.sample_loss for one in found]),
        gradient_norms=np.array([one.gradient_norm for one in found]),
        sharpness=np.array([sharpness(net, teacher, samples=points) for net in networks]),
        neuron_norms=np.array([np.linalg.norm(net.W, axis=1) for net in networks]),
        sparsity=tuple(sparsity(net, teacher) for net in networks),
    )


def _steps(looks: Sequence[Look]) -> IntArray:
    return np.array([look.step for look in looks], dtype=np.intp)


def _times(looks: Sequence[Look]) -> FloatArray:
    return np.array([look.time for look in looks], dtype=np.float64)
