"""Networks in files of named weights: safetensors and NumPy archives."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lmctheory import _checks
from lmctheory._files import atomic_file
from lmctheory.errors import InvalidInputError
from lmctheory.interop.extras import needs
from lmctheory.networks import LayeredNet, Network, TwoLayerNet

Arrays: TypeAlias = dict[str, NDArray[Any]]
Names: TypeAlias = Sequence[str | tuple[str, str | None]]

SAFETENSORS, NPZ = ".safetensors", ".npz"
PICKLED = (".pt", ".pth", ".ckpt", ".bin")
PARAMETER = re.compile(r"(?:(?P<layer>.*)\.)?(?P<kind>weight|bias)")  # of a torch state dict
OURS = re.compile(r"(?P<kind>weight|bias)_(?P<layer>\d+)")  # of LayeredNet.save


def load_network(path: str | os.PathLike[str], names: Names | None = None) -> Network:
    """Read a network from a file of named weights, of whatever library.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file or a NumPy ``.npz`` archive; weights are matrices with one neuron a row, of any type of NumPy.
    names : sequence, optional
        The layers from the input on: a string ``"fc1"`` stands for ``fc1.weight`` and, if there is one, ``fc1.bias``; a pair
        holds the names of weight and bias themselves, the latter None for a layer without. Without `names` these are recognised:

        - ``0.weight, 0.bias, 2.weight, ...``, the state dict of a ``torch.nn.Sequential``, also with a prefix, or ``fc1.weight``
          and the like: names of layers that differ in one number, which orders them;
        - ``weight_0, bias_0, ...``, as `LayeredNet.save` writes;
        - ``W`` and ``a``, as `TwoLayerNet.save` writes.

    Returns
    -------
    TwoLayerNet or LayeredNet
        A `TwoLayerNet` from ``W`` and ``a``, else a `LayeredNet`; between layers there is ReLU, whatever the network had.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidInputError
        If the file is damaged or of another kind, `names` does not account for all its arrays, the names are not recognised, or
        shapes do not fit each other.
    MissingDependencyError
        For ``.safetensors`` without the package of that name.

    Notes
    -----
    A file of weights does not tell the activations. Convolutional networks are out of scope. Files of ``torch.save`` hold
    programs and are not read: write ``safetensors.torch.save_file(module.state_dict(), path)``.

    Examples
    --------
    >>> import tempfile, lmctheory as lmc
    >>> net = lmc.LayeredNet([[[1.0, 2.0]], [[3.0]]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lmc.save_network(net, f"{folder}/net.npz")
    ...     lmc.load_network(f"{folder}/net.npz")
    LayeredNet(widths=(1,), input_dim=2, output_dim=1)
    """
    arrays = _read(Path(path))
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
            "with ReLU between are supported"
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
        Ends in ``.npz``: what the network's own `save` writes. Ends in ``.safetensors``: a `LayeredNet` under the names of the
        state dict of `to_torch`, ``0.weight, 0.bias, 2.weight, ...``; a `TwoLayerNet` as ``W`` and ``a``.

    Raises
    ------
    InvalidInputError
        If `net` is not a network, or `path` ends otherwise.
    MissingDependencyError
        For ``.safetensors`` without the package of that name.
    """
    if not isinstance(net, LayeredNet):
        _checks.instance("net", net, TwoLayerNet)
    ending = Path(path).suffix
    if ending == NPZ:
        net.save(path)
        return
    if ending != SAFETENSORS:
        raise InvalidInputError(f"path must end in {SAFETENSORS} or {NPZ}, got {os.fspath(path)!r}")
    with needs("safetensors", "a .safetensors file", "safetensors"):
        from safetensors.numpy import save
    if isinstance(net, TwoLayerNet):
        arrays: Arrays = {"W": net.W, "a": net.a}
    else:
        arrays = {f"{2 * k}.weight": W for k, W in enumerate(net.weights)}
        arrays |= {f"{2 * k}.bias": b for k, b in enumerate(net.biases)}
    with atomic_file(path) as file:
        file.write(save(arrays))


def _read(path: Path) -> Arrays:
    if path.suffix in PICKLED:
        raise InvalidInputError(
            f"path must name a {SAFETENSORS} or {NPZ} file, got {os.fspath(path)!r}: files of torch.save hold programs; "
            "write safetensors.torch.save_file(module.state_dict(), path) instead"
        )
    if path.suffix == SAFETENSORS:
        with needs("safetensors", "a .safetensors file", "safetensors"):
            from safetensors.numpy import load
    with open(path, "rb") as file:
        try:
            if path.suffix == SAFETENSORS:
                return {name: np.asarray(array) for name, array in load(file.read()).items()}
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except KeyError as error:  # a type of safetensors that NumPy lacks
            raise InvalidInputError(
                f"path must name a file of float64, float32 or float16 numbers, got {os.fspath(path)!r} with {error}; "
                "save module.float().state_dict()"
            ) from None
        except Exception as error:  # whatever a foreign or damaged file provokes
            kind = f"a {SAFETENSORS} file" if path.suffix == SAFETENSORS else f"an {NPZ} archive of named arrays"
            raise InvalidInputError(f"path must name {kind}, got {os.fspath(path)!r} ({error})") from None


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
        f"got {', '.join(sorted(arrays)) or 'an empty file'}"
    )
