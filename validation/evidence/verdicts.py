"""Verdicts made of verdicts, and conditions in words."""

from __future__ import annotations

from collections.abc import Iterable

from validation.claim import Verdict


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return SUPPORTED if all are, REFUTED if one is."""
    return Verdict.of(*(verdict.condition for verdict in verdicts))


def any_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return SUPPORTED if one is, REFUTED if all are: several controls, none of which may pass."""
    found = list(verdicts)
    if Verdict.SUPPORTED in found:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if set(found) == {Verdict.REFUTED} else Verdict.INCONCLUSIVE


def failing(cells: Iterable[tuple[object, dict[str, bool | None]]]) -> str:
    """Return which named conditions fail in which cells, and which are undecided."""
    found = [(f"{name} ({cell})", held) for cell, conditions in cells for name, held in conditions.items()]
    words = (
        f"{word}: {'; '.join(name for name, held in found if held is value) or 'none'}."
        for value, word in ((False, "Failing"), (None, "Undecided"))
    )
    return " ".join(words)
