"""IDX files, the format in which MNIST is distributed: a magic number, sizes, then bytes."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmctheory.errors import InvalidInputError

GZIP = b"\x1f\x8b"
UNSIGNED_BYTE = 8


def read_idx(path: str | os.PathLike[str], ndim: int) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes with `ndim` axes in an IDX file, compressed by gzip or not.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, is no such array, is empty, cut short, or longer than its header says.
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] == GZIP:
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInputError(f"{os.fspath(path)}: must be a complete gzip file, got a damaged one ({error})") from None
    except OSError as error:
        raise InvalidInputError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from None
    expected = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if content[:4] != expected:
        raise InvalidInputError(
            f"{os.fspath(path)}: must be an IDX file of unsigned bytes with {ndim} axes, magic number {expected.hex()}, "
            f"got {content[:4].hex() or 'an empty file'}"
        )
    start = 4 + 4 * ndim
    if len(content) < start:
        raise InvalidInputError(f"{os.fspath(path)}: must hold a header of {start} bytes, got {len(content)}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", ndim, 4))
    if 0 in shape:
        raise InvalidInputError(f"{os.fspath(path)}: must not be empty, got sizes {shape}")
    if len(content) != start + math.prod(shape):
        fault = "is cut short" if len(content) < start + math.prod(shape) else "has trailing bytes"
        raise InvalidInputError(
            f"{os.fspath(path)} {fault}: must hold {math.prod(shape)} bytes for sizes {shape}, got {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
