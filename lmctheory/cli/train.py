"""`lmctheory train`"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import load_two_layer
from lmctheory.cli.networks_folder import TEACHER, networks_folder
from lmctheory.cli.objective import chosen_data, declare_data, refuse
from lmctheory.cli.options import command, seed, skipped_arrays
from lmctheory.cli.output import Report, show_trained
from lmctheory.cli.process import computing
from lmctheory.errors import InvalidInputError

POPULATION_OPTIONS = ("teacher", "skip", "M", "d", "max_steps", "gradient_tol", "init_scale", "polish")
DATA_OPTIONS = ("loss", "solver", "batch_size", "max_epochs", "tol")
SHARED_OPTIONS = ("learning_rate", "loss_tol")


def train(options: argparse.Namespace) -> Report:
    """Networks from random initial weights, on the population loss or on data; they go into a folder."""
    if options.data is not None or options.mnist is not None:
        return _on_data(options)
    return _on_the_population(options)


def _on_the_population(options: argparse.Namespace) -> Report:
    refuse(options, "training on data", DATA_OPTIONS)
    if (options.teacher is None) == (options.M is None and options.d is None):
        raise InvalidInputError("the teacher must be given as --teacher FILE, or as --M and --d; or --data, for training on data")
    if options.teacher is None and None in (options.M, options.d):
        raise InvalidInputError("--M and --d must be given together")
    if len(options.width) > 1:
        raise InvalidInputError(f"--width must be one number without --data, got {_comma(options.width)}")
    teacher = (
        lmc.orthonormal_teacher(options.M, options.d)
        if options.teacher is None
        else load_two_layer(options.teacher, options.skip)
    )
    width = options.width[0]
    given = _given(options, ("max_steps", "gradient_tol", "init_scale", "polish", *SHARED_OPTIONS))
    given.setdefault("learning_rate", 1 / max(width, 1))
    with networks_folder(options, (teacher.input_dim, width, 1), teacher) as save:
        with computing():
            result = lmc.train(
                teacher, width, rng=options.seed, n_runs=options.runs, progress=None if options.quiet else show_trained, **given
            )
        names = save(dict(enumerate(result.networks)))
    rows = zip(names, result.losses, result.gradient_norms, result.steps, result.stopped_by, strict=True)
    return Report(
        {"teacher": str(Path(options.out) / TEACHER), "networks": _paths(options, names), "training": _evidence(result)},
        [
            f"{'network':16}{'loss':>12}{'gradient':>12}{'steps':>9}  stopped by",
            *(f"{name:16}{loss:12.4g}{norm:12.2e}{steps:9d}  {reason}" for name, loss, norm, steps, reason in rows),
            "",
            f"written to {options.out}, with {TEACHER}",
        ],
        *_judgement(result),
    )


def _on_data(options: argparse.Namespace) -> Report:
    refuse(options, "training against a teacher", POPULATION_OPTIONS)
    data = chosen_data(options)
    assert data is not None
    test = data.objective("test", "error")
    sizes = (data.X_train.shape[1], *options.width, int(data.y_train.max()) + 1)
    with networks_folder(options, sizes) as save:
        with computing():
            result = lmc.train_on_data(
                data.X_train, data.y_train, options.width, rng=options.seed, n_runs=options.runs, progress=not options.quiet,
                **_given(options, (*DATA_OPTIONS, *SHARED_OPTIONS)),
            )  # fmt: skip
        names = save(dict(enumerate(result.networks)))
    accuracies = [test.accuracy(net) for net in result.networks]
    width = max(map(len, names)) + 2
    rows = zip(names, result.losses, accuracies, result.epochs, result.stopped_by, strict=True)
    return Report(
        {"networks": _paths(options, names), "test_accuracies": accuracies, "training": _evidence(result)},
        [
            f"{'network':{width}}{'train loss':>12}{'test accuracy':>15}{'epochs':>8}  stopped by",
            *(
                f"{name:{width}}{loss:12.4g}{accuracy:15.4f}{epochs:8d}  {reason}"
                for name, loss, accuracy, epochs, reason in rows
            ),
            "",
            f"{result.loss} on {len(data.X_train)} images of {data.name}, tested on {len(data.X_test)}; written to {options.out}",
        ],
        *_judgement(result),
    )


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the options that were given: the others keep the defaults of the library."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _judgement(result: Any) -> tuple[list[str], bool]:
    """Return what is to be said of a result in which every run has diverged, and whether it is one."""
    if not result.diverged.all():
        return [], False
    rate = result.learning_rates[0] if isinstance(result, lmc.TrainingResult) else result.learning_rate
    return [f"all {len(result.diverged)} runs diverged, at learning rate {rate:g}: a lower one may not"], True


def _paths(options: argparse.Namespace, names: list[str]) -> list[str]:
    return [str(Path(options.out) / name) for name in names]


def _evidence(result: Any) -> dict[str, Any]:
    return {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "networks"}


def _widths(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _comma(widths: tuple[int, ...]) -> str:
    return ",".join(map(str, widths))


_widths.__name__ = "width"  # what argparse calls a value that is refused


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        train,
        "Train networks from random weights, on the exact population loss or on data, and write them to a folder.",
        "  lmctheory train --M 4 --d 8 --width 16 --runs 8 --out networks\n"
        "  lmctheory train --teacher T.npz --width 16 --learning-rate 0.05 --loss-tol 1e-8 --out networks\n"
        "  lmctheory train --data digits --width 64 --out networks\n"
        "  lmctheory train --mnist FOLDER --width 256,256 --solver adam --max-epochs 30 --out networks\n\n"
        "The folder must be new or empty; a new one appears when all runs have ended. After an interrupt, by Ctrl-C, SIGTERM or\n"
        "SIGHUP, it holds the runs that had been finished. The exit status is 1 if all runs diverged.",
    )
    sub.add_argument("--teacher", metavar="T", help="the target network")
    skipped_arrays(sub)
    sub.add_argument("--M", type=int, help="instead: an orthonormal target of M neurons ...")
    sub.add_argument("--d", type=int, help="... in d dimensions")
    declare_data(sub)
    sub.add_argument(
        "--width", type=_widths, required=True, metavar="m", help="neurons of the students; on data also 64,64: of each layer"
    )
    sub.add_argument("--learning-rate", type=float, metavar="ETA", help="default: 1/m; on data that of the solver")
    sub.add_argument("--runs", type=int, default=2, help="networks to train (default: 2)")
    sub.add_argument("--max-steps", type=int, metavar="N", help="of gradient descent (default: 20000)")
    sub.add_argument("--gradient-tol", type=float, metavar="TOL", help="stop at this gradient norm (default: 1e-9)")
    sub.add_argument("--loss-tol", type=float, metavar="TOL", help="stop at this loss (default: never)")
    sub.add_argument("--init-scale", type=float, metavar="S", help="initial weights are N(0, S^2/d) (default: min(1, M/m))")
    sub.add_argument("--polish", action="store_const", const=True, help="follow descent by a second-order phase")
    sub.add_argument("--solver", metavar="NAME", help="on data: sgd (default; rate 0.1), momentum (0.02) or adam (0.001)")
    sub.add_argument("--batch-size", type=int, metavar="N", help="on data (default: 64)")
    sub.add_argument("--max-epochs", type=int, metavar="N", help="passes over the data (default: 500)")
    sub.add_argument("--tol", type=float, metavar="TOL", help="stop after 10 epochs that gain no more than this (default: 1e-4)")
    sub.add_argument("--out", required=True, metavar="FOLDER", help="for network-*, and teacher.npz")
    sub.add_argument("--format", choices=("npz", "safetensors"), default="npz", help="of the networks (default: npz)")
    sub.add_argument("--quiet", action="store_true", help="no progress on standard error")
    seed(sub)
