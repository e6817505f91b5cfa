"""Verdicts as lines of text that fit a terminal: nothing is cut off, numbers stay whole."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from lmctheory.claims.checking import Checked
from lmctheory.claims.verdict import Condition

NARROW, WIDE = 60, 100
SHOWN = 3  # conditions of a claim in the table, those that do not hold first
COLOURS = {"SUPPORTED": "32", "REFUTED": "31", "INCONCLUSIVE": "33", "ERROR": "31"}


def width() -> int:
    """Return the width to print at: that of the terminal within limits, 80 in a pipe."""
    return max(NARROW, min(WIDE, shutil.get_terminal_size((80, 24)).columns)) if sys.stdout.isatty() else 80


def verdict_lines(checked: Checked, columns: int, colour: bool) -> Iterator[str]:
    """Yield a claim's verdict with its reasons: each condition and control with its numbers."""
    verdict = word(checked)
    yield from _sides(checked.claim.name, verdict, f"{checked.seconds:.1f} s", columns, colour)
    judgement = checked.judgement
    if judgement is None:
        yield from _wrapped(checked.error, columns)
        return
    for condition in judgement.conditions.conditions:
        yield from _row(condition, columns)
    for note in judgement.conditions.notes:
        yield from _wrapped(f"note: {note}", columns)
    for control in judgement.controls:
        state = "caught" if control.must_be == "REFUTED" else "recognised"
        if not control.is_right:
            state = f"{control.verdict}, NOT {control.must_be}"
        power = "" if control.power is None else f"power {_power(control.power)}"
        yield from _cells(f"control {control.name}", power, state, columns)
    if judgement.controls and not all(control.is_right for control in judgement.controls):
        yield from _wrapped(judgement.reason, columns)
    if judgement.unshown:
        yield from _wrapped(f"note: no planted world makes these conditions fail: {'; '.join(judgement.unshown)}.", columns)


def table_lines(rows: Sequence[Checked], columns: int, colour: bool) -> Iterator[str]:
    """Yield the table of all claims: verdict, controls, seconds, and below each the numbers that decide."""
    yield f"{'claim':<{columns - 34}}{'verdict':<14}{'controls':>9}{'seconds':>11}"
    yield "-" * columns
    for row in rows:
        judgement = row.judgement
        right = "" if judgement is None else f"{sum(c.is_right for c in judgement.controls)} of {len(judgement.controls)}"
        names = textwrap.wrap(row.claim.name, columns - 36, break_on_hyphens=True) or [""]
        yield from names[:-1]
        yield f"{names[-1]:<{columns - 34}}{_painted(word(row), colour, 14)}{right:>9}{row.seconds:>11.1f}"
        found = () if judgement is None else sorted(judgement.conditions.conditions, key=_weight)
        for condition in found[:SHOWN]:
            bound = f", {condition.bound_text}" if condition.bound_text else ""
            yield from _wrapped(f"{condition.name} {condition.measured_text or condition.state}{bound}", columns)
        if len(found) > SHOWN:
            yield f"  and {len(found) - SHOWN} more, above and in the report"


def _weight(condition: Condition) -> int:
    return {False: 0, None: 1, True: 2}[condition.holds]


def word(checked: Checked) -> str:
    """The verdict, or ERROR."""
    return "ERROR" if checked.judgement is None else checked.judgement.verdict.value


def _sides(name: str, verdict: str, seconds: str, columns: int, colour: bool) -> Iterator[str]:
    room = columns - len(verdict) - len(seconds) - 4
    names = textwrap.wrap(name, room) or [""]
    yield from names[:-1]
    yield f"{names[-1]:<{room}}  {_painted(verdict, colour)}  {seconds}"


def _row(condition: Condition, columns: int) -> Iterator[str]:
    parts = [condition.measured_text, condition.bound_text]
    yield from _cells(condition.name, ", ".join(part for part in parts if part), condition.state, columns)


def _cells(name: str, numbers: str, state: str, columns: int) -> Iterator[str]:
    """Name, numbers and state on one line if they fit, else the numbers on a line of their own."""
    gap = columns - 2 - len(name) - 2 - len(numbers) - 2 - len(state)
    if gap >= 0:
        yield f"  {name}  {numbers}{' ' * gap}  {state}"
        return
    lines = textwrap.wrap(name, columns - 6 - len(state), break_long_words=True) or [""]
    for text in lines[:-1]:
        yield f"  {text}"
    if numbers:
        yield f"  {lines[-1]}"
        parts = textwrap.wrap(numbers, columns - 8 - len(state), break_long_words=False, break_on_hyphens=False)
        for text in parts[:-1]:
            yield f"    {text}"
        yield f"    {parts[-1]:<{columns - 6 - len(state)}}  {state}"
    else:
        yield f"  {lines[-1]:<{columns - 4 - len(state)}}  {state}"


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(
        text, columns, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def _power(power: float) -> str:
    return "over 99 %" if power > 0.99 else "under 1 %" if power < 0.01 else f"{power:.0%}".replace("%", " %")


def _painted(verdict: str, colour: bool, pad: int = 0) -> str:
    padded = f"{verdict:<{pad}}"
    return f"\033[{COLOURS[verdict]}m{padded}\033[0m" if colour else padded
