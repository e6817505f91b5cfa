"""Which tests execute a line, and how long they take, for `mutation.py`; with the plugin of pytest that finds out and uses it.

``pytest -p covering --record FILE`` runs tests under coverage. Each has a context of its own, for what its worker threads execute
as well; lines executed outside a test, at import, at collection or by fixtures, get the empty context. Caches of the package are
emptied before each test, lest only the first one to ask be seen to execute what is cached.

``pytest -p covering --limits FILE`` runs the tests named there, in that order, and ends the process when one of them takes more
processor time than its limit, so that a loaded machine makes no difference, or five times as long by the clock, for deadlocks.
Failing examples of Hypothesis are not made smaller.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

OBJECTIVES = ("test_objectives", "test_kernels", "test_connectivity", "test_paths")
MINIMA = ("test_minima", "test_minima_barrier", "test_minima_exact", "test_minima_extremes", "test_zero_loss", "test_stability")
TESTS = {
    "kernels.py": ("test_kernels", "test_objectives"),
    "paths.py": ("test_paths", "test_kinks", "test_connectivity"),
    "_compiled/angles.py": ("test_kernels", "test_extremes", "test_objectives"),
    "_compiled/population.py": OBJECTIVES,
    "_compiled/hessian.py": ("test_objectives", "test_polishing", "test_stability"),
    "_compiled/gradient.py": (
        "test_kernels",
        "test_objectives",
        "test_extremes",
        "test_subnormal",
        "test_vectors",
        "test_training",
        "test_pruning",
    ),
    "_compiled/iterate.py": ("test_objectives", "test_extremes", "test_subnormal", "test_training"),
    "_compiled/samples.py": ("test_samples", "test_sgd"),
    "_compiled/minima.py": MINIMA,
    "_compiled/leftovers.py": ("test_minima_exact", "test_minima_barrier", "test_minima_extremes"),
    "objectives/population.py": (*OBJECTIVES, "test_subnormal", "test_polishing", "test_stability", "test_bad_input"),
    "objectives/samples.py": ("test_samples", "test_stability", "test_bad_input"),
    "objectives/data.py": (
        "test_data_swaps",
        "test_layered",
        "test_backpropagation",
        "test_data_stability",
        "test_untrusted_numbers",
        "test_bad_input",
    ),
    "objectives/backpropagation.py": ("test_backpropagation", "test_data_stability"),
    "objectives/mixtures.py": ("test_data_swaps", "test_layered", "test_families", "test_simplex"),
    "objectives/objective.py": ("test_data_swaps", "test_layered", "test_connectivity", "test_bad_input"),
    "minima/barriers.py": ("test_minima_barrier", "test_minima_exact", "test_bad_input"),
    "minima/centres.py": ("test_zero_loss", "test_minima", "test_bad_input"),
    "minima/exact.py": ("test_minima_exact", "test_minima_extremes", "test_bad_input"),
    "minima/geometry.py": ("test_zero_loss", "test_minima", "test_bad_input"),
    "minima/heights.py": ("test_minima_barrier", "test_minima_exact", "test_minima_extremes"),
    "minima/laws.py": ("test_minima", "test_bad_input"),
    "minima/manifold.py": ("test_minima", "test_bad_input"),
    "minima/matching.py": ("test_minima_barrier", "test_minima_exact", "test_minima_extremes"),
    "minima/membership.py": ("test_minima", "test_minima_extremes", "test_bad_input"),
    "minima/swaps.py": ("test_minima_barrier", "test_minima_exact", "test_minima_extremes"),
}
FILES = sorted({name for names in TESTS.values() for name in names})
COLLECTION = 60.0  # seconds of processor time before the first test
WITHOUT_JIT = {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def run_pytest(copy: Path, files: list[str], *options: str) -> subprocess.CompletedProcess:
    """Run tests on a copy of the repository with the JIT off and this plugin, until one fails."""
    environment = os.environ | WITHOUT_JIT | {"PYTHONPATH": f"{copy}{os.pathsep}{copy / 'tests'}"}
    fixed = ["-m", "pytest", "-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "covering"]
    command = [sys.executable, *fixed, *options, *(f"tests/{name}.py" for name in files)]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False, start_new_session=True)


def record(name: str, copy: Path, kept: Path) -> dict:
    """Return ``{"seconds": {test: s}, "lines": {module: {line: tests}}}`` of a file of tests, kept until code changes."""
    helpers = [path for path in (copy / "tests").glob("*.py") if not path.name.startswith(("test_", "mutation"))]
    sources = sorted([*(copy / "lmctheory").rglob("*.py"), *helpers, copy / "tests" / f"{name}.py"])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    if kept.exists() and (found := json.loads(kept.read_text()))["digest"] == digest:
        return found
    recorded = copy / "recorded.json"
    run = run_pytest(copy, [name], "--record", str(recorded))
    if run.returncode:
        raise RuntimeError(f"the tests fail without a change:\n{run.stdout}{run.stderr}")
    found = {"digest": digest, **json.loads(recorded.read_text())}
    kept.write_text(json.dumps(found))
    return found


def statement_lines(source: str, line: int) -> range:
    r"""Return the lines of the innermost statement around a line; of a compound statement only those before its body.

    >>> source = "def f(x,\n      y=1):\n    return (x +\n            y)"
    >>> [statement_lines(source, line) for line in (1, 2, 3, 4)]
    [range(1, 3), range(1, 3), range(3, 5), range(3, 5)]
    """
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):  # outer statements come first
        if isinstance(node, ast.stmt | ast.ExceptHandler) and node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            found = range(node.lineno, max(body[0].lineno, node.lineno + 1) if body else node.end_lineno + 1)
    return found


def concerned(module: str, records: dict[str, dict], numbers: range | None = None) -> dict[str, float]:
    """Return the tests of a module, of those that execute given lines, the shortest first, with the seconds that each takes.

    What is executed outside a test concerns all tests of the file in question, and at import all tests of the module.
    """
    found = {}
    for name in TESTS[module]:
        seconds, lines = records[name]["seconds"], records[name]["lines"].get(module, {})
        tests = {test for number in numbers or () for test in lines.get(str(number), ())}
        found |= {test: s for test, s in seconds.items() if numbers is None or test in tests or "" in tests}
    return dict(sorted(found.items(), key=lambda item: item[1]))


class Recorder:
    """Records the lines and the processor time of each test that passes."""

    def __init__(self, target: Path) -> None:
        from coverage import Coverage

        self.target, self.package, self.seconds = target, Path.cwd() / "lmctheory", {}
        self.coverage = Coverage(data_file=None, config_file=False, include=[str(self.package / module) for module in TESTS])
        self.coverage.start()
        for module in TESTS:  # here, so that what runs at import belongs to no test
            importlib.import_module("lmctheory." + module.removesuffix(".py").replace("/", "."))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Give the test a context of its own."""
        for module in [module for name, module in sys.modules.items() if name.startswith("lmctheory.")]:
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
        self.coverage.switch_context(item.nodeid)
        started = time.process_time()
        try:
            yield
        finally:
            self.coverage.switch_context("")
        self.seconds[item.nodeid] = round(time.process_time() - started, 3)

    def pytest_sessionfinish(self) -> None:
        """Write what was recorded."""
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {module: data.contexts_by_lineno(str(self.package / module)) for module in TESTS}
        self.target.write_text(json.dumps({"seconds": self.seconds, "lines": lines}))


class Limiter:
    """Runs the tests that have a limit, in the order of these, and ends the process when one exceeds it."""

    def __init__(self, limits: dict[str, float]) -> None:
        self.limits = limits
        settings.register_profile("unshrunk", settings.default, phases=set(Phase) - {Phase.shrink, Phase.explain})
        settings.load_profile("unshrunk")
        self.limit(COLLECTION)

    def limit(self, seconds: float) -> None:
        """Let the process be killed by a signal, which stops whatever it does, when the time is over."""
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, 5 * seconds)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort the tests."""
        found = {item.nodeid: item for item in items}
        items[:] = [found[test] for test in self.limits if test in found]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Start the clock of a test."""
        self.limit(self.limits[item.nodeid])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two uses of this plugin."""
    parser.addoption("--record", type=Path)
    parser.addoption("--limits", type=Path)


def pytest_configure(config: pytest.Config) -> None:
    """Register what was asked for, once the settings of the suite are loaded."""
    if target := config.getoption("--record"):
        config.pluginmanager.register(Recorder(target))
    if limits := config.getoption("--limits"):
        config.pluginmanager.register(Limiter(json.loads(limits.read_text())))
