"""`lmctheory check`, `new-claim` and `export` where files, folders, streams and claims are odd: right, or refused in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.claims import drawing, loading, page
from lmctheory.cli import check as command
from lmctheory.cli import main, results_folder
from lmctheory.cli.process import Interrupted

ROOT = Path(__file__).parents[1]
CLAIM = """
import numpy as np
from lmctheory.claims import Claim, Condition, Conditions

def measure(context):
    return {"x": np.array([1.0, 2.0])}

def rule(data):
    return Conditions([Condition("c", 1.0, None, None, data is not False)])

def planted(data):
    return {"false": (False, "REFUTED"), "true": (data, "SUPPORTED")}

claim = Claim(name="a", statement="x", measure=measure, rule=rule, planted=planted)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in; modules of the claims in it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    Path("fine.py").write_text(CLAIM, encoding="utf-8")
    yield tmp_path
    for name in set(sys.modules) - set(before):
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def run(capsys, *words):
    status = main(list(words))
    return status, *capsys.readouterr()


def refused(capsys, *words):
    """The one line of a call that must be refused before anything is computed."""
    status, out, err = run(capsys, *words)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    return err


def claims(out):
    return [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]


def saved(name="a"):
    return json.loads(Path(f"results/claims/{name}.json").read_text("utf-8"), parse_constant=pytest.fail)


# --- files of claims ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("with spaces é.py", CLAIM.encode()),
        ("bom.py", b"\xef\xbb\xbf" + CLAIM.encode()),
        ("latin.py", b"# -*- coding: latin-1 -*-\n# \xe9" + CLAIM.encode()),
        ("no_ending", CLAIM.encode().replace(b"\n", b"\r\n")),
        ("1.2-3.py", CLAIM.encode()),
        ("away.py", b"import os; os.mkdir('sub'); os.chdir('sub')" + CLAIM.encode()),
        ("prints.py", b"print('hello')" + CLAIM.encode()),
        ("future.py", CLAIM.encode() + b"def f(x: int): pass\nassert f.__annotations__ == {'x': int}\n"),
    ],
)
def test_any_file_of_python_will_do(folder, capsys, name, content):
    Path(name).write_bytes(content)
    status, out, err = run(capsys, "check", name, "--json")
    os.chdir(folder)
    assert (status, claims(out)[0]["verdict"]) == (0, "SUPPORTED"), err
    assert saved()["claim"]["file"] == name
    assert Path("results/report.html").exists()


def test_a_claim_in_a_package_imports_its_neighbours(capsys):
    Path("pkg/sub").mkdir(parents=True)
    for name, text in (("", ""), ("sub/", ""), ("sub/claim", CLAIM + "from ..helper import X\nfrom . import beside\n")):
        Path(f"pkg/{name or ''}{'' if name.endswith('claim') else '__init__'}.py").write_text(text, encoding="utf-8")
    Path("pkg/helper.py").write_text("X = 1\n", encoding="utf-8")
    Path("pkg/sub/beside.py").write_text("", encoding="utf-8")
    assert run(capsys, "check", "pkg/sub/claim.py")[0] == 0
    assert sys.modules["pkg.sub.claim"].claim.measure.__module__ == "pkg.sub.claim"


def test_a_link_to_a_claim_is_the_claim(capsys):
    Path("there").mkdir()
    Path("fine.py").rename("there/fine.py")
    Path("link.py").symlink_to("there/fine.py")
    status, out, _ = run(capsys, "check", "link.py", "there/fine.py", "--json")
    assert (status, len(claims(out))) == (0, 1)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.py", "class Stop(BaseException): pass\nraise Stop('end')\n", ["x.py, line 2: Stop: end"]),
        ("x.py", "class E(Exception):\n    __str__ = None\nraise E\n", ["x.py, line 3: E"]),
        ("x.py", "x = " + "-" * 200_000 + "1\n", ["x.py is not Python: it is nested too deeply"]),
        ("x.py", "x = " + "(" * 200_000 + "\n", ["x.py", "nested"]),
        ("x.py", "# coding: nothing\n", ["x.py is not a text file: unknown encoding: nothing"]),
        ("x.py", CLAIM.replace('"a"', repr("n" * 300)), ["at most 200 characters", "300"]),
        ("x.py", "from .y import z\n", ["x.py, line 1", "ImportError"]),
        ("tabnanny.py", CLAIM, ["tabnanny.py must have a name of its own", "of Python"]),
        ("json.py", CLAIM, ["json.py must have a name of its own", "'json'"]),
        ("yaml_of_mine.py", CLAIM, ["must have a name of its own", "installed"]),
        ("/dev/zero", None, ["/dev/zero must be a file, got a device"]),
        ("loop.py", None, ["loop.py cannot be read: Too many levels"]),
        (".", None, [". cannot be read: Is a directory"]),
    ],
)
def test_other_files_are_refused_in_one_line(capsys, monkeypatch, name, text, words):
    Path("loop.py").symlink_to("loop.py")
    Path("installed").mkdir()
    Path("installed/yaml_of_mine.py").touch()
    monkeypatch.syspath_prepend("installed")
    if text is not None:
        Path(name).write_text(text, encoding="utf-8")
    err = refused(capsys, "check", name)
    assert all(word in err for word in words), err
    assert not Path("results").exists()


def test_modules_of_users_do_not_stand_before_those_of_python():
    for name in ("json", "numpy", "csv"):
        Path(f"{name}.py").write_text("raise SystemError\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "lmctheory", "check", "json.py"]
    done = subprocess.run(call, capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lmctheory check: error: json.py must have a name of its own")


# --- results -----------------------------------------------------------------------------------------------------------------


def test_results_that_json_does_not_know_are_kept(capsys):
    odd = "{'x': np.array([1, np.nan, np.inf]), 'z': np.array([1 + 2j]), 'v': float('inf'), 'n': 10**400}"
    text = CLAIM.replace('{"x": np.array([1.0, 2.0])}', odd).replace('statement="x"', "statement='\\udcff'")
    Path("odd.py").write_text(text.replace('"c", 1.0', '"c", float("inf")'), encoding="utf-8")
    status, out, err = run(capsys, "check", "odd.py", "--json")
    assert (status, err) == (0, "")
    assert claims(out)[0]["conditions"][0]["value"] is None
    assert saved()["data"] | {"n": 0} == {"x": [1.0, None, None], "z": [[1.0, 2.0]], "v": None, "n": 0}
    assert "SUPPORTED" in Path("results/report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda out: None, ["--out must name a folder, got ''"]),
        (lambda out: Path(out).touch(), ["Not a directory"]),
        (lambda out: Path(out).symlink_to(out), ["Too many levels"]),
        (lambda out: Path(out, "report.html").mkdir(parents=True), ["Is a directory", "report.html"]),
        (lambda out: Path(out, "claims/a.json").mkdir(parents=True), ["Is a directory", "a.json"]),
        (lambda out: (Path(out).mkdir(), Path(out, "claims").touch()), ["claims"]),
    ],
)
def test_folders_that_cannot_hold_results_are_refused_before_the_work(capsys, monkeypatch, make, words):
    monkeypatch.setattr(loading.Claim, "run", pytest.fail)
    out = "" if make("made") is None and not os.path.lexists("made") else "made"
    err = refused(capsys, "check", "fine.py", "--out", out)
    assert all(word in err for word in words), err


@pytest.mark.parametrize("out", [".", "link", "dangling", "é x/y/"])
def test_folders_are_filled(folder, capsys, out):
    Path("there").mkdir()
    Path("link").symlink_to("there")
    Path("dangling").symlink_to("new")
    number = os.stat(".").st_ino
    assert run(capsys, "check", "fine.py", "--out", out)[0] == 0
    assert Path(out, "claims/a.json").exists()
    assert Path(out, "report.html").exists()
    assert os.stat(folder).st_ino == number
    assert not Path("link").is_symlink() or os.readlink("link") == "there"


def two_claims():
    Path("two.py").write_text(CLAIM + CLAIM.split("\n\n")[-1].replace("claim =", "other =").replace('"a"', '"b"'), "utf-8")
    return "two.py"


def full(*_, **__):
    raise OSError(28, "No space left on device", "temporary")


def test_a_full_disk_costs_no_verdict(capsys, monkeypatch):
    monkeypatch.setattr("lmctheory.claims.results.atomic_file", full)
    monkeypatch.setattr(page, "atomic_file", full)
    status, out, err = run(capsys, "check", two_claims(), "--json")
    assert (status, [found["verdict"] for found in claims(out)]) == (2, ["SUPPORTED"] * 2)
    assert "error: the result of a cannot be written: No space left on device\n" in err
    assert "Traceback" not in err


def test_an_error_that_concerns_all_claims_costs_not_those_before(capsys, monkeypatch):
    def measured(claim, context):
        if claim.name == "b":
            raise lmc.errors.StoreError("the disk is gone")
        return {"x": np.ones(2)}

    monkeypatch.setattr(loading.Claim, "run", measured)
    status, out, err = run(capsys, "check", two_claims())
    assert (status, err) == (2, "lmctheory check: error: the disk is gone\n")
    assert "report: results/report.html" in out
    assert "SUPPORTED" in Path("results/report.html").read_text("utf-8")


@pytest.mark.parametrize("stage", ["drawing", "printing"])
def test_an_interrupt_behind_the_judgement_keeps_it(capsys, monkeypatch, stage):
    def interrupt(*_, **__):
        raise Interrupted(15)

    module, name = (drawing, "save_figure") if stage == "drawing" else (command.json, "dumps")
    monkeypatch.setattr(module, name, interrupt)
    status, _, err = run(capsys, "check", two_claims(), "--json")
    resumes = "finished cells are in results: the same command resumes"
    assert (status, err) == (143, f"lmctheory check: error: interrupted by SIGTERM; {resumes}\n")
    assert saved()["claim"]["verdict"] == "SUPPORTED"
    assert Path("results/report.html").exists()
    assert not Path("results/claims/b.json").exists()


def test_a_reader_that_has_enough_gets_the_page_with_figures_whatever_the_backend():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "nonsense"}
    Path("drawn.py").write_text(CLAIM.replace("rule=rule", "rule=rule, figure=lambda data, axes: axes.plot([1, 2])"), "utf-8")
    receiver, sender = os.pipe()
    os.close(receiver)
    call = [sys.executable, "-m", "lmctheory", "check", "drawn.py", "--json"]
    done = subprocess.run(call, stdout=sender, stderr=subprocess.PIPE, text=True, env=environment, timeout=120)
    os.close(sender)
    assert (done.returncode, done.stderr) == (141, "")
    assert saved()["claim"]["verdict"] == "SUPPORTED"
    assert "<svg" in Path("results/report.html").read_text("utf-8")


def test_a_figure_that_another_run_is_drawing_is_left_out(capsys, monkeypatch):
    monkeypatch.setattr(Path, "read_text", full_of_races(Path.read_text))
    assert run(capsys, "check", "fine.py")[0] == 0


@pytest.mark.parametrize("change", [("claim", "kind"), ("claim", "controls"), ("provenance", "versions"), ("claim",)])
def test_foreign_results_in_the_folder_cost_the_page_alone(capsys, change):
    run(capsys, "check", "fine.py")
    content = saved()
    content["claim"]["name"] = "z"
    content[change[0]].pop(change[1]) if len(change) > 1 else content.pop(change[0])
    Path("results/claims/z.json").write_text(json.dumps(content), "utf-8")
    status, out, err = run(capsys, "check", "fine.py", "--json")
    assert (status, claims(out)[0]["verdict"], err.count("\n")) == (2, "SUPPORTED", 1), err
    assert "result of lmctheory check" in err


def full_of_races(read):
    def read_text(path, *arguments, **options):
        if path.suffix == ".svg":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return read(path, *arguments, **options)

    return read_text


def test_an_unforeseen_error_of_a_file_names_the_file(capsys, monkeypatch):
    monkeypatch.setattr(results_folder.ResultsFolder, "expect", full)
    assert "temporary cannot be used: No space left on device" in refused(capsys, "check", "fine.py")


# --- new-claim and export ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("json", ["'json' is that of another module"]),
        ("tabnanny.py", ["of Python"]),
        ("numba", ["numba"]),
        ("_", ["NAME must be letters"]),
        ("", ["NAME must be letters"]),
        ("n" * 300, ["cannot be written: File name too long"]),
        ("taken", ["taken.py exists"]),
        ("fine", ["fine.py exists"]),
    ],
)
def test_names_that_no_claim_can_have_are_refused(capsys, name, words):
    Path("taken.py").symlink_to("nowhere")
    before = sorted(os.listdir())
    err = refused(capsys, "new-claim", name)
    assert all(word in err for word in words), err
    assert sorted(os.listdir()) == before


def test_new_claims_have_the_names_that_are_asked_for(capsys):
    assert run(capsys, "new-claim", "NAME_FILE")[0] == 0
    text = Path("NAME_FILE.py").read_text("utf-8")
    assert "lmctheory check NAME_FILE.py\n" in text
    assert 'name="NAME-FILE",' in text


def test_a_scheduler_without_a_name_is_refused(capsys):
    assert "--dask" in refused(capsys, "check", "fine.py", "--dask", "")


@pytest.mark.parametrize("words", [["", "--out", "x"], ["results", "--out", ""]])
def test_folders_without_a_name_are_refused(capsys, words):
    assert "must name a folder, got ''" in refused(capsys, "export", *words)
