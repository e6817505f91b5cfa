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

from lmctheory._compiled.angles import sines_and_supplements
from lmctheory._compiled.caching import njit
from lmctheory._compiled.iterate import DEPTH, LEAST, entry, has_tiny, layout, load_iterate, prepare
from lmctheory._compiled.vectors import (
    LANES,
    ROWS,
    add_product,
    count_up,
    fma,
    load,
    magnitude,
    set_product,
    splat,
    store,
    total,
    where_less,
)


@njit(inline="always")
def do_item(room, at, phase, item, mask, learning_rate, train_output, move):
    """Do one item of a phase of ``at.blocks`` phases, after which gradient and loss are there; to `move` take a step before.

    In each phase but the last a block of students meets another, all of them once, as in a tournament, so that items of a phase
    write to different blocks; in the last it meets itself and the teacher, and is finished.
    """
    last = phase == at.blocks - 1
    for turn in range(2 if last and at.blocks > 1 else 1):
        block, other = _partners(at.blocks, 0 if last else phase, item)
        if last:  # the same blocks as in the first phase, where those that are finished here take their step
            block = other = other if turn else block
        if phase == 0:
            for member in range(1 if block == other else 2):
                _start(room, at, other if member else block, learning_rate, train_output, move)
        _meet(room, at, block, other, at.tiles + item * at.height * at.width)
        if last:
            _finish(room, at, block, mask, train_output)


@njit(inline="always")
def _partners(blocks, phase, item):
    """Return two blocks that meet: the last stays in its place, the others move around a circle."""
    circle = max(blocks - 1, 1)
    return (blocks - 1 if item == 0 else (phase + item) % circle), (phase - item) % circle


@njit(inline="always")
def _start(room, at, block, learning_rate, train_output, move):
    """Take a step, if to `move`, and set the sums of a block to zero."""
    if move:
        _take_step(room, at, block, learning_rate, train_output)
    start, stop = _extent(at, block)
    room[at.losses + block] = 0.0
    for i in range(start, stop, LANES):
        store(room, at.radial + i, splat(0.0))
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            store(room, at.gradient + k * at.m + i * LANES, splat(0.0))


@njit(inline="always")
def _extent(at, block):
    """Return first and last student of a block, whole panels."""
    panels = at.m // LANES
    return panels * block // at.blocks * LANES, panels * (block + 1) // at.blocks * LANES


@njit(inline="always")
def _meet(room, at, block, other, tile):
    """Add to both what the pairs of neurons of two blocks give, or of one block with itself and the teacher."""
    top, bottom = _extent(at, block)
    start, end = _extent(at, other)
    loss = 0.0
    for first in range(top, bottom, at.height):
        last = min(first + at.height, bottom)
        below = first if block == other else end
        left = start
        while left < (at.n if block == other else end):
            stop = below if left < below else last if left < last else at.n
            right = min(left + at.width, stop)
            loss += _tile(room, at, tile, first, last, left, right, left < below)
            left = at.m if block == other and right == last else right
    room[at.losses + block] += loss


@njit(inline="always")
def _tile(room, at, tile, first, last, left, right, below):
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
    loss = _angles(room, at, tile, first, last, left, right, below)
    for k in range(0, at.d, LANES):
        panel, scaled = at.gradient + k * at.m, at.scaled + k * at.n
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
def _angles(room, at, tile, first, last, left, right, below):
    """Overwrite cosines by ``pi - p``; add ``mass sin p`` to radial sums, and return the sum of kernels as `_tile` does, once."""
    zero, half, one = splat(0.0), splat(0.5), splat(1.0)
    loss = zero
    for i in range(first, last):
        own = splat(room[at.mass + i])
        row_radial, row_kernel = zero, zero
        row = tile + (i - first) * at.width - left
        for j in range(left, right, LANES):
            cosine = load(room, row + j)
            if j == i // LANES * LANES:  # the angle of a neuron with itself is 0, not 1e-8
                cosine = where_less(magnitude(count_up() - splat(float(i - j))), half, one, cosine)
            sine, supplement, cosine = sines_and_supplements(cosine)
            store(room, row + j, supplement)
            row_radial = fma(load(room, at.mass + j), sine, row_radial)
            row_kernel = fma(load(room, at.shares + j), fma(supplement, cosine, sine), row_kernel)
            if below:
                store(room, at.radial + j, fma(own, sine, load(room, at.radial + j)))
        room[at.radial + i] += total(row_radial)
        loss = fma(own, row_kernel, loss)
    return total(loss)


@njit(inline="always")
def _finish(room, at, block, mask, outputs_too):
    """Turn the sums of one block into gradients, of output weights `outputs_too`, and sum their squares.

    Entries outside `mask` are set to zero, unless it is empty. Gradients of zero neurons are zero.
    """
    start, stop = _extent(at, block)
    for i in range(start, stop, LANES):
        if has_tiny(load(room, at.norms + i)):
            _add_radial_parts(room, at, i)
        store(room, at.radial + i, load(room, at.radial + i) * load(room, at.inverse_norms + i))
        store(room, at.output_gradient + i, splat(0.0))
    squares = splat(0.0)
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            place = at.gradient + k * at.m + i * LANES
            weights = load(room, at.weights + k * at.n + i * LANES)
            summed = fma(splat(room[at.radial + i]), weights, load(room, place))
            entries = splat(room[at.factors + i]) * summed
            store(room, place, entries)
            squares = fma(entries, entries, squares)
            if outputs_too:
                room[at.output_gradient + i] += total(weights * summed) / math.pi
    if mask.shape[0] > 0:
        squares = _keep(room, at, start, stop, mask)
    for i in range(start, stop, LANES):
        entries = load(room, at.output_gradient + i)
        squares = fma(entries, entries, squares)
    room[at.squares + block] = total(squares)


@njit(cache=True)
def _add_radial_parts(room, at, start):
    """Add radial sums times unit rows to the gradients of those of eight neurons whose inverse norms are out of range."""
    for i in range(start, start + LANES):
        if 0.0 < room[at.norms + i] < LEAST:
            for k in range(at.d):
                unit = room[at.units + start * at.d + k * LANES + i - start]
                room[entry(at.gradient, at.m, i, k)] += room[at.radial + i] * unit


@njit(inline="always")
def _keep(room, at, start, stop, mask):
    """Set entries of the gradient outside `mask` to zero; return the sums of the squares left."""
    for i in range(start, min(stop, mask.shape[0])):
        for k in range(mask.shape[1]):
            if not mask[i, k]:
                room[entry(at.gradient, at.m, i, k)] = 0.0
    squares = splat(0.0)
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            entries = load(room, at.gradient + k * at.m + i * LANES)
            squares = fma(entries, entries, squares)
    return squares


@njit(inline="always")
def _take_step(room, at, block, learning_rate, train_output):
    """Subtract `learning_rate` times the gradient."""
    start, stop = _extent(at, block)
    rate = splat(learning_rate)
    for k in range(0, at.d, LANES):
        for i in range(start, stop):
            place = at.weights + k * at.n + i * LANES
            store(room, place, load(room, place) - rate * load(room, at.gradient + k * at.m + i * LANES))
    if train_output:
        for i in range(start, stop):
            room[at.outputs + i] -= learning_rate * room[at.output_gradient + i]
    prepare(room, at, start, stop)


@njit(cache=True)
def loss_and_squares(room, at, teacher_energy):
    """Return the loss, and the square of the gradient's norm, from the sums of all blocks."""
    loss, squares = 0.0, 0.0
    for block in range(at.blocks):
        loss += room[at.losses + block]
        squares += room[at.squares + block]
    return teacher_energy + loss / (2.0 * math.pi), squares


@njit(cache=True, nogil=True)
def loss_and_gradient(X, c, m, teacher_energy):
    """Return the loss, ``dL/dW`` ``(m, d)`` and ``dL/da`` ``(m,)``; `teacher_energy` is ``b' K(V, V) b``."""
    at = layout(m, X.shape[0] - m, X.shape[1])
    room, nothing = np.zeros(at.size), np.empty((0, 0), dtype=np.bool_)
    load_iterate(room, at, X, c, m)
    for phase in range(at.blocks):
        for item in range(at.items):
            do_item(room, at, phase, item, nothing, 0.0, True, False)
    gradient, output_gradient = np.empty((m, X.shape[1])), np.empty(m)
    for i in range(m):
        for k in range(X.shape[1]):
            gradient[i, k] = room[entry(at.gradient, at.m, i, k)]
        output_gradient[i] = room[at.output_gradient + i]
    return loss_and_squares(room, at, teacher_energy)[0], gradient, output_gradient
