"""What is built: wheels with machine code, with objects, or with neither; nothing is downloaded."""

import os
import shutil
import sysconfig
import zipfile
from pathlib import Path
from typing import NamedTuple

import golden
import house
import pytest
from places import ROOT, TOOLS

from hingemetrics._engine import machine_code, targets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="there is nothing to build"),
]
MAKE = """
import os, sys
os.chdir(sys.argv[1])
from setuptools import build_meta
build_meta.build_wheel(sys.argv[2])
"""
NEEDED = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")
ENTRIES = golden.number_of_entries()
LIBRARY, SEAL = Path(machine_code.LIBRARY).name, Path(machine_code.DIGESTS).name
LEVELS = targets.of_machine()


class Built(NamedTuple):
    wheel: str  # its name
    data: bytes
    files: set[str]
    said: list[str]  # of machine code
    installed: str  # where it is unpacked


def cloned(folder):
    """A copy of what a build needs, in which nothing was built."""
    ignored = shutil.ignore_patterns("__pycache__", LIBRARY, SEAL, "*.o")
    shutil.copytree(ROOT / "hingemetrics", folder / "hingemetrics", ignore=ignored)
    for name in NEEDED:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def build(python, tmp_path_factory):
    """Build a wheel in a clone of its own, and unpack it."""

    def run(code="", **environment):
        folder = tmp_path_factory.mktemp("build")
        clone, made, installed = (folder / name for name in ("clone", "made", "installed"))
        cloned(clone)
        environment = {"SOURCE_DATE_EPOCH": "1600000000", **environment}
        run = python("-W", "ignore", "-c", code + MAKE, clone, made, **environment)
        assert run.returncode == 0, run.stderr
        (wheel,) = made.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(installed)
            files = set(archive.namelist())
        lines = (run.stdout + run.stderr).splitlines()
        said = [line for line in lines if "machine code" in line]
        return Built(wheel.name, wheel.read_bytes(), files, said, str(installed))

    return run


@pytest.fixture(scope="module")
def built(build):
    return build()


def in_engine(built):
    """What lies beside the sources of the engine."""
    prefix = "hingemetrics/_engine/"
    names = {name.removeprefix(prefix) for name in built.files if name.startswith(prefix)}
    return {name for name in names if not name.endswith(".py")}


def test_a_wheel_has_a_library(built):
    """One line says so; it is of a platform, and of any Python."""
    assert in_engine(built) == {LIBRARY, SEAL}
    assert len(built.said) == 1, built.said
    assert LIBRARY in built.said[0]
    tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert built.wheel.endswith(f"-py3-none-{tag}.whl")


def test_two_builds_are_the_same_bytes(built, build):
    """In other folders, with other hashes."""
    assert build(PYTHONHASHSEED="77").data == built.data


CHECK = """
import sys
sys.modules["numba"] = None
import golden, hingemetrics
from hingemetrics._engine import machine_code as m
hingemetrics.warmup()
find = {"library": m.at_hand, "objects": m.in_objects}[sys.argv[1]]
print(hingemetrics.__file__.startswith(sys.argv[2]), golden.check())
print(all(find(form, dtype) for form, dtype in m.KEYS))
"""


def checked(python, built, what, **environment):
    """Hold what was built against the golden vectors, in a process without Numba."""
    chosen = {
        "PYTHONPATH": os.pathsep.join([built.installed, str(TOOLS)]),
        "HINGEMETRICS_BACKEND": "numba",
        "HINGEMETRICS_CACHE_DIR": "/nonexistent",
    }
    run = python("-W", "ignore", "-c", CHECK, what, built.installed, **{**chosen, **environment})
    assert (run.stdout, run.stderr) == (f"True {ENTRIES}\nTrue\n", "")


def test_the_library_gives_the_bits(python, built):
    checked(python, built, "library")


def test_a_build_without_a_linker_ships_objects(python, build):
    """All sealed, of each level; llvmlite loads them."""
    built = build(CC="/nonexistent/cc")
    names = {
        f"{targets.symbol(form, dtype, level)}.o"
        for form, dtype in machine_code.KEYS
        for level in LEVELS
    }
    assert in_engine(built) == names
    assert len(built.said) == 1, built.said
    assert f"{len(names)} objects" in built.said[0]
    checked(python, built, "objects")


NOTHING = """
import hingemetrics
from hingemetrics._engine import backend, machine_code
backend.SWITCH_WORK = 0
found = [backend.kernel(*key) for key in machine_code.KEYS]
print(found == [None] * len(found), hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
"""
RISCV = "import platform; platform.machine = lambda: 'riscv64'\n"


@pytest.mark.parametrize("reason", ["no numba", "riscv64"])
def test_a_build_without_machine_code_succeeds(python, build, tmp_path, reason):
    """One line says so, and why; NumPy does the work."""
    if reason == "no numba":
        (tmp_path / "numba.py").write_text(f"raise ImportError({reason!r})")
        built = build(PYTHONPATH=str(tmp_path))
    else:
        built = build(RISCV)
    assert in_engine(built) == set()
    assert len(built.said) == 1, built.said
    assert "NumPy will do the work" in built.said[0]
    assert reason in built.said[0]
    chosen = {"PYTHONPATH": built.installed, "HINGEMETRICS_CACHE_DIR": str(tmp_path / "store")}
    run = python("-W", "error", "-c", NOTHING, **chosen)
    assert (run.stdout, run.stderr) == ("True 0.3\n", "")


AGAIN = """
import os, sys
os.chdir(sys.argv[1])
sys.argv[1:] = ["-q", "build_ext", "--inplace"]
exec(open("setup.py").read())
"""


def test_in_place_and_again(python, tmp_path):
    """What was built of these sources is not built again; an edit of them is built."""
    clone, engine = cloned(tmp_path / "clone"), tmp_path / "clone" / "hingemetrics" / "_engine"
    code = f"__file__ = {str(clone / 'setup.py')!r}\n{AGAIN}"
    first = python("-W", "ignore", "-c", code, clone)
    assert first.returncode == 0, first.stderr
    assert {LIBRARY, SEAL} <= {path.name for path in engine.iterdir()}
    content = (engine / LIBRARY).read_bytes()
    second = python("-W", "ignore", "-c", code, clone)
    assert "built before" in second.stdout
    assert (engine / LIBRARY).read_bytes() == content
    with open(engine / "targets.py", "a") as file:
        file.write("# edited\n")
    third = python("-W", "ignore", "-c", code, clone)
    assert "built before" not in third.stdout
    chosen = {"PYTHONPATH": str(clone), "HINGEMETRICS_BACKEND": "auto"}
    show = "from hingemetrics._engine import machine_code as m; print(m._library() is not None)"
    assert python("-c", show, **chosen).stdout == "True\n"


USE = """
import importlib, sys
from pathlib import Path
import hingemetrics
for name in sys.argv[1:]:
    importlib.import_module(name)
metric = hingemetrics.HingeLoss(multiclass_mode="one-vs-all")
metric.update([[0.5, 1.0], [2.0, -1.0]], [1, 0])
print(Path(hingemetrics.__file__).parent.parent, metric.compute().tolist())
"""


def test_a_wheel_works_where_it_is_installed(python, built, tmp_path, monkeypatch):
    """It holds every file of the package, and is used from a folder that knows no clone."""
    assert built.files >= {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hingemetrics").rglob("*")
        if path.suffix in (".py", ".typed")
    }
    monkeypatch.chdir(tmp_path)
    modules = [f"hingemetrics.{name}" for name in house.PATHS if name not in ("", "__main__")]
    run = python("-c", USE, *modules, PYTHONPATH=built.installed)
    assert (run.stdout, run.stderr) == (f"{built.installed} [0.75, 0.0]\n", "")
    (tmp_path / "t.csv").write_text("score,label\n0.5,1\n")
    command = ("-m", "hingemetrics", "t.csv", "--preds", "score", "--target", "label")
    run = python(*command, PYTHONPATH=built.installed)
    assert (run.stdout, run.stderr) == ("0.5\n", "")


def test_a_wheel_needs_numpy_alone(python, built):
    """As `pip install --no-deps` leaves it: nothing else is imported, and kernels do the work."""
    code = """
import sys
import hingemetrics
from hingemetrics._engine import backend, machine_code
hingemetrics.hinge_loss([0.5], [1])
print(backend.kernel(machine_code.FORMS[0], machine_code.DTYPES[0]) is not None)
others = {"numba", "llvmlite", "scipy", "setuptools"} & set(sys.modules)
print(sorted(others))
"""
    run = python("-c", code, PYTHONPATH=built.installed)
    assert (run.stdout, run.stderr) == ("True\n[]\n", "")


def test_installed_size(built):
    """Beyond NumPy, a megabyte at most, without the bytecode that Python makes of it."""
    files = [path for path in Path(built.installed, "hingemetrics").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.suffix != ".pyc") < 1 << 20
