"""Whether any two global minima are joined by four straight pieces of zero loss, and at which width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.zero_loss import VANISHES, bounded_weights, loss_over_floor, uneven_minimum
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.theory.label_graph import longest_distance

KEY = 522
PIECES = 4
CHECKED = 12  # paths of each cell whose loss is computed


def every_pair(seed: int, M: int, width: int) -> dict[str, Any]:
    """Return the number of pieces that joins every pair of minima, -1 if some pair is not joined at all."""
    return {"longest": longest_distance(M, width)}


def uneven_pairs(seed: int, M: int, width: int, n_pairs: int) -> dict[str, Any]:
    """Return how many pairs with uneven class sizes and zero neurons four pieces join, and two; and the highest loss / floor."""
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY, M, width]))
    paths = []
    for _ in range(n_pairs):
        a, b = (uneven_minimum(M, width, draw) for _ in range(2))
        paths.append(lmc.zero_loss_path(a, b, PIECES))
    joined = [path for path in paths if path]
    return {
        "joined": len(joined),
        "two": sum(path.pieces <= 2 for path in joined),
        "worst": max((loss_over_floor(path) for path in joined[:CHECKED]), default=0.0),
    }


def lonely_pair(M: int, draw: np.random.Generator) -> tuple[lmc.Minimum, lmc.Minimum]:
    """Return two minima of width 2 M - 2 without a path of four pieces: each neuron is alone in its class in one of them."""
    lonely, rest = np.arange(M - 1), np.full(M - 1, M - 1)
    return bounded_weights(np.append(lonely, rest), draw), bounded_weights(np.append(rest, lonely), draw)


def decide(graphs: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> Verdict:
    """Refuted if some pair of minima is not joined by four pieces, or a path has a loss."""
    if not (graphs and pairs):
        return Verdict.INCONCLUSIVE
    return Verdict.of(
        all(0 <= cell["longest"] <= PIECES for cell in graphs),
        all(cell["joined"] == cell["n_pairs"] and cell["worst"] <= VANISHES for cell in pairs),
    )


def experiment(context: Context) -> Outcome:
    """Look at all pairs of small width, and at many pairs of larger ones, at m >= 2 M - 1; the control is m = 2 M - 2."""
    last = context.pick(quick={2: 8, 3: 8, 4: 8, 5: 9}, full={2: 10, 3: 10, 4: 9, 5: 9})
    n = context.pick(quick=60, full=1000)
    small = [{"M": M, "width": m} for M, end in last.items() for m in range(M, end + 1)]
    graphs = context.sweep(every_pair, small, cost=lambda cell: 3 + (cell["M"] + 1) ** cell["width"] / 2e4)
    wide = [{"M": M, "width": m, "n_pairs": n} for M in (2, 3, 4, 6, 8, 12, 16) for m in (2 * M - 2, 2 * M - 1, 2 * M, 4 * M)]
    pairs = context.sweep(uneven_pairs, wide, cost=lambda cell: 10 + cell["width"])
    all_pairs, wide_enough = ([cell for cell in cells if cell["width"] >= 2 * cell["M"] - 1] for cells in (graphs, pairs))
    all_short, too_narrow = ([cell for cell in cells if cell["width"] == 2 * cell["M"] - 2] for cells in (graphs, pairs))
    draw = np.random.default_rng(context.rng(KEY))
    refused = [M for M in (2, 3, 4, 8, 16, 32) if not lmc.zero_loss_path(*lonely_pair(M, draw), PIECES)]
    short = {cell["M"]: cell["longest"] for cell in all_short}

    def total(name: str) -> int:
        return sum(cell[name] for cell in wide_enough)

    return Outcome(
        verdict=decide(all_pairs, wide_enough),
        control=decide(all_short, too_narrow),
        headline=[
            Measurement("most pieces needed, m >= 2M-1", max(cell["longest"] for cell in all_pairs)),
            Measurement("highest loss / floor on the paths", max(cell["worst"] for cell in pairs)),
        ],
        findings=[
            "2 M - 1 is sharp. With m = 2 M - 2 some pair "
            + ", ".join(f"{'is not joined at all' if p < 0 else f'needs {p} pieces'} (M = {M})" for M, p in short.items())
            + ". For every M, no path of four pieces joins two minima in which each neuron is alone in its class in one of them, "
            f"all others being of the last class (confirmed for M = {', '.join(map(str, refused))}).",
            "Four is sharp at every width: some pair needs "
            + ", ".join(f"{cell['longest']} (M = {cell['M']}, m = {cell['width']})" for cell in all_pairs)
            + ".",
            f"Zero neurons and uneven classes included, four pieces joined {total('joined')} of {total('n_pairs')} pairs up to "
            f"M = 16; for {total('two')} two sufficed.",
        ],
        data=as_json({"graphs": graphs, "pairs": pairs}),
    )


CLAIM = Claim(
    name="four-piece-connectivity",
    statement="For m >= 2M-1 any two minima are joined by four straight pieces of zero loss.",
    source="[LLW], Theorem 9; that 2M-1 and four are sharp: ours",
    prediction="four pieces for all pairs",
    rule="All pairs of classes, zero neurons included, of every small width from 2M-1 on (M = 2 to 5), by breadth-first search "
    "on the graph of all minima up to symmetry; and pairs of most uneven class sizes up to M = 16. Supported if four pieces "
    "join every pair and the loss on the first paths of every cell vanishes by the general code, refuted if one pair is not "
    "joined or one loss does not vanish.",
    control="The same rule at m = 2M-2 is refuted.",
    experiment=experiment,
)
