"""Enclosures of the population loss, its gradient and its Hessian for weights that are balls; Gaussian inputs.

With ``X = [W; V]`` and ``c = (a, -b)`` the loss is ``c' K(X, X) c``. All closed forms are in terms of ``g = |u|^2``,
``h = |v|^2``, ``u . v`` and ``S = |u||v| sin p``, p the angle between u and v:

    K = (S + (pi - p) u.v) / (2 pi)
    dK/du = (S u/g + (pi - p) v) / (2 pi)
    d^2 K / du du' = S / (2 pi g) * (I - u^ u^' + n n')
    d^2 K / du dv' = ((pi - p) I + u^ s' + s u^' + S u.v / (g h) * (u^ u^' - n n')) / (2 pi)

where ``n`` is the unit vector orthogonal to u on the side of v and ``s = sin(p)^2 n``. S vanishes where u and v are collinear,
and whatever direction n may then have is multiplied by it. For thin balls ``S^2`` is a Gram determinant, exact at sufficient
precision; for wide ones it is ``sum_{k<l} (u_k v_l - u_l v_k)^2``, in which nothing cancels.

A neuron that is exactly zero has gradient 0 and a zero Hessian block, as everywhere in this package. Where a box merely
contains a zero neuron, the loss and the gradient stay bounded (any relu'(0) in [0, 1] is enclosed), and Hessian blocks are not.

Working precision is that of ``flint.ctx``.
"""

from __future__ import annotations

from functools import cached_property

from flint import arb_mat

from lmctheory.certificates.balls import Row, Rows, arb, between, dot, root, total


def loss_enclosure(W: Rows, a: Row, V: Rows, b: Row) -> arb:
    """Return a ball that contains the loss of every student (W, a) in the box, for every teacher (V, b) in its box."""
    stack = Stack(W, a, V, b)
    n = len(stack.c)
    own = total(c * c * square for c, square in zip(stack.c, stack.squares, strict=True)) / 2
    cross = total(stack.c[i] * stack.c[j] * stack.pair(i, j).kernel for i in range(n) for j in range(i))
    return own + 2 * cross


def gradient_enclosure(W: Rows, a: Row, V: Rows, b: Row) -> arb_mat:
    """Return a matrix ``(m, d)`` of balls that contains ``dL/dW`` everywhere in the box."""
    stack = Stack(W, a, V, b)
    return arb_mat([stack.gradient_row(i) for i in range(len(W))])


def output_gradient_enclosure(W: Rows, a: Row, V: Rows, b: Row) -> arb_mat:
    """Return a matrix ``(m, 1)`` of balls that contains ``dL/da_i = 2 sum_j c_j K(w_i, x_j)`` everywhere in the box."""
    stack = Stack(W, a, V, b)
    n = len(stack.c)
    rows = [
        total(stack.c[j] * (stack.pair(i, j).kernel if j != i else stack.squares[i] / 2) for j in range(n)) for i in range(len(W))
    ]
    return arb_mat([[2 * row] for row in rows])


def hessian_enclosure(W: Rows, a: Row, V: Rows, b: Row) -> arb_mat:
    """Return a matrix ``(m d, m d)`` of balls that contains the Hessian with respect to W, row-major, everywhere in the box."""
    stack = Stack(W, a, V, b)
    m, d = len(W), len(W[0])
    blocks = [[[[arb(0)] * d for _ in range(d)] for _ in range(m)] for _ in range(m)]
    for i in range(m):
        if stack.is_zero(i):
            continue
        own = [[stack.c[i] * stack.c[i] * (k == q) for q in range(d)] for k in range(d)]
        for j in range(len(stack.c)):
            if j == i or stack.is_zero(j):
                continue
            weight = 2 * stack.c[i] * stack.c[j]
            curvature = stack.pair(i, j).curvature()
            own = [[x + weight * y for x, y in zip(*rows, strict=True)] for rows in zip(own, curvature, strict=True)]
            if j < i:
                mixed = stack.pair(i, j).mixed()
                blocks[i][j] = [[weight * x for x in row] for row in mixed]
                blocks[j][i] = [list(column) for column in zip(*blocks[i][j], strict=True)]
        blocks[i][i] = own
    return arb_mat([[blocks[i][j][k][q] for j in range(m) for q in range(d)] for i in range(m) for k in range(d)])


class Stack:
    """Student over teacher: rows ``X = [W; V]``, signed output weights ``c = (a, -b)``, Gram matrix, and pairs of rows."""

    def __init__(self, W: Rows, a: Row, V: Rows, b: Row) -> None:
        self.rows = [*W, *V]
        self.c = [*a, *(-weight for weight in b)]
        self.squares = [dot(row, row) for row in self.rows]
        matrix = arb_mat([list(row) for row in self.rows])
        self._gram = (matrix * matrix.transpose()).tolist()
        self._is_thin = all(entry.is_exact() for row in self.rows for entry in row)
        self._pairs: dict[tuple[int, int], Pair] = {}

    def is_zero(self, i: int) -> bool:
        """Whether row i is exactly zero."""
        return bool(self.squares[i] == 0)

    def pair(self, i: int, j: int) -> Pair:
        """Return rows i and j with what their kernel depends on."""
        if (i, j) not in self._pairs:
            u, v, g, h, product = self.rows[i], self.rows[j], self.squares[i], self.squares[j], self._gram[i][j]
            if self._is_thin:
                square = g * h - product * product
            else:
                minors = [u[k] * v[q] - u[q] * v[k] for k in range(len(u)) for q in range(k)]
                square = dot(minors, minors)
            self._pairs[i, j] = Pair(u, v, g, h, product, root(square))
        return self._pairs[i, j]

    def gradient_row(self, i: int) -> list[arb]:
        """Return ``dL/dw_i = 2 c_i sum_j c_j grad_u K(w_i, x_j)``."""
        row = [self.c[i] * self.c[i] * x for x in self.rows[i]]
        if self.is_zero(i):
            return row
        for j in range(len(self.c)):
            if j != i and not self.is_zero(j):
                weight = 2 * self.c[i] * self.c[j]
                row = [x + weight * y for x, y in zip(row, self.pair(i, j).slope(), strict=True)]
        return row


class Pair:
    """Two rows u and v: squared norms g and h, inner product, and ``area = |u||v| sin p``."""

    def __init__(self, u: Row, v: Row, g: arb, h: arb, product: arb, area: arb) -> None:
        self.u, self.v, self.g, self.h, self.product, self.area = u, v, g, h, product, area

    @cached_property
    def supplement(self) -> arb:
        """The angle ``pi - p``, between u and -v."""
        product, area = self.product, self.area
        if product > 0:
            return arb.pi() - (area / product).atan()
        if product < 0:
            return (area / -product).atan()
        return arb.pi() / 2 + (product / area).atan() if area > 0 else between(0, arb.pi())

    @cached_property
    def kernel(self) -> arb:
        """``K(u, v)``."""
        return (self.area + self.supplement * self.product) / (2 * arb.pi())

    def slope(self) -> list[arb]:
        """Return ``dK/du``."""
        anything = [_symmetric(root(self.h))] * len(self.u)  # |v| sin p times a unit vector
        radial = [self.area / self.g * x for x in self.u] if self.g > 0 else anything
        return [(x + self.supplement * y) / (2 * arb.pi()) for x, y in zip(radial, self.v, strict=True)]

    def curvature(self) -> list[list[arb]]:
        """Return ``d^2 K / du du'``."""
        scale = self.area / (2 * arb.pi() * self.g) if self.g > 0 else arb(0, arb.pos_inf())
        d = len(self.u)
        return [[scale * ((k == q) - self._along[k][q] + self._across[k][q]) for q in range(d)] for k in range(d)]

    def mixed(self) -> list[list[arb]]:
        """Return ``d^2 K / du dv'``."""
        if not (self.g > 0 and self.h > 0):
            return [[_symmetric(arb(1))] * len(self.u) for _ in self.u]
        d, norm_u, norm_v = len(self.u), root(self.g), root(self.h)
        sine = self.area / (norm_u * norm_v)
        bend = sine * self.product / (norm_u * norm_v)
        unit = [x / norm_u for x in self.u]
        side = [sine * x / norm_v for x in self._perpendicular]
        return [
            [
                (
                    (k == q) * self.supplement
                    + unit[k] * side[q]
                    + side[k] * unit[q]
                    + bend * (self._along[k][q] - self._across[k][q])
                )
                / (2 * arb.pi())
                for q in range(d)
            ]
            for k in range(d)
        ]

    @cached_property
    def _perpendicular(self) -> list[arb]:
        """The part of v that is orthogonal to u; its norm is ``area / |u|``."""
        ratio = self.product / self.g
        return [y - ratio * x for x, y in zip(self.u, self.v, strict=True)]

    @cached_property
    def _along(self) -> list[list[arb]]:
        """The projection on u, ``u^ u^'``."""
        return _projection(self.u, self.g)

    @cached_property
    def _across(self) -> list[list[arb]]:
        """The projection ``n n'`` on the part of v that is orthogonal to u; 0 where there is none."""
        if self.g > 0:
            return _projection(self._perpendicular, self.area * self.area / self.g)
        return _projection(self.v, arb(0, arb.pos_inf()))


def _projection(x: Row, square: arb) -> list[list[arb]]:
    """Return an enclosure of ``x x' / |x|^2``, or of any such projection where the ball `square` of ``|x|^2`` reaches 0."""
    d = len(x)
    if square > 0:
        return [[x[k] * x[q] / square for q in range(d)] for k in range(d)]
    half = _symmetric(arb(1) / 2)
    return [[between(0, 1) if k == q else half for q in range(d)] for k in range(d)]


def _symmetric(bound: arb) -> arb:
    """Return the ball of all numbers of absolute value at most `bound`."""
    return arb(0, bound.abs_upper())
