"""Compiled loops do without a cache where there is no place for one, or a damaged one."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import lmctheory._compiled as package
from lmctheory._compiled import caching
from lmctheory._compiled.caching import TolerantCache, njit

COMPILED = Path(package.__file__).parent


@pytest.fixture(autouse=True)
def _not_warned(monkeypatch):
    monkeypatch.setattr(caching, "_warned", set())


def test_without_a_place_functions_are_compiled_uncached_with_one_warning(monkeypatch):
    compile_function = numba.njit

    def refuse(function, *, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_function(function, **options)

    monkeypatch.setattr(caching.numba, "njit", refuse)
    with pytest.warns(RuntimeWarning, match="set NUMBA_CACHE_DIR to a folder that can be written to") as warned:
        found = [njit(cache=True, nogil=True)(lambda x, k=k: x + k) for k in (1, 2)]
    assert [function(1) for function in found] == [2, 3]
    assert len(warned) == 1


class Broken:
    """A cache on a disk that is full, or whose files are cut short."""

    cache_path = "somewhere"

    def __init__(self, error):
        self.error = error

    def load_overload(self, signature, context):
        raise self.error

    save_overload = load_overload


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), EOFError("Ran out of input"), ImportError("renamed")])
def test_a_broken_cache_is_no_error(error):
    cache = TolerantCache(Broken(error))
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR"):
        assert cache.load_overload(None, None) is None
    cache.save_overload(None, None)  # without another warning, which would be an error
    assert cache.cache_path == "somewhere"


def test_every_compiled_loop_goes_through_this_cache():
    for path in COMPILED.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) and node.module == "numba" else []
            assert not {"njit", "jit", "vectorize", "guvectorize"} & set(names), path.name


@pytest.mark.skipif(shutil.which("setpriv") is None or os.name == "nt", reason="needs setpriv, which drops capabilities")
def test_a_package_and_a_home_that_are_read_only(tmp_path):
    """Also for the superuser, who may otherwise write anywhere."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(COMPILED.parent, tmp_path / "lmctheory", ignore=ignore)
    for path in (tmp_path / "lmctheory").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    np.savez(tmp_path / "A.npz", W=np.eye(2), a=np.ones(2))
    code = "from lmctheory.cli import main; raise SystemExit(main(['align', 'A.npz', 'A.npz']))"
    unprivileged = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
    kept = {key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    environment = {**kept, "HOME": "/proc", "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*unprivileged, sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "permutation 0 1" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "NUMBA_CACHE_DIR" in done.stderr
