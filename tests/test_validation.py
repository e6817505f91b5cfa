"""The study: decision rules can fail, the command line tells the truth, figures are drawn from saved numbers."""

import json
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc
from paper_figures import FIGURES
from paper_figures.files import save
from validation import __main__ as command
from validation import claims
from validation.cells.ensembles import Ensemble, gd_ensembles
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json, stream
from validation.claims import CLAIMS, double_descent, permutation_invariance
from validation.evidence import rates
from validation.report.results import write_json

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [((True, True), S), ((True, None), I), ((None, False), R), ((True, False), R), ((None,), I)],
)
def test_verdict_of_conditions(conditions, verdict):
    assert Verdict.of(*conditions) is verdict


def _fit(low, high):
    widths = np.array([8.0, 16.0, 32.0])
    fit = lmc.fit_rate(widths, [np.array([1.0, 2.0, 4.0]) / m for m in widths], rng=0, n_resamples=100)
    return replace(fit, interval=(low, high))


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(-2.0, -1.0), (-1.5, -0.45)], S),
        ([(-2.0, -1.0), (-1.5, -0.44)], I),
        ([(-0.44, -0.1), (-1.5, -1.0)], R),
        ([(-0.7, -0.3)], I),
    ],
)
def test_rate_rule(intervals, verdict):
    assert rates.decide([_fit(*interval) for interval in intervals]) is verdict


def _ensembles(curve, spread=0.15, n_runs=24):
    """Ensembles whose mean barrier modulo permutation is ``curve(M, m)``; all runs reach a global minimum from m = M on."""
    draw = np.random.default_rng(0)
    pairs = np.stack(np.triu_indices(n_runs, 1), axis=1)
    found = []
    for M, d in double_descent.TEACHERS:
        for m in double_descent.widths_for(M):
            effects = draw.normal(size=n_runs)[pairs].sum(axis=1)
            heights = curve(M, m) * np.exp(spread * effects)
            losses = np.full(n_runs, 0.0 if m >= M else 0.5)
            found.append(Ensemble(M, d, m, losses, np.ones(n_runs), pairs, heights, heights, heights + 1.0, 1e-14))
    return found


def _double_descent(M, m):
    if m in (1, M):
        return 1e-16
    return 0.1 * (M - m + 0.2) / M if m < M else 0.01 * (m / (1.5 * M)) ** (-2.0 if m > 1.5 * M else 1.0)


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (_double_descent, S),
        (lambda M, m: 1e-3 if m == M else _double_descent(M, m), R),  # not zero at m = M
        (lambda M, m: 0.01 * m / M if m > M else _double_descent(M, m), R),  # keeps rising
        (lambda M, m: 0.001 * m**4 if 1 < m < M else _double_descent(M, m), R),  # does not fall towards M
    ],
)
def test_double_descent_rule(curve, verdict):
    ensembles = _ensembles(curve)
    assert double_descent._decide(Context(), ensembles, [e.modulo for e in ensembles])[0] is verdict


def test_double_descent_rule_is_undecided_where_noise_hides_the_order():
    flat = _ensembles(lambda M, m: _double_descent(M, m) if m <= M else 0.01, spread=0.5)
    assert double_descent._decide(Context(), flat, [e.modulo for e in flat])[0] is not S


def test_permutation_invariance_experiment_and_its_control():
    outcome = permutation_invariance.experiment(Context(seed=3))
    assert (outcome.verdict, outcome.control) == (S, R)
    assert outcome.headline[0].value <= 1


@pytest.mark.jit
def test_gd_ensemble_is_reproducible_and_recorded_exactly():
    first = gd_ensembles(Context(seed=5), [(2, 3, 4)], 4)[0]
    again = gd_ensembles(Context(seed=5), [(2, 3, 4)], 4)[0]
    assert json.dumps(first.record()) == json.dumps(again.record())
    assert (first.modulo <= first.weights).all()
    assert (first.modulo <= first.activations).all()
    assert first.reached_global.all()


def test_track_reports_shares_of_the_cost():
    seen = []
    context = Context(progress=seen.append)
    assert list(context.track([1, 3, 4], cost=float)) == [1, 3, 4]
    assert seen == [1 / 8, 1 / 2, 1.0]


def test_as_json_is_exact():
    value = {"x": np.array([0.1, 1 / 3]), "n": np.int64(3), "t": (True, None, "text")}
    assert json.loads(json.dumps(as_json(value))) == {"x": [0.1, 1 / 3], "n": 3, "t": [True, None, "text"]}


def _claim(name, outcome):
    return Claim(name, "statement", "source", "prediction", "rule", "control", lambda context: outcome)


@pytest.fixture
def study(monkeypatch, tmp_path):
    """Run the command line on claims with given outcomes; return status and output folder."""

    def run(outcomes, *arguments, expected=None):
        monkeypatch.setattr(command, "CLAIMS", {name: _claim(name, outcome) for name, outcome in outcomes.items()})
        recorded = tmp_path / "expected.toml"
        lines = [f'{name} = {{ verdict = "{v}", control = "{c}" }}' for name, (v, c) in (expected or {}).items()]
        recorded.write_text("\n".join(["[quick]", *lines, "[full]"]))
        monkeypatch.setattr(command, "EXPECTED", recorded)
        return command.main([*arguments, "--out", str(tmp_path / "out")]), tmp_path / "out"

    return run


OUTCOME = Outcome(S, R, [Measurement("exponent", -1.0, (-1.2, -0.8))], ["A finding."], {"numbers": [1, 2]})


def test_status_zero_and_complete_records_when_all_is_as_recorded(study, capsys):
    status, out = study({"one": OUTCOME}, expected={"one": (S, R)})
    printed = capsys.readouterr()
    assert status == 0
    assert "exponent -1 [-1.2, -0.8]" in printed.out
    assert "A finding." in printed.out
    saved = json.loads((out / "claims" / "one.json").read_text())
    assert saved["data"] == {"numbers": [1, 2]}
    assert saved["provenance"]["seed"] == 0
    assert saved["provenance"]["versions"]["lmctheory"] == lmc.__version__
    assert json.loads((out / "summary.json").read_text())["claims"][0]["measured"][0]["interval"] == [-1.2, -0.8]


def test_what_is_proved_is_marked_beside_the_statistics(study, capsys):
    proved = Measurement("height", 0.04675, (0.04674999, 0.04675001), proved=True)
    study({"one": replace(OUTCOME, headline=[*OUTCOME.headline, proved])}, expected={"one": (S, R)})
    printed = capsys.readouterr().out
    assert "exponent -1 [-1.2, -0.8] " in printed
    assert "height 0.0467 [0.0467, 0.0468] proved" in printed
    assert "] proved" not in printed.replace(str(proved), "")


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((1.2341, 1.2349), "[1.23, 1.24]"),
        ((-1.2349, -1.2341), "[-1.24, -1.23]"),
        ((0.0, 2.0**-10), "[0, 0.000977]"),
        ((-np.inf, np.inf), "[-inf, inf]"),
        (None, "exact"),
    ],
)
def test_printed_ends_of_a_proved_interval_enclose_it(interval, text):
    assert Measurement("x", 1.0, interval, proved=True).interval_text == text


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ends_are_rounded_outwards_only_where_proved(low, width):
    interval = (low, low + width)
    shown = Measurement("x", low, interval, proved=True).interval_text.strip("[]").split(", ")
    assert float(shown[0]) <= interval[0] <= interval[1] <= float(shown[1])
    assert Measurement("x", low, interval).interval_text == f"[{interval[0]:.3g}, {interval[1]:.3g}]"


@pytest.mark.parametrize("expected", [{"one": (I, R)}, {"one": (S, S)}, {}])
def test_status_one_names_the_surprise(study, capsys, expected):
    status, _ = study({"one": OUTCOME}, expected=expected)
    assert status == 1
    assert "UNEXPECTED one" in capsys.readouterr().out


def test_a_failing_experiment_is_inconclusive_and_costs_nothing_else(study, capsys, monkeypatch):
    def fail(context):
        raise ArithmeticError("boom")

    monkeypatch.setattr(Claim, "experiment", None, raising=False)
    broken = replace(_claim("broken", OUTCOME), experiment=fail)
    monkeypatch.setattr(command, "CLAIMS", {"broken": broken, "one": _claim("one", OUTCOME)})
    rows = [command._test(claim, Context(), _Silent()) for claim in command.CLAIMS.values()]
    assert [row.outcome.verdict for row in rows] == [I, S]
    assert "boom" in rows[0].outcome.findings[0]
    assert "ArithmeticError" in capsys.readouterr().err


class _Silent:
    def start(self, name): ...
    def progress(self, done, failed=0): ...
    def finish(self, row): ...


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dubble-descent"], "did you mean double-descent"),
        (["--scale", "huge"], "invalid choice"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--out", "/proc/nowhere"], "--out must name a folder"),
    ],
)
def test_bad_usage_is_one_line_and_status_two(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_list_names_every_claim(capsys):
    assert command.main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert [line.split("  ")[0] for line in printed.splitlines()] == list(CLAIMS)
    assert len({len(line) - len(line.split("  ", 1)[1].lstrip()) for line in printed.splitlines()}) == 1


def test_every_claim_is_complete_and_has_recorded_verdicts_in_the_order_of_reports():
    recorded = tomllib.loads(command.EXPECTED.read_text())
    for scale in ("quick", "full"):
        assert list(recorded[scale]) == list(CLAIMS)
    assert len(CLAIMS) == len([path for path in Path(claims.__file__).parent.glob("*.py") if path.stem != "__init__"])
    for claim in CLAIMS.values():
        assert all((claim.statement, claim.source, claim.prediction, claim.rule, claim.control))


def test_a_new_module_is_a_claim_and_comes_last(tmp_path, monkeypatch):
    text = "from validation.claim import Claim\nCLAIM = Claim('a-new-one', 's', 's', 'p', 'r', 'c', lambda context: None)\n"
    (tmp_path / "a_new_one.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(claims, "__path__", [*claims.__path__, str(tmp_path)])
    try:
        assert list(claims._found()) == [*CLAIMS, "a-new-one"]
    finally:
        sys.modules.pop("validation.claims.a_new_one", None)


def test_named_streams_are_shared_by_name_alone():
    def first(sequence):
        return sequence.generate_state(2).tolist()

    asked = [("rate", 4), ("rate", 4, 0), ("rate",), ("rates", 4), ("rate", "4")]
    found = [first(Context(seed=seed).stream(*names)) for seed in (0, 1) for names in asked]
    assert len({tuple(state) for state in found}) == 10
    assert first(Context(seed=1).stream("rate", 4)) == first(stream(1, "rate", 4))


@pytest.mark.jit
def test_figures_are_drawn_from_saved_numbers_alone(tmp_path):
    """Small versions of the claims' data, through JSON, into every figure."""
    widths, n_runs = [8, 12, 16], 24
    context = Context(seed=1)
    ensembles = gd_ensembles(context, [(4, d, m) for d in (4, 5) for m in widths], n_runs)
    fits = {d: rates.fit_ensembles([e for e in ensembles if e.d == d], context.rng(0)) for d in (4, 5)}
    records = [e.record() for e in ensembles]
    synthetic = _ensembles(_double_descent)
    shape = double_descent._decide(context, synthetic, [e.modulo for e in synthetic])[1]
    control = double_descent._decide(context, synthetic, [e.unaligned for e in synthetic])[1]
    data = {
        "rate": {"ensembles": records[: len(widths)], "fits": [rates.fit_record(fit) for fit in fits[4]]},
        "dimension_free": {
            "dimensions": [4, 5],
            "ensembles": records,
            "fits": {str(d): [rates.fit_record(fit) for fit in both] for d, both in fits.items()},
        },
        "double_descent": {"shape": as_json(shape), "control_shape": as_json(control)},
    }
    for figure, numbers in data.items():
        write_json(tmp_path / "claims" / f"{FIGURES[figure]}.json", {"provenance": {}, "data": numbers})
        pdf, png, _ = save(figure, tmp_path, tmp_path / "figures")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert pdf.read_bytes().startswith(b"%PDF")
