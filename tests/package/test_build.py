"""What is built: wheels with machine code, or of pure Python; nothing is downloaded.

A build takes 40 seconds of compiling, so that what is compiled once is lent to other builds: they
take it for what they built themselves before.
"""

import os
import re
import shutil
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import golden
import house
import pytest
from places import ROOT, TOOLS
from processors import NO_AVX512

from hingemetrics._engine import machine_code, targets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="there is nothing to build"),
]
HOOK = """
import os, sys
os.chdir(sys.argv[1])
sys.path.insert(0, os.path.abspath("build_backend"))
import backend
getattr(backend, sys.argv[3])(sys.argv[2])
"""
NEEDED = ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
ENTRIES = golden.number_of_entries()
LIBRARY, DIGESTS = Path(machine_code.LIBRARY).name, Path(machine_code.DIGESTS).name
TARGETS = targets.of_machine()


class Built(NamedTuple):
    path: Path
    files: set[str]
    said: list[str]  # of machine code
    installed: str  # where it is unpacked
    clone: Path


def cloned(folder):
    """A copy of what a build needs, in which nothing was built."""
    ignored = shutil.ignore_patterns("__pycache__", LIBRARY, DIGESTS)
    for name in ("hingemetrics", "build_backend"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in NEEDED:
        shutil.copy(ROOT / name, folder)
    for path in folder.rglob("*"):  # wheels keep modes, which a umask may have changed
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="module")
def hook(python):
    """Run a hook of the backend in a clone, as a frontend does; return the process."""

    def run(clone, made, name="build_wheel", code="", **environment):
        environment = {"SOURCE_DATE_EPOCH": "1600000000", **environment}
        made.mkdir(exist_ok=True)
        return python("-W", "ignore", "-c", code + HOOK, clone, made, name, **environment)

    return run


@pytest.fixture(scope="module")
def build(hook, tmp_path_factory):
    """Build a wheel in a clone, which is a new one unless it is given, and unpack it."""

    def run(code="", clone=None, lent=None, **environment):
        folder = tmp_path_factory.mktemp("build")
        made, installed = folder / "made", folder / "installed"
        clone = clone or cloned(folder / "clone")
        if lent is not None:
            lend(lent, clone)
        ran = hook(clone, made, code=code, **environment)
        assert ran.returncode == 0, ran.stderr
        (wheel,) = made.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(installed)
            files = set(archive.namelist())
        lines = (ran.stdout + ran.stderr).splitlines()
        said = [line for line in lines if "machine code" in line]
        return Built(wheel, files, said, str(installed), clone)

    return run


def lend(clone, other):
    """Give what was compiled in a clone to another one."""
    (compiled,) = (clone / "build").glob("kernels-*.bin")
    (other / "build").mkdir(exist_ok=True)
    shutil.copy(compiled, other / "build")


@pytest.fixture(scope="module")
def built(build):
    return build()


def in_engine(built):
    """What lies beside the sources of the engine."""
    prefix = "hingemetrics/_engine/"
    names = {name.removeprefix(prefix) for name in built.files if name.startswith(prefix)}
    return {name for name in names if not name.endswith(".py")}


def test_a_wheel_has_a_library(built):
    """One line says so; it is of a platform, and of any Python, NumPy and libc."""
    assert in_engine(built) == {LIBRARY, DIGESTS}
    size = Path(built.installed, "hingemetrics", "_engine", LIBRARY).stat().st_size
    untried = [target for target in TARGETS if target not in targets.of_processor()]
    said = f"hingemetrics: this processor cannot try the machine code for {' '.join(untried)}"
    assert built.said == [
        *([said] if untried else []),
        f"hingemetrics: machine code in {LIBRARY}, {size} bytes",
    ]
    tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if sys.platform.startswith("linux"):
        processor = tag.removeprefix("linux_")
        tag = f"manylinux_2_17_{processor}.musllinux_1_1_{processor}"
    assert built.path.name.endswith(f"-py3-none-{tag}.whl")


def test_two_builds_are_the_same_bytes(built, build):
    """In other folders, with other hashes, and another number of cores."""
    one_core = "import os; os.cpu_count = lambda: 1\n"
    again = build(one_core, PYTHONHASHSEED="77")
    assert again.said == built.said, "it was compiled"
    assert again.path.read_bytes() == built.path.read_bytes()


CHECK = """
import sys
sys.modules["numba"] = None
import golden, hingemetrics
from hingemetrics._engine import machine_code as m
hingemetrics.warmup()
print(hingemetrics.__file__.startswith(sys.argv[1]), golden.check())
print(all(m.in_library(form, dtype) for form, dtype in m.KEYS))
"""


def test_the_library_gives_the_bits(python, built):
    path = os.pathsep.join([built.installed, str(TOOLS)])
    run = python("-W", "error", "-c", CHECK, built.installed, PYTHONPATH=path)
    assert (run.stdout, run.stderr) == (f"True {ENTRIES}\nTrue\n", "")


NOTHING = """
import hingemetrics
from hingemetrics._engine import backend, machine_code
found = [backend.kernel(*key) for key in machine_code.KEYS]
print(found == [None] * len(found), hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
"""
RISCV = "import platform; platform.machine = lambda: 'riscv64'\n"
PURE = {
    "it is not wanted": ("", {"HINGEMETRICS_MACHINE_CODE": "no"}, "HINGEMETRICS_MACHINE_CODE=no"),
    "no linker": ("", {"CC": "/nonexistent/cc"}, "there is no linker; install a C compiler"),
    "no Numba": ("import sys; sys.modules['numba'] = None\n", {}, "numba"),
    "riscv64": (RISCV, {}, "Numba has no wheel for this Python or platform"),
}


@pytest.mark.parametrize("reason", PURE)
def test_a_build_without_machine_code_succeeds(python, build, reason):
    """One line says so, and why; the wheel is for any platform, and NumPy does the work."""
    code, environment, why = PURE[reason]
    built = build(code, **environment)
    assert in_engine(built) == set()
    assert built.path.name.endswith("-py3-none-any.whl")
    assert len(built.said) == 1, built.said
    said = r"no machine code, NumPy will do the work: (import of )?"
    assert re.search(said + re.escape(why), built.said[0])
    run = python("-W", "error", "-c", NOTHING, PYTHONPATH=built.installed)
    assert (run.stdout, run.stderr) == ("True 0.3\n", "")


@pytest.mark.parametrize("reason", ["no linker", "no Numba", "riscv64"])
def test_machine_code_that_is_required(hook, tmp_path, reason):
    """Then a build without it fails, and its last line says why."""
    code, environment, why = PURE[reason]
    required = {"HINGEMETRICS_MACHINE_CODE": "yes", **environment}
    run = hook(cloned(tmp_path / "clone"), tmp_path / "made", code=code, **required)
    assert run.returncode != 0
    assert not list((tmp_path / "made").iterdir())
    last = run.stderr.splitlines()[-1]
    assert last.startswith("error: no machine code: "), run.stderr
    assert why in last


def test_a_wrong_setting_is_refused_in_a_line(hook, tmp_path):
    for name in ("get_requires_for_build_wheel", "build_wheel"):
        wrong = {"HINGEMETRICS_MACHINE_CODE": "maybe"}
        clone = cloned(tmp_path / name)
        run = hook(clone, tmp_path / "made", name, **wrong)
        assert run.returncode == 1
        last = run.stderr.splitlines()[-1]
        assert last == "HINGEMETRICS_MACHINE_CODE must be yes or no, got 'maybe'"
        assert "Traceback" not in run.stderr


def edited(clone, file, old, new):
    """Edit a file of a clone's engine."""
    path = clone / "hingemetrics" / "_engine" / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def only(clone, part):
    """Have a clone make code for one of the targets, which is a third of the work."""
    old = "return _TARGETS.get(platform.machine().lower(), ())"
    edited(clone, "targets.py", old, old + part)


def test_a_wrong_kernel_fails_the_build(hook, tmp_path):
    """No wheel of pure Python hides it."""
    clone, made = cloned(tmp_path / "clone"), tmp_path / "made"
    only(clone, "[-1:]")
    edited(clone, "kernels.py", "return loss * loss if squared", "return loss + loss if squared")
    run = hook(clone, made)
    assert run.returncode
    assert run.stderr.endswith(f"the machine code for {TARGETS[-1]} gives wrong sums\n")
    assert not list(made.glob("*.whl"))
    assert not list((clone / "build").glob("kernels-*"))


@pytest.mark.skipif(len(TARGETS) < 2, reason="this kind of machine has one target")
def test_what_was_not_tried_is_not_what_is_required(hook, tmp_path):
    """A line says so; and with "yes" the build fails, though such a library was built before."""
    clone = cloned(tmp_path / "clone")
    only(clone, "[:1]")
    run = hook(clone, tmp_path / "made", **NO_AVX512)
    said = f"hingemetrics: this processor cannot try the machine code for {TARGETS[0]}\n"
    assert (run.returncode, run.stdout.count(said)) == (0, 1), run.stderr
    run = hook(clone, tmp_path / "again", HINGEMETRICS_MACHINE_CODE="yes", **NO_AVX512)
    assert run.returncode != 0
    said = "hingemetrics: HINGEMETRICS_MACHINE_CODE=yes, but not all of it was tried"
    assert run.stderr.splitlines()[-1] == said
    assert not list((tmp_path / "again").iterdir())


def test_in_place_and_again(python, built, tmp_path):
    """What was built of these sources is not built again; other targets are."""
    clone = cloned(tmp_path / "clone")
    engine = clone / "hingemetrics" / "_engine"
    lend(built.clone, clone)

    def made_in_place():
        code = f"__file__ = 'setup.py'\nimport os, sys\nos.chdir({str(clone)!r})\n{IN_PLACE}"
        run = python("-W", "ignore", "-c", code)
        assert run.returncode == 0, run.stderr
        assert {LIBRARY, DIGESTS} <= {path.name for path in engine.iterdir()}
        return [line for line in run.stdout.splitlines() if "machine code" in line]

    show = "from hingemetrics._engine import machine_code as m; print(m.origin())"
    assert made_in_place() == []
    assert (engine / LIBRARY).read_bytes() == next((clone / "build").glob("*.bin")).read_bytes()
    run = python("-W", "error", "-c", show, PYTHONPATH=str(clone))
    assert run.stdout == f"{LIBRARY}, {targets.of_processor()[0]}\n"
    assert made_in_place() == []
    only(clone, "[-1:]")
    assert len(made_in_place()) == 1
    run = python("-W", "error", "-c", show, PYTHONPATH=str(clone))
    assert run.stdout == f"{LIBRARY}, {TARGETS[-1]}\n"


IN_PLACE = """
sys.argv[1:] = ["-q", "build_ext", "--inplace"]
exec(open("setup.py").read())
"""


def test_nothing_of_an_earlier_build_is_in_a_wheel(built, build, tmp_path):
    """Neither modules that are gone, nor a library that was built in place and is not wanted."""
    clone = cloned(tmp_path / "clone")
    (clone / "hingemetrics" / "_engine" / LIBRARY).write_bytes(b"of earlier sources")
    (clone / "hingemetrics" / "_engine" / DIGESTS).write_bytes(b"of earlier sources")
    platform = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
    for name in ("lib", f"lib.{platform}"):
        stale = clone / "build" / name / "hingemetrics"
        stale.mkdir(parents=True)
        (stale / "stale.py").write_text("")
    pure = build(clone=clone, HINGEMETRICS_MACHINE_CODE="no")
    assert built.files - pure.files == {f"hingemetrics/_engine/{n}" for n in (LIBRARY, DIGESTS)}
    assert pure.files <= built.files
    again = build(clone=clone, lent=built.clone)
    assert again.path.read_bytes() == built.path.read_bytes()


def test_a_source_distribution_builds_the_same_wheel(hook, built, build, tmp_path):
    """It has the backend, and no machine code, whatever was built in place."""
    clone = cloned(tmp_path / "clone")
    shutil.copy(machine_code.LIBRARY, clone / "hingemetrics" / "_engine")
    shutil.copy(machine_code.DIGESTS, clone / "hingemetrics" / "_engine")
    run = hook(clone, tmp_path / "made", "build_sdist")
    assert run.returncode == 0, run.stderr
    (path,) = (tmp_path / "made").iterdir()
    with tarfile.open(path) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "unpacked")
    assert not [name for name in names if re.search(r"kernels\.(bin|digests)|/build/", name)]
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert {p.name for p in (unpacked / "build_backend").iterdir()} == {
        *("backend.py", "objects.py", "trial.py")
    }
    again = build(clone=unpacked, lent=built.clone)
    assert again.path.read_bytes() == built.path.read_bytes()


def test_an_editable_install_has_the_library(hook, built, tmp_path):
    clone = cloned(tmp_path / "clone")
    lend(built.clone, clone)
    run = hook(clone, tmp_path / "made", "build_editable")
    assert run.returncode == 0, run.stderr
    engine = clone / "hingemetrics" / "_engine"
    assert {LIBRARY, DIGESTS} <= {path.name for path in engine.iterdir()}


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
    with open(Path(built.installed, wheel_info(built), "METADATA")) as file:
        required = [line for line in file if line.startswith("Requires-Dist") and ";" not in line]
    assert required == ["Requires-Dist: numpy>=1.24\n"]


def wheel_info(built):
    """The folder of a wheel's metadata."""
    (found,) = {name.partition("/")[0] for name in built.files if ".dist-info/" in name}
    return found


def test_installed_size(built):
    """Beyond NumPy, a megabyte and a half at most, without the bytecode that Python makes of it."""
    files = [path for path in Path(built.installed, "hingemetrics").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.suffix != ".pyc") < 3 << 19
