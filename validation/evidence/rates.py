"""The rule that barriers are O(m^-1/2), on power laws fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.ensembles import Ensemble
from validation.claim import Verdict, as_json

BOUND = -0.5
MARGIN = 0.05


def decide(fits: Sequence[lmc.RateFit]) -> Verdict:
    """O(m^-1/2) is an upper bound: the whole interval of every fit must lie below -1/2 plus the margin."""

    def bounded(fit: lmc.RateFit) -> bool | None:
        if fit.interval[1] <= BOUND + MARGIN:
            return True
        return False if fit.interval[0] > BOUND + MARGIN else None

    return Verdict.of(*map(bounded, fits))


def fit_both(
    widths: Sequence[int],
    samples: Sequence[np.ndarray],
    rng: np.random.SeedSequence,
    pairs: Sequence[np.ndarray] | None = None,
    level: float = 0.95,
) -> list[lmc.RateFit]:
    """Fit over all widths, and over the upper half of them; networks are resampled if `pairs` are given, else barriers."""
    return [
        lmc.fit_rate(widths[k:], samples[k:], pairs=None if pairs is None else pairs[k:], rng=rng, level=level)
        for k in (0, len(widths) // 2)
    ]


def fit_ensembles(ensembles: Sequence[Ensemble], rng: np.random.SeedSequence, level: float = 0.95) -> list[lmc.RateFit]:
    """Fit the barriers modulo permutation over all widths, and over the upper half of them."""
    widths, samples, pairs = [e.width for e in ensembles], [e.modulo for e in ensembles], [e.pairs for e in ensembles]
    return fit_both(widths, samples, rng, pairs, level)


def synthetic_power_law(
    widths: Sequence[int], exponent: float, like: Sequence[Ensemble], rng: np.random.SeedSequence
) -> list[np.ndarray]:
    """Draw lognormal barriers with mean ``m^exponent``, as many and with the same spread as the measured ones."""
    draw = np.random.default_rng(rng)
    samples = []
    for m, ensemble in zip(widths, like, strict=True):
        sigma = np.sqrt(np.log1p((ensemble.modulo.std() / ensemble.modulo.mean()) ** 2))
        samples.append(draw.lognormal(exponent * np.log(m) - sigma**2 / 2, sigma, size=len(ensemble.modulo)))
    return samples


def fit_record(fit: lmc.RateFit) -> dict[str, Any]:
    """Return the evidence of a fit as JSON types."""
    return {name: as_json(value) for name, value in vars(fit).items() if name != "seed"} | {"seed": str(fit.seed)}
