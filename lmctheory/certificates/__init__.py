"""Certificates: results that are proved by ball arithmetic, for float64 weights taken as exact numbers."""

from lmctheory.certificates.certificate import Certificate, Enclosure
from lmctheory.certificates.local_minima import LocalMinimumCertificate, certify_local_minimum
from lmctheory.certificates.pointwise import (
    GradientCertificate,
    HessianCertificate,
    LossCertificate,
    certify_gradient,
    certify_hessian,
    certify_loss,
)

__all__ = [
    "Certificate",
    "Enclosure",
    "GradientCertificate",
    "HessianCertificate",
    "LocalMinimumCertificate",
    "LossCertificate",
    "certify_gradient",
    "certify_hessian",
    "certify_local_minimum",
    "certify_loss",
]
