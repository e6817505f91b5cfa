"""Honest certificates of every kind, and false ones that were found by thought: what forgeries start from."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pairs
from flint import arb, ctx, fmpq
from judging import exact_network
from truths import PRECISION, Point

import lmctheory as lmc

Body = dict[str, Any]
HEADER = ("format", "version", "kind")
UNIT = 2.0**-53  # between neighbouring float64 numbers from 1/2 to 1


@dataclass(frozen=True)
class Base:
    """An honest certificate; of barriers modulo permutation also those of other permutations."""

    name: str
    body: Body
    others: tuple[Body, ...] = ()


def with_digest(body: Body) -> Body:
    """Return the document of the file."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return {**body, "digest": hashlib.sha256(text.encode()).hexdigest()}


def body_of(certificate: lmc.Certificate) -> Body:
    """Return the document without its digest."""
    return {key: value for key, value in json.loads(json.dumps(certificate.document())).items() if key != "digest"}


def bases(per_family: int = 1, widest: int = 3) -> list[Base]:
    """Return honest certificates of every kind; the truth about all permutations of three neurons takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*_pointwise(), *_barriers(per_family), *_modulo(per_family, widest), *_minima(), *planted()]


def _pointwise() -> Iterator[Base]:
    for name, net, teacher in _networks():
        for certify in (lmc.certify_loss, lmc.certify_gradient, lmc.certify_hessian):
            for digits in (5, 30):
                found = certify(net, teacher, digits)
                yield Base(f"{found.kind} of {name}", body_of(found))


def _networks() -> Iterator[tuple[str, lmc.TwoLayerNet, lmc.TwoLayerNet]]:
    rng = np.random.default_rng(0)
    line = lmc.TwoLayerNet([[1.0], [-0.75]], [1.0, 0.5])
    plane = lmc.orthonormal_teacher(2, 2)
    yield "one neuron on a line", lmc.TwoLayerNet([[0.7]], [1.3]), line
    yield "a line with a zero neuron", lmc.TwoLayerNet([[0.7], [0.0], [-1.25]], [1.3, -2.0, 0.5]), line
    yield "the teacher on a line", lmc.TwoLayerNet([[0.5], [-0.75], [0.5]], [1.0, 0.5, 1.0]), line
    yield "random neurons", lmc.TwoLayerNet(rng.normal(size=(2, 2)), rng.normal(size=2)), plane
    yield "a crowded teacher", lmc.TwoLayerNet(rng.normal(size=(1, 2))), lmc.TwoLayerNet(rng.normal(size=(3, 2)))
    yield "an exact minimum", lmc.TwoLayerNet([[0.5, 0.0], [0.0, 1.0], [0.5, 0.0]]), plane
    yield "a minimum up to rounding", lmc.TwoLayerNet([[0.1, 0.0], [0.0, 1.0], [0.9, 0.0]]), plane
    yield "equal and opposite neurons", lmc.TwoLayerNet([[0.3, 0.4], [0.3, 0.4], [-0.3, -0.4]], [1.0, -0.5, 2.0]), plane
    yield "neurons of 1e-16 radians", lmc.TwoLayerNet([[1.0, 1.0], [1.0, 1.0 + 2**-52]], [1.0, 1.5]), plane
    yield "huge and tiny neurons", lmc.TwoLayerNet([[1e100, 2e99], [3e-120, 1e-120]], [1e-100, 1e110]), plane


def _barriers(per_family: int) -> Iterator[Base]:
    for family in pairs.FAMILIES:
        found = 0
        for seed in range(1000, 1040):  # half of them with a positive barrier
            pair = pairs.draw(family, seed, 2 + seed % 2)
            certificate = lmc.certify_barrier(*pair, np.random.default_rng(seed).permutation(pair.net_a.width))
            if (certificate.height.lower > 0 or found % 2) and certificate.is_tight and len(certificate.cells) < 60:
                found += 1
                yield Base(f"barrier {family} {seed}", body_of(certificate))
            if found == 2 * per_family:
                break


def _modulo(per_family: int, widest: int) -> Iterator[Base]:
    for family in pairs.FAMILIES:
        found = 0
        for seed in range(2000, 2040):
            pair = pairs.draw(family, seed, 2 + seed % 2 if widest > 2 else 2)
            certificate = lmc.certify_barrier_modulo_permutation(*pair)
            if (certificate.height.lower > 0 or seed > 2005 or family == "zero") and certificate.is_tight:
                found += 1
                others = tuple(
                    {key: value for key, value in body_of(lmc.certify_barrier(*pair, p)).items() if key not in HEADER}
                    for p in permutations(range(pair.net_a.width))
                )
                yield Base(f"modulo {family} {seed}", body_of(certificate), others)
            if found == per_family:
                break


def _minima() -> Iterator[Base]:
    for m, M, d in ((1, 2, 2), (1, 3, 3), (2, 3, 3)):
        teacher = lmc.orthonormal_teacher(M, d)
        net = lmc.train(teacher, width=m, learning_rate=0.3, rng=0, polish=True).networks[0]
        yield Base(f"minimum {m} {M} {d}", body_of(lmc.certify_local_minimum(net, teacher)))
    line = lmc.TwoLayerNet([[1.0], [-1.0]])
    yield Base("minimum on a line", body_of(lmc.certify_local_minimum(lmc.TwoLayerNet([[1.0]]), line)))


def spurious() -> Base:
    """Return the spurious minimum of eight neurons, which takes a second to find and more to judge."""
    teacher = lmc.orthonormal_teacher(8, 8)
    net = lmc.train(teacher, width=8, learning_rate=1 / 8, rng=2, polish=True).networks[0]
    return Base("spurious minimum", body_of(lmc.certify_local_minimum(net, teacher)))


def planted() -> list[Base]:
    """Return forgeries found by thought, each of which states what is false."""
    return [*_swapped_signs(), *_strips(), *_integers()]


def _swapped_signs() -> Iterator[Base]:
    """B is A with neurons exchanged: the barrier modulo permutation is 0, and a file states that of the identity."""
    rng = np.random.default_rng(3)
    nets = [lmc.TwoLayerNet([[1.0], [-1.0]]), lmc.TwoLayerNet([[0.5], [-1.25]], [2.0, 0.5])]
    nets += [lmc.TwoLayerNet(rng.integers(-8, 9, (3, 1)) / 8 + 1 / 16, rng.integers(1, 9, 3) / 8) for _ in range(3)]
    for k, net in enumerate(nets):
        other = net.permute(np.roll(np.arange(net.width), 1))
        best = lmc.certify_barrier(net, other, net)
        if best.height.lower == 0:
            continue
        for positions in ([0.5], [best.position], [0.5, 0.25, best.position]):
            yield Base(f"planted exchange {k}", _modulo_body(body_of(best), best.height.lower, best.height.upper, positions))


def _modulo_body(best: Body, lower: Fraction, upper: Fraction, positions: list[float]) -> Body:
    return {
        "format": "lmctheory certificate", "version": 1, "kind": "modulo-permutation",
        "best": {key: value for key, value in best.items() if key not in HEADER}, "rtol": (1e-6).hex(),
        "positions": [t.hex() for t in positions], "is_tight": lower >= upper * (1 - Fraction(1e-6)),
        "height": [str((lower + upper) / 2), str((upper - lower) / 2)],
    }  # fmt: skip


def _integers() -> Iterator[Base]:
    """Lower ends for which a cost is a whole number of units to 1000 bits: enclosures of it can be rounded to either side."""
    for seed in range(1, 4):
        rng, m = np.random.default_rng(seed), 3
        a = lmc.TwoLayerNet(rng.normal(size=(m, 2)), rng.choice([-1.0, 1.0], m))
        b = lmc.TwoLayerNet(a.W + rng.normal(size=(m, 2)) / 20, a.a).permute(np.roll(np.arange(m), -1))
        teacher = lmc.TwoLayerNet(0.1 * np.eye(2))
        found = [lmc.certify_barrier(a, b, teacher, p) for p in permutations(range(m))]
        worst = max(found, key=lambda c: c.height.lower)
        least = min(c.height.upper for c in found)
        t = round(worst.position * 2**30) / 2**30
        if worst.height.lower <= least or not 0 < t < 1:
            continue
        nets = [exact_network(body_of(worst)[name]) for name in ("net_a", "net_b", "teacher")]
        with ctx.workprec(PRECISION):
            losses = [Point(net, nets[2]).loss for net in nets[:2]]
            energy = Point(([[fmpq(0)] * 2], [fmpq(0)]), nets[2]).loss
            constant = energy - arb(1 - t) * losses[0] - arb(t) * losses[1]
        goal = (worst.height.lower + least) / 2
        for bits in (40, 50, 56, 58, 60):
            units = math.floor((fraction(constant) - goal) * 2**bits)
            lower = fraction(constant) - Fraction(units, 2**bits)
            if least < lower <= worst.height.upper:
                yield Base(f"planted integer {seed} {bits}", _modulo_body(body_of(worst), lower, worst.height.upper, [t]))


def _strips() -> Iterator[Base]:
    """A kink whose excess is above 0 by 1e-19, in the half ulp that a centre rounded to float64 leaves out."""
    hexadecimal = "0x1.003b79d5a124ap+0", "0x1.fd0758c3a0a64p-1", "0x1.0624dd2f1aa01p-10", "0x1.fe3c13c8d9ea7p-1"
    found = [tuple(map(float.fromhex, hexadecimal))]
    rng = np.random.default_rng(0)
    while len(found) < 8:
        alpha, beta = 1 + rng.random() / 100, 1 - rng.random() / 100
        n = (alpha + beta) / 2 - rng.random() / 500
        total = Fraction(alpha) + Fraction(beta)
        p, foot = math.nextafter(float(total / 2 - Fraction(n)), 1), Fraction(alpha) / total
        left = _below(foot)
        if foot >= Fraction(1, 2) and abs(foot - Fraction((left + left + UNIT) / 2)) > Fraction(UNIT) / 2:
            found.append((alpha, beta, p, n))
    for k, (alpha, beta, p, n) in enumerate(found):
        s = _below(Fraction(alpha) / (Fraction(alpha) + Fraction(beta)))
        cells = {0.0, 1.0, 0.5, 0.99, 0.01, s, s + UNIT}
        for power in range(1, 52):
            cells |= {x for x in (s - 2**power * UNIT, s + 2**power * UNIT) if 0.01 < x < 0.99}
        nets = [lmc.TwoLayerNet([[alpha]]), lmc.TwoLayerNet([[-beta]]), lmc.TwoLayerNet([[1.0], [-1.0]], [p, n])]
        body = body_of(lmc.certify_barrier(nets[0], nets[0], nets[2]))
        body |= {"net_b": body_of(lmc.certify_loss(nets[1], nets[2]))["net"], "height": ["0", "0"], "is_affine": False}
        body |= {"cells": [t.hex() for t in sorted(cells)], "position": (0.0).hex(), "is_tight": True}
        yield Base(f"planted strip {k}", body)


def _below(foot: Fraction) -> float:
    return math.floor(foot / Fraction(UNIT)) * UNIT


def fraction(value: arb | fmpq) -> Fraction:
    """Return a number, of a ball its centre."""
    if isinstance(value, fmpq):
        return Fraction(int(value.p), int(value.q))
    mantissa, exponent = value.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
