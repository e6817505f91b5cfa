"""How fast the barrier modulo permutation between students trained on images falls with the width."""

from __future__ import annotations

from validation.cells.images import (
    MEASURES,
    RATE_FROM,
    SPLITS,
    describe_images,
    image_ensembles,
    shuffled_sweep,
    two_layer_sweep,
)
from validation.claim import Claim, Context, Measurement, Outcome, Verdict
from validation.evidence.falls import Fall, fall_of
from validation.evidence.rates import BOUND
from validation.evidence.verdicts import all_of, any_of

KEY = 812
NAMES = {"loss": "loss", "error": "error rate"}
CONTROLS = (("true", "none"), ("true", "random"), ("shuffled", "modulo"))


def experiment(context: Context) -> Outcome:
    """Fit power laws to the barriers of loss and error rate, on training and test images."""
    ensembles = {
        labels: image_ensembles(context, [request for request in sweep(context) if request["width"] >= RATE_FROM])
        for labels, sweep in (("true", two_layer_sweep), ("shuffled", shuffled_sweep))
    }
    found = {
        (split, measure): fall_of(ensembles["true"], "modulo", split, measure, context.rng(KEY, 0))
        for measure in MEASURES
        for split in SPLITS
    }
    controls = {
        (labels, alignment, split): fall_of(ensembles[labels], alignment, split, "loss", context.rng(KEY, 1))
        for labels, alignment in CONTROLS
        for split in (SPLITS if labels == "true" else SPLITS[:1])
    }
    refuted = [all_of(decide(f, "loss") for key, f in controls.items() if key[:2] == control) for control in CONTROLS]
    return Outcome(
        verdict=all_of(decide(f, measure) for (_, measure), f in found.items()),
        control=any_of(refuted),
        headline=[
            Measurement(f"{NAMES[measure]}, {split}", f.fits[0].exponent, f.fits[0].interval)
            for (split, measure), f in found.items()
            if f.fits
        ],
        findings=[
            describe_images(context),
            *(_describe(split, measure, f) for (split, measure), f in found.items()),
            "Controls: " + "; ".join(_describe_control(*key, f) for key, f in controls.items()) + ".",
        ],
        data={
            "images": context.images,
            "ensembles": [e.record() for e in (*ensembles["true"], *ensembles["shuffled"])],
            "falls": [{"split": split, "measure": measure} | f.record() for (split, measure), f in found.items()],
            "controls": [
                {"labels": labels, "alignment": alignment, "split": split} | f.record()
                for (labels, alignment, split), f in controls.items()
            ],
        },
    )


def decide(found: Fall, measure: str) -> Verdict:
    """The exponents are bounded; of a loss, permutations also remove more than half of the barrier."""
    return all_of([found.bounded(), *([found.halved()] if measure == "loss" else [])])


def _describe(split: str, measure: str, found: Fall) -> str:
    if not found.fits:
        return f"{split} {NAMES[measure]}: the barriers are zero at all widths but one."
    whole, upper = found.fits[0], found.fits[-1]
    attained = whole.interval[0] <= BOUND <= whole.interval[1]
    return (
        f"{split} {NAMES[measure]}, m={whole.widths[0]:.0f}..{whole.widths[-1]:.0f}: "
        f"{Measurement('exponent', whole.exponent, whole.interval)}, "
        f"{Measurement('upper half', upper.exponent, upper.interval)}, "
        f"{Measurement('curvature', whole.curvature, whole.curvature_interval)}; "
        f"the first interval {'holds' if attained else 'does not hold'} -1/2. "
        f"Permutations leave {found.shares.min():.0%} to {found.shares.max():.0%} of the barrier."
    )


def _describe_control(labels: str, alignment: str, split: str, found: Fall) -> str:
    name = "shuffled labels" if labels == "shuffled" else "random permutation" if alignment == "random" else "no permutation"
    exponent = Measurement("exponent", found.fits[0].exponent, found.fits[0].interval) if found.fits else "no exponent"
    return f"{name}, {split} loss: {exponent}, {found.shares.min():.0%} to {found.shares.max():.0%} left"


CLAIM = Claim(
    name="real-data-rate",
    statement="On real images too, the barrier modulo permutation between wide trained students is O(m^-1/2): of loss and "
    "error rate, on training and on test images. It is owed to the permutations.",
    source="[ZLW], abstract",
    prediction="exponents <= -1/2",
    rule="Students and matchings as in `real-data-double-descent`, m >= 16. Least squares of log(mean barrier over pairs) on "
    "log m, networks resampled. Supported if for all four the upper end of the 95 % interval of the exponent is at most "
    "-0.45, over all widths and over the upper half of them, and if the mean share of the barrier of a loss that permutations "
    "leave is below 1/2 at every width (intervals that hold at once). Refuted if a lower end is above -0.45, or a share is "
    "above 1/2.",
    control="None passes of: barriers of the loss without permutation; with random permutations; of the training loss between "
    "networks trained on shuffled labels.",
    experiment=experiment,
    on_images=True,
)
