"""README tells the truth: its Python runs, and its commands print what it says."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})


def test_python_is_there():
    assert blocks("python")


def test_first_command(python, monkeypatch):
    monkeypatch.chdir(ROOT)
    install, _, command = blocks("sh")[0].strip().partition(" && ")
    assert install == "pip install ."
    program, *arguments = shlex.split(command)
    assert program == "hingemetrics"
    assert python("-m", program, *arguments).stdout == blocks("text")[0]


def test_second_command():
    assert blocks("sh")[1].strip() == 'pip install ".[test]" && pytest'


@pytest.mark.parametrize("line", blocks("sh")[2].splitlines())
def test_ci_gate(python, monkeypatch, line):
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(line)
    assert program == "hingemetrics"
    run = python("-m", program, *arguments)
    assert (run.returncode, run.stderr) == (0, "")
