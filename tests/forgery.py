"""Forged certificates: honest ones of every kind in which something is changed, with a right digest and of the right form.

`forge(base, rng, judge)` changes a certificate of `honest.bases()`, mostly so that it states more than is true. What a forged
certificate states is judged by `judging.Judge`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq
from honest import Base, Body, fraction
from judging import Judge
from truths import PRECISION

Mutation = Callable[[Body, np.random.Generator, Judge], str]

SHIFTS = (-(2.0**-20), -1e-3, 1e-9, 2.0**-30, 0.25, 0.5, 0.75, 1.5, 2.0, 4.0, 10.0, 1e3)
CLOSENESS = (8, 20, 33, 52, 64, 100, 180, 300)  # bits to which an end of an interval is moved towards the truth, or past it


def forge(base: Base, rng: np.random.Generator, judge: Judge) -> tuple[Body, str]:
    """Return a changed body, and which field was changed and how; one in four is changed twice."""
    if base.name.startswith("planted") and rng.random() < 0.5:
        return base.body, "planted: " + base.name.split()[1]
    while True:
        body, fields = copy.deepcopy(base.body), []
        for _ in range(2 if rng.random() < 0.25 else 1):
            mutation = _choose(_MUTATIONS[body["kind"]], rng)
            try:
                with ctx.workprec(PRECISION):
                    fields.append(mutation(body, rng, judge))
            except (_UnfitError, OverflowError, ZeroDivisionError):
                continue
        if base.others and rng.random() < 0.15:
            other = base.others[rng.integers(len(base.others))]
            body["best"] = copy.deepcopy(other)
            if rng.random() < 0.7:
                body["height"] = copy.deepcopy(other["height"])
            fields.append("best: of another permutation")
        if rng.random() < 0.85:
            _say_whether_tight(body)
        if fields and body != base.body:
            return body, " + ".join(fields)


class _UnfitError(Exception):
    """The mutation does not apply."""


def _choose(options: Any, rng: np.random.Generator) -> Any:
    return options[int(rng.integers(len(options)))]


def _say_whether_tight(body: Body) -> None:
    """Set the flags to what the stated intervals give, so that this is not what a false statement is refused for."""
    for part in (body, body.get("best", {})):
        if "is_tight" in part:
            (middle, half), rtol = map(Fraction, part["height"]), Fraction(float.fromhex(part["rtol"]))
            low, high = middle - half, middle + half
            part["is_tight"] = low >= high * (1 - rtol) if "best" in part else high <= low * (1 + rtol)


def _moved(x: float, rng: np.random.Generator) -> tuple[float, str]:
    """Return another float64 number, and how it was changed."""
    how = _choose(("ulp", "ulp", "ulp", "ulps", "factor", "near", "negated", "zero", "extreme"), rng)
    sign = int(rng.choice([-1, 1]))
    if how == "ulp":
        return math.nextafter(x, sign * math.inf), how
    if how == "ulps":
        return x + sign * math.ulp(x) * int(rng.integers(2, 2000)), how
    if how == "factor":
        return x * float(_choose((0.5, 0.9, 1.1, 2.0, 10.0), rng)), how
    if how == "near":
        return x * (1 + sign * 10 ** rng.uniform(-12, -2)), how
    if how == "extreme":
        return sign * float(_choose((5e-324, 1e-310, 1e-160, 1e150, 1e300), rng)), how
    return (-x if how == "negated" else 0.0), how


def _move_weight(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body)
    name = _choose([key for key in ("net", "net_a", "net_b", "teacher") if key in place], rng)
    net = place[name]
    row = int(rng.integers(len(net["a"])))
    if rng.random() < 0.3:
        value, how = _moved(float.fromhex(net["a"][row]), rng)
        net["a"][row] = value.hex()
        return f"{name}.a: {how}"
    column = int(rng.integers(len(net["W"][row])))
    value, how = _moved(float.fromhex(net["W"][row][column]), rng)
    net["W"][row][column] = value.hex()
    return f"{name}.W: {how}"


def _exchange_networks(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body)
    if "net" in place:
        place["net"], place["teacher"] = place["teacher"], place["net"]
        return "net: exchanged with teacher"
    first, second = _choose((("net_a", "net_b"), ("net_a", "teacher"), ("net_b", "teacher"), ("net_a", "net_a")), rng)
    if first == second:
        place["net_b"] = copy.deepcopy(place["net_a"])
        return "net_b: replaced by net_a"
    if "teacher" in (first, second) and len(place[first]["a"]) != len(place[second]["a"]):
        raise _UnfitError
    place[first], place[second] = place[second], place[first]
    return f"{first}: exchanged with {second}"


def _exchange_neurons(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body)
    name = _choose([key for key in ("net", "net_a", "net_b", "teacher") if key in place], rng)
    net = place[name]
    if len(net["a"]) < 2:
        raise _UnfitError
    i, j = rng.choice(len(net["a"]), 2, replace=False)
    parts = _choose((("W",), ("a",), ("W", "a")), rng)
    for part in parts:
        net[part][i], net[part][j] = net[part][j], net[part][i]
    return f"{name}: {' and '.join(parts)} of two neurons exchanged"


def _permute(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    permutation = body.get("best", body)["permutation"]
    if len(permutation) < 2:
        raise _UnfitError
    i, j = rng.choice(len(permutation), 2, replace=False)
    permutation[i], permutation[j] = permutation[j], permutation[i]
    return "permutation: two exchanged"


def _interval(text: list[str], rng: np.random.Generator, truth: Callable[[], arb | fmpq] | None) -> str:
    """Change an enclosure in place, half of the time so that an end passes or comes close to the truth."""
    middle, radius = map(Fraction, text)
    how = _choose(("shifted", "scaled", "last unit", *["lower past", "upper past", "lower close", "upper close"] * 2), rng)
    if how == "shifted":
        middle += radius * Fraction(_choose(SHIFTS, rng)) * int(rng.choice([-1, 1]))
    elif how == "scaled":
        radius *= Fraction(_choose((0, 2**-40, 0.5, 0.999, 1 - 2**-40, 1.001, 2, 1000), rng))
    elif how == "last unit":
        middle += Fraction(int(rng.choice([-1, 1])), middle.denominator)
    elif truth is None:
        raise _UnfitError
    else:
        value, low, high = fraction(truth()), middle - radius, middle + radius
        size = max(abs(value), radius) if rng.random() < 0.5 else radius
        step = size * Fraction(1, 2 ** int(_choose(CLOSENESS, rng)))
        if how == "lower past":
            low = value + step
        elif how == "upper past":
            high = value - step
        elif how == "lower close":
            low = value - step
        else:
            high = value + step
        if low > high:
            low, high = (low, low + radius) if how.startswith("lower") else (high - radius, high)
        middle, radius = (low + high) / 2, (high - low) / 2
    text[:] = [str(middle), str(radius)]
    return how


def _change_loss(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    return "loss: " + _interval(body["loss"], rng, lambda: judge.point(body["net"], body["teacher"]).loss)


def _change_entry(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    point = judge.point(body["net"], body["teacher"])
    name = "hessian" if body["kind"] == "hessian" else _choose(("W", "a"), rng)
    i = int(rng.integers(len(body[name])))
    if len(body[name]) != point.m * (point.d if name == "hessian" else 1):
        raise _UnfitError  # networks of another width were exchanged before
    if name == "a":
        return "a: " + _interval(body["a"][i], rng, lambda: point.outputs[i])
    k = int(rng.integers(len(body[name][i])))
    entry = body[name][i][k]
    if rng.random() < 0.2:
        j = int(rng.integers(len(body[name])))
        other = body[name][j][int(rng.integers(len(body[name][j])))]
        entry[:], other[:] = other[:], entry[:]
        return f"{name}: two entries exchanged"
    return f"{name}: " + _interval(entry, rng, lambda: (point.hessian if name == "hessian" else point.gradient)[i][k])


def _change_digits(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    body["digits"] = min(4000, int(_choose((1, body["digits"] + 1, body["digits"] + 2, 2 * body["digits"], 1000, 4000), rng)))
    return "digits: changed"


def _change_precision(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    body.get("best", body)["precision"] = int(_choose((2, 64, 127, 129, 256, 512), rng))
    return "precision: changed"


def _change_height(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    if body["kind"] == "barrier":
        how = _interval(body["height"], rng, lambda: judge.segment(body, body["permutation"]).maximum)
        return f"height: {how}"
    best = body["best"]

    def least() -> arb | fmpq:
        heights = [judge.segment(best, p).maximum for p in permutations(range(len(best["permutation"])))]
        return min(heights, key=lambda h: float(arb(h)))

    how = _interval(body["height"], rng, least)
    if how.startswith("upper") or rng.random() < 0.3:  # the upper end is that of the best permutation
        high = sum(map(Fraction, body["height"]))
        middle, radius = map(Fraction, best["height"])
        below = min(middle - radius, high)
        best["height"] = [str((below + high) / 2), str((high - below) / 2)]
    return f"height: {how}"


def _change_flag(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body) if rng.random() < 0.5 else body
    name = _choose([key for key in ("is_tight", "is_affine") if key in place], rng)
    place[name] = not place[name]
    if place.get("is_affine") and rng.random() < 0.7:  # a consistent lie
        place |= {"height": ["0", "0"], "cells": [(0.0).hex(), (1.0).hex()], "is_tight": True}
        if "best" in body:
            body["height"] = ["0", "0"]
    return f"{name}: flipped"


def _claim_zero(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body)
    place |= {"height": ["0", "0"], "position": (0.0).hex(), "is_tight": True}
    if "best" in body:
        body |= {"height": ["0", "0"], "is_tight": True}
    return "height: said to be 0"


def _change_rtol(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body) if rng.random() < 0.5 else body
    rtol = float.fromhex(place["rtol"])
    place["rtol"] = float(
        _choose((math.nextafter(rtol, 0), math.nextafter(rtol, 1), rtol / 2, 1e-300, 0.5, 2.0, 1e300), rng)
    ).hex()
    return "rtol: changed"


def _respell(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    """Write the same number in another way."""
    place = body.get("best", body)
    name = _choose([key for key in ("height", "loss", "a") if key in place] or ["hessian"], rng)
    entry = place[name] if name in ("height", "loss") else place[name][0] if name == "a" else place[name][0][0]
    value = Fraction(entry[1])
    entry[1] = f"{2 * value.numerator}/{2 * value.denominator}"
    return f"{name}: respelled"


def _move_position(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body)
    t = float.fromhex(place["position"])
    moved = (math.nextafter(t, 2), math.nextafter(t, -1), 1 - t, 0.0, 1.0, rng.random(), t + 1e-6, t - 1e-3, math.nextafter(1, 2))
    place["position"] = float(_choose(moved, rng)).hex()
    return "position: moved"


def _move_positions(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    positions = [float.fromhex(t) for t in body["positions"]]
    how = _choose(("dropped", "moved", "random", "many"), rng)
    if how == "dropped":
        positions = positions[1:]
    elif how == "moved":
        positions = [min(math.nextafter(t, 1), 1 - 2.0**-53) for t in positions]
    elif how == "random":
        positions = [rng.random() for _ in positions] or [0.5]
    else:
        positions += [0.5, 2.0**-60, 1 - 2.0**-53]
    body["positions"] = [float(t).hex() for t in positions]
    return f"positions: {how}"


def _change_cells(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    place = body.get("best", body)
    cells = [float.fromhex(t) for t in place["cells"]]
    n, how = (
        len(cells),
        _choose(("first dropped", "last dropped", "merged", "all merged", "shifted", "swapped", "doubled", "split", "ends"), rng),
    )
    if how == "first dropped":
        cells = cells[1:]
    elif how == "last dropped":
        cells = cells[:-1]
    elif how == "all merged":
        cells = [0.0, 1.0]
    elif how == "ends":
        k = int(rng.choice([0, n - 1]))
        cells[k] = float(
            _choose((math.nextafter(cells[k], 0.5), math.nextafter(cells[k], 2 * cells[k] - 0.5), 5e-324, 0.999), rng)
        )
    elif n < 3:
        raise _UnfitError
    else:
        k = int(rng.integers(1, n - 1))
        if how == "merged":
            del cells[k]
        elif how == "shifted":
            cells[k] = float(_choose((math.nextafter(cells[k], 0), math.nextafter(cells[k], 1), rng.random()), rng))
        elif how == "swapped":
            cells[k], cells[k - 1] = cells[k - 1], cells[k]
        elif how == "doubled":
            cells.insert(k, cells[k])
        else:
            cells.insert(k, (cells[k] + cells[k - 1]) / 2)
    place["cells"] = [float(t).hex() for t in cells]
    return f"cells: {how}"


def _change_bound(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    name = _choose(("radius", "distance", "curvature", "curvature", "moved"), rng)
    value = float.fromhex(body[name])
    factor = float(_choose((1 + 2**-52, 1 - 2**-53, 0.5, 2.0, 1.5, 1.9, 2.1, 3.0, 10.0, 1e3, 1e-3, 1e-6, 1e6, 0.0, -1.0), rng))
    body[name] = (value * factor if value else float(_choose((5e-324, 1e-9, 1.0, float.fromhex(body["radius"])), rng))).hex()
    return f"{name}: changed"


def _change_curvature_with_loss(body: Body, rng: np.random.Generator, judge: Judge) -> str:
    """State a larger curvature, and the smaller distance that would follow from it."""
    factor = float(_choose((1.2, 2.5, 8.0, 1e4), rng))
    body["curvature"] = (float.fromhex(body["curvature"]) * factor).hex()
    body["distance"] = (float.fromhex(body["distance"]) / factor).hex()
    return "curvature: with distance"


_NETWORKS: list[Mutation] = [_move_weight, _move_weight, _move_weight, _exchange_networks, _exchange_neurons, _respell]
_BARRIER: list[Mutation] = [
    *_NETWORKS, *[_change_height] * 6, _claim_zero, _permute, _change_flag, _change_rtol, _move_position, _change_cells,
    _change_cells, _change_precision,
]  # fmt: skip
_MUTATIONS: dict[str, list[Mutation]] = {
    "loss": [*_NETWORKS, *[_change_loss] * 5, _change_digits, _change_precision],
    "gradient": [*_NETWORKS, *[_change_entry] * 5, _change_digits, _change_precision],
    "hessian": [*_NETWORKS, *[_change_entry] * 5, _change_digits, _change_precision],
    "barrier": _BARRIER,
    "modulo-permutation": [*_BARRIER, _move_positions, _change_height],
    "local-minimum": [*_NETWORKS, *[_change_bound] * 4, _change_curvature_with_loss, _change_loss, _change_loss],
}
