"""Imports run down only, load nothing heavy, and each module can be the first."""

import ast
import graphlib

import house
import pytest

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


def rank(module):
    """How high a module's layer is."""
    (found,) = (k for k, layer in enumerate(house.LAYERS) if house.room(module) in layer)
    return found


def is_allowed(module, imported):
    """Whether a module may import another one: the rule, but for its exceptions."""
    a, b = house.room(module), house.room(imported)
    if a in house.OUTSIDE:
        return True
    if b in house.OUTSIDE:
        return False
    if a == b:
        return True
    for room, (used, users) in house.ASIDE.items():
        if room in (a, b):
            return b in used if room == a else a in users
    return rank(imported) < rank(module)


def test_imports_are_seen_at_all():
    assert len(house.IMPORTS) > 100
    assert {"_inputs.batch", "_engine.measure"} <= house.GRAPH["functional"]
    assert {"_files.blocks", "_files.refusals"} <= house.GRAPH["_files"], "also of a folder"
    assert "_files.csv" in house.GRAPH["_files.blocks"], "also in a function"


def test_every_room_has_its_layer():
    rooms = set(map(house.room, house.PATHS)) - house.OUTSIDE
    layers = [*house.LAYERS, house.ASIDE.keys()]
    assert set().union(*layers) == rooms
    assert sum(map(len, layers)) == len(rooms)


@pytest.mark.parametrize("module", house.PATHS)
def test_imports_run_down(module):
    up = [
        f"{module}:{found.line} imports {found.imported or 'the package root'}"
        for found in house.IMPORTS
        if found.module == module
        and (module, found.imported) not in house.EXCEPTIONS
        and not is_allowed(module, found.imported)
    ]
    assert up == []


def test_no_circle():
    graph = {
        module: {to for to in found if (module, to) not in house.EXCEPTIONS}
        for module, found in house.GRAPH.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(("module", "imported"), house.EXCEPTIONS)
def test_exceptions_are_needed_and_small(module, imported):
    """Pictures are imported in a function."""
    (found,) = (i for i in house.IMPORTS if (i.module, i.imported) == (module, imported))
    assert not is_allowed(module, imported)
    functions = [n for n in ast.walk(house.TREES[module]) if isinstance(n, ast.FunctionDef)]
    assert any(node.lineno < found.line <= node.end_lineno for node in functions)


@pytest.mark.parametrize(
    ("module", "imported", "allowed"),
    [
        ("_core.losses", "_core.typing", True),
        ("_core.losses", "_inputs.batch", False),
        ("_engine.measure", "_core.exact", True),
        ("_engine.measure", "state", False),
        ("state", "_engine.measure", True),
        ("functional", "metrics.hinge", False),
        ("plot._display", "functional", True),
        ("functional", "plot", False),
        ("sklearn", "distributed", False),
        ("sklearn", "", False),
        ("functional", "__main__", False),
        ("cli.run", "_files.blocks", True),
        ("functional", "_files", False),
        ("_files.blocks", "_engine.backend", True),
        ("_files.blocks", "state", False),
        ("__main__", "cli", True),
    ],
)
def test_the_rule(module, imported, allowed):
    assert is_allowed(module, imported) is allowed


def test_the_command_is_read_from_the_top_down():
    """Each of its modules may know those below it, and none beside it."""
    levels = [
        {"cli"},
        {"cli.run"},
        {"cli.arguments", "cli.baseline", "cli.merging"},
        {"cli.argument_types"},
        {"cli.formats", "cli.intervals"},
        {"cli.formats.junit"},
        {"cli.formats.json_object", "cli.formats.markdown", "cli.formats.text"},
        {"cli.formats.characters", "cli.formats.tables"},
        {"cli.report"},
        {"cli.difference"},
        {"cli.groups", "cli.increase"},
        {"cli.breakdown", "cli.console", "cli.gate", "cli.outputs", "cli.state_files"},
    ]
    assert set().union(*levels) == {m for m in house.PATHS if house.room(m) == "cli"}
    for k, level in enumerate(levels):
        below = set().union(*levels[k + 1 :])
        for module in level:
            used = {other for other in house.GRAPH[module] if house.room(other) == "cli"}
            assert used <= below, module


COMPILERS = {
    f"_engine.{name}"
    for name in ("compiling", "group_kernel", "intrinsics", "kernels", "moment_kernel")
}


def test_only_what_compiles_imports_numba():
    """And nothing imports llvmlite, which the build alone needs."""
    users = {"numba": set(), "llvmlite": set()}
    for module, tree in house.TREES.items():
        for _, base, _ in house.dotted_imports(tree, house.package_of(module)):
            users.get(base.partition(".")[0], set()).add(module)
    assert users == {"numba": COMPILERS, "llvmlite": set()}


def test_what_imports_numba_is_imported_by_functions_alone():
    """So that no import of another module, nor any call on `auto`, loads a compiler."""
    for module, tree in house.TREES.items():
        if module not in COMPILERS:
            top = ast.Module([n for n in tree.body if not isinstance(n, HAS_A_BODY)], [])
            for _, base, name in house.dotted_imports(top, house.package_of(module)):
                found = f"{base}.{name}".removeprefix("hingemetrics.")
                assert found not in COMPILERS, module
                assert not base.startswith(("numba", "llvmlite")), module


HAS_A_BODY = (ast.FunctionDef, ast.ClassDef)


def test_no_logic_at_the_top():
    """But the loop that gives public names their public place."""
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    others = [node for node in house.TREES[""].body if not isinstance(node, allowed)]
    assert [type(node) for node in others] == [ast.For, ast.Delete]


@pytest.mark.parametrize(
    "use",
    [
        "",
        "; hingemetrics.hinge_loss([0.5], [1])",
        "; m = hingemetrics.HingeLoss(); m.update([[0, 1]], [1]); m.compute()",
        "; import hingemetrics.functional, hingemetrics.metrics.hinge, hingemetrics.cli",
    ],
)
def test_nothing_heavy_is_loaded(python, use):
    run = python("-c", f"import sys, hingemetrics{use}; print(*sys.modules)")
    loaded = {module.partition(".")[0] for module in run.stdout.split()}
    assert {"hingemetrics", "numpy"} <= loaded, run.stderr
    assert not loaded & HEAVY


EACH = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.partition(".")[0] == "hingemetrics"]:
        del sys.modules[loaded]
    importlib.import_module(name)
    print(name)
"""


@pytest.mark.more
def test_each_module_can_be_the_first(python):
    modules = [f"hingemetrics.{name}".removesuffix(".") for name in house.PATHS]
    modules.remove("hingemetrics.__main__")
    run = python("-W", "error", "-c", EACH, *modules)
    assert (run.stdout.split(), run.stderr) == (modules, "")
