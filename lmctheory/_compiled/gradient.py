"""Population loss and gradient for Gaussian inputs, tile by tile.

Student and teacher are stacked: ``X = [W; V]`` with signed output weights ``c = (a, -b)``. Then ``L = c' K(X, X) c`` and, with
p_ij the angle of neurons i and j,

    dL/dw_i = (c_i / pi) h_i,    h_i = w_i / |w_i| sum_j c_j |x_j| sin p_ij + sum_j (pi - p_ij) c_j x_j
    dL/da_i = w_i . h_i / pi

A tile of pairs is taken from cosines to its share of the gradient while it stays in the first-level cache: a product of unit
rows, one elementwise pass, a product with the rows ``c_j x_j``; tiles below the diagonal serve their rows and their columns.

Neurons are padded to multiples of eight by zero neurons, students and teachers apart, and dimensions by zeros. Flat arrays hold
matrices in panels: (d / 8, n, 8) in panels of dimensions, (n / 8, d, 8) in panels of neurons.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from lmctheory._compiled.angles import COEFFICIENTS
from lmctheory._compiled.vectors import (
    LANES,
    ROWS,
    add_product,
    count_up,
    fma,
    load,
    magnitude,
    polynomial,
    root,
    set_product,
    splat,
    store,
    total,
    transpose,
    where_less,
)

DEPTH = 64  # terms added up before a sum goes to the sum of sums, which keeps rounding small in many dimensions
TINY = np.finfo(np.float64).tiny
SAFE = 1e-140, 1e140  # norms whose squares neither overflow nor lose digits


class Layout(NamedTuple):
    """Sizes of a problem, and where in one flat array, the room, each of its parts starts.

    There are n neurons in d dimensions, the first m of them students, all with padding. Sums are taken in `chunks`, by the width
    alone, so that the number of threads changes no bit. Numbers, unlike arrays in a tuple, cost no counting of references.
    """

    m: int
    n: int
    d: int
    chunks: int
    height: int  # rows and columns of a tile
    width: int
    outputs: int  # c_i
    norms: int
    inverse_norms: int
    mass: int  # c_i |x_i|
    shares: int  # the mass, twice for teachers
    output_gradient: int  # of m students
    previous_outputs: int
    weights: int  # n neurons in panels of dimensions
    scaled: int  # c_i x_i, in panels of dimensions
    units: int  # in panels of neurons
    previous: int  # m neurons in panels of dimensions
    sums: int  # in panels of dimensions, m neurons for each chunk; the first become the gradient
    radial: int  # sum_j mass_j sin p_ij, of m students for each chunk
    losses: int  # of each chunk
    squares: int  # of the gradient, of each chunk's share of students
    tiles: int  # one a chunk
    size: int


@njit(cache=True)
def layout(students, teachers, dimension):
    """Return the layout for these numbers of neurons and dimensions.

    Low tiles waste fewer pairs on the diagonal, high ones are read less often.
    """
    m, d = _padded(students), _padded(dimension)
    n = m + _padded(teachers)
    chunks = 1 if students < 256 else 4 if students < 2048 else 8
    height, width = 16 if students <= 64 else 32 if students < 1024 else 64, 64
    outputs = 0
    norms = outputs + n
    inverse_norms = norms + n
    mass = inverse_norms + n
    shares = mass + n
    output_gradient = shares + n
    previous_outputs = output_gradient + m
    weights = previous_outputs + m
    scaled = weights + n * d
    units = scaled + n * d
    previous = units + n * d
    sums = previous + m * d
    radial = sums + chunks * m * d
    losses = radial + chunks * m
    squares = losses + _padded(chunks)
    tiles = squares + _padded(chunks)
    size = tiles + chunks * height * width
    return Layout(
        m, n, d, chunks, height, width, outputs, norms, inverse_norms, mass, shares, output_gradient, previous_outputs,
        weights, scaled, units, previous, sums, radial, losses, squares, tiles, size,
    )  # fmt: skip


@njit(inline="always")
def _padded(count):
    return (count + LANES - 1) // LANES * LANES


@njit(inline="always")
def _entry(panels, n, i, k):
    """Return the place of entry (i, k) of n rows in panels of dimensions that start at `panels`."""
    return panels + (k // LANES * n + i) * LANES + k % LANES


@njit(cache=True, nogil=True)
def load_iterate(room, at, X, c, m):
    """Put the iterate ``X = [W; V]``, ``c = (a, -b)`` with m students into a room of zeros."""
    for i in range(X.shape[0]):
        row = i if i < m else at.m + i - m
        room[at.outputs + row] = c[i]
        for k in range(X.shape[1]):
            room[_entry(at.weights, at.n, row, k)] = X[i, k]
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
        inverse = where_less(splat(TINY), norms, one / norms, zero)
        mass = outputs * norms
        store(room, at.inverse_norms + i, inverse)
        store(room, at.mass + i, mass)
        store(room, at.shares + i, mass if i < at.m else mass + mass)
        for k in range(at.d):
            store(room, panel + k * LANES, inverse * load(room, panel + k * LANES))
        for k in range(0, at.d, LANES):
            for r in range(i, i + LANES):
                place = k * at.n + r * LANES
                store(room, at.scaled + place, splat(room[at.outputs + r]) * load(room, at.weights + place))


@njit(cache=True)
def _scaled_norm(room, at, row):
    """Return the norm of a row whose squares are out of range; NaN stays NaN."""
    largest, squares = 0.0, 0.0
    for k in range(at.d):
        entry = abs(room[_entry(at.weights, at.n, row, k)])
        largest = largest if entry <= largest else entry
    if largest == 0.0:
        return 0.0
    for k in range(at.d):
        squares += (room[_entry(at.weights, at.n, row, k)] / largest) ** 2
    return largest * math.sqrt(squares)


@njit(inline="always")
def sum_chunk(room, at, chunk):
    """Sum over the tiles of one chunk: blocks of rows, paired so that all chunks have much the same work."""
    sums, radial = at.sums + chunk * at.m * at.d, at.radial + chunk * at.m
    tile = at.tiles + chunk * at.height * at.width
    for place in range(sums, sums + at.m * at.d, LANES):
        store(room, place, splat(0.0))
    for place in range(radial, radial + at.m, LANES):
        store(room, place, splat(0.0))
    loss = 0.0
    for block in range((at.m + at.height - 1) // at.height):
        turn = block % (2 * at.chunks)
        if min(turn, 2 * at.chunks - 1 - turn) != chunk:
            continue
        first, last = block * at.height, min((block + 1) * at.height, at.m)
        left = 0
        while left < at.n:
            below = left < first
            end = first if below else last if left < last < at.m else at.n
            right = min(left + at.width, end)
            loss += _tile(room, at, tile, sums, radial, first, last, left, right, below)
            left = at.m if right == last else right
    room[at.losses + chunk] = loss


@njit(inline="always")
def _tile(room, at, tile, sums, radial, first, last, left, right, below):
    """Add what the pairs of neurons `first` to `last` with `left` to `right` give to the former, and to the latter if `below`.

    Return the sum of ``mass_i share_j 2 pi K_ij / (|x_i| |x_j|)``, twice if it stands for both halves of the matrix.
    """
    for i in range(first, last, ROWS):
        own = at.units + i // LANES * LANES * at.d + i % LANES
        for j in range(left, right, LANES):
            place, other = tile + (i - first) * at.width + j - left, at.units + j * at.d
            set_product(room, place, at.width, room, own, 1, LANES, room, other, min(DEPTH, at.d))
            for k in range(DEPTH, at.d, DEPTH):
                depth = min(DEPTH, at.d - k)
                add_product(room, place, at.width, room, own + k * LANES, 1, LANES, room, other + k * LANES, depth)
    loss = _angles(room, at, tile, radial, first, last, left, right, below)
    for k in range(0, at.d, LANES):
        panel, scaled = sums + k * at.m, at.scaled + k * at.n
        for i in range(first, last, ROWS):
            rows = tile + (i - first) * at.width
            add_product(room, panel + i * LANES, LANES, room, rows, at.width, 1, room, scaled + left * LANES, right - left)
        if below:
            for j in range(left, right, ROWS):
                columns = tile + j - left
                add_product(
                    room, panel + j * LANES, LANES, room, columns, 1, at.width, room, scaled + first * LANES, last - first
                )
    return 2.0 * loss if below else loss


@njit(inline="always")
def _angles(room, at, tile, radial, first, last, left, right, below):
    """Overwrite cosines by ``pi - p``; add ``mass sin p`` to `radial`, and return the sum of kernels as `_tile` does, once."""
    zero, half, one, two, pi = splat(0.0), splat(0.5), splat(1.0), splat(2.0), splat(math.pi)
    loss = zero
    for i in range(first, last):
        own = splat(room[at.mass + i])
        row_radial, row_kernel = zero, zero
        row = tile + (i - first) * at.width - left
        for j in range(left, right, LANES):
            cosine = load(room, row + j)
            if j == i // LANES * LANES:  # the angle of a neuron with itself is 0, not 1e-8
                cosine = where_less(magnitude(count_up() - splat(float(i - j))), half, one, cosine)
            size = magnitude(cosine)
            size = where_less(one, size, one, size)  # in this order NaN stays NaN
            t = one - size
            sine = root(t * (two - t))
            acute = sine * polynomial(t, COEFFICIENTS)
            supplement = where_less(cosine, zero, acute, pi - acute)
            store(room, row + j, supplement)
            row_radial = fma(load(room, at.mass + j), sine, row_radial)
            kernel = fma(supplement, where_less(cosine, zero, zero - size, size), sine)
            row_kernel = fma(load(room, at.shares + j), kernel, row_kernel)
            if below:
                store(room, radial + j, fma(own, sine, load(room, radial + j)))
        room[radial + i] += total(row_radial)
        loss = fma(own, row_kernel, loss)
    return total(loss)


@njit(inline="always")
def finish(room, at, chunk, mask, outputs_too):
    """Turn the sums of one chunk's share of students into gradients, of output weights `outputs_too`, and sum their squares.

    Entries outside `mask` are set to zero, unless it is empty. Gradients of zero neurons are zero.
    """
    start, stop = _share(at, chunk)
    for i in range(start, stop):
        radial = room[at.radial + i]
        for part in range(1, at.chunks):
            radial += room[at.radial + part * at.m + i]
        room[at.radial + i] = radial * room[at.inverse_norms + i]
        room[at.output_gradient + i] = 0.0
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            place = at.sums + k * at.m + i * LANES
            summed = load(room, place)
            for part in range(1, at.chunks):
                summed = summed + load(room, place + part * at.m * at.d)
            weights = load(room, at.weights + k * at.n + i * LANES)
            summed = fma(splat(room[at.radial + i]), weights, summed)
            alive = 1.0 / math.pi if room[at.norms + i] > 0.0 else 0.0
            store(room, place, splat(room[at.outputs + i] * alive) * summed)
            if outputs_too:
                room[at.output_gradient + i] += alive * total(weights * summed)
    for i in range(start, min(stop, mask.shape[0])):
        for k in range(mask.shape[1]):
            if not mask[i, k]:
                room[_entry(at.sums, at.m, i, k)] = 0.0
    squares = splat(0.0)
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            entries = load(room, at.sums + k * at.m + i * LANES)
            squares = fma(entries, entries, squares)
    for i in range(start, stop, LANES):
        entries = load(room, at.output_gradient + i)
        squares = fma(entries, entries, squares)
    room[at.squares + chunk] = total(squares)


@njit(inline="always")
def _share(at, chunk):
    """Return first and last student of the share of a chunk, whole panels."""
    panels = at.m // LANES
    return panels * chunk // at.chunks * LANES, panels * (chunk + 1) // at.chunks * LANES


@njit(inline="always")
def take_step(room, at, chunk, learning_rate, train_output):
    """Keep the iterate in `previous`, subtract `learning_rate` times the gradient, for one chunk's share of students."""
    start, stop = _share(at, chunk)
    rate = splat(learning_rate)
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            place, own = at.weights + k * at.n + i * LANES, k * at.m + i * LANES
            weights = load(room, place)
            store(room, at.previous + own, weights)
            store(room, place, weights - rate * load(room, at.sums + own))
    if train_output:
        for i in range(start, stop):
            room[at.previous_outputs + i] = room[at.outputs + i]
            room[at.outputs + i] -= learning_rate * room[at.output_gradient + i]
    prepare(room, at, start, stop)


@njit(cache=True)
def loss_and_squares(room, at, teacher_energy):
    """Return the loss, and the square of the gradient's norm, from what all chunks have summed."""
    loss, squares = 0.0, 0.0
    for chunk in range(at.chunks):
        loss += room[at.losses + chunk]
        squares += room[at.squares + chunk]
    return teacher_energy + loss / (2.0 * math.pi), squares


@njit(cache=True, nogil=True)
def load_previous(room, at, previous):
    """Put the iterate before into the room, from `previous` ``(m, d + 1)``, outputs last."""
    for i in range(previous.shape[0]):
        for k in range(previous.shape[1] - 1):
            room[_entry(at.previous, at.m, i, k)] = previous[i, k]
        room[at.previous_outputs + i] = previous[i, -1]


@njit(cache=True, nogil=True)
def unload(room, at, X, c, previous):
    """Copy the iterate into ``X = [W; V]`` and ``c = (a, -b)``, the one before into `previous` ``(m, d + 1)``, outputs last."""
    for i in range(previous.shape[0]):
        for k in range(X.shape[1]):
            X[i, k] = room[_entry(at.weights, at.n, i, k)]
            previous[i, k] = room[_entry(at.previous, at.m, i, k)]
        c[i], previous[i, -1] = room[at.outputs + i], room[at.previous_outputs + i]


@njit(cache=True, nogil=True)
def loss_and_gradient(X, c, m, teacher_energy):
    """Return the loss, ``dL/dW`` ``(m, d)`` and ``dL/da`` ``(m,)``; `teacher_energy` is ``b' K(V, V) b``."""
    at = layout(m, X.shape[0] - m, X.shape[1])
    room, nothing = np.zeros(at.size), np.empty((0, 0), dtype=np.bool_)
    load_iterate(room, at, X, c, m)
    for chunk in range(at.chunks):
        sum_chunk(room, at, chunk)
    for chunk in range(at.chunks):
        finish(room, at, chunk, nothing, True)
    gradient, output_gradient = np.empty((m, X.shape[1])), np.empty(m)
    for i in range(m):
        for k in range(X.shape[1]):
            gradient[i, k] = room[_entry(at.sums, at.m, i, k)]
        output_gradient[i] = room[at.output_gradient + i]
    return loss_and_squares(room, at, teacher_energy)[0], gradient, output_gradient
