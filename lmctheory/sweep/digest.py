"""The hash of a function with all that it reaches: code by its source, everything else by its value."""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import inspect
import random
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lmctheory.errors import InvalidInputError
from lmctheory.sweep.library import library_modules, owner, public_names, version
from lmctheory.sweep.members import METHODS, members_of
from lmctheory.sweep.names import Names, Unseen, content, module_label
from lmctheory.sweep.sources import find_source
from lmctheory.sweep.values import atom, combine, container

SLOTS = (
    types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType,
    types.ClassMethodDescriptorType, types.MethodWrapperType,
)  # fmt: skip
WRAPPER_ATTRIBUTES = {*functools.WRAPPER_ASSIGNMENTS, "__wrapped__", "cache_parameters"}
NOTES_OF_SPARSE_MATRICES = {"_has_sorted_indices", "_has_canonical_format"}  # that come and go
NO_VALUE = "which has no value that could be part of the key of a cell"


class Digester:
    """Hashes values, and notes on the way the parts of which the hash is made.

    Attributes
    ----------
    parts : dict
        Name of each function, class, global, library module and package reached -> hashes of what it is by itself.
    modules : dict
        The user's own modules that were reached -> the names reached in each, or None for all.
    imported : set of str
        Those of them that functions import when they run.
    """

    def __init__(self) -> None:
        self.parts: dict[str, set[str]] = {}
        self.modules: dict[str, set[str] | None] = {}
        self.imported: set[str] = set()
        self._main = "__main__"  # the name of the script
        self._done: dict[int, bytes] = {}
        self._open: dict[int, int] = {}
        self._alive: list[Any] = []  # so that no two objects have one id
        self._trail: list[str] = []

    def digest(self, value: Any, where: str = "") -> bytes:
        """Return the hash of `value`; `where` says how it was reached.

        Raises
        ------
        InvalidInputError
            If it is, or holds, something that has no value.
        """
        if isinstance(value, Unseen):
            return value.digest
        if (found := atom(value)) is not None:
            return found
        key = id(value)
        if key in self._done:
            return self._done[key]
        if key in self._open:  # a cycle: how far back it leads
            return combine("cycle", str(len(self._open) - self._open[key]).encode())
        self._alive.append(value)
        self._open[key] = len(self._open)
        try:
            with self.at(where):
                self._done[key] = self._compound(value)
        except RecursionError:
            self.refuse("which is nested too deeply", value)
        finally:
            del self._open[key]
        return self._done[key]

    def note(self, label: str, digest: bytes | str) -> None:
        """Note a part."""
        self.parts.setdefault(label, set()).add(digest if isinstance(digest, str) else digest.hex()[:16])

    def reach(self, module: str, *names: str) -> None:
        """Note that these names of a module of the user's own are reached."""
        reached = self.modules.setdefault(module, set())
        if reached is not None:
            reached.update(names)

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Remember for messages how things inside the block were reached."""
        self._trail.append(where)
        try:
            yield
        finally:
            self._trail.pop()

    def refuse(self, why: str, value: Any = None) -> NoReturn:
        """Raise the error that says which function reaches what; `why` ends the sentence."""
        trail = [step for step in self._trail if step]
        functions = [k for k, step in enumerate(trail) if step.startswith("function ")]
        start = functions[-1] + 1 if functions else 0
        subject = f"the {trail[start - 1]} reaches" if functions else "function carries"
        if value is None:
            raise InvalidInputError(f"the {trail[start - 1]} {why}")
        named, steps = (trail[start], trail[start + 1 :]) if functions and trail[start:] else ("", trail[start:])
        classes = [k for k, step in enumerate(steps) if step.startswith("`")]
        origin = steps[classes[-1]] if classes else named
        path = "".join(steps[classes[-1] + 1 :] if classes else steps)
        thing = f"{named + ', ' if named else ''}a {_type_name(value)},"
        if named and path:
            thing = f"{named}, which holds a {_type_name(value)} (`{origin.split('`')[1]}{path}`),"
        elif path:
            thing = f"a {_type_name(value)} (`{path}`),"
        raise InvalidInputError(f"{subject} {thing} {why}; make it inside the function, or hand over what it is made from")

    def _compound(self, value: Any) -> bytes:
        if isinstance(value, types.ModuleType):
            return self.module(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType) and self._reference(value) is None:
            return combine("method", self.digest(value.__func__), self.digest(value.__self__, ".__self__"))
        if isinstance(value, functools.partial):
            keywords = sorted(value.keywords.items())
            arguments = self.digest(value.args, ".args"), self.digest(dict(keywords), ".keywords")
            return combine("partial", self.digest(type(value)), self.digest(value.func, ".func"), *arguments)
        if (wrapped := self._wrapper(value)) is not None:
            return wrapped
        if isinstance(value, SLOTS):
            return combine("slot", value.__name__.encode())
        if (reference := self._reference(value)) is not None:
            return reference
        if isinstance(value, types.BuiltinFunctionType):
            return self._builtin(value)
        if isinstance(value, (set, frozenset)):
            return self._set(value)
        plain = container(value, self.digest)
        return self._instance(value) if plain is None else plain

    def _set(self, value: Any) -> bytes:
        """The order in which elements come must not matter, not even for what they have in common."""
        items, before = [], dict(self._done)
        for item in value:
            if (found := atom(item)) is None:
                self._done = dict(before)
                found = self.digest(item, "{...}")
            items.append(found)
        self._done = before
        base = set if isinstance(value, set) else frozenset
        kind = () if type(value) is base else (self.digest(type(value)), *self._state(value, getattr(value, "__dict__", {})))
        return combine(base.__name__, *sorted(items), *kind)

    def _wrapper(self, value: Any) -> bytes | None:
        """Functions inside something else that Python or a compiler has put around them."""
        if isinstance(value, (staticmethod, classmethod)):
            return combine(type(value).__name__, self.digest(value.__func__))
        if type(value) is property:
            return combine("property", *map(self.digest, (value.fget, value.fset, value.fdel)))
        if isinstance(value, functools.cached_property):
            return combine("cached_property", self.digest(value.func))
        if isinstance(value, type) or not callable(value) or owner(type(value).__module__) not in ("python", "package"):
            return None
        if self._reference(value) is not None:
            return None
        if type(value).__module__ == "joblib.memory" and callable(found := getattr(value, "func", None)):
            return combine("wrapper", self._class(type(value)), self.digest(found))
        inner = getattr(value, "py_func", None) or getattr(getattr(value, "_dispatcher", None), "py_func", None)
        if inner is None and not set(getattr(value, "__dict__", {})) - WRAPPER_ATTRIBUTES:
            inner = getattr(value, "__wrapped__", None)
        if not callable(inner):
            return None
        options = getattr(value, "targetoptions", {})  # of a compiler
        return combine("wrapper", self._class(type(value)), self.digest(inner), self.digest(options, ".targetoptions"))

    # --- code that is known by its name ---------------------------------------------------------------------------------

    def module(self, value: types.ModuleType) -> bytes:
        """Return the hash of a module: of its name and version, or of all that a module of the user's own holds."""
        name = value.__name__
        if (whose := owner(name, getattr(value, "__file__", None))) != "user":
            return self.known(whose, name, "")
        self.modules[name] = None
        if (extension := self._extension(name)) is not None:
            return extension
        held = {key: item for key, item in vars(value).items() if not (key.startswith("__") and key.endswith("__"))}
        label = module_label(vars(value))
        return combine("module", *(self.named(f"{label}.{key}", f"`{label}.{key}`", held[key], key) for key in sorted(held)))

    def named(self, label: str, where: str, value: Any, name: str) -> bytes:
        """Return the hash of what a name stands for, and note it as a part unless it is code, which has a name of its own."""
        found = self.digest(value, where)
        if label and self._reference(value) is not None:
            self.note(label, f"{value.__module__}.{getattr(value, '__qualname__', value)}")
        elif label and not isinstance(value, (types.ModuleType, types.FunctionType, type)):
            self.note(label, found)
        return combine(name, found)

    def known(self, whose: str, module: str, name: str) -> bytes:
        """Return what stands for a name in a module that is not the user's own."""
        top = module.partition(".")[0]
        if whose == "library":
            modules = library_modules(module)
            if module == top:  # the package itself: everything that it offers
                homes = {public_names()[name]} if name in public_names() else set(public_names().values())
                modules = {key: found for home in homes for key, found in library_modules(home).items()}
            for key, found in modules.items():
                self.note(key, found)
            return combine("library", module.encode(), name.encode(), repr(sorted(modules.items())).encode())
        if whose == "package":
            self.note(top, str(version(top)))
            return combine("package", module.encode(), name.encode(), str(version(top)).encode())
        return combine("python", module.encode(), name.encode())

    def _reference(self, value: Any) -> bytes | None:
        """What can be imported by its name from a package or from this library needs no other description."""
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", getattr(value, "__name__", None))
        if isinstance(value, (types.MethodType, types.BuiltinMethodType)) and not isinstance(value.__self__, types.ModuleType):
            module, name = type(value.__self__).__module__, value.__name__  # such as random.random
        if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules:
            return None
        found: Any = sys.modules[module]
        for attribute in name.split("."):
            found = getattr(found, attribute, None)
        if found is not value and not (isinstance(value, (types.MethodType, types.BuiltinMethodType)) and found == value):
            return None
        whose = owner(module)
        return None if whose == "user" else self.known(whose, module, name)

    def _builtin(self, value: types.BuiltinFunctionType) -> bytes:
        if value.__self__ is not None and not isinstance(value.__self__, types.ModuleType):
            return combine("method", value.__name__.encode(), self.digest(value.__self__, ".__self__"))
        if value.__module__ and (extension := self._extension(value.__module__)) is not None:
            return combine("builtin", value.__name__.encode(), extension)
        return self.refuse(NO_VALUE, value)

    def _extension(self, module: str) -> bytes | None:
        """The bytes of a compiled module of the user's own; None if it is not compiled."""
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None or file.endswith((".py", ".pyc", ".pyw")) or not Path(file).is_file():
            return None
        found = hashlib.sha256(Path(file).read_bytes()).digest()
        self.note(module, found)
        return found

    # --- code that is known by its source -------------------------------------------------------------------------------

    def _function(self, value: types.FunctionType) -> bytes:
        code, module = value.__code__, str(value.__globals__.get("__name__", "?"))
        whose = owner(module, None if code.co_filename.startswith("<") else code.co_filename)
        if whose != "user":
            if (reference := self._reference(value)) is not None:
                return reference
            if hasattr(value, "registry") and hasattr(value, "dispatch"):  # functools.singledispatch
                return combine("dispatch", *(self.digest(part) for item in value.registry.items() for part in item))
            cells = zip(code.co_freevars, value.__closure__ or (), strict=True)
            held = (self.digest(content(cell), f".{name}") for name, cell in cells)
            return combine("wrapper", self.known(whose, module, code.co_qualname), *held, *self._carried(value))
        label = f"{module_label(value.__globals__)}.{code.co_qualname}"
        with self.at(f"function {label}"):
            source = find_source(value)
            if source is None:
                self.refuse(
                    f"must have source code that can be read and is what runs, got {value!r} of {code.co_filename}; "
                    "define it in a file, and import it again after a change of the file"
                )
            if module == "__main__":
                self._main = module_label(value.__globals__)
            elif module in sys.modules:
                self.reach(module)
            carried = combine(source.text, *self._carried(value))
            self.note(label, carried)
            return combine("function", carried, *Names(self, value, source.node, label).digests())

    def _carried(self, value: types.FunctionType) -> Iterator[bytes]:
        """Hashes of the defaults and attributes of a function."""
        names = value.__code__.co_varnames
        defaults = value.__defaults__ or ()
        first = value.__code__.co_argcount - len(defaults)
        for k, default in enumerate(defaults):
            yield self.digest(default, f"the default of `{names[first + k]}`")
        for name, default in sorted((value.__kwdefaults__ or {}).items()):
            yield combine(name, self.digest(default, f"the default of `{name}`"))
        for name, attribute in sorted(vars(value).items()):
            yield combine(name, self.digest(attribute, f"its attribute `{name}`"))

    def _class(self, value: type) -> bytes:
        module = value.__module__ if isinstance(value.__module__, str) else ""  # it may be a property
        if (whose := owner(module)) != "user":
            return self.known(whose, module, value.__qualname__)
        if (extension := self._extension(module)) is not None:
            return combine("class", value.__qualname__.encode(), extension)
        if module in sys.modules and module != "__main__":
            self.reach(module)
        prefix = self._main if module == "__main__" else module
        label = f"{prefix}.{value.__qualname__}"
        with self.at(f"`{label}`"):
            bases = [self.digest(base) for base in (*value.__bases__, *([type(value)] if type(value) is not type else ()))]
            members = [
                (
                    combine(name, self.digest(member, f".{name}")),
                    isinstance(member, METHODS),
                )
                for name, member in sorted(members_of(value).items())
            ]
        digests = [found for found, _ in members]
        own = (found for found, is_code in members if not is_code)
        self.note(label, combine("class", repr([base.__qualname__ for base in value.__bases__]).encode(), *own))
        return combine("class", value.__qualname__.rpartition(".")[2].encode(), *bases, *digests)

    def _instance(self, value: Any) -> bytes:
        kind = type(value)
        if isinstance(value, enum.Enum):
            return combine("enum", self.digest(kind), self.digest(value.name), self.digest(value.value))
        if any(value is one for one in (sys.stdout, sys.stderr, random._inst, np.random.mtrand._rand)):
            return combine("of the process", kind.__name__.encode())  # whatever state they are in
        if (tensor := _tensor(value)) is not None:
            return combine("tensor", self.digest(kind), repr((value.dtype, str(value.device))).encode(), self.digest(tensor))
        try:
            reduced = copyreg.dispatch_table[kind](value) if kind in copyreg.dispatch_table else value.__reduce_ex__(4)
        except RecursionError:
            raise
        except Exception:
            self.refuse(NO_VALUE, value)
        if isinstance(reduced, str):
            module = str(getattr(value, "__module__", None) or kind.__module__)
            if getattr(sys.modules.get(module), reduced, None) is not value:
                self.refuse(NO_VALUE, value)
            return combine("named", self.digest(kind), reduced.encode(), self._extension(module) or b"")
        maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        made = (self.digest(kind), self.digest(maker), self.digest(arguments))
        contents = [self.digest(item, f"[{k}]") for k, item in enumerate(items or ())]
        contents += [self.digest(part, f"[{key!r}]") for key, item in pairs or () for part in (key, item)]
        return combine("instance", *made, *contents, *self._state(value, state))

    def _state(self, value: Any, state: Any) -> Iterator[bytes]:
        """Hashes of the attributes of an instance, by name; what it has only computed from others and kept does not count."""
        dicts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if not all(part is None or isinstance(part, dict) for part in dicts):
            yield self.digest(state)
            return
        for attributes in dicts:
            for name in sorted(attributes or {}, key=str):
                kept = isinstance(inspect.getattr_static(type(value), str(name), None), functools.cached_property)
                if not kept and name not in NOTES_OF_SPARSE_MATRICES:
                    yield combine(str(name), self.digest(attributes[name], f".{name}"))


def _tensor(value: Any) -> Any:
    """The entries of a PyTorch tensor, whose pickle holds addresses; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    flat = value.detach().cpu().contiguous().reshape(-1)
    return [tuple(value.shape), bool(value.requires_grad), flat.view(torch.uint8).numpy()]


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
