"""`lmctheory sharpness`"""

from __future__ import annotations

import argparse
import math
from typing import Any

import lmctheory as lmc
from lmctheory.cli.files import about, load_two_layer
from lmctheory.cli.options import command, skipped_arrays
from lmctheory.cli.output import Report


def sharpness(options: argparse.Namespace) -> Report:
    """The largest Hessian eigenvalue at each network."""
    teacher = load_two_layer(options.teacher, options.skip)
    found = []
    for path in options.networks:
        net = load_two_layer(path, options.skip)
        with about(path):
            value = lmc.sharpness(net, teacher, options.inputs)
            gradient = lmc.population_gradient(net, teacher, options.inputs)[0]
            found.append(
                {
                    "network": path,
                    "loss": lmc.population_loss(net, teacher, options.inputs),
                    "loss_floor": lmc.loss_floor(net, teacher, options.inputs),
                    "gradient_norm": math.hypot(*gradient.ravel()),
                    "sharpness": value,
                    "largest_stable_learning_rate": math.inf if value <= 0 else 2 / value,
                }
            )
    width = max(len("network"), *map(len, options.networks)) + 2
    return Report(
        {"networks": found},
        [
            f"{'network':{width}}{'loss':>12}{'gradient':>12}{'sharpness':>12}  stable up to learning rate",
            *(
                f"{row['network']:{width}}{row['loss']:12.4g}{row['gradient_norm']:12.2e}{row['sharpness']:12.6g}  {_stable(row)}"
                for row in found
            ),
        ],
    )


def _stable(row: dict[str, Any]) -> str:
    """Return the largest stable learning rate in words where it is no number: where the loss does not curve upwards."""
    rate = row["largest_stable_learning_rate"]
    return "any: the loss curves upwards in no direction" if rate == math.inf else f"{rate:.6g}"


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        sharpness,
        "Print the largest eigenvalue of the Hessian at networks, and the learning rate up to which descent is stable there.",
        "  lmctheory sharpness A.npz --teacher T.npz\n  lmctheory sharpness networks/network-*.npz --teacher T.npz --json",
    )
    sub.add_argument("networks", nargs="+", metavar="NETWORK")
    sub.add_argument("--teacher", required=True, metavar="T", help="the target network")
    skipped_arrays(sub)
    sub.add_argument("--inputs", default="gaussian", metavar="LAW", help="gaussian (default) or sphere")
