"""Laws on the manifold of global minima, sampled exactly at every width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray, Rng
from lmctheory.errors import InvalidInputError
from lmctheory.minima.manifold import Minimum

LAWS = ("uniform", "sparse", "dirichlet", "equal")
UNDERFLOW = 740.0  # exp(-740) is next to the smallest positive number: what lies below has probability 0 in double precision


def sample_minimum(
    M: int,
    width: int,
    law: str = "uniform",
    *,
    r: float | None = None,
    concentration: float | None = None,
    rng: Rng = None,
) -> Minimum:
    """Return a random global minimum of a teacher of M orthonormal neurons.

    - "uniform": the uniform law on the top-dimensional cells of the manifold. A cell, given by the classes of the neurons, is
      a product of simplices of volume ``prod_j sqrt(n_j) / (n_j - 1)!``, so that class sizes have
      ``P(n) ~ prod_j sqrt(n_j) / (n_j! (n_j - 1)!)``, ``sum_j n_j = m``; weights in a class are Dirichlet(1, ..., 1).
    - "sparse": SP(r) of [LLW], Definition 13. Each neuron is zero with probability r, else in a uniformly random class. The
      definition fixes these marginals only: here labels are independent, conditioned on every class being present, and
      weights in a class Dirichlet(1, ..., 1).
    - "dirichlet": class sizes of the uniform law, weights in a class Dirichlet(c, ..., c).
    - "equal": class sizes of the uniform law, weights ``1 / n_j``.

    Parameters
    ----------
    M : int
        Width of the teacher, at least 1.
    width : int
        Number m of neurons, at least M.
    law : {"uniform", "sparse", "dirichlet", "equal"}
    r : float
        Required by "sparse", and only there; ``0 <= r < 1``.
    concentration : float
        Required by "dirichlet", and only there: c > 0.
    rng : int, SeedSequence, Generator or None
        An int is reproducible; a Generator is used and advanced.

    Returns
    -------
    Minimum

    Raises
    ------
    InvalidInputError
        If `width` is less than M, the law is unknown, or its parameter is missing, out of range or another law's.

    Notes
    -----
    Class sizes are exact at every width: independent draws from tilted tables, conditioned on their sum by rejection,
    about ``sqrt(M)`` trials a sample. Tables are kept for the next call with the same arguments. Otherwise linear in m.

    References
    ----------
    [LLW] Lin, Li, Wu 2024.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> minimum = lmc.sample_minimum(3, 1000, rng=0)
    >>> minimum.class_sizes.sum()
    np.int64(1000)
    >>> lmc.sample_minimum(3, 1000, "sparse", r=0.5, rng=0)
    Minimum(width=1000, M=3)
    """
    M, width, r = _law_parameters(M, width, law, r)
    if (law == "dirichlet") != (concentration is not None):
        raise InvalidInputError(f"concentration belongs to law='dirichlet', which requires it, got {concentration} with {law!r}")
    c = 1.0 if concentration is None else _checks.real("concentration", concentration, positive=True)
    root = _checks.seed_sequence(rng)
    generator = np.random.default_rng(_checks.stream(root, "minimum"))
    sizes = draw_conditioned(_tables(M, width, r), width, generator)
    labels = np.repeat(np.append(np.arange(M), -1) if r is not None else np.arange(M), sizes)
    weights = np.zeros(width)
    for j, end in enumerate(np.cumsum(sizes[:M])):
        n = int(sizes[j])
        weights[end - n : end] = 1.0 / n if law == "equal" else _dirichlet(n, c, generator)
    order = generator.permutation(width)
    return Minimum(labels[order], weights[order])


def class_size_law(M: int, width: int, law: str = "uniform", *, r: float | None = None) -> FloatArray:
    """Return the exact probabilities that the first class has 0, 1, ..., m neurons, shape ``(m + 1,)``.

    By dynamic programming over the classes, for the laws of `sample_minimum` ("dirichlet" and "equal" have the class sizes
    of "uniform"). Parameters and errors as there.

    Notes
    -----
    Relative error about 1e-13 where the probability does not underflow. Quadratic in m: meant for widths up to about 10^4.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.class_size_law(2, 4).round(4)  # sizes (1, 3), (2, 2), (3, 1)
    array([0.   , 0.183, 0.634, 0.183, 0.   ])
    """
    M, width, r = _law_parameters(M, width, law, r)
    first, *others = (table for table, count in _tables(M, width, r) for _ in range(count))
    rest = Table(0, np.ones(1))
    for table in others:
        rest = Table(rest.start + table.start, np.convolve(rest.probabilities, table.probabilities))
    law_of_first = np.zeros(width + 1)
    for k, p in enumerate(first.probabilities):
        n = first.start + k
        index = width - n - rest.start
        if 0 <= index < len(rest.probabilities):
            law_of_first[n] = p * rest.probabilities[index]
    return law_of_first / law_of_first.sum()


@dataclass(frozen=True, eq=False)
class Table:
    """Probabilities ``probabilities[k]`` of the counts ``start + k``."""

    start: int
    probabilities: FloatArray

    @property
    def mean(self) -> float:
        return float(self.start + self.probabilities @ np.arange(len(self.probabilities)))


def log_cell_weight(n: FloatArray) -> FloatArray:
    """Return ``log(sqrt(n) / (n! (n - 1)!))``: 1/n! of the choices of n labelled neurons, times the volume of a simplex."""
    return 0.5 * np.log(n) - gammaln(n + 1) - gammaln(n)


def tilted_tables(parts: Sequence[tuple[int, FloatArray, int]], total: int) -> list[tuple[Table, int]]:
    """Return normalised tables, with their multiplicities, of weights ``exp(log_weight + c n)``, the means summing to `total`.

    A part is the least count, the logarithms of the weights from there on (concave), and the multiplicity. Any tilt c gives
    the same law conditioned on the sum; this one, found to a fraction of a standard deviation, makes the sum likely.
    """

    def tables(tilt: float) -> list[tuple[Table, int]]:
        result = []
        for start, log_weight, count in parts:
            log_p = log_weight + tilt * np.arange(len(log_weight))
            log_p -= log_p.max()
            kept = np.flatnonzero(log_p > -UNDERFLOW)  # contiguous, by concavity
            p = np.exp(log_p[kept[0] : kept[-1] + 1])
            result.append((Table(start + int(kept[0]), p / p.sum()), count))
        return result

    def excess(tilt: float) -> float:
        return sum(table.mean * count for table, count in tables(tilt)) - total

    start, log_weight, count = parts[0]
    typical = min(max(total // count - start, 0), len(log_weight) - 2)
    guess = float(log_weight[typical] - log_weight[typical + 1])  # puts the mode of the first part there
    step = 1e-3
    while excess(guess - step) > 0:
        step *= 2
    low, step = guess - step, 1e-3
    while excess(guess + step) < 0:
        step *= 2
    return tables(brentq(excess, low, guess + step, xtol=1e-2 / total))


def draw_conditioned(tables: Sequence[tuple[Table, int]], total: int, rng: np.random.Generator) -> IntArray:
    """Return independent counts, table by table, conditioned on their sum: exact, by rejection.

    All counts but one are drawn; that one is what the sum leaves, and the draw is accepted with its probability over the
    largest in its table. It is one of the most spread table, so that about one draw in the square root of their number is.
    """
    ceilings = [float(table.probabilities.max()) for table, _ in tables]
    last = int(np.argmin(ceilings))
    tables = [*tables[:last], *tables[last + 1 :], tables[last]]
    cumulative = [np.cumsum(table.probabilities) for table, _ in tables]
    spread = tables[-1][0]
    while True:
        counts = [
            table.start + np.searchsorted(c, c[-1] * rng.random(count), side="right")
            for (table, count), c in zip(tables, cumulative, strict=True)
        ]
        counts[-1][-1] = total - sum(int(n.sum()) for n in counts[:-1]) - int(counts[-1][:-1].sum())
        index = int(counts[-1][-1]) - spread.start
        if 0 <= index < len(spread.probabilities) and rng.random() * ceilings[last] < spread.probabilities[index]:
            return np.concatenate([*counts[:last], counts[-1], *counts[last:-1]])


@lru_cache(maxsize=32)
def _tables(M: int, width: int, r: float | None) -> list[tuple[Table, int]]:
    """Tables of the sizes of M classes and, for SP(r), last the number of zero neurons."""
    single, none = Table(1, np.ones(1)), (Table(0, np.ones(1)), 1)
    n = np.arange(1.0, width - M + 2)
    if r is None:
        if M in (1, width):
            return [(Table(width // M, np.ones(1)), M)]
        return tilted_tables([(1, log_cell_weight(n), M)], width)
    if width == M:
        return [(single, M), none]
    live = np.log((1 - r) / M) * n - gammaln(n + 1)
    if r == 0:
        return [(Table(width, np.ones(1)), 1), none] if M == 1 else [*tilted_tables([(1, live, M)], width), none]
    return tilted_tables([(1, live, M), (0, np.log(r) * (n - 1) - gammaln(n), 1)], width)


def _dirichlet(n: int, c: float, rng: np.random.Generator) -> FloatArray:
    """Dirichlet(c, ..., c) weights; through logarithms of ``Gamma(c) = Gamma(c + 1) U^(1/c)``, as gammas of small c underflow."""
    if c >= 1:
        weights = rng.standard_gamma(c, size=n)
    else:
        logs = np.log(rng.standard_gamma(c + 1, size=n)) + np.log1p(-rng.random(n)) / c
        weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _law_parameters(M: int, width: int, law: str, r: float | None) -> tuple[int, int, float | None]:
    M = _checks.integer("M", M, 1)
    width = _checks.integer("width", width, 1)
    if width < M:
        raise InvalidInputError(f"width must be at least M = {M}, got {width}: every class needs a neuron")
    _checks.choice("law", law, LAWS)
    if (law == "sparse") != (r is not None):
        raise InvalidInputError(f"r belongs to law='sparse', which requires it, got {r} with {law!r}")
    if r is not None:
        r = _checks.real("r", r, non_negative=True)
        if r >= 1:
            raise InvalidInputError(f"r must be less than 1, got {r}")
    return M, width, r
