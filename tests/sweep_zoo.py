"""A cell that reaches most of what Python and its packages make: run as ``python sweep_zoo.py FOLDER EXECUTOR``."""

import abc
import contextlib
import decimal
import enum
import functools
import itertools
import logging
import operator
import sys
import typing
import uuid
import warnings
from dataclasses import dataclass, field

import numpy as np
from scipy import interpolate, sparse, stats
from sklearn.linear_model import Ridge

import lmctheory as lmc
from lmctheory.sweep import Study, grid, run_study

logger = logging.getLogger(__name__)


class A(abc.ABC):
    def __init__(self, k):
        self.k = k

    @abc.abstractmethod
    def f(self): ...


class B(A):
    def __init__(self, k):
        super().__init__(k)

    def f(self):
        return self.k

    @property
    def p(self):
        return self._p

    @p.setter
    def p(self, v):
        self._p = v

    @functools.cached_property
    def c(self):
        return 3

    def __eq__(self, o):
        return True

    @contextlib.contextmanager
    def ctx(self):
        yield 1


T = typing.TypeVar("T")


class G(typing.Generic[T]):
    def g(self, x: T) -> T:
        return x


class P(typing.Protocol):
    def m(self) -> int: ...


class N(typing.NamedTuple):
    a: int
    b: str = "x"


class TD(typing.TypedDict):
    a: int


@dataclass(order=True)
class D:
    a: int
    b: list = field(default_factory=lambda: [1])
    c: dict = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class S:
    a: int = 1


class Meta(type):
    def __call__(cls, *a):
        return super().__call__(*a)


class M(metaclass=Meta):
    x = 1


class F(enum.Flag):
    R = enum.auto()
    W = enum.auto()


class E2(enum.StrEnum):
    X = "x"

    def shout(self):
        return self.value.upper()


class Desc:
    def __get__(self, o, t=None):
        return 5

    def __set_name__(self, o, n):
        self.n = n


class HasDesc:
    d = Desc()


@contextlib.contextmanager
def ctx():
    yield 1


@functools.singledispatch
def disp(x):
    return 0


@disp.register
def _(x: int):
    return 1


async def co():
    return 1


def gen():
    yield 1


class It:
    def __iter__(self):
        return iter([1])


uid = uuid.UUID(int=3)
dec = decimal.Decimal("1.5")
count = itertools.count(3)
getter = operator.attrgetter("a")
teacher = lmc.orthonormal_teacher(2, 3)
poly = np.polynomial.Polynomial([1, 2])
vec = np.vectorize(lambda x: x + 1)
mat = sparse.csr_matrix(np.eye(2))
dist = stats.norm(0, 2)
spline = interpolate.CubicSpline([0, 1, 2], [0, 1, 4])
ridge = Ridge(alpha=2).fit(np.eye(2), [1, 2])


def cell(seed, x):
    logger.info("x")
    warnings.simplefilter("ignore")
    b = B(x)
    b.p = 2
    out = b.f() + b.p + b.c + G().g(1) + N(1).a + D(1).a + S().a + M().x + F.R.value + HasDesc().d + disp(3) + sum(gen())
    with ctx() as c, b.ctx() as c2:
        out += c + c2
    out += (
        sum(It())
        + uid.int
        + float(dec)
        + next(count)
        + getter(D(2))
        + teacher.width
        + poly(1)
        + vec(1)
        + mat.sum()
        + dist.mean()
        + float(spline(1))
        + ridge.alpha
    )
    assert isinstance(out, object)
    _ = P, TD(a=1), co, E2.X.shout()
    print("", file=sys.stderr, end="")
    return {"v": float(out)}


if __name__ == "__main__":
    study = Study("zoo", cell, grid(x=[1, 2]))
    found = run_study(study, sys.argv[1], executor=sys.argv[2], progress=None)
    print(study.code, found.computed, len(found.records), found.failures)
