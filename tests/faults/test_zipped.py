"""A package that is imported from an archive, where no file can be mapped."""

import os
import zipfile

import golden
import pytest
from places import PACKAGE, TOOLS

ENTRIES = golden.number_of_entries()
CHECK = """
import golden, hingemetrics
assert ".zip" in hingemetrics.__file__
print(golden.check())
"""


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
def test_numpy_works(python, path, tier):
    """At once, and in silence."""
    run = python("-W", "error", "-c", CHECK, HINGEMETRICS_BACKEND=tier, PYTHONPATH=path)
    assert (run.stdout, run.stderr) == (f"{ENTRIES}\n", "")


COMPILED = """
import hingemetrics
from hingemetrics._engine import machine_code
assert ".zip" in hingemetrics.__file__
print(machine_code.on_request(machine_code.GROUPS, machine_code.DTYPES[1]) is not None)
"""


@pytest.mark.slow
def test_numba_compiles_what_is_zipped(python, path):
    run = python("-W", "error", "-c", COMPILED, PYTHONPATH=path)
    assert (run.stdout, run.stderr) == ("True\n", "")
