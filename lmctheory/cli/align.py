"""`lmctheory align`"""

from __future__ import annotations

import argparse
from typing import Any

import lmctheory as lmc
from lmctheory._files import atomic_file
from lmctheory.cli.files import Outputs, load_networks
from lmctheory.cli.objective import MISSING, chosen_objective, declare_objective
from lmctheory.cli.options import command, layer_names, skipped_arrays
from lmctheory.cli.output import Report, height_line, number_text, permutation_text
from lmctheory.errors import InvalidInputError


def align(options: argparse.Namespace) -> Report:
    """The permutation that matches one network to another."""
    objective = chosen_objective(options)
    if objective is None and options.method in ("barrier", "exact"):
        raise InvalidInputError(f"{MISSING} with --method {options.method}, which minimises the barrier")
    net_a, net_b = load_networks((options.A, options.B), options.names, options.skip)
    outputs = Outputs()
    outputs.expect_network("--out", options.out, net_b)
    outputs.expect("--permutation", options.permutation)
    found = lmc.align(net_a, net_b, options.method, objective=objective, time_limit=options.time_limit)
    outputs.write(options.out, lambda path: lmc.save_network(net_b.permute(found.permutation), path))
    outputs.write(options.permutation, lambda path: _save_indices(found.permutation, path))
    return Report(
        {"alignment": found},
        [
            f"permutation {permutation_text(found.permutation)}",
            f"method      {found.method}",
            *_evidence(found),
            *outputs.lines,
        ],
        outputs.errors,
    )


def _save_indices(permutation: Any, path: str) -> None:
    import numpy as np

    with atomic_file(path) as file:
        np.save(file, permutation)


def _evidence(found: lmc.Alignment) -> list[str]:
    """Return what the method knows about its permutation."""
    if isinstance(found, lmc.Assignment):
        nothing = found.similarity <= found.unaligned_similarity
        gain = ": no permutation that was found is better than none" if nothing else ""
        return [f"similarity  {found.similarity:.6g}, without permutation {found.unaligned_similarity:.6g}{gain}"]
    assert isinstance(found, lmc.SwapAlignment | lmc.ExactAlignment)
    lines = [
        height_line(found),
        f"rounding    {found.loss_floor:.1e}: a lower barrier cannot be told from 0",
    ]
    if isinstance(found, lmc.SwapAlignment):
        start = f"{found.started_from} with barrier {number_text(found.trace[0], found.loss_floor)}"
        return [*lines, f"swaps       {found.swaps} of {found.trial_swaps} tried, from {start}"]
    verdict = "optimal" if found.is_optimal else "not complete"
    bound = number_text(found.lower_bound, found.loss_floor)
    return [*lines, f"proof       {verdict}: no permutation is below {bound} (nodes: {found.nodes})"]


def declare(commands: Any) -> None:
    """Add the subcommand and its options."""
    sub = command(
        commands,
        align,
        "Print and save the permutation of the neurons of B that matches them to those of A.",
        "  lmctheory align A.npz B.npz\n"
        "  lmctheory align A.npz B.npz --method activations --out aligned.npz --permutation permutation.npy\n"
        "  lmctheory align A.npz B.npz --method exact --teacher T.npz --time-limit 60\n"
        "  lmctheory align A.safetensors B.safetensors --method activations --data digits --out aligned.safetensors",
    )
    sub.add_argument("A", help="network that stays as it is")
    sub.add_argument("B", help="network to permute")
    sub.add_argument("--method", default="weights", help="weights (default), activations, barrier or exact")
    declare_objective(sub)
    layer_names(sub)
    skipped_arrays(sub)
    sub.add_argument("--time-limit", type=float, metavar="SECONDS", help="of exact (default: none)")
    sub.add_argument("--out", metavar="FILE", help="write B, permuted, as .npz or .safetensors")
    sub.add_argument(
        "--permutation", metavar="FILE", help="write the gather indices as .npy: new neuron i is old neuron permutation[i]"
    )
