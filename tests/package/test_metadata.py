"""The metadata of the distributions, and their content."""

import configparser
import importlib.util
import pkgutil
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from places import ROOT
from setuptools import find_packages


def names(requirements):
    """Requirements, a line each, by the name of what is required."""
    found = [r for r in requirements.split("\n") if r and not r.startswith("#")]
    return {r.partition(">=")[0]: r for r in found}


def build_backend():
    """The backend of the build, which is imported from its file."""
    spec = importlib.util.spec_from_file_location("backend", ROOT / "build_backend" / "backend.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestMetadata:
    @pytest.fixture
    def setup(self):
        parser = configparser.ConfigParser()
        parser.read_string((ROOT / "setup.cfg").read_text("utf-8"))
        return parser

    def test_requirements(self, setup):
        """NumPy alone, and no upper bounds."""
        required = names(setup["options"]["install_requires"])
        assert [*required] == ["numpy"]
        assert setup["options"]["python_requires"] == ">=3.10"
        assert not any(mark in r for r in required.values() for mark in "<~,")

    def test_numba_is_an_extra(self, setup):
        """Which the tests need, too; all of one version, which is that of the build."""
        extras = {name: names(text) for name, text in setup["options.extras_require"].items()}
        assert [*extras["numba"]] == ["numba"]
        assert {name for name, found in extras.items() if "numba" in found} == {"numba", "test"}
        assert extras["test"]["numba"] == extras["numba"]["numba"] == build_backend().NUMBA

    def test_setuptools_is_of_one_version(self, setup):
        """In the tests, the build system and what the backend checks."""
        wanted = f"setuptools>={build_backend().OLDEST_SETUPTOOLS}"
        assert names(setup["options.extras_require"]["test"])["setuptools"] == wanted
        assert f'requires = ["{wanted}"]' in (ROOT / "pyproject.toml").read_text("utf-8")

    def test_packages(self, setup):
        """Every folder with code is shipped."""
        assert setup["options"]["packages"] == "find:"
        found = find_packages(ROOT, include=[setup["options.packages.find"]["include"]])
        assert set(found) == {
            ".".join(path.parent.relative_to(ROOT).parts)
            for path in (ROOT / "hingemetrics").rglob("*.py")
        }

    def test_command(self, setup):
        scripts = setup["options.entry_points"]["console_scripts"].split()
        assert scripts == ["hingemetrics", "=", "hingemetrics.cli:main"]
        assert callable(pkgutil.resolve_name(scripts[-1]))


NOT_DISTRIBUTED = {".gitignore", ".ci/run"}
MAKE_SDIST = "import sys, backend; backend.build_sdist(sys.argv[1])"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a clone says what belongs to it")
def test_source_distribution_holds_all_that_git_tracks(python, tmp_path, monkeypatch):
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {Path(name) for name in git.stdout.splitlines()}
    for name in tracked:  # a copy: building leaves files behind
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    monkeypatch.chdir(tmp_path / "clone")
    run = python("-W", "ignore", "-c", MAKE_SDIST, tmp_path, PYTHONPATH="build_backend")
    assert run.returncode == 0, run.stderr
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        held = {Path(*Path(m.name).parts[1:]) for m in archive.getmembers() if m.isfile()}
    assert {str(name) for name in tracked - held} == NOT_DISTRIBUTED
