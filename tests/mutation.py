"""Mutation testing of the mathematics: ``python tests/mutation.py``, by hand and outside CI; needs cosmic-ray.

Draws `COUNT` single changes of code (operators of cosmic-ray) uniformly from all those of kernels, objectives, paths and
minima, with a fixed seed, and runs the tests that concern the module with the JIT off until one fails. Prints the share killed
with its Wilson interval, and the survivors.

Results are kept a mutant at a time, by what it changes, so that the command may be interrupted and called again.
Not drawn, as no test is to see them: annotations, decorators, imports, raised errors and formatted text; nor
`_compiled/vectors.py`, which generates machine code and is not used with the JIT off.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COUNT, SEED = 300, 0
OBJECTIVES = ("test_objectives", "test_kernels", "test_connectivity", "test_paths")
MINIMA = ("test_minima", "test_minima_barrier", "test_minima_exact", "test_zero_loss", "test_stability")
TESTS = {
    "kernels.py": ("test_kernels", "test_objectives"),
    "paths.py": ("test_paths", "test_connectivity"),
    "_compiled/angles.py": ("test_kernels", "test_extremes", "test_objectives"),
    "_compiled/population.py": OBJECTIVES,
    "_compiled/hessian.py": ("test_objectives", "test_polishing", "test_stability"),
    "_compiled/gradient.py": ("test_kernels", "test_objectives", "test_extremes", "test_vectors", "test_training"),
    "_compiled/iterate.py": ("test_objectives", "test_extremes", "test_training"),
    "_compiled/samples.py": ("test_samples", "test_sgd"),
    "_compiled/minima.py": MINIMA,
    "_compiled/leftovers.py": ("test_minima_exact", "test_minima_barrier"),
    "objectives/population.py": (*OBJECTIVES, "test_polishing", "test_stability", "test_bad_input"),
    "objectives/samples.py": ("test_samples", "test_stability", "test_bad_input"),
    "objectives/data.py": ("test_data_swaps", "test_layered", "test_backpropagation", "test_data_stability", "test_bad_input"),
    "objectives/backpropagation.py": ("test_backpropagation", "test_data_stability"),
    "objectives/mixtures.py": ("test_data_swaps", "test_layered", "test_families", "test_simplex"),
    "objectives/objective.py": ("test_data_swaps", "test_layered", "test_connectivity", "test_bad_input"),
    "minima/barriers.py": ("test_minima_barrier", "test_minima_exact", "test_bad_input"),
    "minima/centres.py": ("test_zero_loss", "test_minima", "test_bad_input"),
    "minima/exact.py": ("test_minima_exact", "test_bad_input"),
    "minima/geometry.py": ("test_zero_loss", "test_minima", "test_bad_input"),
    "minima/heights.py": ("test_minima_barrier", "test_minima_exact"),
    "minima/laws.py": ("test_minima", "test_bad_input"),
    "minima/manifold.py": ("test_minima", "test_bad_input"),
    "minima/matching.py": ("test_minima_barrier", "test_minima_exact"),
    "minima/membership.py": ("test_minima", "test_bad_input"),
    "minima/swaps.py": ("test_minima_barrier", "test_minima_exact"),
}
TIMEOUT = 150  # seconds of a run: an endless loop is a kill


def blind_spots(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the extents, as (line, column) pairs, of code that is not drawn from."""
    for node in ast.walk(ast.parse(source)):
        hidden: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            hidden = [*node.decorator_list, node.returns, *(a.annotation for a in (*node.args.args, *node.args.kwonlyargs))]
        elif isinstance(node, ast.ClassDef):
            hidden = list(node.decorator_list)
        elif isinstance(node, ast.AnnAssign):
            hidden = [node.annotation]
        elif isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
            hidden = [node]
        for part in hidden:
            if part is not None:
                yield (part.lineno, max(part.col_offset - 1, 0)), (part.end_lineno, part.end_col_offset)


def mutants() -> list[dict]:
    """Return all changes that may be drawn."""
    import cosmic_ray.plugins as plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    found = []
    for module in TESTS:
        path = ROOT / "lmctheory" / module
        if not path.exists():
            continue
        source = path.read_text("utf-8")
        hidden = list(blind_spots(source))
        nodes = list(ast_nodes(get_ast(source)))
        for name in sorted(plugins.operator_names()):
            if name.endswith(("VariableReplacer", "VariableInserter", "RemoveDecorator")):  # the first two need arguments
                continue
            operator = plugins.get_operator(name)()
            for place, node in enumerate(nodes):
                for index, (start, end) in enumerate(operator.mutation_positions(node)):
                    if not any(first <= start and end <= last for first, last in hidden):
                        found.append({"module": module, "operator": name, "node": place, "index": index, "line": start[0]})
    return found


def mutated(mutant: dict) -> tuple[str, str]:
    """Return the code of the module before and after."""
    import cosmic_ray.plugins as plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    source = (ROOT / "lmctheory" / mutant["module"]).read_text("utf-8")
    tree = get_ast(source)
    node = next(islice(ast_nodes(tree), mutant["node"], None))
    siblings = node.parent.children
    place = next(k for k, child in enumerate(siblings) if child is node)
    siblings[place] = plugins.get_operator(mutant["operator"])().mutate(node, mutant["index"])
    if siblings[place] is None:
        del siblings[place]
    return source, tree.get_code()


def difference(before: str, after: str) -> str:
    """Return the lines that change, which are what a mutant is known by."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def drawn(path: Path) -> tuple[int, dict[str, dict]]:
    """Return the number of all mutants, and those drawn by what they change; kept in a file as long as no code changes."""
    import numpy as np

    sources = "".join((ROOT / "lmctheory" / module).read_text("utf-8") for module in TESTS)
    digest = hashlib.sha256(f"{COUNT} {SEED} {sources}".encode()).hexdigest()
    if path.exists() and (kept := json.loads(path.read_text()))["digest"] == digest:
        return kept["total"], kept["chosen"]
    everything, chosen = mutants(), {}
    for k in np.random.default_rng(SEED).permutation(len(everything))[:COUNT]:
        mutant = everything[k]
        before, after = mutated(mutant)
        key = f"{mutant['module']}:{mutant['line']}: {mutant['operator'].split('/')[1]}\n{difference(before, after)}"
        chosen[key] = {"module": mutant["module"], "code": after}
    path.write_text(json.dumps({"digest": digest, "total": len(everything), "chosen": chosen}))
    return len(everything), chosen


def outcome(module: str, after: str, copy: Path) -> dict:
    """Run the tests on a changed copy of the package."""
    target = copy / "lmctheory" / module
    before = target.read_text("utf-8")
    target.write_text(after, "utf-8")
    tests = [f"tests/{name}.py" for name in TESTS[module] if (ROOT / "tests" / f"{name}.py").exists()]
    environment = os.environ | {
        "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    command = [
        "timeout",
        str(TIMEOUT),
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--tb=no",
        *tests,
    ]
    started = time.monotonic()
    run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    failures = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    by = "timeout" if run.returncode == 124 else "".join(failures[:1])
    target.write_text(before, "utf-8")
    return {"killed": run.returncode != 0, "by": by[:120], "seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    """Run the mutants that have no result yet, within the time given, and print what is known."""
    from scipy.stats import binomtest

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "mutation.json")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no mutant after this time")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--unchanged", action="store_true", help="first see whether the tests pass without a change")
    parser.add_argument("--survivors", action="store_true", help="run the survivors again")
    arguments = parser.parse_args()
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    total, chosen = drawn(arguments.results.with_suffix(".drawn.json"))
    waiting = [key for key in chosen if key not in results or (arguments.survivors and not results[key]["killed"])]
    started = time.monotonic()

    def work(copy: Path) -> None:
        while waiting and time.monotonic() - started < arguments.seconds:
            key = waiting.pop(0)
            results[key] = found = outcome(chosen[key]["module"], chosen[key]["code"], copy)
            arguments.results.write_text(json.dumps(results, indent=1))
            print(f"{'killed' if found['killed'] else 'SURVIVED':9} {found['seconds']:6.1f} s  {key}", flush=True)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.processes) as pool:
        copies = [Path(folder) / str(k) for k in range(arguments.processes)]
        for copy in copies:
            for name in ("lmctheory", "validation", "paper_figures", "benchmarks", "tests"):
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            for name in ("setup.cfg", "pyproject.toml", "README.md"):
                shutil.copy(ROOT / name, copy)
        for module in TESTS if arguments.unchanged else ():
            print(f"{module}: {outcome(module, (ROOT / 'lmctheory' / module).read_text('utf-8'), copies[0])}", flush=True)
        list(pool.map(work, copies))
    known = [results[key]["killed"] for key in chosen if key in results]
    print("\n".join(f"survived: {key}" for key in chosen if key in results and not results[key]["killed"]))
    interval = binomtest(sum(known), len(known)).proportion_ci(method="wilson")
    print(
        f"{total} mutants, {len(known)} of {len(chosen)} drawn have run, {sum(known)} were killed:"
        f" {sum(known) / len(known):.1%}, Wilson interval [{interval.low:.1%}, {interval.high:.1%}]"
    )


if __name__ == "__main__":
    main()
