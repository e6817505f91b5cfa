"""What all certificates share: exact numbers, and files of which nothing can be changed unnoticed."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmctheory._checks import FloatArray
from lmctheory._files import atomic_file
from lmctheory.certificates import outward
from lmctheory.certificates.balls import arb
from lmctheory.certificates.verify import FORMAT, VERSION, digest, read_theorem
from lmctheory.certificates.verify_text import read_document
from lmctheory.networks import TwoLayerNet


@dataclass(frozen=True)
class Enclosure:
    """A real number that is proved to lie within `radius` of `midpoint`; both are exact.

    Attributes
    ----------
    midpoint, radius : Fraction
        Dyadic; the radius is not negative.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> found = lmc.certify_loss(lmc.TwoLayerNet([[0.0, 1.0]]), lmc.orthonormal_teacher(1, 2), digits=20)
    >>> print(found.loss)  # 1 - 1/pi
    0.6816901138162093284622 +/- 6.9e-21
    >>> 0.6 < found.loss.lower < found.loss.upper < 0.7
    True
    """

    midpoint: Fraction
    radius: Fraction

    @staticmethod
    def of(ball: arb) -> Enclosure:
        """Return the exact numbers of a ball."""
        return Enclosure(dyadic(ball.mid()), dyadic(ball.rad()))

    @staticmethod
    def between(lower: Fraction, upper: Fraction) -> Enclosure:
        """Return the interval with these ends."""
        return Enclosure((lower + upper) / 2, (upper - lower) / 2)

    @property
    def lower(self) -> Fraction:
        """The lower end."""
        return self.midpoint - self.radius

    @property
    def upper(self) -> Fraction:
        """The upper end."""
        return self.midpoint + self.radius

    def __contains__(self, value: object) -> bool:
        """Whether an exact number or a float lies in the interval."""
        return isinstance(value, int | float | Fraction) and self.lower <= value <= self.upper

    def __str__(self) -> str:
        return outward.enclosure(self.midpoint, self.radius)


@dataclass(frozen=True, eq=False)
class Certificate(ABC):
    """A statement with the data that prove it.

    `save` writes it, `load_certificate` reads it, and `verify_certificate` proves it once more by code of its own.
    """

    kind: ClassVar[str]

    @property
    def statement(self) -> str:
        """What is proved, in a sentence whose numbers are rounded outwards; `verify_certificate` returns the same."""
        return read_theorem(self.document()).statement

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return the data in the types of JSON, numbers in exact text."""

    @classmethod
    @abstractmethod
    def of_content(cls, content: Mapping[str, Any]) -> Certificate:
        """Return the certificate with this content; nothing is proved by reading."""

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the file: format, version, kind, content, and a digest of all these."""
        body = {"format": FORMAT, "version": VERSION, "kind": self.kind, **self.content()}
        return {**body, "digest": digest(body)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the certificate to `path` as JSON, atomically."""
        with atomic_file(path, "w") as file:
            json.dump(self.document(), file, indent=1)
            file.write("\n")


def load_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Return the certificate in a file written by `Certificate.save`; `verify_certificate` proves it.

    Raises
    ------
    InvalidInputError
        If the file cannot be read.
    CertificateError
        If it is no certificate of this version, or has been changed since it was written.

    Examples
    --------
    >>> import os, tempfile
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 2)
    >>> path = os.path.join(tempfile.mkdtemp(), "loss.json")
    >>> lmc.certify_loss(lmc.TwoLayerNet([[0.0, 1.0]]), teacher, digits=10).save(path)
    >>> print(lmc.load_certificate(path).statement)
    the population loss of the network of width 1 is 0.681690113816 +/- 5.9e-11
    """
    document = read_document(path)
    read_theorem(document)
    kinds = {kind.kind: kind for kind in Certificate.__subclasses__()}
    return kinds[document["kind"]].of_content(document)


def dyadic(exact: arb) -> Fraction:
    """Return a ball of radius 0 as a fraction."""
    mantissa, exponent = exact.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def power_of_two_below(value: Fraction) -> Fraction:
    """Return the largest power of two that is at most `value`, or 0 for 0."""
    if value == 0:
        return Fraction(0)
    power = Fraction(2) ** (value.numerator.bit_length() - value.denominator.bit_length())
    return power if power <= value else power / 2


def network_text(net: TwoLayerNet) -> dict[str, Any]:
    """Return the weights of a network as hexadecimal floats, which are exact."""
    return {"W": [[value.hex() for value in row] for row in net.W.tolist()], "a": [value.hex() for value in net.a.tolist()]}


def network_of(text: Mapping[str, Any]) -> TwoLayerNet:
    """Return the network written by `network_text`."""
    return TwoLayerNet([[float.fromhex(x) for x in row] for row in text["W"]], [float.fromhex(x) for x in text["a"]])


def enclosure_text(value: Enclosure) -> list[str]:
    """Return midpoint and radius as exact fractions."""
    return [str(value.midpoint), str(value.radius)]


def enclosure_of(text: list[str]) -> Enclosure:
    """Return the enclosure written by `enclosure_text`."""
    midpoint, radius = text
    return Enclosure(Fraction(midpoint), Fraction(radius))


def enclosures_of(text: list[list[list[str]]]) -> NDArray[np.object_]:
    """Return the matrix of enclosures written entry by entry."""
    return np.array([[enclosure_of(entry) for entry in row] for row in text], dtype=object)


def midpoints(enclosures: NDArray[np.object_]) -> FloatArray:
    """Return the midpoints of an array of enclosures, rounded to floats."""
    return np.vectorize(lambda e: float(e.midpoint), otypes=[float])(enclosures)
