"""Certified barriers between pairs of uniform minima; cells shared by the claims that are proved."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

import lmctheory as lmc
from lmctheory.certificates.certificate import Certificate
from validation.minima_pairs import draw_minimum, matched_barrier

KEY_MODULO, KEY_MATCHED = 441, 442
MATCHED_RTOL = 0.05
AGREEMENT = 1e-9  # floating-point heights differ by at most this part, beyond their own rounding errors,
CLASS_SUMS = 1e-14  # and those of the class sums of sampled minima: a residual of norm r changes by that part of r
JOINED = ("lower", "upper", "closed", "accepted", "exact", "aligned", "weights", "slack")


def outwards(certificate: lmc.BarrierCertificate | lmc.ModuloCertificate) -> tuple[float, float]:
    """Return the ends of the proved interval as floats, rounded outwards; 0 stays 0."""
    low, high = certificate.height.lower, certificate.height.upper
    return (float(np.nextafter(float(low), 0.0)) if low else 0.0), (float(np.nextafter(float(high), np.inf)) if high else 0.0)


def is_accepted(certificate: Certificate) -> bool:
    """Whether the checker proves the certificate."""
    try:
        return bool(lmc.verify_certificate(certificate))
    except lmc.CertificateError:
        return False


def modulo_permutation(seed: int, M: int, width: int, n_pairs: int, n_checked: int, block: int) -> dict[str, Any]:
    """Return proved intervals of the barrier modulo permutation of independent pairs, and what floating point finds.

    `exact` is the exact matching of minima, `aligned` the exact alignment of networks, `weights` the alignment by weights;
    `slack` is the rounding error that the second declares. The first `n_checked` certificates go through the checker.
    """
    teacher = lmc.orthonormal_teacher(M, M)
    rng = np.random.default_rng(np.random.SeedSequence([seed, KEY_MODULO, M, width, block]))
    rows, document = [], ""
    for k in range(n_pairs):
        a, b = (draw_minimum(M, width, "uniform", 0.0, rng) for _ in range(2))
        net_a, net_b = a.to_network(), b.to_network()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # whether it closes is in the results
            found = lmc.certify_barrier_modulo_permutation(net_a, net_b, teacher)
        aligned = lmc.align(net_a, net_b, "exact", objective=teacher)
        rows.append(
            [
                *outwards(found),
                found.is_tight,
                is_accepted(found) if k < n_checked else np.nan,
                lmc.minima_barrier(a, b, "exact").height,
                aligned.height,
                matched_barrier(a, b, "weights", rng).height,
                aligned.margin,
            ]
        )
        if not document and found.height.upper > 0:
            document = json.dumps(found.document())
    columns = np.array(rows, dtype=float).T
    return dict(zip(JOINED, columns, strict=True)) | {"document": document}


def matched(seed: int, M: int, width: int, n_pairs: int, n_checked: int, block: int) -> dict[str, Any]:
    """Return proved intervals of the barrier under swaps of independent pairs, by five percent, and the floating-point height."""
    teacher = lmc.orthonormal_teacher(M, M)
    rng = np.random.default_rng(np.random.SeedSequence([seed, KEY_MATCHED, M, width, block]))
    rows = []
    for k in range(n_pairs):
        a, b = (draw_minimum(M, width, "uniform", 0.0, rng) for _ in range(2))
        floating = lmc.minima_barrier(a, b, "swaps")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)
            found = lmc.certify_barrier(a.to_network(), b.to_network(), teacher, floating.permutation, rtol=MATCHED_RTOL)
        accepted = is_accepted(found) if k < n_checked else np.nan
        rows.append([*outwards(found), found.is_tight, accepted, floating.height, floating.leftover])
    columns = np.array(rows, dtype=float).T
    return dict(zip(("lower", "upper", "closed", "accepted", "exact", "leftover"), columns, strict=True))


def agree(lower: np.ndarray, upper: np.ndarray, heights: np.ndarray, slack: np.ndarray | float = 0.0) -> bool:
    """Whether floating-point heights lie in the proved intervals, but for a part 1e-9 and rounding errors."""
    margin = AGREEMENT * upper + CLASS_SUMS * np.sqrt(upper) + slack
    return bool(((lower - margin <= heights) & (heights <= upper + margin)).all())
