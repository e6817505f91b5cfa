"""When several global minima have a common centre, at one or at two straight pieces of zero loss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.zero_loss import VANISHES, bounded_weights, draw_pair, loss_over_floor, uneven_minimum
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.connections import LEVEL, decide
from validation.evidence.intervals import share_interval
from validation.theory.connection_probability import common_neighbour_probability, printed_bound
from validation.theory.label_graph import everything, neighbours, representatives, single

KEY = 523
EXACT_WIDTHS = {  # (M, k): widths, as far as rounding leaves eight digits
    (2, 2): range(4, 29, 2), (2, 3): range(6, 49, 3), (2, 4): range(8, 73, 4), (2, 5): range(10, 73, 4),
    (3, 2): range(6, 37, 3), (3, 3): range(9, 58, 7),
}  # fmt: skip
SEVERAL = 4  # stars of each cell the loss on whose paths is computed


def one_piece_stars(seed: int, M: int, width: int, k: int, n_sets: int, law: str = "uniform") -> dict[str, Any]:
    """Return how many sets of k independent minima have a centre at one piece, and the highest loss / floor on the first ones."""
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY, M, width, k, law == "uniform"]))
    stars = [lmc.star_center([draw_pair(M, width, law, draw)[0] for _ in range(k)]) for _ in range(n_sets)]
    found = [star for star in stars if star]
    return {"found": len(found), "worst": worst_loss(found)}


def two_piece_stars(seed: int, M: int, width: int, k: int, n_sets: int) -> dict[str, Any]:
    """Return the same for a centre at two pieces and minima with uneven class sizes and zero neurons."""
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY, M, width, k, 2]))
    stars = [lmc.star_center([uneven_minimum(M, width, draw) for _ in range(k)], pieces=2) for _ in range(n_sets)]
    found = [star for star in stars if star]
    return {"found": len(found), "worst": worst_loss(found)}


def worst_loss(stars: Sequence[lmc.StarCenter]) -> float:
    """Return the highest loss over its floor on the paths of the first stars."""
    return max((loss_over_floor(path) for star in stars[:SEVERAL] for path in star.paths), default=0.0)


def every_set(seed: int, M: int, width: int, k: int) -> dict[str, Any]:
    """Return whether every set of k minima has a centre at two pieces, by looking at all of them, packed into bits.

    Zero neurons only help, so that minima without any suffice; the first of them up to symmetry.
    """
    valid = everything(M, width)
    full = [classes - 1 for classes in np.argwhere(valid) if classes.all()]

    def reach(classes: np.ndarray) -> np.ndarray:
        return np.packbits(neighbours(neighbours(single(classes, M), valid), valid)[valid])

    others = np.unique(np.stack([reach(classes) for classes in full]), axis=0)
    for first in representatives(M, width):
        if (first < 0).any():
            continue
        near = reach(first)
        for chosen in combinations_with_replacement(range(len(others)), k - 2):
            common = np.bitwise_and.reduce([near, *others[list(chosen)]])
            if not (others[max(chosen, default=0) :] & common).any(axis=1).all():
                return {"always": False}
    return {"always": True}


def lonely_set(M: int, k: int, width: int, draw: np.random.Generator) -> list[lmc.Minimum]:
    """Return k minima in each of which M - 1 classes have one neuron, all of these distinct: ``width >= k (M - 1)``."""
    minima = []
    for start in range(0, k * (M - 1), M - 1):
        classes = np.full(width, M - 1)
        classes[start : start + M - 1] = np.arange(M - 1)
        minima.append(bounded_weights(classes, draw))
    return minima


def decide_two_pieces(always: Sequence[bool], found: Sequence[int], tried: Sequence[int], worst: Sequence[float]) -> Verdict:
    """Refuted if one set of minima has no centre at two pieces, or a path has a loss."""
    if not tried:
        return Verdict.INCONCLUSIVE
    return Verdict.of(all(always), list(found) == list(tried), all(loss <= VANISHES for loss in worst))


def experiment(context: Context) -> Outcome:
    """Compare the probability of a centre at one piece with its bound; look for sets without one at two pieces."""
    n, n_two = context.pick(quick=(200, 25), full=(4000, 400))
    one = [
        {"M": M, "width": m, "k": k, "n_sets": n} for (M, k), widths in EXACT_WIDTHS.items() for m in widths[:: len(widths) // 3]
    ]
    uneven = [
        {"M": M, "width": m, "k": k, "n_sets": n, "law": "one large class"} for M, m, k in ((2, 24, 3), (2, 40, 4), (3, 51, 3))
    ]
    kinds = [(M, k) for M in (2, 3, 5, 8) for k in (3, 4, 6)]
    two = [{"M": M, "width": m, "k": k, "n_sets": n_two} for M, k in kinds for m in (k * (M - 1) + 1, k * M, 2 * k * M)]
    small = context.pick(quick=((2, 2), (2, 3), (2, 4), (3, 2), (3, 3)), full=((2, 2), (2, 3), (2, 4), (2, 5), (3, 2), (3, 3)))
    graph = [{"M": M, "width": k * (M - 1) + more, "k": k} for M, k in small for more in (0, 1)]
    sampled = context.sweep(one_piece_stars, [*one, *uneven], cost=lambda cell: cell["n_sets"] * cell["k"])
    centres = context.sweep(two_piece_stars, two, cost=lambda cell: cell["k"] * (10 + cell["width"] / 4))
    sets = context.sweep(every_set, graph, cost=lambda cell: cell["k"] * cell["M"] ** 4)
    sampled, large = sampled[: len(one)], sampled[len(one) :]
    exact = {(M, m, k): common_neighbour_probability(M, m, k) for (M, k), widths in EXACT_WIDTHS.items() for m in widths}
    counts = {(cell["M"], cell["width"], cell["k"]): (cell["found"], cell["n_sets"]) for cell in sampled}
    worst_one = max(cell["worst"] for cell in [*sampled, *large])
    first = decide(
        [printed_bound(*row) for row in exact], list(exact.values()), [counts.get(row) for row in exact], [worst_one <= VANISHES]
    )
    first_control = decide(
        [printed_bound(cell["M"], cell["width"], cell["k"]) for cell in large],
        [None] * len(large),
        [(cell["found"], cell["n_sets"]) for cell in large],
    )
    draw = np.random.default_rng(context.rng(KEY))
    lonely = [lmc.star_center(lonely_set(M, k, k * (M - 1), draw), pieces=2) for M, k in kinds]
    columns = [[cell[name] for cell in centres] for name in ("found", "n_sets", "worst")]
    enough, too_few = (
        [cell["always"] for cell in sets if (cell["width"] > cell["k"] * (cell["M"] - 1)) is wide] for wide in (True, False)
    )
    second = decide_two_pieces(enough, *columns)
    second_control = decide_two_pieces(too_few, [bool(star) for star in lonely], [1] * len(lonely), [])
    ratio = {
        (M, k): max((1 - exact[M, m, k].value) / (1 - printed_bound(M, m, k)) for m in widths)
        for (M, k), widths in EXACT_WIDTHS.items()
    }
    return Outcome(
        verdict=Verdict.of(*(None if part is Verdict.INCONCLUSIVE else part is Verdict.SUPPORTED for part in (first, second))),
        control=Verdict.REFUTED if {first_control, second_control} == {Verdict.REFUTED} else Verdict.SUPPORTED,
        headline=[
            Measurement("largest P(no centre) / (1 - bound)", max(ratio.values())),
            Measurement("sets without a centre at two pieces", float(sum(cell["n_sets"] - cell["found"] for cell in centres))),
            Measurement("highest loss / floor on the paths", max(worst_one, max(cell["worst"] for cell in centres))),
        ],
        findings=[
            "One piece: P(no centre) is at most "
            + ", ".join(f"{value:.2g} (M = {M}, k = {k})" for (M, k), value in ratio.items())
            + " times its bound.",
            "Two pieces: m >= k (M - 1) + 1 is enough, less than the k M of the theorem, and it is sharp: k minima of width "
            "k (M - 1) in each of which M - 1 classes have one neuron, all of these distinct, have no centre. For k = 2 this is "
            "the path of four pieces for m >= 2 M - 1.",
            f"All sets of minima of small width: always a centre for {described(sets, True)}, not always for "
            f"{described(sets, False)}. Of {sum(columns[1])} sets of uneven minima, M up to 8 and k up to 6, "
            f"{sum(columns[0])} have one.",
        ],
        data=as_json(
            {
                "exact": [[*row, p.value, p.error] for row, p in exact.items()],
                "bounds": [[*row, printed_bound(*row)] for row in exact],
                "sampled": [cell | {"interval": share_interval(cell["found"], cell["n_sets"], LEVEL)} for cell in sampled],
                "uneven": large,
                "two_pieces": centres,
                "sets": sets,
            }
        ),
    )


def described(sets: Sequence[dict[str, Any]], always: bool) -> str:
    """Return for which M, k, m every set has a centre, or not."""
    return ", ".join(f"(M, k, m) = ({cell['M']}, {cell['k']}, {cell['width']})" for cell in sets if cell["always"] is always)


CLAIM = Claim(
    name="star-connectivity",
    statement="k independent uniform minima have a centre at one piece from each with probability at least "
    "1 - M ((M^k-1)/M^k)^(m-kM); any k minima have one at two pieces from each for m >= kM.",
    source="[LLW], Theorems 10 and 11; m >= k(M-1)+1 and that it is sharp: ours",
    prediction="P >= 1 - M ((M^k-1)/M^k)^(m-kM); two pieces always",
    rule="One piece: as for `two-piece-connectivity`, M = 2 with k = 2 to 5 and M = 3 with k = 2, 3. Two pieces: all sets of "
    "minima of width k(M-1)+1 for small M and k, and sets of most uneven minima up to M = 8, k = 6, from that width on. "
    "Supported if the first holds and every set has a centre, with paths on which the loss vanishes by the general code; "
    "refuted if one fails.",
    control="One piece: minima with one large class and one neuron in every other are refuted. Two pieces: the same rule at "
    "m = k(M-1) is refuted.",
    experiment=experiment,
)
