"""The barrier modulo permutation between students with one to four hidden layers, against their width."""

from __future__ import annotations

from typing import Any

from validation.cells.images import (
    RATE_FROM,
    SPLITS,
    ImageEnsemble,
    describe_images,
    image_ensembles,
    shuffled_sweep,
    two_layer_sweep,
)
from validation.claim import Claim, Context, Measurement, Outcome, Verdict
from validation.evidence.falls import Fall, fall_of
from validation.evidence.verdicts import all_of, any_of

KEY = 813
DEPTHS = (1, 2, 3, 4)
CONTROLS = (("true", "none"), ("true", "random"), ("shuffled", "modulo"))


def sweep(context: Context, depth: int, labels: str) -> list[dict[str, Any]]:
    """Return the requests of one depth; those of depth 1 are shared with the other claims."""
    widths = context.pick(quick=(8, 16, 32, 64), full=(4, 8, 16, 32, 64, 128, 256))
    if labels == "shuffled":
        widths = context.pick(quick=(16, 64), full=(16, 64, 256))
    if depth == 1:
        shared = two_layer_sweep(context) if labels == "true" else shuffled_sweep(context)
        return [request for request in shared if request["width"] in widths]
    n_runs = context.pick(quick=12, full=24)
    return [{"depth": depth, "width": m, "labels": labels, "n_runs": n_runs, "with_threes": False} for m in widths]


def experiment(context: Context) -> Outcome:
    """Sweep the width at every depth, and ask whether the barrier falls there too, and by virtue of permutations."""
    keys = [(depth, labels) for labels in ("true", "shuffled") for depth in DEPTHS]
    requests = {key: sweep(context, *key) for key in keys}
    trained = iter(image_ensembles(context, [request for key in keys for request in requests[key]]))
    ensembles = {key: [next(trained) for _ in requests[key]] for key in keys}
    fitted = {key: [e for e in mine if e.width >= RATE_FROM] for key, mine in ensembles.items()}
    found = {
        (depth, split): fall_of(fitted[depth, "true"], "modulo", split, "loss", context.rng(KEY, depth))
        for depth in DEPTHS
        for split in SPLITS
    }
    controls = {
        (labels, alignment, depth, split): fall_of(fitted[depth, labels], alignment, split, "loss", context.rng(KEY, depth))
        for labels, alignment in CONTROLS
        for depth in DEPTHS
        for split in (SPLITS if labels == "true" else SPLITS[:1])
    }
    refuted = [all_of(decide(f) for key, f in controls.items() if key[:2] == control) for control in CONTROLS]
    return Outcome(
        verdict=all_of(map(decide, found.values())),
        control=any_of(refuted),
        headline=[
            Measurement(f"{depth} hidden, {split}", f.fits[0].exponent, f.fits[0].interval)
            for (depth, split), f in found.items()
            if split == "train"
        ],
        findings=[
            describe_images(context),
            *(_describe(depth, found, ensembles[depth, "true"]) for depth in DEPTHS),
            "Shuffled labels: "
            + "; ".join(_exponent(f"{key[2]} hidden", controls[key]) for key in controls if key[0] == "shuffled")
            + ".",
        ],
        data={
            "images": context.images,
            "ensembles": [e.record() for mine in ensembles.values() for e in mine],
            "falls": [{"depth": depth, "split": split} | f.record() for (depth, split), f in found.items()],
            "controls": [
                {"labels": labels, "alignment": alignment, "depth": depth, "split": split} | f.record()
                for (labels, alignment, depth, split), f in controls.items()
            ],
        },
    )


def decide(found: Fall) -> Verdict:
    """The barrier falls with the width, and at the largest permutations remove more than half of it."""
    return all_of([found.falls(), found.halved(last=1)])


def _describe(depth: int, found: dict[tuple[int, str], Fall], ensembles: list[ImageEnsemble]) -> str:
    parts = [_exponent(f"{split} loss", found[depth, split]) for split in SPLITS]
    left = [f"{found[depth, split].shares[-1]:.0%}" for split in SPLITS]
    bound = {split: found[depth, split].bounded() for split in SPLITS}
    means = [e.barriers("modulo", "train", "loss").mean() for e in ensembles]
    peak = ensembles[means.index(max(means))].width
    return (
        f"{depth} hidden layer{'s' if depth > 1 else ''}: {', '.join(parts)}; "
        f"O(m^-1/2) is {bound['train']} (training) and {bound['test']} (test). "
        f"Highest at m={peak} of {', '.join(str(e.width) for e in ensembles)}; "
        f"at the widest permutations leave {' and '.join(left)}."
    )


def _exponent(name: str, found: Fall) -> str:
    return (
        str(Measurement(f"{name}: exponent", found.fits[0].exponent, found.fits[0].interval)) if found.fits else f"{name}: zero"
    )


CLAIM = Claim(
    name="depth",
    statement="Students with two, three and four hidden layers show a similar trend: modulo permutation, the barrier of "
    "training and test loss falls as the layers widen, as with one. It is owed to the permutations.",
    source="[ZLW], abstract",
    prediction="negative exponents at every depth",
    rule="Training and matchings as in `real-data-double-descent`, deeper networks in blocks of four seeds, all hidden layers "
    "of width m >= 16. Supported if at every depth and for both losses the upper end of the 95 % interval of the exponent is "
    "negative, networks resampled, and the mean share of the barrier that permutations leave at the largest width is below "
    "1/2 (95 % intervals that hold for all widths at once). Refuted if a lower end is positive or a share above 1/2. The "
    "bound -1/2 is reported separately.",
    control="None passes of: barriers without permutation; with random permutations; of the training loss between networks "
    "trained on shuffled labels.",
    experiment=experiment,
    on_images=True,
)
