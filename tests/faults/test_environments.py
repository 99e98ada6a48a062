"""Wherever a process runs, whatever it lacks: the bits are those of golden.json, or it says why.

What damaged or foreign machine code does is in test_machine_code.py, what a blocked Numba does in
test_backend.py. Here are users without a name, full disks, closed streams, small limits, and files
of strangers (SECURITY.md).
"""

import compileall
import functools
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import make_golden
import numpy as np
import pytest
from command import refused
from places import PACKAGE, TOOLS

import hingemetrics
from hingemetrics._engine import machine_code

if sys.platform == "win32":
    pytest.skip("asks for the users, limits and shell of POSIX", allow_module_level=True)

MORE = pytest.mark.more
NOBODY = 12345  # in no list of users
PROBE = """
import json
from pathlib import Path
import make_golden
import numpy as np
from hingemetrics import HingeLoss

CASES = json.loads(Path(__file__).with_name("cases.json").read_text())

def states(cases=CASES):
    for case in cases:
        preds, target, weight = make_golden.inputs(case)
        metric = HingeLoss(case["squared"], case["mode"], ignore_index=case["ignore_index"])
        metric.update(np.array(preds, case["dtype"]), target, weight)
        yield make_golden.written_state(metric.state.to_bytes())

def main(path=None):
    text = json.dumps(list(states()))
    print(text) if path is None else Path(path).write_text(text)
"""
MAIN = "import probe; probe.main()"
BINARY = "import json, probe; print(json.dumps(list(probe.states(probe.CASES[:1]))))"


@functools.cache
def cases():
    """Golden cases of float64: a binary, a Crammer-Singer and two one-vs-all ones."""
    golden = json.loads(make_golden.FILE.read_text("utf-8"))["cases"]
    fitting = [c for c in golden if c["dtype"] == "float64" and 40 <= c["rows"] <= 257]
    found = {(c["classes"], c["mode"] if c["classes"] > 1 else ""): c for c in fitting}
    forms = [(1, ""), (12, "crammer-singer"), (12, "one-vs-all"), (64, "one-vs-all")]
    return [found[form] for form in forms]


@pytest.fixture(scope="module")
def room():
    """A folder that every user can read, with the package, the probe and two files to measure."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(PACKAGE, folder / "hingemetrics", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("make_golden.py", "oracle.py"):
        shutil.copy(TOOLS / name, folder)
    (folder / "probe.py").write_text(PROBE)
    (folder / "cases.json").write_text(json.dumps(cases()))
    np.save(folder / "preds.npy", [-2.2, 2.4, 0.1])
    np.save(folder / "target.npy", [0, 1, 1])
    compileall.compile_dir(folder, quiet=1)  # once, for nobody may write there later
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def run(room):
    """Run Python where only the room is known, after a line of shell, maybe as another user.

    That one may read what it likes, for the interpreter may be in root's home, but not write.
    """
    setpriv = [
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
        "--bounding-set=-all,+dac_read_search",
    ]

    def run(*arguments, shell=":", stranger=False, backend="numpy", **environment):
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        given = {"HINGEMETRICS_BACKEND": backend, "PYTHONPATH": str(room)}
        environment = inherited | given | {"PYTHONDONTWRITEBYTECODE": "1"} | environment
        other = stranger and os.geteuid() == 0
        if other and shutil.which("setpriv") is None:
            pytest.skip("root needs setpriv to run a program as somebody else")
        command = ["sh", "-c", f'{shell}; exec "$0" "$@"', sys.executable, *map(str, arguments)]
        return subprocess.run(
            [*setpriv, *command] if other else command,
            env={k: v for k, v in environment.items() if v is not None},
            cwd=room,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def folder():
    """A folder that every user can write to."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o777)
        yield Path(path)


def right(run):
    """Assert that a probe found the golden states and said nothing else."""
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == [case["state"] for case in cases()]


FILES = ("-m", "hingemetrics", "preds.npy", "target.npy")


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, marks=MORE),
        pytest.param({"HOME": None}, marks=MORE),
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
        pytest.param({"PYTHONHASHSEED": "0"}, marks=MORE),
        pytest.param({"PYTHONHASHSEED": "4294967295"}, marks=MORE),
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        pytest.param({"LC_ALL": "nothing-of-the-kind"}, marks=MORE),
        pytest.param({"PYTHONIOENCODING": "ascii"}, marks=MORE),
        pytest.param({"PYTHONOPTIMIZE": "2"}, marks=MORE),
        pytest.param({"PYTHONMALLOC": "debug"}, marks=MORE),
        pytest.param({"TZ": "nowhere", "TERM": "unknown", "COLUMNS": "0"}, marks=MORE),
    ],
    ids=lambda environment: "-".join(map(str, environment)) or "plain",
)
def test_variables(run, environment):
    right(run("-c", MAIN, **environment))
    loss = run(*FILES, **environment)
    assert (loss.stdout, loss.stderr, loss.returncode) == ("0.3\n", "", 0)


def test_a_stranger_with_nothing(run):
    """No name, no home, nothing to write to but the folder for temporary files."""
    code = "import os, pwd; print(os.getuid() in [user.pw_uid for user in pwd.getpwall()])\n"
    if os.geteuid() == 0:
        assert run("-c", code, stranger=True).stdout == "False\n"
        assert run("-c", "open('probe.py', 'a')", stranger=True).returncode == 1
    right(run("-c", MAIN, stranger=True, HOME=None))
    loss = run(*FILES, "--state-out", "state", stranger=True, HOME=None)
    refused(loss, "state", "denied")


@pytest.mark.parametrize("backend", ["auto", "numba"])
def test_a_stranger_has_the_library(run, room, backend):
    """A read-only package and no home: no trace, and no wait."""
    if not Path(machine_code.LIBRARY).exists():
        pytest.skip("no machine code came with the package")
    before = sorted(room.rglob("*"))
    right(run("-c", NO_COMPILER + MAIN, stranger=True, backend=backend, HOME=None))
    assert sorted(room.rglob("*")) == before


NO_COMPILER = "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
COMPILED = """
from hingemetrics._engine import machine_code
machine_code.LIBRARY = "/nonexistent"
print(machine_code.on_request(machine_code.GROUPS, machine_code.DTYPES[1]) is not None)
"""


@pytest.mark.slow
def test_a_stranger_compiles(run, room):
    """Without the library and a home: the kernel, and no trace."""
    before = sorted(room.rglob("*"))
    found = run("-c", COMPILED, stranger=True, XDG_CACHE_HOME=None, HOME=None)
    assert (found.returncode, found.stdout, found.stderr) == (0, "True\n", "")
    assert sorted(room.rglob("*")) == before


@pytest.mark.skipif(not Path(machine_code.LIBRARY).exists(), reason="no machine code came")
@pytest.mark.parametrize("variable", ["LD_BIND_NOW", "LD_DYNAMIC_WEAK"])
def test_a_loader_that_was_told_otherwise(run, variable):
    right(run("-c", NO_COMPILER + MAIN, backend="numba", **{variable: "1"}))


@pytest.fixture
def full(folder):
    """A file system without room for anything."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=20", "tmpfs", folder], check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        (folder / "filler").write_bytes(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_file_system(run, full):
    """A state is written whole or not at all, and what was there stays."""
    (full / "old").symlink_to("filler")
    for name in ("new", "filler", "old"):
        refused(run(*FILES, "--state-out", full / name), "No space left on device")
    assert sorted(path.name for path in full.iterdir()) == ["filler", "old"]
    assert (full / "filler").read_bytes() == bytes(4096)


STREAMS = [*(pytest.param(s, marks=MORE) for s in ("<&-", ">&-", "2>&-")), "<&- >&- 2>&-"]


@pytest.mark.parametrize("streams", STREAMS)
def test_closed_streams(run, folder, streams):
    found = folder / "found"
    code = f"import probe; probe.main({str(found)!r})"
    assert run("-c", code, shell=f"exec {streams}").returncode == 0
    assert json.loads(found.read_text()) == [case["state"] for case in cases()]


@pytest.mark.parametrize("streams", STREAMS)
def test_command_with_closed_streams(run, streams):
    """The status says what it always says; the result is printed if there is anywhere to."""
    above = "" if "2>&-" in streams else "hingemetrics: loss 0.3 is above 0.1\n"
    for limit, status, said in (("0.5", 0, ""), ("0.1", 1, above)):
        loss = run(*FILES, "--fail-above", limit, shell=f"exec {streams}")
        assert (loss.returncode, loss.stderr) == (status, said)
        assert loss.stdout == ("" if ">&-" in streams.replace("2>&-", "") else "0.3\n")
    wrong = run("-m", "hingemetrics", "nothing.npy", "target.npy", shell=f"exec {streams}")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_no_standard_input_to_read(run):
    refused(run("-m", "hingemetrics", "-", "target.npy", shell="exec <&-"), "standard input")


@MORE
def test_a_folder_that_is_gone(run, room, folder):
    gone = f"mkdir {folder}/gone && cd {folder}/gone && rmdir {folder}/gone"
    if run("-c", "import numpy", shell=gone).returncode:
        pytest.skip("this Python cannot import NumPy from a folder that is gone")
    right(run("-c", MAIN, shell=gone))
    command = ("-m", "hingemetrics", room / "preds.npy", room / "target.npy")
    loss = run(*command, shell=gone)
    assert (loss.stdout, loss.stderr) == ("0.3\n", "")
    refused(run(*command, "--state-out", "state", shell=gone), "No such file")


def test_no_folder_for_temporary_files(run, folder):
    """An array in Fortran order is unpacked to one."""
    preds = np.asfortranarray(np.arange(12.0).reshape(4, 3))
    np.savez_compressed(folder / "data.npz", preds=preds, y=[0, 1, 2, 0])
    command = ("-m", "hingemetrics", folder / "data.npz", "--preds", "preds", "--target", "y")
    nowhere = run(*command, TMPDIR="/nonexistent")
    assert float(nowhere.stdout) == hingemetrics.hinge_loss(preds, [0, 1, 2, 0])


@pytest.mark.parametrize("locale", ["C", pytest.param("C.UTF-8", marks=MORE)])
def test_names_that_no_locale_knows(run, folder, locale):
    """Whatever bytes a file's name has, it is read, or the message can be written."""
    name = os.fsencode(folder) + b"/\xff\xc3\xa9.npy"
    with open(name, "wb") as file:
        np.save(file, [0, 1, 1])
    options = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    path = os.fsdecode(name)
    refused(run("-m", "hingemetrics", path, "none.npy", **options), "none.npy", "No such file")
    missing = path.replace(".npy", "?.npy")
    refused(run("-m", "hingemetrics", missing, path, **options), "No such file")
    loss = run("-m", "hingemetrics", "preds.npy", path, **options)
    assert (loss.stdout, loss.stderr) == ("0.3\n", "")
    assert run("-m", "hingemetrics", "--help", **options).returncode == 0


SURFACE = """
import importlib, io, pickle, pkgutil, sys, tempfile
import numpy as np
import hingemetrics as h
missing = []
for module in pkgutil.walk_packages(h.__path__, "hingemetrics.", onerror=missing.append):
    if module.name != "hingemetrics.__main__":
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            missing.append(error.name)
assert "hingemetrics" not in {str(name).partition(".")[0] for name in missing}, missing
h.set_num_threads(2)
h.set_backend("numpy")
preds, target = np.array([[0.5, 1.0, 2.0], [0.0, -1.0, 3.0]]), np.array([2, 0])
for mode in h.MulticlassMode:
    metric = h.HingeLoss(True, mode, ignore_index=-1)
    metric(preds, target, [1.0, 2.0])
    metric.update(preds, target)
    other = pickle.loads(pickle.dumps(metric.clone()))
    other.merge_state(metric)
    other.merge_state(metric.state)
    other.load_state_dict(metric.state_dict())
    other.compute(), other.sync(), repr(other), other.reset(), metric.state_dict()
    state = h.HingeState.from_bytes(metric.state.to_bytes())
    assert (state + state) - state == state
    state.value("sum"), state.as_fraction(), repr(state), hash(state)
    for reduction in ("mean", "sum", "none"):
        h.hinge_loss(preds, target, multiclass_mode=mode, reduction=reduction)
assert (h.get_backend(), h.get_num_threads(), bool(h.__version__)) == ("numpy", 2, True)
"""


def test_no_warnings_and_nothing_left_open(run):
    """Every module and every public name, where any warning is an error."""
    used = run("-X", "dev", "-W", "error", "-c", SURFACE)
    assert (used.returncode, used.stderr) == (0, "")
    loss = run("-X", "dev", "-W", "error", *FILES, "--worst", "2", "--per-class", "--json")
    assert (loss.returncode, loss.stderr) == (0, "")
    assert json.loads(loss.stdout)["value"] == 0.3


MEMORY = """
import resource
import numpy as np
import hingemetrics as h
many = 1 << 24
preds, target = np.broadcast_to(np.float64(0.5), many), np.broadcast_to(np.int64(1), many)
metric = h.HingeLoss()
metric.update(preds[:9000], target[:9000])
before = metric.state.to_bytes(), metric.update_count
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20),) * 2)
for ask in (
    lambda: h.hinge_loss(preds, target, reduction="none"),
    lambda: metric.update(preds, target, [1.0] * many),
):
    try:
        ask()
    except MemoryError:
        print("MemoryError")
    assert before == (metric.state.to_bytes(), metric.update_count)
metric.update(preds, target)
print(metric.compute(), metric.state.count - many)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for its memory")
def test_little_memory(run):
    """What does not fit raises and changes nothing; sums need next to none."""
    used = run("-c", MEMORY)
    assert (used.stdout, used.stderr) == ("MemoryError\nMemoryError\n0.5 9000\n", "")


THREADS = """
import json, resource, threading
import probe
import hingemetrics as h
from hingemetrics._engine import measure
measure._THREAD_ELEMENTS = 20
wanted = list(probe.states())
h.set_num_threads(4)
resource.setrlimit(resource.RLIMIT_NPROC, (%s, %s))
metric = h.HingeLoss()
metric.update([0.5], [1])
metric.update([0.5] * 1000, [1] * 1000)
assert metric.state.count == 1001
probe.main()
"""


@pytest.mark.parametrize("more", [*(pytest.param(n, marks=MORE) for n in (0, 1)), 2])
def test_few_threads(run, more):
    """Where no thread can be started, a call does without."""
    if os.geteuid() == 0:  # the limit counts all processes of a user, and nobody else is NOBODY
        right(run("-c", THREADS % (1 + more, 1 + more), stranger=True))
    else:
        right(run("-c", THREADS % (1, 1)))


NO_FILES = """
import resource, sys
import probe
if "loaded" in sys.argv:
    list(probe.states())
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
probe.main()
"""


def test_no_more_files(run):
    """What is loaded needs none, and where nothing can be loaded NumPy goes on."""
    right(run("-c", NO_FILES, "loaded", backend="auto"))
    right(run("-W", "ignore", "-c", NO_FILES, backend="auto"))  # it says that it cannot read


class TestStrangersFiles:
    """What SECURITY.md promises of files: at worst they are refused, and nothing in them runs."""

    @pytest.fixture
    def bomb(self, folder):
        """An object whose unpickling would leave a trace."""
        trace = folder / "trace"

        class Bomb:
            def __reduce__(self):
                return Path.touch, (trace,)

        yield Bomb()
        assert not trace.exists()

    def test_the_bomb_goes_off(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return Path.touch, (tmp_path / "trace",)

        pickle.loads(pickle.dumps(Bomb()))
        assert (tmp_path / "trace").exists()

    def test_npy(self, run, folder, bomb):
        np.save(folder / "preds.npy", np.array([bomb, bomb, bomb]), allow_pickle=True)
        refused(run("-m", "hingemetrics", folder / "preds.npy", "target.npy"), "preds.npy")
        refused(run("-m", "hingemetrics", "preds.npy", folder / "preds.npy"), "preds.npy")

    def test_npz(self, run, folder, bomb):
        np.savez(folder / "data.npz", preds=np.array([bomb] * 3), y=[0, 1, 1])
        command = ("-m", "hingemetrics", folder / "data.npz", "--preds", "preds", "--target", "y")
        refused(run(*command), "data.npz", "real numbers")

    def test_npz_with_a_bare_pickle(self, run, folder, bomb):
        with zipfile.ZipFile(folder / "data.npz", "w") as archive:
            archive.writestr("preds.npy", pickle.dumps(bomb))
            archive.writestr("y.npy", pickle.dumps(bomb))
        command = ("-m", "hingemetrics", folder / "data.npz", "--preds", "preds", "--target", "y")
        refused(run(*command), "data.npz")

    @pytest.mark.parametrize(
        "ending",
        [
            "npz",
            "csv",
            "parquet",
            *(pytest.param(e, marks=MORE) for e in ("npy", "arrow", "state")),
        ],
    )
    def test_pickle_by_any_name(self, run, folder, bomb, ending):
        path = folder / f"data.{ending}"
        path.write_bytes(pickle.dumps(bomb))
        refused(run("-m", "hingemetrics", path, "target.npy"), path.name)
        refused(run("-m", "hingemetrics", "--merge", path), path.name, "something else")

    def test_state(self, bomb):
        with pytest.raises(ValueError, match="something else"):
            hingemetrics.HingeState.from_bytes(pickle.dumps(bomb))
        metric = hingemetrics.HingeLoss()
        state = metric.state_dict() | {"state": pickle.dumps(bomb).hex()}
        with pytest.raises(ValueError, match="something else"):
            metric.load_state_dict(state)
