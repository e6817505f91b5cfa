"""Check claims one after the other: measure, judge, and keep what is known."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmctheory.claims.claim import Claim
from lmctheory.claims.context import Context, FailedCellsError
from lmctheory.claims.judging import Judgement, judge
from lmctheory.claims.loading import describe_error
from lmctheory.errors import InvalidInputError, LmcError


@dataclass(frozen=True, eq=False)
class Checked:
    """What checking a claim gave: a judgement, or the error that kept it from one.

    `data` are what was judged; `functions` the names of the functions behind its cells; `details` a traceback.
    """

    claim: Claim
    file: Path | None
    judgement: Judgement | None
    error: str
    details: str
    data: Any
    functions: tuple[str, ...]
    seconds: float

    @property
    def is_supported(self) -> bool:
        """Whether it is SUPPORTED, which takes that every control came out as it must."""
        return self.judgement is not None and self.judgement.verdict == "SUPPORTED"


def check(claim: Claim, context: Context, file: Path | None = None) -> Checked:
    """Measure and judge a claim; mistakes in the claim's own functions are part of the result.

    Raises
    ------
    LmcError
        If results cannot be kept or no scheduler answers: this concerns all claims.
    """
    started = time.perf_counter()
    context.functions.clear()
    data, judgement, error, details = None, None, "", ""
    try:
        data = claim.run(context)
        judgement = judge(claim, data, context.seed)
    except FailedCellsError as failure:
        error = str(failure)
        details = "\n\n".join(f"{cell}\n{trace.strip()}" for cell, trace in failure.failures)
    except KeyboardInterrupt:  # an interrupted study is a SystemExit too
        raise
    except BaseException as failure:  # of the claim's own functions
        if isinstance(failure, LmcError) and not isinstance(failure, InvalidInputError):
            raise
        error = f"{describe_error(failure)}{_place(failure, file)}"
        details = "".join(traceback.format_exception(failure))
    functions, seconds = tuple(dict.fromkeys(context.functions)), time.perf_counter() - started
    return Checked(claim, file, judgement, error, details, data, functions, seconds)


def _place(failure: BaseException, file: Path | None) -> str:
    """Where in the claim's file the error arose."""
    if file is None:
        return ""
    frames = [f for f in traceback.extract_tb(failure.__traceback__) if f.filename == str(file)]
    return f" ({file.name}, line {frames[-1].lineno}, in {frames[-1].name})" if frames else ""
