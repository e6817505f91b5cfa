"""`lmctheory train`"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import lmctheory as lmc
from lmctheory._files import atomic_folder
from lmctheory.cli.files import load_network, writing
from lmctheory.cli.options import command, seed
from lmctheory.cli.output import Report, show_trained
from lmctheory.errors import InvalidInputError


def train(options: argparse.Namespace) -> Report:
    """Gradient descent from random initial weights; the networks go into a folder."""
    if (options.teacher is None) == (options.M is None and options.d is None):
        raise InvalidInputError("the teacher must be given as --teacher FILE, or as --M and --d")
    if options.teacher is None and None in (options.M, options.d):
        raise InvalidInputError("--M and --d must be given together")
    teacher = lmc.orthonormal_teacher(options.M, options.d) if options.teacher is None else load_network(options.teacher)
    rate = 1 / max(options.width, 1) if options.learning_rate is None else options.learning_rate
    with writing(options.out), atomic_folder(options.out) as folder:  # first: a folder that is refused costs no training
        result = lmc.train(
            teacher,
            options.width,
            learning_rate=rate,
            max_steps=options.max_steps,
            rng=options.seed,
            n_runs=options.runs,
            init_scale=options.init_scale,
            gradient_tol=options.gradient_tol,
            loss_tol=options.loss_tol,
            polish=options.polish,
            progress=None if options.quiet else show_trained,
        )
        teacher.save(folder / "teacher.npz")
        names = [f"network-{k:0{len(str(options.runs - 1))}d}.npz" for k in range(options.runs)]
        for name, net in zip(names, result.networks, strict=True):
            net.save(folder / name)
    files = [str(Path(options.out) / name) for name in names]
    evidence = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "networks"}
    rows = zip(names, result.losses, result.gradient_norms, result.steps, result.stopped_by, strict=True)
    return Report(
        {"teacher": str(Path(options.out) / "teacher.npz"), "networks": files, "training": evidence},
        [
            f"{'network':16}{'loss':>12}{'gradient':>12}{'steps':>9}  stopped by",
            *(f"{name:16}{loss:12.4g}{norm:12.2e}{steps:9d}  {reason}" for name, loss, norm, steps, reason in rows),
            "",
            f"written to {options.out}, with teacher.npz",
        ],
    )


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        train,
        "Train networks on the exact loss by gradient descent, from random weights, and write them to a folder.",
        "  lmctheory train --M 4 --d 8 --width 16 --runs 8 --out networks\n"
        "  lmctheory train --teacher T.npz --width 16 --learning-rate 0.05 --loss-tol 1e-8 --out networks\n\n"
        "The folder must be new or empty; it appears when all runs have ended.",
    )
    sub.add_argument("--teacher", metavar="T", help="the target network")
    sub.add_argument("--M", type=int, help="instead: an orthonormal target of M neurons ...")
    sub.add_argument("--d", type=int, help="... in d dimensions")
    sub.add_argument("--width", type=int, required=True, metavar="m", help="neurons of the students")
    sub.add_argument("--learning-rate", type=float, metavar="ETA", help="default: 1/m")
    sub.add_argument("--runs", type=int, default=2, help="networks to train (default: 2)")
    sub.add_argument("--max-steps", type=int, default=20_000, metavar="N", help="default: 20000")
    sub.add_argument("--gradient-tol", type=float, default=1e-9, metavar="TOL", help="stop at this gradient norm (default: 1e-9)")
    sub.add_argument("--loss-tol", type=float, metavar="TOL", help="stop at this loss (default: never)")
    sub.add_argument("--init-scale", type=float, metavar="S", help="initial weights are N(0, S^2/d) (default: min(1, M/m))")
    sub.add_argument("--polish", action="store_true", help="follow descent by a second-order phase")
    sub.add_argument("--out", required=True, metavar="FOLDER", help="for teacher.npz and network-*.npz")
    sub.add_argument("--quiet", action="store_true", help="no progress on standard error")
    seed(sub)
