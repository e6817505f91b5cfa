"""Population loss and gradient for Gaussian inputs, tile by tile.

Student and teacher are stacked: ``X = [W; V]`` with signed output weights ``c = (a, -b)``. Then ``L = c' K(X, X) c`` and, with
p_ij the angle of neurons i and j,

    dL/dw_i = (c_i / pi) h_i,    h_i = w_i / |w_i| sum_j c_j |x_j| sin p_ij + sum_j (pi - p_ij) c_j x_j
    dL/da_i = w_i . h_i / pi

A tile of pairs is taken from cosines to its share of the gradient while it stays in the first-level cache: a product of unit
rows, one elementwise pass, a product with the rows ``c_j x_j``; tiles below the diagonal serve their rows and their columns.
The `room` holds the iterate and all that is computed from it, laid out by `at`; see `iterate`.
"""

import math

import numpy as np
from numba import njit

from lmctheory._compiled.angles import COEFFICIENTS
from lmctheory._compiled.iterate import DEPTH, entry, layout, load_iterate, prepare
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
    where_less,
)


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
                room[entry(at.sums, at.m, i, k)] = 0.0
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
            gradient[i, k] = room[entry(at.sums, at.m, i, k)]
        output_gradient[i] = room[at.output_gradient + i]
    return loss_and_squares(room, at, teacher_energy)[0], gradient, output_gradient
