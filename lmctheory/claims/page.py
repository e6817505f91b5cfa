"""The report page: one HTML file, made from saved results alone, that needs nothing but a browser. Needs Jinja2."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmctheory._files import atomic_file
from lmctheory.claims.interval import measured_text
from lmctheory.claims.results import Saved, figure_paths, read_results
from lmctheory.claims.verdict import Verdict
from lmctheory.errors import InvalidInputError, MissingDependencyError

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
    from markupsafe import Markup
except ImportError as error:
    raise MissingDependencyError("the report page needs Jinja2: pip install 'lmctheory[claims]'") from error

from lmctheory.claims.mathematics import typeset, typeset_formulas

TEMPLATES = Path(__file__).with_name("templates")
SYMBOLS = {"SUPPORTED": "✓", "REFUTED": "✕", "INCONCLUSIVE": "?", "ERROR": "!", "holds": "✓", "fails": "✕", "undecided": "?"}
KIND_TEXTS = {
    "theorem": "A theorem: SUPPORTED means that the code agrees with it.",
    "proof": "Proved here, by certificates that a checker accepts.",
    "measurement": "A measurement: SUPPORTED means that the numbers agree with the statement, within its scope.",
}


def write_page(folder: Path, first: Sequence[str] = ()) -> Path:
    """Write ``report.html`` from the results saved in `folder` and return its path; the claims named `first` come first.

    Raises
    ------
    InvalidInputError
        If `folder` holds no results, or a file in it is cut short or foreign.
    """
    saved = read_results(folder, first)
    try:
        page = _rendered(saved, folder, first)
    except (LookupError, TypeError, AttributeError, ValueError, UndefinedError) as error:
        raise InvalidInputError(f"{folder / 'claims'} holds what is no result of lmctheory check ({error})") from error
    path = folder / "report.html"
    with atomic_file(path) as file:
        file.write(page.encode("utf-8", "backslashreplace"))  # the name of a file may hold what is no text
    return path


def _rendered(saved: Sequence[Saved], folder: Path, first: Sequence[str]) -> str:
    names = [one.claim["name"] for one in saved]
    now = [one for one in saved if one.claim["name"] in first] or saved
    entries = [_entry(one, saved, folder, one.claim["name"] in first or not first) for one in saved]
    counts = Counter(entry["verdict"] for entry in entries)
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            title=names[0] if len(names) == 1 else f"{len(names)} claims",
            entries=entries,
            tally=[(verdict, counts[verdict], _first(entries, verdict)) for verdict in (*Verdict, "ERROR") if counts[verdict]],
            provenance=now[0].provenance,
        )
    )


def _entry(one: Saved, saved: Sequence[Saved], folder: Path, is_new: bool) -> dict[str, Any]:
    claim = one.claim
    svg, pdf = figure_paths(folder, claim["name"])
    shared = [
        other.claim["name"]
        for other in saved
        if other is not one and set(other.claim.get("functions", ())) & set(claim.get("functions", ()))
    ]
    return {
        "claim": claim,
        "verdict": claim["verdict"] or "ERROR",
        "provenance": one.provenance,
        "is_new": is_new,
        "figure": None if claim.get("figure_error") else _figure(svg),
        "pdf": pdf.relative_to(folder).as_posix() if pdf.is_file() else None,
        "data": f"claims/{claim['name']}.json",
        "shared": shared,
        "kind_text": KIND_TEXTS[claim["kind"]],
    }


def _figure(svg: Path) -> Markup | None:
    try:
        return Markup(svg.read_text(encoding="utf-8"))
    except FileNotFoundError:  # not drawn, or just being drawn by another run
        return None


def _first(entries: Sequence[dict[str, Any]], verdict: str) -> str:
    return next(entry["claim"]["name"] for entry in entries if entry["verdict"] == verdict)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    environment.filters |= {
        "typeset": typeset,
        "formulas": typeset_formulas,
        "number": _number,
        "interval": _interval,
        "power": _power,
    }
    environment.globals |= {"symbols": SYMBOLS}
    return environment


def _number(value: float | None) -> Markup:
    return Markup("–") if value is None else typeset(measured_text(value))


def _interval(ends: Sequence[float | None] | None) -> Markup:
    if ends is None or ends[0] == ends[1] is not None:
        return Markup("")
    low = typeset(measured_text(ends[0])) if ends[0] is not None and math.isfinite(ends[0]) else Markup("−∞")
    high = typeset(measured_text(ends[1])) if ends[1] is not None and math.isfinite(ends[1]) else Markup("∞")
    return Markup("[{}, {}]").format(low, high)


def _power(power: float | None) -> str:
    if power is None:
        return "–"
    return "> 99 %" if power > 0.99 else "< 1 %" if power < 0.01 else f"{100 * power:.0f} %"
