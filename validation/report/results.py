"""Result files: every number behind the table, with seed, versions and configuration."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lmctheory._files import atomic_file, read_json
from lmctheory.errors import InvalidInputError
from validation.claim import Claim, Context, Outcome, as_json

RESULTS = Path("results")
PACKAGES = ("lmctheory", "numpy", "scipy", "numba", "matplotlib", "scikit-learn")


@dataclass(frozen=True)
class Row:
    """One tested claim."""

    claim: Claim
    outcome: Outcome
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Return the row of the verdict table, as JSON types."""
        claim, outcome = self.claim, self.outcome
        texts = {name: getattr(claim, name) for name in ("name", "statement", "source", "prediction", "rule", "control")}
        return texts | {
            "measured": [as_json(asdict(measurement)) for measurement in outcome.headline],
            "verdict": outcome.verdict,
            "control_verdict": outcome.control,
            "findings": list(outcome.findings),
            "seconds": self.seconds,
        }


def provenance(context: Context) -> dict[str, Any]:
    """Return seed, scale, set of images, versions and machine type."""
    return {
        "scale": context.scale,
        "seed": context.seed,
        "images": context.images,
        "mnist": None if context.mnist is None else str(context.mnist),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in PACKAGES},
    }


def write_claim(folder: Path, context: Context, row: Row) -> Path:
    """Write everything known about one claim to ``claims/<name>.json`` and return the path."""
    return write_json(
        folder / "claims" / f"{row.claim.name}.json",
        {"provenance": provenance(context), "claim": row.summary(), "data": row.outcome.data},
    )


def write_summary(folder: Path, context: Context, rows: list[Row]) -> Path:
    """Write the verdict table to ``summary.json`` and return the path."""
    return write_json(folder / "summary.json", {"provenance": provenance(context), "claims": [row.summary() for row in rows]})


@dataclass(frozen=True)
class Saved:
    """One claim as saved: `claim` is the row of the verdict table, `data` every number behind it."""

    provenance: dict[str, Any]
    claim: dict[str, Any]
    data: dict[str, Any]


def read_results(folder: Path) -> list[Saved]:
    """Read every saved claim: those of the last run in its order, then those that earlier runs left in the folder.

    Raises
    ------
    InvalidInputError
        If the folder is not one of results (it holds no saved claim), or a file in it is cut short or foreign.
    """
    found = {path.stem: _saved(path) for path in sorted((folder / "claims").glob("*.json"))}
    if not found:
        raise InvalidInputError(f"{folder} is not a results folder (it holds no claims/*.json): python -m validation makes one")
    summary = folder / "summary.json"
    try:
        last = [row["name"] for row in read_json(summary, allow_nan=True)["claims"]] if summary.exists() else []
    except (LookupError, TypeError) as error:
        raise InvalidInputError(f"{summary} is not a summary of the study") from error
    order = {name: position for position, name in enumerate(last)}
    return sorted(found.values(), key=lambda saved: order.get(saved.claim["name"], len(order)))


def _saved(path: Path) -> Saved:
    content = read_json(path, allow_nan=True)
    try:
        saved = Saved(**{key: dict(content[key]) for key in ("provenance", "claim", "data")})
        complete = saved.claim.keys() >= _ROW_KEYS and saved.provenance.keys() >= _PROVENANCE_KEYS
    except (LookupError, TypeError, ValueError):
        complete = False
    if not complete:
        raise InvalidInputError(f"{path} is not a result file of the study")
    return saved


_ROW_KEYS = {
    *("name", "statement", "source", "prediction", "rule", "control"),
    *("measured", "verdict", "control_verdict", "findings", "seconds"),
}
_PROVENANCE_KEYS = {"scale", "seed", "python", "machine", "versions"}


def write_json(path: Path, content: dict[str, Any]) -> Path:
    """Write `content` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, "w") as file:
        json.dump(content, file, indent=1, allow_nan=True)
        file.write("\n")
    return path
