"""Files that subcommands read and write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lmctheory as lmc
from lmctheory.errors import InvalidInputError


def load_network(path: str) -> lmc.TwoLayerNet:
    with about(path):
        return lmc.TwoLayerNet.load(path)


@contextmanager
def about(path: str) -> Iterator[None]:
    """Say which file an error is about."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Say which file could not be written: the system's errors name temporary ones."""
    try:
        yield
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror or error}") from None
