"""Signals: training that is ended from outside leaves what was finished, and nothing else."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory import cli
from lmctheory._parallel import finished_calls, map_threads
from lmctheory.cli import process
from lmctheory.cli.process import Interrupted, computing, guarded, interrupts, writing_results

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
NAMES = {signal.SIGINT: "interrupted", signal.SIGTERM: "interrupted by SIGTERM", signal.SIGHUP: "interrupted by SIGHUP"}
WATCHED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from lmctheory import _parallel
from lmctheory.cli import main

wait = _parallel.as_completed

def watched(futures):
    sys.stderr.write("waiting\\n")  # the main thread is about to wait for the runs; in one piece, so that no signal comes amid it
    sys.stderr.flush()
    return wait(futures)

_parallel.as_completed = watched
sys.exit(main(sys.argv[1:]))
"""


def interrupted(folder, number, event, *arguments, **environment):
    """Run `train`, send a signal when a line on standard error begins with `event`, and return the status and all later lines."""
    command = [sys.executable, "-c", WATCHED, "train", "--M", "2", "--d", "3", "--gradient-tol", "0", "--out", "nets", *arguments]
    root = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=root, **pipes) as child:
        for line in child.stderr:
            if line.startswith(event):
                break
        child.send_signal(number)
        out, err = child.communicate()
    assert out == ""
    return child.returncode, err


@pytest.mark.jit
@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_training_leaves_no_folder(tmp_path, number):
    status, err = interrupted(tmp_path, number, "waiting", "--width", "40", "--max-steps", "100000000")
    assert (status, err) == (128 + number, f"lmctheory train: error: {NAMES[number]}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.jit
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_runs_that_were_finished_are_kept(tmp_path, number):
    (tmp_path / "nets").mkdir()
    limits = ("--width", "20", "--max-steps", "2000", "--runs", "2000")
    status, err = interrupted(tmp_path, number, "trained", *limits, LMCTHEORY_THREADS="1")
    assert status == 128 + number
    kept = sorted((tmp_path / "nets").iterdir())
    line = f"lmctheory train: error: {NAMES[number]}; {len(kept) - 1} of 2000 runs had been finished and are in nets\n"
    assert err.endswith(line)
    assert 200 <= len(kept) - 1 < 2000
    assert [path.name for path in kept][-2:] == [f"network-{len(kept) - 2:04d}.npz", "teacher.npz"]
    options = {"learning_rate": 1 / 20, "max_steps": 2000, "gradient_tol": 0, "rng": 0, "n_runs": 2}
    expected = lmc.train(lmc.orthonormal_teacher(2, 3), 20, **options)
    assert np.array_equal(lmc.TwoLayerNet.load(kept[1]).W, expected.networks[1].W)


def test_runs_on_data_that_were_finished_are_kept(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    train, runs = lmc.train_on_data, []

    def interrupt_second(done, total):  # epochs of two runs of one epoch each, one after the other
        runs.append(done)
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    def watched(*arguments, progress, **options):
        return train(*arguments, progress=interrupt_second, **options)

    monkeypatch.setattr(lmc, "train_on_data", watched)
    monkeypatch.setenv("LMCTHEORY_THREADS", "1")
    status = cli.main(["train", "--data", "digits", "--width", "4", "--max-epochs", "1", "--runs", "3", "--out", "nets"])
    assert status == 143
    kept = sorted(path.name for path in Path("nets").iterdir())
    assert kept[0] == "network-0.npz"
    assert f"interrupted by SIGTERM; {len(kept)} of 3 runs had been finished and are in nets" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path.name != "nets"]


def test_an_interrupt_between_descent_and_polish_keeps_what_descent_found(monkeypatch):
    calls = iter([False, True])

    def interrupted_second(function, count, progress=None):
        if next(calls):
            raise KeyboardInterrupt
        return map_threads(function, count, progress)

    monkeypatch.setattr("lmctheory.training.descent.map_threads", interrupted_second)
    with pytest.raises(KeyboardInterrupt) as stop:
        lmc.train(lmc.orthonormal_teacher(2, 3), 3, learning_rate=0.3, max_steps=50, rng=0, n_runs=3, polish=True)
    assert sorted(finished_calls(stop.value)) == [0, 1, 2]


def test_finished_calls_are_those_before_the_interrupt():
    def call(k, stop):
        while k == 1 and not stop[0]:  # ends with the interrupt, and is not finished
            os.sched_yield()
        return k

    def progress(done, count):
        raise Interrupted(signal.SIGTERM)

    with pytest.raises(Interrupted) as stop:
        map_threads(call, 2, progress)
    assert finished_calls(stop.value) == {0: 0}


def test_signals_wait_while_results_are_written():
    done = []

    def write():
        with writing_results():
            signal.raise_signal(signal.SIGTERM)
            done.append("written")

    def compute():
        with writing_results(), computing():
            signal.raise_signal(signal.SIGHUP)
            done.append("computed")

    for action, number in ((write, signal.SIGTERM), (compute, signal.SIGHUP)):
        with interrupts(), pytest.raises(Interrupted) as stop:
            action()
        assert stop.value.number == number
    assert done == ["written"]


def test_handlers_of_the_caller_are_left_alone_and_come_back():
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as nohup and schedulers do
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        with interrupts():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGHUP) != before[2]
        assert [signal.getsignal(number) for number in SIGNALS] == before
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_commands_run_in_other_threads(capsys):
    found = []
    thread = threading.Thread(target=lambda: found.append(cli.main(["--version"])))
    thread.start()
    thread.join()
    assert found == [0]
    assert capsys.readouterr().err == ""


def test_a_signal_that_a_callback_swallows_comes_again(monkeypatch):
    arrived = threading.Event()

    class Callback:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    sent = []
    monkeypatch.setattr(process.os, "kill", lambda *arguments: (sent.append(arguments), arrived.set()))
    with guarded("x"):
        callback = Callback()
        del callback
        arrived.wait()
    assert sent == [(os.getpid(), signal.SIGTERM)]
