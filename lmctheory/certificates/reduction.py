"""Networks and segments as sums of as few neurons as possible, in exact arithmetic: neurons on one ray are one neuron.

``a relu(s w . x) = a s relu(w . x)`` for s >= 0. A neuron that keeps its direction on the segment therefore only changes its
output weight there, polynomially in t, and all such neurons on a ray add up, the teacher's among them. Nothing is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from lmctheory._checks import FloatArray
from lmctheory.networks import TwoLayerNet

Ray: TypeAlias = tuple[int, ...]  # the primitive integer vector on it
Polynomial: TypeAlias = tuple[Fraction, Fraction, Fraction]  # coefficients of 1, t, t^2
PathNeurons: TypeAlias = dict[tuple[Ray, Ray], Polynomial]  # ends of the weights, and the output weight on the way

ZERO: Polynomial = (Fraction(0), Fraction(0), Fraction(0))


def ray_of(values: Sequence[Fraction]) -> tuple[Ray, Fraction]:
    """Return the primitive integer vector on the ray of `values`, and how many times it must be taken, 0 for the zero vector."""
    denominator = math.lcm(*(value.denominator for value in values))
    integers = [value.numerator * (denominator // value.denominator) for value in values]
    divisor = math.gcd(*integers)
    if divisor == 0:
        return tuple(integers), Fraction(0)
    return tuple(value // divisor for value in integers), Fraction(divisor, denominator)


def path_neurons(net_a: TwoLayerNet, net_b: TwoLayerNet, teacher: TwoLayerNet) -> PathNeurons:
    """Return ``f_t - f*`` on the segment from `net_a` to `net_b` as neurons that differ in direction.

    A key ``(u, v)`` with the output weight c(t) is ``c(t) relu(((1-t) u + t v) . x)``; ``u = v`` where the direction is constant.
    """
    found: PathNeurons = {}

    def add(start: Ray, end: Ray, output: Polynomial) -> None:
        c0, c1, c2 = found.get((start, end), ZERO)
        found[start, end] = (c0 + output[0], c1 + output[1], c2 + output[2])

    for u, a, v, b in zip(_rows(net_a), _exact(net_a.a), _rows(net_b), _exact(net_b.a), strict=True):
        (ray_u, s), (ray_v, r) = ray_of(u), ray_of(v)
        if s == 0 or r == 0 or ray_u == ray_v:
            ray = ray_u if s else ray_v
            add(ray, ray, (a * s, a * (r - s) + (b - a) * s, (b - a) * (r - s)))
        else:
            both, scale = ray_of([*u, *v])
            add(both[: len(u)], both[len(u) :], (a * scale, (b - a) * scale, Fraction(0)))
    for v, b in zip(_rows(teacher), _exact(teacher.a), strict=True):
        ray, scale = ray_of(v)
        add(ray, ray, (-b * scale, Fraction(0), Fraction(0)))
    return {key: output for key, output in found.items() if any(output) and (any(key[0]) or any(key[1]))}


def is_affine(neurons: PathNeurons) -> bool:
    """Whether ``f_t`` is affine in t: no direction moves, and no output weight bends."""
    return all(start == end and output[2] == 0 for (start, end), output in neurons.items())


def vanishes(neurons: Mapping[Ray, Fraction]) -> bool:
    """Whether ``sum_r c_r relu(r . x)`` over different rays is zero for every x.

    ``relu(z) = (|z| + z) / 2``: on every line through the origin the kinks ``|r . x|`` must cancel, because different lines have
    independent ones, and the linear parts must cancel altogether.
    """
    if not neurons:
        return True
    kinks: dict[Ray, Fraction] = {}
    for ray, output in neurons.items():
        line = max(ray, tuple(-x for x in ray))
        kinks[line] = kinks.get(line, Fraction(0)) + output
    linear = [sum(output * ray[k] for ray, output in neurons.items()) for k in range(len(next(iter(neurons))))]
    return not any(kinks.values()) and not any(linear)


def same_function(net: TwoLayerNet, teacher: TwoLayerNet) -> bool:
    """Whether student and teacher, as they are in memory, are the same function."""
    return vanishes({ray: output[0] for (ray, _), output in path_neurons(net, net, teacher).items()})


def _exact(values: FloatArray) -> list[Fraction]:
    return [Fraction(value) for value in values.tolist()]


def _rows(net: TwoLayerNet) -> list[list[Fraction]]:
    return [[Fraction(value) for value in row] for row in net.W.tolist()]
