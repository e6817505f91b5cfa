"""The folder of trained networks: tried before the training, filled behind it, whatever ends it."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import lmctheory as lmc
from lmctheory._files import atomic_folder
from lmctheory.cli.files import writing
from lmctheory.cli.process import Interrupted, writing_results

Networks: TypeAlias = Mapping[int, Any]  # by the number of the run
TEACHER = "teacher.npz"


@contextmanager
def networks_folder(
    options: argparse.Namespace, sizes: Sequence[int], teacher: lmc.TwoLayerNet | None = None
) -> Iterator[Callable[[Networks], list[str]]]:
    """Yield a function that saves networks and returns their names; the folder is filled when the block ends.

    A folder that is refused costs no training, nor does a kind of file that cannot be written, or a full disk: `sizes` are the
    numbers of neurons of all layers, inputs and outputs too. If what is computed in the block is interrupted, the runs that had
    been finished are kept.
    """
    stopped: Interrupted | None = None
    with writing_results():
        with writing(options.out), atomic_folder(options.out, last=TEACHER) as folder:
            _rehearse(folder, options.format, options.runs * 8 * sum(m * d for d, m in pairwise(sizes)))

            def save(networks: Networks) -> list[str]:
                digits = len(str(options.runs - 1))
                named = {f"network-{k:0{digits}d}.{options.format}": net for k, net in networks.items()}
                _save_somewhere(folder, named | ({} if teacher is None else {TEACHER: teacher}))
                return list(named)

            try:
                yield save
            except Interrupted as interrupt:
                finished = _finished(interrupt)
                if not finished:
                    raise
                save(finished)
                kept = f"; {len(finished)} of {options.runs} runs had been finished and are in {options.out}"
                stopped = Interrupted(interrupt.number, kept)
        if stopped is not None:
            raise stopped


def _rehearse(folder: Path, ending: str, size: int) -> None:
    path = folder / f"rehearsal.{ending}"
    lmc.save_network(lmc.orthonormal_teacher(1, 1), path)
    path.unlink()
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} for {size} bytes of networks", str(folder))


def _finished(interrupt: Interrupted) -> dict[int, Any]:
    from lmctheory._parallel import finished_calls  # not for --help: it loads NumPy

    return {k: found.network for k, found in finished_calls(interrupt).items()}


def _save_somewhere(folder: Path, networks: Mapping[str, Any]) -> None:
    """Save networks by name; if the folder cannot hold them all, in one for temporary files, which the error names."""
    try:
        _save(folder, networks)
    except OSError as error:
        rescue = Path(tempfile.mkdtemp(prefix="lmctheory-"))
        try:
            _save(rescue, networks)
        except OSError:
            shutil.rmtree(rescue)
            raise error from None  # what could be saved stays where it is
        for file in folder.iterdir():
            file.unlink()
        raise OSError(error.errno, f"{error.strerror}; what was finished is kept in {rescue}", str(folder)) from error


def _save(folder: Path, networks: Mapping[str, Any]) -> None:
    for name, net in networks.items():
        lmc.save_network(net, folder / name)
