"""Machine code: found, checked, loaded; what is not what was sealed is never loaded."""

import ctypes
import sys
from pathlib import Path

import elf
import golden
import numpy as np
import pytest
from places import PACKAGE

import hingemetrics
from hingemetrics import hinge_loss
from hingemetrics._engine import backend as backends
from hingemetrics._engine import levels, machine_code, sealed

FLOAT64 = np.dtype(float)
KEYS = machine_code.KEYS
ENTRIES = golden.number_of_entries()
needs_library = pytest.mark.skipif(
    machine_code.at_hand("binary", FLOAT64) is None, reason="no machine code came with the package"
)


def forget():
    """Let this process look for machine code anew."""
    for function in ("at_hand", "in_objects", "compiled", "_library"):
        getattr(machine_code, function).cache_clear()


@pytest.fixture
def anew(set_backend, monkeypatch):
    """Nothing is loaded yet nor stored, and there has been work enough to load it."""
    set_backend("auto")
    monkeypatch.setattr(sealed, "store_folder", lambda: None)
    monkeypatch.setattr(backends, "_work", backends.SWITCH_WORK)
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture
def library(anew, tmp_path, monkeypatch):
    """Write another library, with its seal or another one; it is the one that came here."""
    path, seal_path = tmp_path / Path(machine_code.LIBRARY).name, tmp_path / "seal"
    monkeypatch.setattr(machine_code, "LIBRARY", str(path))
    monkeypatch.setattr(machine_code, "LIBRARY_SEAL", str(seal_path))

    def write(content, seal=None):
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        seal_path.write_bytes(sealed.seal(path.name, content) if seal is None else seal)

    return write


@pytest.fixture
def shipped():
    return Path(machine_code.LIBRARY).read_bytes()


@pytest.fixture
def never_loaded(monkeypatch):
    def loads(*arguments, **options):
        pytest.fail(f"loaded {arguments}")

    monkeypatch.setattr(ctypes, "CDLL", loads)
    monkeypatch.setattr(machine_code, "_loaded", loads)


def numpy_does_it():
    """Whether NumPy does the work, and gives the bits."""
    assert [backends.kernel(*key) for key in KEYS] == [None] * len(KEYS)
    return hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]) == 0.3


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
    @pytest.mark.parametrize("level", levels.of_processor())
    def test_every_level_gives_the_bits(self, monkeypatch, level):
        monkeypatch.setattr(levels, "of_processor", lambda: (level,))
        assert None not in [backends.kernel(*key) for key in KEYS]
        assert golden.check() == ENTRIES

    def test_it_is_used_from_the_first_call(self, monkeypatch):
        monkeypatch.setattr(backends, "_work", 0)
        assert None not in [backends.kernel(*key) for key in KEYS]

    def test_a_copy_elsewhere(self, shipped, library):
        library(shipped)
        assert None not in [backends.kernel(*key) for key in KEYS]

    @pytest.mark.usefixtures("never_loaded")
    def test_damaged(self, shipped, library):
        """None of many is loaded, and NumPy does the work."""
        right, damaged = sealed.seal(Path(machine_code.LIBRARY).name, shipped), 0
        for content in corruptions(shipped, 300):
            library(content, right)
            machine_code._library.cache_clear()
            assert machine_code._library() is None
            damaged += 1
        assert numpy_does_it()
        assert damaged > 250

    @pytest.mark.usefixtures("never_loaded")
    def test_wrong_seals(self, shipped, library):
        right = sealed.seal(Path(machine_code.LIBRARY).name, shipped)
        for seal in (b"", right[:-1], right[1:], right * 2, *corruptions(right, 100)):
            library(shipped, seal)
            machine_code._library.cache_clear()
            assert machine_code._library() is None
        assert numpy_does_it()

    @pytest.mark.usefixtures("never_loaded")
    def test_of_other_sources(self, shipped, library, monkeypatch):
        with monkeypatch.context() as other:
            other.setattr(sealed, "_key", lambda: b"other sources")
            library(shipped)
        assert numpy_does_it()

    @pytest.mark.usefixtures("never_loaded")
    @pytest.mark.parametrize("missing", ["LIBRARY", "LIBRARY_SEAL"])
    def test_half_of_it(self, shipped, library, missing):
        library(shipped)
        Path(getattr(machine_code, missing)).unlink()
        assert numpy_does_it()

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="changes a file of ELF")
    @pytest.mark.parametrize("number", [183, 3, 243])
    def test_of_another_machine(self, shipped, library, number):
        """An aarch64, i386 or RISC-V library with all seals in order: its loader refuses it."""
        library(shipped[: elf.MACHINE_AT] + bytes([number, 0]) + shipped[elf.MACHINE_AT + 2 :])
        assert machine_code._library() is None
        assert numpy_does_it()

    def test_of_no_format(self, library):
        for content in (b"", b"MZ", b"\x7fELF", b"not a library" * 99):
            library(content)
            machine_code._library.cache_clear()
            assert machine_code._library() is None
        assert numpy_does_it()

    def test_of_no_level_that_this_processor_has(self, monkeypatch):
        monkeypatch.setattr(levels, "of_processor", tuple)
        assert numpy_does_it()
        monkeypatch.setattr(levels, "of_processor", lambda: ("another",))
        forget()
        assert numpy_does_it()

    def test_that_gives_wrong_sums(self, monkeypatch):
        for trial in ("gives_known_sums", "gives_known_moments", "gives_known_groups"):
            monkeypatch.setattr(machine_code, trial, lambda *arguments: False)
        assert numpy_does_it()

    def test_that_no_code_may_be_mapped_from(self, monkeypatch):
        """As SELinux, or a file system mounted with noexec, has it."""

        def refuses(*arguments, **options):
            raise OSError("failed to map segment from shared object")

        monkeypatch.setattr(ctypes, "CDLL", refuses)
        assert numpy_does_it()

    def test_arrays_that_are_laid_out_otherwise(self, monkeypatch):
        """As another Python might: it is noticed before anything is called."""
        monkeypatch.setattr(machine_code, "_is_layout_known", lambda: False)
        assert numpy_does_it()


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


MODULES = """
import sys
import numpy as np
import hingemetrics as h
for shape in ((3,), (3_000_000,), (300_000, 4)):
    for mode in (None, "one-vs-all"):
        h.hinge_loss(np.full(shape, 0.5), np.ones(shape[0], int), multiclass_mode=mode)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"numba", "llvmlite"}))
"""


@needs_library
@pytest.mark.parametrize("tier", ["auto", "numba"])
def test_no_compiler_is_imported(python, tier):
    run = python("-c", MODULES, HINGEMETRICS_BACKEND=tier)
    assert (run.stdout, run.stderr) == ("[]\n", "")


UNIMPORTABLE = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
import golden
import hingemetrics
from hingemetrics._engine import backend, machine_code
found = [backend.kernel(f, d) for f in machine_code.FORMS for d in machine_code.DTYPES]
hingemetrics.set_backend("numba")
hingemetrics.warmup()
print(None in found, golden.check())
"""


@needs_library
def test_without_a_compiler_at_full_speed(python):
    """Neither Numba nor llvmlite can be imported; kernels do all the work."""
    run = python("-c", UNIMPORTABLE)
    assert (run.stdout, run.stderr) == (f"False {ENTRIES}\n", "")


WARM = """
import hingemetrics
from hingemetrics._engine import machine_code
hingemetrics.warmup()
form, dtype = machine_code.FORMS[0], machine_code.DTYPES[0]
print(machine_code.compiled(form, dtype) is machine_code.compiled(form, dtype))
"""


@pytest.fixture(scope="module")
def content():
    """A compiled kernel."""
    level = levels.of_processor()[0]
    symbol = levels.symbol("binary", FLOAT64, level)
    return machine_code._compiled_object("binary", FLOAT64, level, symbol)


@pytest.mark.slow
class TestObjects:
    """Compiled in a process of their own, stored, and loaded by llvmlite."""

    @pytest.fixture
    def folder(self, anew, tmp_path, monkeypatch):
        """Where objects are stored, for this process too."""
        monkeypatch.setattr(sealed, "store_folder", lambda: tmp_path)
        return tmp_path

    @pytest.fixture
    def name(self):
        symbol = levels.symbol("binary", FLOAT64, levels.of_processor()[0])
        return sealed.stored_name(symbol)

    @pytest.fixture
    def objects_alone(self, folder, monkeypatch):
        monkeypatch.setattr(machine_code, "LIBRARY", str(folder / "none"))

    @pytest.mark.usefixtures("objects_alone")
    def test_one_is_loaded_after_some_work(self, folder, name, content, monkeypatch):
        sealed.store(folder, name, content)
        monkeypatch.setattr(backends, "_work", 0)
        assert numpy_does_it()
        monkeypatch.setattr(backends, "_work", backends.SWITCH_WORK)
        assert backends.kernel("binary", FLOAT64) is not None
        assert backends.kernel("binary", np.dtype("f4")) is None
        assert hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]) == 0.3

    @pytest.mark.usefixtures("objects_alone", "never_loaded")
    def test_damaged(self, folder, name, content):
        """None of many is loaded."""
        whole, count = sealed.sealed(name, content), 0
        for damaged in corruptions(whole, 2000):
            (folder / name).write_bytes(damaged)
            machine_code.in_objects.cache_clear()
            assert backends.kernel("binary", FLOAT64) is None
            count += 1
        assert hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]) == 0.3
        assert count > 1700

    @pytest.mark.usefixtures("objects_alone", "never_loaded")
    def test_of_another_kernel(self, folder, name, content):
        """Renamed, it is not what was sealed."""
        (folder / name).write_bytes(sealed.sealed(f"other-{name}", content))
        assert backends.kernel("binary", FLOAT64) is None

    @pytest.mark.usefixtures("objects_alone", "never_loaded")
    def test_of_other_sources(self, folder, name, content, monkeypatch):
        with monkeypatch.context() as other:
            other.setattr(sealed, "_key", lambda: b"other sources")
            sealed.store(folder, name, content)
        assert backends.kernel("binary", FLOAT64) is None

    @pytest.mark.usefixtures("objects_alone")
    def test_without_what_loads_it(self, folder, name, content, monkeypatch):
        sealed.store(folder, name, content)
        monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
        assert numpy_does_it()

    def test_compiled_once(self, bare, tmp_path):
        """The first process stores what the second one loads; all is sealed and whole."""
        for _ in range(2):
            run = bare("-c", WARM, HINGEMETRICS_CACHE_DIR=str(tmp_path))
            assert (run.stdout, run.stderr) == ("True\n", "")
            files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
            assert len(files) == len(KEYS)
            assert all(sealed.unsealed(path) for path in files)
        no_numba = "import sys; sys.modules['numba'] = None\n"
        run = bare("-c", no_numba + WARM, HINGEMETRICS_CACHE_DIR=str(tmp_path), PATH="")
        assert (run.stdout, run.stderr) == ("True\n", "")
        assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    def test_beside_the_sources(self, bare, tmp_path, content):
        """As a build without a linker ships them."""
        code = """
import sys, golden, hingemetrics
from pathlib import Path
from hingemetrics._engine import machine_code, sealed
name = sys.argv[2]
sealed.FOLDER = sys.argv[1]
content = Path(sealed.FOLDER, "content").read_bytes()
Path(sealed.FOLDER, name).write_bytes(sealed.sealed(name, content))
found = machine_code.in_objects("binary", machine_code.DTYPES[1])
print(found is not None and found is machine_code.compiled("binary", machine_code.DTYPES[1]))
"""
        (tmp_path / "content").write_bytes(content)
        symbol = levels.symbol("binary", FLOAT64, levels.of_processor()[0])
        run = bare("-c", code, tmp_path, f"{symbol}.o", HINGEMETRICS_CACHE_DIR="/nonexistent")
        assert (run.stdout, run.stderr) == ("True\n", "")


def test_auto_never_compiles(bare, tmp_path):
    """However much there is to do."""
    code = "import subprocess, sys\nsubprocess.Popen = lambda *a, **k: sys.exit('compiles')\n"
    run = bare("-c", code + MODULES, HINGEMETRICS_CACHE_DIR=str(tmp_path))
    assert (run.stdout, run.stderr) == ("[]\n", "")
    assert not any(tmp_path.iterdir())


def test_a_compiler_that_fails(bare, tmp_path):
    """An error of one line that says what; and nothing is stored."""
    (tmp_path / "numba.py").write_text("raise OSError('out of order')")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code = f"{path}import hingemetrics as h; h.set_backend('numba'); h.hinge_loss([0.5], [1])"
    run = bare("-c", code, HINGEMETRICS_CACHE_DIR=str(tmp_path / "store"))
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last == (
        "ImportError: the numba backend needs a working Numba, got OSError: out of order"
    )
    assert not (tmp_path / "store").exists()


def test_processors_that_nothing_is_made_for(bare, tmp_path):
    code = """
import hingemetrics as h
from hingemetrics._engine import levels
levels.of_processor = tuple
print(h.hinge_loss([0.5], [1]))
h.set_backend("numba")
h.hinge_loss([0.5], [1])
"""
    run = bare("-c", code, HINGEMETRICS_CACHE_DIR=str(tmp_path))
    assert run.stdout == "0.5\n"
    assert "ImportError: the numba backend makes no machine code for this" in run.stderr


def test_it_lies_beside_what_it_was_made_of():
    assert Path(machine_code.LIBRARY).parent == Path(sealed.FOLDER) == PACKAGE / "_engine"
