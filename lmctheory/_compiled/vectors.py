"""Eight numbers at a time: explicit vectors, and products of small matrices that are accumulated in registers.

The compiler's own vectoriser neither keeps the accumulators of a matrix product in registers nor takes rows of a few neurons;
here both are said outright. Buffers are flat arrays and places in them offsets, unchecked. Where compilation is switched off,
vectors are NumPy arrays of eight numbers.
"""

import operator
from functools import partial

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

LANES = 8
ROWS = 8 if llvm.get_host_cpu_features().get("avx512f") else 4  # of a product in registers: one accumulator each, or two halves

_DOUBLE, _INTEGER, _INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_LANES = ir.VectorType(_DOUBLE, LANES)


class Vector(types.Type):
    def __init__(self):
        super().__init__(name="Vector")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _LANES)


VECTOR, BUFFER, PLACE = Vector(), types.Array(types.float64, 1, "C"), types.int64


def compiled_as(function, result, *arguments):
    """Let the decorated ``build(builder, *values)`` write the code of `function` for these types; arrays come as pointers."""

    def decorate(build):
        @infer_global(function)
        class Typing(AbstractTemplate):
            def generic(self, given, keywords):
                fits = len(given) == len(arguments) and (VECTOR in given) == (VECTOR in arguments)
                kinds = [got if kind is types.UniTuple else kind for got, kind in zip(given, arguments, strict=fits)]
                return signature(result, *kinds) if fits else None

        @lower_builtin(function, *arguments)
        def lower(context, builder, found, values):
            pairs = zip(found.args, values, strict=True)
            values = [
                context.make_array(t)(context, builder, value).data if isinstance(t, types.Array) else value for t, value in pairs
            ]
            made = build(builder, *values)
            return context.get_dummy_value() if result == types.void else made

        return build

    return decorate


def _call(builder, name, *values):
    """Call an intrinsic of the compiler, on numbers or on vectors."""
    kind = values[0].type
    suffix = f"v{LANES}f64" if kind == _LANES else "f64"
    function = get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(values)), f"llvm.{name}.{suffix}")
    return builder.call(function, values)


def _place(builder, buffer, offset):
    return builder.bitcast(builder.gep(buffer, [offset]), _LANES.as_pointer())


def load(buffer, offset):
    """Return the eight numbers from `offset` on."""
    return buffer[offset : offset + LANES].copy()


@compiled_as(load, VECTOR, BUFFER, PLACE)
def _load(builder, buffer, offset):
    return builder.load(_place(builder, buffer, offset), align=8)


def store(buffer, offset, vector):
    """Write the eight numbers from `offset` on."""
    buffer[offset : offset + LANES] = vector


@compiled_as(store, types.void, BUFFER, PLACE, VECTOR)
def _store(builder, buffer, offset, vector):
    builder.store(vector, _place(builder, buffer, offset), align=8)


def splat(number):
    """Return the number eight times."""
    return np.full(LANES, number)


@compiled_as(splat, VECTOR, types.float64)
def _splat(builder, number):
    undefined = ir.Constant(_LANES, ir.Undefined)
    first = builder.insert_element(undefined, number, _INDEX(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


def fma(a, b, c):
    """Return ``a b + c``, rounded once where the processor can."""
    return a * b + c


@compiled_as(fma, VECTOR, VECTOR, VECTOR, VECTOR)
def _fma(builder, a, b, c):
    return _call(builder, "fmuladd", a, b, c)


def polynomial(t, coefficients):
    """Return the value at t, a number or a vector, of the polynomial with these coefficients, the highest power first."""
    if isinstance(t, np.ndarray):  # where compilation is off, two calls instead of forty
        return np.vander(t, len(coefficients)) @ coefficients
    even, odd = coefficients[-1::-2][::-1], coefficients[-2::-2][::-1]  # two chains half as long, side by side
    return _horner(t * t, even) + t * _horner(t * t, odd)


def _horner(t, coefficients):
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * t + coefficient
    return value


def _polynomial(builder, t, coefficients):
    numbers = [builder.extract_value(coefficients, k) for k in range(coefficients.type.count)]
    numbers = [_splat(builder, number) if t.type == _LANES else number for number in numbers]
    square = builder.fmul(t, t)

    def chain(value, *others):
        for other in others:
            value = _call(builder, "fmuladd", value, square, other)
        return value

    return _call(builder, "fmuladd", chain(*numbers[-2::-2][::-1]), t, chain(*numbers[::-2][::-1]))


for _kind in (VECTOR, types.float64):
    compiled_as(polynomial, _kind, _kind, types.UniTuple)(_polynomial)


def root(vector):
    """Return the square roots."""
    return np.sqrt(vector)


@compiled_as(root, VECTOR, VECTOR)
def _root(builder, vector):
    return _call(builder, "sqrt", vector)


def magnitude(vector):
    """Return the absolute values."""
    return np.abs(vector)


@compiled_as(magnitude, VECTOR, VECTOR)
def _magnitude(builder, vector):
    return _call(builder, "fabs", vector)


def where_less(a, b, then, otherwise):
    """Return, number by number, `then` where ``a < b``, else `otherwise`, also where a or b is NaN."""
    return np.where(a < b, then, otherwise)


@compiled_as(where_less, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR)
def _where_less(builder, a, b, then, otherwise):
    return builder.select(builder.fcmp_ordered("<", a, b), then, otherwise)


def count_up():
    """Return 0, 1, ..., 7."""
    return np.arange(float(LANES))


@compiled_as(count_up, VECTOR)
def _count_up(builder):
    return ir.Constant(_LANES, [float(k) for k in range(LANES)])


def total(vector):
    """Return the sum of the eight numbers, halves first: ``((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7))``."""
    quarters = vector[:4] + vector[4:]
    return (quarters[0] + quarters[2]) + (quarters[1] + quarters[3])


@compiled_as(total, types.float64, VECTOR)
def _total(builder, vector):
    half = LANES // 2
    while half:
        lanes = ir.Constant(ir.VectorType(_INDEX, LANES), [(k + half) % LANES for k in range(LANES)])
        vector = builder.fadd(vector, builder.shuffle_vector(vector, vector, lanes))
        half //= 2
    return builder.extract_element(vector, _INDEX(0))


_OPERATORS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}


def _compile_operator(function, instruction):
    @compiled_as(function, VECTOR, VECTOR, VECTOR)
    def _operate(builder, a, b):
        return getattr(builder, instruction)(a, b)


for _function, _instruction in _OPERATORS.items():
    _compile_operator(_function, _instruction)


def transpose(buffer, place, out, out_place):
    """Write the transpose of the eight by eight numbers from `place` on."""
    out[out_place : out_place + LANES * LANES] = buffer[place : place + LANES * LANES].reshape(LANES, LANES).T.ravel()


@compiled_as(transpose, types.void, BUFFER, PLACE, BUFFER, PLACE)
def _transpose(builder, buffer, place, out, out_place):
    def row(buffer, start, r):
        return _place(builder, buffer, builder.add(start, _INTEGER(r * LANES)))

    rows = [builder.load(row(buffer, place, r), align=8) for r in range(LANES)]
    distance = LANES // 2
    while distance:  # exchange blocks off the diagonal, of half the size each time
        exchanged = list(rows)
        for r in range(LANES):
            lanes = [(LANES if (lane ^ r) & distance else 0) + (lane ^ (lane ^ r) & distance) for lane in range(LANES)]
            chosen = ir.Constant(ir.VectorType(_INDEX, LANES), lanes)
            exchanged[r] = builder.shuffle_vector(rows[r], rows[r ^ distance], chosen)
        rows, distance = exchanged, distance // 2
    for r in range(LANES):
        builder.store(rows[r], row(out, out_place, r), align=8)


def set_product(out, place, row, left, left_place, left_row, left_step, right, right_place, depth):
    """Write `ROWS` rows of eight numbers: ``out[r] = sum_s left[r, s] right[s]``, s in order, `depth` of them, at least one.

    Row r of `out` starts at ``place + r row``; ``left[r, s]`` is the number at ``left_place + r left_row + s left_step``. Rows of
    `right` follow each other without a gap from `right_place` on.
    """
    out[place + np.arange(ROWS)[:, None] * row + np.arange(LANES)] = 0.0
    add_product(out, place, row, left, left_place, left_row, left_step, right, right_place, depth)


def add_product(out, place, row, left, left_place, left_row, left_step, right, right_place, depth):
    """Add the sum to what is there."""
    rows, steps = np.arange(ROWS)[:, None], np.arange(depth)
    block = left[left_place + rows * left_row + steps * left_step]
    factor = right[right_place : right_place + depth * LANES].reshape(depth, LANES)
    out[place + rows * row + np.arange(LANES)] += block @ factor


def _product(builder, out, place, row, left, left_place, left_row, left_step, right, right_place, depth, *, add):
    def rows_from(start, step):
        return [builder.add(start, builder.mul(step, _INTEGER(r))) for r in range(ROWS)]

    places = [_place(builder, out, offset) for offset in rows_from(place, row)]
    zero = ir.Constant(_LANES, None)
    offsets = rows_from(left_place, left_row)
    before, loop, after = builder.block, builder.append_basic_block("step"), builder.append_basic_block("end")
    builder.branch(loop)
    builder.position_at_end(loop)
    s = builder.phi(_INTEGER)
    sums = [builder.phi(_LANES) for _ in range(ROWS)]
    moved = builder.gep(left, [builder.mul(s, left_step)])
    factor = builder.load(_place(builder, right, builder.add(right_place, builder.mul(s, _INTEGER(LANES)))), align=8)
    added = [
        _call(builder, "fmuladd", _splat(builder, builder.load(builder.gep(moved, [offset]))), factor, summed)
        for offset, summed in zip(offsets, sums, strict=True)
    ]
    following = builder.add(s, _INTEGER(1))
    for phi, first, later in zip([s, *sums], [_INTEGER(0), *[zero] * ROWS], [following, *added], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
    builder.position_at_end(after)
    for pointer, value in zip(places, added, strict=True):
        builder.store(builder.fadd(builder.load(pointer, align=8), value) if add else value, pointer, align=8)


for _product_function, _adds in ((set_product, False), (add_product, True)):
    compiled_as(_product_function, types.void, BUFFER, PLACE, PLACE, BUFFER, PLACE, PLACE, PLACE, BUFFER, PLACE, PLACE)(
        partial(_product, add=_adds)
    )
