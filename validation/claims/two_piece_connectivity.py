"""How often two global minima are joined by two straight pieces of zero loss, and what permutations change."""

from __future__ import annotations

from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.zero_loss import VANISHES, ZEROS, draw_pair, loss_over_floor
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.connections import LEVEL, decide
from validation.evidence.intervals import share_interval
from validation.theory.connection_probability import (
    Probability,
    common_neighbour_probability,
    equal_sizes_probability,
    printed_bound,
)

KEY = 521
LAWS = ("uniform", "sparse", "one large class")
EXACT_WIDTHS = {2: range(3, 29), 3: range(4, 37), 4: range(5, 45, 3)}  # as far as rounding leaves eight digits
SEVERAL = 3  # paths of each cell whose loss is computed


def connected_pairs(seed: int, M: int, width: int, n_pairs: int, law: str = "uniform", n_modulo: int = 0) -> dict[str, Any]:
    """Return how many independent pairs two pieces join, and how many one and two pieces join modulo permutation.

    The latter under the permutation of `minima_barrier`, which matches every class with itself as far as it goes. `worst` is the
    highest loss over its floor on the first paths of either kind.
    """
    draw = np.random.default_rng(np.random.SeedSequence([seed, KEY, M, width, LAWS.index(law)]))
    found, one, two, worst, seen = 0, 0, 0, 0.0, [0, 0]
    for k in range(n_pairs):
        a, b = draw_pair(M, width, law, draw)
        paths = [lmc.zero_loss_path(a, b)]
        found += bool(paths[0])
        if k < n_modulo:
            matched = lmc.minima_barrier(a, b)
            one += matched.leftover == 0
            paths.append(lmc.zero_loss_path(a, b.permute(matched.permutation)))
            two += bool(paths[1])
        for kind, path in enumerate(paths):
            if path and seen[kind] < SEVERAL:
                seen[kind] += 1
                worst = max(worst, loss_over_floor(path))
    return {"found": found, "one_modulo": one, "two_modulo": two, "worst": worst}


def experiment(context: Context) -> Outcome:
    """Compare the probability of two pieces, computed and sampled, with the bound; then allow permutations."""
    n, n_wide, n_modulo = context.pick(quick=(300, 1000, 60), full=(5000, 20000, 1000))
    cells = [
        {"M": M, "width": m, "n_pairs": n, "n_modulo": n_modulo}
        for M, widths in {2: (4, 8, 16), 3: (6, 12, 24), 4: (8, 20, 38)}.items()
        for m in widths
    ]
    cells += [{"M": 8, "width": m, "n_pairs": n_wide, "n_modulo": n_modulo} for m in (160, 200, 250, 300)]
    uneven = [{"M": M, "width": m, "n_pairs": n, "law": "one large class"} for M, m in ((2, 16), (3, 24), (4, 40))]
    zeros = [
        {"M": M, "width": m, "n_pairs": n_modulo, "n_modulo": n_modulo, "law": "sparse"}
        for M in (2, 4)
        for m in (8, 16, 32, 64, 128)
    ]
    found = context.sweep(
        connected_pairs, [*cells, *uneven, *zeros], cost=lambda cell: cell["n_pairs"] * (1 + cell["width"] / 200)
    )
    sampled, large, sparse = found[: len(cells)], found[len(cells) : -len(zeros)], found[-len(zeros) :]
    exact = {(M, m): common_neighbour_probability(M, m, 2) for M, widths in EXACT_WIDTHS.items() for m in widths}
    counts = {(cell["M"], cell["width"]): (cell["found"], cell["n_pairs"]) for cell in sampled}
    rows = sorted(exact | counts)
    worst = max(cell["worst"] for cell in found)
    modulo = [sum(cell[name] for cell in [*sampled, *sparse]) for name in ("two_modulo", "n_modulo")]
    verdict = decide(
        [printed_bound(*row) for row in rows],
        [exact.get(row) for row in rows],
        [counts.get(row) for row in rows],
        [worst <= VANISHES, modulo[0] == modulo[1]],
    )
    controls = [
        decide(
            [printed_bound(cell["M"], cell["width"]) for cell in large],
            [None] * len(large),
            [(cell["found"], cell["n_pairs"]) for cell in large],
        ),
        decide([1 - M * (1 - M**-2) ** (2 * m) for M, m in exact], list(exact.values()), [None] * len(exact)),
    ]
    margins = {M: max((1 - exact[M, m].value) / (M * (1 - M**-2) ** m) for m in widths) for M, widths in EXACT_WIDTHS.items()}
    return Outcome(
        verdict=verdict,
        control=Verdict.REFUTED if all(control is Verdict.REFUTED for control in controls) else Verdict.SUPPORTED,
        headline=[
            Measurement(
                "largest P(no path) / M ((M^2-1)/M^2)^(m-2M)",
                max((1 - exact[row].value) / (1 - printed_bound(*row)) for row in exact),
            ),
            Measurement("highest loss / floor on the paths", worst),
        ],
        findings=[
            "The bound holds without the 2 M in its exponent, too: P(no path) over M ((M^2 - 1)/M^2)^m is at most "
            + ", ".join(
                f"{margin:.3g} (M = {M}, m = {EXACT_WIDTHS[M][0]}..{EXACT_WIDTHS[M][-1]})" for M, margin in margins.items()
            )
            + ".",
            *(
                f"M = {M}: P(no path) falls by {local_factor(exact, M):.4f} a neuron at m = {EXACT_WIDTHS[M][-1]}; the bound by "
                f"{1 - M**-2:.4f}: class sizes of the uniform law are more even than those of independent labels."
                for M in EXACT_WIDTHS
            ),
            f"Modulo permutation two pieces always suffice ({modulo[0]} of {modulo[1]} pairs): for m >= M a permutation lets "
            "each class meet itself on some neuron.",
            "One piece modulo permutation needs equal class sizes: without zero neurons its probability is "
            + ", ".join(
                f"{equal_sizes_probability(M, m):.2g} (M = {M}, m = {m})" for M, m in ((2, 64), (2, 1024), (4, 64), (4, 1024))
            )
            + f". With zero neurons, SP({ZEROS}), they make up the difference: "
            + ", ".join(f"{cell['one_modulo'] / cell['n_modulo']:.2f} (M = {cell['M']}, m = {cell['width']})" for cell in sparse)
            + ".",
        ],
        data=as_json(
            {
                "exact": [[M, m, p.value, p.error] for (M, m), p in exact.items()],
                "bounds": [[M, m, printed_bound(M, m)] for M in (*EXACT_WIDTHS, 8) for m in bound_widths(M)],
                "sampled": [cell | {"interval": share_interval(cell["found"], cell["n_pairs"], LEVEL)} for cell in sampled],
                "uneven": large,
                "sparse": [cell | {"interval": share_interval(cell["one_modulo"], cell["n_modulo"], 0.95)} for cell in sparse],
                "equal_sizes": [[M, m, equal_sizes_probability(M, m)] for M in (2, 3, 4, 8) for m in widths_from(M)],
                "zeros": ZEROS,
            }
        ),
    )


def local_factor(exact: dict[tuple[int, int], Probability], M: int) -> float:
    """Return the factor a neuron by which the probability that there is no path falls between the last two widths."""
    before, last = EXACT_WIDTHS[M][-2:]
    return float(((1 - exact[M, last].value) / (1 - exact[M, before].value)) ** (1 / (last - before)))


def bound_widths(M: int) -> list[int]:
    """Return widths at which the bound is positive, up to the largest examined."""
    last = {2: 28, 3: 36, 4: 44}.get(M, 300)
    return [m for m in range(2 * M, last + 1) if printed_bound(M, m) > 0]


def widths_from(M: int) -> list[int]:
    """Return about logarithmic widths from M to 1024."""
    return sorted({round(m) for m in np.geomspace(M, 1024, 40)})


CLAIM = Claim(
    name="two-piece-connectivity",
    statement="Two independent uniform minima are joined by two pieces with probability at least 1 - M ((M^2-1)/M^2)^(m-2M).",
    source="[LLW], Theorem 8",
    prediction="P >= 1 - M ((M^2-1)/M^2)^(m-2M)",
    rule="M = 2, 3, 4: the exact probability at widths from M + 1 to 28, 36, 44, and samples, which must agree with it; "
    "M = 8: samples at m = 160 to 300, where the bound says something. Supported if every exact probability, less its rounding "
    "error, and the lower end of every Clopper-Pearson interval (99 % for all at once) where nothing exact is known is at least "
    "the bound, the loss on the first paths of every cell vanishes by the general code, and modulo permutation two pieces join "
    "every pair. Refuted if one of these fails with certainty.",
    control="Independent minima of another law, one large class and one neuron in every other, are refuted by the same rule; "
    "so is the bound with the exponent 2 m.",
    experiment=experiment,
)
