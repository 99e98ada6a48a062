"""A file is what was sealed, to the byte and by name, or as good as not there."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from hingemetrics._engine import sealed

CONTENTS = [b"", b"\0", b"machine code", bytes(range(256)) * 20]
NAME = "kernel.o"


@pytest.fixture
def path(tmp_path):
    return tmp_path / NAME


@pytest.fixture
def other_key(monkeypatch):
    """Run something as another version of the sources would."""

    def run(call):
        with monkeypatch.context() as other:
            other.setattr(sealed, "_key", lambda: b"other sources")
            return call()

    return run


@pytest.mark.parametrize("content", CONTENTS)
def test_what_was_sealed_comes_back(path, content):
    path.write_bytes(sealed.sealed(NAME, content))
    assert sealed.unsealed(path) == content


def test_cut_anywhere(path):
    whole = sealed.sealed(NAME, CONTENTS[2])
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert sealed.unsealed(path) is None, length
        path.write_bytes(whole[length + 1 :])
        assert sealed.unsealed(path) is None, length


def test_longer(path):
    whole = sealed.sealed(NAME, CONTENTS[2])
    for more in (b"\0", whole[-32:], whole):
        path.write_bytes(whole + more)
        assert sealed.unsealed(path) is None
        path.write_bytes(more + whole)
        assert sealed.unsealed(path) is None


@pytest.mark.parametrize("content", CONTENTS)
def test_any_byte_changed(path, content):
    whole = sealed.sealed(NAME, content)
    rng = np.random.default_rng(len(whole))
    for place in {*range(0, len(whole), 97), *range(len(whole) - 33, len(whole))} - {-1}:
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        assert sealed.unsealed(path) is None, place


def test_another_name(path):
    path.with_name("other.o").write_bytes(sealed.sealed(NAME, b"code"))
    assert sealed.unsealed(path.with_name("other.o")) is None


def test_name_and_content_are_apart(path):
    """The end of a name is never taken for the beginning of a content."""
    assert sealed.seal("ab", b"c") != sealed.seal("a", b"bc")


def test_other_sources(path, other_key):
    path.write_bytes(other_key(lambda: sealed.sealed(NAME, b"code")))
    assert sealed.unsealed(path) is None
    assert other_key(lambda: sealed.unsealed(path)) == b"code"


def test_another_platform(path, monkeypatch):
    path.write_bytes(sealed.sealed(NAME, b"code"))
    sealed._key.cache_clear()
    monkeypatch.setattr(sys, "platform", "another")
    try:
        assert sealed.unsealed(path) is None
    finally:
        sealed._key.cache_clear()


@pytest.mark.parametrize("name", sealed.SOURCES)
def test_any_source_counts(monkeypatch, name):
    """An edit of any of them is another version."""
    key, source = sealed._key.__wrapped__(), sealed._source
    monkeypatch.setattr(sealed, "_source", lambda n: source(n) + b"#" * (n == name))
    assert sealed._key.__wrapped__() != key


def test_sources_are_read():
    for name in sealed.SOURCES:
        assert sealed._source(name) == Path(sealed.FOLDER, name).read_bytes() != b""


def test_nothing_there(path, tmp_path):
    assert sealed.unsealed(path) is None
    assert sealed.unsealed(tmp_path) is None
    assert sealed.unsealed(path / "deeper") is None
    assert not sealed.is_sealed(path, tmp_path / "seal")


@pytest.mark.parametrize("content", CONTENTS)
def test_a_seal_beside(path, tmp_path, content):
    seal = tmp_path / "seal"
    path.write_bytes(content)
    assert not sealed.is_sealed(path, seal)
    right = sealed.seal(NAME, content)
    seal.write_bytes(right)
    assert sealed.is_sealed(path, seal)
    for wrong in (b"", right[:-1], right + b"\0", right[::-1], sealed.seal("other", content)):
        seal.write_bytes(wrong)
        assert not sealed.is_sealed(path, seal)
    seal.write_bytes(right)
    path.write_bytes(content + b"\0")
    assert not sealed.is_sealed(path, seal)


@pytest.mark.parametrize("content", CONTENTS)
def test_what_was_stored_comes_back(tmp_path, content):
    """In folders that are made for it; a second time too, and nothing else is left there."""
    folder = tmp_path / "not" / "yet"
    for data in (b"before", content):
        sealed.store(folder, NAME, data)
        assert sealed.unsealed(folder / NAME) == data
    assert [path.name for path in folder.iterdir()] == [NAME]


@pytest.mark.parametrize("broken", ["replace", "write"])
def test_stored_whole_or_not_at_all(tmp_path, monkeypatch, broken):
    """What was there stays, and no part of what was to come."""
    sealed.store(tmp_path, NAME, b"before")

    def fails(*arguments):
        raise OSError("disk on fire")

    if broken == "replace":
        monkeypatch.setattr(os, "replace", fails)
    else:
        monkeypatch.setattr(sealed, "sealed", fails)
    sealed.store(tmp_path, NAME, b"after")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert sealed.unsealed(tmp_path / NAME) == b"before"


def test_written_beside_what_it_replaces(tmp_path, monkeypatch):
    """In the same file system, where to replace is one step."""
    replaced, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: replaced.append(paths) or replace(*paths))
    sealed.store(tmp_path, NAME, b"code")
    ((temporary, path),) = replaced
    assert os.path.dirname(temporary) == os.path.dirname(path) == str(tmp_path)


def test_nowhere_to_store(tmp_path):
    """Neither in a file nor below one."""
    (tmp_path / "file").write_bytes(b"taken")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        sealed.store(folder, NAME, b"code")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"taken"


def test_names_in_the_store(other_key):
    """Each version of the sources has its own."""
    names = {sealed.stored_name("a"), sealed.stored_name("b")}
    names |= {other_key(lambda: sealed.stored_name("a"))}
    assert len(names) == 3


def test_where_the_store_is(monkeypatch, tmp_path):
    """Where it is said to be, else in the cache of the user, else nowhere."""
    for name in ("HINGEMETRICS_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert sealed.store_folder() == str(tmp_path / ".cache" / "hingemetrics")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert sealed.store_folder() == str(tmp_path / "cache" / "hingemetrics")
    monkeypatch.setenv("HINGEMETRICS_CACHE_DIR", str(tmp_path / "chosen"))
    assert sealed.store_folder() == str(tmp_path / "chosen")
    monkeypatch.delenv("HINGEMETRICS_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sealed.os.path, "expanduser", lambda path: path)  # there is no home
    assert sealed.store_folder() is None


def test_digests_need_no_openssl(python):
    """NumPy 1 loads it by itself."""
    code = (
        "import sys, numpy; before = '_hashlib' in sys.modules;"
        "from hingemetrics._engine import sealed; found = sealed.seal('a', b'b').hex();"
        "print(found, ('_hashlib' in sys.modules) == before)"
    )
    run = python("-c", code)
    assert run.stdout == f"{sealed.seal('a', b'b').hex()} True\n", run.stderr


def test_digests_are_those_of_hashlib():
    import hashlib

    for content in CONTENTS:
        assert sealed._sha256(content) == hashlib.sha256(content).digest()
