"""Typesetting of texts: ``m^-1/2`` becomes m with a superscript, ``<=`` one character; simple LaTeX between dollar signs."""

from __future__ import annotations

import re
from collections.abc import Callable

from lmctheory.errors import MissingDependencyError

try:
    from markupsafe import Markup, escape
except ImportError as error:
    raise MissingDependencyError("typesetting needs MarkupSafe: pip install 'lmctheory[claims]'") from error

MINUS, NARROW_SPACE, NO_BREAK_SPACE = "\u2212", "\u202f", "\u00a0"
MEDIUM_SPACE = "\u205f"
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


_LETTERS = """
alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ
pi π rho ρ sigma σ tau τ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ
Psi Ψ Omega Ω le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ sim ∼ to → in ∈ ll ≪ gg ≫ propto ∝ infty ∞ pm ± cdot ·
times × sum ∑ prod ∏ int ∫ partial ∂ nabla ∇ ell ℓ dots … ldots … cdots ⋯ forall ∀ exists ∃ colon : | ‖ { { } } % %
"""
_FUNCTIONS = ["log", "exp", "max", "min", "sup", "inf", "lim", "sin", "cos", "det", "dim", "ln", "arg"]
COMMANDS = (
    dict(zip(_LETTERS.split()[::2], _LETTERS.split()[1::2], strict=True))
    | {name: name for name in _FUNCTIONS}
    | {"left": "", "right": "", ",": "\u2009", ";": "\u2005", " ": " ", "quad": "\u2003"}
)
BLACKBOARD = {"E": "𝔼", "P": "ℙ", "R": "ℝ", "N": "ℕ", "Z": "ℤ", "C": "ℂ", "Q": "ℚ"}
UPRIGHT = {"mathrm", "text", "operatorname", "mathcal", "mathbf", "textrm", "mathsf"}
_RELATIONS = set("=<>≤≥≠≈∼→±·×≪≫∝∈")


class _UnknownError(ValueError):
    """LaTeX beyond the subset."""


def typeset_formulas(text: str) -> Markup:
    r"""Return `text` as HTML: formulas between dollar signs from simple LaTeX, the rest as by `typeset`.

    Known are letters, numbers, Greek, powers and indices, ``\frac``, ``\sqrt``, relations, common functions and ``\mathbb``; a
    formula with anything else is shown as it is written.

    Examples
    --------
    >>> print(typeset_formulas(r"the mean is $O(m^{-1/2})$"))
    the mean is <span class="formula"><i>O</i>(<i>m</i><sup>−1/2</sup>)</span>
    """
    parts = re.split(r"\$([^$]+)\$", text)
    found = []
    for k, part in enumerate(parts):
        if k % 2 == 0:
            found.append(typeset(part))
            continue
        try:
            html, rest = _formula(part, 0)
            if rest < len(part):
                raise _UnknownError
            found.append(Markup('<span class="formula">{}</span>').format(html))
        except (_UnknownError, IndexError, RecursionError):
            found.append(Markup("<code>{}</code>").format(part))
    return Markup("").join(found)


def _formula(text: str, at: int) -> tuple[Markup, int]:
    """Return the HTML of a formula from position `at` up to its end or a closing brace, and where it ends."""
    parts: list[Markup] = []
    while at < len(text) and text[at] != "}":
        if text[at] in "^_":
            tag = "sup" if text[at] == "^" else "sub"
            inner, at = _argument(text, at + 1)
            parts.append(Markup(f"<{tag}>{{}}</{tag}>").format(inner))
            continue
        part, at = _atom(text, at)
        parts.append(part)
    return Markup("").join(parts), at


def _argument(text: str, at: int) -> tuple[Markup, int]:
    while text[at] == " ":
        at += 1
    if text[at] != "{":
        return _atom(text, at)
    inner, end = _formula(text, at + 1)
    if end >= len(text):
        raise _UnknownError
    return inner, end + 1


def _atom(text: str, at: int) -> tuple[Markup, int]:
    character = text[at]
    if character == "{":
        return _argument(text, at)
    if character == "\\":
        return _command(text, at)
    if character == " " or character == "~":
        return Markup(" " if character == "~" else ""), at + 1
    number = re.compile(r"\d+(?:\.\d+)?").match(text, at)
    if number:
        return escape(number[0]), number.end()
    if character.isalpha():
        return Markup("<i>{}</i>").format(character), at + 1
    if character == "-":
        return Markup(MINUS), at + 1
    if character in _RELATIONS:
        return Markup("{}{}{}").format(MEDIUM_SPACE, character, MEDIUM_SPACE), at + 1
    if character == ",":
        return Markup(",&thinsp;"), at + 1
    if character in "+/()[]|!:;.*'":
        return escape(character), at + 1
    raise _UnknownError


def _command(text: str, at: int) -> tuple[Markup, int]:
    match = re.compile(r"\\([A-Za-z]+|.)").match(text, at)
    if match is None:
        raise _UnknownError
    name, at = match[1], match.end()
    if name in ("frac", "tfrac", "dfrac"):
        top, at = _argument(text, at)
        bottom, at = _argument(text, at)
        return Markup('<span class="fraction"><span>{}</span><span>{}</span></span>').format(top, bottom), at
    if name == "sqrt":
        inner, at = _argument(text, at)
        return Markup('√<span class="root">{}</span>').format(inner), at
    if name == "mathbb":
        letter = re.compile(r"\s*\{?([A-Z])\}?").match(text, at)
        if letter is None or letter[1] not in BLACKBOARD:
            raise _UnknownError
        return Markup(BLACKBOARD[letter[1]]), letter.end()
    if name in UPRIGHT:
        words = re.compile(r"\s*\{([^{}\\$]*)\}").match(text, at)
        if words is None:
            raise _UnknownError
        return escape(words[1]), words.end()
    if name not in COMMANDS:
        raise _UnknownError
    sign = COMMANDS[name]
    if sign in _RELATIONS:
        sign = f"{MEDIUM_SPACE}{sign}{MEDIUM_SPACE}"
    elif name.isalpha() and sign == name:
        sign = f"{sign}{NARROW_SPACE}"
    return escape(sign), at
