"""Saved numbers as objects of the library."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmctheory.rates import RateFit


def fit_from_record(record: dict[str, Any]) -> RateFit:
    """Return the saved fit."""
    fields: dict[str, Any] = {name: np.asarray(value) if isinstance(value, list) else value for name, value in record.items()}
    return RateFit(**fields)
