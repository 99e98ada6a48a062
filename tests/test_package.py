"""What holds for the package as a whole: its imports, its names, its documentation."""

import ast
import configparser
import doctest
import graphlib
import importlib
import inspect
import pkgutil
import shutil
from pathlib import Path

import numpy as np
import pytest
from reference import says

import hingemetrics

ROOT = Path(hingemetrics.__file__).parent
SOURCES = {path.stem: ast.parse(path.read_text("utf-8")) for path in ROOT.glob("*.py")}
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
    """The modules of the package that a module imports."""
    for found in imported(tree):
        root, _, rest = found.partition(".")
        if root == "hingemetrics" and (room := rest.split(".")[0]) in SOURCES:
            yield room


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
        for room in SOURCES.keys() - outer:
            assert not GRAPH[room] & (outer - {"functional"} if room in pictures else outer), room

    @pytest.mark.parametrize(
        ("adapter", "users"),
        [
            ("cli", {"__main__"}),
            ("breakdown", {"cli"}),
            ("tables", {"cli", "breakdown"}),
            ("sklearn", set()),
            ("distributed", set()),
            ("labels", {"sklearn", "plot"}),
            ("plot", {"sklearn", "breakdown", "metric"}),  # metric: in its method plot alone
            ("values", {"plot"}),
            ("panels", {"plot", "values"}),
            ("margins", {"plot", "values"}),
        ],
    )
    def test_adapters_are_imported_by_adapters(self, adapter, users):
        assert {room for room in GRAPH if adapter in GRAPH[room]} <= users

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
            "; import hingemetrics.functional, hingemetrics.metric, hingemetrics.cli",
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
        assert (ROOT / "py.typed").is_file()

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

    @pytest.mark.parametrize("room", [m.name for m in pkgutil.iter_modules([str(ROOT)])])
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
        parser.read_string((Path(__file__).parents[1] / "setup.cfg").read_text("utf-8"))
        return parser

    def test_requirements(self, setup):
        """NumPy and Numba, no others, and no upper bounds."""
        required = [r for r in setup["options"]["install_requires"].split("\n") if r]
        assert sorted(r.partition(">=")[0] for r in required) == ["numba", "numpy"]
        assert setup["options"]["python_requires"] == ">=3.10"
        assert not any(mark in r for r in required for mark in "<~,")

    def test_command(self, setup):
        scripts = setup["options.entry_points"]["console_scripts"].split()
        assert scripts == ["hingemetrics", "=", "hingemetrics.cli:main"]
        assert callable(pkgutil.resolve_name(scripts[-1]))


EXAMPLES = Path(__file__).parents[1] / "examples"


def test_examples_are_what_their_script_makes(python, tmp_path):
    """To the bit where scikit-learn is the version they were made with."""
    shutil.copy(EXAMPLES / "make_examples.py", tmp_path)
    run = python("-W", "ignore", tmp_path / "make_examples.py")
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
            np.testing.assert_allclose(fresh, old, rtol=1e-6)
