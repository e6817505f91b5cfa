"""Files that subcommands read and write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import lmctheory as lmc
from lmctheory._files import check_file
from lmctheory.errors import CertificateError, InvalidInputError, LmcError


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
    except LmcError:
        raise
    except OSError as error:
        raise InvalidInputError(f"{path or repr(path)} cannot be written: {error.strerror or error}") from None


@contextmanager
def drawing(path: str) -> Iterator[None]:
    """Say which figure could not be drawn, whatever matplotlib raises: its settings are the user's."""
    try:
        yield
    except (LmcError, OSError):
        raise
    except Exception as error:
        raise InvalidInputError(f"{path} cannot be drawn: {error}") from error


class Outputs:
    """Files that are written behind the work, and tried before it; what fails behind it does not cost the result."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._expected: dict[str, str] = {}

    def expect(self, option: str, path: str | None) -> None:
        """Refuse a path that cannot be written."""
        if path is None:
            return
        with writing(path):
            check_file(path)
        other = self._expected.setdefault(os.path.realpath(path), option)
        if other != option and not _takes_several(path):
            raise InvalidInputError(f"{option} must name another file than {other}, got {path}")

    def expect_network(self, option: str, path: str | None, net: lmc.TwoLayerNet | lmc.LayeredNet) -> None:
        """Refuse a path under which no network can be saved: save one of the same size beside it, and remove it."""
        if path is None:
            return
        stand_in = f"{path[: len(path) - len(os.path.basename(path))]}.lmctheory-{os.getpid()}{os.path.splitext(path)[1]}"
        try:
            lmc.save_network(net, stand_in)
        except InvalidInputError as error:
            raise InvalidInputError(str(error).replace(repr(stand_in), repr(path))) from None
        except OSError:
            pass  # a folder that cannot be written to, with a file in it that can be: `expect` knows
        finally:
            with suppress(OSError):
                os.unlink(stand_in)
        self.expect(option, path)

    def expect_plot(self, path: str | None) -> None:
        """Refuse a path at which nothing can be drawn."""
        if path is not None:
            with writing(path), drawing(path):
                lmc.plotting.plot_format(path)
            self.expect("--plot", path)

    def write(self, path: str | None, write: Callable[[str], Any]) -> None:
        """Write the file, if it is asked for, and say so."""
        if path is None:
            return
        try:
            with writing(path):
                write(path)
        except InvalidInputError as error:
            self.errors.append(str(error))
        else:
            self.lines.append(f"written to {path}")

    def draw(self, path: str | None, axes: Callable[[], Any]) -> None:
        """Draw the figure of the axes, if it is asked for, and say so."""

        def save(path: str) -> None:
            with drawing(path):
                lmc.plotting.save_plot(axes(), path)

        self.write(path, save)


def _takes_several(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)
