"""Result files: every number behind the table, with seed, versions and configuration."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lmctheory._files import atomic_file
from validation.claim import Claim, Context, Outcome, as_json

PACKAGES = ("lmctheory", "numpy", "scipy", "numba", "matplotlib")


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
    """Return seed, scale, versions and machine type."""
    return {
        "scale": context.scale,
        "seed": context.seed,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in PACKAGES},
    }


def write_claim(folder: Path, context: Context, row: Row) -> Path:
    """Write everything known about one claim to ``claims/<name>.json`` and return the path."""
    return write_json(
        folder / "claims" / f"{row.claim.name}.json",
        {"provenance": provenance(context), "claim": row.summary(), "figure": row.claim.figure, "data": row.outcome.data},
    )


def write_summary(folder: Path, context: Context, rows: list[Row]) -> Path:
    """Write the verdict table to ``summary.json`` and return the path."""
    return write_json(folder / "summary.json", {"provenance": provenance(context), "claims": [row.summary() for row in rows]})


def write_json(path: Path, content: dict[str, Any]) -> Path:
    """Write `content` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, "w") as file:
        json.dump(content, file, indent=1, allow_nan=True)
        file.write("\n")
    return path
