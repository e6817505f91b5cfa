"""Parameters of a model: arrays of NumPy, JAX or PyTorch in dictionaries, lists, tuples and dataclasses, by path."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.errors import InvalidInputError
from lmctheory.strategies.cases import Arrays

DRAWN = ("float32", "float64")


def arrays_of(params: Any) -> Arrays:
    """Return the arrays in `params` as they are, by path: keys, positions and names of fields, joined by ``/``."""
    found: Arrays = {}

    def collect(path: str, leaf: Any) -> Any:
        if is_array(leaf):
            if path in found:
                raise InvalidInputError(f"params must have one array a path, got two at {path!r}")
            found[path] = leaf
        elif path and _holds_others(leaf):
            hint = "; pass its state_dict()" if hasattr(leaf, "state_dict") else ""
            raise InvalidInputError(
                "params must hold arrays in dictionaries, lists, tuples or dataclasses, "
                f"got a {type(leaf).__name__} at {path!r}, whose arrays would not be drawn{hint}"
            )
        return leaf

    _rebuilt(params, collect, "")
    return found


def with_arrays(params: Any, arrays: Mapping[str, Any]) -> Any:
    """Return `params` with other arrays, each of the library, type and device of the one that it replaces.

    Parameters
    ----------
    params : pytree
        Arrays of NumPy, JAX or PyTorch in dictionaries, lists, tuples, named tuples and dataclasses. It stays as it is.
    arrays : mapping of str to array_like
        New arrays by path, such as ``layers/0/W``. Arrays that are not named are copied.

    Raises
    ------
    InvalidInputError
        If there is no array at a path, or it has another shape.

    Examples
    --------
    >>> with_arrays({"layers": [{"W": np.zeros(2), "b": np.ones(1)}]}, {"layers/0/W": [1, 2]})
    {'layers': [{'W': array([1., 2.]), 'b': array([1.])}]}
    """
    leaves = arrays_of(params)
    for path, array in arrays.items():
        if path not in leaves:
            raise InvalidInputError(f"params has no array at {path!r}; its arrays are {', '.join(map(repr, leaves))}")
        if np.shape(array) != tuple(leaves[path].shape):
            raise InvalidInputError(f"{path!r} must have shape {tuple(leaves[path].shape)}, got {np.shape(array)}")

    def replace(path: str, leaf: Any) -> Any:
        if not is_array(leaf):
            return leaf
        return _like(leaf, np.asarray(arrays[path]) if path in arrays else to_numpy(leaf))

    return _rebuilt(params, replace, "")


def dtype_name(leaf: Any) -> str:
    return str(leaf.dtype).removeprefix("torch.")


def is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) or _of(leaf, "torch", "Tensor") or _of(leaf, "jax", "Array")


def to_numpy(leaf: Any) -> Any:
    return np.array(leaf.detach().cpu().numpy() if _of(leaf, "torch", "Tensor") else leaf)


def _like(leaf: Any, array: Any) -> Any:
    """Return a new array of the library, dtype and device of `leaf`."""
    if _of(leaf, "torch", "Tensor"):
        torch = sys.modules["torch"]
        tensor = torch.tensor(array, dtype=leaf.dtype, device=leaf.device)
        return tensor.requires_grad_(leaf.requires_grad)
    if _of(leaf, "jax", "Array"):
        return sys.modules["jax"].numpy.array(array, dtype=leaf.dtype)
    return np.array(array, dtype=leaf.dtype)


def _holds_others(leaf: Any) -> bool:
    """Whether a leaf holds arrays of its own: a module of PyTorch, or a node of another kind that is registered with JAX."""
    jax = sys.modules.get("jax")
    is_node = jax is not None and leaf is not None and not jax.tree_util.all_leaves([leaf])
    return is_node or _of(leaf, "torch.nn", "Module")


def _of(leaf: Any, module: str, name: str) -> bool:
    """Whether `leaf` is of a class of a library; without the library there are no such objects."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(leaf, kind)


def _rebuilt(tree: Any, replace: Callable[[str, Any], Any], path: str) -> Any:
    """Return a copy of `tree` with ``replace(path, leaf)`` in the place of each leaf."""

    def part(key: Any, value: Any) -> Any:
        return _rebuilt(value, replace, f"{path}/{key}" if path else str(key))

    if isinstance(tree, Mapping):
        parts = {key: part(key, value) for key, value in tree.items()}
        if not isinstance(tree, MutableMapping):
            return type(tree)(parts)  # type: ignore[call-arg]  # frozen dictionaries take one
        mutable = copy.copy(tree)
        for key, value in parts.items():
            mutable[key] = value
        return mutable
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(part(name, value) for name, value in zip(tree._fields, tree, strict=True)))
    if isinstance(tree, (list, tuple)):
        return type(tree)(part(k, value) for k, value in enumerate(tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        twin = copy.copy(tree)
        for field in dataclasses.fields(tree):
            object.__setattr__(twin, field.name, part(field.name, getattr(tree, field.name)))  # frozen ones, too
        return twin
    return replace(path, tree)


def grouped_axes(leaves: Arrays, axes: Any) -> dict[str, tuple[str | None, ...]]:
    """Return the names of the axes of each array, checked: each name must stand for a group of units that can be permuted."""
    if not isinstance(axes, Mapping):
        raise InvalidInputError(f"axes must map paths of params to names of their axes, got {_checks.describe(axes)}")
    found: dict[str, tuple[str | None, ...]] = {path: (None,) * len(leaf.shape) for path, leaf in leaves.items()}
    places: dict[str, list[tuple[str, int, int]]] = {}
    for path, names in axes.items():
        if path not in leaves:
            _checks.choice("a path in axes", path, leaves)
        shape = tuple(leaves[path].shape)
        example = f"one name or None for each of the {len(shape)} axes"
        if not isinstance(names, (tuple, list)) or not all(name is None or isinstance(name, str) for name in names):
            raise InvalidInputError(f"axes[{path!r}] must be a tuple of names, {example}, got {_checks.describe(names)}")
        if len(names) != len(shape):
            raise InvalidInputError(f"axes[{path!r}] must have {example} of an array of shape {shape}, got {tuple(names)!r}")
        found[path] = tuple(names)
        for k, name in enumerate(names):
            if name is not None:
                places.setdefault(name, []).append((path, k, shape[k]))
    if not places:
        raise InvalidInputError("axes must name at least one group of units, got none: nothing would be permuted")
    for name, where in places.items():
        texts = [f"axis {k} of {path!r} (length {n})" for path, k, n in where]
        if len({n for _, _, n in where}) > 1:
            raise InvalidInputError(f"axes of one name must have one length, got for {name!r}: {', '.join(texts)}")
        if len(where) == 1:
            raise InvalidInputError(
                f"the name {name!r} in axes must stand for two axes or more, got {texts[0]} alone: "
                "units that are renumbered in one place only are another network"
            )
        if where[0][2] < 2:
            raise InvalidInputError(f"the group {name!r} in axes must have two units or more, got {', '.join(texts)}")
    return found


def drawn_arrays(params: Any) -> Arrays:
    """Return the arrays of `params` in NumPy, by path, and refuse those that no check can use."""
    leaves = arrays_of(params)
    if not leaves:
        hint = "; of a module of PyTorch, pass its state_dict()" if hasattr(params, "state_dict") else ""
        raise InvalidInputError(
            f"params must hold arrays of NumPy, JAX or PyTorch, in dictionaries, lists, tuples or dataclasses, "
            f"got {_checks.describe(params)}{hint}"
        )
    for path, leaf in leaves.items():
        if dtype_name(leaf) not in DRAWN and not dtype_name(leaf).startswith(("int", "uint", "bool")):
            raise InvalidInputError(f"params must be in single or double precision, got {dtype_name(leaf)} at {path!r}")
    if not any(dtype_name(leaf) in DRAWN for leaf in leaves.values()):
        raise InvalidInputError("params must hold an array of real numbers, got whole numbers only")
    return {path: to_numpy(leaf) for path, leaf in leaves.items()}
