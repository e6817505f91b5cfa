"""The key of a cell holds all that its function reaches, and nothing else: edits that change it, and edits that do not."""

import importlib
import sys
import textwrap

import pytest

from lmctheory.sweep.keys import difference, fingerprint

PROJECT = {
    "study.py": '''
        """What the study is about."""
        import enum
        import functools
        import os
        import threading
        from dataclasses import dataclass, field

        import numba
        import numpy as np

        import helper
        import lmctheory as lmc
        from helper import offset as shift
        from pkg import tools

        try:
            import no_such_package as fast
        except ImportError:
            fast = None

        RATE = 0.5
        TABLE = {"a": 1, "b": [1, 2]}
        NAMES = {"x", "y", "z"}
        WEIGHTS = np.linspace(0.0, 1.0, 5)
        LEVEL = os.environ.get("TEST_LEVEL", "low")
        OPTIONS = tools.namespace(depth=3, title="A title")
        UNUSED = 7
        lock = threading.Lock()
        if RATE > 1:
            def chosen(x):
                return x
        else:
            def chosen(x):
                return -x


        class Colour(enum.Enum):
            RED = 1
            BLUE = 2


        @dataclass(frozen=True)
        class Settings:
            steps: int = 10
            sizes: tuple = field(default=(1, 2))

            def total(self):
                """Docstring of a method."""
                return self.steps + sum(self.sizes)


        class Base:
            factor = 2

            def value(self):
                return self.factor


        class Model(Base):
            """Docstring of a class."""

            @staticmethod
            def double(x):
                return 2 * x

            @property
            def half(self):
                return self.value() / 2


        SETTINGS = Settings()


        def timed(scale):
            def decorate(function):
                @functools.wraps(function)
                def wrapper(*arguments):
                    return scale * function(*arguments)
                return wrapper
            return decorate


        @timed(3)
        def slow(x):
            return x + 1


        @functools.lru_cache(maxsize=4)
        def cached(x):
            return x * x


        @numba.njit
        def compiled(x):
            return inner(x) + 1.0


        @numba.njit
        def inner(x):
            return 2.0 * x


        def even(n):
            return n == 0 or odd(n - 1)


        def odd(n):
            return n != 0 and even(n - 1)


        def make(k):
            return lambda x: k * x


        triple = make(3)


        def cell(seed, x, k=2, *, power=1):
            """Docstring of the cell."""
            from pkg.local import late  # a comment

            def nested(y):
                """Docstring of a nested function."""
                return y + RATE

            if False:
                import broken
            total = helper.h(x) + shift(x) + tools.scaled(x) + nested(k) + late(x) + triple(x) ** power
            total += slow(x) + cached(x) + compiled(float(x)) + even(4) + chosen(x) + Model().half + Model.double(x)
            total += SETTINGS.total() + TABLE["a"] + len(NAMES) + WEIGHTS.sum() + OPTIONS.depth + Colour.RED.value
            rows = [even(k) for k in range(3)]
            width = lmc.orthonormal_teacher(2, 3).width
            return {"total": total, "level": LEVEL, "rows": rows, "fast": fast is None, "width": width}


        def plot(x):
            return f"A label {x} {UNUSED}"


        print(plot(1), end="")
        ''',
    "helper.py": '''
        """A helper."""
        FACTOR = 10

        def h(x):
            return FACTOR * g(x)

        def g(x):
            return x

        def offset(x):
            return x + 1

        def unused(x):
            return x
        ''',
    "pkg/__init__.py": "",
    "pkg/tools.py": """
        from types import SimpleNamespace as namespace

        from .scales import scale

        def scaled(x):
            return scale * x
        """,
    "pkg/scales.py": "scale = 1.5\n",
    "pkg/local.py": """
        def late(x):
            return x - 1

        def never(x):
            return x
        """,
    "broken.py": "print 'Python 2'\n",
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


@pytest.fixture
def load(tmp_path, monkeypatch):
    """``load(files)`` imports the module ``study`` of a project made of files, each time from a folder of its own."""
    count = iter(range(99))
    before = set(sys.modules)

    def forget():
        for name in set(sys.modules) - before:
            if not name.startswith("lmctheory") and str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]

    def load(files):
        forget()
        monkeypatch.syspath_prepend(str(write(tmp_path / str(next(count)), files)))
        importlib.invalidate_caches()
        return importlib.import_module("study")

    yield load
    forget()


def edited(file, old, new):
    text = textwrap.dedent(PROJECT[file])
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file}"
    return PROJECT | {file: text.replace(old, new)}


@pytest.fixture(scope="session")
def before():
    return {}


def code_before(load, before):
    if not before:
        before["found"] = fingerprint(load(PROJECT).cell)
    return before["found"]


MUST = [
    ("study.py", "total += slow(x)", "total -= slow(x)"),
    ("study.py", "k=2, *", "k=3, *"),
    ("study.py", "power=1", "power=2"),
    ("study.py", "RATE = 0.5", "RATE = 0.25"),
    ("study.py", "RATE = 0.5", "RATE = -0.0"),
    ("study.py", '"b": [1, 2]', '"b": [2, 1]'),
    ("study.py", '"x", "y", "z"', '"x", "y"'),
    ("study.py", "0.0, 1.0, 5)", "0.0, 1.0, 6)"),
    ("study.py", "0.0, 1.0, 5)", "0.0, 1.0, 5).astype(np.float32)"),
    ("study.py", 'get("TEST_LEVEL", "low")', 'get("TEST_LEVEL", "high")'),
    ("study.py", "depth=3", "depth=4"),
    ("study.py", "if RATE > 1:", "if RATE > 0.1:"),
    ("study.py", "RED = 1", "RED = 3"),
    ("study.py", "steps: int = 10", "steps: int = 11"),
    ("study.py", "default=(1, 2)", "default=(1, 3)"),
    ("study.py", "self.steps + sum", "self.steps - sum"),
    ("study.py", "    factor = 2", "    factor = 3"),
    ("study.py", "return self.factor", "return -self.factor"),
    ("study.py", "return 2 * x", "return 3 * x"),
    ("study.py", "self.value() / 2", "self.value() / 3"),
    ("study.py", "SETTINGS = Settings()", "SETTINGS = Settings(12)"),
    ("study.py", "@timed(3)", "@timed(4)"),
    ("study.py", "@timed(3)\n", ""),
    ("study.py", "scale * function", "scale - function"),
    ("study.py", "return x + 1", "return x + 2"),
    ("study.py", "return x * x", "return x"),
    ("study.py", "inner(x) + 1.0", "inner(x) + 2.0"),
    ("study.py", "return 2.0 * x", "return 3.0 * x"),
    ("study.py", "@numba.njit\ndef compiled", "@numba.njit(fastmath=True)\ndef compiled"),
    ("study.py", "n != 0 and even", "n == 0 and even"),
    ("study.py", "make(3)", "make(4)"),
    ("study.py", "lambda x: k * x", "lambda x: k + x"),
    ("study.py", "return y + RATE", "return y - RATE"),
    ("study.py", "fast = None", "fast = 0"),
    ("study.py", "class Model(Base)", "class Model(Base, dict)"),
    ("study.py", "orthonormal_teacher(2, 3).width", "population_loss"),
    ("helper.py", "FACTOR = 10", "FACTOR = 99"),
    ("helper.py", "return x\n\ndef offset", "return x * x\n\ndef offset"),
    ("helper.py", "return x + 1", "return x + 2"),
    ("pkg/tools.py", "scale * x", "scale + x"),
    ("pkg/scales.py", "1.5", "2.5"),
    ("pkg/local.py", "x - 1", "x - 2"),
]
G, OFFSET = "def g(x):\n    return x\n\n", "def offset(x):\n    return x + 1\n\n"
MUST_NOT = [
    ("study.py", "A label", "Another label"),
    ("study.py", 'title="A title"', 'title="Another"'),
    ("study.py", "UNUSED = 7", "UNUSED = 8"),
    ("study.py", "What the study is about", "What it is about"),
    ("study.py", "Docstring of the cell", "Another"),
    ("study.py", '    """Docstring of the cell."""\n', ""),
    ("study.py", "Docstring of a nested function", "Another"),
    ("study.py", "Docstring of a method", "Another"),
    ("study.py", "Docstring of a class", "Another"),
    ("study.py", "  # a comment", ""),
    ("study.py", "lock = threading.Lock()", "lock = threading.RLock()"),
    ("study.py", 'print(plot(1), end="")', 'print(plot(2), end="")\nfor k in range(3):\n    plot(k)'),
    ("study.py", "import os\n", "import os\nimport json\n"),
    ("study.py", '"x", "y", "z"', '"z", "y", "x"'),
    ("study.py", "RATE = 0.5", "RATE = 1 / 2"),
    ("study.py", "np.linspace(0.0, 1.0, 5)", "np.array([0.0, 0.25, 0.5, 0.75, 1.0])"),
    ("study.py", "SETTINGS = Settings()", "SETTINGS = Settings(steps=10)"),
    ("study.py", "def odd(n):\n", "def odd(n):\n\n    # even numbers are not odd\n"),
    ("study.py", "def cell(seed, x, k=2, *", "def cell(\n    seed: int, x: float, k: int = 2, *"),
    ("study.py", "    total = helper.h(x) +", "    total: float = (helper.h(x)) +"),
    ("study.py", "def plot(x):", "def another():\n    return 1\n\n\ndef plot(x):"),
    ("study.py", "import helper\n", "from pkg import local\nimport helper\n"),
    ("study.py", "maxsize=4", "maxsize=8"),
    ("study.py", 'get("TEST_LEVEL", "low")', 'get("TEST_LEVEL") or "low"'),
    ("study.py", "timed(scale):", "timed(scale) -> object:"),
    ("study.py", "    RED = 1\n", "    RED = True + 0\n"),
    ("helper.py", "A helper", "Another helper"),
    ("helper.py", "def unused(x):\n    return x", "def unused(x):\n    return 5 * x"),
    ("helper.py", "FACTOR = 10", "UNUSED = 3\nFACTOR = 5 + 5"),
    ("helper.py", G + OFFSET, OFFSET + G),
    ("pkg/tools.py", "from types import", "import json\nfrom types import"),
    ("pkg/local.py", "def never(x):\n    return x", "def never(x):\n    return 7 * x"),
    ("pkg/__init__.py", "", "version = 3\n"),
    ("broken.py", "Python 2", "Python 3"),
]  # fmt: skip


def names(edits):
    return [f"{file}: {old.strip()[:30]} -> {new.strip()[:30]}" for file, old, new in edits]


@pytest.mark.parametrize("edit", MUST, ids=names(MUST))
def test_edits_that_must_compute_a_cell_again(load, before, edit):
    reference = code_before(load, before)
    found = fingerprint(load(edited(*edit)).cell)
    assert found.code != reference.code
    assert difference(reference.parts, found.parts)  # what changed has a name


@pytest.mark.parametrize("edit", MUST_NOT, ids=names(MUST_NOT))
def test_edits_that_must_not(load, before, edit):
    reference = code_before(load, before)
    project = edited(*edit) if edit[1] else PROJECT | {edit[0]: edit[2]}
    found = fingerprint(load(project).cell)
    assert not difference(reference.parts, found.parts)
    assert found.code == reference.code
