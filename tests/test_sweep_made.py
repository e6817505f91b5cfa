"""What classes, decorators and packages make is in the key, and arrives where cells run as it is at home."""

import importlib
import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.errors import InvalidInputError
from lmctheory.sweep import Study, grid, run_study
from lmctheory.sweep.keys import difference, fingerprint

ROOT = str(Path(lmc.__file__).parents[1])


@pytest.fixture
def load(tmp_path, monkeypatch):
    """``load(source)`` is the function ``cell`` of a module with this source, and of others."""
    count = itertools.count()
    names = set()

    def load(source, **others):
        folder = tmp_path / str(next(count))
        folder.mkdir()
        for name, text in {"made": source, **others}.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
            names.add(name)
            sys.modules.pop(name, None)
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        return importlib.import_module("made").cell

    yield load
    for name in names:
        sys.modules.pop(name, None)


DATACLASS = """
    from dataclasses import InitVar, dataclass, field, fields

    @dataclass
    class Made:
        a: int = 1
        b: int = field(default=3, metadata={"unit": 1}, repr=False)
        c: InitVar[int] = 5

        def __post_init__(self, c):
            self.d = c

    def cell(seed, x):
        return {"v": Made().d * x, "text": repr(Made()), "unit": fields(Made)[1].metadata["unit"]}
    """
SPECIAL = """
    import functools

    class Made:
        __match_args__ = ("a", "b")
        __config__ = {"rate": 1}
        __call__ = functools.partial(lambda k, x: k * x, 2)
        __add__ = functools.partialmethod(lambda self, k, other: k, 3)

        def __init__(self, a, b):
            self.a, self.b = a, b

    def cell(seed, x):
        match Made(x, 7):
            case Made(first):
                return {"v": first + Made(1, 2)(x) + (Made(1, 2) + 1) + Made.__config__["rate"]}
    """
ATTRS = """
    import attrs

    @attrs.define
    class Made:
        a: int = 3
        b: list = attrs.Factory(lambda: [1])
        c: int = attrs.field(default=2, validator=attrs.validators.in_([2, 3]), converter=int)

    def cell(seed, x):
        return {"v": x * Made().a + len(Made().b) + Made().c}
    """
REGISTRY = """
    import abc

    KINDS, MADE = [], []

    class Meta(abc.ABCMeta):
        def __new__(meta, name, bases, namespace, *, k):
            made = super().__new__(meta, name, bases, namespace)
            made.k = k
            KINDS.append(made)
            return made

        def __init__(cls, name, bases, namespace, **options):
            super().__init__(name, bases, namespace)

    class Abstract(metaclass=Meta, k=1):
        @abc.abstractmethod
        def f(self): ...

    class Concrete(Abstract, k=2):
        def f(self):
            return 5

    class Base:
        def __init_subclass__(cls, weight, **options):
            super().__init_subclass__(**options)
            MADE.append((cls, weight))

    class One(Base, weight=3):
        def f(self, x):
            return 2 * x

    class Two(One, weight=4):
        pass

    def cell(seed, x):
        try:
            Abstract()
        except TypeError:
            x += 1
        return {"v": sum(weight * kind().f(x) for kind, weight in MADE), "k": len(KINDS) * Concrete().f() * Concrete.k}
    """
LAZY = """
    import lazy

    def cell(seed, x):
        return {"v": lazy.thing * x}
    """
RATE = "RATE = 4\n\ndef __getattr__(name):\n    if name == 'thing':\n        return RATE\n    raise AttributeError(name)\n"
ERROR_STATE = """
    import numpy as np

    @np.errstate(divide="ignore")
    def divided(x):
        return np.float64(x) / 0.0

    def cell(seed, x):
        return {"v": divided(x)}
    """
READS_ITS_DOCSTRING = '"""Three"""\n\ndef cell(seed, x):\n    return {"v": len(__doc__) * x}\n'
ALIAS = "Number = int\n\ndef cell(seed, x):\n    return {'v': Number(x)}\n"
EDITS = [
    (DATACLASS, '"unit": 1', '"unit": 2'),
    (DATACLASS, "repr=False", "repr=True"),
    (DATACLASS, "@dataclass", "@dataclass(repr=False)"),
    (DATACLASS, "repr=False)", "repr=False, kw_only=True)"),
    (DATACLASS, "= 5", "= 6"),
    (SPECIAL, '("a", "b")', '("b", "a")'),
    (SPECIAL, '"rate": 1', '"rate": 2'),
    (SPECIAL, "k * x, 2", "k * x, 3"),
    (SPECIAL, "k, 3", "k, 4"),
    (ATTRS, "a: int = 3", "a: int = 4"),
    (ATTRS, "[1])", "[1, 2])"),
    (ATTRS, "[2, 3]", "[2, 4]"),
    (ATTRS, "converter=int", "converter=abs"),
    (REGISTRY, "weight=3", "weight=5"),
    (REGISTRY, "return 2 * x", "return 3 * x"),
    (REGISTRY, "Abstract, k=2", "Abstract, k=3"),
    (ERROR_STATE, "/ 0.0", "* 2.0"),
    (READS_ITS_DOCSTRING, "Three", "Three more"),
    (ALIAS, "Number = int", "Number = float"),
]


@pytest.mark.parametrize(("source", "old", "new"), EDITS, ids=[f"{old} -> {new}" for _, old, new in EDITS])
def test_edits_of_what_is_made_must_compute_a_cell_again(load, source, old, new):
    assert source.count(old) == 1
    if "attrs" in source:
        pytest.importorskip("attrs")
    before, after = fingerprint(load(source)), fingerprint(load(source.replace(old, new)))
    assert fingerprint(load(source)).code == before.code != after.code
    assert difference(before.parts, after.parts)


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_what_is_made_arrives_as_it_is_where_cells_run(load, tmp_path, executor):
    sources = {"dataclass": DATACLASS, "special": SPECIAL, "registry": REGISTRY, "lazy": LAZY, "error state": ERROR_STATE}
    for name, source in sources.items():
        cell = load(source, lazy=RATE)
        expected = cell(0, x=3)
        found = run_study(Study("s", cell, [{"x": 3}]), tmp_path / name, executor=executor, workers=1, progress=None)
        assert not found.failures, found.failures
        assert found.records == [{"x": 3} | expected], name
    assert expected["v"] == np.inf


def test_what_the_getattr_of_a_module_returns_counts(load):
    assert fingerprint(load(LAZY, lazy=RATE)).code != fingerprint(load(LAZY, lazy=RATE.replace("4", "5"))).code


def test_hints_of_a_plain_class_do_not_count(load):
    source = "class Made:\n    a: int = 1\n\ndef cell(seed, x):\n    return {'v': Made.a * x}\n"
    assert fingerprint(load(source)).code == fingerprint(load(source.replace("int", "float"))).code


def test_what_a_sparse_matrix_notes_about_itself_does_not_count(load):
    source = "import scipy.sparse as sp\n\nm = sp.csr_matrix([[1.0, 2.0]])\n\ndef cell(seed, x):\n    return {'v': m.sum() * x}\n"
    looked = source.replace("\n\ndef", "\nm.has_sorted_indices\nm @ m.T\n\ndef")
    assert fingerprint(load(source)).code == fingerprint(load(looked)).code
    assert fingerprint(load(source)).code != fingerprint(load(source.replace("2.0", "3.0"))).code


def test_what_a_cell_would_not_find_where_it_runs_is_refused(load, monkeypatch):
    source = "class Base:\n    pass\n\ndef cell(seed, x):\n    return {'v': len(Base.__subclasses__())}\n"
    with pytest.raises(InvalidInputError, match=r"made.cell uses `__subclasses__`, .*decided only when it runs"):
        Study("s", load(source), [{"x": 1}])
    monkeypatch.setattr(np, "sinc", lambda x: 5 * x)
    with pytest.raises(InvalidInputError, match=r"uses `numpy.sinc`, which was replaced by `.*lambda>`; call that by its own"):
        Study("s", load("import numpy as np\n\ndef cell(seed, x):\n    return {'v': np.sinc(x)}\n"), [{"x": 1}])


def test_packages_count_by_their_version_wherever_they_are_installed(load, tmp_path, monkeypatch):
    installed = tmp_path / "modules"
    for path, text in {
        "elsewhere.py": "import threading\n\nlock = threading.Lock()\n\ndef f(x):\n    with lock:\n        return 2 * x\n",
        "elsewhere-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.5\n",
        "elsewhere-1.5.dist-info/RECORD": "elsewhere.py,,\nelsewhere-1.5.dist-info/METADATA,,\n",
    }.items():
        (installed / path).parent.mkdir(parents=True, exist_ok=True)
        (installed / path).write_text(text)
    monkeypatch.syspath_prepend(str(installed))
    found = fingerprint(load("import elsewhere\n\ndef cell(seed, x):\n    return {'v': elsewhere.f(x)}\n"))
    assert found.parts["elsewhere"] == "1.5"
    del sys.modules["elsewhere"]


def test_lists_of_numbers_and_strings_are_not_made_strings(tmp_path):
    found = run_study(Study("s", lambda seed, x: {"v": [x, "a"]}, grid(x=[1])), tmp_path, executor="serial", progress=None)
    assert "lists of numbers or of strings, got both in 'v'" in found.failures[0][1]


def test_the_share_that_is_reported_grows_to_exactly_one(tmp_path):
    """It is a running total of costs that binary numbers do not hold exactly."""
    shares = []
    study = Study("s", lambda seed, x: {"v": x}, grid(x=range(10)), cost=lambda cell: 0.1)
    run_study(study, tmp_path, executor="serial", progress=lambda *state: shares.append(state[0]))
    assert shares == sorted(shares)
    assert len(shares) == 11
    assert shares[-1] == 1.0
    assert shares[5] == pytest.approx(0.5)


INTERRUPT = """
    import os, signal, sys, time
    from pathlib import Path
    from lmctheory.sweep import Study, executors, grid, run_study
    from lmctheory.sweep.example import power

    start = executors.get_reusable_executor

    def interrupted(*arguments, **options):
        pool = start(*arguments, **options)
        submit = pool.submit

        def first(*call):
            pool.submit = submit
            found = submit(*call)
            while not Path("starting").exists():
                time.sleep(0.01)
            os.killpg(0, signal.SIGINT)  # as a terminal does
            Path("sent").touch()
            return found

        pool.submit = first
        return pool

    executors.get_reusable_executor = interrupted
    run_study(Study("s", power, grid(base=[2, 3], exponent=[1])), sys.argv[1], workers=2, progress=None)
"""
STARTING_WORKER = """
    import sys
    if "loky.backend.popen_loky_posix" in sys.orig_argv:
        import time
        from pathlib import Path
        Path("starting").touch()
        while not Path("sent").exists():
            time.sleep(0.01)
"""


def test_an_interrupt_while_workers_start_ends_a_study_with_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(STARTING_WORKER))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INTERRUPT), "results"], env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path, capture_output=True, text=True, start_new_session=True, timeout=120, check=False,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert line.startswith("s: interrupted; ")
    assert done.returncode == 130
