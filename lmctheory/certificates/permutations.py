"""Proved intervals for the barrier modulo permutation: every permutation is refuted or matched, one by one, in integers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.alignment import align
from lmctheory.alignment.path import path_under
from lmctheory.certificates.balls import arb, ctx, dot, exact_row, exact_rows
from lmctheory.certificates.barriers import RTOL, BarrierCertificate, prove_barrier
from lmctheory.certificates.certificate import Certificate, Enclosure, dyadic, enclosure_of, enclosure_text
from lmctheory.certificates.enclosures import Stack, loss_enclosure
from lmctheory.certificates.verify_permutations import permutations_in_groups
from lmctheory.certificates.verify_theorems import MAX_POSITIONS
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.networks import TwoLayerNet, same_architecture
from lmctheory.objectives import PopulationLoss
from lmctheory.paths import GRID_SIZE

MAX_WIDTH = 10  # 3.6 million permutations
MODULO_RTOL = 1e-6
PRECISION = 512
POSITION_BITS = 30  # of the positions, so that 1 - t is exact
CELLS = 1024  # to examine for one permutation
TOTAL_BITS = 60  # of any sum of short integers
LONG_BITS = 256  # of long integers after those of short ones
MAX_NEAR = 20_000  # permutations for which long integers are added up
SHARE = 0.75  # of the tolerance, which the bounds must meet; the rest is left to those who check them

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ModuloCertificate(Certificate):
    """A proved interval for ``min_perm barrier(A, perm B)``; float64 weights are taken as exact numbers.

    Attributes
    ----------
    best : BarrierCertificate
        Of the best permutation found; its upper end bounds the minimum.
    height : Enclosure
        Its lower end is at most the excess of every permutation at one of `positions`, which bounds the barrier of that
        permutation; or it is 0.
    positions : ndarray, shape (k,)
        Positions t at which the excess was bounded for all permutations that remained.
    rtol : float
        As asked for: the lower end is at least ``1 - rtol`` times the upper end, if `is_tight`.
    is_tight : bool
    """

    kind: ClassVar[str] = "modulo-permutation"
    best: BarrierCertificate
    height: Enclosure
    positions: FloatArray
    rtol: float
    is_tight: bool

    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON."""
        return {
            "best": self.best.content(), "height": enclosure_text(self.height),
            "positions": [t.hex() for t in self.positions.tolist()], "rtol": self.rtol.hex(), "is_tight": self.is_tight,
        }  # fmt: skip

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> ModuloCertificate:
        """Return the certificate with this content."""
        positions = np.array([*map(float.fromhex, content["positions"])])
        best, height = BarrierCertificate.of_content(content["best"]), enclosure_of(content["height"])
        return cls(best, height, positions, float.fromhex(content["rtol"]), content["is_tight"])


def certify_barrier_modulo_permutation(
    net_a: TwoLayerNet, net_b: TwoLayerNet, teacher: TwoLayerNet, *, rtol: float = MODULO_RTOL, max_positions: int = 64
) -> ModuloCertificate:
    """Return a proved interval for ``min_perm barrier(A, perm B)``, Gaussian inputs, over all m! permutations.

    From above: `certify_barrier` for the best permutation that swaps and the search itself find. From below: the barrier is at
    least the excess at any position t, which is a sum of costs ``l(i, p_i) + q(i, p_i, j, p_j)``. Ball arithmetic encloses the
    costs at a few positions; rounded down to integers, they are added up for every permutation without any error.

    Parameters
    ----------
    net_a, net_b : TwoLayerNet
        Of one shape (m, d), m at most 10.
    teacher : TwoLayerNet
    rtol : float
        Positive: width of the interval, as a part of its upper end.
    max_positions : int
        At least 1: positions to try; more than 256 count as 256, the most that a certificate may have.

    Returns
    -------
    ModuloCertificate

    Raises
    ------
    InvalidInputError
        If shapes differ, m is more than 10, or an argument is out of range.
    MissingDependencyError
        Without python-flint.

    Warns
    -----
    ConvergenceWarning
        If the interval stays wider than asked for; it is proved all the same.

    Notes
    -----
    Positions are added where the barrier of the permutation with the lowest bound has its maximum, until all bounds are high
    enough; one is nearly always enough. A position costs about ``5 m^4`` microseconds, and a sweep over the permutations that
    are still open: a fraction of a second in all at m = 8.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> a, b = (lmc.sample_minimum(2, 3, rng=seed).to_network() for seed in (0, 2))
    >>> found = lmc.certify_barrier_modulo_permutation(a, b, lmc.orthonormal_teacher(2, 2))
    >>> print(found.height, found.best.permutation)
    0.0039063618 +/- 2.0e-9 [0 1 2]
    """
    loss = PopulationLoss(_checks.instance("teacher", teacher, TwoLayerNet))
    loss.check("net_a", net_a)
    same_architecture("net_a", net_a, "net_b", net_b)
    if net_a.width > MAX_WIDTH:
        raise InvalidInputError(
            f"net_a must have at most {MAX_WIDTH} neurons for all permutations to be tried, got {net_a.width}"
        )
    rtol = _checks.real("rtol", rtol, positive=True)
    max_positions = min(_checks.integer("max_positions", max_positions, 1), MAX_POSITIONS)

    def prove(permutation: IntArray) -> BarrierCertificate:
        return prove_barrier(net_a, net_b, teacher, permutation, min(RTOL, rtol / 4), CELLS)

    best = prove(align(net_a, net_b, "barrier", objective=teacher).permutation)
    bounds = _Bounds(net_a, net_b, teacher)
    candidate, tried = best.position, {tuple(best.permutation)}
    while best.height.upper > 0 and len(bounds.positions) < max_positions:
        known = len(bounds.positions)
        goal = best.height.upper * (1 - Fraction(SHARE * rtol))
        lowest = bounds.add(candidate, goal)
        if lowest is None:
            break
        path = path_under(loss, net_a, net_b, lowest, GRID_SIZE)
        candidate = path.position
        if tuple(lowest) not in tried and path.height + path.floor < float(goal):
            tried.add(tuple(lowest))
            better = prove(lowest)
            if better.height.upper < best.height.upper:
                best, candidate = better, better.position
        elif len(bounds.positions) == known:
            break  # the permutation of the lowest bound has been tried at its maximiser
    lower = Fraction(0) if best.height.upper == 0 else bounds.lowest(best.height.upper * (1 - Fraction(rtol)))
    found = ModuloCertificate(
        best=best,
        height=Enclosure.between(lower, best.height.upper),
        positions=np.array(bounds.positions),
        rtol=rtol,
        is_tight=lower >= best.height.upper * (1 - Fraction(rtol)),
    )
    if not found.is_tight:
        warnings.warn(
            f"{len(bounds.positions)} positions do not give a relative width of {rtol:g}: the barrier modulo permutation is from "
            f"{float(lower):.6g} to {float(best.height.upper):.6g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    return found


class _Bounds:
    """Lower bounds of the barriers under all permutations: the highest excess at `positions`.

    Costs are rounded down to multiples of ``2^-bits``. Their sums decide most permutations in units of ``2^(LONG_BITS - bits)``,
    for all permutations at once; the few that are within a rounding error of the goal get sums of long integers.
    """

    def __init__(self, net_a: TwoLayerNet, net_b: TwoLayerNet, teacher: TwoLayerNet) -> None:
        self.net_a, self.net_b, self.teacher = net_a, net_b, teacher
        self.positions: list[float] = []
        self.group = np.concatenate([group.astype(np.int8) for group in permutations_in_groups(net_a.width)])
        self.values = np.zeros(len(self.group), dtype=np.int64)  # a barrier is not negative
        self._long: list[_Costs] = []
        self.bits = TOTAL_BITS - _magnitude(net_a, net_b, teacher) + LONG_BITS

    def add(self, position: float, goal: Fraction) -> IntArray | None:
        """Bound the permutations below the goal at one more position; return that with the lowest bound, None if none is left."""
        t = min(max(round(position * 2**POSITION_BITS), 1), 2**POSITION_BITS - 1) / 2**POSITION_BITS
        level = math.ceil(goal * Fraction(2) ** self.bits)
        if t not in self.positions:
            self.positions.append(t)
            with ctx.workprec(PRECISION):
                self._long.append(self._costs(arb(t)))
            rows = np.flatnonzero(self.values < (level >> LONG_BITS) + 1)
            self.values[rows] = np.maximum(self.values[rows], self._excess(self.group[rows]))
        lowest, bound = self._lowest(level)
        return None if bound >= level else self.group[lowest].astype(np.intp)

    def lowest(self, cap: Fraction) -> Fraction:
        """Return the lowest bound, less what others may round differently, or `cap` if it is above."""
        level = math.ceil(cap * Fraction(2) ** self.bits)
        units = self._lowest(level)[1] - 2 * self.net_a.width**2
        return min(cap, max(Fraction(units) / Fraction(2) ** self.bits, Fraction(0)))

    def _lowest(self, level: int) -> tuple[int, int]:
        """Return the permutation of the lowest bound and its bound, in long integers as far as these matter below `level`."""
        near = np.flatnonzero(self.values <= max(int(self.values.min()), level >> LONG_BITS))
        if len(near) > MAX_NEAR:
            near = near[np.argsort(self.values[near], kind="stable")[:1]]
            return int(near[0]), int(self.values[near[0]]) << LONG_BITS
        bounds = [max(0, *(self._sum(costs, self.group[row].tolist()) for costs in self._long)) for row in near]
        k = min(range(len(near)), key=bounds.__getitem__)
        return int(near[k]), bounds[k]

    def _excess(self, group: NDArray[np.int8]) -> Integers:
        """Return lower bounds of the excess at the last position under the permutations `group` ``(n, m)``, in short integers."""
        constant, linear, quadratic = self._long[-1]
        short_linear = np.array(linear >> LONG_BITS, dtype=np.int64)
        short_quadratic = np.array(quadratic >> LONG_BITS, dtype=np.int64)
        total = np.full(len(group), constant >> LONG_BITS, dtype=np.int64)
        for i in range(group.shape[1]):
            total += short_linear[i, group[:, i]]
            for j in range(i):
                total += short_quadratic[i, j, group[:, i], group[:, j]]
        return total

    @staticmethod
    def _sum(costs: _Costs, p: list[int]) -> int:
        constant, linear, quadratic = costs
        n = len(p)
        return int(
            constant
            + sum(linear[i, p[i]] for i in range(n))
            + sum(quadratic[i, j, p[i], p[j]] for i in range(n) for j in range(i))
        )

    def _costs(self, t: arb) -> _Costs:
        """Return lower bounds of the constant, of the costs ``(m, m)`` and ``(m, m, m, m)`` of i > j and their partners."""
        m = self.net_a.width
        W_a, W_b, V = (exact_rows(net.W) for net in (self.net_a, self.net_b, self.teacher))
        a, b, outputs = (exact_row(net.a) for net in (self.net_a, self.net_b, self.teacher))
        mixed = [[(1 - t) * x + t * y for x, y in zip(u, v, strict=True)] for u in W_a for v in W_b]
        stack = Stack(mixed, [(1 - t) * x + t * y for x in a for y in b], V, outputs)
        chord = (1 - t) * loss_enclosure(W_a, a, V, outputs) + t * loss_enclosure(W_b, b, V, outputs)
        energy = loss_enclosure([[arb(0)] * len(V[0])], [arb(0)], V, outputs)
        linear, quadratic = np.zeros((m, m), dtype=object), np.zeros((m, m, m, m), dtype=object)
        for k in range(m * m):
            i, p = divmod(k, m)
            to_teacher = dot(stack.c[m * m :], [stack.pair(k, r).kernel for r in range(m * m, len(stack.c))])
            linear[i, p] = self._floor(stack.c[k] * (stack.c[k] * stack.squares[k] / 2 + 2 * to_teacher))
            for n in range(i * m):
                j, q = divmod(n, m)
                if p != q:
                    quadratic[i, j, p, q] = self._floor(2 * stack.c[k] * stack.c[n] * stack.pair(k, n).kernel)
        return self._floor(energy - chord), linear, quadratic

    def _floor(self, value: arb) -> int:
        return math.floor(dyadic(value.lower()) * Fraction(2) ** self.bits)


_Costs: TypeAlias = tuple[int, NDArray[np.object_], NDArray[np.object_]]  # long integers


def _magnitude(net_a: TwoLayerNet, net_b: TwoLayerNet, teacher: TwoLayerNet) -> int:
    """Return n such that no sum of costs exceeds ``2^n``: ``|K(u, v)| <= |u||v| / 2``, and no mixture is longer than its ends."""

    def size(*nets: TwoLayerNet) -> Fraction:
        longest = max(max(sum(abs(Fraction(x)) for x in row) for row in net.W.tolist()) for net in nets)
        return nets[0].width * longest * max(abs(Fraction(x)) for net in nets for x in net.a.tolist())

    bound = (size(net_a, net_b) + size(teacher)) ** 2 * 4
    return bound.numerator.bit_length() - bound.denominator.bit_length() + 1 if bound else 0
