"""What every method of alignment returns."""

from __future__ import annotations

from dataclasses import dataclass

from lmctheory._checks import IntArray


@dataclass(frozen=True, eq=False)
class Alignment:
    """A permutation of network B that matches it to network A; what the method knows about it stands in its subclasses.

    Attributes
    ----------
    permutation : ndarray of int, shape (m,)
        Gather indices: neuron i of A meets neuron ``permutation[i]`` of B, so ``net_b.permute(permutation)`` is aligned with A.
    method : str
        The method of `align` that found it.
    """

    permutation: IntArray
    method: str
