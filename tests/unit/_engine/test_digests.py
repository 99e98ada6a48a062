"""Digests: of a library and of its sources, to the byte; what they do not fit is refused."""

import hashlib
import sys
from pathlib import Path

import house
import numpy as np
import pytest

from hingemetrics._engine import digests

CONTENTS = [b"", b"\0", b"machine code", bytes(range(256)) * 20]


@pytest.fixture
def problem(tmp_path):
    """Write a library and what lies beside it; return what is wrong with them."""

    def written(content, beside):
        (tmp_path / "library").write_bytes(content)
        (tmp_path / "digests").write_bytes(beside)
        return digests.problem(str(tmp_path / "library"), str(tmp_path / "digests"))

    return written


def beside(content):
    return digests.written(content).encode()


@pytest.mark.parametrize("content", CONTENTS)
def test_what_was_made_here(problem, content):
    assert problem(content, beside(content)) is None


def test_the_digests_are_blake2b_in_two_lines():
    def digest(data):
        return hashlib.blake2b(data, digest_size=32).hexdigest()

    texts = [Path(digests.FOLDER, name).read_bytes() for name in digests.SOURCES]
    assert all(texts)
    library, sources = digests.written(b"code").splitlines()
    assert library == f"library {digest(b'code')}"
    assert sources == f"sources {digest(bytes(1).join(texts))}"


@pytest.mark.parametrize("content", CONTENTS)
def test_any_other_content(problem, content):
    """Changed anywhere, cut anywhere, or longer at either end."""
    right, rng = beside(content), np.random.default_rng(0)
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        assert problem(changed, right) == digests.DAMAGED, place
        assert problem(content[:place], right) == digests.DAMAGED, place
        assert problem(content[place + 1 :], right) == digests.DAMAGED, place
    for more in (b"\0", b"\n", content + b"\0"):
        assert problem(content + more, right) == digests.DAMAGED
        assert problem(more + content, right) == digests.DAMAGED


def test_any_other_digests(problem):
    """Of any byte changed, cut anywhere, of nothing, of too much, or of no text."""
    content = CONTENTS[-1]
    right = beside(content)
    known = {digests.DAMAGED, digests.OUTDATED, digests.UNREADABLE}
    for place in range(len(right) - 1):  # without its last line break it says as much
        changed = bytearray(right)
        changed[place] ^= 2
        assert problem(content, changed) in known, place
        assert problem(content, right[:place]) in known, place
    for wrong in (b"", right + b"more\n", right * 2, b"\xff" + right):
        assert problem(content, wrong) == digests.UNREADABLE
    lines = right.splitlines(keepends=True)
    assert problem(content, lines[1] + lines[0]) == digests.DAMAGED
    assert problem(content, beside(b"of another")) == digests.DAMAGED


def test_files_that_cannot_be_read(tmp_path):
    library, other = tmp_path / "library", tmp_path / "digests"
    assert digests.problem(str(library), str(other)) == digests.UNREADABLE
    library.write_bytes(b"code")
    assert digests.problem(str(library), str(other)) == digests.UNREADABLE
    assert digests.problem(str(library), str(tmp_path)) == digests.UNREADABLE
    other.write_text(digests.written(b"code"))
    assert digests.problem(str(library), str(other)) is None
    library.unlink()
    assert digests.problem(str(library), str(other)) == digests.UNREADABLE


@pytest.fixture
def read(monkeypatch):
    """Let sources be read by a function of their names."""
    loader = sys.modules[digests.__name__].__loader__
    before = loader.get_data

    def replace(text):
        monkeypatch.setattr(
            type(loader),
            "get_data",
            lambda self, path: text(Path(path).name, before),
            raising=False,
        )

    return replace


def test_all_that_machine_code_is_made_of_is_a_source():
    """What compiles, and what that imports of the engine."""
    found, new = set(), {"_engine.compiling"}
    while new:
        found |= new
        new = {m for name in new for m in house.GRAPH[name] if house.room(m) == "_engine"} - found
    assert {f"_engine.{name.removesuffix('.py')}" for name in digests.SOURCES} == found


@pytest.mark.parametrize("name", digests.SOURCES)
def test_any_source_counts(problem, read, name):
    """An edit of any of them makes another version."""
    right, texts = beside(b"code"), {}
    for source in digests.SOURCES:
        texts[source] = Path(digests.FOLDER, source).read_bytes() + b"#" * (source == name)
    read(lambda name, _: texts[name])
    assert problem(b"code", right) == digests.OUTDATED
    assert problem(b"code", beside(b"code")) is None
    assert problem(b"edoc", right) == digests.DAMAGED, "what is damaged is not to be rebuilt"


def test_the_end_of_a_source_is_not_the_beginning_of_the_next(read):
    read(lambda name, _: b"\n" + name.encode())
    before = digests.of_sources()
    first, second = digests.SOURCES[:2]
    moved = {first: f"\n{first}\n".encode(), second: second.encode()}
    read(lambda name, _: moved.get(name, b"\n" + name.encode()))
    assert digests.of_sources() != before


def test_without_sources_the_content_is_enough(problem, read):
    right = beside(b"code")

    def missing(name, _):
        if name == digests.SOURCES[-1]:
            raise OSError("no such file")
        return b""

    read(missing)
    assert digests.of_sources() is None
    assert problem(b"code", right) is None
    assert problem(b"edoc", right) == digests.DAMAGED


def test_digests_need_no_openssl(python):
    """NumPy 1 loads it by itself."""
    code = (
        "import sys, numpy; before = '_hashlib' in sys.modules;"
        "from hingemetrics._engine import digests; found = digests.written(b'code');"
        "print(found, ('_hashlib' in sys.modules) == before)"
    )
    run = python("-c", code)
    assert run.stdout == f"{digests.written(b'code')} True\n", run.stderr


@pytest.mark.parametrize("missing", ["_blake2", "hashlib"])
def test_a_python_with_one_of_the_two_modules(monkeypatch, missing):
    before = digests.written(b"code")
    monkeypatch.setitem(sys.modules, missing, None)
    assert digests.written(b"code") == before


def test_a_python_with_neither(monkeypatch):
    for name in ("_blake2", "hashlib"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="no BLAKE2b"):
        digests.written(b"code")
