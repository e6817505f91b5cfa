"""What all figures share: style and saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from lmctheory.plotting import STYLE
from lmctheory.rates import RateFit

mpl.rcParams.update(STYLE)  # type: ignore[arg-type]


def fit_from_record(record: dict[str, Any]) -> RateFit:
    """Return the saved fit."""
    fields: dict[str, Any] = {name: np.asarray(value) if isinstance(value, list) else value for name, value in record.items()}
    return RateFit(**fields)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `figure` as PNG and PDF to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "pdf"):
        figure.savefig(folder / f"{name}.{suffix}", metadata={"CreationDate": None} if suffix == "pdf" else None)
