"""Typesetting of the plain texts of claims: ``m^-1/2`` becomes m with a superscript, ``<=`` becomes one character."""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

MINUS, NARROW_SPACE, NO_BREAK_SPACE = "\u2212", "\u202f", "\u00a0"
RELATIONS = {"<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "+-": "±"}
WORDS = {"eps": "ε"}


def typeset(text: str) -> Markup:
    """Return `text` as HTML: powers, indices, relations, minus signs, powers of ten, italic variables; all else escaped."""
    parts, end = [], 0
    for match in _TOKEN.finditer(text):
        parts += [escape(text[end : match.start()]), _RULES[match.lastgroup or ""][1](match)]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def _power(match: re.Match[str]) -> Markup:
    return Markup("<sup>{}</sup>").format(typeset(match["power"][1:].strip("(){}")))


def _index(match: re.Match[str]) -> Markup:
    letter, index = match["index"].split("_", 1)
    return Markup("<i>{}</i><sub>{}</sub>").format(letter, typeset(index.strip("{}")))


def _scientific(match: re.Match[str]) -> Markup:
    digits, exponent = match["scientific"].lower().split("e")
    power = typeset(str(int(exponent)))
    return Markup("{}{}×{}10<sup>{}</sup>").format(typeset(digits), NARROW_SPACE, NARROW_SPACE, power)


_RULES: dict[str, tuple[str, Callable[[re.Match[str]], Markup]]] = {
    "code": (r"`[^`]+`", lambda m: Markup("<code>{}</code>").format(m["code"].strip("`"))),
    "power": (r"\^(?:\([^()]*\)|\{[^{}]*\}|[-+]?\w+(?:[./]\w+)*)", _power),
    "index": (r"(?<![A-Za-z0-9_])[A-Za-z]_(?:\w|\{[^{}]*\})(?![A-Za-z0-9_])", _index),
    "scientific": (r"(?<![\w.])[-+]?\d+(?:\.\d+)?[eE][-+]?\d+(?![\w.]\w)(?!\w)", _scientific),
    "relation": ("|".join(map(re.escape, RELATIONS)), lambda m: Markup(RELATIONS[m["relation"]])),
    "minus": (r"(?<![\w.)\]-])-(?=\d)|(?<=\s)-(?=\s)", lambda m: Markup(MINUS)),
    "space": (r"(?<=\d) (?=%|[mMdn]\b)|(?<=\w) (?==\s)", lambda m: Markup(NO_BREAK_SPACE)),
    "word": (rf"\b(?:{'|'.join(WORDS)})\b", lambda m: Markup(WORDS[m["word"]])),
    "variable": (r"(?<![A-Za-z'’.])(?:[mMdnpW](?![A-Za-z'’.]\w|[A-Za-z_])|O(?=\())", lambda m: Markup("<i>{}</i>").format(m[0])),
}
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _RULES.items()))
