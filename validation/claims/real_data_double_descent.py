"""Does the barrier between students trained on images fall, rise and fall again as they widen?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lmctheory.bootstrap import bootstrap_log_means
from validation.cells.images import (
    SPLITS,
    ImageEnsemble,
    describe_images,
    image_ensembles,
    shuffled_sweep,
    two_layer_sweep,
)
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.falls import LEVEL
from validation.evidence.verdicts import all_of, any_of

KEY = 811
VALLEY = 1.5  # a valley that is less deep than this factor counts as none
SHOWN_WIDTH = 32  # whose misclassified images are kept
CONTROLS = (("true", "none"), ("true", "random"), ("shuffled", "modulo"))


def experiment(context: Context) -> Outcome:
    """Train students of all widths and look for a valley between two peaks of the mean barrier."""
    ensembles = {
        "true": image_ensembles(context, two_layer_sweep(context)),
        "shuffled": image_ensembles(context, shuffled_sweep(context)),
    }
    shapes = {("true", "modulo", split): shape(context, ensembles["true"], "modulo", split) for split in SPLITS}
    for labels, alignment in CONTROLS:
        for split in SPLITS if labels == "true" else SPLITS[:1]:
            shapes[labels, alignment, split] = shape(context, ensembles[labels], alignment, split)
    controls = [
        all_of(decide(found) for key, found in shapes.items() if key[:2] == control) for control in CONTROLS
    ]  # each by the rule of the claim
    mine = {split: shapes["true", "modulo", split] for split in SPLITS}
    return Outcome(
        verdict=all_of(map(decide, mine.values())),
        control=any_of(controls),
        headline=[
            Measurement(f"deepest valley, {split}", found["depth"], found["depth_limits"]) for split, found in mine.items()
        ],
        findings=[
            describe_images(context),
            *(_describe(split, found) for split, found in mine.items()),
            "Controls: "
            + ", ".join(f"{a}, {labels} labels {v}" for (labels, a), v in zip(CONTROLS, controls, strict=True))
            + ".",
            *_describe_training(ensembles["true"]),
        ],
        data={
            "images": context.images,
            "ensembles": [e.record() for e in (*ensembles["true"], *ensembles["shuffled"])],
            "shapes": [
                {"labels": labels, "alignment": alignment, "split": split} | as_json(found)
                for (labels, alignment, split), found in shapes.items()
            ],
            "midpoint": as_json(next(e for e in ensembles["true"] if e.width == SHOWN_WIDTH).midpoint) | {"width": SHOWN_WIDTH},
        },
    )


def shape(context: Context, ensembles: Sequence[ImageEnsemble], alignment: str, split: str) -> dict[str, Any]:
    """Return means of the barrier of the loss with intervals that hold at once for all widths, and the deepest valley."""
    boot = bootstrap_log_means(
        [e.barriers(alignment, split, "loss") for e in ensembles],
        [e.pairs for e in ensembles],
        n_resamples=context.pick(quick=2000, full=10_000),
        root=context.rng(KEY, SPLITS.index(split)),
    )
    bands = boot.simultaneous_intervals(LEVEL)
    return valley([e.width for e in ensembles], np.exp(boot.log_means), bands)


def valley(widths: Sequence[int], means: np.ndarray, bands: np.ndarray) -> dict[str, Any]:
    """Return the deepest valley between two peaks: by which factor the mean falls into it, rises from it, and falls again.

    Its depth is the least of the three factors, 1 if there is no valley; limits by the ends of the bands ``(n_widths, 2)``. The
    widths are those of the first peak, the valley and the second peak, by the means.
    """
    with np.errstate(divide="ignore"):  # a band may begin at zero
        low, high = np.log(bands).T
    depth, places = _deepest(np.log(means), np.log(means))
    return {
        "widths": list(widths),
        "means": means,
        "bands": bands,
        "depth": np.exp(depth),
        "depth_limits": (np.exp(_deepest(low, high)[0]), np.exp(_deepest(high, low)[0])),
        "valley": [widths[k] for k in places],
    }


def _deepest(peaks: np.ndarray, floors: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Return ``max_{i<j<k<l} min(peaks_i - floors_j, peaks_k - floors_j, peaks_k - floors_l)``, at least 0, and (i, j, k)."""
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    n = len(peaks)
    for j in range(1, n - 2):
        i = int(np.argmax(peaks[:j]))
        for k in range(j + 1, n - 1):
            depth = float(min(peaks[i] - floors[j], peaks[k] - floors[j], peaks[k] - floors[k + 1 :].min()))
            best = max(best, (depth, (i, j, k)), key=lambda found: found[0])
    return best


def decide(found: dict[str, Any]) -> Verdict:
    """A valley is certain, or none deeper than `VALLEY` is possible."""
    least, most = found["depth_limits"]
    return Verdict.of(True if least > 1 else False if most < VALLEY else None)


def _describe(split: str, found: dict[str, Any]) -> str:
    top = int(np.argmax(found["means"]))
    where = (
        "the means have no valley"
        if not found["valley"]
        else "the deepest valley of the means is at m={1}, between m={0} and m={2}".format(*found["valley"])
    )
    return (
        f"{split} loss: {where}; highest at m={found['widths'][top]} ({found['means'][top]:.2g}), {found['means'][-1]:.2g} at "
        f"m={found['widths'][-1]}. A valley deeper than a factor {found['depth_limits'][1]:.3g} is excluded."
    )


def _describe_training(ensembles: Sequence[ImageEnsemble]) -> list[str]:
    narrow, wide = ensembles[0], ensembles[-1]
    errors = [f"{e.levels[:, 0, 1].mean():.1%} and {e.levels[:, 1, 1].mean():.1%} at m={e.width}" for e in (narrow, wide)]
    diverged = sum(int(e.diverged.sum()) for e in ensembles)
    return [
        f"Mean error of the networks, training and test: {', '.join(errors)}; {diverged} of "
        f"{sum(len(e.diverged) for e in ensembles)} runs diverged."
    ]


CLAIM = Claim(
    name="real-data-double-descent",
    statement="On real images too, the barrier modulo permutation between trained two-layer students shows double descent in "
    "the width: of training and test loss, it falls, rises and falls again.",
    source="[ZLW], abstract",
    prediction="a valley between two peaks",
    rule="Students with biases and ten outputs, trained by SGD with momentum on the cross-entropy; all pairs within blocks of "
    "6 or 12 seeds, weight or activation matching, whichever has the lower barrier of the training loss. Bootstrap over "
    "networks gives 95 % intervals of the mean barrier that hold at once for all widths. Supported if for training and for "
    "test loss there are widths i < j < k < l where the intervals of i and k lie above that of j, and that of k above that of "
    "l. Refuted if for one of them the intervals exclude such a valley deeper than a factor 1.5.",
    control="None passes of: barriers without permutation; with random permutations; of the training loss between networks "
    "trained on shuffled labels.",
    experiment=experiment,
    on_images=True,
)
