"""The checker: proves what a certificate states from its data alone, by code that shares nothing with the search but Arb.

A certificate is a JSON object from anywhere. `verify_text` reads it and makes every number exact, `verify_theorems` says what it
states, this module refuses what would take too long, and one module a kind proves the statement, by formulas written down anew:
`verify_values`, `verify_segment`, `verify_permutations`, `verify_local_minimum`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from typing import Any, Protocol

from lmctheory.certificates.verify_local_minimum import check_local_minimum
from lmctheory.certificates.verify_permutations import check_modulo_permutation
from lmctheory.certificates.verify_segment import check_barrier, max_cells
from lmctheory.certificates.verify_text import parse_json, read_document, require, shown
from lmctheory.certificates.verify_theorems import (
    AnyTheorem,
    BarrierTheorem,
    GradientTheorem,
    HessianTheorem,
    LocalMinimumTheorem,
    LossTheorem,
    ModuloTheorem,
    theorem_of,
)
from lmctheory.certificates.verify_values import bits_of, check_gradient, check_hessian, check_loss
from lmctheory.errors import CertificateError, InvalidInputError

FORMAT, VERSION = "lmctheory certificate", 1
LIMIT = 6 * 3600.0  # seconds; a bound, which honest certificates of barriers stay below by a factor of 10 and more
KERNEL, JET, POLYNOMIAL = 3e-5, 2e-5, 1.5e-4  # seconds: a kernel, one with derivatives, one as a polynomial,
PRODUCT, EXACT, SUM = 5e-7, 4e-6, 4e-9  # a product of balls, a few operations on a fraction, an addition of short integers


class HasDocument(Protocol):
    """A certificate."""

    def document(self) -> dict[str, Any]: ...


def verify_certificate(certificate: HasDocument | str | os.PathLike[str], *, limit: float = LIMIT) -> str:
    """Prove what a certificate states once more, by code of its own, and return the statement that was proved.

    Parameters
    ----------
    certificate : Certificate or path
        A certificate, or a file written by `Certificate.save`. A file is untrusted input: whatever is in it, either its
        statement is proved or it is refused.
    limit : float
        Seconds: a certificate whose check may take longer, by a bound that is computed from its sizes before any work starts, is
        refused.

    Returns
    -------
    str
        The statement in a sentence, its numbers rounded outwards. The theorem behind it is stated in full in the documentation
        of certificates.

    Raises
    ------
    CertificateError
        If the file is no certificate, has been changed, would take longer than `limit`, or does not prove what it states; the
        message says what is wrong.
    InvalidInputError
        If the file cannot be read, or `limit` is not positive.

    Notes
    -----
    What is trusted: Arb, Python's integers and fractions, and `lmctheory.certificates.verify` with the modules ``verify_*``
    beside it, which are meant to be read. The time is about that of the search.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> lmc.verify_certificate(lmc.certify_barrier(teacher, teacher, teacher, [1, 0]))
    'the barrier between two networks of width 2 under a given permutation is 0.1816901147 +/- 9.4e-10'
    """
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise InvalidInputError(f"limit must be a positive number of seconds, got {limit!r}")
    if isinstance(certificate, str | os.PathLike):
        document = read_document(certificate)
    else:
        document = parse_json(json.dumps(certificate.document()))
    theorem = read_theorem(document)
    seconds = check_seconds(theorem)
    if seconds > limit:
        raise CertificateError(
            f"the check may take {seconds:.0f} s, more than limit = {limit:g} s; pass limit={math.ceil(seconds)} to allow for it"
        )
    try:
        CHECKS[type(theorem)](theorem)
    except CertificateError:
        raise
    except (ArithmeticError, ValueError) as error:  # enclosures that are not finite
        raise CertificateError(f"the statement cannot be proved: {error}") from None
    return theorem.statement


def read_theorem(document: dict[str, Any]) -> AnyTheorem:
    """Return what the document states, or raise `CertificateError`: it must be whole, unchanged and well-formed."""
    content = dict(document)
    stated, form, version = (content.pop(name, None) for name in ("digest", "format", "version"))
    require(
        type(form) is str and form == FORMAT and type(version) is int and version == VERSION,
        f"the file is not a certificate of version {VERSION}: format {shown(form)}, version {shown(version)}",
    )
    require(type(stated) is str and stated == digest(document), "the certificate has been changed: its digest does not fit")
    return theorem_of(content.pop("kind", None), content)


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical text of a JSON object, but for its own digest."""
    body = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_seconds(theorem: AnyTheorem) -> float:
    """Return a bound of the time that the check takes, in seconds of an ordinary core, from the sizes alone."""
    if isinstance(theorem, BarrierTheorem):
        n, d = theorem.net_a.width + theorem.teacher.width, theorem.net_a.input_dim
        return max_cells(theorem) * n * n * (3 * (JET + d * PRODUCT) + POLYNOMIAL)
    if isinstance(theorem, ModuloTheorem):
        m, M, d = theorem.best.net_a.width, theorem.best.teacher.width, theorem.best.teacher.input_dim
        mixed = m * m + M
        costs = mixed * mixed * (KERNEL + 2 * d * PRODUCT) + (mixed + 2 * (m + M)) * d * EXACT
        sums = math.factorial(m) * m * m * SUM
        return check_seconds(theorem.best) + len(theorem.positions) * (costs + sums)
    m, d = theorem.net.width, theorem.net.input_dim
    n = m + theorem.teacher.width
    if isinstance(theorem, LocalMinimumTheorem):
        return 4 * (m * n * d * d * PRODUCT * 8 + (m * d) ** 3 * PRODUCT + n * n * KERNEL)
    slower = max(1.0, bits_of(theorem) / 512) ** 1.6
    products = {LossTheorem: 4 * d, GradientTheorem: 32 * d, HessianTheorem: 32 * d * d}[type(theorem)]
    pairs = n * n if isinstance(theorem, LossTheorem) else m * n
    return slower * pairs * (KERNEL + products * PRODUCT) + n * d * EXACT


CHECKS: dict[type[AnyTheorem], Callable[[Any], None]] = {
    LossTheorem: check_loss,
    GradientTheorem: check_gradient,
    HessianTheorem: check_hessian,
    BarrierTheorem: check_barrier,
    ModuloTheorem: check_modulo_permutation,
    LocalMinimumTheorem: check_local_minimum,
}
