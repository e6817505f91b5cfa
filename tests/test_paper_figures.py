"""Figures are redrawn from saved numbers alone, with their provenance beside them."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from test_claims_certified import CERTIFIED_DATA
from test_claims_divergence import DIVERGENCE_DATA
from test_claims_families import FAMILIES_DATA
from test_claims_geometry import GEOMETRY_DATA
from test_claims_image_rates import IMAGE_RATES_DATA
from test_claims_images import IMAGES_DATA
from test_claims_minima import MINIMA_DATA
from test_claims_sequences import SEQUENCES_DATA
from test_claims_sgd import SGD_DATA
from test_claims_sparsity import SPARSITY_DATA
from test_claims_spurious import SPURIOUS_DATA
from test_claims_stability import STABILITY_DATA

import lmctheory as lmc
import paper_figures
from lmctheory.errors import InvalidInputError
from paper_figures import FIGURES, figures_of
from paper_figures.__main__ import main
from paper_figures.files import MissingDataError, caption, inline_svg, save
from validation.claim import as_json
from validation.claims import CLAIMS

PROVENANCE = {"scale": "quick", "seed": 3, "python": "3", "machine": "any", "versions": {"lmctheory": "0"}}


def _fit(widths, samples):
    fit = lmc.fit_rate(widths, samples, rng=0, n_resamples=200)
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(fit).items() if name != "seed"
    }


MADE_UP = {
    **(MINIMA_DATA | GEOMETRY_DATA | SPARSITY_DATA | STABILITY_DATA | SGD_DATA | DIVERGENCE_DATA | SEQUENCES_DATA),
    **(FAMILIES_DATA | SPURIOUS_DATA | CERTIFIED_DATA | IMAGES_DATA | IMAGE_RATES_DATA),
}


def _data():
    """Made-up numbers for every figure."""
    draw, widths = np.random.default_rng(0), [8, 12, 16, 24]
    samples = {d: [draw.lognormal(-1.2 * np.log(m), 0.4, 40) for m in widths] for d in (4, 16)}
    fits = {d: [{**_fit(widths[k:], s[k:]), "seed": "0"} for k in (0, 1)] for d, s in samples.items()}
    records = {d: [{"M": 4, "d": d, "modulo": s.tolist()} for s in samples[d]] for d in samples}
    shape = {
        **{"M": 4, "d": 8, "widths": [1, 2, 4, 8], "means": [0.0, 0.1, 0.0, 0.01], "mean_at_M_global": 0.0},
        "bands": [None, [0.05, 0.2], None, [0.005, 0.02]],
    }
    return {
        "double-descent": {"shape": [shape, shape], "control_shape": [shape, shape]},
        "rate": {"ensembles": records[4], "fits": fits[4]},
        "dimension-free": {
            "dimensions": [4, 16],
            "ensembles": records[4] + records[16],
            "fits": {str(d): both for d, both in fits.items()},
        },
        **{FIGURES[figure]: as_json(data()) for figure, data in MADE_UP.items()},
    }


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "study"
    (folder / "claims").mkdir(parents=True)
    for claim, data in _data().items():
        content = {"provenance": PROVENANCE, "claim": {"name": claim}, "data": data}
        (folder / "claims" / f"{claim}.json").write_text(json.dumps(content))
    return folder


def test_every_figure_draws_a_claim_that_exists():
    assert set(FIGURES.values()) <= set(CLAIMS)
    assert figures_of("rate") == ["rate"]
    assert figures_of("real-data-double-descent") == ["real_data_double_descent", "real_data_paths", "misclassified"]
    assert figures_of("permutation-invariance") == []


def test_a_new_module_is_a_figure(tmp_path, monkeypatch):
    (tmp_path / "a_new_one.py").write_text('CLAIM = "rate"\nPLACE = 2\n', encoding="utf-8")
    (tmp_path / "_shared.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(paper_figures, "__path__", [*paper_figures.__path__, str(tmp_path)])
    try:
        found = paper_figures._found()
    finally:
        sys.modules.pop("paper_figures.a_new_one", None)
    assert found == FIGURES | {"a_new_one": "rate"}
    assert [figure for figure, claim in found.items() if claim == "rate"] == ["rate", "a_new_one"]


def test_all_figures_are_redrawn(results, capsys):
    assert main(["--results", str(results)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FIGURES)
    for figure in FIGURES:
        folder = results / "figures"
        assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(folder.iterdir())) == 3 * len(FIGURES)


def test_provenance_is_beside_each_figure(results, tmp_path):
    _, _, path = save("rate", results, tmp_path / "out")
    provenance = json.loads(path.read_text())
    source = results / provenance["source"]
    assert provenance["source"] == "claims/rate.json"
    assert provenance["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    data = json.dumps(json.loads(source.read_text())["data"], separators=(",", ":"), sort_keys=True)
    assert provenance["data_sha256"] == hashlib.sha256(data.encode()).hexdigest()
    assert provenance["source_provenance"] == PROVENANCE
    assert provenance["drawn_with"]["matplotlib"] == mpl.__version__
    assert provenance["command"] == f"python -m paper_figures rate --results {results} --out {tmp_path / 'out'}"


def test_command_names_only_what_is_not_the_default(results, monkeypatch):
    results.rename(results.with_name("results"))
    monkeypatch.chdir(results.parent)
    assert main(["rate"]) == 0
    assert json.loads(Path("results/figures/rate.json").read_text())["command"] == "python -m paper_figures rate"


def test_same_numbers_give_the_same_files(results, tmp_path):
    first, second = (save("rate", results, tmp_path / name) for name in ("one", "two"))
    for a, b in zip(first[:2], second[:2], strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_a_figure_without_data_names_the_command_and_the_others_are_drawn(results, capsys):
    (results / "claims" / "rate.json").unlink()
    assert main(["--results", str(results)]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert f"python -m validation rate --out {results}" in printed.err
    assert len(printed.out.splitlines()) == len(FIGURES) - 1
    assert not (results / "figures" / "rate.png").exists()


def test_no_results_at_all_name_the_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("make it with: ")[1] for line in lines] == [f"python -m validation {name}" for name in FIGURES.values()]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ('{"provenance": {}, "claim": {}, "data": {}}', MissingDataError, "the experiment behind"),
        ('{"provenance": {}, "claim": {}, "data": {"fits": []}}', InvalidInputError, "the data is not what rate draws"),
        ('{"data": 3}', InvalidInputError, "is not a result file"),
        ("{", InvalidInputError, "is not JSON or is cut short"),
    ],
)
def test_unusable_result_files_are_named(results, capsys, content, error, message):
    (results / "claims" / "rate.json").write_text(content)
    with pytest.raises(error, match=message):
        save("rate", results, results / "figures")
    assert main(["rate", "double_descent", "--results", str(results)]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "rate.json" in printed.err
    assert "double_descent.pdf" in printed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["double-descent"], "did you mean double_descent"),
        (["zzz"], "there are certified_double_descent, certified_rate_samples, depth"),
        (["--results", "."], "--results must name the results folder of a study"),
    ],
)
def test_bad_usage_is_one_line_and_status_two(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_an_unwritable_output_is_one_line_and_status_two(results, capsys):
    (results / "file").write_text("")
    assert main(["rate", "--results", str(results), "--out", str(results / "file")]) == 2
    assert capsys.readouterr().err.startswith("cannot write figures: ")


def test_svg_leaves_colours_and_ids_to_the_page(results):
    content = json.loads((results / "claims" / "rate.json").read_text())
    svg = inline_svg("rate", content, 'a "quoted" text')
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert 'aria-label="a &quot;quoted&quot; text"' in svg
    assert "var(--figure-ink, #000000)" in svg
    assert "var(--figure-blue, #0072b2)" in svg
    assert 'id="figure_1"' not in svg
    assert "<style" not in svg
    assert svg == inline_svg("rate", content, 'a "quoted" text')


def test_global_style_is_left_alone(results):
    before = dict(mpl.rcParams)
    save("double_descent", results, results / "figures")
    assert dict(mpl.rcParams) == before


def test_every_figure_has_a_caption():
    assert all(caption(figure).endswith(".") for figure in FIGURES)


def test_nothing_is_trained_and_the_study_is_not_imported(results):
    code = (
        "import sys; from paper_figures.__main__ import main; status = main(sys.argv[1:]);"
        "assert not [m for m in sys.modules if m.startswith(('validation', 'lmctheory.training'))]; sys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", code, "--results", str(results)], check=True, cwd=Path(__file__).parents[1])
