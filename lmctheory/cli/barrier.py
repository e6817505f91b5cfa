"""`lmctheory barrier`"""

from __future__ import annotations

import argparse
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import load_network, writing
from lmctheory.cli.options import command, inputs, plot
from lmctheory.cli.output import Report, permutation_text, written

BAR = 40  # characters of the longest bar of a path
ROWS = 16  # intervals of a path shown


def barrier(options: argparse.Namespace) -> Report:
    """The loss on the segment between two networks."""
    net_a, net_b, teacher = map(load_network, (options.A, options.B, options.teacher))
    align = None if options.align == "none" else options.align
    found = lmc.barrier(net_a, net_b, teacher, align, options.kind, inputs=options.inputs, grid_size=options.grid_size)
    if options.plot is not None:
        with writing(options.plot):
            lmc.plotting.save_plot(lmc.plotting.path_plot(found), options.plot)
    step = max(1, (len(found.grid) - 1) // ROWS)
    top = max(float(found.losses.max()), found.loss_floor)
    path = [
        f"{t:8.4f}  {value:11.5g}  {'#' * round(BAR * max(value, 0.0) / top)}".rstrip()
        for t, value in zip(found.grid[::step], found.losses[::step], strict=True)
    ]
    return Report(
        {"barrier": found},
        [
            f"barrier     {found.height:.6g}, at t = {found.position:.4f}",
            f"rounding    {found.loss_floor:.1e}: a lower barrier cannot be told from 0",
            f"kind        {found.kind}, {options.inputs} inputs",
            f"permutation {permutation_text(found.permutation)}, method {found.method}",
            "",
            "       t         loss",
            *path,
            *written(options.plot),
        ],
    )


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        barrier,
        "Print and plot the loss on the straight line from A to B, permuted if asked for.",
        "  lmctheory barrier A.npz B.npz --teacher T.npz\n"
        "  lmctheory barrier A.npz B.npz --teacher T.npz --align weights --plot path.png\n"
        "  lmctheory barrier A.npz B.npz --teacher T.npz --json > barrier.json",
    )
    sub.add_argument("A", help="network at t = 0")
    sub.add_argument("B", help="network at t = 1, permuted")
    sub.add_argument("--teacher", required=True, metavar="T", help="the target network")
    sub.add_argument("--align", default="none", metavar="METHOD", help="none (default), weights, activations, barrier or exact")
    sub.add_argument("--kind", default="chord", help="chord (default), endpoint-mean or midpoint")
    sub.add_argument(
        "--grid-size", type=int, default=33, metavar="N", help="points on which the maximum is located (default: 33)"
    )
    inputs(sub)
    plot(sub, "barrier.png")
