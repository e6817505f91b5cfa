"""Results of claims as files: ``claims/NAME.json``, with everything that the page and scripts show."""

from __future__ import annotations

import inspect
import json
import math
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from lmctheory._files import atomic_file, check_file, read_json
from lmctheory.claims.checking import Checked
from lmctheory.claims.context import Context
from lmctheory.claims.data import Measured
from lmctheory.claims.rules import Rule
from lmctheory.claims.stored import stored
from lmctheory.claims.verdict import Conditions, Verdict, as_record, kind_and_level
from lmctheory.errors import InvalidInputError, LmcError

PACKAGES = ("lmctheory", "numpy", "scipy", "numba")
FORMAT = 1


def provenance(context: Context, files: Sequence[Path]) -> dict[str, Any]:
    """Return scale, seed, versions, machine type, and the commit of the claims' files where git knows one."""
    return {
        "scale": context.scale,
        "seed": context.seed,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: _version(name) for name in PACKAGES},
        "code": [commit for folder in dict.fromkeys(file.parent for file in files) if (commit := _commit(folder))],
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # used from its sources
        return "not installed"


def _commit(folder: Path) -> dict[str, Any] | None:
    """The commit of the repository around a folder, and whether its tree differs from it; None without git or repository."""

    def git(*words: str) -> bytes:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD").decode(), "is_clean": not git("status", "--porcelain")}
    except (OSError, subprocess.SubprocessError):
        return None


def record(checked: Checked, figure_error: str = "") -> dict[str, Any]:
    """Return everything known about a claim, as JSON types; `figure_error` says why it has no figure."""
    claim, judgement = checked.claim, checked.judgement
    found: dict[str, Any] = {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "scope": claim.scope,
        "kind": claim.kind,
        "rule": _rule_text(claim.rule),
        "file": None if checked.file is None else checked.file.name,
        "functions": list(checked.functions),
        "seconds": round(checked.seconds, 3),
        "verdict": None,
        "error": checked.error,
        "figure_error": figure_error,
        "details": checked.details,
    }
    if judgement is None:
        return found
    conditions = judgement.conditions
    return found | {
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "conditions": [as_record(condition) for condition in conditions.conditions],
        "measurements": measurements(conditions),
        "notes": list(conditions.notes),
        "unshown": judgement.unshown,
        "controls": [
            {
                "name": control.name,
                "must_be": control.must_be.value,
                "verdict": control.verdict.value,
                "power": control.power,
                "conditions": [as_record(condition) for condition in control.conditions.conditions],
            }
            for control in judgement.controls
        ],
    }


def _rule_text(rule: Rule | Callable[..., Any]) -> str:
    """What the rule says of itself."""
    if isinstance(rule, Rule):
        return rule.text
    return inspect.getdoc(rule) or f"The function {getattr(rule, '__name__', type(rule).__name__)}."


def measurements(conditions: Conditions) -> list[dict[str, Any]]:
    """Return the numbers behind the conditions and those that are only shown, each with its kind and level."""
    found = []
    for condition in conditions.conditions:
        if condition.value is not None:
            entry = as_record(condition)
            found.append({key: entry[key] for key in ("name", "value", "interval")} | kind_and_level(condition.interval))
    return found + [as_record(shown) for shown in conditions.shown]


def line(found: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return the object that ``--json`` prints of a claim."""
    head = {key: found[key] for key in ("name", "verdict", "kind", "scope")}
    head |= {"scale": context.scale, "seed": context.seed, "seconds": found["seconds"]}
    if found["verdict"] is None:
        return head | {"error": found["error"], "conditions": [], "controls": [], "measurements": []}
    return head | {
        "reason": found["reason"],
        "conditions": found["conditions"],
        "controls": [{key: control[key] for key in ("name", "must_be", "verdict")} for control in found["controls"]],
        "measurements": found["measurements"],
    }


def figure_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where the figure of a claim is kept: as SVG for the page, and as PDF."""
    return folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.pdf"


def result_path(folder: Path, name: str) -> Path:
    """Return where the result of a claim is kept."""
    return folder / "claims" / f"{name}.json"


def check_paths(folder: Path, names: Sequence[str]) -> None:
    """Make a folder of results, and raise the OSError that writing the results of these claims would raise."""
    (folder / "claims").mkdir(parents=True, exist_ok=True)
    for path in (*(result_path(folder, name) for name in names), folder / "report.html"):
        check_file(path)


def write_result(folder: Path, found: dict[str, Any], where: dict[str, Any], data: Any) -> Path:
    """Write ``claims/NAME.json`` and return its path; data that `measure` has put together itself are saved with it.

    NaN and infinities, which JSON does not know, are null.
    """
    content = {"format": FORMAT, "provenance": where, "claim": found, "data": _as_json(data)}
    path = result_path(folder, found["name"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, "w") as file:
        json.dump(finite(content), file, indent=1, allow_nan=False)
        file.write("\n")
    return path


@dataclass(frozen=True)
class Saved:
    """One claim as saved."""

    provenance: dict[str, Any]
    claim: dict[str, Any]


def read_results(folder: Path, first: Sequence[str] = ()) -> list[Saved]:
    """Return the claims saved in a folder of results, those named `first` before the others.

    Raises
    ------
    InvalidInputError
        If there are none, or a file is cut short or foreign.
    """
    found = {path.stem: _saved(path) for path in sorted((folder / "claims").glob("*.json"))}
    if not found:
        raise InvalidInputError(f"{folder} is not a results folder (it holds no claims/*.json): lmctheory check makes one")
    order = {name: position for position, name in enumerate(first)}
    return sorted(found.values(), key=lambda saved: order.get(saved.claim["name"], len(order)))


def _saved(path: Path) -> Saved:
    content = read_json(path)
    claim, where = content.get("claim"), content.get("provenance")
    if content.get("format") != FORMAT or not isinstance(claim, dict) or not isinstance(where, dict):
        raise InvalidInputError(f"{path} is not a result of lmctheory check")
    verdicts = [None, *Verdict]
    complete = {"name", "statement", "rule", "verdict", "error"} <= claim.keys() and {"scale", "seed", "versions"} <= where.keys()
    if not complete or claim["verdict"] not in verdicts:
        raise InvalidInputError(f"{path} is not a result of lmctheory check")
    return Saved(where, claim)


def _as_json(data: Any) -> Any:
    """Data that are not cells, which the folder keeps anyway, by their fields; None where they are something else."""
    if data is None or isinstance(data, Measured):
        return None
    try:
        return {name: _listed(value) for name, value in stored(data).items()}
    except LmcError:
        return None


def _listed(value: Any) -> Any:
    """An array as lists, complex numbers as pairs."""
    if not isinstance(value, np.ndarray):
        return value
    return (np.stack([value.real, value.imag], axis=-1) if value.dtype.kind == "c" else value).tolist()


def finite(value: Any) -> Any:
    """Return JSON types in which NaN and infinities are null."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
