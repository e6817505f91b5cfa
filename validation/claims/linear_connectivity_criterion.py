"""When the straight segment between two global minima has zero loss."""

from __future__ import annotations

from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.zero_loss import VANISHES, bounded_weights, highest_loss
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.theory.label_graph import everything, representatives

KEY = 520
CRITERIA = ("lemma", "same class only", "classes of equal size")
NONE_IN_COMMON, EXHAUSTIVE = -1, -2  # instead of the number of clashes planted


def segments(seed: int, M: int, width: int, clashes: int, n_pairs: int) -> dict[str, Any]:
    """Return what the criteria say of pairs of minima, and the highest loss on the segment with its floor, a row a pair.

    Pairs are joined but for a number of planted clashes, or independent, or (EXHAUSTIVE, at most `n_pairs` of them) all pairs of
    classes up to symmetry.
    """
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY, M, width, clashes + 2]))
    rows = []
    for classes_a, classes_b in pairs_of_classes(M, width, clashes, n_pairs, draw):
        a, b = bounded_weights(classes_a, draw), bounded_weights(classes_b, draw)
        said = (bool(lmc.zero_loss_path(a, b, pieces=1)), (classes_a == classes_b).all(), (a.class_sizes == b.class_sizes).all())
        rows.append([*said, *highest_loss(a, b)])
    return {"rows": np.array(rows, dtype=np.float64)}


def pairs_of_classes(M: int, width: int, clashes: int, n_pairs: int, draw: np.random.Generator) -> list[tuple[np.ndarray, ...]]:
    """Return the classes of the pairs of `segments`."""
    if clashes == EXHAUSTIVE:
        others = np.argwhere(everything(M, width)) - 1
        pairs = [(a, b) for a in representatives(M, width) for b in others]
        return [pairs[k] for k in draw.permutation(len(pairs))[:n_pairs]]
    found: list[tuple[np.ndarray, ...]] = []
    while len(found) < n_pairs:
        a = lmc.sample_minimum(M, width, "sparse", r=0.3, rng=draw).classes
        b = lmc.sample_minimum(M, width, "sparse", r=0.3, rng=draw).classes
        if clashes != NONE_IN_COMMON:
            clash = np.flatnonzero((a != b) & (a >= 0) & (b >= 0))
            joined = np.where(draw.random(len(clash)) < 0.5, a[clash], -1)
            b = b.copy()
            b[clash[clashes:]] = joined[clashes:]
            if len(clash) < clashes or not np.isin(np.arange(M), b).all():
                continue
        found.append((a, b))
    return found


def decide(joined: np.ndarray, loss: np.ndarray, floor: np.ndarray) -> Verdict:
    """Refuted if one segment is said to have zero loss and has not, or the reverse; both kinds must occur."""
    vanishes = loss <= VANISHES * floor
    if not (vanishes.any() and (~vanishes).any()):
        return Verdict.INCONCLUSIVE
    return Verdict.of(bool((joined == vanishes).all()))


def experiment(context: Context) -> Outcome:
    """Compare the criterion, and two wrong ones, with the loss on segments between all kinds of pairs."""
    small = context.pick(
        quick=((1, 3), (2, 2), (2, 3), (2, 4), (3, 3), (3, 4)), full=((1, 4), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5))
    )
    wide = context.pick(
        quick=((2, 12), (3, 24), (4, 64), (8, 40)), full=((2, 12), (3, 24), (4, 64), (4, 256), (8, 40), (8, 160), (16, 160))
    )
    n_small, n_wide = context.pick(quick=(300, 60), full=(4000, 400))
    cells = [{"M": M, "width": m, "clashes": EXHAUSTIVE, "n_pairs": n_small} for M, m in small]
    cells += [{"M": M, "width": m, "clashes": c, "n_pairs": n_wide} for M, m in wide for c in (NONE_IN_COMMON, 0, 1)]
    found = context.sweep(segments, cells, cost=lambda cell: cell["n_pairs"] * (1 + (cell["width"] / 50) ** 2))
    rows = np.concatenate([cell["rows"] for cell in found])
    said, loss, floor = rows[:, : len(CRITERIA)].astype(bool).T, rows[:, -2], rows[:, -1]
    verdicts = [decide(joined, loss, floor) for joined in said]
    lemma = said[0]
    return Outcome(
        verdict=verdicts[0],
        control=Verdict.REFUTED if all(verdict is Verdict.REFUTED for verdict in verdicts[1:]) else Verdict.SUPPORTED,
        headline=[
            Measurement("joined: largest loss / floor", float((loss / floor)[lemma].max())),
            Measurement("others: smallest loss / floor", float((loss / floor)[~lemma].min())),
        ],
        findings=[
            f"{len(rows)} segments, {lemma.sum()} of them joined by the criterion; widths up to {max(m for _, m in wide)}. With "
            f"a single clash, the loss is at least {min(single_clash(found)):.2g}.",
            *(
                f"Read as '{name}' the criterion is wrong on {int((joined != (loss <= VANISHES * floor)).sum())} of them."
                for name, joined in zip(CRITERIA[1:], said[1:], strict=True)
            ),
        ],
        data=as_json({"criteria": CRITERIA, "cells": found}),
    )


def single_clash(found: list[dict[str, Any]]) -> list[float]:
    """Return the smallest loss of each group of pairs with one clash."""
    return [float(cell["rows"][:, -2].min()) for cell in found if cell["clashes"] == 1]


CLAIM = Claim(
    name="linear-connectivity-criterion",
    statement="The segment between two minima has zero loss iff for every neuron one is zero or both have the same class.",
    source="[LLW], Lemma 7",
    prediction="loss 0 on the segment iff no clash",
    rule="Pairs of all classes of small width (up to symmetry), and wider ones: independent, without any clash, and with a "
    "single one; weights in a class within a factor 2, so that no clash is too light to be seen. The loss on the segment "
    "comes from the general code, and vanishes if it is at most ten times its rounding floor. Supported if it vanishes for "
    "exactly the pairs that the criterion joins, refuted if one pair differs.",
    control="Two wrong criteria, the same class on every neuron and classes of equal size, are refuted on the same pairs.",
    experiment=experiment,
)
