"""The house is as docs/architecture.md says: its rooms, its picture, and its tests' tree."""

import ast
import re

import draw_architecture
import house
import injection
import pytest
from places import PACKAGE, ROOT

MOST_LINES = {"hingemetrics": 450, "tests": 500}
LONGER = {  # a file of more lines, and why
    "hingemetrics/_engine/kernels.py": "all that is compiled, and nothing else",
}


def listed():
    """The files that the page lists, a line each."""
    return re.findall(r"^- `([\w/]+\.py)`: \S", house.PAGE.read_text("utf-8"), re.M)


def files(folder):
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


def test_rooms_are_those_that_are_listed():
    """All but an __init__ that only opens its folder's doors, once each; and the build's files."""
    present = {path.relative_to(PACKAGE).as_posix() for path in house.PATHS.values()}
    doors = {name for name in present if name.endswith("/__init__.py")}
    assert sorted(listed()) == sorted((present - doors) | {*files("build_backend")})


def test_tests_that_look_for_rooms_find_all():
    assert len(house.PATHS) > 40
    assert {*map(str, house.PATHS.values())} <= injection.FILES


@pytest.mark.parametrize("module", house.PATHS)
def test_a_room_says_what_it_is(module):
    (first, *_) = (ast.get_docstring(house.TREES[module]) or "").splitlines() or [""]
    assert first.endswith((".", ":"))


def test_the_picture_is_drawn_from_the_imports():
    drawn = draw_architecture.PICTURE.read_text("utf-8")
    assert drawn == draw_architecture.svg(), "run python tests/tools/draw_architecture.py"


def test_arrows_run_down():
    down, up = draw_architecture.arrows()
    _, layers = draw_architecture.boxes()
    assert [(a, b) for a, b in down if layers[a].top >= layers[b].top] == []
    assert len(up) == 1


@pytest.mark.parametrize(
    "file", [f for folder in MOST_LINES for f in files(folder) if f not in LONGER]
)
def test_no_file_is_too_long(file):
    lines = (ROOT / file).read_text("utf-8").count("\n")
    assert lines <= MOST_LINES[file.partition("/")[0]]


def test_each_room_has_its_tests():
    """tests/unit has a folder for each folder of the package, and no other."""
    unit = ROOT / "tests" / "unit"
    folders = {path.name for path in unit.iterdir() if any(path.glob("test_*.py"))}
    doors = {path for path in house.PATHS.values() if path.name == "__init__.py"}
    assert folders == {path.parent.name for path in doors & {*PACKAGE.glob("*/__init__.py")}}


def test_helpers_are_not_beside_tests():
    folders = [name for name in files("tests") if not name.startswith("tests/tools/")]
    others = [n for n in folders if not re.search(r"/(test_\w+|conftest)\.py$", n)]
    assert others == []
