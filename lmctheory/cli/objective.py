"""The loss that options ask for: against a teacher, or on data."""

from __future__ import annotations

import argparse
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import load_two_layer
from lmctheory.errors import InvalidInputError

MISSING = "the objective must be given as --teacher FILE, or as --data NAME or --mnist FOLDER"


def declare_objective(sub: argparse.ArgumentParser) -> None:
    """Add the options that choose a loss."""
    sub.add_argument("--teacher", metavar="T", help="the target network, for the population loss")
    declare_data(sub)
    sub.add_argument("--split", metavar="PART", help="of the data: train (default) or test")
    sub.add_argument("--inputs", metavar="LAW", help="of the population loss: gaussian (default) or sphere")


def declare_data(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", metavar="NAME", help="instead: images, digits (offline) or mnist (from openml.org)")
    sub.add_argument("--mnist", metavar="FOLDER", help="instead: MNIST from the four IDX files in a folder, .gz or not")
    sub.add_argument("--loss", metavar="NAME", help="on data: cross-entropy (default), squared or error")


def chosen_data(options: argparse.Namespace) -> lmc.ImageData | None:
    """Return the images that are asked for, if any."""
    if options.mnist is None:
        return None if options.data is None else lmc.load_images(options.data)
    if options.data not in (None, "mnist"):
        raise InvalidInputError(f"--mnist must not be given with --data {options.data}")
    return lmc.load_images("mnist", folder=options.mnist)


def chosen_objective(options: argparse.Namespace) -> lmc.PopulationLoss | lmc.DataLoss | None:
    """Return the loss that is asked for, if any."""
    on_data = options.data is not None or options.mnist is not None
    if on_data and options.teacher is not None:
        raise InvalidInputError(f"{MISSING}, got both")
    refuse(options, "a teacher" if on_data else "data", ("inputs",) if on_data else ("loss", "split"))
    data = chosen_data(options)
    if data is not None:
        return data.objective(options.split or "train", options.loss or "cross-entropy")
    if options.teacher is None:
        return None
    return lmc.PopulationLoss(load_two_layer(options.teacher, options.skip), options.inputs or "gaussian")


def description(options: argparse.Namespace, objective: lmc.PopulationLoss | lmc.DataLoss) -> str:
    """Return what the loss is, in words."""
    if isinstance(objective, lmc.PopulationLoss):
        return f"{objective.inputs} inputs"
    return f"{objective.loss} on {len(objective)} images of {options.data or 'mnist'}, {options.split or 'train'}"


def refuse(options: argparse.Namespace, what: str, names: tuple[str, ...]) -> None:
    """Refuse options that belong to something else."""
    for name in names:
        value: Any = getattr(options, name)
        if value is not None and value is not False:
            raise InvalidInputError(f"--{name.replace('_', '-')} belongs to {what}, got {value!r} without")
