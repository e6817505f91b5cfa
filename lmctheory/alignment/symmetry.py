"""Exchanges of partners that change nothing, so that one of the two permutations need not be searched."""

from __future__ import annotations

import numpy as np

from lmctheory.kernels import unit_rows
from lmctheory.networks import TwoLayerNet


def superfluous_pairs(net_a: TwoLayerNet, net_b: TwoLayerNet, tolerance: float) -> np.ndarray:
    """Say which two decisions ``(i, p), (j, q)``, a mask ``(m, m, m, m)``, need not be taken together.

    Mixed neurons i and j with partners p and q sum to the same function, whichever meets which, if i and j are equal, if p and
    q are, or if all four lie on one ray and have one output weight: at every position, up to `tolerance` in the norm of ``L2``.
    Of the two ways the one with ``i < j`` and ``p > q`` is superfluous: each exchange that undoes it takes an inversion out of
    the permutation, so that at most ``m (m - 1) / 2`` of them leave none.
    """
    m = net_a.width
    norms, units = unit_rows(np.vstack([net_a.W, net_b.W]))
    outputs = np.concatenate([net_a.a, net_b.a])
    # a neuron moved by this distance changes each of the four mixed ones by at most distance * |output| / sqrt(2)
    distance = tolerance / (2 * np.sqrt(2) * max(np.abs(outputs).max(), np.finfo(float).tiny))
    angle = np.linalg.norm(units[:, None] - units, axis=2)
    same_output = outputs[:, None] == outputs
    on_ray = same_output & (np.minimum(norms[:, None], norms) * angle <= distance)
    equal = on_ray & (np.abs(norms[:, None] - norms) <= distance)
    a, b = slice(None, m), slice(m, None)
    across = on_ray[a, b]
    rays = on_ray[a, a][:, None, :, None] & on_ray[b, b][None, :, None, :]
    rays &= across[:, :, None, None] & across[None, None] & across[:, None, None, :] & across.T[None, :, :, None]
    neutral = rays | equal[a, a][:, None, :, None] | equal[b, b][None, :, None, :]
    before = np.arange(m)[:, None] < np.arange(m)
    inverted = before[:, None, :, None] & before.T[None, :, None, :]
    return neutral & (inverted | inverted.transpose(2, 3, 0, 1))
