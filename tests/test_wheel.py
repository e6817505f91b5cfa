"""The wheel alone, in an empty environment: a new claim is written, checked and reported."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not os.environ.get("LMCTHEORY_TEST_WHEEL"), reason="installs a wheel with its dependencies: set LMCTHEORY_TEST_WHEEL=1"
)  # fmt: skip


def call(*words, cwd, status=0):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_a_new_claim_is_checked_from_the_wheel_alone(tmp_path):
    call(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    scripts = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin")
    call(scripts / "python", "-m", "pip", "install", "-q", wheel, cwd=tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    call(scripts / "lmctheory", "new-claim", "mine", cwd=work)
    bare = call(scripts / "lmctheory", "check", "mine.py", cwd=work)
    assert "SUPPORTED" in bare.stdout
    assert "pip install 'lmctheory[claims]'" in bare.stderr
    assert not (work / "results" / "report.html").exists()
    call(scripts / "python", "-m", "pip", "install", "-q", f"{wheel}[claims]", cwd=tmp_path)
    done = call(scripts / "lmctheory", "check", "mine.py", "--json", cwd=work)
    assert json.loads(done.stdout)["verdict"] == "SUPPORTED"
    assert "<svg" in (work / "results" / "report.html").read_text("utf-8")
    (work / "broken.py").write_text((work / "mine.py").read_text("utf-8").replace("return lmc", "lmc"), "utf-8")
    failed = call(scripts / "lmctheory", "check", "broken.py", "--json", cwd=work, status=2)
    assert "is a return missing?" in json.loads(failed.stdout)["error"]
