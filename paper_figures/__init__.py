"""Pictures of what was measured, drawn from saved results: nothing is trained.

Each figure is a module with a ``CAPTION``, the name of the ``CLAIM`` whose saved numbers it draws, and ``draw(data)``; where a
claim has several, all but the first state their ``PLACE`` among them. `paper_figures.files` saves a figure with its provenance,
and ``python -m paper_figures`` redraws all.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import lmctheory.plotting  # noqa: F401  # before the figures: matplotlib is loaded there whatever MPLBACKEND names


def _found() -> dict[str, str]:
    names = [module.name for module in iter_modules(__path__) if not module.name.startswith("_") and module.name != "files"]
    figures = {name: import_module(f"{__name__}.{name}") for name in names}
    names.sort(key=lambda name: (figures[name].CLAIM, getattr(figures[name], "PLACE", 1)))
    return {name: figures[name].CLAIM for name in names}


FIGURES = _found()  # figure -> the claim whose saved numbers it draws


def figures_of(claim: str) -> list[str]:
    """Return the figures that are drawn from the numbers of this claim."""
    return [figure for figure, drawn_from in FIGURES.items() if drawn_from == claim]
