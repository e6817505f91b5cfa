"""Public names can be looked at with the core dependencies only; what needs an extra says so when it is called."""

import copy
import importlib
import inspect
import pickle
import pydoc
import subprocess
import sys
import textwrap
import typing
from pathlib import Path

import pytest

import lmctheory as lmc

ROOT = Path(__file__).parents[1]
EXTRAS = (
    *("flint", "sympy", "matplotlib", "hypothesis", "torch", "sklearn", "safetensors", "jinja2", "distributed", "pyarrow", "jax"),
    *("lap", "ot", "rebasin", "mpmath", "pandas"),
)
CORE_ONLY = f"""
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import lmctheory as lmc
"""
NEEDS = {"certificates": "certify", "plotting": "plot", "strategies": "testing", "symbolic": "symbolic"}


def core_only(code):
    """What a program prints that runs with the core dependencies only."""
    program = CORE_ONLY + textwrap.dedent(code)
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_every_public_name_can_be_looked_at_without_extras():
    """Whatever inspect, pydoc, typing, copy, pickle and completers ask of a public name."""
    out = core_only("""
        import copy, inspect, pickle, pydoc, types, typing

        members = dict(inspect.getmembers(lmc))
        assert set(lmc.__all__) <= set(members), set(lmc.__all__) - set(members)
        assert set(lmc.__all__) <= set(dir(lmc))
        assert len(pydoc.render_doc(lmc)) > 10_000
        for name in lmc.__all__:
            value = getattr(lmc, name)
            assert hasattr(lmc, name)
            assert getattr(lmc, name) is value, name
            assert repr(value) and inspect.getdoc(value) and pydoc.render_doc(value), name
            for probe in ("_ipython_display_", "_repr_html_", "_ipython_canary_method_should_not_exist_", "__wrapped__"):
                assert not hasattr(value, probe), (name, probe)
            for attribute in dir(value):
                getattr(value, attribute, None)
            inspect.getmembers(value)
            if isinstance(value, types.ModuleType):
                assert inspect.getsource(value)
                assert not hasattr(value, "nonsense")
                continue
            assert copy.copy(value) is value and copy.deepcopy(value) is value
            assert pickle.loads(pickle.dumps(value)) is value
            typing.get_type_hints(value)
            if not (isinstance(value, type) and issubclass(value, BaseException)):  # Python shows no signatures of these
                inspect.signature(value, eval_str=True)
            assert isinstance(value, type) == name[0].isupper(), name
            if isinstance(value, type):
                assert not isinstance(1, value)
                typing.get_type_hints(value.__init__)
        assert not hasattr(lmc, "nonsense")
        print("looked at", len(lmc.__all__))
    """)
    assert out == f"looked at {len(lmc.__all__)}\n"


def test_what_needs_an_extra_says_so_when_called():
    """Every function and class of a room that cannot be imported raises the error with the line that installs its extra."""
    out = core_only(f"""
        import importlib, types

        called = dict.fromkeys({list(NEEDS)}, 0)
        stub = open(lmc.__file__.replace(".py", ".pyi"), encoding="utf-8").read().splitlines()
        rooms = ("plotting", "strategies", "symbolic")
        places = [(room, getattr(lmc, room), name) for room in rooms for name in getattr(lmc, room).__all__]
        places += [("certificates", lmc, line.split(" as ")[1]) for line in stub if line.startswith("from .certificates")]
        for room, place, name in places:
            extra = {NEEDS}[room]
            for arguments in ((), (1, 2)):
                try:
                    getattr(place, name)(*arguments)
                except lmc.MissingDependencyError as error:
                    assert f"pip install 'lmctheory[{{extra}}]'" in str(error), (name, error)
                    called[room] += 1
        for room in rooms:
            try:
                importlib.import_module(f"lmctheory.{{room}}")
            except lmc.MissingDependencyError:
                called[room] += 1
        print(called)
    """)
    called = eval(out)
    own = {name: sum(f"from .{name} import" in line for line in _stub()) for name in ("certificates",)}
    assert called["certificates"] == 2 * own["certificates"] > 20
    for room in ("plotting", "strategies", "symbolic"):
        assert called[room] == 2 * len(_public(room)) + 1 > 5


def _stub():
    return (ROOT / "lmctheory" / "__init__.pyi").read_text(encoding="utf-8").splitlines()


def _public(room):
    """Functions and classes of a room that is installed."""
    module = importlib.import_module(f"lmctheory.{room}")
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", "").startswith(f"lmctheory.{room}")
    ]


@pytest.mark.parametrize("room", ["plotting", "strategies", "symbolic"])
def test_stand_ins_of_rooms_hold_what_the_rooms_hold(room):
    names = eval(core_only(f"print(lmc.{room}.__all__)"))
    assert sorted(_public(room)) == names


def test_attributes_of_stand_ins_name_the_extra():
    out = core_only("""
        for access in (lambda: lmc.Certificate.load, lambda: lmc.plotting.COLOURS, lambda: lmc.symbolic.R):
            try:
                access()
            except AttributeError as error:
                print(error)
    """)
    assert out.splitlines() == [
        "Certificate has no load: certificates need python-flint: pip install 'lmctheory[certify]'",
        "lmctheory.plotting has no COLOURS: plotting needs matplotlib: pip install 'lmctheory[plot]'",
        "lmctheory.symbolic has no R: symbolic needs SymPy: pip install 'lmctheory[symbolic]'",
    ]


def test_an_extra_that_is_installed_meanwhile_is_used():
    """In a notebook, say: names that were taken before work without a new start."""
    pytest.importorskip("sympy")
    out = core_only("""
        kernel, room = lmc.symbolic.relu_kernel, lmc.symbolic
        sys.meta_path.pop(0)
        print(kernel(), room.relu_kernel(), lmc.symbolic.R, lmc.symbolic is room)
    """)
    assert out == f"{2 * ('r*s*((pi - p)*cos(p) + sin(p))/(2*pi) ')}r False\n"


def test_every_public_name_can_be_looked_at_with_extras():
    for name in lmc.__all__:
        value = getattr(lmc, name)
        assert pydoc.render_doc(value)
        if inspect.ismodule(value):
            continue
        assert pickle.loads(pickle.dumps(value)) is value
        assert copy.copy(value) is value
        typing.get_type_hints(value)
        if not (isinstance(value, type) and issubclass(value, BaseException)):
            inspect.signature(value, eval_str=True)
        for method in vars(value).values() if inspect.isclass(value) else ():
            function = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
            if inspect.isfunction(function):
                typing.get_type_hints(function)
