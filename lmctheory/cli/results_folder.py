"""The folder of checked claims: tried before the work; what cannot be kept behind it costs no verdict."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctheory.cli.files import writing
from lmctheory.cli.process import complain, writing_results
from lmctheory.errors import InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from lmctheory.claims.checking import Checked


class ResultsFolder:
    """Where `lmctheory check` keeps results, figures and the page.

    `path` stays the same one, whatever a claim does; `problems` are what could not be kept.
    """

    def __init__(self, name: str, seed: int) -> None:
        if not name:
            raise InvalidInputError("--out must name a folder, got ''")
        self.path = Path(os.path.realpath(name))
        self.problems: list[str] = []
        self._name, self._seed = name, seed

    def expect(self, names: Sequence[str]) -> None:
        """Make the folder; refuse one in which the results of these claims could not be kept."""
        from lmctheory.claims.results import check_paths

        try:
            check_paths(self.path, names)
        except OSError as error:
            why = f"{error.strerror}: {error.filename}"
            raise InvalidInputError(f"--out must name a folder that can be written, got {self._name} ({why})") from None

    def keep(self, checked: Checked, where: dict[str, Any]) -> dict[str, Any]:
        """Draw the figure of a claim, write its result, and return it; an interrupt costs the figure alone."""
        from lmctheory.claims.results import record, write_result

        figure_error = "interrupted"
        try:
            figure_error = self._draw(checked)
        finally:
            entry = record(checked, figure_error)
            with self._keeping(f"the result of {checked.claim.name}"):
                write_result(self.path, entry, where, checked.data)
        return entry

    def write_page(self, first: Sequence[str]) -> Path | None:
        """Write the page, the claims named `first` at its top, and return its path; without claims there is none."""
        if not first:
            return None
        try:
            from lmctheory.claims.page import write_page
        except MissingDependencyError as error:
            complain("lmctheory check", "note", f"no page and no figures: {error}")
            return None
        with self._keeping("the page"):
            return write_page(self.path, first)
        return None

    def _draw(self, checked: Checked) -> str:
        """Draw the figure for the page, and return what went wrong; without matplotlib there is none."""
        from lmctheory.claims.results import figure_paths

        try:
            for path in figure_paths(self.path, checked.claim.name):
                path.unlink(missing_ok=True)  # of an earlier run
            from lmctheory.claims.drawing import save_figure
        except MissingDependencyError as error:
            return str(error)
        except OSError as error:
            return f"the figure of an earlier run cannot be removed: {error.strerror}"
        return save_figure(checked, self.path, self._seed)

    @contextmanager
    def _keeping(self, what: str) -> Iterator[None]:
        """Note what cannot be written, and go on: the rest is not lost by it."""
        try:
            with writing_results(), writing(what):
                yield
        except InvalidInputError as error:
            self.problems.append(str(error))
