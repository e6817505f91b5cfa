"""From data to a verdict: the rule on what was measured, and on the planted worlds that show that it can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.claims.claim import Claim, takes_rng
from lmctheory.claims.rules import Rule
from lmctheory.claims.rules.rule import power
from lmctheory.claims.verdict import Conditions, Verdict
from lmctheory.errors import InvalidInputError

PAIR = "(data, 'REFUTED' or 'SUPPORTED')"


@dataclass(frozen=True, eq=False)
class Control:
    """The verdict of the rule in a planted world.

    `power` is the probability of the verdict that is due, at the sample size of the data; None where the conditions do not say.
    """

    name: str
    must_be: Verdict
    conditions: Conditions
    power: float | None

    @property
    def verdict(self) -> Verdict:
        """What the rule says of the planted world."""
        return self.conditions.verdict

    @property
    def is_right(self) -> bool:
        """Whether the rule says what it must."""
        return self.verdict is self.must_be


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a rule says of data, and whether it has shown that it can tell.

    Attributes
    ----------
    verdict : Verdict
        INCONCLUSIVE unless every planted falsehood is refuted and every planted truth supported.
    reason : str
        Which conditions fail or are undecided, and which controls; empty for SUPPORTED.
    conditions : Conditions
    controls : tuple of Control
    """

    verdict: Verdict
    reason: str
    conditions: Conditions
    controls: tuple[Control, ...]

    @property
    def unshown(self) -> list[str]:
        """The conditions that fail in no planted world: nothing shows that they can."""
        failing = {c.name for control in self.controls for c in control.conditions.conditions if c.holds is False}
        return [condition.name for condition in self.conditions.conditions if condition.name not in failing]


def judge(claim: Claim, data: Any, seed: int = 0) -> Judgement:
    """Apply the rule of a claim to data and to the worlds planted in them.

    The result depends on the data and the seed alone: saved data can be judged again. The rule is given the same random stream
    in every world.

    Raises
    ------
    InvalidInputError
        If the rule does not return Conditions, or there is no planted world of each kind.

    Examples
    --------
    >>> from lmctheory.claims import Claim, Context, agrees_with, judge
    >>> def dice(rng, sides):
    ...     return rng.integers(1, sides + 1, size=400)
    >>> claim = Claim(name="dice", statement="The mean of a die with s sides is (s + 1) / 2.", measure=dice,
    ...               cells={"quick": {"sides": [6, 20]}}, rule=agrees_with(lambda sides: (sides + 1) / 2))
    >>> found = judge(claim, claim.run(Context()))
    >>> found.verdict, [control.is_right for control in found.controls]
    (<Verdict.SUPPORTED: 'SUPPORTED'>, [True, True, True])
    """
    conditions = _conditions(claim, data, seed)
    controls = []
    for name, (world, must_be) in _worlds(claim, data, seed).items():
        found = _conditions(claim, world, seed)
        controls.append(Control(name, must_be, found, power(found, must_be)))
    wrong = [control for control in controls if not control.is_right]
    reasons = [] if conditions.verdict is Verdict.SUPPORTED else [str(conditions)]
    reasons += [_wrong(control) for control in wrong]
    verdict = Verdict.INCONCLUSIVE if wrong else conditions.verdict
    return Judgement(verdict, " ".join(reasons), conditions, tuple(controls))


def _wrong(control: Control) -> str:
    """Why a control has not done its duty, and what it would take."""
    text = f"The control {control.name!r} is {control.verdict}, but must be {control.must_be}: the rule cannot tell."
    needed = [condition.needed() for condition in control.conditions.conditions if condition.holds is None]
    known = [n for n in needed if n is not None]
    if not known or control.verdict is not Verdict.INCONCLUSIVE:
        return text
    enough = min(known) if control.must_be is Verdict.REFUTED else max(known)
    now = min(c.n for c in control.conditions.conditions if c.n is not None)
    return f"{text} It would take about {enough} networks or independent values a cell instead of {now}."


def stream(claim: Claim, seed: int, what: str) -> np.random.Generator:
    """Return the Generator with which the rule of a claim judges, plants, or draws."""
    return np.random.default_rng(_checks.stream(np.random.SeedSequence(seed), what, claim.name))


def _conditions(claim: Claim, data: Any, seed: int) -> Conditions:
    rng = stream(claim, seed, "judge")
    if isinstance(claim.rule, Rule):
        return claim.rule.judge(data, rng)
    found = claim.rule(data, rng) if takes_rng(claim.rule) else claim.rule(data)
    if not isinstance(found, Conditions):
        missing = ": is a return missing?" if found is None else ""
        raise InvalidInputError(f"the rule must return Conditions, got {_checks.describe(found)}{missing}")
    return found


def _worlds(claim: Claim, data: Any, seed: int) -> dict[str, tuple[Any, Verdict]]:
    rng = stream(claim, seed, "planted")
    if claim.planted is not None:
        found = claim.planted(data, rng) if takes_rng(claim.planted) else claim.planted(data)
    else:
        assert isinstance(claim.rule, Rule)
        found = claim.rule.planted(data, rng)
    if not isinstance(found, Mapping):
        missing = ": is a return missing?" if found is None else ""
        raise InvalidInputError(f"planted must return a dict from names to pairs {PAIR}, got {_checks.describe(found)}{missing}")
    worlds = {}
    for name, world in found.items():
        if not isinstance(world, tuple) or len(world) != 2:
            raise InvalidInputError(f"planted[{name!r}] must be a pair {PAIR}, got {_checks.describe(world)}")
        must_be = _checks.choice(f"planted[{name!r}][1]", world[1], (Verdict.REFUTED, Verdict.SUPPORTED))
        worlds[str(name)] = world[0], Verdict(must_be)
    for kind, what in ((Verdict.REFUTED, "false"), (Verdict.SUPPORTED, "true")):
        if kind not in (must_be for _, must_be in worlds.values()):
            raise InvalidInputError(
                f"planted must hold a world in which the statement is {what}, that must be {kind}, got "
                f"{', '.join(f'{name!r}: {must_be}' for name, (_, must_be) in worlds.items()) or 'none'}"
            )
    return worlds
