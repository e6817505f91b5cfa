"""Every code block of the guides runs, in order, and prints the text block that follows it, up to rounding."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"
MARK = "--- end of block ---"
NUMBER = re.compile(r"-?\b\d+(?:\.\d+)?(?:e[+-]\d+)?\b")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def blocks(name):
    found = BLOCK.findall((DOCS / name).read_text(encoding="utf-8"))
    assert found
    return found


def same_text(printed, expected):
    """Numbers may differ by what another processor rounds differently, the length of bars too."""
    (words, numbers), (expected_words, expected_numbers) = map(split_numbers, (printed, expected))
    assert words == expected_words
    np.testing.assert_allclose(numbers, expected_numbers, rtol=0.05, atol=1e-8)


def split_numbers(text):
    text = re.sub("#+", "#", " ".join(text.split()))
    return NUMBER.sub("0", text), [float(number) for number in NUMBER.findall(text)]


@pytest.mark.jit
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_command_line(tmp_path):
    command = tmp_path / "bin" / "lmctheory"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lmctheory "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}
    for language, source, text in blocks("command-line.md"):
        assert language == "bash"
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", source], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        same_text(done.stdout, text)


@pytest.mark.parametrize("name", ["property-testing.md", "certificates.md"])
def test_python(tmp_path, name):
    """In a process of its own: what Hypothesis draws depends on the modules that are loaded."""
    found = blocks(name)
    assert {language for language, _, _ in found} == {"python"}
    script = tmp_path / "guide.py"
    script.write_text("\n".join(f"{source}\nprint({MARK!r})" for _, source, _ in found), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent)}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for printed, (_, _, text) in zip(done.stdout.split(f"{MARK}\n"), found, strict=False):
        same_text(printed, text)


@pytest.mark.jit
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_real_data(tmp_path):
    """The commands first, then the program, in the folder that they leave."""
    for name in ("sklearn", "safetensors"):
        pytest.importorskip(name)
    found = blocks("real-data.md")
    command = tmp_path / "bin" / "lmctheory"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lmctheory "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MPLBACKEND": "Agg", "PYTHONPATH": str(DOCS.parent)}
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    for source, text in [(source, text) for language, source, text in found if language == "bash"]:
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", source], **options)
        assert (done.returncode, done.stderr) == (0, "")
        same_text(done.stdout, text)
    program = [block for block in found if block[0] == "python"]
    script = "\n".join(f"{source}\nprint({MARK!r})" for _, source, _ in program)
    done = subprocess.run([sys.executable, "-c", script], **options)
    assert done.returncode == 0, done.stderr
    for printed, (_, _, text) in zip(done.stdout.split(f"{MARK}\n"), program, strict=False):
        same_text(printed, text)


def test_check_your_theorem(tmp_path):
    """Its programs print what it says; its claims are checked as it says, the dear one for its form alone."""
    page = (DOCS / "check-your-theorem.md").read_text(encoding="utf-8")
    programs = [source for language, source, _ in blocks("check-your-theorem.md") if language == "python"]
    slow, own, run = programs
    script = tmp_path / "guide.py"
    script.write_text("\n".join(programs), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent), "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (printed,) = [text for language, source, text in blocks("check-your-theorem.md") if source == run]
    assert done.stdout == printed
    (tmp_path / "few_steps.py").write_text("from lmctheory.claims import Claim\n" + own, encoding="utf-8")
    command = [sys.executable, "-m", "lmctheory", "check", "few_steps.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "SUPPORTED" in done.stdout
    assert "rule=falls_as(-1, margin=0.05)" in slow
    assert all(len(line) <= 80 for text in re.findall(r"```text\n(.*?)```", page, re.DOTALL) for line in text.splitlines())
