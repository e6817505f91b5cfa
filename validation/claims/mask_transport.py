"""Whether a pruning mask found for one initialisation, carried by a permutation, helps to train another."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

import lmctheory as lmc
from lmctheory._checks import stream
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.pruning import MAX_STEPS, RATE, TEACHERS, WIDTH, M, d, prune, teacher_of
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.one_permutation import ratios_of_means

KEY = 643
JUDGED_LEVELS = (4, 6, 8, 10)  # of pruning, densities 0.41 to 0.10
EFFECT = 0.8  # ratio of mean losses that counts as better
LEVEL = 0.95
MASKS = ("carried", "unpermuted", "random", "shuffled")
LOSSES = ("own", *MASKS)
PAIRS_IN_BLOCK = 4

Ratio: TypeAlias = tuple[float, tuple[float, float]]


def experiment(context: Context) -> Outcome:
    """Train the initialisation of run B under the masks of run A: carried by the permutation of the dense runs, and otherwise."""
    requests = [{"teacher": name, "n_pairs": context.pick(quick=40, full=256)} for name in TEACHERS]
    parts = sweep_in_blocks(
        context, transported, requests, "n_pairs", lambda _: PAIRS_IN_BLOCK, lambda cell: float(cell["n_pairs"])
    )
    records: list[dict[str, Any]] = []
    real: dict[str, Ratio] = {}
    control: dict[str, Ratio] = {}
    for k, (name, part) in enumerate(zip(TEACHERS, parts, strict=True)):
        losses = joined(part, LOSSES)
        ratios = compare(losses, "carried", context.rng(KEY, k, 0))
        real |= {f"{pair}, {name}": ratio for pair, ratio in ratios.items()}
        control |= {f"{pair}, {name}": ratio for pair, ratio in compare(losses, "shuffled", context.rng(KEY, k, 1)).items()}
        record = {f"{which}_losses": values.mean(axis=0) for which, values in losses.items()}
        record |= {"teacher": name, "densities": part[0]["densities"], "pairs": losses, "n_pairs": len(losses["own"])}
        records.append(as_json(record))
    return Outcome(
        verdict=decide(real),
        control=decide(control),
        headline=[Measurement(name, ratio, interval) for name, (ratio, interval) in real.items()],
        findings=[_finding(record) for record in records],
        data={"settings": records, "ratios": as_json(real), "control": as_json(control)},
    )


def transported(seed: int, teacher: str, n_pairs: int, block: int = 0) -> dict[str, Any]:
    """Return losses ``(n_pairs, levels)`` of initialisation B trained under masks of run A, and of A under its own.

    The masks: carried by the permutation that aligns the dense runs; as they are ("unpermuted"); as many weights drawn at random;
    carried by a random permutation ("shuffled").
    """
    root = np.random.SeedSequence([seed, KEY, TEACHERS.index(teacher), block])
    draw = np.random.default_rng(root)
    losses: dict[str, list[np.ndarray]] = {name: [] for name in LOSSES}
    for pair_root in root.spawn(n_pairs):
        target, (root_a, root_b) = teacher_of(teacher, draw), pair_root.spawn(2)
        options: dict[str, Any] = {"learning_rate": 1 / WIDTH, "max_steps": MAX_STEPS, "gradient_tol": 0.0}
        pruned = prune(target, root_a, 1)
        dense = lmc.train(target, WIDTH, rng=root_b, checkpoints=[0], **options)
        start, alignment = dense.checkpoints[0].networks[0], lmc.align(pruned.networks()[0], dense.networks[0])
        masks = [pruned.masks[level, 0] for level in JUDGED_LEVELS]
        trials = {
            "carried": [lmc.transport_mask(mask, alignment.permutation) for mask in masks],
            "unpermuted": masks,
            "random": [draw.permutation(mask.ravel()).reshape(mask.shape) for mask in masks],
            "shuffled": [lmc.transport_mask(mask, draw.permutation(WIDTH)) for mask in masks],
        }
        tried = np.concatenate([trials[name] for name in MASKS])
        found = lmc.train(target, init=[start] * len(tried), mask=tried, **options).losses.reshape(len(MASKS), -1)
        losses["own"].append(pruned.losses[list(JUDGED_LEVELS), 0])
        for name, values in zip(MASKS, found, strict=True):
            losses[name].append(values)
    densities = pruned.counts[list(JUDGED_LEVELS)] / pruned.counts[0]
    return {name: np.array(values) for name, values in losses.items()} | {"densities": densities}


def compare(losses: dict[str, np.ndarray], mask: str, root: np.random.SeedSequence) -> dict[str, Ratio]:
    """Return the mean loss under `mask` over those under the other two, with intervals that hold together for both teachers."""
    level = 1 - (1 - LEVEL) / (2 * len(TEACHERS))
    ratios = {}
    for k, other in enumerate(("unpermuted", "random")):
        means = [losses[name].mean(axis=1, keepdims=True) for name in (mask, other)]
        ratio, interval = ratios_of_means(means[0], means[1], level, stream(root, k))
        ratios[f"{mask} / {other}"] = (float(ratio[0]), (float(interval[0, 0]), float(interval[0, 1])))
    return ratios


def decide(ratios: dict[str, Ratio]) -> Verdict:
    """Every ratio at most 0.8 with certainty: supported; one above it with certainty: refuted."""
    intervals = [interval for _, interval in ratios.values()]
    return Verdict.of(*(True if high <= EFFECT else False if low > EFFECT else None for low, high in intervals))


def _finding(record: dict[str, Any]) -> str:
    lines = [
        f"density {density:.2f}: " + ", ".join(f"{name} {record[f'{name}_losses'][k]:.2g}" for name in LOSSES)
        for k, density in enumerate(record["densities"])
    ]
    return f"Teacher {record['teacher']}, mean losses ('own': run A under its own mask): " + "; ".join(lines) + "."


CLAIM = Claim(
    name="mask-transport",
    statement="A pruning mask, carried by the permutation that aligns two dense networks, trains the other initialisation better "
    "than the mask as it is, and than a random mask.",
    source="[SKD], on sequences of pruned networks; the transport: ours",
    prediction="a mean loss lower by a fifth at least",
    rule=f"M = {M}, d = {d}, m = {WIDTH}, teacher neurons on the axes and rotated at random. Run A is pruned by {RATE:.0%} a "
    f"level, rewound to initialisation, {MAX_STEPS} steps at learning rate 1/m; the initialisation of run B is trained as long "
    f"under A's masks of levels {', '.join(map(str, JUDGED_LEVELS))}: carried by the weight matching of the dense networks, "
    "unpermuted, and with as many weights drawn at random. For each teacher the ratio of the mean loss over pairs and levels to "
    f"either, simultaneous 95 % intervals. Supported if all four end at or below {EFFECT}, refuted if one starts above it.",
    control="Masks carried by a random permutation: the rule must refute it.",
    experiment=experiment,
)
