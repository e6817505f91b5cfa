"""Certified numbers as floats, the checker's answer, and whether floating point agrees; shared by the claims that are proved."""

from __future__ import annotations

import numpy as np

import lmctheory as lmc
from lmctheory.certificates.certificate import Certificate

AGREEMENT = 1e-9  # floating-point heights differ by at most this part, beyond their own rounding errors,
CLASS_SUMS = 1e-14  # and those of the class sums of sampled minima: a residual of norm r changes by that part of r


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


def agree(lower: np.ndarray, upper: np.ndarray, heights: np.ndarray, slack: np.ndarray | float = 0.0) -> bool:
    """Whether floating-point heights lie in the proved intervals, but for a part 1e-9 and rounding errors."""
    margin = AGREEMENT * upper + CLASS_SUMS * np.sqrt(upper) + slack
    return bool(((lower - margin <= heights) & (heights <= upper + margin)).all())
