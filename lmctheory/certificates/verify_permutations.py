"""The part of the checker that bounds a barrier modulo permutation from below, permutation by permutation, in integers.

For every permutation p the barrier is at least the excess at any position t. With ``c_ip relu(w_ip . x)`` the mixture of neuron i
of A and neuron p of B at t, the excess is

    sum_i l(i, p_i) + sum_{i > j} q(i, p_i, j, p_j) + constant,

where l and q are kernels of mixtures with themselves, with the teacher, and with each other. Every cost is rounded down to an
integer multiple of ``2^-bits``; sums of integers are exact. Most permutations are decided with short integers, which are added up
for thousands of permutations at once; what they leave open is decided with long ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from typing import TypeAlias

import numpy as np
from flint import arb
from numpy.typing import NDArray

from lmctheory.certificates.verify_balls import ball, floor_of, working
from lmctheory.certificates.verify_segment import PRECISION, check_barrier
from lmctheory.certificates.verify_text import require
from lmctheory.certificates.verify_theorems import ModuloTheorem, Network
from lmctheory.certificates.verify_values import Pairs

Integers: TypeAlias = NDArray[np.int64]
Costs: TypeAlias = tuple[int, list[int], dict[tuple[int, int], int]]  # constant, l by ip = i m + p, q by (ip, jq), i > j

SHORT_BITS = 62  # of the largest sum of short integers
LONG_BITS = 384  # of long integers after those of short ones
TAIL = 7  # neurons whose partners are permuted at once
MAX_OPEN = 100_000  # permutations that short integers may leave open


def check_modulo_permutation(theorem: ModuloTheorem) -> None:
    """Prove the theorem: the upper end by one permutation, the lower end by a position for every permutation."""
    check_barrier(theorem.best)
    lower = theorem.height.lower
    if lower == 0:
        return  # no barrier is negative
    net_a, net_b, teacher = theorem.best.net_a, theorem.best.net_b, theorem.best.teacher
    with working(PRECISION):
        bounds = [PositionBound(net_a, net_b, teacher, t, lower) for t in theorem.positions]
    still_open = 0
    for group in permutations_in_groups(net_a.width):
        for bound in bounds:
            group = group[bound.is_open(group)]
        still_open += len(group)
        require(still_open <= MAX_OPEN, f"the lower end is not proved for more than {MAX_OPEN} permutations")
        unproved = [p for p in group.tolist() if not any(bound.is_proved(p) for bound in bounds)]
        require(not unproved, f"the lower end is not proved for {len(unproved)} permutations, such as {unproved[:1]}")


def permutations_in_groups(m: int) -> Iterator[Integers]:
    """Return all permutations of m numbers in arrays ``(n, m)`` of at most ``TAIL!`` rows."""
    tail = min(m, TAIL)
    orders = np.array(list(permutations(range(tail))), dtype=np.int64)
    for head in permutations(range(m), m - tail):
        rest = np.array([p for p in range(m) if p not in head], dtype=np.int64)
        heads = np.broadcast_to(np.array(head, dtype=np.int64), (len(orders), m - tail))
        yield np.hstack([heads, rest[orders]])


class PositionBound:
    """Whether the excess at one position is proved to be at least `lower`, for any permutation."""

    def __init__(self, net_a: Network, net_b: Network, teacher: Network, t: Fraction, lower: Fraction) -> None:
        m = self.m = net_a.width
        constant, linear, quadratic = _costs(net_a, net_b, teacher, t, lower)
        largest = abs(constant).upper() + sum((_largest(linear[i * m : (i + 1) * m]) for i in range(m)), arb(0))
        for i in range(m):
            for j in range(i):
                largest += _largest([quadratic[i * m + p, j * m + q] for p in range(m) for q in range(m) if p != q])
        mantissa, exponent = largest.upper().man_exp()
        bits = SHORT_BITS - 1 - int(mantissa).bit_length() - int(exponent) + LONG_BITS
        self.long: Costs = (
            floor_of(constant, bits),
            [floor_of(x, bits) for x in linear],
            {key: floor_of(x, bits) for key, x in quadratic.items()},
        )
        # Rounding down once more leaves sums of short integers below those of long ones. Their absolute values are below
        # 2^SHORT_BITS: there are at most MAX_PERMUTED^2 terms, each of which adds less than 1.
        self.constant = self.long[0] >> LONG_BITS
        self.linear = np.array([x >> LONG_BITS for x in self.long[1]], dtype=np.int64)
        self.quadratic = np.zeros((m * m, m * m), dtype=np.int64)
        for (k, n), cost in self.long[2].items():
            self.quadratic[k, n] = cost >> LONG_BITS

    def is_open(self, group: Integers) -> NDArray[np.bool_]:
        """Say for which permutations in the rows of `group` short integers prove nothing."""
        total = np.full(len(group), self.constant, dtype=np.int64)
        for i in range(self.m):
            mixed = i * self.m + group[:, i]
            total += self.linear[mixed]
            for j in range(i):
                total += self.quadratic[mixed, j * self.m + group[:, j]]
        return total < 0

    def is_proved(self, permutation: list[int]) -> bool:
        """Whether long integers prove the bound for one permutation."""
        constant, linear, quadratic = self.long
        mixed = [i * self.m + p for i, p in enumerate(permutation)]
        total = constant + sum(linear[k] for k in mixed)
        return total + sum(quadratic[k, n] for i, k in enumerate(mixed) for n in mixed[:i]) >= 0


def _largest(values: list[arb]) -> arb:
    largest = arb(0)
    for value in values:
        largest = largest.max(abs(value).upper())
    return largest.upper()


def _costs(
    net_a: Network, net_b: Network, teacher: Network, t: Fraction, lower: Fraction
) -> tuple[arb, list[arb], dict[tuple[int, int], arb]]:
    """Return enclosures of the constant less `lower`, of l, and of q."""
    m = net_a.width
    mixed = [[(1 - t) * x + t * y for x, y in zip(u, v, strict=True)] for u in net_a.W for v in net_b.W]
    pairs = Pairs(Network(mixed, [(1 - t) * x + t * y for x in net_a.a for y in net_b.a]), teacher)
    teachers = range(m * m, len(pairs.c))
    at_a, at_b = (ends.loss(ends.all) for ends in (Pairs(net, teacher) for net in (net_a, net_b)))
    constant = pairs.loss(teachers) - ball(1 - t) * at_a - ball(t) * at_b - ball(lower)
    linear = [
        pairs.c[k] * (pairs.c[k] * pairs.kernel(k, k) + 2 * sum((pairs.c[r] * pairs.kernel(k, r) for r in teachers), arb(0)))
        for k in range(m * m)
    ]
    quadratic = {
        (k, n): 2 * pairs.c[k] * pairs.c[n] * pairs.kernel(k, n) for k in range(m * m) for n in range(k - k % m) if k % m != n % m
    }
    return constant, linear, quadratic
