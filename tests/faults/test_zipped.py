"""A package that is imported from an archive, where no file can be mapped."""

import os
import zipfile

import golden
import pytest
from places import PACKAGE, TOOLS

from hingemetrics._engine import machine_code

ENTRIES = golden.number_of_entries()
CHECK = """
import golden, hingemetrics
assert ".zip" in hingemetrics.__file__
print(golden.check())
"""
NO_NUMBA = "import sys; sys.modules['numba'] = None\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Where Python looks for modules: the package with all that it has, zipped, and the tools."""
    archive = tmp_path_factory.mktemp("zipped") / "package.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*"):
            if "__pycache__" not in path.parts:
                file.write(path, path.relative_to(PACKAGE.parent))
    return os.pathsep.join(map(str, [archive, TOOLS]))


@pytest.mark.parametrize("tier", [pytest.param("numpy", marks=pytest.mark.more), "auto"])
def test_numpy_works(python, path, tmp_path, tier):
    """At once, and in silence."""
    store = str(tmp_path)
    chosen = {"HINGEMETRICS_BACKEND": tier, "HINGEMETRICS_CACHE_DIR": store, "PYTHONPATH": path}
    run = python("-W", "error", "-c", CHECK, **chosen)
    assert (run.stdout, run.stderr) == (f"{ENTRIES}\n", "")
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_compiled_is_stored(python, path, tmp_path):
    """From the sources in the archive; a process without Numba then loads it."""
    chosen = {"HINGEMETRICS_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
    warm = "import hingemetrics; hingemetrics.warmup()\n"
    run = python("-c", warm + CHECK, **chosen)
    assert (run.stdout, run.stderr) == (f"{ENTRIES}\n", "")
    assert len([*tmp_path.iterdir()]) == len(machine_code.KEYS)
    run = python("-c", NO_NUMBA + warm + CHECK, **chosen)
    assert (run.stdout, run.stderr) == (f"{ENTRIES}\n", "")
