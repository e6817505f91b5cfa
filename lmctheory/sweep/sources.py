"""The source of a function: found by the code that runs, in a normal form without comments, layout, docstrings and hints."""

from __future__ import annotations

import ast
import copy
import dis
import linecache
import os
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from types import CodeType, FunctionType
from typing import Any, TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
FUTURE_FLAGS = 0x3FF0000  # bits of co_flags that ``from __future__`` sets


@dataclass(frozen=True, eq=False)
class Source:
    """What is known of a function's source.

    Attributes
    ----------
    text : str
        Its normal form. Where the code that runs is not what the source compiles to (a tool has rewritten it), that code, too.
    node : syntax tree
        Of the definition, without decorators, defaults, hints and docstrings.
    """

    text: str
    node: FunctionNode


def read_source(path: str | os.PathLike[str]) -> str:
    """Return the text of a source file in the encoding that it declares."""
    with tokenize.open(path) as file:
        return file.read()


def parse(text: str) -> ast.Module:
    """Return the syntax tree of a source text."""
    try:
        return ast.parse(text)
    except SystemError:  # a fault of Python's, when the garbage collector shows a warning, and parses its line, in between
        return ast.parse(text)


def find_source(function: FunctionType) -> Source | None:
    """Return the source of `function`, or None if there is none, or none that fits.

    It is looked for where Python itself looks for lines of a traceback: in files, archives, notebooks and interactive sessions.
    Of all definitions in the file it is the one that compiles to the code that runs; line numbers only decide between equal ones,
    so that an edit elsewhere in the file after its import does no harm.
    """
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    try:
        index = _index(text, code.co_flags & FUTURE_FLAGS)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    equal = index.codes.get(_content(code), [])
    nearest = [other for other in equal if _place(other) == _place(code)] or equal[:1]
    nodes = index.definitions(nearest[0] if nearest else code)
    if not nodes:
        return None
    node = normal(nodes[0])
    forms = [ast.unparse(normal(one)) for one in nodes]
    if not nearest or len(forms) > 1:
        forms.append(bytecode(code))
    return Source("\0".join(forms), node)


def bytecode(code: CodeType) -> str:
    """Return all that decides what a code object does, without positions and file names."""
    return repr(_content(code))


@dataclass(frozen=True, eq=False)
class _Index:
    """The definitions in a source text, and the code that they compile to."""

    nodes: list[FunctionNode]
    codes: dict[Any, list[CodeType]]

    def definitions(self, code: CodeType) -> Sequence[FunctionNode]:
        """Return the definition of `code`, or all that are possible: lambdas on one line, if the code has no columns."""
        if code.co_name != "<lambda>":
            named = [n for n in self.nodes if not isinstance(n, ast.Lambda) and n.name == code.co_name]
            return [n for n in named if min([n.lineno, *(d.lineno for d in n.decorator_list)]) == code.co_firstlineno][:1]
        starting = [n for n in self.nodes if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno]
        where = [p for p in code.co_positions() if None not in p and p[2:] != (0, 0)]
        holding = [n for n in starting if all(_start(n.body) <= p[::2] and p[1::2] <= _end(n.body) for p in where)]
        return sorted(holding, key=_start)[-1:] if where else starting  # the innermost starts last


@lru_cache(maxsize=256)
def _index(text: str, flags: int) -> _Index:
    tree = parse(text)
    found: dict[Any, list[CodeType]] = {}
    queue = [compile(text, "<source>", "exec", flags=flags, dont_inherit=True, optimize=sys.flags.optimize)]
    while queue:
        code = queue.pop()
        found.setdefault(_content(code), []).append(code)
        queue.extend(constant for constant in reversed(code.co_consts) if isinstance(constant, CodeType))
    return _Index([node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)], found)


def _content(code: CodeType) -> tuple[Any, ...]:
    return (
        code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_argcount,
        code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, tuple(map(_constant, code.co_consts)),
        code.co_exceptiontable,
    )  # fmt: skip


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _content(value)
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(map(repr, map(_constant, value))))
    if isinstance(value, tuple):
        return tuple(map(_constant, value))
    return (type(value).__name__, repr(value))


def _place(code: CodeType) -> tuple[Any, ...]:
    return code.co_firstlineno, code.co_qualname, tuple(code.co_positions())


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def normal_form(tree: ast.Module) -> str:
    """Return the source of a whole module without comments, layout and docstrings."""
    return ast.unparse(_strip_docstrings(copy.deepcopy(tree)))


def normal(definition: FunctionNode) -> FunctionNode:
    """Return a copy of a definition without docstrings, hints, and what takes effect as a value: decorators and defaults."""
    node = copy.deepcopy(definition)
    if not isinstance(node, ast.Lambda):
        node.decorator_list = []
    node.args.defaults = [ast.Constant(...) for _ in node.args.defaults]
    node.args.kw_defaults = [value and ast.Constant(...) for value in node.args.kw_defaults]
    return _WithoutHints().visit(_strip_docstrings(node))


def _strip_docstrings(tree: Any) -> Any:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


class _WithoutHints(ast.NodeTransformer):
    """Removes type hints, which do nothing, except those of class attributes, from which dataclasses are made."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if node.value is None:
            node.annotation = ast.Constant(...)  # it still makes the name a local one
            return node
        return ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.body = [part if isinstance(part, ast.AnnAssign) else self.visit(part) for part in node.body]
        return node


def loaded_names(code: CodeType) -> Iterator[str]:
    """Yield the global and built-in names that the code, and all code inside it, reads."""
    reads = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
    inner = (loaded_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    yield from chain((step.argval for step in dis.get_instructions(code) if step.opname in reads), *inner)


def imports_of(code: CodeType) -> Iterator[str]:
    """Yield the names of the modules that the code, and all code inside it, imports; what is never carried out is left out."""
    inner = (imports_of(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    yield from chain((step.argval for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME"), *inner)
