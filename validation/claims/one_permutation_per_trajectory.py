"""Whether the permutation found at the end of training aligns the networks on the way there."""

from __future__ import annotations

from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.one_permutation import SEQUENCES, measure_pair
from validation.claim import Claim, Context, Measurement, Outcome, as_json
from validation.evidence.one_permutation import JUDGED, LEFT, LOST, compare, decide, serving

KEY = 641
M, d = 4, 8
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)
PAIRS_IN_BLOCK = 8


def experiment(context: Context) -> Outcome:
    """Align the last networks of pairs of runs, and look at the barriers of all their checkpoints under that permutation."""
    widths = context.pick(quick=(32,), full=(16, 32, 64, 128))
    requests = [{"width": m, "n_pairs": context.pick(quick=48, full=192)} for m in widths]
    parts = sweep_in_blocks(
        context, trajectories, requests, "n_pairs", lambda _: PAIRS_IN_BLOCK, lambda cell: cell["n_pairs"] * cell["width"] ** 2.0
    )
    records, real, random = [], [], []
    trained = np.arange(1, len(STEPS))
    for k, (m, part) in enumerate(zip(widths, parts, strict=True)):
        found = joined(part, SEQUENCES)
        barriers, unaligned = found["barriers"], found["unaligned"]
        own = np.diagonal(barriers, axis1=1, axis2=2)
        real.append(compare(barriers[:, :, -1], own, unaligned, trained, len(widths), context.rng(KEY, k, 0)))
        random.append(compare(found["random"], own, unaligned, trained, len(widths), context.rng(KEY, k, 1)))
        means = {name: values.mean(axis=0) for name, values in found.items()}
        means |= {"own": own.mean(axis=0), "last": barriers[:, :, -1].mean(axis=0)}
        record = means | {"width": m, "steps": STEPS, "serves": serving(means["barriers"], means["own"], means["unaligned"])}
        record |= {"comparison": real[-1].record(), "control": random[-1].record(), "n_pairs": len(barriers)}
        records.append(as_json(record))
    return Outcome(
        verdict=decide(real),
        control=decide(random),
        headline=[
            Measurement(f"{name} at m={record['width']}", float(shares.max()), (float(low), float(high)))
            for record, comparison in zip(records, real, strict=True)
            for name, shares, (low, high) in (
                ("most left", comparison.left, comparison.left_intervals[comparison.left.argmax()]),
                ("most lost", comparison.lost, comparison.lost_intervals[comparison.lost.argmax()]),
            )
        ],
        findings=[finding for record in records for finding in _findings(record)],
        data={"settings": records},
    )


def trajectories(seed: int, width: int, n_pairs: int, block: int = 0) -> dict[str, Any]:
    """Return `measure_pair` of the checkpoints of pairs of runs from independent initialisations."""
    teacher = lmc.orthonormal_teacher(M, d)
    root = np.random.SeedSequence([seed, KEY, width, block])
    result = lmc.train(
        teacher, width, learning_rate=1 / width, max_steps=STEPS[-1], checkpoints=STEPS, gradient_tol=0.0, n_runs=2 * n_pairs,
        rng=root,
    )  # fmt: skip
    sequences = [checkpoints.networks for checkpoints in result.checkpoints]
    draw = np.random.default_rng(root)
    found = [measure_pair(sequences[2 * k], sequences[2 * k + 1], teacher, draw) for k in range(n_pairs)]
    return {name: np.stack([one[name] for one in found]) for name in SEQUENCES}


def _findings(record: dict[str, Any]) -> list[str]:
    steps, serves, comparison = record["steps"], np.array(record["serves"]), record["comparison"]
    earliest = next((steps[s] for s in range(len(steps)) if serves[s:, s].all()), "none")
    backwards = next(steps[t] for t in range(len(steps)) if serves[t:, -1].all())
    always = [steps[s] for s in np.flatnonzero(serves.all(axis=0))]
    behind = [steps[t] for t, (low, _) in zip(comparison["judged"], comparison["lost_intervals"], strict=True) if low > LOST]
    joint = max(np.array(record["joint"]) / np.array(record["unaligned"]))
    start = f"m = {record['width']}: "
    return [
        f"{start}the last permutation leaves at most {max(comparison['left']):.0%} of the unaligned barrier at any judged step, "
        f"but stays more than {LOST:.0%} of it behind the checkpoint's own at steps {behind or 'none'}; within both limits it "
        f"serves from step {backwards} on.",
        f"{start}the permutation of step {earliest} is the first to serve all later steps; those of steps {always or 'none'} "
        f"serve all steps, earlier ones included. A joint permutation leaves at most {joint:.1%} of the unaligned barrier.",
        f"{start}at initialisation the barrier is {record['unaligned'][0]:.2g} without a permutation, {record['own'][0]:.2g} "
        f"under its own and {record['last'][0]:.2g} under the last; at the end {record['unaligned'][-1]:.2g} and "
        f"{record['own'][-1]:.2g}.",
        f"{start}neurons that keep their partner from one checkpoint to the next: "
        + ", ".join(f"{share:.0%}" for share in record["fixed_points"])
        + ".",
    ]


CLAIM = Claim(
    name="one-permutation-per-trajectory",
    statement="The permutation that aligns two runs of gradient descent at their end aligns them all along the way.",
    source="[SKD], abstract",
    prediction="one permutation a pair of runs, almost as good at every checkpoint as the one found there",
    rule=f"M = {M}, d = {d}, pairs of runs at learning rate 1/m, checkpoints at steps {', '.join(map(str, STEPS))}; weight "
    f"matching. At each checkpoint after initialisation whose mean unaligned barrier is at least {JUDGED:.0%} of the largest, "
    "two shares of that mean, with simultaneous 95 % intervals: the mean barrier under the last permutation (left), and by "
    f"how much it exceeds that under the checkpoint's own (lost). Supported if all intervals end at or below {LEFT} (left) and "
    f"{LOST} (lost), refuted if one starts above.",
    control="A random permutation in place of the last one: the rule must refute it.",
    experiment=experiment,
)
