"""What a class is made of: its own members, without those that Python, ``dataclass`` and the like make from others."""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Mapping
from typing import Any

from lmctheory.sweep.library import owner

METHODS = (types.FunctionType, staticmethod, classmethod)
FUNCTIONS = (*METHODS, property, functools.cached_property)
MADE_WITH_THE_CLASS = {
    "__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__dict__", "__weakref__", "_abc_impl",
    "__abstractmethods__", "__annotations__", "__annotations_cache__", "__annotate__", "__annotate_func__", "__classcell__",
    "__classdictcell__", "__orig_bases__", "__parameters__", "__type_params__", "__protocol_attrs__",
    "__non_callable_proto_members__", "__dataclass_fields__", "__dataclass_params__", "__total__", "__required_keys__",
    "__optional_keys__", "__readonly_keys__", "__mutable_keys__",
}  # fmt: skip
OF_A_FIELD = ("name", "default", "default_factory", "init", "repr", "compare", "hash", "kw_only", "metadata")
OF_AN_ATTRIBUTE = (*OF_A_FIELD, "alias", "validator", "converter", "eq", "order")
OF_A_MODEL = ("__pydantic_fields__", "__fields__", "model_config")


def members_of(value: type) -> Mapping[str, Any]:
    """Return the members of a class of the user's own that decide what it does."""
    members = {name: member for name, member in vars(value).items() if name not in MADE_WITH_THE_CLASS}
    if issubclass(value, enum.Enum):
        chosen = {name: item for name, item in members.items() if isinstance(item, FUNCTIONS)}
        return chosen | {"members": {name: item.value for name, item in value.__members__.items()}}
    if owner(type(value).__module__) == "package":  # whose metaclass fills the class with what it needs
        return _members_of_a_model(value, members)
    if any(hasattr(value, name) for name in ("__dataclass_fields__", "__attrs_attrs__", "_fields")):
        members = {name: member for name, member in members.items() if not _is_generated(name, member)}
    if "__dataclass_fields__" in vars(value):
        fields = vars(value)["__dataclass_fields__"].values()
        members["__dataclass_fields__"] = [(str(f._field_type), *(getattr(f, name) for name in OF_A_FIELD)) for f in fields]
        members["__dataclass_params__"] = repr(vars(value)["__dataclass_params__"])
    if "__attrs_attrs__" in vars(value):
        fields = vars(value)["__attrs_attrs__"]
        members["__attrs_attrs__"] = [tuple(getattr(f, name, None) for name in OF_AN_ATTRIBUTE) for f in fields]
    return members


def _members_of_a_model(value: type, members: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a class such as one of pydantic's: hints count, since values are made to fit them."""
    found = {
        name: member
        for name, member in members.items()
        if isinstance(member, FUNCTIONS) or not (name.startswith("_") and (name.endswith("__") or name.startswith("_abc")))
    }
    found = {name: member for name, member in found.items() if not _is_generated(name, member)}
    hints = {name: str(hint) for name, hint in vars(value).get("__annotations__", {}).items()}
    models = {name: repr(vars(value)[name]) for name in OF_A_MODEL if isinstance(vars(value).get(name), dict)}
    return {**found, "__annotations__": hints, **models}


def _is_generated(name: str, member: Any) -> bool:
    if name.startswith("__attrs_"):
        return True
    function: Any = inspect.unwrap(getattr(member, "__func__", member)) if callable(member) else None
    return isinstance(function, types.FunctionType) and function.__code__.co_filename.startswith(("<string>", "<attrs generated"))
