"""Every module of the study and of the figures can be imported first, as a worker does that unpickles a cell of it."""

import subprocess
import sys
from pathlib import Path
from pkgutil import walk_packages

import paper_figures
import validation

ROOT = Path(__file__).parents[1]
EACH_FIRST = """
import importlib, sys, traceback

def forget(packages):
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]

def fails(name):
    forget(packages)
    try:
        importlib.import_module(name)
    except Exception:
        traceback.print_exc()
        return True

everything, *names = sys.argv[1:]
packages = {name.partition(".")[0] for name in names}
importlib.import_module(everything)  # what is not of these packages stays loaded
remaining = set(names)
for package in {name.rpartition(".")[0] for name in names} - {""}:
    if not fails(package):  # which comes first, whatever module of it is imported: those that it loads itself are done
        remaining -= {name for name in names if name.rpartition(".")[0] == package and name in sys.modules}
for name in sorted(remaining):
    if fails(name):
        print(name)
"""


def unimportable(everything, names, folder):
    """Import each of the names while no module of its packages is loaded; print those that fail."""
    command = [sys.executable, "-c", EACH_FIRST, everything, *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_every_module_can_be_imported_first():
    packages = (validation, paper_figures)
    names = [module.name for package in packages for module in walk_packages(package.__path__, f"{package.__name__}.")]
    assert {"validation.cells.blocks", "validation.evidence.falls", "validation.claims.rate", "paper_figures.rate"} <= set(names)
    run = unimportable("validation.__main__", names, ROOT)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr


def test_a_circle_is_noticed(tmp_path):
    (tmp_path / "one.py").write_text("from two import a\nb = 1\n", encoding="utf-8")
    (tmp_path / "two.py").write_text("from one import b\na = 1\n", encoding="utf-8")
    (tmp_path / "lucky.py").write_text("import one_free\n", encoding="utf-8")
    (tmp_path / "one_free.py").write_text("a = 1\n", encoding="utf-8")
    run = unimportable("lucky", ["one", "lucky", "two"], tmp_path)
    assert run.stdout.split() == ["one", "two"]
    assert "partially initialized module" in run.stderr
