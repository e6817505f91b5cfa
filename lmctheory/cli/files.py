"""Files that subcommands read and write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import lmctheory as lmc
from lmctheory.errors import CertificateError, InvalidInputError


def load_two_layer(path: str, skip: str | None = None) -> lmc.TwoLayerNet:
    """Return the two-layer network in the file."""
    net = load_network(path, None, skip)
    if not isinstance(net, lmc.TwoLayerNet):
        raise InvalidInputError(f"{path}: must hold a two-layer network, as the arrays W (m, d) and a (m,), got {net!r}")
    return net


def load_network(path: str, names: str | None = None, skip: str | None = None) -> lmc.TwoLayerNet | lmc.LayeredNet:
    """Return the network in a file of named weights; `names` and `skip` are separated by commas."""
    with about(path):
        return lmc.load_network(path, None if names is None else names.split(","), () if skip is None else skip.split(","))


def load_networks(
    paths: Sequence[str], names: str | None = None, skip: str | None = None
) -> list[lmc.TwoLayerNet | lmc.LayeredNet]:
    """Return the networks in several files; where kinds differ, all as layered ones."""
    found = [load_network(path, names, skip) for path in paths]
    if len({type(net) for net in found}) > 1:
        return [net if isinstance(net, lmc.LayeredNet) else lmc.LayeredNet.from_two_layer(net) for net in found]
    return found


@contextmanager
def about(path: str) -> Iterator[None]:
    """Say which file an error is about."""
    try:
        yield
    except InvalidInputError as error:
        raise (error if str(error).startswith(path) else InvalidInputError(f"{path}: {error}")) from None
    except CertificateError as error:
        raise CertificateError(f"{path}: refused: {error}") from None
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Say which file could not be written: the system's errors name temporary ones."""
    try:
        yield
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror or error}") from None
