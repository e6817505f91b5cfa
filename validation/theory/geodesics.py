"""What lengths of paths of zero loss tend to for large width, over the straight line."""

from __future__ import annotations

import numpy as np


def two_piece_limit(M: int, r: float = 0.0) -> float:
    """Return the limit of the normalised length of the best path of two pieces for large width, under the uniform law or SP(r).

    Class sizes, overlaps and sums of squares concentrate, weights being ``M / (m (1 - r))`` times independent Exp(1): in
    `lmctheory.geodesic_upper_bound`, m times the sum of ``alpha_i^2`` where classes differ tends to ``2 M (M - 1)``, ``a_j`` to
    ``s = (1 - r) (1 - 1/M)``, ``n_j / m`` to ``(1 - (1 - r) s) / M`` and ``m |A - B|^2`` to ``4 M^2 / (1 - r) - 2 M``.
    """
    moved = (1 - r) * (1 - 1 / M)
    spread = M**2 * moved**2 / (1 - (1 - r) * moved)
    return float(np.sqrt(1 + 2 * (2 * M * (M - 1) + 2 * spread) / squared_distance(M, r)))


def lower_limit(M: int, r: float = 0.0) -> float:
    """Return the limit of the lower bound, below which no path of zero loss stays: m times its detour is ``2 M (M - 1)``."""
    return float(np.sqrt(1 + 2 * M * (M - 1) / squared_distance(M, r)))


def three_piece_limit(M: int) -> float:
    """Return the limit of the normalised length of `three_pieces` of `cells.path_lengths`, uniform law; 1.758 for M large.

    With ``q = 1 - 1/M`` and ``s`` the shift, in units of the mean weight M / m: the first and the last piece have
    ``m / M^2`` times squared length ``q / 4 + (1 - q/2) s^2``, ``s = (q / 4) / (1 - q / 2)``, as the lesser of two Exp(1) has
    mean square 1/2; the middle one ``q (7/2 + 3 s + s^2) + 2 (1 - q)``, as the greater has mean 3/2 and mean square 7/2.
    """
    q = 1 - 1 / M
    s = (q / 4) / (1 - q / 2)
    outer, middle = q / 4 + (1 - q / 2) * s**2, q * (3.5 + 3 * s + s**2) + 2 * (1 - q)
    return float((2 * np.sqrt(outer) + np.sqrt(middle)) / np.sqrt(squared_distance(M) / M**2))


def squared_distance(M: int, r: float = 0.0) -> float:
    """Return the limit of ``m |A - B|^2``."""
    return 4 * M**2 / (1 - r) - 2 * M
