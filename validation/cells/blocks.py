"""Large cells of a sweep, computed in blocks that keep every worker busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from validation.claim import Context


def sweep_in_blocks(
    context: Context,
    function: Callable[..., dict[str, Any]],
    requests: Sequence[dict[str, Any]],
    counted: str,
    size: Callable[[dict[str, Any]], int],
    cost: Callable[[dict[str, Any]], float],
) -> list[list[dict[str, Any]]]:
    """Return the results of each request in parts: cells with at most ``size(request)`` of what `counted` counts.

    Parts are numbered by the parameter ``block`` of `function`, from 0.
    """
    cells, owners = [], []
    for k, request in enumerate(requests):
        total, most = request[counted], size(request)
        for block, start in enumerate(range(0, total, most)):
            cells.append(request | {counted: min(most, total - start), "block": block})
            owners.append(k)
    parts: list[list[dict[str, Any]]] = [[] for _ in requests]
    for owner, part in zip(owners, context.sweep(function, cells, cost=cost), strict=True):
        parts[owner].append(part)
    return parts


def joined(parts: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the arrays `names` of the parts, concatenated."""
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def joined_pairs(parts: Sequence[dict[str, Any]], networks: str) -> np.ndarray:
    """Return the index pairs of the parts ``(P, 2)``, renumbered; the array `networks` has one entry a network of its part."""
    offsets = np.cumsum([0, *(len(part[networks]) for part in parts)])
    return np.concatenate([part["pairs"] + offset for part, offset in zip(parts, offsets, strict=False)])
