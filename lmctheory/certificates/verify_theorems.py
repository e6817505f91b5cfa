"""What certificates state: one class a kind, read from untrusted JSON by an explicit schema, with exact numbers only.

Every class says in its docstring which theorem holds if the checker accepts, and in `statement` the same in a sentence, whose
numbers are rounded outwards. All networks are two-layer ReLU networks without biases, ``f(x) = sum_i a_i relu(w_i . x)``, whose
float64 weights are taken as exact; inputs are standard Gaussian; L is the population loss ``E[(f(x) - f*(x))^2]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, ClassVar, Protocol, TypeAlias

from lmctheory.certificates import outward
from lmctheory.certificates.verify_text import BOOLEAN, FLOAT64, Array, Integer, Pair, Record, require

Vector: TypeAlias = Sequence[Fraction]
Matrix: TypeAlias = Sequence[Vector]

MAX_PRECISION = 2**15  # bits
MAX_SEGMENT_PRECISION = 512
MAX_RELATIVE_DIGITS = 4000
MAX_PERMUTED = 20  # neurons; the search permutes at most 10
MAX_POSITIONS = 256  # each holds costs in memory; one suffices nearly always
_TIGHT = "is_tight must say whether the interval is as narrow as asked for"


@dataclass(frozen=True)
class Network:
    """Exact weights ``W (m, d)`` and ``a (m,)``."""

    W: Matrix
    a: Vector

    @property
    def width(self) -> int:
        """The number m of neurons."""
        return len(self.a)

    @property
    def input_dim(self) -> int:
        """The number d of inputs."""
        return len(self.W[0])

    def permute(self, permutation: Sequence[int]) -> Network:
        """Return the network whose neuron i is neuron ``permutation[i]`` of this one."""
        return Network([self.W[p] for p in permutation], [self.a[p] for p in permutation])


@dataclass(frozen=True)
class Interval:
    """All real numbers within `radius` of `midpoint`; the radius is not negative."""

    midpoint: Fraction
    radius: Fraction

    @property
    def lower(self) -> Fraction:
        """The lower end."""
        return self.midpoint - self.radius

    @property
    def upper(self) -> Fraction:
        """The upper end."""
        return self.midpoint + self.radius

    def __str__(self) -> str:
        return outward.enclosure(self.midpoint, self.radius)


class Theorem(Protocol):
    """What a certificate states."""

    @property
    def statement(self) -> str: ...


@dataclass(frozen=True)
class LossTheorem:
    """``L(net)`` lies in the interval `loss`, whose radius is at most ``10^-digits`` of its midpoint if `digits` is not 0.

    If midpoint and radius are 0, net and teacher are the same function.
    """

    kind: ClassVar[str] = "loss"
    net: Network
    teacher: Network
    loss: Interval
    digits: int
    precision: int

    def __post_init__(self) -> None:
        _same_inputs(self.net, self.teacher)
        _has_digits([self.loss], self.digits, "the loss")

    @property
    def statement(self) -> str:
        """The theorem in a sentence."""
        return f"the population loss of the network of width {self.net.width} is {self.loss}"


@dataclass(frozen=True)
class GradientTheorem:
    """Every entry of dL/dW and dL/da at the network lies in its interval.

    The derivative with respect to the weights of a neuron that is zero is 0 by convention (relu'(0) = 0). If `digits` is not 0,
    every radius is at most ``10^-digits`` of the largest absolute value of a midpoint.
    """

    kind: ClassVar[str] = "gradient"
    net: Network
    teacher: Network
    W: Sequence[Sequence[Interval]]
    a: Sequence[Interval]
    digits: int
    precision: int

    def __post_init__(self) -> None:
        _same_inputs(self.net, self.teacher)
        _has_digits([*(entry for row in self.W for entry in row), *self.a], self.digits, "the gradient")

    @property
    def statement(self) -> str:
        """The theorem in a sentence."""
        largest = max(entry.radius for row in [*self.W, self.a] for entry in row)
        return (
            f"the gradient of the network of width {self.net.width} is enclosed entry by entry, "
            f"radii at most {outward.at_most(largest)}"
        )


@dataclass(frozen=True)
class HessianTheorem:
    """Every entry of the Hessian of L with respect to W (row-major) at the network lies in its interval.

    The blocks of a neuron that is zero are 0 by convention. `digits` as for gradients.
    """

    kind: ClassVar[str] = "hessian"
    net: Network
    teacher: Network
    hessian: Sequence[Sequence[Interval]]
    digits: int
    precision: int

    def __post_init__(self) -> None:
        _same_inputs(self.net, self.teacher)
        _has_digits([entry for row in self.hessian for entry in row], self.digits, "the Hessian")

    @property
    def statement(self) -> str:
        """The theorem in a sentence."""
        largest = max(entry.radius for row in self.hessian for entry in row)
        return (
            f"the Hessian of the network of width {self.net.width} is enclosed entry by entry, "
            f"radii at most {outward.at_most(largest)}"
        )


@dataclass(frozen=True)
class BarrierTheorem:
    """``max_{0 <= t <= 1} e(t)`` lies in the interval `height`.

    ``e(t) = L(theta_t) - (1-t) L(theta_0) - t L(theta_1)`` is the excess, ``theta_t = (1-t) net_a + t B``, and neuron i of B is
    neuron ``permutation[i]`` of net_b. Moreover e at `position` is at least the lower end of `height`, unless that is 0; the
    upper end is at most ``1 + rtol`` times the lower end if `is_tight`, and otherwise it is more; and if `is_affine`, f_t is
    affine in t.
    """

    kind: ClassVar[str] = "barrier"
    net_a: Network
    net_b: Network
    teacher: Network
    permutation: Sequence[int]
    height: Interval
    position: Fraction
    cells: Vector
    is_affine: bool
    rtol: Fraction
    is_tight: bool
    precision: int

    def __post_init__(self) -> None:
        m, (lower, upper) = self.net_a.width, (self.height.lower, self.height.upper)
        require(self.net_b.width == m, "the two networks must have as many neurons")
        _same_inputs(self.net_a, self.teacher)
        _same_inputs(self.net_b, self.teacher)
        require(sorted(self.permutation) == list(range(m)), "the permutation must name every neuron of net_b once")
        require(lower >= 0, "the interval of the barrier must not reach below 0")
        require(0 <= self.position <= 1, "the position must be in [0, 1]")
        require(self.rtol > 0, "rtol must be positive")
        require(
            self.is_tight is (upper <= lower * (1 + self.rtol)),
            "is_tight must say whether the interval is as narrow as asked for",
        )
        cells = self.cells
        require(len(cells) >= 2 and cells[0] == 0 and cells[-1] == 1, "the cells must cover [0, 1]")
        require(all(left < right for left, right in pairwise(cells)), "the ends of cells must increase")
        require(not self.is_affine or (upper == 0 and len(cells) == 2), "where f_t is affine the barrier must be 0 on one cell")

    @property
    def statement(self) -> str:
        """The theorem in a sentence."""
        return f"the barrier between two networks of width {self.net_a.width} under a given permutation is {self.height}"


@dataclass(frozen=True)
class ModuloTheorem:
    """The minimum of the barrier over all m! permutations of the neurons of net_b lies in the interval `height`.

    The networks are those of `best`, whose own theorem holds as well, and whose upper end is the upper end of `height`. The lower
    end is at least ``1 - rtol`` times the upper end if `is_tight`, and otherwise it is less.
    """

    kind: ClassVar[str] = "modulo-permutation"
    best: BarrierTheorem
    height: Interval
    positions: Vector
    rtol: Fraction
    is_tight: bool

    def __post_init__(self) -> None:
        require(self.best.net_a.width <= MAX_PERMUTED, f"networks of more than {MAX_PERMUTED} neurons have too many permutations")
        require(len(self.positions) <= MAX_POSITIONS, f"there may be at most {MAX_POSITIONS} positions")
        require(self.height.upper == self.best.height.upper, "the upper end must be that of the best permutation")
        require(self.height.lower >= 0, "the interval of the barrier must not reach below 0")
        require(self.rtol > 0, "rtol must be positive")
        require(self.is_tight is (self.height.lower >= self.height.upper * (1 - self.rtol)), _TIGHT)
        require(all(0 < t < 1 for t in self.positions), "the positions must be inside of [0, 1]")

    @property
    def statement(self) -> str:
        """The theorem in a sentence."""
        return f"the barrier modulo permutation between two networks of width {self.best.net_a.width} is {self.height}"


@dataclass(frozen=True)
class LocalMinimumTheorem:
    """In the box of all W that differ from those of `net` by at most `radius`, entry by entry, L has exactly one critical point.

    Output weights are fixed. The critical point is a local minimum; its Euclidean distance from the weights of `net` is at most
    `distance`; the Hessian has no eigenvalue below `curvature` anywhere in the box; and the loss at the critical point lies in
    the interval `loss`, which is positive.

    `moved` tells by how much the network that was to be certified differs from `net`; as that network is not in the file, nothing
    follows from it, but that it is at most `radius`.
    """

    kind: ClassVar[str] = "local-minimum"
    net: Network
    teacher: Network
    radius: Fraction
    distance: Fraction
    curvature: Fraction
    loss: Interval
    moved: Fraction

    def __post_init__(self) -> None:
        _same_inputs(self.net, self.teacher)
        require(self.radius > 0, "the radius must be positive")
        require(0 <= self.moved <= self.radius, "moved must be at most the radius")
        require(self.curvature > 0, "the curvature must be positive")
        require(self.distance >= 0, "the distance must not be negative")
        require(self.loss.lower > 0, "the interval of the loss must be positive")

    @property
    def is_spurious(self) -> bool:
        """Whether some W has loss 0, because each teacher neuron finds a student neuron whose output weight has its sign."""
        a, b = self.net.a, self.teacher.a
        return all(sum(sign * x > 0 for x in a) >= sum(sign * y > 0 for y in b) for sign in (1, -1))

    @property
    def statement(self) -> str:
        """The theorem in a sentence."""
        spurious = "spurious " if self.is_spurious else ""
        return (
            f"the only critical point of the loss within {outward.at_least(self.radius)} of the weights, of width "
            f"{self.net.width}, is a {spurious}local minimum, of loss {self.loss}, at a distance of at most "
            f"{outward.at_most(self.distance)}; "
            f"no eigenvalue of the Hessian there is below {outward.at_least(self.curvature)}"
        )


AnyTheorem: TypeAlias = LossTheorem | GradientTheorem | HessianTheorem | BarrierTheorem | ModuloTheorem | LocalMinimumTheorem


class _NetworkShape(Record):
    """Weights W, a matrix, and a, with an entry for each of its rows."""

    def __init__(self) -> None:
        super().__init__(Network, W=Array(Array(FLOAT64)), a=Array(FLOAT64))

    def check(self, value: Any, where: str) -> None:
        super().check(value, where)
        W, a = value["W"], value["a"]
        is_matrix = bool(W) and bool(W[0]) and all(len(row) == len(W[0]) for row in W)
        require(is_matrix and len(W) == len(a), f"W of {where} must be a matrix with a row for each entry of a")


_NETWORK, _INTERVAL = _NetworkShape(), Pair(Interval)
_VALUES = {
    "net": _NETWORK,
    "teacher": _NETWORK,
    "digits": Integer(0, MAX_RELATIVE_DIGITS),
    "precision": Integer(2, MAX_PRECISION),
}
_BARRIER = Record(
    BarrierTheorem, net_a=_NETWORK, net_b=_NETWORK, teacher=_NETWORK, permutation=Array(Integer(0, 2**29)), height=_INTERVAL,
    position=FLOAT64, cells=Array(FLOAT64), is_affine=BOOLEAN, rtol=FLOAT64, is_tight=BOOLEAN,
    precision=Integer(2, MAX_SEGMENT_PRECISION),
)  # fmt: skip
_OTHERS = {
    "loss": Record(LossTheorem, **_VALUES, loss=_INTERVAL),
    "barrier": _BARRIER,
    "modulo-permutation": Record(
        ModuloTheorem, best=_BARRIER, height=_INTERVAL, positions=Array(FLOAT64), rtol=FLOAT64, is_tight=BOOLEAN
    ),
    "local-minimum": Record(
        LocalMinimumTheorem, net=_NETWORK, teacher=_NETWORK, radius=FLOAT64, distance=FLOAT64, curvature=FLOAT64, loss=_INTERVAL,
        moved=FLOAT64,
    ),
}  # fmt: skip
KINDS = ("gradient", "hessian", *_OTHERS)


def theorem_of(kind: Any, content: dict[str, Any]) -> AnyTheorem:
    """Return what a certificate of this kind and content states, or raise `CertificateError`; nothing is proved yet."""
    require(type(kind) is str and kind in KINDS, f"the kind must be one of {', '.join(KINDS)}")
    where = f"the {kind} certificate"
    shape = _OTHERS.get(kind) or _shape_of_derivatives(kind, content.get("net"), f"net of {where}")
    shape.check(content, where)
    theorem: AnyTheorem = shape.read(content)
    return theorem


def _shape_of_derivatives(kind: str, net: Any, where: str) -> Record:
    """Return the shape of a gradient or Hessian, whose size is that of the network."""
    _NETWORK.check(net, where)
    m, d = len(net["W"]), len(net["W"][0])
    if kind == "gradient":
        return Record(GradientTheorem, **_VALUES, W=Array(Array(_INTERVAL, d), m), a=Array(_INTERVAL, m))
    return Record(HessianTheorem, **_VALUES, hessian=Array(Array(_INTERVAL, m * d), m * d))


def _same_inputs(net: Network, teacher: Network) -> None:
    require(net.input_dim == teacher.input_dim, "all networks must have one number of inputs")


def _has_digits(entries: Sequence[Interval], digits: int, what: str) -> None:
    largest, radius = max(abs(entry.midpoint) for entry in entries), max(entry.radius for entry in entries)
    require(digits == 0 or radius * 10**digits <= largest, f"the radii of {what} must be at most 10^-digits of the largest entry")
