"""NumPy archives of named arrays, read with nothing in them run and every array accounted for."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lmctheory.errors import InvalidInputError

Arrays: TypeAlias = dict[str, NDArray[Any]]

ZIP = b"PK"
PICKLE_ENDINGS = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".joblib")
PICKLES = (
    "pickles, which files of torch.save are, hold programs; write safetensors.torch.save_file(module.state_dict(), path) instead"
)
FOREIGN = {  # what other files begin with
    b"": "it is empty",
    b"\x80": PICKLES,
    b"\x93NUMPY": "it holds one array without a name; write several by np.savez",
    b"\x89HDF": "HDF5, the format of Keras, is not supported; write the weights by np.savez",
    b"\x1f\x8b": "it is compressed by gzip; unpack it first",
}
MAX_EXPANSION, ALWAYS_ALLOWED = 100, 2**26  # weights hardly compress; what is large and does a hundredfold is no network


def file_path(path: Any) -> Path:
    """Return the argument `path` as a path, or refuse it."""
    try:
        return Path(os.fsdecode(path))
    except TypeError:
        raise InvalidInputError(f"path must be the name of a file, got {path!r}") from None


def file_content(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes in a file.

    Raises
    ------
    InvalidInputError
        If `path` is no name of a file, or that of a folder.
    OSError
        If there is no such file, or it cannot be read.
    """
    location = file_path(path)
    if location.is_dir():
        raise InvalidInputError(f"{location} cannot be read: Is a directory, and path must name a file")
    return location.read_bytes()


def is_safetensors(content: bytes) -> bool:
    """Whether a file begins as safetensors do: with eight bytes of length and a JSON object."""
    return content[8:9] == b"{"


def npz_arrays(content: bytes, path: str | os.PathLike[str], expected: str) -> Arrays:
    """Return the arrays in the content of an ``.npz`` archive; errors say that `path` must name what is `expected`.

    Raises
    ------
    InvalidInputError
        If it is something else, damaged, or holds two arrays of one name, something that is no array, or Python objects.
    """
    try:
        if not content.startswith(ZIP):
            raise ValueError(_foreign(content, path))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _members(archive)
    except Exception as error:  # whatever a foreign or damaged file provokes
        raise unreadable(path, expected, error) from None


def npz_weights(path: str | os.PathLike[str], expected: str) -> Arrays:
    """Return the arrays in the ``.npz`` file `path`, without counters."""
    return without_counters(npz_arrays(file_content(path), path, expected))


def unreadable(path: str | os.PathLike[str], expected: str, reason: object) -> InvalidInputError:
    """Return the error of a file that is not what is `expected`."""
    return InvalidInputError(f"path must name {expected}, got {os.fspath(path)!r} ({reason})")


def without_counters(arrays: Arrays) -> Arrays:
    """Leave out single integers, such as ``n_averaged`` or ``epoch``: they count something, and are no weights."""
    return {name: array for name, array in arrays.items() if array.ndim > 0 or array.dtype.kind not in "iu"}


def _members(archive: zipfile.ZipFile) -> Arrays:
    entries = archive.infolist()
    if any(entry.filename.endswith(".pkl") for entry in entries):
        raise ValueError(PICKLES)
    expanded, stored = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if expanded > max(ALWAYS_ALLOWED, MAX_EXPANSION * stored):
        raise ValueError(f"it would expand from {stored} bytes to {expanded}")
    arrays: Arrays = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name == entry.filename:
            raise ValueError(f"{name} in it is no array")
        if name in arrays:
            raise ValueError(f"{name} stands in it twice")
        arrays[name] = _array(name, archive.read(entry))
    return arrays


def _array(name: str, content: bytes) -> NDArray[Any]:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    except Exception:  # whatever a damaged header provokes
        raise ValueError(f"the header of {name} is damaged") from None
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, and may hold programs; save arrays of numbers")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(content) - file.tell() != size:
        raise ValueError(f"{name} must hold {size} bytes for shape {shape} and dtype {dtype}, got {len(content) - file.tell()}")
    file.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _foreign(content: bytes, path: str | os.PathLike[str]) -> str:
    """Return what the file is instead."""
    if is_safetensors(content):
        return "it holds safetensors, which load_network reads"
    for start, kind in FOREIGN.items():
        if content == start or (start and content.startswith(start)):
            return kind
    if os.fsdecode(path).lower().endswith(PICKLE_ENDINGS):
        return PICKLES
    return f"it begins with {content[:8]!r}, not as an archive"
