"""`lmctheory barrier`"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import lmctheory as lmc
from lmctheory.cli.files import Outputs, load_networks
from lmctheory.cli.objective import MISSING, chosen_objective, declare_objective, description
from lmctheory.cli.options import command, layer_names, plot, skipped_arrays
from lmctheory.cli.output import Report, height_line, number_text, permutation_text
from lmctheory.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAR = 40  # characters of the longest bar of a path
ROWS = 16  # intervals of a path shown


def barrier(options: argparse.Namespace) -> Report:
    """The loss on the segment between two networks."""
    objective = chosen_objective(options)
    if objective is None:
        raise InvalidInputError(MISSING)
    net_a, net_b = load_networks((options.A, options.B), options.names, options.skip)
    align = None if options.align == "none" else options.align
    outputs = Outputs()
    outputs.expect_plot(options.plot)
    found = lmc.barrier(net_a, net_b, objective, align, options.kind, grid_size=options.grid_size)
    result: dict[str, Any] = {"barrier": found}
    if isinstance(objective, lmc.DataLoss):
        result["unaligned"] = lmc.barrier(net_a, net_b, objective, None, options.kind, grid_size=options.grid_size)
        result["accuracies"] = _accuracies(net_a, net_b.permute(found.permutation), objective, found)
        result["unaligned_accuracies"] = _accuracies(net_a, net_b, objective, found)
    outputs.draw(options.plot, lambda: _plot(result))
    return Report(
        result,
        [
            height_line(found),
            f"rounding    {found.loss_floor:.1e}: a lower barrier cannot be told from 0",
            f"kind        {found.kind}, {description(options, objective)}",
            f"permutation {permutation_text(found.permutation)}, method {found.method}",
            *_comparison(result),
            "",
            *_path(result),
            *outputs.lines,
        ],
        outputs.errors,
    )


def _accuracies(net_a: Any, net_b: Any, objective: lmc.DataLoss, found: lmc.Barrier) -> NDArray[Any]:
    """Return the accuracy at each position of the path."""
    import numpy as np

    errors = objective.measuring("error").segments([net_a], [net_b])(np.zeros(1, dtype=np.intp), found.grid[None])
    return 1.0 - errors[0]


def _plot(result: dict[str, Any]) -> Any:
    found = result["barrier"]
    if "unaligned" not in result:
        return lmc.plotting.path_plot(found, lmc.plotting.axes_for_a_file())
    paths = {"naive": (result["unaligned"].losses, result["unaligned_accuracies"])}
    if found.method != "none":
        paths[f"aligned by {found.method}"] = (found.losses, result["accuracies"])
    losses, accuracies = ({name: pair[k] for name, pair in paths.items()} for k in (0, 1))
    return lmc.plotting.accuracy_plot(found.grid, losses, accuracies, lmc.plotting.axes_for_a_file(2))[0]


def _comparison(result: dict[str, Any]) -> list[str]:
    """Return the accuracies, and what there was before the alignment."""
    if "unaligned" not in result:
        return []
    accuracies, before = result["accuracies"], result["unaligned_accuracies"]
    lines = [f"accuracy    {accuracies[0]:.4f} of A, {accuracies[-1]:.4f} of B, lowest between {accuracies.min():.4f}"]
    if result["barrier"].method == "none":
        return lines
    unaligned = result["unaligned"]
    height = number_text(unaligned.height, unaligned.loss_floor)
    return [*lines, f"unaligned   barrier {height}, lowest accuracy {before.min():.4f}"]


def _path(result: dict[str, Any]) -> list[str]:
    """Return a table of the path, with bars."""
    found, accuracies = result["barrier"], result.get("accuracies")
    step = max(1, (len(found.grid) - 1) // ROWS)
    top = max(float(found.losses.max()), found.loss_floor)
    lines = ["       t         loss" + ("" if accuracies is None else "  accuracy")]
    for k in range(0, len(found.grid), step):
        value = found.losses[k]
        accuracy = "" if accuracies is None else f"  {accuracies[k]:8.4f}"
        lines.append(f"{found.grid[k]:8.4f}  {value:11.5g}{accuracy}  {'#' * round(BAR * max(value, 0.0) / top)}".rstrip())
    return lines


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        barrier,
        "Print and plot the loss on the straight line from A to B, permuted if asked for; on data, the accuracy too.",
        "  lmctheory barrier A.npz B.npz --teacher T.npz\n"
        "  lmctheory barrier A.npz B.npz --teacher T.npz --align weights --plot path.png\n"
        "  lmctheory barrier A.safetensors B.safetensors --data digits --align weights --plot\n"
        "  lmctheory barrier A.safetensors B.safetensors --mnist FOLDER --split test --align activations\n"
        "  lmctheory barrier A.npz B.npz --teacher T.npz --json > barrier.json",
    )
    sub.add_argument("A", help="network at t = 0")
    sub.add_argument("B", help="network at t = 1, permuted")
    declare_objective(sub)
    layer_names(sub)
    skipped_arrays(sub)
    sub.add_argument("--align", default="none", metavar="METHOD", help="none (default), weights, activations, barrier or exact")
    sub.add_argument("--kind", default="chord", help="chord (default), endpoint-mean or midpoint")
    sub.add_argument(
        "--grid-size", type=int, default=33, metavar="N", help="points on which the maximum is located (default: 33)"
    )
    plot(sub, "barrier.png")
