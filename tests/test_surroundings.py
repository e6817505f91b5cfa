"""The command lines in poor surroundings: streams that are closed or full, any encoding, any settings of others."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory import cli
from lmctheory._progress import Forgiving, say, show_progress

ROOT = Path(__file__).parents[1]
PAIR = ("A.npz", "B.npz")
COMMANDS = {
    "barrier": ("barrier", *PAIR, "--teacher", "A.npz"),
    "align": ("align", *PAIR),
    "sharpness": ("sharpness", "A.npz", "--teacher", "A.npz"),
    "rate": ("rate", "d.csv"),
    "train": ("train", "--M", "1", "--d", "2", "--width", "1", "--max-steps", "3", "--out", "nets"),
    "help": ("--help",),
}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = lmc.TwoLayerNet([[1.0, 0.5], [0.0, 2.0]])
    net.save("A.npz")
    net.permute([1, 0]).save("B.npz")
    Path("d.csv").write_text("width,value\n8,0.2\n8,0.3\n16,0.1\n16,0.2\n", encoding="utf-8")
    return tmp_path


def shell(arguments, redirections="", module="lmctheory", **environment):
    """Run a command line in a shell with other streams, and buffers as they usually are."""
    quoted = " ".join(f"'{argument}'" for argument in arguments)
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONUNBUFFERED", "PYTHONIOENCODING")}
    given = {**inherited, "PYTHONPATH": str(ROOT), **environment}
    line = f"'{sys.executable}' -m {module} {quoted} {redirections}"
    return subprocess.run(["sh", "-c", line], capture_output=True, env={k: v for k, v in given.items() if v is not None})


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_cost_no_work(files, closed):
    done = shell(("align", *PAIR, "--permutation", "p.npy"), closed)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (done.stdout == b"") == (">&-" in closed.replace("2>&-", ""))
    assert np.load("p.npy").tolist() == [1, 0]  # and nothing that was printed is in the file


@pytest.mark.jit
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_does_without_streams(files, command):
    done = shell(COMMANDS[command], "<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Path("nets/teacher.npz").exists() == (command == "train")


@pytest.mark.parametrize("arguments", [("barrier", "nope.npz", "x", "--teacher", "A.npz"), ("barrier", "--tea"), ("nope",)])
def test_errors_never_go_to_standard_output(files, arguments):
    done = shell(arguments, "2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


@pytest.mark.parametrize("module", ["validation", "paper_figures"])
def test_the_other_command_lines_do_without_streams(files, module):
    for closed in ("2>/dev/full", "<&- >&- 2>&-"):
        done = shell(("--nope",), closed, module)
        assert (done.returncode, done.stdout) == (2, b"")
    done = shell(("--help",), ">/dev/full", module, MPLBACKEND="nonsense")
    assert done.returncode == 2
    assert done.stderr.decode() == f"python -m {module}: error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "cp1252", "utf-8"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape", "replace"])
def test_any_encoding_will_do(files, monkeypatch, encoding, errors):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding, errors))
    assert cli.main(["align", *PAIR, "--permutation", "é Ω"]) == 0
    handler = "replace" if errors == "replace" else "backslashreplace"
    assert sys.stdout.buffer.getvalue().decode(encoding).endswith("written to é Ω\n".encode(encoding, handler).decode(encoding))
    assert sys.stdout.errors == errors
    assert Path("é Ω").exists()


def test_the_encoding_of_a_process_will_do(files):
    done = shell(("align", *PAIR, "--out", "é Ω.npz"), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"written to \\xe9 \\u03a9.npz\n")


def test_the_plain_locale_will_do(files):
    Path("é.npz").write_bytes(Path("A.npz").read_bytes())
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(("align", "é.npz", "B.npz", "--out", "ü.npz"), **plain)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path("ü.npz").exists()


def test_names_that_are_no_text_are_kept(files):
    name = os.fsdecode(b"caf\xe9.npz")
    Path(name).write_bytes(Path("A.npz").read_bytes())
    done = shell(("align", name, "B.npz", "--permutation", os.fsdecode(b"\xff.npy"), "--json"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["arguments"]["A"] == name
    assert np.load(os.fsdecode(b"\xff.npy")).tolist() == [1, 0]
    done = shell(("align", os.fsdecode(b"\xe9\xff.npz"), "B.npz"))
    assert done.returncode == 2
    assert done.stderr == b"lmctheory align: error: \\udce9\\udcff.npz cannot be read: No such file or directory\n"


@pytest.mark.parametrize("unbuffered", ["1", None])
def test_a_reader_that_has_enough_is_no_mistake(files, unbuffered):
    script = f"{{ '{sys.executable}' -m lmctheory align A.npz B.npz --json; echo $? >status; }} | exec true"
    environment = {k: v for k, v in {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}.items() if v}
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=environment)
    assert done.stderr == b""
    assert Path("status").read_text() == "141\n"


@pytest.mark.parametrize("arguments", [("--version",), ("align", *PAIR)])
def test_a_full_disk_behind_standard_output_is_said(files, arguments):
    done = shell(arguments, ">/dev/full")
    assert done.returncode == 2
    assert done.stderr.endswith(b": error: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize("columns", ["0", "1", "-5", "abc", "9999999999999", "²"])
def test_any_width_of_the_terminal_will_do(files, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LMCTHEORY_THREADS", columns)
    assert cli.main(["train", "--help"]) == 0
    assert cli.main(list(COMMANDS["align"])) == 0


@pytest.mark.parametrize("backend", ["module://nowhere.backend", "TkAgg"])
def test_figures_in_files_need_no_backend(files, backend):
    done = shell(("rate", "d.csv", "--plot", "p.png"), MPLBACKEND=backend)
    assert done.returncode == 0
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")


def test_figures_on_screens_need_one(files):
    code = "import lmctheory as lmc; lmc.plotting.rate_plot([8, 16], [[0.1, 0.2], [0.3, 0.2]])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "nonsense", "DISPLAY": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert "RuntimeWarning: MPLBACKEND is ignored: matplotlib has no backend 'nonsense'" in done.stderr


def test_what_matplotlib_refuses_to_draw_costs_no_result(files, capsys, monkeypatch):
    def refuse(*_):
        raise RuntimeError("latex could not\nbe found")

    monkeypatch.setattr(lmc.plotting, "save_plot", refuse)
    assert cli.main(["barrier", *PAIR, "--teacher", "A.npz", "--plot", "p.png"]) == 2
    out, err = capsys.readouterr()
    assert "permutation 0 1, method none" in out
    assert "written to" not in out
    assert err == "lmctheory barrier: error: p.png cannot be drawn: latex could not be found\n"


def test_a_disk_that_fills_up_costs_no_result(files, capsys, monkeypatch):
    replace = os.replace

    def refuse(old, new):
        if str(new).endswith("out.npz"):
            raise OSError(28, "No space left on device")
        replace(old, new)

    monkeypatch.setattr("lmctheory._files.os.replace", refuse)
    assert cli.main(["align", *PAIR, "--out", "out.npz", "--permutation", "p.npy", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["result"]["alignment"]["permutation"] == [1, 0]
    assert err == "lmctheory align: error: out.npz cannot be written: No space left on device\n"
    assert sorted(path.name for path in files.iterdir()) == ["A.npz", "B.npz", "d.csv", "p.npy"]


def test_two_results_do_not_share_a_file(files, capsys):
    assert cli.main(["align", *PAIR, "--out", "x.npz", "--permutation", "./x.npz"]) == 2
    assert capsys.readouterr().err == "lmctheory align: error: --permutation must name another file than --out, got ./x.npz\n"
    assert cli.main(["align", *PAIR, "--permutation", "/dev/null"]) == 0


@pytest.mark.parametrize("command", ["barrier", "align", "rate", "train"])
def test_outputs_are_tried_before_the_work(files, monkeypatch, capsys, command):
    def work(*_, **__):
        pytest.fail("the work was begun")

    for name in ("barrier", "align", "fit_rate", "train"):
        monkeypatch.setattr(lmc, name, work)
    option = {"barrier": "--plot", "align": "--out", "rate": "--plot", "train": "--out"}[command]
    arguments = [word for word in COMMANDS[command] if word not in ("--out", "nets")]
    for path in ("", "A.npz/x.png/", "n" * 300 + (".npz" if command == "align" else ".png")):
        assert cli.main([*arguments, option, path]) == 2
    assert capsys.readouterr().err.count("\n") == 3


@pytest.mark.jit
def test_networks_that_do_not_fit_are_saved_elsewhere(files, monkeypatch, capsys, tmp_path):
    rescue = tmp_path / "rescue"
    monkeypatch.setattr("lmctheory.cli.networks_folder.tempfile.mkdtemp", lambda prefix: rescue.mkdir() or str(rescue))
    save = lmc.save_network

    def refuse(net, path):
        if path.name == "network-1.npz" and path.parent != rescue:
            raise OSError(28, "No space left on device")
        save(net, path)

    monkeypatch.setattr(lmc, "save_network", refuse)
    assert cli.main(list(COMMANDS["train"])) == 2
    assert capsys.readouterr().err.endswith(
        f"nets cannot be written: No space left on device; what was finished is kept in {rescue}\n"
    )
    assert sorted(path.name for path in rescue.iterdir()) == ["network-0.npz", "network-1.npz", "teacher.npz"]
    assert sorted(path.name for path in files.iterdir()) == ["A.npz", "B.npz", "d.csv", "rescue"]


def test_a_disk_that_is_too_small_is_refused_before_the_training(files, monkeypatch, capsys):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 15}))
    assert cli.main(list(COMMANDS["train"])) == 2
    message = "nets cannot be written: No space left on device for 48 bytes of networks"
    assert capsys.readouterr().err == f"lmctheory train: error: {message}\n"
    assert not Path("nets").exists()


def test_the_process_of_the_caller_stays_as_it_was(files, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict")
    for out in (stream, None):
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", None)
        assert cli.main(["align", *PAIR, "--out", "é.npz"]) == 0
        assert sys.stdout is out
        assert sys.stderr is None
    assert stream.errors == "strict"
    assert stream.buffer.getvalue().endswith(b"written to \\xe9.npz\n")


def test_messages_that_cannot_be_written_are_no_errors(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii")
    for stream in (Broken(), closed, None, ascii_only):
        monkeypatch.setattr(sys, "stderr", stream)
        say("é")
        with show_progress("x", 2) as show:
            show(1.0, 2, 0)
    assert ascii_only.buffer.getvalue().startswith(b"\\xe9\n")
    assert not Forgiving(closed).isatty()


def test_progress_on_a_terminal_that_is_gone_costs_nothing(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Terminal())
    with show_progress("x", 2) as show:
        show(0.5, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["barier"], "(did you mean barrier?)"),
        (["train", "--wdth", "3"], "unrecognized arguments: --wdth 3 (did you mean --width?)"),
        (["align", *PAIR, "--metod=weights"], "unrecognized arguments: --metod=weights (did you mean --method?)"),
        (["--versoin"], "unrecognized arguments: --versoin (did you mean --version?)"),
        (["train", "--format", "npzz"], "(did you mean npz?)"),
        (["align", *PAIR, "--xyzzy"], "unrecognized arguments: --xyzzy\n"),
    ],
)
def test_mistyped_names_are_guessed(files, capsys, arguments, message):
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
