"""Studies: nothing is lost, nothing is computed twice, results do not depend on where they are computed."""

import contextlib
import importlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.errors import StoreError
from lmctheory.sweep import Study, grid, run_study
from lmctheory.sweep.keys import fingerprint
from lmctheory.sweep.store import Lease, Store

CELLS = """
    import os, time
    from pathlib import Path
    import numpy as np
    import lmctheory as lmc
    from {name}_helper import scale

    def cell(seed, k, log="", pause=0.0):
        '''Docstring.'''
        if log:
            with open(log, "a") as file:
                file.write(f"{{k}}\\n")
        time.sleep(pause)
        W = np.random.default_rng([seed, k]).normal(size=(6, 40))
        net, teacher = lmc.TwoLayerNet(scale(W)), lmc.orthonormal_teacher(3, 40)
        loss, gradient = lmc.population_loss(net, teacher), lmc.population_gradient(net, teacher)[0]
        return {{"loss": loss, "gradient": gradient, "label": f"cell {{k}}"}}

    def fragile(seed, k, marker, times):
        count = len(list(Path(marker).iterdir()))
        (Path(marker) / str(count)).touch()
        if k == 1 and count < times:
            os.kill(os.getpid(), 9)
        return {{"k": k}}

    def broken(seed, k):
        if k == 1:
            raise ArithmeticError("no such number")
        return {{"k": k}}
"""
HELPER = """
    def scale(W):
        return 0.5 * W
"""


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A module of a user's own, on the path of this process only; ``user.write(name, text)`` rewrites one of its files."""
    name = f"user_{tmp_path.name.replace('-', '_')}"
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))

    class User:
        folder = tmp_path / "results"
        log = tmp_path / "log"

        @staticmethod
        def write(suffix, text):
            (code / f"{name}{suffix}.py").write_text(textwrap.dedent(text).format(name=name))
            importlib.invalidate_caches()
            for module in (f"{name}_helper", name):
                sys.modules.pop(module, None)

        @staticmethod
        def function(which="cell"):
            return getattr(importlib.import_module(name), which)

        def study(self, n=4, which="cell", seed=3, **parameters):
            return Study(
                "test", self.function(which), grid(k=list(range(n)), **{key: [v] for key, v in parameters.items()}), seed=seed
            )

        def logged(self):
            return sorted(map(int, self.log.read_text().split())) if self.log.exists() else []

        def script(self, n, pause):
            return textwrap.dedent(f"""
                import sys; sys.path.insert(0, {str(code)!r})
                import {name}
                from lmctheory.sweep import Study, grid, run_study
                study = Study("test", {name}.cell, grid(k=list(range({n})), log=[{str(self.log)!r}], pause=[{pause}]), seed=3)
                run_study(study, {str(self.folder)!r}, executor="serial")
            """)

    user = User()
    user.write("_helper", HELPER)
    user.write("", CELLS)
    return user


def bits(result):
    return [(r["k"], r["loss"], r["gradient"].tobytes(), r["label"]) for r in result.records]


def test_grid_is_the_cartesian_product():
    assert grid(a=[1, 2], b=["x"]) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    assert grid() == [{}]


def test_finished_cells_are_read_back_bit_by_bit(user):
    study = user.study(log=str(user.log))
    first = run_study(study, user.folder, executor="serial")
    again = run_study(study, user.folder, executor="serial")
    assert (first.computed, first.reused, again.computed, again.reused) == (4, 0, 0, 4)
    assert bits(first) == bits(again)
    assert user.logged() == [0, 1, 2, 3]
    assert first.column("loss").shape == (4,)


def test_extending_a_grid_computes_the_new_cells_only(user):
    run_study(user.study(2, log=str(user.log)), user.folder, executor="serial")
    assert run_study(user.study(5, log=str(user.log)), user.folder, executor="serial").computed == 3
    assert user.logged() == [0, 1, 2, 3, 4]


def test_repeated_cells_are_computed_once_and_returned_twice(user):
    study = Study("test", user.function(), [{"k": 1}, {"k": 1}])
    result = run_study(study, user.folder, executor="serial")
    assert result.computed == 1
    assert len(result.records) == 2


@pytest.mark.parametrize(
    ("change", "computed"),
    [
        (lambda user: user.write("_helper", HELPER.replace("0.5", "0.25")), 4),
        (lambda user: user.write("", CELLS.replace("size=(6, 40)", "size=(5, 40)")), 4),
        (lambda user: user.write("", CELLS.replace("'''Docstring.'''", "'''Another.'''  # and a comment")), 0),
        (lambda user: user.write("_unrelated", "x = 1"), 0),
    ],
    ids=["helper", "function", "comment and docstring", "unrelated module"],
)
def test_a_change_of_code_invalidates_what_it_must_and_nothing_else(user, change, computed):
    run_study(user.study(), user.folder, executor="serial")
    change(user)
    assert run_study(user.study(), user.folder, executor="serial").computed == computed


def test_seed_name_and_parameters_are_part_of_the_key(user):
    study = user.study()
    keys = {study.key({"k": 1}), study.key({"k": 2}), user.study(seed=4).key({"k": 1})}
    keys.add(Study("other", user.function(), [{"k": 1}], seed=3).key({"k": 1}))
    assert len(keys) == 4
    assert study.key({"k": 1, "log": ""}) == study.key({"log": "", "k": 1})


def test_lazy_public_names_count_as_imports_of_their_modules(user):
    found = fingerprint(user.function())
    parts = set(found.parts)
    assert {
        "lmctheory.objectives.population",
        "lmctheory.networks",
        "lmctheory.kernels",
        "lmctheory._compiled.population",
    } <= parts
    assert not parts & {"lmctheory.plotting", "lmctheory.rates", "lmctheory.training.descent"}
    assert found.parts["numpy"] == np.__version__
    assert all(name.startswith("user_") for name in found.modules)
    assert not found.imported
    assert len(found.modules) == 2
    assert found.code != fingerprint(user.function("broken")).code


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_give_the_bits_of_this_one(user, workers):
    here = run_study(user.study(), user.folder / "here", executor="serial")
    there = run_study(user.study(), user.folder / "there", executor="processes", workers=workers)
    assert bits(here) == bits(there)


def test_a_cell_that_raises_is_recorded_and_the_study_goes_on(user):
    study = user.study(3, "broken")
    seen = []
    result = run_study(study, user.folder, executor="serial", progress=lambda *state: seen.append(state))
    assert [r["k"] for r in result.records] == [0, 2]
    [(cell, error)] = result.failures
    assert cell == {"k": 1}
    assert "ArithmeticError: no such number" in error
    assert seen[-1] == (1.0, 2, 1)
    with Store(user.folder) as store:
        assert [row["state"] for row in store.rows("test")].count("failed") == 1
    assert run_study(study, user.folder, executor="serial").reused == 2  # the failed one is tried again


@pytest.mark.parametrize(("times", "failures"), [(1, 0), (99, 1)])
def test_a_dying_worker_costs_no_other_cell(user, tmp_path, times, failures):
    marker = tmp_path / "marker"
    marker.mkdir()
    study = user.study(4, "fragile", marker=str(marker), times=times)
    result = run_study(study, user.folder, executor="processes", workers=1)
    assert len(result.failures) == failures
    assert [r["k"] for r in result.records] == [k for k in range(4) if k != 1 or not failures]


def _wait_for(condition, seconds=600.0):  # how long only bounds a test that fails
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_resumes_where_it_was(user, end):
    process = subprocess.Popen([sys.executable, "-c", user.script(6, 0.3)], stderr=subprocess.DEVNULL)
    _wait_for(lambda: len(user.logged()) >= 3)
    process.send_signal(end)
    process.wait()
    begun = len(user.logged())
    with Store(user.folder) as store:
        finished = sum(1 for _ in store.rows("test"))
    assert begun - 1 <= finished <= begun  # at most the cell in hand is lost
    result = run_study(user.study(6, log=str(user.log), pause=0.3), user.folder, executor="serial")
    assert (result.reused, len(result.records)) == (finished, 6)
    reference = run_study(user.study(6, log="", pause=0.3), user.folder / "reference", executor="serial")
    assert bits(result) == bits(reference)


def test_two_processes_share_a_study(user):
    processes = [subprocess.Popen([sys.executable, "-c", user.script(8, 0.2)]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert user.logged() == list(range(8))


def test_leases_of_the_dead_are_free_and_those_of_the_living_are_not(user):
    child = subprocess.Popen(
        [sys.executable, "-c", f"""if True:
            import sys
            from lmctheory.sweep.store import Store
            store = Store({str(user.folder)!r})
            print(store.claim("a").value, flush=True)
            sys.stdin.read()"""],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline().strip() == "ours"
    with Store(user.folder) as store:
        assert store.claim("a") is Lease.HELD
        assert store.claim("b") is Lease.OURS
        child.kill()
        child.wait()
        assert store.claim("a") is Lease.OURS
    child.stdout.close()
    child.stdin.close()


def _foreign(path):
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"no database at all, but some text" * 9), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:6000]), "database"),
        (
            lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close()),
            "not a results database",
        ),
    ],
    ids=["empty", "text", "truncated", "foreign"],
)
def test_a_damaged_or_foreign_database_is_refused_and_left_alone(user, damage, message):
    run_study(user.study(), user.folder, executor="serial")
    path = user.folder / "study.sqlite"
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message):
        run_study(user.study(), user.folder, executor="serial")
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:300])], ids=["gone", "cut"])
def test_cells_whose_arrays_are_lost_are_computed_again_and_a_line_says_so(user, capsys, damage):
    first = run_study(user.study(), user.folder, executor="serial", progress=None)
    damage(next((user.folder / "arrays").rglob("*.npz")))
    again = run_study(user.study(), user.folder, executor="serial", progress=None)
    assert (again.computed, again.reused) == (1, 3)
    assert bits(again) == bits(first)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"test: arrays in {user.folder} are damaged or gone: 1 cell is computed again"
    assert run_study(user.study(), user.folder, executor="serial", progress=None).reused == 4


def test_a_full_disk_keeps_what_is_finished_and_leaves_nothing_half_written(user, monkeypatch):
    run_study(user.study(2), user.folder, executor="serial")

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(StoreError, match="No space left"):
            run_study(user.study(3), user.folder, executor="serial")
    assert not [p for p in user.folder.rglob("*") if p.is_file() and b"half" in p.read_bytes()[:4]]
    again = run_study(user.study(3), user.folder, executor="serial")
    assert (again.reused, again.computed) == (2, 1)


def test_fresh_forgets_everything(user):
    run_study(user.study(), user.folder, executor="serial")
    assert run_study(user.study(), user.folder, executor="serial", fresh=True).computed == 4


def test_an_unwritable_folder_is_named(tmp_path, user):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        run_study(user.study(), tmp_path / "file" / "x", executor="serial")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: Study("", f, [{}]), "name"),
        (lambda f: Study("s", 5, [{}]), "function"),
        (lambda f: Study("s", f, []), "cells"),
        (lambda f: Study("s", f, [5]), r"cells\[0\]"),
        (lambda f: Study("s", f, [{"k": np.arange(2)}]), r"cells\[0\]\['k'\]"),
        (lambda f: Study("s", f, [{"k": 1j}]), r"cells\[0\]\['k'\]"),
        (lambda f: Study("s", f, [{"k": 10**5000}]), r"cells\[0\]\['k'\]"),
        (lambda f: Study("s", f, [{"seed": 1}]), r"cells\[0\] must map names other than 'seed'"),
        (lambda f: Study("\udc80", f, [{}]), "name"),
        (lambda f: Study("s", f, [{}], cost=3), "cost must be callable"),
        (lambda f: grid(x=3), "x must be a sequence"),
        (lambda f: grid(x="abc"), "x must be a sequence"),
        (lambda f: grid(x=np.array(3)), "x must be a sequence"),
        (lambda f: grid(x=[]), "x must be a sequence"),
        (lambda f: grid(x=np.eye(2)), r"x\[0\] must be a number"),
        (lambda f: run_study(Study("s", f, [{"k": 1}], cost=lambda c: -1), "nowhere"), "cost must return"),
        (lambda f: run_study(Study("s", f, [{"k": 1}], cost=lambda c: float("nan")), "nowhere"), "cost must return"),
        (lambda f: run_study(Study("s", f, [{"k": 1}], cost=lambda c: "1"), "nowhere"), "cost must return"),
        (lambda f: Study("s", f, [{"k": 1}], seed=-1), "seed"),
        (lambda f: run_study(Study("s", f, [{"k": 1}]), "nowhere", executor="magic"), "executor"),
        (lambda f: run_study(Study("s", f, [{"k": 1}]), "nowhere", workers=0), "workers"),
    ],
)
def test_bad_input(user, tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lmc.InvalidInputError, match=message):
        call(user.function())


def test_results_that_cannot_be_stored_fail_the_cell(user):
    user.write("", "def cell(seed, k):\n    return {{'x': object()}}")
    [(_, error)] = run_study(user.study(1), user.folder, executor="serial").failures
    assert "'x' of type object" in error


# --- Dask ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers on loopback, as processes that know the library but not the user's code."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    root = str(Path(lmc.__file__).parents[1])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": root}

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
            cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    _wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))  # it is there before its content is
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(tmp_path))
    workers = [start("worker", "--scheduler-file", str(file), *options) for _ in range(2)]
    import json

    yield json.loads(file.read_text())["address"], workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def test_a_dask_cluster_gives_the_same_bits_though_a_worker_is_killed(user, cluster):
    address, workers = cluster
    study = user.study(10, log=str(user.log), pause=0.4)

    def kill_one(share, done, failed):
        if done == 3 and workers[0].poll() is None:
            workers[0].kill()

    there = run_study(study, user.folder / "there", executor=address, progress=kill_one)
    assert workers[0].wait() == -signal.SIGKILL
    assert not there.failures
    here = run_study(user.study(10, log="", pause=0.0), user.folder / "here", executor="serial")
    assert bits(there) == bits(here)


def test_an_unreachable_scheduler_is_named_within_seconds(user):
    pytest.importorskip("distributed")
    from lmctheory.errors import SchedulerError

    with pytest.raises(SchedulerError, match=r"tcp://127.0.0.1:1 within"):
        run_study(user.study(), user.folder, executor="tcp://127.0.0.1:1")
