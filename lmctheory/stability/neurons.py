"""How many neurons of a network do anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import LayeredNet, Network, TwoLayerNet, as_layered
from lmctheory.objectives import DataLoss, PopulationLoss, as_objective
from lmctheory.objectives.mixtures import BLOCK_FLOATS

DEAD = 1e-3  # share of the largest mass below which a neuron counts as dead; see `sparsity`


@dataclass(frozen=True, eq=False)
class Sparsity:
    """How unevenly the neurons of a layer share its output.

    ``mass`` is ``|a_i| |w_i|``, and on data ``|a_i| (E h_i^2)^1/2`` with ``a_i`` the weights from the neuron to the next layer
    and ``h_i`` its activation: rescaling leaves both alone.

    Attributes
    ----------
    masses : ndarray, shape (m,)
        In increasing order.
    dead : float
        Fraction of the largest mass below which a neuron counts as dead; 0 on data, where those are dead that no input reaches.
    dead_share : float
        Share of dead neurons, a multiple of 1/m.
    gap : tuple of float
        The largest dead and the smallest active mass, over the largest of all (0 and 1 where there is none): any fraction
        between the two gives the same dead share.
    effective_neurons : float
        Participation ratio ``(sum mass)^2 / sum mass^2``, between 1 and m.
    gini : float
        Gini coefficient of the masses: 0 if all are equal, ``1 - 1/m`` if one neuron has all.
    class_sizes : ndarray of int, shape (M,), or None
        Active neurons by the teacher neuron nearest in angle; None without a teacher.
    """

    masses: FloatArray
    dead: float
    dead_share: float
    gap: tuple[float, float]
    effective_neurons: float
    gini: float
    class_sizes: IntArray | None


@dataclass(frozen=True, eq=False)
class DataSparsity:
    """Which neurons of a network do anything on data, layer by layer.

    Attributes
    ----------
    layers : tuple of Sparsity, length D
        Of each hidden layer, those next to the input first.
    activity : ndarray, shape (width,)
        Share of the inputs at which each hidden neuron is active, ``h_i(x) > 0``; neurons in their order.
    dead_share : float
        Share of the neurons in all layers that no input activates, exactly.
    """

    layers: tuple[Sparsity, ...]
    activity: FloatArray
    dead_share: float


@overload
def sparsity(
    net: TwoLayerNet, objective: TwoLayerNet | PopulationLoss | None = None, *, dead: float | None = None
) -> Sparsity: ...


@overload
def sparsity(net: Network, objective: DataLoss) -> DataSparsity: ...


def sparsity(
    net: Network, objective: TwoLayerNet | PopulationLoss | DataLoss | None = None, *, dead: float | None = None
) -> Sparsity | DataSparsity:
    """Return the share of dead neurons, the effective number of neurons, and other measures of sparsity.

    Parameters
    ----------
    net : TwoLayerNet or LayeredNet
    objective : TwoLayerNet, PopulationLoss or DataLoss, optional
        A teacher, or the population loss against it, defines the classes of the neurons of a `TwoLayerNet`; orthonormal, so that
        each neuron of a minimum lies on one of its axes. On data neurons are judged by what they do at its inputs.
    dead : float, optional
        Fraction of the largest mass below which a neuron counts as dead, in (0, 1); 1e-3 by default. Not on data, where a neuron
        is dead if it is not active at any input.

    Returns
    -------
    Sparsity or DataSparsity
        The latter on data.

    Raises
    ------
    InvalidInputError
        If an argument is out of its range, the objective has another input dimension, `dead` is given with data, or a
        `LayeredNet` without.

    Notes
    -----
    A neuron that descent kills jumps to and fro across the origin with a norm of the order of learning rate times gradient,
    which falls like a power of the number of steps; one that lives keeps its norm. Past the threshold the histogram of
    log-masses is therefore bimodal. After 20 000 steps, for M = 1 to 8, m = 16 to 128 and rates from half to 1.12 of the
    threshold, dead neurons lie at 1e-8 to 1e-5 of the largest, and fewer than 1 % of the others below 1e-3 (3 % for M = 1,
    where small initial weights survive). For M up to 4 shares at this fraction are final, to within 1 %, after 4000 steps;
    for M = 8, where neurons also die below the threshold, after 15 000. `Sparsity.gap` says how far the fraction could be moved.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> found = lmc.sparsity(lmc.TwoLayerNet([[0.6, 0.0], [0.0, 1.0], [0.4, 0.0], [0.0, 1e-7]]), lmc.orthonormal_teacher(2, 2))
    >>> found.dead_share, found.class_sizes
    (0.25, array([2, 1]))
    >>> net = lmc.LayeredNet([[[1.0], [2.0], [0.5]], [[1.0, 1.0, 1.0]]], [[0.0, -9.0, 1.0], [0.0]])
    >>> found = lmc.sparsity(net, lmc.DataLoss([[3.0], [-1.0]], [3.0, 0.0]))
    >>> found.activity, found.layers[0].dead_share
    (array([0.5, 0. , 1. ]), 0.3333333333333333)
    """
    if isinstance(objective, DataLoss):
        if dead is not None:
            raise InvalidInputError(f"dead must not be given with data, where no input reaches a dead neuron, got {dead!r}")
        return _on_data(net, objective)
    if isinstance(net, LayeredNet):
        raise InvalidInputError(f"objective must be a DataLoss for a LayeredNet, got {_checks.describe(objective)}")
    _checks.instance("net", net, TwoLayerNet)
    dead = DEAD if dead is None else _checks.probability("dead", dead)
    masses = np.abs(net.a) * np.linalg.norm(net.W, axis=1)
    active = (masses >= dead * masses.max()) & (masses > 0)
    sizes = None
    if objective is not None:
        loss = as_objective(objective)
        assert isinstance(loss, PopulationLoss)
        loss.check("net", net)
        V = loss.teacher.W
        axes = V / np.maximum(np.linalg.norm(V, axis=1), np.finfo(float).tiny)[:, None]
        sizes = np.bincount(np.argmax(net.W[active] @ axes.T, axis=1), minlength=len(V))
    return _measures(masses, active, dead, sizes)


def _on_data(net: Network, data: DataLoss) -> DataSparsity:
    data.check("net", net)
    deep = as_layered(net)
    counts, squares = np.zeros(deep.width), np.zeros(deep.width)
    rows = max(1, BLOCK_FLOATS // deep.width)
    for start in range(0, len(data), rows):
        for layer, h in zip(deep.layers, deep.hidden(data.X[start : start + rows]), strict=True):
            counts[layer] += np.count_nonzero(h, axis=0)
            squares[layer] += np.square(h).sum(axis=0)
    masses = np.sqrt(squares / len(data)) * np.concatenate([np.linalg.norm(W, axis=0) for W in deep.weights[1:]])
    layers = tuple(_measures(masses[layer], counts[layer] > 0, 0.0, None) for layer in deep.layers)
    return DataSparsity(layers, counts / len(data), float((counts == 0).mean()))


def _measures(masses: FloatArray, active: BoolArray, dead: float, class_sizes: IntArray | None) -> Sparsity:
    top, total, m = masses.max(), masses.sum(), len(masses)
    ordered = np.sort(masses)
    ranks = 2 * np.arange(1, m + 1) - m - 1
    return Sparsity(
        masses=ordered,
        dead=dead,
        dead_share=float((~active).mean()),
        gap=(
            float(masses[~active].max(initial=0.0) / top) if top > 0 else 0.0,
            float(masses[active].min() / top) if active.any() and top > 0 else 1.0,
        ),
        effective_neurons=float((total / top) ** 2 / np.sum((masses / top) ** 2)) if top > 0 else 0.0,
        gini=float(ranks @ ordered / (m * total)) if top > 0 else 0.0,
        class_sizes=class_sizes,
    )
