"""The claims, one module each, in the order in which their verdicts are recorded; those without recorded verdicts come last."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from validation.claim import Claim

EXPECTED = Path(__file__).parents[1] / "expected.toml"


def _found() -> dict[str, Claim]:
    claims = [import_module(f"{__name__}.{module.name}").CLAIM for module in iter_modules(__path__)]
    places = {name: place for place, name in enumerate(tomllib.loads(EXPECTED.read_text("utf-8"))["quick"])}
    claims.sort(key=lambda claim: places.get(claim.name, len(places)))
    return {claim.name: claim for claim in claims}


CLAIMS = _found()
