"""The iterate of gradient descent on the population loss, as whole vectors of neurons and dimensions.

Neurons are padded to multiples of eight by zero neurons, students and teachers apart, and dimensions by zeros. Matrices are kept
in panels: ``(d / 8, n, 8)`` in panels of dimensions, ``(n / 8, d, 8)`` in panels of neurons. All parts stand in one flat array.
"""

import math
from typing import NamedTuple

from lmctheory._compiled.caching import njit
from lmctheory._compiled.vectors import LANES, fma, load, root, splat, store, total, transpose, where_less

DEPTH = 64  # terms added up before their sum goes to the sum of sums, which keeps rounding small in many dimensions
SAFE = 1e-140, 1e140  # norms whose squares neither overflow nor lose digits
LEAST = 1e-290  # norms whose inverse, times a sum over neurons, may overflow below


class Layout(NamedTuple):
    """Sizes of a problem, and where in one flat array, the room, each of its parts starts.

    There are n neurons in d dimensions, the first m of them students, all with padding. Students fall into blocks, 1 or an even
    number by the width alone; threads work on different pairs of blocks at a time, of which there are `items`. Numbers, unlike
    arrays in a tuple, cost no counting of references.
    """

    m: int
    n: int
    d: int
    blocks: int
    items: int
    height: int  # rows and columns of a tile
    width: int
    outputs: int  # c_i
    norms: int
    inverse_norms: int  # 0 below LEAST
    mass: int  # c_i |x_i|
    shares: int  # the mass, twice for teachers
    factors: int  # c_i / pi, 0 for zero neurons
    output_gradient: int  # of m students
    weights: int  # n neurons in panels of dimensions
    scaled: int  # c_i x_i, in panels of dimensions
    units: int  # in panels of neurons
    gradient: int  # of m students in panels of dimensions; before it is finished, the sum of (pi - p_ij) c_j x_j
    radial: int  # sum_j mass_j sin p_ij, of m students
    losses: int  # of each block
    squares: int  # of the gradient, of each block
    tiles: int  # one an item
    size: int


@njit(cache=True)
def layout(students, teachers, dimension):
    """Return the layout for these numbers of neurons and dimensions.

    Low tiles waste fewer pairs on the diagonal, high ones are read less often.
    """
    m, d = padded(students), padded(dimension)
    n = m + padded(teachers)
    blocks = 1 if students < 256 else 8 if students < 1024 else 16
    items = max(blocks // 2, 1)
    height, width = 8 if students < 256 else 16, 64
    outputs = 0
    norms = outputs + n
    inverse_norms = norms + n
    mass = inverse_norms + n
    shares = mass + n
    factors = shares + n
    output_gradient = factors + n
    weights = output_gradient + m
    scaled = weights + n * d
    units = scaled + n * d
    gradient = units + n * d
    radial = gradient + m * d
    losses = radial + m
    squares = losses + padded(blocks)
    tiles = squares + padded(blocks)
    size = tiles + items * height * width
    return Layout(
        m, n, d, blocks, items, height, width, outputs, norms, inverse_norms, mass, shares, factors, output_gradient, weights,
        scaled, units, gradient, radial, losses, squares, tiles, size,
    )  # fmt: skip


@njit(inline="always")
def padded(count):
    return (count + LANES - 1) // LANES * LANES


@njit(inline="always")
def entry(panels, n, i, k):
    """Return the place of entry (i, k) of n rows in panels of dimensions that start at `panels`."""
    return panels + (k // LANES * n + i) * LANES + k % LANES


@njit(cache=True, nogil=True)
def load_iterate(room, at, X, c, m):
    """Put the iterate ``X = [W; V]``, ``c = (a, -b)`` with m students into a room of zeros."""
    for i in range(X.shape[0]):
        row = i if i < m else at.m + i - m
        room[at.outputs + row] = c[i]
        for k in range(X.shape[1]):
            room[entry(at.weights, at.n, row, k)] = X[i, k]
    prepare(room, at, 0, at.n)


@njit(inline="always")
def prepare(room, at, start, stop):
    """Write norms, masses, unit rows and scaled rows of the neurons from `start` to `stop`, multiples of eight."""
    zero, one = splat(0.0), splat(1.0)
    for i in range(start, stop, LANES):
        squares = zero
        panel = at.units + i * at.d
        for first in range(0, at.d, DEPTH):
            part = zero
            for k in range(first, min(first + DEPTH, at.d), LANES):
                transpose(room, at.weights + k * at.n + i * LANES, room, panel + k * LANES)
                for q in range(k, k + LANES):
                    entries = load(room, panel + q * LANES)
                    part = fma(entries, entries, part)
            squares = squares + part
        store(room, at.norms + i, root(squares))
        for r in range(i, i + LANES):
            if not SAFE[0] < room[at.norms + r] < SAFE[1]:
                room[at.norms + r] = _scaled_norm(room, at, r)
        norms, outputs = load(room, at.norms + i), load(room, at.outputs + i)
        alive = where_less(zero, norms, one, zero)
        inverse = alive / where_less(zero, alive, norms, one)
        mass = outputs * norms
        store(room, at.inverse_norms + i, inverse)
        store(room, at.mass + i, mass)
        store(room, at.factors + i, alive * outputs * splat(1.0 / math.pi))
        store(room, at.shares + i, mass if i < at.m else mass + mass)
        for k in range(at.d):
            store(room, panel + k * LANES, inverse * load(room, panel + k * LANES))
        if has_tiny(norms):
            for r in range(i, i + LANES):
                if 0.0 < room[at.norms + r] < LEAST:
                    _set_unit_row(room, at, r)
        for k in range(0, at.d, LANES):
            for r in range(i, i + LANES):
                place = k * at.n + r * LANES
                store(room, at.scaled + place, splat(room[at.outputs + r]) * load(room, at.weights + place))


@njit(inline="always")
def has_tiny(norms):
    """Say whether one of eight norms is positive and below LEAST."""
    return total(where_less(norms, splat(LEAST), norms, splat(0.0))) > 0.0


@njit(cache=True)
def _set_unit_row(room, at, row):
    """Write the unit row of a neuron whose inverse norm is out of range, for which it stands in the gradient."""
    largest, squares, units = 0.0, 0.0, at.units + row // LANES * LANES * at.d + row % LANES
    for k in range(at.d):
        largest = max(largest, abs(room[entry(at.weights, at.n, row, k)]))
    for k in range(at.d):
        squares += (room[entry(at.weights, at.n, row, k)] / largest) ** 2
    for k in range(at.d):
        room[units + k * LANES] = room[entry(at.weights, at.n, row, k)] / largest / math.sqrt(squares)
    room[at.inverse_norms + row] = 0.0


@njit(cache=True)
def _scaled_norm(room, at, row):
    """Return the norm of a row whose squares are out of range; NaN stays NaN."""
    largest, squares = 0.0, 0.0
    for k in range(at.d):
        number = abs(room[entry(at.weights, at.n, row, k)])
        largest = largest if number <= largest else number
    if largest == 0.0:
        return 0.0
    for k in range(at.d):
        squares += (room[entry(at.weights, at.n, row, k)] / largest) ** 2
    return largest * math.sqrt(squares)


@njit(cache=True, nogil=True)
def unload(room, at, X, c, m):
    """Copy the m students into ``X = [W; V]`` and ``c = (a, -b)``."""
    for i in range(m):
        for k in range(X.shape[1]):
            X[i, k] = room[entry(at.weights, at.n, i, k)]
        c[i] = room[at.outputs + i]
