"""Search for a case in which a loss is not invariant, among as many examples as were asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample, Unsatisfiable

from lmctheory.errors import InvalidInputError, LmcError
from lmctheory.strategies.cases import Case, Symmetry, unequal
from lmctheory.strategies.rounding import Comparison, Judge

ROUNDS = 20
UNSTABLE = "loss must give the same value for the same network, got different ones"


@dataclass
class Search:
    """Tries cases on a loss; those that the transformation leaves as they are count for nothing.

    `minimal` says whether Hypothesis shrinks what it finds: it does that well where it draws every entry, and slowly.
    """

    cases: st.SearchStrategy[Case]
    symmetry: Symmetry
    judge: Judge
    max_examples: int
    seed: int
    minimal: bool
    what: str = "networks"
    tried: int = 0

    def compare(self, case: Case, complete: bool = False) -> Comparison:
        return self.judge.compare(case.weights, self.symmetry.transform(case), complete)

    def fails(self, case: Case) -> bool:
        return not self.compare(case).equal

    def failure(self) -> Case | None:
        """Return a case in which the loss changes, None if there is none among `max_examples`.

        Values that are all float32 numbers are judged as such. If a later value is none, and the earlier ones would not all have
        passed in double precision, the search starts again.
        """
        began_single = self.judge.single
        found = self._failure()
        if found is None and began_single and not self.judge.single and self.judge.lenient:
            found = self._failure()
        return found

    def _failure(self) -> Case | None:
        self.tried = 0
        for number in range(ROUNDS):
            missing = self.max_examples - self.tried
            if missing == 0:
                break
            found = self._round(missing if number == 0 else 3 * missing + 10, number)  # the first of a round change nothing
            if found is not None:
                return found
        if self.tried < self.max_examples:
            raise LmcError(
                f"only {self.tried} of max_examples = {self.max_examples} {self.what} of this size could be drawn "
                f"that a {self.symmetry.title} changes: the check is not complete"
            )
        return None

    def _round(self, examples: int, number: int) -> Case | None:
        failed: list[Case] = []

        def changes(case: Case) -> bool:
            if self.tried >= self.max_examples and not failed:
                return False
            after = self.symmetry.transform(case)
            if not unequal(case.weights, after):
                return math.isnan(self.judge.value(case.weights))
            self.tried += 1
            if fails := not self.judge.compare(case.weights, after).equal:
                failed.append(case)
            return fails

        options = settings(
            max_examples=examples,
            phases=(Phase.generate, Phase.shrink) if self.minimal else (Phase.generate,),
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            derandomize=False,  # the seed does that
            database=None,
            deadline=None,
        )
        try:
            return find(self.cases, changes, settings=options, random=Random(self.seed + (number << 64)))
        except (NoSuchExample, Unsatisfiable):
            return None
        except Flaky:
            raise InvalidInputError(UNSTABLE) from None

    def stable(self, case: Case) -> None:
        """Refuse a loss that does not give the same value twice."""
        first = self.compare(case)
        values = [self.judge.value(case.weights) for _ in range(3)]
        if any(not (value == first.before or abs(value - first.before) <= first.tolerance) for value in values if first.numbers):
            raise InvalidInputError(UNSTABLE)
