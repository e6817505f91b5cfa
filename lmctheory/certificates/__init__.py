"""Certificates: results that are proved by ball arithmetic, for float64 weights taken as exact numbers."""

from lmctheory.certificates.barriers import BarrierCertificate, certify_barrier
from lmctheory.certificates.certificate import Certificate, Enclosure, load_certificate
from lmctheory.certificates.local_minima import LocalMinimumCertificate, certify_local_minimum
from lmctheory.certificates.permutations import ModuloCertificate, certify_barrier_modulo_permutation
from lmctheory.certificates.pointwise import (
    GradientCertificate,
    HessianCertificate,
    LossCertificate,
    certify_gradient,
    certify_hessian,
    certify_loss,
)
from lmctheory.certificates.verify import verify_certificate

__all__ = [
    "BarrierCertificate",
    "Certificate",
    "Enclosure",
    "GradientCertificate",
    "HessianCertificate",
    "LocalMinimumCertificate",
    "LossCertificate",
    "ModuloCertificate",
    "certify_barrier",
    "certify_barrier_modulo_permutation",
    "certify_gradient",
    "certify_hessian",
    "certify_local_minimum",
    "certify_loss",
    "load_certificate",
    "verify_certificate",
]
