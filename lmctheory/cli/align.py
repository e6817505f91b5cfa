"""`lmctheory align`"""

from __future__ import annotations

import argparse
from typing import Any

import lmctheory as lmc
from lmctheory._files import atomic_file
from lmctheory.cli.files import load_networks, writing
from lmctheory.cli.objective import MISSING, chosen_objective, declare_objective
from lmctheory.cli.options import command, layer_names, skipped_arrays
from lmctheory.cli.output import Report, permutation_text, written
from lmctheory.errors import InvalidInputError


def align(options: argparse.Namespace) -> Report:
    """The permutation that matches one network to another."""
    objective = chosen_objective(options)
    if objective is None and options.method in ("barrier", "exact"):
        raise InvalidInputError(f"{MISSING} with --method {options.method}, which minimises the barrier")
    net_a, net_b = load_networks((options.A, options.B), options.names, options.skip)
    found = lmc.align(net_a, net_b, options.method, objective=objective, time_limit=options.time_limit)
    if options.out is not None:
        with writing(options.out):
            lmc.save_network(net_b.permute(found.permutation), options.out)
    if options.permutation is not None:
        import numpy as np

        with writing(options.permutation), atomic_file(options.permutation) as file:
            np.save(file, found.permutation)
    return Report(
        {"alignment": found},
        [
            f"permutation {permutation_text(found.permutation)}",
            f"method      {found.method}",
            *_evidence(found),
            *written(options.out),
            *written(options.permutation),
        ],
    )


def _evidence(found: lmc.Alignment) -> list[str]:
    """Return what the method knows about its permutation."""
    if isinstance(found, lmc.Assignment):
        return [f"similarity  {found.similarity:.6g}, without permutation {found.unaligned_similarity:.6g}"]
    assert isinstance(found, lmc.SwapAlignment | lmc.ExactAlignment)
    lines = [
        f"barrier     {found.height:.6g}, at t = {found.position:.4f}",
        f"rounding    {found.loss_floor:.1e}: a lower barrier cannot be told from 0",
    ]
    if isinstance(found, lmc.SwapAlignment):
        start = f"{found.started_from} with barrier {found.trace[0]:.6g}"
        return [*lines, f"swaps       {found.swaps} of {found.trial_swaps} tried, from {start}"]
    verdict = "optimal" if found.is_optimal else "not complete"
    return [*lines, f"proof       {verdict}: no permutation is below {found.lower_bound:.6g} (nodes: {found.nodes})"]


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
