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


def test_ci_gate(python, tmp_path):
    for name in ("preds", "target"):
        (tmp_path / f"{name}.npy").write_bytes((ROOT / f"examples/digits_{name}.npy").read_bytes())
    for line in blocks("sh")[2].splitlines():
        program, *arguments = shlex.split(line)
        run = python("-m", program, *(tmp_path / a if a.endswith("npy") else a for a in arguments))
        assert run.returncode == 0
