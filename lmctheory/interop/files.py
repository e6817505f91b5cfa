"""Networks in files of named weights: safetensors and NumPy archives."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lmctheory import _checks
from lmctheory._archives import ZIP, Arrays, file_content, file_path, is_safetensors, npz_arrays, unreadable, without_counters
from lmctheory._files import atomic_file
from lmctheory.errors import InvalidInputError
from lmctheory.interop.extras import needs
from lmctheory.networks import LayeredNet, Network, TwoLayerNet

Names: TypeAlias = Sequence[str | tuple[str, str | None]]

SAFETENSORS, NPZ = ".safetensors", ".npz"
EXPECTED = {SAFETENSORS: "a .safetensors file", NPZ: "an .npz archive of named arrays"}  # by what the name promises
PARAMETER = re.compile(r"(?:(?P<layer>.*)\.)?(?P<kind>weight|bias)")  # of a torch state dict
OURS = re.compile(r"(?P<kind>weight|bias)_(?P<layer>\d+)")  # of LayeredNet.save


def load_network(path: str | os.PathLike[str], names: Names | None = None, skip: Sequence[str] = ()) -> Network:
    """Read a network from a file of named weights, of whatever library.

    Parameters
    ----------
    path : path
        A safetensors file or a NumPy ``.npz`` archive: the content decides, whatever the name ends in. Weights are matrices with
        one neuron a row, of any real type of NumPy.
    names : sequence, optional
        The layers from the input on: a string ``"fc1"`` stands for ``fc1.weight`` and, if there is one, ``fc1.bias``; a pair
        holds the names of weight and bias themselves, the latter None for a layer without. Without `names` these are recognised:

        - ``0.weight, 0.bias, 2.weight, ...``, the state dict of a ``torch.nn.Sequential``, also with a prefix, or ``fc1.weight``
          and the like: names of layers that differ in one number, which orders them;
        - ``weight_0, bias_0, ...``, as `LayeredNet.save` writes;
        - ``W`` and ``a``, as `TwoLayerNet.save` writes.
    skip : sequence of str, optional
        Names of arrays that are no part of the network, such as a learning rate; the file may lack them. Single integers, such
        as ``n_averaged``, ``epoch`` or ``step``, are left out unasked.

    Returns
    -------
    TwoLayerNet or LayeredNet
        A `TwoLayerNet` from ``W`` and ``a``, else a `LayeredNet`; between layers there is ReLU, whatever the network had.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidInputError
        If the file is damaged or of another kind, `names` and `skip` do not account for all its arrays, the names are not
        recognised, or shapes do not fit each other.
    MissingDependencyError
        For ``.safetensors`` without the package of that name.

    Notes
    -----
    A file of weights does not tell the activations. Convolutional networks are out of scope. Files of ``torch.save`` and other
    pickles hold programs and are not read: write ``safetensors.torch.save_file(module.state_dict(), path)``.

    Examples
    --------
    >>> import tempfile, lmctheory as lmc
    >>> net = lmc.LayeredNet([[[1.0, 2.0]], [[3.0]]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lmc.save_network(net, f"{folder}/net.npz")
    ...     lmc.load_network(f"{folder}/net.npz")
    LayeredNet(widths=(1,), input_dim=2, output_dim=1)
    """
    path = file_path(path)
    if isinstance(skip, str) or not isinstance(skip, Iterable):
        raise InvalidInputError(f"skip must be a sequence of names of arrays, got {skip!r}")
    left_out = frozenset(skip)
    arrays = {name: array for name, array in without_counters(_read(path)).items() if name not in left_out}
    if names is not None:
        pairs = _named(arrays, names)
    elif set(arrays) == {"W", "a"}:
        return TwoLayerNet(arrays["W"], arrays["a"])
    else:
        pairs = _recognised(arrays)
    used = {name for pair in pairs for name in pair if name is not None}
    if set(arrays) - used:
        raise InvalidInputError(
            f"names must account for every array, got {', '.join(sorted(set(arrays) - used))} left over: only linear layers "
            "with ReLU between are supported; what is no part of the network must be named in skip"
        )
    for name in used:
        if arrays[name].ndim > 2:
            raise InvalidInputError(
                f"{name} must be a matrix or a vector, got shape {arrays[name].shape}: convolutional networks are out of scope"
            )
    if len(pairs) < 2:
        raise InvalidInputError(f"path must name a network with a hidden layer, got one layer, {pairs[0][0]}")
    try:
        weights = [_checks.real_array(weight, arrays[weight], 2) for weight, _ in pairs]
        biases = [
            np.zeros(len(W)) if bias is None else _checks.real_array(bias, arrays[bias], 1)
            for W, (_, bias) in zip(weights, pairs, strict=True)
        ]
        return LayeredNet(weights, biases)
    except InvalidInputError as error:
        if str(error).startswith(("weights[", "biases[")):
            layers = ", ".join(f"{weight} {arrays[weight].shape}" for weight, _ in pairs)
            raise InvalidInputError(f"{error} (layers in order: {layers})") from None
        raise


def save_network(net: Network, path: str | os.PathLike[str]) -> None:
    """Write the network to a ``.safetensors`` or ``.npz`` file, atomically.

    Parameters
    ----------
    net : LayeredNet or TwoLayerNet
    path : path
        Ends in ``.npz``, in capitals or not: what the network's own `save` writes. Ends in ``.safetensors``: a `LayeredNet` under
        the names of the state dict of `to_torch`, ``0.weight, 0.bias, 2.weight, ...``; a `TwoLayerNet` as ``W`` and ``a``.

    Raises
    ------
    InvalidInputError
        If `net` is not a network, or `path` ends otherwise.
    MissingDependencyError
        For ``.safetensors`` without the package of that name.
    """
    if not isinstance(net, LayeredNet):
        _checks.instance("net", net, TwoLayerNet)
    ending = file_path(path).suffix.lower()
    if ending == NPZ:
        net.save(path)
        return
    if ending != SAFETENSORS:
        raise InvalidInputError(f"path must end in {SAFETENSORS} or {NPZ}, got {os.fspath(path)!r}")
    _require_safetensors()
    from safetensors.numpy import save

    if isinstance(net, TwoLayerNet):
        arrays: Arrays = {"W": net.W, "a": net.a}
    else:
        arrays = {f"{2 * k}.weight": W for k, W in enumerate(net.weights)}
        arrays |= {f"{2 * k}.bias": b for k, b in enumerate(net.biases)}
    with atomic_file(path) as file:
        file.write(save(arrays))


def _read(path: Path) -> Arrays:
    """Return all arrays in the file, of the kind that its content shows."""
    if path.suffix.lower() == SAFETENSORS:  # a missing package is named before a missing file
        _require_safetensors()
    content = file_content(path)
    if is_safetensors(content) and not content.startswith(ZIP):
        return _safetensors(content, path)
    return npz_arrays(content, path, _expected(path))


def _safetensors(content: bytes, path: Path) -> Arrays:
    _require_safetensors()
    from safetensors.numpy import load

    try:
        return {name: np.asarray(array) for name, array in load(content).items()}
    except KeyError as error:  # a type of safetensors that NumPy lacks
        raise InvalidInputError(
            f"path must name a file of float64, float32 or float16 numbers, got {os.fspath(path)!r} with {error}; "
            "save module.float().state_dict()"
        ) from None
    except Exception as error:  # whatever a damaged file provokes
        raise unreadable(path, _expected(path), error) from None


def _require_safetensors() -> None:
    with needs("safetensors", "a .safetensors file", "safetensors"):
        import safetensors.numpy  # noqa: F401


def _expected(path: Path) -> str:
    return EXPECTED.get(path.suffix.lower(), "a .safetensors or .npz file")


def _named(arrays: Arrays, names: Names) -> list[tuple[str, str | None]]:
    pairs: list[tuple[str, str | None]] = []
    for entry in _checks.items("names", names, "names of layers", 2):
        if isinstance(entry, str):
            bias = f"{entry}.bias"
            pairs.append((f"{entry}.weight", bias if bias in arrays else None))
        elif isinstance(entry, (tuple, list)) and len(entry) == 2:
            pairs.append((entry[0], entry[1]))
        else:
            raise InvalidInputError(f"names must hold strings or pairs of names, got {_checks.describe(entry)}")
    for name in (name for pair in pairs for name in pair if name is not None):
        if name not in arrays:
            raise InvalidInputError(f"names must name arrays of the file, {', '.join(sorted(arrays))}, got {name!r}")
    return pairs


def _recognised(arrays: Arrays) -> list[tuple[str, str | None]]:
    """Return weight and bias of each layer, in order, from names that differ in one number a layer."""
    layers: dict[str, dict[str, str]] = {}
    for name in arrays:
        match = OURS.fullmatch(name) or PARAMETER.fullmatch(name)
        if match is None:
            raise _unrecognised(arrays)
        layers.setdefault(match["layer"] or "", {})[match["kind"]] = name
    numbers = [tuple(map(int, re.findall(r"\d+", layer))) for layer in layers]
    skeletons = {re.sub(r"\d+", "#", layer) for layer in layers}
    if not layers or len(skeletons) > 1 or any("weight" not in found for found in layers.values()):
        raise _unrecognised(arrays)
    if len(layers) > 1 and sum(len(set(column)) > 1 for column in zip(*numbers, strict=True)) != 1:
        raise _unrecognised(arrays)
    order = sorted(zip(numbers, layers.values(), strict=True), key=lambda layer: layer[0])
    return [(found["weight"], found.get("bias")) for _, found in order]


def _unrecognised(arrays: Arrays) -> InvalidInputError:
    return InvalidInputError(
        "names must be given where they are none of 0.weight, 0.bias, 2.weight, ...; weight_0, bias_0, ...; W, a; "
        f"got {', '.join(sorted(arrays)) or 'an empty file'}; what is no part of the network must be named in skip"
    )
