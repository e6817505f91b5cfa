"""The rule `all_of`: several rules on the same data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.claims.data import Measured
from lmctheory.claims.interval import simultaneous
from lmctheory.claims.rules.rule import Rule, Worlds
from lmctheory.claims.verdict import Conditions, Verdict, joined


def all_of(*rules: Rule) -> Rule:
    """Return the rule that all of these hold; refuting intervals hold together for the conditions of all.

    Parameters
    ----------
    *rules : Rule
        At least two; they may be on different fields of the results. Conditions carry the numbers of their rules.

    Raises
    ------
    InvalidInputError
        If there are fewer than two, or something else than a ready rule is among them.

    Notes
    -----
    Planted worlds: those in which one rule is false, for each of the rules; and one in which all are true, made by making
    true what is not yet, rule by rule. Rules on one field may contradict each other there: the claim then needs a `planted`
    of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from lmctheory.claims import Measured, all_of, bounded_by, falls_as
    >>> draw = np.random.default_rng(0)
    >>> data = Measured([({"width": m}, draw.lognormal(-np.log(m), 0.5, size=200)) for m in (8, 16, 32)])
    >>> all_of(falls_as(-0.5), bounded_by(lambda width: 3 / width)).judge(data, draw).verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>
    """
    members = _checks.items("rules", rules, "rules", 2)
    for k, rule in enumerate(members):
        _checks.instance(f"rules[{k}]", rule, Rule)
    return AllOf(level=min(rule.level for rule in members), rules=tuple(members))


@dataclass(frozen=True)
class AllOf(Rule):
    """See `all_of`."""

    rules: tuple[Rule, ...] = ()

    @property
    def text(self) -> str:
        """The rules in words."""
        return " ".join(f"({k}) {rule.text}" for k, rule in enumerate(self.rules, 1))

    def count(self, data: Measured) -> int:
        """The conditions of all rules."""
        return sum(rule.count(data) for rule in self.rules)

    def conditions(self, data: Measured, rng: np.random.Generator, refuting_level: float) -> Conditions:
        """The conditions of all rules."""
        root = _checks.seed_sequence(rng)
        return joined(
            rule.conditions(data, np.random.default_rng(_checks.stream(root, k)), refuting_level).prefixed(f"({k}) ")
            for k, rule in enumerate(self.rules, 1)
        )

    def planted(self, data: Measured, rng: np.random.Generator) -> Worlds:
        """One rule false, for each; and all true."""
        worlds: Worlds = {}
        true, names = data, []
        for k, rule in enumerate(self.rules, 1):
            for name, (world, must_be) in rule.planted(data, rng).items():
                if must_be is Verdict.REFUTED:
                    worlds[f"({k}) {name}"] = world, must_be
            alone = simultaneous(rule.level, rule.count(true))
            if rule.conditions(true, rng, alone).verdict is not Verdict.SUPPORTED:
                found = [(n, w) for n, (w, must_be) in rule.planted(true, rng).items() if must_be is Verdict.SUPPORTED]
                names.append(f"({k}) {found[0][0]}")
                true = found[0][1]
        # a world that is true already is still moved to the edge that the rules must tell, by the first of them
        if not names:
            name, true = next((n, w) for n, (w, v) in self.rules[0].planted(data, rng).items() if v is Verdict.SUPPORTED)
            names.append(f"(1) {name}")
        return worlds | {f"all true: {', '.join(names)}": (true, Verdict.SUPPORTED)}

    def draw(self, data: Measured, axes: Any, rng: np.random.Generator) -> None:
        """The figure of the first rule."""
        self.rules[0].draw(data, axes, rng)
