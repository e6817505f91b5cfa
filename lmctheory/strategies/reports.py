"""What a failed check says: the case in words and numbers, and code that repeats it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import LmcError
from lmctheory.strategies.cases import Arrays, Case
from lmctheory.strategies.rounding import RTOL, SINGLE_FACTOR, SINGLE_ROUNDOFF, Comparison
from lmctheory.strategies.shrinking import FEW
from lmctheory.strategies.symmetries import Permutation, Rescaling, Rotation

MANY = 20
LIKE_SINGLE = 32 * SINGLE_FACTOR * SINGLE_ROUNDOFF


class BrokenSymmetryError(LmcError, AssertionError):
    """A loss changes under a transformation that it should not notice.

    Attributes
    ----------
    arguments, transformed : tuple
        The arguments with which the loss was called, before and after the transformation.
    before, after : float
        Its values.
    """

    def __init__(self, message: str, arguments: tuple[Any, ...], transformed: tuple[Any, ...], found: Comparison) -> None:
        super().__init__(message)
        self.arguments, self.transformed = arguments, transformed
        self.before, self.after = found.before, found.after


def network_report(symmetry: Permutation | Rescaling | Rotation, case: Case, found: Comparison, seed: int | None) -> str:
    """Say what has been found for a network: in full if it is small, else in code; `seed` if the weights come from one."""
    W, a = case.weights["W"], case.weights["a"]
    size = f"{count(len(a), 'neuron')}, input dimension {W.shape[1]}"
    small = W.size + a.size <= FEW
    lines = [
        _heading(symmetry.title, found),
        f"network:        W = {_numbers(W)}, a = {_numbers(a + 0.0)} ({size})" if small else f"network:        {size}",
        f"transformation: {_transformation(symmetry, case, small)}",
        f"changes:        {listed(_changed(symmetry, case))}",
        *_values(found),
    ]
    if not small:
        weights = _weights_code({"W": W, "a": a}, {"W": "W", "a": "a"}, seed)
        lines += _block(["import numpy as np", *weights, *_network_code(symmetry, case)] if weights is not None else None)
    return "\n".join(lines)


def tree_report(symmetry: Permutation, case: Case, found: Comparison, seed: int | None) -> str:
    """Say what has been found for parameters in a tree, with code that repeats it."""
    moves = {group: _moved(order) for group, order in symmetry.orders(case).items()}
    some = " and ".join(f"{listed(units, 'unit')} of group {group!r}" for group, units in moves.items() if units) or "no unit"
    lines = [_heading(symmetry.title, found), f"changes:        {some}", *_values(found)]
    names = {path: f"arrays[{path!r}]" for path in case.weights}
    weights = _weights_code({k: v for k, v in case.weights.items() if v.dtype.kind == "f"}, names, seed)
    if weights is None:
        return "\n".join([*lines, *_block(None)])
    code = ["import numpy as np", "from lmctheory.strategies import with_arrays", "arrays = {}", *weights]
    code.append("before = with_arrays(params, arrays)")
    for k, group in enumerate(group for group, units in moves.items() if units):
        code += _order_code(order := f"order_{k}" if k else "order", symmetry.orders(case)[group])
        for path, axes in symmetry.labels.items():
            for axis in (axis for axis, label in enumerate(axes) if label == group):
                if case.weights[path].dtype.kind != "f":  # an example's whole numbers are permuted, not drawn
                    code.append(f"{names[path]} = {case.weights[path].tolist()}")
                code.append(f"{names[path]} = np.take({names[path]}, {order}, axis={axis})")
    return "\n".join([*lines, *_block([*code, "after = with_arrays(params, arrays)", "print(loss(before), loss(after))"])])


def listed(indices: list[int], noun: str = "neuron") -> str:
    if len(indices) < 2:
        return f"{noun} {indices[0]}" if indices else f"no {noun}"
    if len(indices) > MANY:
        return f"{len(indices)} {noun}s"
    return f"{noun}s {', '.join(map(str, indices[:-1]))} and {indices[-1]}"


def count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _heading(title: str, found: Comparison) -> str:
    return f"the loss is not invariant under {title}" if found.numbers else "the loss is not a number"


def _values(found: Comparison) -> list[str]:
    lines = [
        f"loss:           {found.before!r} before, {found.after!r} after, {found.difference:.4g} apart",
        f"tolerance:      {found.tolerance:.4g} = atol {found.atol:.4g} + rtol {found.rtol:.4g} times {found.size:.4g}",
    ]
    if found.single:
        lines.append(
            "precision:      single: all values of the loss are float32 numbers"
            + found.half
            * ", even of half precision, which is too coarse for this check: if the loss rounds to it, that may be all"
        )
    elif found.unasked and found.difference <= found.tolerance / RTOL * LIKE_SINGLE:
        lines.append("precision:      double; a loss that computes in single precision should return a float32 number")
    return lines


def _changed(symmetry: Permutation | Rescaling | Rotation, case: Case) -> list[int]:
    """The neurons that a transformation changes."""
    if isinstance(symmetry, Rotation):
        return np.flatnonzero((symmetry.transform(case)["W"] != case.weights["W"]).any(axis=1)).tolist()
    if isinstance(symmetry, Rescaling):
        return np.flatnonzero(case.moves["factors"] != 1).tolist()
    (order,) = symmetry.orders(case).values()
    return _moved(order)


def _transformation(symmetry: Permutation | Rescaling | Rotation, case: Case, small: bool) -> str:
    if isinstance(symmetry, Rotation):
        if small:
            Q = symmetry.transform(case._replace(weights={"W": np.eye(case.weights["W"].shape[1]), "a": None}))["W"].T
            return f"rotation W Q' with Q = {_numbers(Q)}"
        return f"rotation by {count(len(case.moves['normals']), 'reflection')}"
    if isinstance(symmetry, Rescaling):
        factors = case.moves["factors"]
        return f"factors {_numbers(factors)}: W[i] times factor, a[i] divided by it" if small else "factors, see below"
    (order,) = symmetry.orders(case).values()
    return f"permutation {order.tolist()}: new neuron i is old neuron permutation[i]" if small else "permutation, see below"


def _moved(order: IntArray) -> list[int]:
    return np.flatnonzero(order != np.arange(len(order))).tolist()


def _numbers(array: FloatArray) -> str:
    """The entries in full, to be pasted into a test; 0 is not shown as -0."""
    return repr((array + array.dtype.type(0)).tolist())


def _network_code(symmetry: Permutation | Rescaling | Rotation, case: Case) -> list[str]:
    if isinstance(symmetry, Permutation):
        (order,) = symmetry.orders(case).values()
        return [*_order_code("order", order), "print(loss(W, a), loss(W[order], a[order]))"]
    if isinstance(symmetry, Rescaling):
        factors = case.moves["factors"]
        changed = np.flatnonzero(factors != 1)
        values = factors[changed].tolist()
        lines = [f"factors = np.ones({len(factors)})", f"factors[{changed.tolist()}] = {values}"]
        return [*lines, "print(loss(W, a), loss(W * factors[:, None], a / factors))"]
    lines = ["X = W"]
    for normal in case.moves["normals"]:
        free = normal if symmetry.projection is None else symmetry.projection @ normal
        lines += [*(_array_code("v", free) or [f"v = np.array({_numbers(free)})"]), "X = X - 2 * np.outer(X @ v, v) / (v @ v)"]
    return [*lines, "print(loss(W, a), loss(X, a))"]


def _weights_code(weights: Arrays, names: dict[str, str], seed: int | None) -> list[str] | None:
    """Statements that build weights, None if they have too many numbers."""
    if seed is not None:
        lines = [f"rng = np.random.default_rng({seed})"]
        for name, array in weights.items():
            cast = "" if array.dtype == np.float64 else f".astype({array.dtype.name!r})"
            lines.append(f"{names[name]} = rng.normal(size={array.shape}){cast}")
        return lines
    lines = []
    for name, array in weights.items():
        if (statements := _array_code(names[name], array)) is None:
            return None
        lines += statements
    return lines


def _array_code(name: str, array: Any) -> list[str] | None:
    """Statements that build an array, None if it has too many numbers."""
    dtype = "" if array.dtype == np.float64 else f", dtype={array.dtype.name!r}"
    if array.size <= FEW:
        return [f"{name} = np.array({_numbers(array)}{dtype})"]
    if array.size > 1 and (array == array.flat[0]).all():
        return [f"{name} = np.full({array.shape}, {array.flat[0].item()!r}{dtype})"]
    places = np.nonzero(array)
    if len(places[0]) > FEW:
        return None
    index = ", ".join(str(axis.tolist()) for axis in places)
    return [f"{name} = np.zeros({array.shape}{dtype})", f"{name}[{index}] = {array[places].tolist()}"]


def _order_code(name: str, order: IntArray) -> list[str]:
    places = _moved(order)
    return [f"{name} = np.arange({len(order)})", f"{name}[{places}] = {order[places].tolist()}"]


def _block(lines: list[str] | None) -> list[str]:
    if lines is None:
        return ["reproduce:      with `arguments` and `transformed` of this exception, which are too large to be shown"]
    return ["reproduce:", *(f"    {line}" for line in lines)]
