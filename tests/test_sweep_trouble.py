"""One cell's trouble is that cell's alone; the user's interrupt ends a study with one line; poor surroundings are coped with."""

import contextlib
import errno
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

import lmctheory as lmc
from lmctheory.errors import InvalidInputError, StoreError
from lmctheory.sweep import Study, grid, run_study, schema
from lmctheory.sweep.example import power
from lmctheory.sweep.store import Store

ROOT = str(Path(lmc.__file__).parents[1])


class OddError(Exception):
    """Cannot be pickled, and has no text."""

    def __init__(self, first, second):
        super().__init__()
        self.lock = threading.Lock()

    def __str__(self):
        raise SystemExit("no text")


class Matrix(np.ndarray):
    pass


class BaseTrouble(BaseException):
    pass


class OddDict(dict):
    def items(self):
        raise OSError("no items")


def forever(x):
    return forever(x) + 1


def masked():
    return np.ma.masked_equal([1.0, 2.0], 1.0)


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


RAISING = {
    "error": lambda: 1 / 0,
    "exit": lambda: sys.exit(3),
    "exit with words": lambda: sys.exit("enough"),
    "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
    "generator exit": lambda: (_ for _ in ()).throw(GeneratorExit()),
    "base exception": lambda: (_ for _ in ()).throw(BaseTrouble("trouble")),
    "odd error": lambda: (_ for _ in ()).throw(OddError(1, 2)),
    "surrogate": lambda: (_ for _ in ()).throw(ValueError("\udc80")),
    "long text": lambda: (_ for _ in ()).throw(ValueError("x" * 10**6)),
    "group": lambda: (_ for _ in ()).throw(BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("v")])),
    "recursion": lambda: forever(1),
    "memory": lambda: (_ for _ in ()).throw(MemoryError()),
    "disk": lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
    "stop": lambda: next(iter(())),
}
RETURNING = {
    "object": lambda: {"v": object()},
    "nothing": lambda: None,
    "list": lambda: [1],
    "numbered": lambda: {1: 2},
    "its parameter": lambda: {"kind": 3},
    "its parameter as an array": lambda: {"kind": np.arange(3)},
    "ragged": lambda: {"v": [[1], [2, 3]]},
    "deep": lambda: {"v": nested(100)},
    "objects": lambda: {"v": np.array([1, None])},
    "dates": lambda: {"v": np.array(["2020"], dtype="M8[Y]")},
    "masked": lambda: {"v": masked()},
    "complex": lambda: {"v": 1j},
    "huge": lambda: {"v": 10**5000},
    "dict": lambda: {"v": {"a": 1}},
    "function": lambda: {"v": forever},
    "generator": lambda: {"v": (k for k in range(3))},
    "lock": lambda: {"v": threading.Lock()},
    "bytes": lambda: {"v": b"a"},
    "odd dict": lambda: OddDict(v=1),
}
FINE = {
    "plain": lambda: {"v": 1},
    "archive members": lambda: {"file": np.arange(3), "args": np.arange(2), "kwds": np.eye(2), "allow_pickle": np.arange(4)},
    "odd names": lambda: {
        "": np.arange(2), "a/b": np.arange(3), "../x": np.arange(4), "\0": 1, "\udc80": np.arange(5), "n" * 10**5: np.eye(1),
    },
    "numbers": lambda: {
        "a": float("nan"), "b": -0.0, "c": 2**70, "d": True, "e": None, "f": "\udc80", "g": np.float32(0.1), "h": np.bool_(True),
    },
    "arrays": lambda: {
        "a": np.array(3), "b": np.zeros((0, 3)), "c": ["x", "y"], "d": [[1, 2], [3, 4]], "e": (True, False), "f": np.eye(2) * 1j,
    },
    "subclasses": lambda: {"v": np.eye(2).view(Matrix), "e": signal.SIGINT, "m": np.ma.array([1, 2])},
}  # fmt: skip
DEADLY = {"exit at once": lambda: os._exit(3), "killed": lambda: os.kill(os.getpid(), signal.SIGKILL)}
CASES = {**FINE, **RAISING, **RETURNING, **DEADLY}


def trouble(seed, kind):
    return CASES[kind]()


def check(found, deadly=()):
    assert [record["kind"] for record in found.records] == list(FINE)
    failed = dict((cell["kind"], error) for cell, error in found.failures)
    assert set(failed) == {*RAISING, *RETURNING, *deadly}
    assert all(failed.values())
    for kind, words in {
        "error": "ZeroDivisionError: division by zero", "exit": "SystemExit: 3", "interrupt": "KeyboardInterrupt",
        "surrogate": r"\udc80",
        "odd error": "OddError", "recursion": "RecursionError", "group": "ValueError: v", "object": "'v' of type object",
        "its parameter": "a cell must not return a name of its parameters, got 'kind'", "masked": "masked", "huge": "4300 digits",
        "deep": "'v'", "ragged": "'v'", "nothing": "NoneType", "dates": "datetime64",
    }.items():  # fmt: skip
        assert words in failed[kind], failed[kind]


def same(first, again):
    assert list(first) == list(again)
    for name, value in first.items():
        assert type(again[name]) is type(value), name
        np.testing.assert_array_equal(np.asarray(again[name]), np.asarray(value), strict=True)


def study(kinds=None, **options):
    return Study("trouble", trouble, grid(kind=[*FINE, *RAISING, *RETURNING] if kinds is None else kinds), **options)


@pytest.fixture(params=["serial", "threads", "processes", "pool"])
def executor(request):
    if request.param == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif request.param == "pool":
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    else:
        yield request.param


def test_whatever_a_cell_raises_or_returns_fails_that_cell_alone(tmp_path, executor):
    first = run_study(study(), tmp_path, executor=executor, progress=None)
    check(first)
    again = run_study(study(list(FINE)), tmp_path, executor="serial", progress=None)
    assert (again.reused, again.computed) == (len(FINE), 0)
    for one, other in zip(first.records, again.records, strict=True):
        same(one, other)


def test_cells_that_end_their_process_fail_alone(tmp_path, capsys):
    fine = ["plain", "arrays", "odd names"]
    kinds = [*fine, *DEADLY]
    found = run_study(study(kinds), tmp_path / "own", executor="processes", workers=2, progress=None)
    assert [record["kind"] for record in found.records] == fine
    assert {cell["kind"] for cell, _ in found.failures} == set(DEADLY)
    assert all("worker process died" in error for _, error in found.failures)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = run_study(study(["plain", "exit at once"]), tmp_path / "given", executor=pool, progress=None)
    assert [record["kind"] for record in found.records] == ["plain"]
    assert [cell["kind"] for cell, _ in found.failures] == ["exit at once"]
    assert "trouble: a worker of the given executor died; the study goes on in local processes" in capsys.readouterr().err


def test_on_dask_as_well(tmp_path):
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": ROOT, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    options = {"scheduler": ("--port", "0", "--no-dashboard"), "worker": ("--nthreads", "2", "--local-directory", str(tmp_path))}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", "--host", "127.0.0.1", "--scheduler-file", str(file), *more],
            cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for what, more in options.items()
    ]  # fmt: skip
    try:
        _wait_for(file.exists)
        kinds = [*FINE, *RAISING, *RETURNING, "exit at once"]
        found = run_study(study(kinds), tmp_path, executor=json.loads(file.read_text())["address"], progress=None)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
    check(found, ["exit at once"])
    assert "KilledWorker" in dict((cell["kind"], error) for cell, error in found.failures)["exit at once"]


def test_a_result_that_the_database_refuses_fails_its_cell_alone(tmp_path, monkeypatch):
    finish = Store.finish

    def refuse(self, key, study, cell, *rest):
        if cell["kind"] == "arrays":
            raise sqlite3.DataError("string or blob too big")
        finish(self, key, study, cell, *rest)

    monkeypatch.setattr(Store, "finish", refuse)
    found = run_study(study(list(FINE)), tmp_path, executor="serial", progress=None)
    assert len(found.records) == len(FINE) - 1
    assert "string or blob too big" in found.failures[0][1]


def leaving(seed, x):
    """Leaves traces in its process."""
    os.chdir("/")
    np.seterr(all="raise")
    return {"zero": float(np.float64(0.0) / np.float64(x)) if x else -1.0, "a": np.arange(x)}


def test_what_a_cell_does_to_its_process_does_not_reach_the_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = np.geterr()
    found = run_study(Study("s", leaving, grid(x=[3, 1, 2])), "results", executor="serial", progress=None)
    assert not found.failures
    assert Path.cwd() == tmp_path
    assert np.geterr() == before
    assert run_study(Study("s", leaving, grid(x=[3, 1, 2])), "results", executor="serial", progress=None).reused == 3
    assert len(list((tmp_path / "results" / "arrays").rglob("*.npz"))) == 3


def wandering(seed, x, folder):
    os.chdir(folder)
    return {"a": np.arange(x)}


def test_threads_that_change_the_folder_do_not_move_the_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wanderers = Study("s", wandering, grid(x=[1, 2, 3], folder=[str(elsewhere)]))
    with ThreadPoolExecutor(2) as pool:
        run_study(wanderers, "results", executor=pool, progress=None)
        os.chdir(tmp_path)
        assert run_study(wanderers, "results", executor=pool, progress=None).reused == 3
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("given", ["serial", "processes", "threads"])
def test_the_callers_environment_threads_and_signals_stay_as_they_were(tmp_path, given):
    def state():
        numbers = sorted((pool["filepath"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info())
        return dict(os.environ), numbers, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    powers = Study("s", power, grid(base=[2, 3], exponent=[1, 2, 3]))
    run_study(powers, tmp_path / "first", executor="serial", progress=None)  # everything is loaded
    before = state()
    with ThreadPoolExecutor(2) if given == "threads" else contextlib.nullcontext(given) as executor:
        assert run_study(powers, tmp_path / "second", executor=executor, progress=None).computed == 6
    assert state() == before


def test_an_executor_that_takes_no_calls_is_named(tmp_path):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(InvalidInputError, match="executor must take calls"):
        run_study(study(["plain"]), tmp_path, executor=pool, progress=None)


def test_in_a_daemonic_process_cells_run_in_it(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_in_a_daemon, args=(str(tmp_path),), daemon=True)
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert run_study(study(["plain"]), tmp_path, executor="serial", progress=None).reused == 1


def _in_a_daemon(folder):
    assert run_study(study(["plain"]), folder, executor="processes", workers=2, progress=None).computed == 1


# --- interrupts -----------------------------------------------------------------------------------------------------------

SLOW = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from lmctheory.sweep import Study, grid, run_study

    def cell(seed, x, mark):
        (Path(mark) / str(x)).touch()
        if x >= 2:
            for _ in range(600):
                {wait}
        return {{"v": x}}

    study = Study("slow", cell, grid(x=[0, 1, 2, 3], mark=[sys.argv[1]]))
    {call}
"""
CALL = "run_study(study, sys.argv[2], executor=sys.argv[3], workers=1, progress=None)"
SWALLOW = """try:
                time.sleep(0.1)
            except BaseException:
                break"""


def _wait_for(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupted(tmp_path, number, executor="serial", wait="time.sleep(0.1)", call=CALL):
    """Send a signal to a study while its third cell runs; return status and the lines on both streams."""
    script, mark, folder = tmp_path / "study.py", tmp_path / "mark", tmp_path / "results"
    mark.mkdir()
    script.write_text(textwrap.dedent(SLOW).format(wait=wait, call=call))
    process = subprocess.Popen(
        [sys.executable, str(script), str(mark), str(folder), executor], env=os.environ | {"PYTHONPATH": ROOT}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    _wait_for(lambda: (mark / "2").exists() or process.poll() is not None)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.splitlines(), err.splitlines(), folder


@pytest.mark.parametrize("executor", ["serial", "processes"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_a_study_with_one_line(tmp_path, number, status, executor):
    found, _, err, folder = interrupted(tmp_path, number, executor)
    assert err == [f"slow: interrupted; 2 of 4 cells are kept in {folder}; the same call resumes"]
    assert found == status
    with Store(folder) as store:
        assert sorted((row["state"], row["parameters"]["x"]) for row in store.rows()) == [("done", 0), ("done", 1)]
        assert not store.abandoned()


def test_a_cell_that_swallows_an_interrupt_does_not_keep_the_study_going(tmp_path):
    status, _, err, _ = interrupted(tmp_path, signal.SIGINT, wait=SWALLOW)
    assert status == 130
    assert len(err) == 1


def test_an_interrupt_can_be_caught(tmp_path):
    call = f"try:\n    {CALL}\nexcept KeyboardInterrupt as error:\n    print('caught', error)"
    status, out, err, _ = interrupted(tmp_path, signal.SIGINT, call=call)
    assert (status, out) == (0, ["caught " + err[0]])


def test_who_handles_signals_decides():
    """A handler that was there before is asked, and stays."""
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    mine = signal.getsignal(signal.SIGTERM)
    try:
        with_signal = Study("s", lambda seed, x: (os.kill(os.getpid(), signal.SIGTERM), {"v": x})[1], grid(x=[1, 2]))
        with tempfile.TemporaryDirectory() as folder:
            assert run_study(with_signal, folder, executor="serial", progress=None).computed == 2
        assert seen == [signal.SIGTERM] * 2
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_of_the_main_thread_no_handler_is_set(tmp_path):
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run_study(study(["plain", "interrupt"]), tmp_path, executor="serial", progress=None))
    )
    thread.start()
    thread.join()
    assert len(found[0].records) == len(found[0].failures) == 1


def test_a_cell_that_ended_the_whole_process_comes_last_in_the_next_run(tmp_path):
    script = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_sweep_trouble import run_study, study
        run_study(study(["exit at once", "plain", "arrays"]), {str(tmp_path / "results")!r}, executor="serial", progress=None)
    """
    environment = os.environ | {"PYTHONPATH": ROOT}
    for finished in (0, 2):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment, check=False)
        assert done.returncode == 3
        with Store(tmp_path / "results") as store:
            assert len(list(store.rows())) == finished


# --- the folder -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [2**63, 2**128 - 1, 254316080182292510163388619292086978285, np.int64(3), 0])
def test_seeds_of_any_size_are_stored(tmp_path, seed):
    seeded = Study("s", lambda seed, x: {"low": seed % 1000}, grid(x=[1]), seed=seed)
    assert run_study(seeded, tmp_path, executor="serial", progress=None).records[0]["low"] == seed % 1000
    assert run_study(seeded, tmp_path, executor="serial", progress=None).reused == 1
    with Store(tmp_path) as store:
        assert [row["seed"] for row in store.rows()] == [seed]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_a_disk_without_hard_links_will_do(tmp_path, monkeypatch, number):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    answers, barrier = [], threading.Barrier(4)

    def open_and_claim():
        with Store(tmp_path) as store:
            answers.append(store.claim("a").value)
            barrier.wait(60)

    threads = [threading.Thread(target=open_and_claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["held", "held", "held", "ours"]
    assert run_study(study(["plain"]), tmp_path, executor="serial", progress=None).computed == 1
    assert {path.name for path in tmp_path.iterdir()} == {"study.sqlite"}


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """``read_only(folder)`` makes a folder one that can only be read, even by a user who may do anything."""
    locked = []

    def lock(folder):
        locked.append(folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            access = os.access
            monkeypatch.setattr(
                os,
                "access",
                lambda path, mode: access(path, mode) and not (mode == os.W_OK and Path(path).is_relative_to(folder)),
            )

    yield lock
    for folder in locked:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("unmerged", [False, True], ids=["closed", "left by a process that died"])
def test_a_finished_study_can_be_read_where_nothing_can_be_written(tmp_path, read_only, unmerged):
    folder = tmp_path / "results"
    first = run_study(study(["plain", "arrays"]), folder, executor="serial", progress=None)
    if unmerged:
        with contextlib.closing(sqlite3.connect(folder / "study.sqlite")) as db:
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("UPDATE cells SET finished = finished + 1")
            db.commit()
            shutil.copytree(folder, tmp_path / "copy")
        folder = tmp_path / "copy"
        assert (folder / "study.sqlite-wal").stat().st_size > 0
    read_only(folder)
    before = contents(folder)
    again = run_study(study(["plain", "arrays"]), folder, executor="processes", progress=None)
    assert again.reused == 2
    for one, other in zip(first.records, again.records, strict=True):
        same(one, other)
    with pytest.raises(StoreError, match="can only be read"):
        run_study(study(["plain", "numbers"]), folder, executor="serial", progress=None)
    with pytest.raises(StoreError, match="can only be read"):
        run_study(study(["plain"]), folder, executor="serial", progress=None, fresh=True)
    assert contents(folder) == before


def test_reading_is_not_called_writing(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    run_study(study(["arrays"]), folder, executor="serial", progress=None)

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(StoreError, match=r"cannot be read.*Permission denied"):
        run_study(study(["arrays"]), folder, executor="serial", progress=None)


OLD = """
CREATE TABLE cells (
    key TEXT PRIMARY KEY, study TEXT NOT NULL, parameters TEXT NOT NULL, seed INTEGER NOT NULL, code TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed')), numbers TEXT, has_arrays INTEGER NOT NULL DEFAULT 0, error TEXT,
    seconds REAL NOT NULL, finished REAL NOT NULL, versions TEXT NOT NULL
);
CREATE TABLE leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, beat REAL NOT NULL);
"""


@pytest.fixture
def old(tmp_path):
    """A folder of the first released format, with a cell of numbers, one with arrays and one that failed."""
    folder = tmp_path / "old"
    (folder / "arrays" / "b1").mkdir(parents=True)
    np.savez(folder / "arrays" / "b1" / "b1.npz", matrix=np.eye(2))
    with contextlib.closing(sqlite3.connect(folder / "study.sqlite")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"PRAGMA application_id = {0x4C4D4354}; PRAGMA user_version = 1; {OLD}")
        rows = [
            ("a1", "trouble", '{"kind": "plain"}', 0, "old", "done", '{"v": 5}', 0, None, 1.0, 1.0, "{}"),
            ("b1", "trouble", '{"kind": "arrays"}', 0, "old", "done", '{"v": 6}', 1, None, 1.0, 2.0, "{}"),
            ("c1", "trouble", '{"kind": "error"}', 2**62, "old", "failed", None, 0, "error", 1.0, 3.0, "{}"),
        ]
        db.executemany(f"INSERT INTO cells VALUES ({', '.join('?' * 12)})", rows)
        db.commit()
    return folder


def check_old(store):
    assert [(row["key"], row["seed"], row["state"]) for row in store.rows()][:3] == [
        ("a1", 0, "done"), ("b1", 0, "done"), ("c1", 2**62, "failed"),
    ]  # fmt: skip
    assert store.load("a1") == {"v": 5}
    found = store.load("b1")
    assert found["v"] == 6
    np.testing.assert_array_equal(found["matrix"], np.eye(2))


def test_a_database_of_the_first_format_is_read_and_kept(old, capsys):
    with Store(old) as store, Store(old) as other:
        check_old(store)
        check_old(other)
    found = run_study(study(["plain", "arrays", "numbers"]), old, executor="serial", progress=None)
    assert (found.computed, found.reused) == (3, 0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("results of an earlier version are kept")
    assert line.endswith(": 2 cells are computed again")
    with Store(old) as store:
        check_old(store)
        assert len(list(store.rows())) == 6


def test_a_database_of_the_first_format_is_read_where_nothing_can_be_written(old, read_only):
    read_only(old)
    before = contents(old)
    with Store(old) as store:
        check_old(store)
    assert contents(old) == before


def test_an_interrupted_migration_leaves_the_old_database(old, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "PARTS", "CREATE TABLE cells (x)")
        with pytest.raises(StoreError):
            Store(old)
    with Store(old) as store:
        check_old(store)


# --- what is said ---------------------------------------------------------------------------------------------------------


def test_what_changed_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = "RATE = 1\n\ndef h(x):\n    return RATE * x\n\ndef g(x):\n    return x\n"
    main = "import helper\n\ndef cell(seed, x):\n    return {'v': helper.h(x) + helper.g(x)}\n"

    def run(name, helper, main=main):
        (tmp_path / "helper.py").write_text(helper)
        (tmp_path / "said.py").write_text(main)
        for module in ("helper", "said"):
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        cell = importlib.import_module("said").cell
        found = run_study(Study("s", cell, grid(x=list(range(6)))), tmp_path / "results", executor="serial", progress=None)
        return found.computed, capsys.readouterr().err.splitlines()

    assert run("first", helper) == (6, [])
    assert run("same", helper) == (0, [])
    changed = helper.replace("RATE * x", "RATE + x")
    assert run("h", changed) == (6, ["helper.h changed: 6 cells are computed again"])
    assert run("back", helper) == (0, [])
    changed = helper.replace("RATE = 1", "RATE = 2").replace("return x\n", "return -x\n")
    assert run("two", changed) == (6, ["helper.RATE and helper.g changed: 6 cells are computed again"])
    for module in ("helper", "said"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("cost", [lambda cell: 0, lambda cell: cell["x"], lambda cell: np.float64(2)])
def test_costs_may_be_zero(tmp_path, cost):
    seen = []
    priced = Study("s", lambda seed, x: {"v": x}, grid(x=[0, 1]), cost=cost)
    run_study(priced, tmp_path, executor="serial", progress=lambda *state: seen.append(state))
    assert seen[-1] == (1.0, 2, 0)
    assert all(0 <= share <= 1 for share, *_ in seen)


def test_grids_take_arrays_and_scalars_of_numpy(tmp_path):
    cells = grid(
        a=np.arange(2),
        b=np.linspace(0, 1, 3),
        c=[np.float32(0.1), np.bool_(True), np.str_("x")],
        d=range(1),
        e=(k for k in [None]),
    )
    assert json.loads(json.dumps(cells)) == cells
    assert {type(cell["a"]) for cell in cells} == {int}
    assert cells[0] == {"a": 0, "b": 0.0, "c": float(np.float32(0.1)), "d": 0, "e": None}
    assert Study("s", power, [{"base": np.int64(2), "exponent": np.array(3)}]).cells == [{"base": 2, "exponent": 3}]
    given = Study("s", power, [{"base": np.int64(2), "exponent": 3}])
    assert given.key(given.cells[0]) == Study("s", power, [{"base": 2, "exponent": 3}]).key({"base": 2, "exponent": 3})


def test_without_standard_error_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    run_study(study(["arrays"]), tmp_path, executor="serial", progress=None)
    shutil.rmtree(tmp_path / "arrays")
    assert run_study(study(["arrays"]), tmp_path, executor="serial", progress=None).computed == 1
