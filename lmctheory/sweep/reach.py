"""What a function's source reaches: names with the attributes taken of them, imports inside it, names made at run time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Chain: TypeAlias = tuple[str, ...]  # a name and the attributes taken of it, one after the other


class Import(NamedTuple):
    """An import inside a function."""

    bound: str  # local name
    module: str  # as written, without dots
    level: int  # number of dots
    member: str | None  # what is taken of the module by ``from``
    whole: bool  # whether the local name stands for the module itself, not for the package that holds it


class Call(NamedTuple):
    """A call whose arguments may decide what is reached."""

    function: Chain
    subject: Chain | None  # first argument, where it is a name with attributes
    constant: str | None  # the argument that names something, where it is a constant
    text: str


@dataclass
class Reach:
    """All chains, attributes, imports and calls in a piece of source."""

    chains: set[Chain] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    imports: list[Import] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


def reach_of(node: ast.AST) -> Reach:
    """Return what the source of a function reaches, whether its names are local or not."""
    found = Reach(attributes={part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)})
    _visit(node, found)
    return found


def _visit(node: ast.AST, found: Reach) -> None:
    if (names := _chain(node)) is not None:
        found.chains.add(names)
        return
    if isinstance(node, ast.Call) and (function := _chain(node.func)) is not None:
        call = _call(function, node)
        found.calls.append(call)
        if function[-1] == "getattr" and call.subject is not None and call.constant is not None:
            found.chains.update([function, (*call.subject, call.constant)])
            for argument in node.args[2:]:
                _visit(argument, found)
            return
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        found.imports.extend(_imports(node))
    for child in ast.iter_child_nodes(node):
        _visit(child, found)


def _chain(node: ast.AST) -> Chain | None:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None


def _call(function: Chain, node: ast.Call) -> Call:
    subject = _chain(node.args[0]) if node.args else None
    position = 1 if function[-1] == "getattr" else 0
    named = node.args[position] if len(node.args) > position else None
    constant = named.value if isinstance(named, ast.Constant) and isinstance(named.value, str) else None
    return Call(function, subject, constant, ast.unparse(node))


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Import]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield Import(alias.asname or alias.name, node.module or "", node.level, alias.name, True)
        else:
            whole = alias.asname is not None
            yield Import(alias.asname or alias.name.partition(".")[0], alias.name, 0, None, whole)
