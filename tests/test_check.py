"""`lmctheory check` from files to verdicts, pages, and errors of a user."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.claims import Claim, Condition, Conditions, Context, Measured, Verdict, agrees_with, falls_as, judge
from lmctheory.claims.context import FailedCellsError
from lmctheory.claims.loading import load_claims
from lmctheory.claims.mathematics import typeset_formulas
from lmctheory.claims.stored import restored, stored
from lmctheory.cli import main
from lmctheory.sweep import load

ROOT = Path(__file__).parents[1]

SLOW_RATE = """
import lmctheory as lmc
from lmctheory.claims import Claim, falls_as


def barriers(rng, width):
    teacher = lmc.orthonormal_teacher(M=2, d=3)
    runs = lmc.train(teacher, width, learning_rate=0.3 / width, rng=rng, n_runs=6, max_steps=300, gradient_tol=1e-3)
    return lmc.pairwise_barriers(runs.networks, teacher, align=["weights", "activations"])


claim = Claim(
    name="slow-rate",
    statement=r"With $\\eta = 0.3/m$ the mean barrier is $O(m^{-1})$.",
    source="my thesis, Theorem 3.2",
    scope="M = 2, d = 3, m = 4..8",
    measure=barriers,
    cells={"quick": {"width": [4, 6, 8]}, "full": {"width": [4, 8, 16]}},
    rule=falls_as(-1, margin=0.05),
)
"""

HEAD = """
import numpy as np
from lmctheory.claims import *
from lmctheory.claims import Claim, Condition, Conditions, agrees_with, falls_as


def falling(rng, width):
    return rng.lognormal(-np.log(width), 0.5, size=200)


CELLS = {"quick": {"width": [8, 16, 32]}}
"""


def claim_text(name="a", rule="falls_as(-0.5)", measure="falling", more=""):
    return f"claim_{name} = Claim(name={name!r}, statement='x', measure={measure}, cells=CELLS, rule={rule}{more})\n"


@pytest.fixture(autouse=True)
def clean_modules(tmp_path, monkeypatch):
    """Each test in a folder of its own; modules of its claims are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(name, *texts):
    Path(f"{name}.py").write_text("".join(texts), encoding="utf-8")
    return f"{name}.py"


def run(capsys, *words):
    status = main(["check", *words])
    out, err = capsys.readouterr()
    return status, out, err


def objects(out):
    return [json.loads(line) for line in out.splitlines()]


# --- verdicts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.jit
def test_the_example_runs_and_a_second_run_reuses_its_cells(capsys):
    path = write("slow_rate", SLOW_RATE)
    status, out, err = run(capsys, path, "--json")
    (found,) = objects(out)
    assert set(found) >= {
        "name",
        "verdict",
        "kind",
        "scope",
        "scale",
        "seed",
        "seconds",
        "conditions",
        "controls",
        "measurements",
    }
    assert (found["name"], found["kind"], found["scale"], found["seed"]) == ("slow-rate", "measurement", "quick", 0)
    assert status == (0 if found["verdict"] == "SUPPORTED" else 1)
    assert [c["must_be"] for c in found["controls"]] == ["REFUTED", "SUPPORTED"]
    assert all(set(m) == {"name", "value", "interval", "kind", "level"} for m in found["measurements"])
    assert "slow_rate.barriers: 3/3 cells" in err
    again = objects(run(capsys, path, "--json")[1])[0]
    assert again["conditions"] == found["conditions"]
    table = load("results")["slow_rate.barriers"]
    assert [record["width"] for record in table.records] == [4, 6, 8]
    assert len(table.records[0]["heights"]) == 15
    assert all(record["is_current"] for record in table.records)
    changed = path and write("slow_rate", SLOW_RATE.replace("max_steps=300", "max_steps=301"))
    del sys.modules["slow_rate"]
    run(capsys, changed, "--json")
    table = load("results")["slow_rate.barriers"]
    assert len(table.records) == 6
    assert len(table.current) == 3


def test_true_false_and_undecided_claims_get_their_verdicts(capsys):
    path = write("three", HEAD, claim_text("true"), claim_text("false", "falls_as(-1.5)"), claim_text("open", "falls_as(-1.0)"))
    status, out, _ = run(capsys, path)
    assert status == 1
    assert re.findall(r"^(\w+) +([A-Z]+) ", out, re.MULTILINE)[:3] == [
        ("true", "SUPPORTED"), ("false", "REFUTED"), ("open", "INCONCLUSIVE")
    ]  # fmt: skip
    assert "exponent  -1.0" in out
    assert "at most -0.45" in out
    for state in ("holds", "fails", "undecided", "caught", "recognised"):
        assert state in out
    assert all(len(line) <= 80 for line in out.splitlines())
    write("one", HEAD, claim_text("true"))
    status, out, _ = run(capsys, "one.py", "./one.py", "--json")  # one file, named twice
    assert (status, len(objects(out))) == (0, 1)


def test_few_networks_make_it_inconclusive_and_say_how_many_it_takes(capsys):
    few = HEAD.replace("size=200", "size=6")
    status, out, _ = run(capsys, write("few", few, claim_text("few", "falls_as(-0.5, resolution=0.2)")))
    assert status == 1
    assert "INCONCLUSIVE" in out
    assert re.search(r"It\s+would\s+take\s+about\s+\d+\s+networks", out)


def test_numbers_and_names_are_whole_at_eighty_columns(capsys):
    name = "a-claim-whose-name-is-longer-than-a-column-of-a-table-would-be-and-then-some-more"
    text = f"""
def judge_(data):
    '''A rule.'''
    long = "a condition whose name says at length what is measured, where, and for which of the parameters"
    return Conditions([Condition(long, -1.23456e-07, Interval(-2.5e-07, -1.1e-07), at_most(-1e-07), True)])


def planted(data):
    return {{"false": (data, "REFUTED"), "true": (data, "SUPPORTED")}}


claim = Claim(name={name!r}, statement="x", measure=falling, cells=CELLS, rule=judge_, planted=planted)
"""
    status, out, _ = run(capsys, write("long", HEAD, text))
    assert status == 1  # the planted falsehood is not refuted
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    joined = " ".join(out.split())
    assert "-1.23e-07 [-2.50e-07, -1.10e-07], at most -1e-07" in joined
    assert "the control 'false' is SUPPORTED, but must be REFUTED" in joined.replace("The", "the")
    assert re.sub(r"\s", "", name) in re.sub(r"\s", "", out)


def test_json_is_one_object_a_line_and_nothing_else(capsys):
    path = write("both", HEAD, claim_text("true"), claim_text("false", "falls_as(-1.5)"))
    status, out, _ = run(capsys, path, "--json", "--seed", "3")
    assert status == 1
    assert [(o["name"], o["verdict"], o["seed"]) for o in objects(out)] == [("true", "SUPPORTED", 3), ("false", "REFUTED", 3)]
    for found in objects(out):
        (condition,) = found["conditions"]
        assert {"name", "value", "interval", "bound", "holds"} <= set(condition)
        assert condition["bound"][0] is None
        assert all(set(control) == {"name", "must_be", "verdict"} for control in found["controls"])
        assert {m["kind"] for m in found["measurements"]} == {"marginal"}
        assert {m["level"] for m in found["measurements"]} == {0.95}


def test_what_claims_print_does_not_come_between_the_objects():
    text = """
print("at import")
def loud(rng, width):
    print("in a cell", flush=True)
    return falling(rng, width)
def draw(data, axes):
    print("in a figure")
    axes.plot([1, 2])
"""
    path = write("loud", HEAD, text, claim_text("a", measure="loud", more=", figure=draw"))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-m", "lmctheory", "check", path, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    (found,) = objects(done.stdout)
    assert (done.returncode, found["verdict"]) == (0, "SUPPORTED")
    for words in ("at import", "in a cell", "in a figure"):
        assert words in done.stderr


# --- mistakes ----------------------------------------------------------------------------------------------------------------


def test_a_cell_that_raises_leaves_its_claim_without_verdict_and_the_others_judged(capsys):
    text = """
def breaks(rng, width):
    if width == 16:
        raise RuntimeError("no such luck")
    return falling(rng, width)

"""
    path = write("breaks", HEAD, text, claim_text("broken", measure="breaks"), claim_text("whole"))
    status, out, _ = run(capsys, path, "--json")
    assert status == 2
    broken, whole = objects(out)
    assert broken["verdict"] is None
    assert "1 of 3 cells failed, the first of them width=16: RuntimeError: no such luck" in broken["error"]
    assert 'breaks.py", line 15, in breaks' in broken["error"]
    assert whole["verdict"] == "SUPPORTED"
    status, out, _ = run(capsys, path)
    assert "no such luck" in " ".join(out.split())
    assert re.search(r"^broken +ERROR", out, re.MULTILINE)
    assert "no such luck" in Path("results/report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def nothing(data): pass\nplanted = lambda data: {}\n" + claim_text(rule="nothing", more=", planted=planted"),
         ["rule must return Conditions, got None", "return missing"]),
        (claim_text(more=", planted=lambda data: {'f': (data, 'REFUTED')}"), ["statement is true", "SUPPORTED", "'f': REFUTED"]),
        (claim_text(more=", planted=lambda data: {'t': (data, 'SUPPORTED')}"), ["statement is false", "'t': SUPPORTED"]),
        (claim_text(more=", planted=lambda data: None"), ["planted must return a dict", "None"]),
        (claim_text(more=", planted=lambda data: {'f': data}"), ["planted['f']", "pair"]),
        (claim_text(more=", planted=lambda data: {'f': (data, 'FALSE')}"), ["planted['f'][1]", "'FALSE'"]),
        ("def nan(rng, width): return np.array([1.0, np.nan])\n" + claim_text(measure="nan"), ["heights", "width=8", "nan"]),
        ("def none(rng, width): falling(rng, width)\n" + claim_text(measure="none"), ["cell must return", "None"]),
        ("def odd(rng, width): return {1, 2}\n" + claim_text(measure="odd"), ["cell must return", "set"]),
        ("def other(rng, width): return {'barrier': 1.0}\n" + claim_text(measure="other"), ["'heights'", "dict with barrier"]),
        (claim_text(rule="lambda data: 1 / 0", more=", planted=lambda data: {}"), ["ZeroDivisionError", "mistake.py, line"]),
        ("import sys\n" + claim_text(rule="lambda data: sys.exit()", more=", planted=lambda data: {}"), ["SystemExit"]),
        (claim_text(rule="falls_as(-1, over='depth')"), ["over", "width", "'depth'"]),
    ],
)  # fmt: skip
def test_mistakes_found_on_the_way_leave_no_verdict(capsys, text, words):
    status, out, _ = run(capsys, write("mistake", HEAD, text), "--json")
    (found,) = objects(out)
    assert (status, found["verdict"]) == (2, None)
    for word in words:
        assert word in found["error"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (claim_text("a") + claim_text("a").replace("claim_a", "claim_b"), ["'a' twice", "mistake.py"]),
        ("x = 1\n", ["mistake.py holds no Claim"]),
        ("claim = Claim(\n", ["mistake.py, line", "never closed"]),
        ("1 / 0\n", ["mistake.py, line 12", "ZeroDivisionError"]),
        ("import nowhere_to_be_found\n", ["mistake.py, line 12", "nowhere_to_be_found"]),
        ("raise SystemExit\n", ["mistake.py", "SystemExit"]),
        ("def m(seed): pass\n" + claim_text(measure="m"), ["claim 'a'", "(rng, width)", "m(seed)"]),
        (claim_text(measure="3"), ["claim 'a'", "measure must be a function", "3"]),
        (claim_text(rule="3"), ["claim 'a'", "rule must be a ready rule or a function", "3"]),
        (claim_text(rule="None"), ["claim 'a'", "rule", "None"]),
        (claim_text(rule="lambda data: None"), ["claim 'a'", "planted must be given"]),
        (claim_text().replace("cells=CELLS", "cells={'width': [8, 16]}"), ["claim 'a'", "cells['width']", "'quick'"]),
        (claim_text().replace("cells=CELLS", "cells={'quick': {'width': 8}}"), ["claim 'a'", "'width'", "sequence", "8"]),
        (claim_text().replace("cells=CELLS", "cells={}"), ["claim 'a'", "cells must map scales"]),
        (claim_text().replace("cells=CELLS, ", ""), ["claim 'a'", "cells must be given", "falling(rng, width)"]),
        (claim_text().replace("cells=CELLS", "cells={'quick': {'width': [8, 8]}}"), ["{'width': 8} twice", "block"]),
        (claim_text("a/b").replace("claim_a/b", "claim"), ["name", "'a/b'"]),
        (claim_text(more=", kind='guess'"), ["claim 'a'", "kind", "'guess'"]),
        (claim_text(more=", statment=''"), ["statment"]),
        (claim_text().replace("statement='x'", "statement=' '"), ["claim 'a'", "statement"]),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_one_line_before_anything_is_computed(capsys, text, words):
    status, out, err = run(capsys, write("mistake", HEAD, text), "--json")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fine.py", "--scale", "huge"], ["claim 'a'", "scale", "'quick'", "'huge'"]),
        (["missing.py"], ["missing.py cannot be read"]),
        (["fine.py", "--seed", "-1"], ["--seed", "-1"]),
        (["fine.py", "--workers", "0"], ["--workers", "0"]),
        (["fine.py", "--dask", "tcp://127.0.0.1:9"], ["no Dask scheduler"]),
        (["fine.py", "--out", "fine.py"], ["--out", "fine.py"]),
        (["fine.py", "folder/fine.py"], ["folder/fine.py must have a name of its own", "'fine'"]),
        (["json.py"], ["json.py must have a name of its own", "'json'"]),
        (["fine.py", "other.py"], ["'a' twice", "fine.py and other.py"]),
        (["binary.py"], ["binary.py is not a text file"]),
        ([], ["FILE"]),
    ],
)
def test_wrong_arguments_say_what_is_wrong(capsys, words, expected):
    for name in ("fine", "json", "other"):
        write(name, HEAD, claim_text("a"))
    Path("folder").mkdir()
    write("folder/fine", HEAD, claim_text("b"))
    Path("binary.py").write_bytes(b"\xff\xfe\x00")
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    for word in expected:
        assert word in err


def test_one_network_a_cell_is_undecided_and_one_network_has_no_pair(capsys):
    text = """
import lmctheory as lmc
def one(rng, width):
    return lmc.pairwise_barriers([lmc.TwoLayerNet(rng.normal(size=(width, 3)))], lmc.orthonormal_teacher(2, 3))
def number(rng, width):
    return rng.lognormal(-np.log(width))
"""
    path = write("single", HEAD, text, claim_text("pairs", measure="one"), claim_text("numbers", measure="number"))
    status, out, _ = run(capsys, path, "--json")
    pairs, numbers = objects(out)
    assert status == 2
    assert "at least two" in pairs["error"]
    assert numbers["verdict"] == "INCONCLUSIVE"
    assert numbers["conditions"][0]["holds"] is None


def test_a_figure_that_cannot_be_drawn_is_said_and_costs_no_verdict(capsys):
    pytest.importorskip("matplotlib")
    status, _, _ = run(capsys, write("drawn", HEAD, claim_text(more=", figure=lambda data, axes: axes.plot(data.nothing)")))
    assert status == 0
    page = Path("results/report.html").read_text("utf-8")
    assert "No figure: the figure cannot be drawn: AttributeError" in page
    run(capsys, write("drawn2", HEAD, claim_text("b", more=", figure=lambda data, axes: axes.plot([1, 2], label='mine')")))
    assert "<svg" in Path("results/report.html").read_text("utf-8")


# --- what is kept and shown --------------------------------------------------------------------------------------------------


def test_the_page_shows_verdict_conditions_controls_and_provenance_and_loads_nothing(capsys):
    pytest.importorskip("matplotlib")
    text = claim_text("one", more=", scope='m = 8..32', source='[ME] <b>'") + claim_text("two", "falls_as(-1.5)")
    run(capsys, write("page", HEAD, text))
    page = Path("results/report.html").read_text("utf-8")
    for words in ("SUPPORTED", "REFUTED", "caught", "recognised", "condition by condition", "[ME] &lt;b&gt;", "m</i> = 8..32"):
        assert words in page.replace("\u00a0", " "), words
    assert page.index("SUPPORTED") < page.index("Decision rule")
    assert page.count("<svg") == 2
    assert page.count("numpy ") == 1  # provenance once
    assert "Shares its data" in page  # both use `falling`
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="https?:', page)
    for link in re.findall(r'href="([^#"][^"]*)"', page):
        assert link.startswith("data:") or (Path("results") / link).exists()
    run(capsys, write("later", HEAD, claim_text("three")))
    page = Path("results/report.html").read_text("utf-8")
    assert page.count("from an earlier run") == 2
    assert page.index("title-three") < page.index("title-one")


def test_without_the_extra_verdict_and_json_still_come(capsys, monkeypatch):
    path = write("bare", HEAD, claim_text("a"))
    code = f"""
import sys
sys.modules["jinja2"] = sys.modules["matplotlib"] = None
from lmctheory.cli import main
sys.exit(main(["check", {path!r}]))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "SUPPORTED" in done.stdout
    assert [line for line in done.stderr.splitlines() if "lmctheory[claims]" in line] != []
    assert len([line for line in done.stderr.splitlines() if "pip install" in line]) == 1
    assert json.loads(Path("results/claims/a.json").read_text("utf-8"))["claim"]["verdict"] == "SUPPORTED"
    assert not Path("results/report.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_leaves_a_page_of_what_is_known(tmp_path):
    text = """
import time
def slow(rng, width):
    open(f"started{width}", "w").close()
    time.sleep(60)
    return falling(rng, width)
"""
    path = write("stopped", HEAD, text, claim_text("first"), claim_text("second", measure="slow"))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "lmctheory", "check", path, "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("started*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "first" in out
    assert "SUPPORTED" in out
    assert len([line for line in err.splitlines() if "interrupted" in line]) == 1
    assert "resumes" in err
    assert "Traceback" not in err
    assert "title-first" in Path("results/report.html").read_text("utf-8")


def test_fresh_forgets_the_cells(capsys):
    path = write("fresh", HEAD, claim_text("a"))
    run(capsys, path, "--json")
    before = {row["width"]: row["value"].tolist() for row in load("results")["fresh.falling"].records}
    time_before = Path("results/study.sqlite").stat().st_mtime_ns
    run(capsys, path, "--json", "--fresh")
    table = load("results")["fresh.falling"]
    assert {row["width"]: row["value"].tolist() for row in table.records} == before  # the same streams
    assert Path("results/study.sqlite").stat().st_mtime_ns > time_before


def test_export_writes_one_table_a_function(capsys):
    text = """
def pairs(rng, width):
    return {"heights": rng.random(3), "pairs": np.array([[0, 1], [0, 2], [1, 2]]), "floor": 1e-15, "other": rng.random(2)}
"""
    run(capsys, write("tables", HEAD, text, claim_text("a"), claim_text("b", measure="pairs")), "--json")
    assert main(["export", "results"]) == 0
    out, _ = capsys.readouterr()
    assert "tables.falling: 3 cells" in out
    with open("results/export/tables.pairs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert [row["pairs.1"] for row in rows[:3]] == ["1", "2", "2"]
    assert {row["width"] for row in rows} == {"8", "16", "32"}
    assert len(json.loads(rows[0]["other"])) == 2
    assert main(["export", "nowhere"]) == 2


def test_results_go_into_a_data_frame():
    pandas = pytest.importorskip("pandas")
    data = Measured([({"width": 8}, 0.5), ({"width": 16}, 0.25)])
    frame = data.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["value"].tolist() == [0.5, 0.25]


def test_without_pandas_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(lmc.MissingDependencyError, match="pip install pandas"):
        Measured([({"width": 8}, 0.5)]).to_frame()


@pytest.mark.jit
def test_the_template_of_a_new_claim_runs_as_it_is(capsys):
    assert main(["new-claim", "my-rate"]) == 0
    assert "lmctheory check my_rate.py" in capsys.readouterr().out
    ((claim, path),) = load_claims(["my_rate.py"])
    assert (claim.name, path) == ("my-rate", Path("my_rate.py").resolve())
    assert main(["new-claim", "my-rate"]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["new-claim", "1/x"]) == 2
    status, out, _ = run(capsys, "my_rate.py")
    assert status in (0, 1)
    assert "controls" in out
    assert "ERROR" not in out


# --- claims from Python ------------------------------------------------------------------------------------------------------


def uniform_values(rng, width):
    return rng.random(50)


def make(name="x", measure=uniform_values, cells=None, rule=None, **more):
    return Claim(
        name=name, statement="x", measure=measure, cells=cells or {"quick": {"width": [1, 2]}},
        rule=rule or agrees_with(0.5, margin=0.5), **more,
    )  # fmt: skip


def test_streams_are_named_by_seed_function_and_cell_alone():
    first, second = make("one").run(Context()), make("two").run(Context())
    assert all(np.array_equal(a.result, b.result) for a, b in zip(first, second, strict=True))  # one function, one stream
    assert not np.array_equal(first[0].result, first[1].result)
    assert not np.array_equal(first[0].result, make().run(Context(seed=1))[0].result)
    turned = make(cells={"quick": [{"width": 2}, {"width": 1}]}).run(Context())
    assert np.array_equal(turned[1].result, first[0].result)
    streams = [
        Context(seed=s).stream(*path).generate_state(2).tolist() for s in (0, 1) for path in (("a", 1), ("a", "1"), ("a1",))
    ]
    assert len({tuple(state) for state in streams}) == 6


def test_a_claim_may_measure_by_itself_with_all_computing_in_sweep(tmp_path):
    def measure(context):
        found = context.sweep(uniform_values, [{"width": w} for w in context.pick(quick=[1], full=[1, 2])])
        return {"mean": float(found[0].result.mean()), "n": len(found)}

    def rule(data, rng):
        return Conditions([Condition("one cell", data["n"], bound=1.0, holds=data["n"] == 1)])

    def planted(data):
        return {"two": (data | {"n": 2}, "REFUTED"), "one": (data | {"n": 1}, "SUPPORTED")}

    claim = Claim(name="own", statement="x", measure=measure, rule=rule, planted=planted)
    context = Context(folder=tmp_path / "cells", executor="serial")
    assert judge(claim, claim.run(context)).verdict is Verdict.SUPPORTED
    assert context.functions == [f"{__name__}.uniform_values"]
    assert judge(claim, claim.run(Context(scale="full"))).verdict is Verdict.REFUTED
    with pytest.raises(lmc.InvalidInputError, match=r"quick, full.*'tiny'"):
        claim.run(Context(scale="tiny"))


def test_controls_that_do_not_do_their_duty_make_the_claim_inconclusive():
    data = make().run(Context())
    worlds = {"right": (data, "SUPPORTED"), "wrong": (data, "REFUTED")}
    found = judge(make(planted=lambda data: worlds), data)
    assert found.conditions.verdict is Verdict.SUPPORTED
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "The control 'wrong' is SUPPORTED, but must be REFUTED" in found.reason
    refuted = make(rule=agrees_with(5.0), planted=lambda data: {"a": (data, "REFUTED"), "b": (data, "SUPPORTED")})
    assert judge(refuted, data).conditions.verdict is Verdict.REFUTED
    assert judge(refuted, data).verdict is Verdict.INCONCLUSIVE


def test_conditions_that_fail_in_no_world_are_named():
    def rule(data):
        return Conditions([Condition("can fail", holds=data == "true"), Condition("cannot", holds=True)])

    claim = make(rule=rule, planted=lambda data: {"f": ("false", "REFUTED"), "t": ("true", "SUPPORTED")})
    assert judge(claim, "true").unshown == ["cannot"]


def test_judging_saved_data_again_gives_the_same():
    claim = make(rule=falls_as(-0.5), measure=uniform_values)
    data = claim.run(Context())
    first, again = judge(claim, data, 3), judge(claim, data, 3)
    assert first.conditions == again.conditions
    assert [control.conditions for control in first.controls] == [control.conditions for control in again.controls]


def test_failed_cells_are_kept_apart_with_their_tracebacks():
    def breaks(rng, width):
        raise RuntimeError(f"at {width}")

    with pytest.raises(FailedCellsError, match="2 of 2 cells failed, the first of them width=1: RuntimeError: at 1") as caught:
        make(measure=breaks).run(Context())
    assert [cell for cell, _ in caught.value.failures] == [{"width": 1}, {"width": 2}]


# --- results stored by their fields ------------------------------------------------------------------------------------------


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b or (a != a and b != b)


def test_results_of_the_library_are_loaded_as_the_same_type():
    teacher = lmc.orthonormal_teacher(2, 3)
    runs = lmc.train(teacher, 3, learning_rate=0.1, n_runs=3, max_steps=20, rng=0, record=[0, 10], checkpoints=[0], polish=True,
                     gradient_tol=1e9)  # fmt: skip
    pairs = lmc.pairwise_barriers(runs.networks, teacher, ["weights", "none"])
    fit = lmc.fit_rate([4, 8, 16], [np.random.default_rng(m).random(9) for m in (4, 8, 16)], rng=0)
    deep = lmc.LayeredNet([np.ones((2, 3)), np.ones((1, 2))])
    results = [
        runs, pairs, fit, deep, teacher, lmc.barrier(teacher, teacher, teacher, "weights"), lmc.sparsity(runs.networks[0]),
        lmc.align(teacher, teacher, "weights"), lmc.simplex_barrier(runs.networks, teacher),
        3.5, np.float64(2.0), True, np.arange(3), {"a": 1, "b": np.eye(2), "c": "text"}, {"nested": {"a": (1, 2.0, "x")}},
    ]  # fmt: skip
    for result in results:
        columns = stored(result)
        assert all(value is None or isinstance(value, (bool, int, float, str, np.ndarray)) for value in columns.values())
        expected = result.item() if isinstance(result, np.generic) else result
        assert same(restored(json_round_trip(columns)), expected), type(result)


def json_round_trip(columns):
    numbers = {name: value for name, value in columns.items() if not isinstance(value, np.ndarray)}
    return json.loads(json.dumps(numbers)) | {name: value for name, value in columns.items() if name not in numbers}


def test_a_result_may_repeat_a_parameter():
    def repeats(rng, width):
        return {"width": 2 * width, "heights": rng.random(3)}

    data = make(measure=repeats).run(Context())
    assert [record.cell["width"] for record in data] == [1, 2]
    assert [record.result["width"] for record in data] == [2, 4]
    assert data.samples("heights")[0].cell == {"width": 1}


def test_a_result_of_the_library_may_have_a_field_of_the_name_of_a_parameter():
    def trained(rng, steps):
        return lmc.train(
            lmc.orthonormal_teacher(2, 2), 2, learning_rate=0.1, n_runs=2, max_steps=steps, rng=rng, gradient_tol=1e3
        )

    data = make(measure=trained, cells={"quick": {"steps": [3, 4]}}).run(Context())
    assert [record.cell for record in data] == [{"steps": 3}, {"steps": 4}]
    assert data[0].result.steps.shape == (2,)


def test_layouts_of_foreign_types_are_refused():
    columns = stored(lmc.orthonormal_teacher(2, 2)) | {"layout of the result": json.dumps({"type": "os:system", "fields": {}})}
    with pytest.raises(lmc.StoreError, match="cannot be read"):
        restored(columns)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (r"$\eta = 0.3/m$", "η\u205f=\u205f0.3/<i>m</i>"),
        (r"$m^{-1/2}$ and $x_i^2$", "<i>m</i><sup>−1/2</sup>"),
        (r"$\frac{1}{\sqrt{m}}$", '<span class="root"><i>m</i></span>'),
        (r"$\mathbb{E}[B] \le C$", "𝔼[<i>B</i>]\u205f≤\u205f<i>C</i>"),
        (r"$\unknown{x}$", "<code>\\unknown{x}</code>"),
        (r"$a^{$", "<code>a^{</code>"),
        ("<b>$<b>$", "&lt;b&gt;"),
    ],
)
def test_formulas_are_typeset_or_shown_as_written(text, html):
    assert html in typeset_formulas(text)
