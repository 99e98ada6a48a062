"""The package as its source says it is: modules, and who imports whom."""

import ast
from typing import NamedTuple

from places import PACKAGE, ROOT

LAYERS = [  # from the bottom up: what stands in one may import what stands below it
    {"_core"},
    {"_inputs"},
    {"_engine"},
    {"state", "comparison"},
    {"metrics", "functional"},
    {"plot"},
    {"cli", "sklearn", "distributed"},
]
ASIDE = {"_files": ({"_core", "_inputs", "_engine"}, {"cli"})}  # what it imports, who imports it
OUTSIDE = {"", "__main__"}  # the root and `python -m`: they import, and nobody imports them
EXCEPTIONS = {  # imports that go up, and why
    ("metrics.hinge", "plot"): "HingeLoss.plot imports pictures when it is called",
}
PAGE = ROOT / "docs" / "architecture.md"


class Import(NamedTuple):
    """A statement that imports a module of the package: where it stands, and what it takes."""

    module: str
    line: int
    imported: str
    name: str | None  # what is taken from it, None for all of it


def module_name(path):
    """A module's dotted name inside the package; a folder's is that of its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# PyInstaller imports what is in _pyinstaller, and the package does not.
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "_pyinstaller"]
PATHS = {module_name(path): path for path in FILES}
TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in PATHS.items()}


def room(module):
    """The folder or module right below the package that a module is in."""
    return module.partition(".")[0]


def dotted_imports(tree, package):
    """Yield line, module and name of all that a module imports, anywhere in it.

    `package` is the one that the module is in, for relative imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            yield from ((node.lineno, base, alias.name) for alias in node.names)


def package_of(module):
    """The dotted name, from the root on, of the package that a module is in."""
    parts = ["hingemetrics", *filter(None, module.split("."))]
    is_package = PATHS[module].name == "__init__.py"
    return ".".join(parts if is_package else parts[:-1])


def imports(module):
    """Yield what a module imports of the package, each as the module that is meant."""
    for line, base, name in dotted_imports(TREES[module], package_of(module)):
        root, _, inner = base.partition(".")
        if root != "hingemetrics":
            continue
        deeper = f"{inner}.{name}".removeprefix(".")
        if name is not None and deeper in PATHS and not _is_defined(inner, name):
            yield Import(module, line, deeper, None)
        else:
            yield Import(module, line, inner, name)


def _is_defined(module, name):
    """Whether a package's __init__ gives this name to something else than its module."""
    for _, base, taken in dotted_imports(TREES[module], package_of(module)):
        if taken == name and base != package_of(module):
            return True
    return False


IMPORTS = [found for module in PATHS for found in imports(module)]
GRAPH = {module: {i.imported for i in IMPORTS if i.module == module} for module in PATHS}
