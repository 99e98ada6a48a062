"""The library: found, identified, loaded; what its digest does not identify is never loaded.

What Numba compiles in a process is in test_numba.py.
"""

import compileall
import ctypes
import os
import shutil
import sys
import warnings
from pathlib import Path

import elf
import golden
import numpy as np
import pytest
from places import PACKAGE

import hingemetrics
from hingemetrics import hinge_loss
from hingemetrics._engine import backend as backends
from hingemetrics._engine import digests, machine_code, targets

FLOAT64 = np.dtype(float)
KEYS = machine_code.KEYS
ENTRIES = golden.number_of_entries()
LIBRARY = Path(machine_code.LIBRARY)
needs_library = pytest.mark.skipif(not LIBRARY.exists(), reason="no machine code came")


def forget():
    """Let this process look for machine code anew."""
    for function in ("in_library", "on_request", "_library", "_warn_once"):
        getattr(machine_code, function).cache_clear()


@pytest.fixture
def anew(set_backend, monkeypatch):
    """Nothing is loaded yet."""
    set_backend("auto")
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture
def library(anew, tmp_path, monkeypatch):
    """Write another library, with its digests or other ones; it is the one that came here."""
    path, beside = tmp_path / LIBRARY.name, tmp_path / Path(machine_code.DIGESTS).name
    monkeypatch.setattr(machine_code, "LIBRARY", str(path))
    monkeypatch.setattr(machine_code, "DIGESTS", str(beside))

    def write(content, written=None):
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        beside.write_bytes(digests.written(content).encode() if written is None else written)

    return write


@pytest.fixture
def shipped():
    return LIBRARY.read_bytes()


@pytest.fixture
def right(shipped):
    return digests.written(shipped).encode()


@pytest.fixture
def never_loaded(monkeypatch):
    def loads(*arguments, **options):
        pytest.fail(f"loaded {arguments}")

    monkeypatch.setattr(ctypes, "CDLL", loads)


def numpy_does_it(warning=None):
    """Assert that NumPy does the work, gives the bits, and that users are told why, or not."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert [backends.kernel(*key) for key in KEYS] == [None] * len(KEYS)
        assert hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]) == 0.3
        assert hinge_loss([[0.5, 1.0]], [0]) == 1.5
    told = [] if warning is None else [f"kernels.bin is not used: {warning}"]
    assert [str(warned.message) for warned in said] == told
    assert [warned.category for warned in said] == [RuntimeWarning] * len(told)
    library, problem = machine_code._library()
    assert library is None
    assert machine_code.origin() == f"none: {problem}"
    if warning is not None:
        assert problem == warning
    return problem


def corruptions(content, number):
    """Content with bytes changed, cut out, put in or swapped, at random."""
    rng = np.random.default_rng(len(content))
    for _ in range(number):
        at, length = (int(rng.integers(0, len(content))) for _ in range(2))
        some = rng.bytes(int(rng.integers(1, 9)))
        found = [
            content[:at] + bytes([content[at] ^ some[0] or 1]) + content[at + 1 :],
            content[:at] + some + content[at + len(some) :],
            content[:at] + content[at + len(some) :],
            content[:at] + some + content[at:],
            content[:at],
            content[at:] + content[:at],
            content[:at] + bytes(len(content) - at),
            content[:length],
        ][int(rng.integers(0, 8))]
        if found != content:
            yield found


@needs_library
@pytest.mark.usefixtures("anew")
class TestLibrary:
    def test_it_is_used_from_the_first_call(self):
        hinge_loss([0.5], [1])
        assert machine_code.origin() == f"kernels.bin, {targets.of_processor()[0]}"
        assert None not in [backends.kernel(*key) for key in KEYS]

    def test_a_copy_elsewhere(self, shipped, library):
        library(shipped)
        assert None not in [backends.kernel(*key) for key in KEYS]

    @pytest.mark.usefixtures("never_loaded")
    def test_damaged(self, shipped, right, library):
        """None of many is loaded, and NumPy does the work."""
        damaged = 0
        for content in corruptions(shipped, 300):
            library(content, right)
            machine_code._library.cache_clear()
            assert machine_code._library() == (None, digests.DAMAGED)
            damaged += 1
        numpy_does_it(digests.DAMAGED)
        assert damaged > 250

    @pytest.mark.usefixtures("never_loaded")
    def test_wrong_digests(self, shipped, right, library):
        for wrong in (b"", right[:-2], right[1:], right * 2, *corruptions(right.strip(), 100)):
            library(shipped, wrong)
            machine_code._library.cache_clear()
            assert machine_code._library()[0] is None
        library(shipped, b"")
        machine_code._library.cache_clear()
        numpy_does_it(digests.UNREADABLE)

    @pytest.mark.usefixtures("never_loaded")
    def test_of_other_sources(self, shipped, library, monkeypatch):
        with monkeypatch.context() as other:
            other.setattr(digests, "of_sources", lambda: "another digest")
            library(shipped)
        numpy_does_it(digests.OUTDATED)

    def test_where_no_sources_can_be_read(self, shipped, library, monkeypatch):
        """As in a frozen program: the content is identified all the same."""
        library(shipped)
        monkeypatch.setattr(digests, "of_sources", lambda: None)
        assert None not in [backends.kernel(*key) for key in KEYS]

    @pytest.mark.usefixtures("never_loaded")
    def test_without_its_digests(self, shipped, library):
        library(shipped)
        Path(machine_code.DIGESTS).unlink()
        numpy_does_it(digests.UNREADABLE)

    @pytest.mark.usefixtures("never_loaded")
    def test_no_library_is_no_damage(self, shipped, library):
        """With digests or without: there is nothing to warn of."""
        library(shipped)
        Path(machine_code.LIBRARY).unlink()
        assert numpy_does_it() == "the package was built without machine code"
        Path(machine_code.DIGESTS).unlink()
        forget()
        assert numpy_does_it() == "the package was built without machine code"

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="changes a file of ELF")
    @pytest.mark.parametrize("number", [183, 3, 243])
    def test_of_another_machine(self, shipped, library, number):
        """An aarch64, i386 or RISC-V library with the right digests: its loader refuses it."""
        library(shipped[: elf.MACHINE_AT] + bytes([number, 0]) + shipped[elf.MACHINE_AT + 2 :])
        assert numpy_does_it().startswith("it cannot be loaded: ")

    @pytest.mark.parametrize("content", [b"", b"MZ", b"\x7fELF", b"not a library" * 99])
    def test_of_no_format(self, library, content):
        library(content)
        assert numpy_does_it().startswith("it cannot be loaded: ")

    @pytest.mark.parametrize("found", [(), ("another",)])
    def test_of_no_target_that_this_processor_has(self, monkeypatch, found):
        monkeypatch.setattr(targets, "of_processor", lambda: found)
        assert numpy_does_it() == "it has no code for this processor"

    def test_of_fewer_targets(self, monkeypatch):
        """The best of those that the library has code for."""
        monkeypatch.setattr(
            targets, "of_processor", lambda: ("another", *targets.of_machine()[-1:])
        )
        assert machine_code.origin() == f"kernels.bin, {targets.of_machine()[-1]}"
        assert None not in [backends.kernel(*key) for key in KEYS]

    def test_that_no_code_may_be_mapped_from(self, monkeypatch):
        """As SELinux, or a file system mounted with noexec, has it."""

        def refuses(*arguments, **options):
            raise OSError("failed to map segment from shared object")

        monkeypatch.setattr(ctypes, "CDLL", refuses)
        said = "it cannot be loaded: failed to map segment from shared object"
        assert numpy_does_it() == said

    def test_arrays_that_are_laid_out_otherwise(self, monkeypatch):
        """As another Python might: it is noticed before anything is called."""
        monkeypatch.setattr(machine_code, "_is_layout_known", lambda: False)
        assert numpy_does_it() == "cpython does not lay out arrays as CPython does"

    def test_the_backend_numba_warns_too(self, shipped, library, set_backend, monkeypatch):
        """It compiles, which takes much longer than to load what is damaged."""
        library(shipped + b"\0", digests.written(shipped).encode())
        monkeypatch.setattr(machine_code, "_by_numba", lambda *key: len)
        with pytest.warns(RuntimeWarning, match="damaged") as said:
            found = (set_backend("numba"), *(backends.kernel(*key) for key in KEYS))
        assert (found, len(said)) == ((None, *[len] * len(KEYS)), 1)


DAMAGED = """
import sys
import hingemetrics
print(hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
metric = hingemetrics.HingeLoss()
metric.update([0.5], [1])
hingemetrics.warmup()
hingemetrics.show_config()
print(sorted({"numba", "llvmlite"} & set(sys.modules)))
"""


@needs_library
def test_a_damaged_package(python, bare_package, tmp_path):
    """One warning in a process, at the caller's line; the bits; and the reason in what it shows."""
    package = tmp_path / "hingemetrics"
    for path in bare_package.rglob("*.py"):
        copy = tmp_path / path.relative_to(bare_package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for path in (machine_code.LIBRARY, machine_code.DIGESTS):
        (package / "_engine" / Path(path).name).write_bytes(Path(path).read_bytes())
    os.truncate(package / "_engine" / LIBRARY.name, 4096)
    (tmp_path / "use.py").write_text(DAMAGED)
    run = python("-W", "always", tmp_path / "use.py", PYTHONPATH=str(tmp_path))
    value, *shown, loaded = run.stdout.splitlines()
    assert (value, loaded) == ("0.3", "[]")
    assert f"compiled kernels: none: {digests.DAMAGED}" in shown
    first, *rest = run.stderr.splitlines()
    said = f"kernels.bin is not used: {digests.DAMAGED}"
    assert first.endswith(f"use.py:4: RuntimeWarning: {said}")
    assert len(rest) == 1, "the line of the caller"


PYTHON_WITHOUT_SOURCES = """
import hingemetrics, golden
from hingemetrics._engine import digests, machine_code
assert hingemetrics.__file__.endswith(".pyc"), hingemetrics.__file__
print(digests.of_sources(), machine_code.origin(), golden.check())
"""


@needs_library
def test_a_package_without_sources(python, tmp_path):
    """With its bytecode alone, as frozen programs have it: the library is used."""
    package = tmp_path / "hingemetrics"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(package, quiet=1, legacy=True)
    for path in package.rglob("*.py"):
        path.unlink()
    tools = str(Path(golden.__file__).parent)
    path = os.pathsep.join([str(tmp_path), tools])
    run = python("-W", "error", "-c", PYTHON_WITHOUT_SOURCES, PYTHONPATH=path)
    wanted = f"None kernels.bin, {targets.of_processor()[0]} {ENTRIES}\n"
    assert (run.stdout, run.stderr) == (wanted, "")


ARRAYS = {
    "read-only": lambda a, _: np.frombuffer(a.tobytes(), a.dtype),
    "memory-mapped": lambda a, path: mapped(a, path),
    "a part": lambda a, _: np.concatenate([a[:7], a, a])[7 : 7 + len(a)],
    "strided": lambda a, _: np.repeat(a, 3)[::3],
    "backwards": lambda a, _: a[::-1].copy()[::-1],
    "misaligned": lambda a, _: misaligned(a),
    "a class of its own": lambda a, _: a.view(Own),
    "of no rows": lambda a, _: a[:0],
}


class Own(np.ndarray):
    """With a field more than NumPy's."""

    more = 3


def mapped(array, path):
    file = path / f"{len([*path.iterdir()])}.npy"
    np.save(file, array)
    return np.load(file, mmap_mode="r")


def misaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    room[1:] = array.view(np.uint8)
    return room[1:].view(array.dtype)


@needs_library
@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("dtype", machine_code.DTYPES, ids=str)
def test_arrays_of_any_kind(set_backend, tmp_path, kind, dtype):
    rng = np.random.default_rng(0)
    preds, target = rng.normal(size=600).astype(dtype), rng.integers(0, 2, 600)
    states, change = [], ARRAYS[kind]
    for tier in ("numpy", "auto"):
        set_backend(tier)
        metric = hingemetrics.HingeLoss()
        arrays = [change(array, tmp_path) for array in (preds, target, np.arange(600.0))]
        metric.update(*arrays[:2])
        metric.update(*arrays)
        states.append(metric.state.to_bytes())
    assert states[0] == states[1]


QUIET = """
import sys
import numpy as np

def hook(event, arguments):
    writes = event == "open" and not set("wax+").isdisjoint(arguments[1] or "")
    if writes or event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.mkdir"):
        raise SystemExit(f"{event}: {arguments}")

import hingemetrics as h
sys.addaudithook(hook)
h.warmup()
for shape in ((3,), (3_000_000,), (300_000, 4)):
    for mode in (None, "one-vs-all"):
        preds, target = np.full(shape, 0.5), np.ones(shape[0], int)
        h.hinge_loss(preds, target, multiclass_mode=mode)
        h.compare(preds, preds, target, multiclass_mode=mode)
h.hinge_loss_by(preds, target, target)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"numba", "llvmlite"}))
"""


@needs_library
@pytest.mark.parametrize("tier", ["auto", "numba"])
def test_with_the_library_nothing_is_compiled_nor_written(python, tier):
    """Nor is a process started, nor Numba imported, however much there is to do."""
    run = python("-B", "-c", QUIET, HINGEMETRICS_BACKEND=tier)
    assert (run.returncode, run.stdout, run.stderr) == (0, "[]\n", "")


def test_auto_never_compiles(bare):
    """The same where there is no library."""
    run = bare("-B", "-W", "error", "-c", QUIET)
    assert (run.returncode, run.stdout, run.stderr) == (0, "[]\n", "")


UNIMPORTABLE = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
import golden
import hingemetrics
from hingemetrics._engine import backend, machine_code
found = [backend.kernel(*key) for key in machine_code.KEYS]
hingemetrics.set_backend("numba")
hingemetrics.warmup()
print(None in found, golden.check())
"""


@needs_library
def test_without_a_compiler_at_full_speed(python):
    """Neither Numba nor llvmlite can be imported; kernels do all the work."""
    run = python("-c", UNIMPORTABLE)
    assert (run.stdout, run.stderr) == (f"False {ENTRIES}\n", "")


PYPY = """
import builtins, sys, types
before = builtins.getattr
builtins.getattr = lambda owner, name, *default: (
    default[0] if owner is object and name == "__basicsize__" else before(owner, name, *default)
)
import hingemetrics
from hingemetrics._engine import machine_code
builtins.getattr = before
assert machine_code._DATA == 0
machine_code.id = lambda _: 8  # no address, where nothing may be read
sys.implementation = types.SimpleNamespace(**{**vars(sys.implementation), "name": "pypy"})
print(hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
print(machine_code.origin())
hingemetrics.set_backend("numba")
hingemetrics.hinge_loss([0.5], [1])
"""


@needs_library
def test_a_python_that_lays_out_objects_otherwise(python):
    """Such as PyPy, where `object.__basicsize__` is missing."""
    run = python("-W", "error", "-c", PYPY)
    said = "none: pypy does not lay out arrays as CPython does"
    assert run.stdout.splitlines() == ["0.3", said], run.stderr
    wanted = "ImportError: the numba backend needs CPython's arrays, got pypy"
    assert run.stderr.splitlines()[-1] == wanted


def test_it_lies_beside_what_it_was_made_of():
    assert LIBRARY.parent == Path(digests.FOLDER) == PACKAGE / "_engine"
