"""What a function carries and reaches is found however it is defined, imported and run; what has no value is refused by name."""

import ast
import asyncio
import collections
import datetime
import enum
import fractions
import functools
import importlib
import linecache
import os
import pathlib
import queue
import random
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import types
import warnings
import weakref
import zipfile
from dataclasses import dataclass

import numba
import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.errors import InvalidInputError
from lmctheory.sweep import Study, grid, run_study
from lmctheory.sweep.example import power
from lmctheory.sweep.keys import fingerprint

ROOT = str(pathlib.Path(lmc.__file__).parents[1])


def code(function):
    return fingerprint(function).code


def returning(value):
    """A function around a value."""
    return lambda seed, x: {"v": value}


# --- values ------------------------------------------------------------------------------------------------------------


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class Custom:
    def __init__(self, value):
        self.value, self.lock = value, threading.Lock()

    def __getstate__(self):
        return {"value": self.value}

    @functools.cached_property
    def doubled(self):
        return 2 * self.value


class Numbers(list):
    pass


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    x: float
    y: list


Pair = collections.namedtuple("Pair", "first second")


def values():
    """Values that differ pairwise; each call makes them anew."""
    loop = [1]
    loop.append(loop)
    longer = [1, 2]
    longer.append(longer)
    return [
        None, True, False, 0, 1, -1, 2**200, -(2**200), 0.0, -0.0, 1.0, float("nan"), float("inf"), 1j, -0j, "", "a", "1",
        "\udc80", b"", b"a", bytearray(b"a"), ..., (), (1,), (1, 2), ((1,), 2), [], [1], [1, 2], [[1], 2], {}, {1: 2},
        {2: 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, set(), {1}, {1, "b"}, frozenset(), frozenset({1}), {(1, 2), (2, 1)},
        range(3), range(4), slice(1, 2), np.arange(3), np.arange(3.0), np.arange(3, dtype=np.int32),
        np.arange(4).reshape(2, 2), np.arange(4), np.array(3), np.int64(3), np.float32(3), np.array(["a", "b"]),
        np.array([1, None], dtype=object), np.array([-0.0]), np.array([0.0]), np.dtype("f4"),
        np.zeros(2, [("a", "i4"), ("b", "f8")]), np.ones(2, [("a", "i4"), ("b", "f8")]), np.ma.masked_equal([1, 2], 1),
        np.ma.masked_equal([1, 2], 2), np.longdouble(1) / 3, np.datetime64("2020-01-01"), np.random.default_rng(1),
        np.random.default_rng(2), np.random.RandomState(1), np.random.SeedSequence(3), random.Random(1),
        pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b"), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1),
        datetime.timedelta(1), fractions.Fraction(1, 3), re.compile("a"), re.compile("a", re.I), collections.deque([1]),
        collections.OrderedDict(a=1), collections.Counter("ab"), collections.defaultdict(list), Slots(1, 2), Slots(1, 3),
        Custom(1), Custom(2), Numbers([1]), Level.LOW, Level.HIGH, Level, Point(1.0, [2]), Point(1.0, [3]), Point,
        Pair(1, 2), Pair(2, 1), types.SimpleNamespace(a=1), types.MappingProxyType({1: 3}), functools.partial(pow, 2),
        functools.partial(pow, 3), functools.partial(pow, exp=2), np.sin, np.cos, np.linalg.norm, len, [].append, [1].append,
        str.upper, Slots(1, 2).__init__, loop, longer, np, os, lmc, lmc.barrier, lmc.orthonormal_teacher(2, 3),
        lmc.orthonormal_teacher(3, 3), print, sys.stderr, int, float, random.random, np.random.rand, ValueError("a"),
        ValueError("b"), memoryview(b"a"), list[int], {1: 2}.keys(), {1: 3}.values(), {1: 2}.items(),
    ]  # fmt: skip


def test_every_value_has_a_hash_of_its_own_that_is_the_same_for_an_equal_value():
    first, again = ([code(returning(value)) for value in values()] for _ in range(2))
    changed = [value for value, a, b in zip(values(), first, again, strict=True) if a != b]
    assert not changed
    clashes = collections.defaultdict(list)
    for value, found in zip(values(), first, strict=True):
        clashes[found].append(value)
    assert not [group for group in clashes.values() if len(group) > 1]


def test_layout_of_an_array_and_order_of_a_set_do_not_matter():
    matrix = np.arange(6.0).reshape(2, 3)
    assert code(returning(matrix)) == code(returning(np.asfortranarray(matrix))) == code(returning(matrix.T.copy().T))
    words = [f"word {k}" for k in range(50)]
    assert code(returning(set(words))) == code(returning(set(reversed(words))))
    functions = [lambda x: x + 1, lambda x: x + 2]
    assert code(returning(set(functions))) == code(returning(set(reversed(functions))))


def test_what_an_object_has_computed_and_kept_does_not_count():
    value = Custom(3)
    before = code(returning(value))
    assert value.doubled == 6
    assert code(returning(value)) == before


# --- what a function carries -----------------------------------------------------------------------------------------


def default(k):
    def function(seed, x, k=k):
        return {"v": k * x}

    return function


def keyword(k):
    def function(seed, x, *, k=k):
        return {"v": k * x}

    return function


class Cell:
    def __init__(self, k):
        self.k = k

    def __call__(self, seed, x):
        return {"v": self.k * x}

    def method(self, seed, x):
        return {"v": self.k * x}


def attribute(k):
    def function(seed, x):
        return {"v": function.k * x}

    function.k = k
    return function


def wrapped(k):
    @functools.wraps(power)
    def function(seed, x):
        return {"v": k * x}

    return function


def product(seed, x, k):
    return {"v": k * x}


@numba.njit
def compiled(k, x):
    return k * x


def generated(k):
    """Functions of one name from a class body in a loop."""

    class Made:
        factor = k

        @classmethod
        def function(cls, seed, x):
            return {"v": cls.factor * x}

        @staticmethod
        def plain(seed, x):
            return {"v": k * x}

    return Made


def in_memory(k):
    source = f"def function(seed, x):\n    return {{'v': {k} * x}}\n"
    namespace = {"__name__": "made"}
    name = f"<made {k}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), namespace)
    return namespace["function"]


MAKERS = {
    "closure": lambda k: lambda seed, x: {"v": k * x},
    "closure of a closure": lambda k: (lambda function: lambda seed, x: function(x))(lambda x: {"v": k * x}),
    "default": default,
    "keyword default": keyword,
    "partial": lambda k: functools.partial(product, k=k),
    "partial of a partial": lambda k: functools.partial(functools.partial(product, k=0), k=k),
    "callable object": Cell,
    "bound method": lambda k: Cell(k).method,
    "attribute": attribute,
    "wrapped": wrapped,
    "cached": lambda k: functools.lru_cache(lambda seed, x: {"v": k * x}),
    "compiled": lambda k: functools.partial(lambda seed, x, k: {"v": compiled(k, x)}, k=k),
    "class method": lambda k: generated(k).function,
    "static method": lambda k: generated(k).plain,
    "source in memory": in_memory,
    "several on one line": lambda k: {2: lambda seed, x: {"v": 2 * x}, 3: lambda seed, x: {"v": 3 * x}}[k],
}  # fmt: skip


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_a_function_carries_is_part_of_the_key(tmp_path, make):
    for k in (2, 3, 2):
        found = run_study(Study("s", make(k), grid(x=[1, 2])), tmp_path, executor="serial", progress=None)
        assert [record["v"] for record in found.records] == [k, 2 * k]
    assert found.reused == 2


def test_a_function_that_is_defined_again_is_another(tmp_path):
    source = "def cell(seed, x):\n    return {'v': x}\nfirst = cell\ndef cell(seed, x):\n    return {'v': -x}\n"
    (tmp_path / "twice.py").write_text(source)
    namespace = {"__name__": "twice"}
    exec(compile(source, str(tmp_path / "twice.py"), "exec"), namespace)
    assert code(namespace["first"]) != code(namespace["cell"])


def test_globals_count_as_they_are_when_the_study_runs(tmp_path):
    folder = [1]
    study = Study("s", lambda seed, x: {"v": folder[0] * x}, grid(x=[1]))
    assert run_study(study, tmp_path, executor="serial", progress=None).records[0]["v"] == 1
    folder[0] = 5
    assert run_study(study, tmp_path, executor="serial", progress=None).records[0]["v"] == 5


def test_what_a_cell_changes_in_its_globals_leaves_the_key_alone(tmp_path):
    seen = []

    def cell(seed, x):
        seen.append(x)
        return {"v": x}

    study = Study("s", cell, grid(x=[1, 2]))
    assert run_study(study, tmp_path, executor="serial", progress=None).computed == 2
    assert run_study(study, tmp_path, executor="serial", progress=None).reused == 2


# --- what is refused ----------------------------------------------------------------------------------------------------


async def coroutine():
    pass


def things():
    pending = coroutine()
    pending.close()
    loop = asyncio.new_event_loop()
    with socket.socket() as end, open(__file__) as file, tempfile.TemporaryFile() as temporary:
        database = sqlite3.connect(":memory:")
        yield "_thread.lock", threading.Lock()
        yield "_thread.RLock", threading.RLock()
        yield "_io.TextIOWrapper", file
        yield "_io.BufferedRandom", temporary
        yield "socket.socket", end
        yield "sqlite3.Connection", database
        yield "generator", (k for k in range(3))
        yield "coroutine", pending
        yield "weakref.ReferenceType", weakref.ref(Cell(1))
        yield "numpy.ufunc", np.frompyfunc(lambda x: x, 1, 1)
        yield "_asyncio.Future", asyncio.Future(loop=loop)
        database.close()
        loop.close()


def test_what_has_no_value_is_refused_by_its_name_and_type():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for kind, thing in things():
            text = f"reaches the variable `value` around it, a {re.escape(kind)}, which has no value"
            with pytest.raises(InvalidInputError, match=text):
                Study("s", returning(thing), [{"x": 1}])


@pytest.mark.parametrize(
    ("thing", "path"),
    [
        (lambda: {"a": [1, threading.Lock()]}, r"a _thread.lock \(`value\['a'\]\[1\]`\)"),
        (lambda: types.SimpleNamespace(inner=Slots(1, threading.Lock())), r"a _thread.lock \(`value.inner.b`\)"),
        (queue.Queue, r"a _thread.lock \(`value\.mutex`\)|a _thread.lock \(`value\.\w+.*`\)"),
        (lambda: functools.partial(len, threading.Lock()), r"a _thread.lock \(`value.args\[0\]`\)"),
    ],
)
def test_what_holds_something_without_a_value_is_refused_with_the_way_to_it(thing, path):
    with pytest.raises(InvalidInputError, match=f"the variable `value` around it, which holds {path}"):
        Study("s", returning(thing()), [{"x": 1}])


def test_refusals_name_the_class_that_holds_what_has_no_value():
    class Holding:
        lock = threading.Lock()

    place = r"`test_sweep_reach\.test_.*<locals>\.Holding\.lock`"
    with pytest.raises(
        InvalidInputError, match=rf"`value` around it, which holds a _thread.lock \({place}\), which has no value"
    ):
        Study("s", returning(Holding()), [{"x": 1}])


def test_refusals_name_what_a_callable_carries():
    with pytest.raises(InvalidInputError, match=r"function carries a _thread.lock \(`.args\[0\]`\)"):
        Study("s", functools.partial(product, threading.Lock()), [{"x": 1}])
    with pytest.raises(InvalidInputError, match=r"the default of `k`, a _thread.lock"):
        Study("s", default(threading.Lock()), [{"x": 1}])


RUN_TIME = {
    "globals()": "return globals()[x]",
    "eval": "return eval(x)",
    "exec": "exec(x)",
    "eval as a value": "return list(map(eval, x))",
    "sys.modules": "import sys\n    return sys.modules[x]",
    "import_module": "import importlib\n    return importlib.import_module(x)",
    "import_module by its name": "from importlib import import_module\n    return import_module('.' + x, 'pkg')",
    "__import__": "return __import__(x)",
    "getattr": "return getattr(helper, x)(1)",
    "getattr with a default": "return getattr(helper, 'h' + x, None)",
    "getattr of a local import": "import helper as module\n    return getattr(module, x)",
    "runpy": "import runpy\n    return runpy.run_path(x)",
    "spec": "import importlib.util\n    return importlib.util.spec_from_file_location('helper', x)",
    "loader": "from importlib import machinery\n    return machinery.SourceFileLoader('helper', x)",
    "resolve_name": "import pkgutil\n    return pkgutil.resolve_name(x)",
    "in a helper": "return helper.dynamic(x)",
    "in a nested function": "def nested():\n        return eval(x)\n    return nested()",
}
HELPER = """
import importlib

RATE = 2
helper = importlib.import_module("other")
TABLE = {}

def h(x):
    return RATE * x

def dynamic(x):
    return eval(x)
"""


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """``project(body)`` is a function with this body in a module that imports ``helper``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def forget():
        for name in ("study", "helper", "other", "broken", "late"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def make(body, **files):
        forget()
        write(tmp_path, **({"helper": HELPER, "other": "RATE = 3\n"} | files))
        write(tmp_path, study=f"import helper\nimport helper as same\n\ndef cell(seed, x):\n    {body}\n")
        return importlib.import_module("study").cell

    yield make
    forget()


@pytest.mark.parametrize("body", RUN_TIME.values(), ids=RUN_TIME)
def test_names_made_at_run_time_are_refused(project, body):
    with pytest.raises(InvalidInputError, match=r"the function (study.cell|helper.dynamic) uses `.*decided only when it runs"):
        Study("s", project(body), [{"x": "h"}])


WRITTEN_OUT = {
    "getattr": "return getattr(helper, 'h')(x)",
    "import_module": "import importlib\n    return importlib.import_module('helper').h(x)",
    "__import__": "return __import__('helper').h(x)",
    "import": "import helper as module\n    return module.h(x)",
    "from": "from helper import h as function\n    return function(x)",
    "module as a value": "return [helper][0].h(x)",
    "module under two names": "return same.h(x)",
    "dictionary of a module": "return helper.__dict__['h'](x)",
    "nested": "return (lambda: helper.h(x))()",
    "imported for what it does": "import helper as _\n    return x",
    "try": "try:\n        from helper import h\n    except ImportError:\n        h = None\n    return h(x)",
}


@pytest.mark.parametrize("body", WRITTEN_OUT.values(), ids=WRITTEN_OUT)
def test_names_that_are_written_out_are_followed(project, body):
    helper = HELPER.replace("def dynamic(x):\n    return eval(x)\n", "")
    before = code(project(body, helper=helper))
    assert code(project(body, helper=helper)) == before
    assert code(project(body, helper=helper.replace("RATE * x", "RATE + x"))) != before
    assert code(project(body, helper=helper.replace("RATE = 2", "RATE = 4"))) != before


def test_getattr_of_anything_but_a_module_of_ones_own_is_allowed(project):
    assert code(project("import numpy as np\n    return getattr(np, x)(getattr(seed, x, None))"))


def test_imports_that_cannot_be_carried_out_count_by_what_there_is(project):
    body = "try:\n        import broken\n    except SyntaxError:\n        pass\n    return x"
    found = [code(project(body, broken=text)) for text in ("print 1\n", "print 2\n", "print 1\n")]
    assert found[0] == found[2] != found[1]
    body = "try:\n        import late\n    except ImportError:\n        return x\n    return late.y"
    assert code(project(body)) != code(project(body, late="y = 1\n"))
    assert code(project("if False:\n        import broken\n    return x", broken="print 1\n"))


def test_imports_inside_a_function_find_their_modules_in_other_processes(tmp_path, monkeypatch):
    package = tmp_path / "code" / "inside"
    package.mkdir(parents=True)
    write(package, __init__="", helpers="RATE = 2\n\ndef h(x):\n    return RATE * x\n", others="def g(x):\n    return x\n")
    body = "    from . import helpers\n    from .helpers import h\n    import inside.others as more\n    import inside.others\n"
    total = "helpers.h(x) + h(x) + more.g(x) + inside.others.g(x)"
    write(package, study=f"def cell(seed, x):\n{body}    return {{'v': {total}}}\n")
    run_study(Study("s", power, [{"base": 1, "exponent": 1}]), tmp_path / "first", workers=1, progress=None)  # starts a worker
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(package.parent))
        study = Study("s", importlib.import_module("inside.study").cell, grid(x=[1, 2]))
    found = run_study(study, tmp_path / "second", workers=1, progress=None)
    assert not found.failures
    assert [record["v"] for record in found.records] == [6, 12]
    for name in [name for name in sys.modules if name.partition(".")[0] == "inside"]:
        del sys.modules[name]


def test_a_file_that_changed_after_its_import_is_not_taken_for_what_runs(project, tmp_path):
    cell = project("return helper.h(x)")
    before = code(cell)
    helper = tmp_path / "helper.py"
    helper.write_text("# a comment\n\n" + HELPER)
    os.utime(helper, (1, 1))
    assert code(cell) == before  # the same function further down
    helper.write_text(HELPER.replace("RATE * x", "RATE - x"))
    os.utime(helper, (2, 2))
    assert code(cell) != before
    helper.write_text("")
    os.utime(helper, (3, 3))
    with pytest.raises(InvalidInputError, match=r"helper.h must have source code that can be read and is what runs"):
        Study("s", cell, [{"x": 1}])


def test_functions_without_source_are_refused():
    namespace = {}
    exec("def cell(seed, x):\n    return {'v': x}", namespace)
    with pytest.raises(InvalidInputError, match="must have source code"):
        Study("s", namespace["cell"], [{"x": 1}])
    with pytest.raises(InvalidInputError, match="must have source code"):
        Study("s", eval("lambda seed, x: {'v': x}"), [{"x": 1}])


def test_functions_whose_code_a_tool_has_rewritten_count_by_both():
    """Asserts in this module are rewritten by pytest."""

    def checked(seed, x):
        assert seed == 0, "seed"
        return {"v": x}

    assert code(checked) == code(checked)
    assert fingerprint(checked).parts


def test_long_chains_of_functions_are_followed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = [f"def f{k}(x):\n    return f{k + 1}(x)\n" for k in range(300)]
    write(tmp_path, chain="".join(lines) + "def f300(x):\n    return x\n")
    limit = sys.getrecursionlimit()
    module = importlib.import_module("chain")
    assert len(fingerprint(module.f0).parts) == 301
    assert sys.getrecursionlimit() == limit
    del sys.modules["chain"]


# --- ways to run one and the same study ----------------------------------------------------------------------------------

SCRIPT = '''
"""A study in a file of its own."""
import os
import sys
from dataclasses import dataclass

import numpy as np

from {dot}helper import h

NAMES = {{f"name {{k}}" for k in range(20)}}


@dataclass
class Settings:
    names: frozenset


SETTINGS = Settings(frozenset(NAMES))


def cell(seed, x):
    return {{"v": h(x) + len(NAMES) + len(SETTINGS.names) + np.abs(x)}}


if os.environ.get("SHOW"):
    from lmctheory.sweep import Study, grid, run_study

    study = Study("s", cell, grid(x=[1, 2]))
    found = run_study(study, os.environ["SHOW"], executor="serial", progress=None)
    print(study.code, found.computed, found.records[0]["v"])
'''


@pytest.fixture
def layout(tmp_path):
    """A script and a package with the same study."""
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for folder, dot in ((tmp_path, ""), (package, ".")):
        (folder / "study.py").write_text(SCRIPT.format(dot=dot))
        (folder / "helper.py").write_text("def h(x):\n    return 10 * x\n")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", SCRIPT.format(dot=""))
        archive.writestr("helper.py", "def h(x):\n    return 10 * x\n")
    return tmp_path


def show(layout, *arguments, **environment):
    variables = os.environ | {"PYTHONPATH": ROOT, "SHOW": str(layout / "results")} | environment
    done = subprocess.run([sys.executable, *arguments], cwd=layout, env=variables, capture_output=True, text=True, timeout=120)
    assert not done.stderr, done.stderr
    return done.stdout.split()[:3]


WAYS = {
    "module": ("-m", "study"),
    "import": ("-c", "import study"),
    "profiled": ("-m", "cProfile", "-o", "profile", "study.py"),
    "run_path": ("-c", "import runpy; runpy.run_path('study.py', run_name='__main__')"),
    "run_module": ("-c", "import runpy; runpy.run_module('study', run_name='__main__')"),
    "absolute path": ("{layout}/study.py",),
    "without columns": ("-X", "no_debug_ranges", "study.py"),
}


def test_the_key_is_the_same_however_a_study_is_run(layout):
    first = show(layout, "study.py")
    assert first[1:] == ["2", "51"]
    for name, way in WAYS.items():
        found = show(layout, *(part.format(layout=layout) for part in way), PYTHONHASHSEED=str(len(name)))
        assert found == [first[0], "0", first[2]], name


@pytest.mark.parametrize("way", [("-m", "pkg.study"), ("app.zip",), ("-m", "cProfile", "-o", "profile", "study.py")], ids=str)
def test_a_changed_helper_is_seen_however_a_study_is_run(layout, way):
    first = show(layout, *way)
    assert first[1] == "2"
    assert show(layout, *way)[1] == "0"
    for folder in (layout, layout / "pkg"):
        (folder / "helper.py").write_text("def h(x):\n    return 99 * x\n")
    with zipfile.ZipFile(layout / "app.zip", "w") as archive:
        archive.writestr("__main__.py", SCRIPT.format(dot=""))
        archive.writestr("helper.py", "def h(x):\n    return 99 * x\n")
    variables = os.environ | {"PYTHONPATH": ROOT, "SHOW": str(layout / "results")}
    done = subprocess.run([sys.executable, *way], cwd=layout, env=variables, capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[1] == "2"
    assert int(done.stdout.split()[2]) == int(first[2]) + 89
    assert done.stderr.splitlines() == [f"{'pkg.' if 'pkg.study' in way else ''}helper.h changed: 2 cells are computed again"]


def test_whatever_python_and_its_packages_make_is_hashed_and_sent_alike_in_every_process(tmp_path):
    zoo = str(pathlib.Path(__file__).with_name("sweep_zoo.py"))
    found = []
    for seed, executor in (("1", "processes"), ("2", "serial")):
        variables = os.environ | {"PYTHONPATH": ROOT, "PYTHONHASHSEED": seed}
        command = [sys.executable, zoo, str(tmp_path), executor]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
        found.append(done.stdout.split() or done.stderr)
    assert found[0][1:] == ["2", "2", "[]"]
    assert found[1] == [found[0][0], "0", "2", "[]"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfdef h(x):\n    return 10 * x\n",
        "# -*- coding: latin-1 -*-\ndef h(x):\n    return 10 * x, 'é'\n".encode("latin-1"),
        b"def h(x):\r\n    return 10 * x\r\n",
        b"def h(x):\n\treturn 10 * x",
    ],
    ids=["byte-order mark", "Latin 1", "Windows", "no last line end"],
)
def test_sources_are_read_as_python_reads_them(tmp_path, monkeypatch, content):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "encoded.py").write_bytes(content)
    importlib.invalidate_caches()
    module = importlib.import_module("encoded")
    assert code(module.h)
    assert ast.literal_eval(str(module.h(1) == 10 or module.h(1) == (10, "é")))
    del sys.modules["encoded"]
