"""Mutation testing of the mathematics: ``python tests/mutation.py``, by hand and outside CI; needs cosmic-ray.

Draws `COUNT` single changes of code (operators of cosmic-ray) uniformly from all those of kernels, objectives, paths and
minima, with a fixed seed. Prints the share killed with its Wilson interval, and the survivors.

All tests run with the JIT off. First, without a change, the files of tests that `covering.TESTS` lists for the modules are run
under coverage, where they must pass. Of the files listed for its module, a mutant is then given those tests that execute the
statement which it changes: of a compound statement its head, of one on several lines any of them. Where that is executed at
import, these are all tests listed. The shortest come first, and the first failure ends the run. A mutant is killed if a test
fails, if the tests cannot be collected, if the process dies, or if a test takes `LIMIT` of processor time, as in an endless
loop. What no test listed executes survives.

A test that does not execute the statement runs as without the change, and passes. Exceptions are Hypothesis, which takes some
examples from constants in the code, and objects that tests share and that remember what they compute. Both may only add
survivors; ``--survivors --all`` runs these with all tests listed.

Results are kept a mutant at a time, by what it changes, so that the command may be interrupted and called again; what each test
executes is kept beside them until the package or the file of tests changes.
Not drawn, as no test is to see them: annotations, decorators, imports, raised errors and formatted text; nor
`_compiled/vectors.py`, which generates machine code and is not used with the JIT off.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import difflib
import hashlib
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue

from covering import FILES, TESTS, concerned, record, run_pytest, statement_lines

ROOT = Path(__file__).resolve().parents[1]
COUNT, SEED = 300, 0
LIMIT = 20.0, 10.0  # seconds of processor time of a test: so many, and so many times its own under coverage


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
        source = (ROOT / "lmctheory" / module).read_text("utf-8")
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

    sources = "".join(path.read_text("utf-8") for path in (Path(__file__), *(ROOT / "lmctheory" / module for module in TESTS)))
    digest = hashlib.sha256(f"{COUNT} {SEED} {sources}".encode()).hexdigest()
    if path.exists() and (kept := json.loads(path.read_text()))["digest"] == digest:
        return kept["total"], kept["chosen"]
    everything, chosen = mutants(), {}
    for k in np.random.default_rng(SEED).permutation(len(everything))[:COUNT]:
        mutant = everything[k]
        before, after = mutated(mutant)
        key = f"{mutant['module']}:{mutant['line']}: {mutant['operator'].split('/')[1]}\n{difference(before, after)}"
        chosen[key] = {"module": mutant["module"], "line": mutant["line"], "code": after}
    path.write_text(json.dumps({"digest": digest, "total": len(everything), "chosen": chosen}))
    return len(everything), chosen


def outcome(module: str, after: str, tests: dict[str, float], copy: Path) -> dict:
    """Run tests on a changed copy of the package."""
    if not tests:
        return {"killed": False, "by": "no test executes it", "tests": 0, "seconds": 0.0}
    started = time.monotonic()
    target, limits = copy / "lmctheory" / module, copy / "limits.json"
    limits.write_text(json.dumps({test: LIMIT[0] + LIMIT[1] * seconds for test, seconds in tests.items()}))
    before = target.read_text("utf-8")
    target.write_text(after, "utf-8")
    run = run_pytest(copy, sorted({Path(test.split("::")[0]).stem for test in tests}), "--limits", str(limits))
    target.write_text(before, "utf-8")
    failures = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if run.returncode < 0:
        by = "timeout" if -run.returncode in (signal.SIGPROF, signal.SIGALRM) else signal.Signals(-run.returncode).name
    else:
        by = failures[0] if failures else f"exit status {run.returncode}"
    killed = run.returncode < 0 or bool(failures)
    return {"killed": killed, "by": by[:120], "tests": len(tests), "seconds": round(time.monotonic() - started, 1)}


def copied(folder: Path) -> Path:
    """Copy the repository; bytecode is checked by the source's hash, as a change may leave its size and its second the same."""
    for name in ("lmctheory", "validation", "paper_figures", "benchmarks", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    compileall.compile_dir(folder / "lmctheory", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return folder


def on_copies(function: Callable[[str, Path], dict | None], tasks: Iterable[str], copies: list[Path]) -> Iterator[tuple]:
    """Yield tasks with what the function makes of each on a free copy, as they are done."""
    free = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def call(task: str) -> tuple:
        copy = free.get()
        try:
            return task, function(task, copy)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for done in as_completed([pool.submit(call, task) for task in tasks]):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> None:
    """Run the mutants that have no result yet, within the time given, and print what is known."""
    from scipy.stats import binomtest

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "mutation.json")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no mutant after this time")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--unchanged", action="store_true", help="first see whether all tests pass, shortest first")
    parser.add_argument("--survivors", action="store_true", help="run the survivors again")
    parser.add_argument("--all", action="store_true", help="run the tests that do not execute what changes as well")
    arguments = parser.parse_args()
    kept = arguments.results.with_suffix(".tests")
    kept.mkdir(parents=True, exist_ok=True)
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    total, chosen = drawn(arguments.results.with_suffix(".drawn.json"))
    waiting = [key for key in chosen if key not in results or (arguments.survivors and not results[key]["killed"])]
    started = time.monotonic()

    def run(key: str, copy: Path) -> dict | None:
        if time.monotonic() - started >= arguments.seconds:
            return None
        module, line = chosen[key]["module"], chosen[key]["line"]
        tests = concerned(module, records, None if arguments.all else statement_lines(sources[module], line))
        return outcome(module, chosen[key]["code"], tests, copy)

    with tempfile.TemporaryDirectory() as folder:
        copies = [copied(Path(folder) / str(k)) for k in range(arguments.processes)]
        sources = {module: (copies[0] / "lmctheory" / module).read_text("utf-8") for module in TESTS}
        records = {}
        for name, found in on_copies(lambda name, copy: record(name, copy, kept / f"{name}.json"), FILES, copies):
            records[name] = found
            print(f"{name}: {len(found['seconds'])} tests, {sum(found['seconds'].values()):.1f} s", flush=True)
        if arguments.unchanged:
            times = sorted((s, test) for found in records.values() for test, s in found["seconds"].items())
            print(outcome("kernels.py", sources["kernels.py"], {test: s for s, test in times}, copies[0]), flush=True)
        for key, found in on_copies(run, waiting, copies):
            if found is not None:
                results[key] = found
                arguments.results.write_text(json.dumps(results, indent=1))
                print(f"{'killed' if found['killed'] else 'SURVIVED':9} {found['seconds']:6.1f} s  {key}", flush=True)
    known = [results[key]["killed"] for key in chosen if key in results]
    if not known:
        return
    print("\n".join(f"survived: {key}" for key in chosen if key in results and not results[key]["killed"]))
    interval = binomtest(sum(known), len(known)).proportion_ci(method="wilson")
    print(
        f"{total} mutants, {len(known)} of {len(chosen)} drawn have run, {sum(known)} were killed:"
        f" {sum(known) / len(known):.1%}, Wilson interval [{interval.low:.1%}, {interval.high:.1%}]"
    )


if __name__ == "__main__":
    main()
