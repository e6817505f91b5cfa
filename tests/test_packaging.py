import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import lmctheory as lmc

ROOT = Path(__file__).parents[1]
HEAVY = ("numba", "scipy", "matplotlib", "sympy", "hypothesis", "pytest")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the repository whose one version line was edited."""
    source, target = tmp_path_factory.mktemp("source") / "copy", tmp_path_factory.mktemp("wheel")
    leave_out = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "results")
    shutil.copytree(ROOT, source, ignore=leave_out)
    init = source / "lmctheory" / "__init__.py"
    text = init.read_text(encoding="utf-8")
    assert text.count(f'__version__ = "{lmc.__version__}"') == 1
    init.write_text(text.replace(lmc.__version__, "9.8.7"), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-q",
        "-w",
        target,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return path.name, {name: archive.read(name) for name in archive.namelist()}


def test_wheel_holds_the_package_alone(wheel):
    _, files = wheel
    assert {name.split("/")[0] for name in files} == {"lmctheory", "lmctheory-9.8.7.dist-info"}


def test_wheel_holds_the_whole_package(wheel):
    _, files = wheel
    wanted = {
        str(path.relative_to(ROOT).as_posix())
        for kind in ("*.py", "*.pyi", "*.typed", "templates/*")
        for path in (ROOT / "lmctheory").rglob(kind)
    }
    assert {"lmctheory/py.typed", "lmctheory/__init__.pyi"} <= wanted
    assert {name for name in files if name.startswith("lmctheory/")} == wanted


def test_version_stands_in_one_place(wheel):
    name, files = wheel
    assert name.startswith("lmctheory-9.8.7-")
    assert message_from_bytes(files["lmctheory-9.8.7.dist-info/METADATA"])["Version"] == "9.8.7"
    assert importlib.metadata.version("lmctheory") == lmc.__version__


def test_wheel_brings_the_console_command(wheel):
    entry_points = wheel[1]["lmctheory-9.8.7.dist-info/entry_points.txt"].decode()
    assert "[console_scripts]\nlmctheory = lmctheory.cli:main" in entry_points


def test_wheel_carries_the_licence(wheel):
    assert any("dist-info" in name and name.endswith("LICENSE") for name in wheel[1])


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, lmctheory; before = set(sys.modules); lmctheory.{}; print([m for m in {} if m in {}])"
    assert run(code.format("__version__", HEAVY, "sys.modules")) == "[]"
    assert run(code.format("barrier", ("numba", "matplotlib", "sympy", "hypothesis"), "sys.modules")) == "['numba']"


def test_public_names_are_those_of_the_stub():
    stub = (ROOT / "lmctheory" / "__init__.pyi").read_text(encoding="utf-8")
    names = {line.split(" as ")[1] for line in stub.splitlines() if " as " in line}
    assert set(lmc.__all__) == names
    assert all(hasattr(lmc, name) for name in names)


@pytest.mark.parametrize(
    ("module", "extra", "function"),
    [("plotting", "plot", "rate_plot"), ("strategies", "testing", "networks"), ("symbolic", "symbolic", "relu_kernel")],
)
def test_missing_extra_names_the_line_that_installs_it(module, extra, function):
    needs = {"plotting": "matplotlib", "strategies": "hypothesis", "symbolic": "sympy"}[module]
    code = f"""
import sys
sys.modules[{needs!r}] = None
import lmctheory
try:
    lmctheory.{module}.{function}()
except lmctheory.MissingDependencyError as error:
    print(error)
"""
    assert f"pip install 'lmctheory[{extra}]'" in run(code)
