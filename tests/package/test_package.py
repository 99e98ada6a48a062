"""What holds for the package as a whole: its imports, its names, its documentation."""

import ast
import configparser
import doctest
import graphlib
import importlib
import inspect
import pkgutil
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from oracle import says
from places import EXAMPLES, PACKAGE, ROOT
from setuptools import find_packages

import hingemetrics


def room_name(path):
    """A module's name inside the package: a folder's is that of its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {room_name(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
PUBLIC = {
    "hinge_loss",
    "HingeLoss",
    "HingeState",
    "MulticlassMode",
    "RunningHingeLoss",
    "BootstrapHingeLoss",
    "bootstrap_interval",
    "leave_one_out",
    "set_backend",
    "get_backend",
    "__version__",
}
HEAVY = {
    "numba",
    "llvmlite",
    "sklearn",
    "scipy",
    "torch",
    "torchmetrics",
    "pandas",
    "polars",
    "pyarrow",
    "tqdm",
    "matplotlib",
    "mpi4py",
    "dask",
    "distributed",
    "pyspark",
    "joblib",
    "jax",
    "tensorflow",
    "hypothesis",
    "pytest",
}


def imported(tree):
    """Dotted names of all that a module imports, anywhere in it; relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = ["hingemetrics"] * bool(node.level) + [node.module] * bool(node.module)
            base = ".".join(parts)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def rooms(tree):
    """The modules of the package that a module imports, as deep inside as names lead."""
    for found in imported(tree):
        root, *parts = found.split(".")
        names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        if root == "hingemetrics" and (known := [name for name in names if name in SOURCES]):
            yield known[0]


def floor(room):
    """The module or folder, right below the package, that a module is in."""
    return room.partition(".")[0]


GRAPH = {room: set(rooms(tree)) for room, tree in SOURCES.items()}


class TestImports:
    def test_rooms(self):
        assert SOURCES.keys() >= {"__init__", "__main__", "cli", "functional", "metric", "state"}
        assert GRAPH["functional"], "the graph sees imports at all"

    def test_data_flows_one_way(self):
        graphlib.TopologicalSorter(GRAPH).prepare()

    def test_the_inner_rooms_know_nothing_of_the_outer_ones(self):
        outer = {"functional", "metric", "running", "resampling", "cli", "__init__", "__main__"}
        pictures = {"margins", "plot"}  # of what the public function says
        for room, used in GRAPH.items():
            above = outer - {"functional"} if room in pictures else outer
            assert floor(room) in outer or not set(map(floor, used)) & above, room

    @pytest.mark.parametrize(
        ("adapter", "users"),
        [
            ("cli", {"__main__"}),
            ("_files", {"cli"}),
            ("sklearn", set()),
            ("distributed", set()),
            ("labels", {"sklearn", "plot"}),
            ("plot", {"sklearn", "cli", "metric"}),  # metric: in its method plot alone
            ("values", {"plot"}),
            ("panels", {"plot", "values"}),
            ("margins", {"plot", "values"}),
        ],
    )
    def test_adapters_are_imported_by_adapters(self, adapter, users):
        found = {floor(room) for room, used in GRAPH.items() if adapter in map(floor, used)}
        assert found - {adapter} <= users

    def test_the_command_is_read_from_the_top_down(self):
        """Each of its rooms may know those below it."""
        levels = [
            {"cli"},
            {"cli.run"},
            {"cli.arguments", "cli.merging", "cli.report"},
            {"cli.breakdown", "cli.console", "cli.gate", "cli.outputs"},
        ]
        assert set().union(*levels) == {room for room in GRAPH if floor(room) == "cli"}
        for k, level in enumerate(levels):
            below = set().union(*levels[k + 1 :])
            for room in level:
                assert {used for used in GRAPH[room] if floor(used) == "cli"} <= below, room

    def test_only_kernels_imports_numba(self):
        users = {room for room, tree in SOURCES.items() if "numba" in set(imported(tree))}
        assert users == {"kernels"}

    def test_no_logic_at_the_top(self):
        allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
        assert all(isinstance(node, allowed) for node in SOURCES["__init__"].body)

    @pytest.mark.parametrize(
        "use",
        [
            "",
            "; hingemetrics.hinge_loss([0.5], [1])",
            "; m = hingemetrics.HingeLoss(); m.update([[0, 1]], [1]); m.compute()",
            "; import hingemetrics.functional, hingemetrics.metrics.hinge, hingemetrics.cli",
        ],
    )
    def test_nothing_heavy_is_loaded(self, python, use):
        run = python("-c", f"import sys, hingemetrics{use}; print(*sys.modules)")
        loaded = {module.partition(".")[0] for module in run.stdout.split()}
        assert {"hingemetrics", "numpy"} <= loaded, run.stderr
        assert not loaded & HEAVY

    @pytest.mark.parametrize("room", sorted(SOURCES.keys() - {"__main__"}))
    def test_each_room_imports_by_itself(self, python, room):
        module = "hingemetrics" if room == "__init__" else f"hingemetrics.{room}"
        run = python("-W", "error", "-c", f"import {module}")
        assert (run.returncode, run.stderr) == (0, "")


class TestBackend:
    def test_set_and_get(self, set_backend):
        for tier in ("numpy", "numba", "auto"):
            set_backend(tier)
            assert hingemetrics.get_backend() == tier

    @pytest.mark.parametrize("bad", ["", "NumPy ", "cuda", None, 3])
    def test_unknown(self, set_backend, bad):
        before = hingemetrics.get_backend()
        with pytest.raises((ValueError, TypeError), match=says("auto", "numpy", "numba")):
            set_backend(bad)
        assert hingemetrics.get_backend() == before

    SHOW = "import hingemetrics; print(hingemetrics.get_backend())"

    @pytest.mark.parametrize("tier", ["auto", "numpy", "numba"])
    def test_environment(self, python, tier):
        assert python("-c", self.SHOW, HINGEMETRICS_BACKEND=tier).stdout == f"{tier}\n"

    def test_auto_unless_told(self, python):
        assert python("-c", self.SHOW).stdout == "auto\n"

    def test_unknown_environment(self, python):
        assert python("-c", "import hingemetrics", HINGEMETRICS_BACKEND="cuda").returncode == 0
        run = python("-c", self.SHOW, HINGEMETRICS_BACKEND="cuda")
        assert run.returncode == 1
        last = run.stderr.splitlines()[-1]
        assert last.startswith("ValueError")
        assert all(word in last for word in ("cuda", "auto", "numpy", "numba"))

    WITHOUT = """
import sys
sys.modules["numba"] = None
import numpy as np
import hingemetrics
for _ in range(3):
    print(hingemetrics.hinge_loss(np.full(3_000_000, 0.5), np.ones(3_000_000)))
try:
    hingemetrics.set_backend("numba")
except ImportError as error:
    print(hingemetrics.get_backend(), "numba" in str(error))
"""

    def test_without_numba_numpy_does_everything(self, python):
        run = python("-c", self.WITHOUT)
        assert (run.stdout.split(), run.stderr) == (["0.5"] * 3 + ["auto", "True"], "")


class TestNames:
    def test_public(self):
        assert set(hingemetrics.__all__) >= PUBLIC
        assert all(hasattr(hingemetrics, name) for name in hingemetrics.__all__)

    def test_version(self):
        assert [int(part) for part in hingemetrics.__version__.split(".")[:2]]

    def test_typed(self):
        assert (PACKAGE / "py.typed").is_file()

    @pytest.mark.parametrize("name", sorted({*hingemetrics.__all__} - {"__version__"}))
    def test_documented(self, name):
        thing = getattr(hingemetrics, name)
        assert inspect.getdoc(thing)
        if inspect.isclass(thing):
            bare = [
                attribute
                for attribute, member in vars(thing).items()
                if not attribute.startswith("_")
                and (callable(member) or isinstance(member, property | classmethod))
                and not inspect.getdoc(getattr(thing, attribute))
            ]
            assert bare == []

    @pytest.mark.parametrize("room", sorted(SOURCES))
    def test_rooms_say_what_they_are(self, room):
        assert ast.get_docstring(SOURCES[room])


class TestExamples:
    @pytest.mark.parametrize(
        "name", sorted(PUBLIC - {"MulticlassMode", "get_backend", "__version__"})
    )
    def test_there_is_one(self, name):
        assert ">>> " in getattr(hingemetrics, name).__doc__

    @pytest.mark.parametrize("room", sorted(SOURCES.keys() - {"__main__"}))
    def test_they_run(self, room):
        if room == "distributed":
            pytest.importorskip("dask")
        module = (
            hingemetrics if room == "__init__" else importlib.import_module(f"hingemetrics.{room}")
        )
        assert doctest.testmod(module).failed == 0


class TestMetadata:
    @pytest.fixture
    def setup(self):
        parser = configparser.ConfigParser()
        parser.read_string((ROOT / "setup.cfg").read_text("utf-8"))
        return parser

    def test_requirements(self, setup):
        """NumPy and Numba, no others, and no upper bounds."""
        required = [r for r in setup["options"]["install_requires"].split("\n") if r]
        assert sorted(r.partition(">=")[0] for r in required) == ["numba", "numpy"]
        assert setup["options"]["python_requires"] == ">=3.10"
        assert not any(mark in r for r in required for mark in "<~,")

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


# Every x86-64 processor can run what OpenBLAS has for Prescott; other libraries do not look at it.
BLAS = {"for this processor": {}, "for an old one": {"OPENBLAS_CORETYPE": "Prescott"}}


@pytest.mark.parametrize("blas", BLAS)
def test_examples_are_what_their_script_makes(python, tmp_path, blas):
    """Labels exactly; where the solver stops, and so its last digits, is up to the processor."""
    shutil.copy(EXAMPLES / "make_examples.py", tmp_path)
    run = python("-W", "ignore", tmp_path / "make_examples.py", **BLAS[blas])
    assert run.returncode == 0, run.stderr
    made, kept = ({path.name for path in folder.glob("*.npy")} for folder in (tmp_path, EXAMPLES))
    assert made == kept
    assert len(kept) == 4
    for name in kept:
        fresh, old = np.load(tmp_path / name), np.load(EXAMPLES / name)
        assert (fresh.shape, fresh.dtype) == (old.shape, old.dtype)
        if "target" in name:
            assert (fresh == old).all()
        else:
            assert np.abs(fresh - old).max() < 1e-3 * np.abs(old).max()


NOT_DISTRIBUTED = {".gitignore", ".ci/run"}
MAKE_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a clone says what belongs to it")
def test_source_distribution_holds_all_that_git_tracks(python, tmp_path, monkeypatch):
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {Path(name) for name in git.stdout.splitlines()}
    for name in tracked:  # a copy: building leaves files behind
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    monkeypatch.chdir(tmp_path / "clone")
    run = python("-W", "ignore", "-c", MAKE_SDIST, tmp_path)
    assert run.returncode == 0, run.stderr
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        held = {Path(*Path(m.name).parts[1:]) for m in archive.getmembers() if m.isfile()}
    assert {str(name) for name in tracked - held} == NOT_DISTRIBUTED
