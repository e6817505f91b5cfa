"""Figures of claims as files, and as SVG for pages. Needs matplotlib."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctheory._files import atomic_file
from lmctheory.claims.judging import stream
from lmctheory.claims.loading import describe_error
from lmctheory.claims.results import figure_paths
from lmctheory.claims.rules import Rule
from lmctheory.errors import MissingDependencyError

if TYPE_CHECKING:
    from lmctheory.claims.checking import Checked

from lmctheory.plotting import COLOURS, STYLE  # before matplotlib, which may refuse the settings around it

try:
    import matplotlib as mpl
    import matplotlib.style
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingDependencyError("figures of claims need matplotlib: pip install 'lmctheory[claims]'") from error

INK = {  # colours that a page may replace, as CSS variables; the colour on paper is the fallback
    "#000000": "ink",
    "#ffffff": "paper",
    **{colour.lower(): name for name, colour in COLOURS.items()},
}
SIZE = (6.2, 3.6)  # inches


def style() -> AbstractContextManager[None]:
    """Draw in this library's style, whatever the user's own is, so that the same numbers give the same figure."""
    return mpl.style.context(STYLE, after_reset=True)


def save_figure(checked: Checked, folder: Path, seed: int) -> str:
    """Draw the figure of a judged claim, write it as SVG for the page and as PDF; return what went wrong, if anything did."""
    claim, judgement = checked.claim, checked.judgement
    if judgement is None:
        return ""
    with style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        try:
            if claim.figure is not None:
                claim.figure(checked.data, axes)
            elif isinstance(claim.rule, Rule):
                claim.rule.draw(checked.data, axes, stream(claim, seed, "judge"))
            else:
                return ""
            measured = "; ".join(f"{c.name} {c.measured_text}" for c in judgement.conditions.conditions)
            svg, pdf = figure_paths(folder, claim.name)
            svg.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(pdf) as file:
                figure.savefig(file, format="pdf", metadata={"CreationDate": None})
            with atomic_file(svg, "w") as file:
                file.write(inline_svg(figure, claim.name, f"Figure of {claim.name}. Measured: {measured}."))
        except Exception as failure:  # the claim's own function
            return f"the figure cannot be drawn: {describe_error(failure)}"
    return ""


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """Return a figure as an ``<svg>`` element to put into an HTML page.

    Its background is transparent and its colours are the CSS variables ``--figure-ink``, ``--figure-paper``, ``--figure-blue``
    and so on, so that the page can adapt them; it fills its container, and its ids do not clash with those of other figures.
    """
    file = io.StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = re.sub(r"<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var(--figure-{INK[m[0]]}, {m[0]})" if m[0] in INK else m[0], text)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    view_box = re.search(r'viewBox="[^"]*"', text)
    if view_box is None:
        raise RuntimeError("matplotlib wrote an SVG without a viewBox")
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {view_box[0]} role="img" '
        f'aria-label="{escape(alt)}" style="fill: var(--figure-ink, #000000); stroke-linejoin: round; stroke-linecap: butt">'
    )
    return root + text[text.index(">") + 1 :].strip()
