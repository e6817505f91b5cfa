"""The arguments of training: what the runs of a batch get."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import BoolArray, FloatArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, SampleLoss
from lmctheory.training.runs import Flow

RTOL, ATOL = 1e-8, 1e-10  # of the flow
LEAST_RTOL = 1e-12  # below that rounding in the gradient decides


def initial_network(width: int, d: int, scale: float, seed: np.random.SeedSequence) -> TwoLayerNet:
    return TwoLayerNet(np.random.default_rng(seed).normal(scale=scale / np.sqrt(d), size=(width, d)))


def given_networks(
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


def learning_rates(algorithm: str, value: float | ArrayLike | None, n_runs: int) -> FloatArray:
    """Return the rate of each run; NaN for the flow, which has none."""
    if algorithm == "flow":
        if value is not None:
            raise InvalidInputError(f"learning_rate must be left out with algorithm 'flow', got {value!r}")
        return np.full(n_runs, np.nan)
    if value is None:
        raise InvalidInputError(f"learning_rate must be a positive real number with algorithm {algorithm!r}, got None")
    if isinstance(value, Real):
        return np.full(n_runs, _checks.real("learning_rate", value, positive=True))
    rates = _checks.real_array("learning_rate", value, 1)
    if len(rates) != n_runs:
        raise InvalidInputError(f"learning_rate must be a number or hold one a run, {n_runs}, got {len(rates)}")
    if (rates <= 0).any():
        raise InvalidInputError(f"learning_rate must be positive, got {rates.min()}")
    return rates


def finite_samples(
    value: int | ArrayLike | None, teacher: TwoLayerNet, root: np.random.SeedSequence, n_runs: int
) -> list[FloatArray]:
    """Return the sample of each run; nothing without samples."""
    if value is None:
        return []
    d = teacher.input_dim
    if isinstance(value, (Real, str)):
        n = _checks.integer("samples", value, 1)
        return [np.random.default_rng(_checks.stream(root, "samples", k)).standard_normal((n, d)) for k in range(n_runs)]
    return [SampleLoss(teacher, value).samples] * n_runs


def masks(value: ArrayLike | None, starts: list[TwoLayerNet]) -> list[BoolArray | None]:
    """Return the mask of each run; None without."""
    if value is None:
        return [None] * len(starts)
    shape = starts[0].W.shape
    found = _checks.mask("mask", value, shape, (len(starts), *shape))
    return list(found) if found.ndim == 3 else [found] * len(starts)


def batch_size_of(algorithm: str, value: int | None, points: list[FloatArray]) -> int | None:
    if algorithm != "sgd":
        if value is not None:
            raise InvalidInputError(f"batch_size must be left out with algorithm {algorithm!r}, got {value!r}")
        return None
    if value is None:
        raise InvalidInputError("batch_size must be given with algorithm 'sgd', got None")
    batch_size = _checks.integer("batch_size", value, 1)
    if points and batch_size > len(points[0]):
        raise InvalidInputError(f"batch_size must be at most the number of samples, {len(points[0])}, got {batch_size}")
    return batch_size


def flow_of(algorithm: str, horizon: float | None, rtol: float | None, atol: float | None, samples: bool) -> Flow | None:
    """Return how far and how exactly the flow is followed; None with another algorithm."""
    if algorithm != "flow":
        for name, value in {"horizon": horizon, "rtol": rtol, "atol": atol}.items():
            if value is not None:
                raise InvalidInputError(f"{name} must be left out with algorithm {algorithm!r}, got {value!r}")
        return None
    if horizon is None:
        raise InvalidInputError("horizon must be given with algorithm 'flow', got None")
    if samples:
        raise InvalidInputError("samples must be left out with algorithm 'flow': the gradient on a sample jumps, got a sample")
    relative = RTOL if rtol is None else _checks.real("rtol", rtol, positive=True)
    if relative < LEAST_RTOL:
        raise InvalidInputError(f"rtol must be at least {LEAST_RTOL:g}, got {relative:g}")
    return Flow(
        horizon=_checks.real("horizon", horizon, positive=True),
        rtol=relative,
        atol=ATOL if atol is None else _checks.real("atol", atol, positive=True),
    )
