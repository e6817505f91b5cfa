"""Figures as files: PDF and PNG with their provenance beside them, and SVG for pages."""

from __future__ import annotations

import hashlib
import importlib
import json
import shlex
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lmctheory._files import atomic_file, read_json
from lmctheory.claims.drawing import inline_svg as library_svg
from lmctheory.claims.drawing import style
from lmctheory.errors import InvalidInputError, LmcError
from paper_figures import FIGURES

RESULTS = Path("results")
DRAWING_PACKAGES = ("matplotlib", "numpy", "lmctheory")


class MissingDataError(LmcError):
    """A figure has no saved numbers; the message gives the command that makes them."""


@dataclass(frozen=True)
class Source:
    """The saved numbers of one figure, in the results folder of a study."""

    figure: str
    results: Path

    @property
    def path(self) -> Path:
        """The result file."""
        return self.results / "claims" / f"{FIGURES[self.figure]}.json"

    @cached_property
    def content(self) -> dict[str, Any]:
        """The content of the result file."""
        if not self.path.is_file():
            raise MissingDataError(f"{self.figure} has no data ({self.path} is missing): {self.remedy}")
        content = read_json(self.path, allow_nan=True)
        if not (isinstance(content.get("data"), dict) and isinstance(content.get("provenance"), dict)):
            raise InvalidInputError(f"{self.path} is not a result file of the study")
        if not content["data"]:
            raise MissingDataError(f"{self.figure} has no data (the experiment behind {self.path} failed): {self.remedy}")
        return content

    @property
    def remedy(self) -> str:
        """Which command makes the numbers."""
        return f"make it with: {command('validation', FIGURES[self.figure], out=(self.results, RESULTS))}"

    def provenance(self, folder: Path) -> dict[str, Any]:
        """Return where the picture in `folder` comes from; `data_sha256` is that of the data block as compact JSON."""
        options = {"results": (self.results, RESULTS), "out": (folder, RESULTS / "figures")}
        data = json.dumps(self.content["data"], separators=(",", ":"), sort_keys=True)
        return {
            "figure": self.figure,
            "claim": FIGURES[self.figure],
            "source": self.path.relative_to(self.results).as_posix(),
            "source_sha256": hashlib.sha256(self.path.read_bytes()).hexdigest(),
            "data_sha256": hashlib.sha256(data.encode()).hexdigest(),
            "source_provenance": self.content["provenance"],
            "drawn_with": {name: version(name) for name in DRAWING_PACKAGES},
            "command": command("paper_figures", self.figure, **options),
        }


def draw(figure: str, content: dict[str, Any]) -> Figure:
    """Return the figure drawn from the content of a result file.

    Raises
    ------
    InvalidInputError
        If the data is not what this figure draws.
    """
    try:
        with style():
            return importlib.import_module(f"paper_figures.{figure}").draw(content["data"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a file from another version of the study
        raise InvalidInputError(f"the data is not what {figure} draws ({type(error).__name__}: {error})") from error


def caption(figure: str) -> str:
    """Return what the figure shows, in one or two sentences."""
    return importlib.import_module(f"paper_figures.{figure}").CAPTION


def save(figure: str, results: Path, folder: Path) -> list[Path]:
    """Draw the figure from the results folder, write PDF, PNG and the provenance of both, and return their paths.

    Raises
    ------
    MissingDataError
        If there are no saved numbers; the message gives the command that makes them.
    InvalidInputError
        If the result file holds something else.
    """
    source = Source(figure, results)
    try:
        drawn = draw(figure, source.content)
    except InvalidInputError as error:
        raise InvalidInputError(f"{source.path}: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{figure}.{suffix}" for suffix in ("pdf", "png", "json")]
    for path in paths[:2]:
        with style(), atomic_file(path) as file:
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else None  # the same numbers give the same bytes
            drawn.savefig(file, format=path.suffix[1:], metadata=metadata)
    with atomic_file(paths[2], "w") as file:
        json.dump(source.provenance(folder), file, indent=1)
        file.write("\n")
    return paths


def inline_svg(figure: str, content: dict[str, Any], alt: str) -> str:
    """Return the figure as an ``<svg>`` element to put into an HTML page; see `lmctheory.claims.drawing.inline_svg`."""
    with style():
        return library_svg(draw(figure, content), figure, alt)


def command(module: str, name: str, **options: tuple[Path, Path]) -> str:
    """Return the command line; options are given as (value, default) and left out where these agree."""
    words = ["python", "-m", module, name]
    for option, (value, default) in options.items():
        words += [f"--{option}", str(value)] if value != default else []
    return shlex.join(words)
