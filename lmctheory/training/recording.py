"""What is kept along a run: numbers at recorded steps, networks at checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
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
        Increasing; the steps asked for which the run reached, and its last.
    networks : tuple of TwoLayerNet
    """

    steps: IntArray
    networks: tuple[TwoLayerNet, ...]


@dataclass(frozen=True, eq=False)
class History:
    """Numbers along one run.

    Attributes
    ----------
    steps : ndarray of int, shape (R,)
        Increasing; the steps asked for which the run reached, and its last.
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
    losses: FloatArray
    sample_losses: FloatArray
    gradient_norms: FloatArray
    sharpness: FloatArray
    neuron_norms: FloatArray
    sparsity: tuple[Sparsity, ...]


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


def history_of(
    networks: Mapping[int, TwoLayerNet],
    population: PopulationLoss,
    sample: SampleLoss | None,
    train_output: bool,
    mask: BoolArray | None,
) -> History:
    """Return the numbers of networks, given by step in increasing order."""
    teacher, points = population.teacher, None if sample is None else sample.samples
    found = [measure(net, population, sample, train_output, mask) for net in networks.values()]
    return History(
        steps=np.array(list(networks), dtype=np.intp),
        losses=np.array([one.loss for one in found]),
        sample_losses=np.array([one.sample_loss for one in found]),
        gradient_norms=np.array([one.gradient_norm for one in found]),
        sharpness=np.array([sharpness(net, teacher, samples=points) for net in networks.values()]),
        neuron_norms=np.array([np.linalg.norm(net.W, axis=1) for net in networks.values()]),
        sparsity=tuple(sparsity(net, teacher) for net in networks.values()),
    )
