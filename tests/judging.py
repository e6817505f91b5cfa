"""What acceptance of a certificate file would state, and whether that is true, decided without `lmctheory.certificates`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any

from flint import arb, ctx, fmpq
from true_segments import Segment, segment
from truths import (
    PRECISION,
    Network,
    Point,
    compare,
    critical_point,
    dot,
    is_positive_definite,
    lies_between,
    rational,
)

Body = dict[str, Any]
Claim = bool | None  # None if it is not decided


def exact_float(text: str) -> fmpq:
    """Return the number of a hexadecimal float."""
    return rational(float.fromhex(text))


def exact_network(text: Body) -> Network:
    """Return the exact weights of a network."""
    return [[exact_float(x) for x in row] for row in text["W"]], [exact_float(x) for x in text["a"]]


def ends(text: list[str]) -> tuple[fmpq, fmpq]:
    """Return the ends of an enclosure."""
    midpoint, radius = (rational(Fraction(part)) for part in text)
    return midpoint - radius, midpoint + radius


def permuted(net: Network, permutation: Iterable[int]) -> Network:
    """Return the network whose neuron i is neuron ``permutation[i]``."""
    order = list(permutation)
    return [net[0][k] for k in order], [net[1][k] for k in order]


class Judge:
    """Decides statements; what is computed for a network or a segment is kept for the next statement about it."""

    def __init__(self) -> None:
        self._points: dict[str, Point] = {}
        self._segments: dict[str, Segment] = {}
        self._minima: dict[str, list[list[fmpq]] | None] = {}
        self._definite: dict[str, bool | None] = {}

    def is_true(self, body: Body) -> Claim:
        """Say whether all is true that acceptance of the file states, None if a part is undecided and no other is false."""
        undecided = False
        with ctx.workprec(PRECISION):
            for claim in getattr(self, "_" + body["kind"].replace("-", "_"))(body):
                if claim is False:
                    return False
                undecided |= claim is None
        return None if undecided else True

    def point(self, net: Body, teacher: Body) -> Point:
        """Return loss and derivatives at a network."""
        key = json.dumps([net, teacher])
        if key not in self._points:
            self._points[key] = Point(exact_network(net), exact_network(teacher))
        return self._points[key]

    def segment(self, body: Body, permutation: Iterable[int]) -> Segment:
        """Return the segment from A to the permuted B."""
        order = list(permutation)
        key = json.dumps([body["net_a"], body["net_b"], body["teacher"], order])
        if key not in self._segments:
            net_a, net_b, teacher = (exact_network(body[name]) for name in ("net_a", "net_b", "teacher"))
            self._segments[key] = segment(net_a, permuted(net_b, order), teacher)
        return self._segments[key]

    def _loss(self, body: Body) -> Iterable[Claim]:
        low, high = ends(body["loss"])
        yield low <= high
        if body["digits"]:
            yield (high - low) * 10 ** body["digits"] <= abs(high + low)
        yield lies_between(self.point(body["net"], body["teacher"]).loss, low, high)

    def _gradient(self, body: Body) -> Iterable[Claim]:
        point = self.point(body["net"], body["teacher"])
        yield len(body["W"]) == len(body["a"]) == point.m and all(len(row) == point.d for row in body["W"])
        stated = [entry for row in body["W"] for entry in row] + body["a"]
        yield from self._entries(stated, [x for row in point.gradient for x in row] + point.outputs, body["digits"])

    def _hessian(self, body: Body) -> Iterable[Claim]:
        hessian = self.point(body["net"], body["teacher"]).hessian
        yield len(body["hessian"]) == len(hessian) and all(len(row) == len(hessian) for row in body["hessian"])
        stated = [entry for row in body["hessian"] for entry in row]
        yield from self._entries(stated, [x for row in hessian for x in row], body["digits"])

    def _entries(self, stated: list[list[str]], true: list[arb | fmpq], digits: int) -> Iterable[Claim]:
        for text, value in zip(stated, true, strict=True):
            yield lies_between(value, *ends(text))
        if digits:
            middles, radii = zip(*((abs(Fraction(middle)), Fraction(radius)) for middle, radius in stated), strict=True)
            yield max(radii) * 10**digits <= max(middles)

    def _barrier(self, body: Body) -> Iterable[Claim]:
        yield sorted(body["permutation"]) == list(range(len(body["net_a"]["a"])))
        (low, high), rtol = ends(body["height"]), exact_float(body["rtol"])
        position, cells = exact_float(body["position"]), [exact_float(t) for t in body["cells"]]
        yield 0 <= low <= high and 0 <= position <= 1 and rtol > 0
        yield body["is_tight"] is bool(high <= low * (1 + rtol))
        yield len(cells) > 1 and cells[0] == 0 and cells[-1] == 1 and all(left < right for left, right in pairwise(cells))
        found = self.segment(body, body["permutation"])
        if body["is_affine"]:
            yield low == high == 0 and len(cells) == 2
            yield found.is_affine
        if low > 0:
            reached = compare(found.excess(position), low)
            yield None if reached is None else reached >= 0
        above = found.exceeds(high)
        yield None if above is None else not above
        yield found.reaches(low)

    def _modulo_permutation(self, body: Body) -> Iterable[Claim]:
        (low, high), rtol, best = ends(body["height"]), exact_float(body["rtol"]), body["best"]
        yield 0 <= low <= high == ends(best["height"])[1] and rtol > 0
        yield body["is_tight"] is bool(low >= high * (1 - rtol))
        yield from self._barrier(best)
        if low > 0:
            for permutation in permutations(range(len(best["net_a"]["a"]))):
                yield self.segment(best, permutation).reaches(low)

    def _local_minimum(self, body: Body) -> Iterable[Claim]:
        radius, distance, curvature, moved = (exact_float(body[name]) for name in ("radius", "distance", "curvature", "moved"))
        low, high = ends(body["loss"])
        yield radius > 0 and curvature > 0 and 0 <= moved <= radius and low <= high
        net, teacher = exact_network(body["net"]), exact_network(body["teacher"])
        yield all(map(any, net[0]))
        key = json.dumps([body["net"], body["teacher"]])
        centre = self.point(body["net"], body["teacher"])
        yield self._curved(centre, key, curvature)
        if key not in self._minima:
            self._minima[key] = critical_point(net, teacher)
        minimum = self._minima[key]
        slope, steepest = (sum(arb(x) ** 2 for row in rows for x in row).sqrt() for rows in (centre.gradient, centre.hessian))
        if minimum is None:  # in so small a box the Hessian hardly varies, and the gradient at the centre does not vanish
            yield False if slope > 4 * steepest * arb(radius) * len(centre.hessian) and radius < fmpq(1, 1000) else None
            return
        moves = [x - y for u, v in zip(minimum, net[0], strict=True) for x, y in zip(u, v, strict=True)]
        yield all(abs(x) <= radius for x in moves)
        yield dot(moves, moves) <= distance * distance and distance >= 0
        loss = Point((minimum, net[1]), teacher).loss
        yield lies_between(loss, low, high)
        yield compare(loss, fmpq(0)) == 1
        for sign in (1, -1):
            for pattern in range(4 if len(moves) < 20 else 1):
                flips = [sign * (-1) ** ((k >> pattern) & 1) * radius for k in range(len(moves))]
                d = len(net[0][0])
                W = [[x + flips[i * d + k] for k, x in enumerate(row)] for i, row in enumerate(net[0])]
                yield self._curved(Point((W, net[1]), teacher), f"{key} {radius} {sign} {pattern}", curvature)

    def _curved(self, point: Point, key: str, curvature: fmpq) -> Claim:
        key = f"{key} {curvature}"
        if key not in self._definite:
            # the bound itself may be the smallest eigenvalue: what is refuted lies a little below it
            self._definite[key] = is_positive_definite(point.hessian, curvature * (1 - fmpq(1, 2**200)))
        return self._definite[key]


def overstates(statement: str, body: Body) -> bool:
    """Whether the numbers in the printed statement say more than the file does."""
    numbers = [Fraction(text) for text in re.findall(r"-?[0-9.]+(?:e[+-]?[0-9]+)?(?![0-9])", statement, re.IGNORECASE)]
    if body["kind"] in ("gradient", "hessian"):
        rows = body["hessian"] if body["kind"] == "hessian" else [*body["W"], body["a"]]
        return numbers[-1] < max(Fraction(radius) for row in rows for _, radius in row)
    middle, radius = map(Fraction, body["height" if "height" in body else "loss"])
    if body["kind"] == "local-minimum":
        limits = {name: Fraction(float.fromhex(body[name])) for name in ("radius", "distance", "curvature")}
        if numbers[0] > limits["radius"] or numbers[-2] < limits["distance"] or numbers[-1] > limits["curvature"]:
            return True
        numbers = numbers[:-2]
    shown, reach = numbers[-2:] if "+/-" in statement else (numbers[-1], Fraction(0))
    return abs(shown - middle) + radius > reach
