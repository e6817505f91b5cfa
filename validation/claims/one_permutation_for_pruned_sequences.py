"""Whether the permutation of dense networks aligns their pruned descendants."""

from __future__ import annotations

from typing import Any

import numpy as np

from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.one_permutation import SEQUENCES, measure_pair
from validation.cells.pruning import LEVELS, MAX_STEPS, RATE, TEACHERS, WIDTH, M, d, prune, teacher_of
from validation.claim import Claim, Context, Measurement, Outcome, as_json
from validation.evidence.one_permutation import JUDGED, LEFT, LOST, compare, decide, serving

KEY = 642
PAIRS_IN_BLOCK = 4


def experiment(context: Context) -> Outcome:
    """Align pairs of dense networks, and look at the barriers of all levels of pruning under that permutation."""
    requests = [{"teacher": name, "n_pairs": context.pick(quick=24, full=384)} for name in TEACHERS]
    parts = sweep_in_blocks(
        context, pruned_pairs, requests, "n_pairs", lambda _: PAIRS_IN_BLOCK, lambda cell: float(cell["n_pairs"])
    )
    records, real, random = [], [], []
    for k, (name, part) in enumerate(zip(TEACHERS, parts, strict=True)):
        found = joined(part, SEQUENCES)
        barriers, unaligned = found["barriers"], found["unaligned"]
        own, levels = np.diagonal(barriers, axis1=1, axis2=2), np.arange(1, LEVELS + 1)
        real.append(compare(barriers[:, :, 0], own, unaligned, levels, len(TEACHERS), context.rng(KEY, k, 0)))
        random.append(compare(found["random"], own, unaligned, levels, len(TEACHERS), context.rng(KEY, k, 1)))
        means = {name: values.mean(axis=0) for name, values in found.items()}
        means |= {"own": own.mean(axis=0), "dense": barriers[:, :, 0].mean(axis=0)}
        serves = serving(means["barriers"], means["own"], means["unaligned"])
        record = means | {"teacher": name, "n_pairs": len(barriers), "densities": part[0]["densities"], "serves": serves}
        record |= {"comparison": real[-1].record(), "control": random[-1].record()}
        records.append(as_json(record))
    return Outcome(
        verdict=decide(real),
        control=decide(random),
        headline=[
            Measurement(f"{what}, {name}", float(shares.max()), (float(low), float(high)))
            for name, comparison in zip(TEACHERS, real, strict=True)
            for what, shares, (low, high) in (
                ("most left", comparison.left, comparison.left_intervals[comparison.left.argmax()]),
                ("most lost", comparison.lost, comparison.lost_intervals[comparison.lost.argmax()]),
            )
        ],
        findings=[finding for record in records for finding in _findings(record)],
        data={"settings": records},
    )


def pruned_pairs(seed: int, teacher: str, n_pairs: int, block: int = 0) -> dict[str, Any]:
    """Return `measure_pair` of the levels of pruning of pairs of runs, each pair with a teacher of its own."""
    root = np.random.SeedSequence([seed, KEY, TEACHERS.index(teacher), block])
    draw = np.random.default_rng(root)
    found = []
    for pair_root in root.spawn(n_pairs):
        target = teacher_of(teacher, draw)
        pruned = prune(target, pair_root, 2)
        found.append(measure_pair(pruned.networks(0), pruned.networks(1), target, draw))
    return {name: np.stack([one[name] for one in found]) for name in SEQUENCES} | {"densities": pruned.counts / pruned.counts[0]}


def _findings(record: dict[str, Any]) -> list[str]:
    comparison, densities = record["comparison"], record["densities"]
    worst = int(np.argmax(comparison["lost"]))
    joint = max(np.array(record["joint"]) / np.array(record["unaligned"]))
    start = f"Teacher {record['teacher']}: "
    return [
        f"{start}the dense permutation leaves {min(comparison['left']):.1%} to {max(comparison['left']):.1%} of the "
        "unaligned barrier at the judged levels. It stays behind a level's own most at density "
        f"{densities[comparison['judged'][worst]]:.2f}, by {comparison['lost'][worst]:.1%} of the unaligned barrier. A joint "
        f"permutation leaves at most {joint:.1%}.",
        f"{start}from dense to density {densities[-1]:.2f} mean losses go from {record['losses'][0]:.2g} to "
        f"{record['losses'][-1]:.2g}, unaligned barriers from {record['unaligned'][0]:.2g} to {record['unaligned'][-1]:.2g}.",
        f"{start}neurons that keep their partner from one level to the next: "
        + ", ".join(f"{share:.0%}" for share in record["fixed_points"])
        + ".",
    ]


CLAIM = Claim(
    name="one-permutation-for-pruned-sequences",
    statement="The permutation that aligns two dense networks aligns all levels of their pruning.",
    source="[SKD], abstract",
    prediction="one permutation a pair of runs, almost as good at every level as the one found there",
    rule=f"M = {M}, d = {d}, m = {WIDTH}, teacher neurons on the axes and rotated at random; {LEVELS} levels which each remove "
    f"{RATE:.0%} of the weights, rewound to initialisation, {MAX_STEPS} steps at learning rate 1/m; weight matching. At each "
    f"level whose mean unaligned barrier is at least {JUDGED:.0%} of the largest, two shares of that mean, with simultaneous "
    "95 % intervals: the mean barrier under the dense permutation (left), and by how much it exceeds that under the level's own "
    f"(lost). Supported if all intervals end at or below {LEFT} (left) and {LOST} (lost), refuted if one starts above.",
    control="A random permutation in place of the dense one: the rule must refute it.",
    experiment=experiment,
)
