"""Weak and strong connectivity of three students trained on images, against their width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation.cells.images import (
    SPLITS,
    ImageEnsemble,
    describe_images,
    image_ensembles,
    shuffled_sweep,
    two_layer_sweep,
)
from validation.claim import Claim, Context, Measurement, Outcome, Verdict
from validation.evidence.falls import Fall, fall
from validation.evidence.verdicts import all_of, any_of

KEY = 814
CONNECTIVITIES = ("weak", "strong")
CONTROLS = (("true", "none"), ("true", "random"), ("shuffled", "strong"))


def experiment(context: Context) -> Outcome:
    """Fit the barrier of the worst of three pairs, with a permutation a pair and with one a network."""
    ensembles = {
        labels: image_ensembles(context, [request for request in sweep(context) if request["with_threes"]])
        for labels, sweep in (("true", two_layer_sweep), ("shuffled", shuffled_sweep))
    }
    found = {
        (kind, split): fall_of(ensembles["true"], kind, split, context.rng(KEY, 0)) for kind in CONNECTIVITIES for split in SPLITS
    }
    controls = {
        (labels, kind, split): fall_of(ensembles[labels], kind, split, context.rng(KEY, 1))
        for labels, kind in CONTROLS
        for split in (SPLITS if labels == "true" else SPLITS[:1])
    }
    refuted = [all_of(decide(f) for key, f in controls.items() if key[:2] == control) for control in CONTROLS]
    return Outcome(
        verdict=all_of(map(decide, found.values())),
        control=any_of(refuted),
        headline=[
            Measurement(f"{kind}, {split}", f.fits[0].exponent, f.fits[0].interval)
            for (kind, split), f in found.items()
            if f.fits
        ],
        findings=[
            describe_images(context),
            *(_describe_gap(ensembles["true"], split) for split in SPLITS),
            *(_describe(kind, split, f) + "." for (kind, split), f in found.items()),
            "Controls: "
            + "; ".join(_describe(f"{kind}, {labels} labels", split, f) for (labels, kind, split), f in controls.items())
            + ".",
        ],
        data={
            "images": context.images,
            "ensembles": [e.record() for e in (*ensembles["true"], *ensembles["shuffled"])],
            "falls": [{"kind": kind, "split": split} | f.record() for (kind, split), f in found.items()],
            "controls": [
                {"labels": labels, "kind": kind, "split": split} | f.record() for (labels, kind, split), f in controls.items()
            ],
        },
    )


def fall_of(ensembles: Sequence[ImageEnsemble], kind: str, split: str, root: np.random.SeedSequence) -> Fall:
    """Return how the worst pair of three networks falls; families are independent of each other."""
    worst, unaligned = ([e.worst_of_three(way, split, "loss") for e in ensembles] for way in (kind, "none"))
    return fall([e.width for e in ensembles], worst, unaligned, None, root)


def decide(found: Fall) -> Verdict:
    """The exponents are bounded, and permutations remove more than half of the barrier."""
    return all_of([found.bounded(), found.halved()])


def _describe(kind: str, split: str, found: Fall) -> str:
    upper = Measurement("upper half", found.fits[-1].exponent, found.fits[-1].interval) if found.fits else "no exponent"
    return f"{kind}, {split} loss: {upper}, {found.shares.min():.0%} to {found.shares.max():.0%} of the unaligned barrier"


def _describe_gap(ensembles: Sequence[ImageEnsemble], split: str) -> str:
    ratios = [
        e.worst_of_three("strong", split, "loss").mean() / e.worst_of_three("weak", split, "loss").mean() for e in ensembles
    ]
    return (
        f"{split} loss: the strong barrier is higher than the weak one by the factors {', '.join(f'{r:.3g}' for r in ratios)} at "
        f"m={', '.join(str(e.width) for e in ensembles)}."
    )


CLAIM = Claim(
    name="real-data-strong",
    statement="Between three students trained on real images, weak and strong connectivity modulo permutation emerge with "
    "width: the barrier of the worst pair, with a permutation a pair or one a network, falls and is O(m^-1/2) like that of "
    "pairs.",
    source="[SKD]; the rate of [ZLW], abstract",
    prediction="exponents <= -1/2",
    rule="Students as in `real-data-double-descent`, m >= 16, independent families of three; permutations by the assignments "
    "of `weak_connectivity` on the training loss: upper bounds. Supported if for both kinds and both losses the upper end of "
    "the 95 % interval of the exponent is at most -0.45, over all widths and over the upper half, families resampled, and the "
    "mean share of the worst unaligned pair is below 1/2 at every width. Refuted if a lower end is above -0.45, or a share is "
    "above 1/2.",
    control="None passes of: the worst pair without permutation; with random permutations; strong connectivity on the "
    "training loss of networks trained on shuffled labels.",
    experiment=experiment,
    on_images=True,
)
