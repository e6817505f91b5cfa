"""The report page: what it says, and that a real browser shows it."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import NO_BROWSER

import lmctheory as lmc
from lmctheory.claims.mathematics import typeset
from lmctheory.errors import InvalidInputError
from paper_figures import figures_of
from validation import __main__ as command
from validation.claim import Claim, Context, Measurement, Outcome, Verdict
from validation.claims import CLAIMS
from validation.evidence import rates
from validation.report.page import write_page
from validation.report.results import Row, write_claim, write_summary
from validation.sources import SOURCES, cited

HOSTILE = "<script>alert('x')</script> & <b>\"bold\"</b>"
VOID = {"meta", "link", "br", "img", "hr", "input"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("m^-1/2", "<i>m</i><sup>−1/2</sup>"),
        ("O(m^-1/2).", "<i>O</i>(<i>m</i><sup>−1/2</sup>)."),
        ("m^(-1/d) m^{2} m^2.", "<i>m</i><sup>−1/<i>d</i></sup> <i>m</i><sup>2</sup> <i>m</i><sup>2</sup>."),
        ("x_j and lack_of_fit", "<i>x</i><sub>j</sub> and lack_of_fit"),
        ("m >= 2M, a <= b, x -> y", "<i>m</i> ≥ 2<i>M</i>, a ≤ b, x → y"),
        ("-0.45 [-1.93, -1.41] (-1)", "−0.45 [−1.93, −1.41] (−1)"),
        ("m - 1, dimension-free, 2-3", "<i>m</i> − 1, dimension-free, 2-3"),
        ("4.4e-15, 1.1e+15. abc1e5", "4.4\u202f×\u202f10<sup>−15</sup>, 1.1\u202f×\u202f10<sup>15</sup>. abc1e5"),
        ("d = M", "<i>d</i>\u00a0= <i>M</i>"),
        ("1 < m < M & d", "1 &lt; <i>m</i> &lt; <i>M</i> &amp; <i>d</i>"),
        ("95 % of 8 M, 4 eps", "95\u00a0% of 8\u00a0<i>M</i>, 4 ε"),
        ("the claim `rate`, I'd say, Method", "the claim <code>rate</code>, I&#39;d say, Method"),
        ("<i>m</i> `<b>`", "&lt;i&gt;<i>m</i>&lt;/i&gt; <code>&lt;b&gt;</code>"),
        ("", ""),
    ],
)
def test_typesetting(text, html):
    assert typeset(text) == html


def test_every_text_of_the_claims_is_typeset_without_losing_a_word():
    for claim in CLAIMS.values():
        for text in (claim.statement, claim.prediction, claim.rule, claim.control):
            words = re.findall(r"[A-Za-z]{4,}", text)
            assert re.findall(r"[A-Za-z]{4,}", typeset(text).striptags()) == words


class Page(HTMLParser):
    """Text, tags, ids and links of a page; refuses tags that do not close."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(html)
        self.close()
        assert not self._open
        self.text = re.sub(r"\s+", " ", "".join(self.text))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not self._open or self._open[-1] != "style":
            self.text.append(data)

    def values(self, attribute):
        return [value for _, name, value in self.attributes if name == attribute]


def _synthetic_rate():
    """Numbers of the claim `rate` without training: power laws with noise."""
    draw = np.random.default_rng(0)
    widths = [8, 12, 16, 24]
    samples = [draw.lognormal(-1.2 * np.log(m), 0.4, 60) for m in widths]
    fits = [lmc.fit_rate(widths, samples, rng=0), lmc.fit_rate(widths[1:], samples[1:], rng=0)]
    ensembles = [{"M": 4, "d": 8, "modulo": sample.tolist()} for sample in samples]
    headline = [Measurement("exponent", fits[0].exponent, fits[0].interval), Measurement("tiny", 1.5e-7)]
    data = {"ensembles": ensembles, "fits": [rates.fit_record(fit) for fit in fits]}
    return Outcome(Verdict.SUPPORTED, Verdict.REFUTED, headline, ["Runs that reached a global minimum: 100.0%."], data)


def _save(folder, *outcomes, context=None, last=None):
    """Save outcomes, (claim, outcome) each, as a run of the study does."""
    context = context or Context(seed=7)
    rows = [Row(claim, outcome, 12.34) for claim, outcome in outcomes]
    for row in rows:
        write_claim(folder, context, row)
    write_summary(folder, context, rows if last is None else rows[-last:])


def _claim(name, text="A plain text."):
    return Claim(name, text, text, text, text, text, lambda context: None)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder with every verdict, a figure, a hostile text, a long word and a failed experiment."""
    folder = tmp_path_factory.mktemp("results")
    long_word = "antidisestablishmentarianism" * 4
    failed = Outcome(Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, [], ["The experiment failed: ArithmeticError: boom"])
    false = Outcome(Verdict.REFUTED, Verdict.SUPPORTED, [Measurement(long_word, float("nan"), (-1.0, float("inf")))], [HOSTILE])
    _save(
        folder,
        (CLAIMS["rate"], _synthetic_rate()),
        (_claim("hostile", HOSTILE), false),
        (CLAIMS["double-descent"], failed),
    )
    return folder


@pytest.fixture(scope="module")
def page(results):
    return Page(write_page(results).read_text(encoding="utf-8"))


def test_page_is_self_contained(page):
    assert page.tags.count("h1") == 1
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    assert all(value.startswith(("#", "data:")) for value in page.values("href") + page.values("src"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.values("href") + page.values("xlink:href") if value.startswith("#")} <= set(ids)


def test_every_claim_is_told_in_full(page):
    for text in (CLAIMS["rate"].statement, CLAIMS["rate"].rule, CLAIMS["rate"].control, CLAIMS["double-descent"].rule):
        assert re.sub(r"\s+", " ", typeset(text).striptags()) in page.text
    for text in (
        "python -m validation rate --scale quick --seed 7",
        "Seed 7, scale quick, images digits, 12.3 s",
        f"lmctheory {lmc.__version__}",
    ):
        assert text in page.text
    assert SOURCES["ZLW"].split("*")[1] in page.text
    assert SOURCES["CS"].split("*")[1] not in page.text


def test_numbers_and_verdicts_are_those_of_the_files(page, results):
    saved = json.loads((results / "claims" / "rate.json").read_text())["claim"]
    exponent = saved["measured"][0]
    interval = "[{:.3g}, {:.3g}]".format(*exponent["interval"]).replace("-", "−")
    assert page.text.count(interval) == 2
    assert f"{exponent['value']:.3g}".replace("-", "−") in page.text
    assert "1.5 × 10−7" in page.text
    for badge in ("✓ SUPPORTED", "✕ REFUTED", "? INCONCLUSIVE"):
        assert badge in page.text
    assert "The control passed although it is false" in page.text


def test_figures_have_alternative_texts_with_the_numbers(page, results):
    assert page.tags.count("svg") == len(figures_of("rate")) == 1
    (alt,) = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    saved = json.loads((results / "claims" / "rate.json").read_text())["claim"]["measured"][0]
    assert f"{saved['value']:.3g}" in alt
    assert "No figure: the experiment left no numbers." in page.text


def test_texts_are_escaped(results, page):
    html = (results / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<b>&#34;bold" not in html
    assert page.text.count("<script>alert('x')</script>") >= 5


def test_page_is_the_same_for_the_same_results(results):
    first = write_page(results).read_bytes()
    assert write_page(results).read_bytes() == first
    assert not [path for path in results.iterdir() if path.name.startswith(".")]


def test_proved_numbers_are_marked_beside_statistics(tmp_path):
    headline = [Measurement("share", 0.5, (0.41, 0.59)), Measurement("loss", 0.04674, (0.046741, 0.046743), proved=True)]
    _save(tmp_path, (_claim("one"), Outcome(Verdict.SUPPORTED, Verdict.REFUTED, headline)))
    page = Page(write_page(tmp_path).read_text(encoding="utf-8"))
    assert page.text.count("[0.0467, 0.0468] proved") == 2
    assert "[0.41, 0.59] proved" not in page.text
    assert page.values("class").count("badge proved") == 3  # the verdict table, the numbers of the claim, the legend


def test_results_saved_before_there_were_proved_numbers_and_images_are_read(tmp_path):
    _save(tmp_path, (_claim("one"), Outcome(Verdict.SUPPORTED, Verdict.REFUTED, [Measurement("ratio", 0.5)])))
    path = tmp_path / "claims" / "one.json"
    saved = json.loads(path.read_text())
    del saved["claim"]["measured"][0]["proved"], saved["provenance"]["images"]
    path.write_text(json.dumps(saved))
    assert "ratio" in Page(write_page(tmp_path).read_text(encoding="utf-8")).text


def test_claims_of_earlier_runs_stay_and_state_their_own_settings(tmp_path):
    outcome = Outcome(Verdict.SUPPORTED, Verdict.REFUTED, [])
    _save(tmp_path, (_claim("a-first"), outcome))
    _save(tmp_path, (_claim("last"), outcome), context=Context(seed=8))
    text = Page(write_page(tmp_path).read_text(encoding="utf-8")).text
    assert text.index("last") < text.index("a-first")
    assert "runs with different settings" in text
    assert "--seed 7" in text
    assert "--seed 8" in text


def test_data_of_another_version_costs_its_figure_only(tmp_path):
    _save(tmp_path, (CLAIMS["rate"], Outcome(Verdict.SUPPORTED, Verdict.REFUTED, [], [], {"other": [1]})))
    text = Page(write_page(tmp_path).read_text(encoding="utf-8")).text
    assert "No figure: the data is not what rate draws (KeyError: 'fits')." in text


def test_a_run_ends_with_the_report_and_report_rewrites_it(tmp_path, capsys, monkeypatch):
    outcome = Outcome(Verdict.SUPPORTED, Verdict.REFUTED, [Measurement("ratio", 0.5)])
    claim = Claim("one", "s", "s", "p", "r", "c", lambda context: outcome)
    monkeypatch.setattr(command, "CLAIMS", {"one": claim})
    command.main(["--out", str(tmp_path)])
    report = tmp_path / "report.html"
    assert f"report: {report}" in capsys.readouterr().out
    written = report.read_bytes()
    report.unlink()
    assert command.main(["report", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"report: {report}\n"
    assert report.read_bytes() == written


def test_a_run_that_meets_a_foreign_file_still_prints_its_verdicts(tmp_path, capsys, monkeypatch):
    outcome = Outcome(Verdict.SUPPORTED, Verdict.REFUTED, [])
    monkeypatch.setattr(command, "CLAIMS", {"one": Claim("one", "s", "s", "p", "r", "c", lambda context: outcome)})
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "two.json").write_text("{")
    command.main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "SUPPORTED" in printed
    assert "no report: " in printed


def _foreign(folder, kind):
    claims = folder / "claims"
    if kind in ("missing", "a file"):
        return folder / "nowhere" if kind == "missing" else _write(folder / "file", "text")
    claims.mkdir()
    content = {
        "cut short": '{"claim": {',
        "list": "[1, 2]",
        "other": '{"claim": {"name": "x"}, "data": {}, "provenance": {}}',
        "text": '{"claim": "rate", "data": {}, "provenance": {}}',
        "binary": None,
    }
    if kind == "binary":
        (claims / "rate.json").write_bytes(b"\xff\xfe\x00")
    elif kind in content:
        _write(claims / "rate.json", content[kind])
    elif kind != "no claims":
        _save(folder, (_claim("one"), Outcome(Verdict.SUPPORTED, Verdict.REFUTED, [])))
        if kind == "bad verdict":
            path = claims / "one.json"
            path.write_text(path.read_text().replace('"SUPPORTED"', '"MAYBE"'))
        else:
            _write(folder / "summary.json", '{"claims": 3}')
    return folder


def _write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "is not a results folder"),
        ("a file", "is not a results folder"),
        ("no claims", "is not a results folder"),
        ("cut short", "is not JSON or is cut short: "),
        ("list", "must hold a JSON object, got list"),
        ("other", "is not a result file of the study"),
        ("text", "is not a result file of the study"),
        ("binary", "is not a text file"),
        ("bad verdict", "'MAYBE' is not a valid Verdict"),
        ("bad summary", "is not a summary of the study"),
    ],
)
def test_a_folder_that_is_not_one_is_refused_in_one_line(tmp_path, capsys, kind, message):
    folder = _foreign(tmp_path, kind)
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        write_page(folder)
    assert command.main(["report", "--out", str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not list(tmp_path.rglob("report.html"))


def test_an_unwritable_folder_is_refused_in_one_line(results, capsys, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(command, "write_page", refuse)
    assert command.main(["report", "--out", str(results)]) == 2
    assert capsys.readouterr().err == "python -m validation: error: [Errno 13] Permission denied\n"


def test_sources_are_those_of_the_readme():
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    assert all(f"[{name}] {work}" in readme for name, work in SOURCES.items())
    assert all(cited([claim.source]) for claim in CLAIMS.values())


# In a real browser.

PHONE, DESKTOP = {"width": 390, "height": 844, "mobile": True}, {"width": 1280, "height": 900, "mobile": False}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium; where there is none, the tests of this section are skipped, and the summary says so."""
    found = [path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path]
    driver = shutil.which("chromedriver")
    if not (found and driver):
        pytest.skip(NO_BROWSER)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(driver))
    yield running
    running.quit()


@pytest.fixture
def show(browser, results):
    """Open the page on a screen of one size in one colour scheme."""
    path = write_page(results)

    def open_page(screen, scheme="light"):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**screen, "deviceScaleFactor": 1})
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
        browser.get(path.as_uri())
        return browser

    return open_page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_browser_shows_the_page(show, screen, scheme):
    browser = show(screen, scheme)
    assert browser.get_log("browser") == []
    width = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    assert width[1] == screen["width"]
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(s => [s.getBoundingClientRect().width,"
        " s.getBoundingClientRect().height, s.querySelectorAll('path, use').length])"
    )
    assert len(sizes) == 1
    assert all(w > 300 and h > 150 and marks > 50 for w, h, marks in sizes)
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


CONTRAST = """
const parse = c => c.match(/[\\d.]+/g).map(Number);
const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = c => { const [r, g, b] = parse(c).map(v => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (parse(c).length === 3 || parse(c)[3] > 0.99) return c; } return 'rgb(255, 255, 255)'; };
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const shown = [...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && e.getClientRects().length
  && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
const text = shown.map(e => [ratio(getComputedStyle(e).color, behind(e)), e.className + ' ' + e.textContent.slice(0, 30)]);
const marks = [...document.querySelectorAll('figure svg [style]')].map(e => [getComputedStyle(e), behind(e.closest('figure'))])
  .flatMap(([s, back]) => [s.stroke].filter(c => c.startsWith('rgb(')).map(c => [ratio(c, back), c]));
return [text, marks];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_gives_texts_and_lines_enough_contrast(show, scheme):
    text, marks = show(DESKTOP, scheme).execute_script(CONTRAST)
    assert [entry for entry in text if entry[0] < 4.5] == []
    assert [entry for entry in marks if entry[0] < 3.0] == []
    assert len(text) > 40
    assert len(marks) > 20


def test_browser_colours_follow_the_scheme(show):
    background = "return getComputedStyle(document.body).backgroundColor"
    light, dark = (sum(map(int, re.findall(r"\d+", show(DESKTOP, s).execute_script(background))[:3])) for s in ("light", "dark"))
    assert light > 700
    assert dark < 120


def test_browser_prints_on_light_paper_without_losing_a_claim(show):
    browser = show(DESKTOP, "dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 4
