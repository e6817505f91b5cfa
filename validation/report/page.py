"""The report page: one HTML file, made from the saved results alone, that needs nothing but a browser."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lmctheory._files import atomic_file
from lmctheory.claims.mathematics import typeset
from lmctheory.claims.page import TEMPLATES
from lmctheory.errors import InvalidInputError
from paper_figures import figures_of
from paper_figures.files import caption, command, inline_svg
from validation.claim import Measurement, Verdict
from validation.report.results import RESULTS, Saved, read_results
from validation.sources import cited

SYMBOLS = {Verdict.SUPPORTED: "✓", Verdict.REFUTED: "✕", Verdict.INCONCLUSIVE: "?"}
CONTROL_READINGS = {
    Verdict.REFUTED: "The control fails as it must: the check can tell a false claim.",
    Verdict.INCONCLUSIVE: "The control neither passed nor failed: the check is not shown to tell a false claim.",
    Verdict.SUPPORTED: "The control passed although it is false: the verdict above means nothing.",
}


def write_page(folder: Path) -> Path:
    """Write ``report.html`` from the results saved in `folder` and return its path.

    The page holds the verdict table and, for each claim, its statement, source, decision rule, figure, measurements, findings,
    negative control and provenance. It loads nothing from elsewhere.

    Raises
    ------
    InvalidInputError
        If `folder` holds no saved claim, or a file in it is cut short or foreign.
    """
    saved = read_results(folder)
    entries = [_entry(one) for one in saved]
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            entries=entries,
            tally=_tally(entries),
            common=_common([one.provenance for one in saved]),
            sources=cited(text for one in saved for text in one.claim.values() if isinstance(text, str)),
            command=command("validation", "report", out=(folder, RESULTS)),
            n_claims=len(entries),
        )
    )
    path = folder / "report.html"
    with atomic_file(path, "w") as file:
        file.write(page)
    return path


@dataclass(frozen=True)
class Picture:
    """A figure on the page: the drawing, or why there is none."""

    caption: str
    svg: Markup | None
    failure: str = ""


@dataclass(frozen=True)
class Entry:
    """What the template shows of one claim; `row` is the row of the verdict table."""

    row: dict[str, Any]
    verdict: Verdict
    control_verdict: Verdict
    measured: list[Measurement]
    pictures: list[Picture]
    provenance: dict[str, Any]
    command: str

    @property
    def control_reading(self) -> str:
        """What the verdict of the control says about the check."""
        return CONTROL_READINGS[self.control_verdict]


def _entry(saved: Saved) -> Entry:
    row, provenance = saved.claim, saved.provenance
    try:
        measured = [Measurement(**fields) for fields in row["measured"]]
        verdicts = Verdict(row["verdict"]), Verdict(row["control_verdict"])
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"the saved claim {row['name']!r} is not one of the study: {error}") from error
    return Entry(
        row=row,
        verdict=verdicts[0],
        control_verdict=verdicts[1],
        measured=measured,
        pictures=[_picture(figure, saved, measured) for figure in figures_of(row["name"])],
        provenance=provenance,
        command=_command(row["name"], provenance),
    )


def _command(name: str, provenance: dict[str, Any]) -> str:
    """Return the command that repeats the run."""
    words = ["python", "-m", "validation", name, "--scale", provenance["scale"], "--seed", str(provenance["seed"])]
    return shlex.join([*words, "--mnist", provenance["mnist"]] if provenance.get("mnist") else words)


def _picture(figure: str, saved: Saved, measured: Sequence[Measurement]) -> Picture:
    text = caption(figure)
    if not saved.data:
        return Picture(text, None, "No figure: the experiment left no numbers.")
    alt = " ".join([text, f"Measured: {'; '.join(map(str, measured))}."])
    try:
        return Picture(text, Markup(inline_svg(figure, {"data": saved.data}, alt)))
    except InvalidInputError as error:
        return Picture(text, None, f"No figure: {error}.")


def _tally(entries: Sequence[Entry]) -> list[tuple[Verdict, int]]:
    counts = Counter(entry.verdict for entry in entries)
    return [(verdict, counts[verdict]) for verdict in Verdict if counts[verdict]]


def _common(provenances: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the provenance if all claims share it; pages may show results of several runs."""
    return provenances[0] if all(provenance == provenances[0] for provenance in provenances) else None


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"typeset": typeset, "number": _number, "interval": _interval, "emphasis": _emphasis}
    environment.globals |= {"symbols": SYMBOLS}
    return environment


def _number(value: float) -> Markup:
    return typeset(f"{value:.3g}")


def _interval(measurement: Measurement) -> Markup:
    return typeset(measurement.interval_text)


def _emphasis(text: str) -> Markup:
    return Markup(re.sub(r"\*([^*]+)\*", r"<cite>\1</cite>", str(escape(text))))
