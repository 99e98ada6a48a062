"""The command as a process of its own: its streams, signals, environment, modules and memory."""

import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow
import pyarrow.csv
import pytest
from cases import forms
from command import PREDS, TARGET, printed, refused
from oracle import expected
from pyarrow import feather, parquet

import hingemetrics
from hingemetrics.cli import main, run

# The command with another standard output: a file, or a pipe whose reader has gone.
ELSEWHERE = """
import os, runpy, sys
if name := sys.argv.pop(1):
    os.dup2(os.open(name, os.O_WRONLY), 1)
else:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
"""


class TestStandardOutput:
    @pytest.fixture
    def files(self, tmp_path):
        """One loss for each of 3000 classes."""
        files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
        np.save(files[0], np.random.default_rng(0).normal(size=(4, 3000)))
        np.save(files[1], np.arange(4))
        return [*files, "--multiclass-mode", "one-vs-all"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    @pytest.mark.parametrize("option", [[], ["--json"], ["--fail-above", "0"]])
    def test_full_disk(self, python, files, option):
        refused(python("-c", ELSEWHERE, "/dev/full", *files, *option), "standard output")

    @pytest.mark.parametrize("option", [[], ["--json"]])
    def test_a_reader_that_has_gone(self, python, files, option):
        run = python("-c", ELSEWHERE, "", *files, *option)
        assert (run.returncode, run.stderr) == (0, "")

    def test_a_host_keeps_its_output(self, python, files):
        """Called in a process, the command takes nothing away that is not its own."""
        code = "import os, sys; from hingemetrics.cli import main\n"
        code += "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
        code += "try: main(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
        code += "assert os.readlink('/proc/self/fd/1') == '/dev/full'; os._exit(code)"
        refused(python("-c", code, *files), "standard output: No space left on device")

    def test_a_reader_that_has_gone_hides_no_failure(self, python, files):
        run = python("-c", ELSEWHERE, "", *files, "--fail-above", "0")
        assert run.returncode == 1
        assert re.fullmatch(r"hingemetrics: loss \S+ of class \d+ is above 0; .*\n", run.stderr)


# The command with another standard error, or with no standard input.
MUTE = """
import os, runpy, sys
if name := sys.argv.pop(1):
    os.dup2(os.open(name, os.O_WRONLY), 2)
else:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 2)
runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
"""
DEAF = """
import os, runpy
os.close(0)
runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
"""


class TestStandardError:
    @pytest.mark.parametrize("name", ["/dev/full", ""])
    def test_what_it_cannot_take_changes_no_status(self, python, tmp_path, name):
        """Neither 1, which is the gate's, nor what Python makes of a stream it cannot flush."""
        np.save(tmp_path / "preds.npy", PREDS)
        np.save(tmp_path / "target.npy", TARGET)
        files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
        for arguments, status in (
            ([*files, "--fail-above", "0.2"], 1),
            ([*files, "--cubed"], 2),
            ([files[0], tmp_path / "none.npy"], 2),
        ):
            run = python("-c", MUTE, name, *arguments)
            assert (run.returncode, run.stderr) == (status, "")
        np.save(files[0], [])
        np.save(files[1], [])
        assert python("-c", MUTE, name, *files).returncode == 0  # and a warning


def test_no_standard_input(python, tmp_path):
    (tmp_path / "a.state").write_bytes(b"before")
    options = ["--preds", "0", "--target", "1"]
    for out in ([], ["--state-out", tmp_path / "a.state"]):
        refused(python("-c", DEAF, "-", *options, *out), "standard input: ")


BLOCKED = """
import runpy, sys
sys.modules["numba"] = None
runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
"""


def test_numba_is_wanted_and_not_there(python, tmp_path):
    np.save(tmp_path / "preds.npy", PREDS)
    np.save(tmp_path / "target.npy", TARGET)
    files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
    refused(python("-c", BLOCKED, *files, HINGEMETRICS_BACKEND="numba"), "numba")
    assert python("-c", BLOCKED, *files).stdout == f"{expected(PREDS, TARGET)!r}\n"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HINGEMETRICS_BACKEND", "foo"), *(("HINGEMETRICS_NUM_THREADS", n) for n in ("0", "two"))],
)
def test_a_wrong_environment(python, tmp_path, variable, value):
    np.save(tmp_path / "preds.npy", PREDS)
    np.save(tmp_path / "target.npy", TARGET)
    files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
    refused(python("-m", "hingemetrics", *files, **{variable: value}), variable, value)
    assert python("-m", "hingemetrics", "--version", **{variable: value}).returncode == 0


INTERRUPTED = """
import signal, sys
from hingemetrics import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
cli.run.blocks = lambda *_, **__: signal.raise_signal(signal.SIGINT)
sys.exit(cli.main())
"""


class TestInterrupt:
    def test_the_command_dies_by_it(self, python):
        run = python("-c", INTERRUPTED, "a.csv", "b.csv")
        assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, "", "")

    @pytest.mark.parametrize("given", [True, False])
    def test_main_passes_it_on(self, monkeypatch, given):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(run, "blocks", interrupted)
        monkeypatch.setattr(sys, "argv", ["hingemetrics", "a.csv", "b.csv"])
        monkeypatch.setattr(sys, "excepthook", before := sys.excepthook)
        with pytest.raises(KeyboardInterrupt):
            main(["a.csv", "b.csv"] if given else None)
        assert (sys.excepthook is before) == given


class Bar:
    """Stands for tqdm."""

    made = ()

    def __init__(self, **options):
        Bar.made = (*Bar.made, self)
        self.options, self.rows, self.open = options, 0, True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False

    def update(self, rows):
        self.rows += rows


class TestProgress:
    @pytest.fixture(autouse=True)
    def tqdm(self, monkeypatch):
        monkeypatch.setattr(Bar, "made", ())
        module = ModuleType("tqdm")
        module.tqdm = Bar
        monkeypatch.setitem(sys.modules, "tqdm", module)

    @pytest.fixture
    def terminal(self, monkeypatch):
        """Called inside a test, where standard error is the one that the command will see."""
        return lambda: monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    @pytest.mark.usefixtures("small_blocks")
    def test_on_a_terminal(self, terminal, table, command, tmp_path):
        terminal()
        case = forms(60)[0]
        assert printed(table(case)) == case.expected()
        np.save(tmp_path / "p.npy", case.preds)
        np.save(tmp_path / "t.npy", case.target)
        assert printed(command(tmp_path / "p.npy", tmp_path / "t.npy")) == case.expected()
        assert [bar.options["total"] for bar in Bar.made] == [None, 60]
        assert [(bar.rows, bar.open) for bar in Bar.made] == [(60, False)] * 2
        assert all(bar.options["delay"] == 1 for bar in Bar.made)

    @pytest.mark.usefixtures("small_blocks")
    def test_it_is_gone_before_an_error(self, terminal, table):
        terminal()
        case = forms(60)[0]
        refused(table(replace(case, target=case.target + 1)), "target")
        assert [bar.open for bar in Bar.made] == [False]

    def test_not_on_a_terminal(self, table):
        case = forms(60)[0]
        assert printed(table(case)) == case.expected()
        assert Bar.made == ()

    def test_without_tqdm(self, terminal, table, monkeypatch):
        terminal()
        monkeypatch.setitem(sys.modules, "tqdm", None)
        case = forms(60)[0]
        assert printed(table(case)) == case.expected()

    def test_the_real_one(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "tqdm")
        real = pytest.importorskip("tqdm").tqdm
        with real(total=None, unit=" rows", unit_scale=True, delay=1, leave=False) as bar:
            bar.update(3)
        assert bar.n == 3


@pytest.mark.parametrize("flags", [["-W", "error"], ["-O"], ["-OO"], ["-X", "dev", "-W", "error"]])
def test_interpreter_flags(python, tmp_path, flags):
    (tmp_path / "t.csv").write_text("s,y\n-2.2,0\n2.4,1\n0.1,1\n")
    options = ["--preds", "s", "--target", "y"]
    run = python(*flags, "-m", "hingemetrics", tmp_path / "t.csv", *options)
    assert printed(run) == expected(PREDS, TARGET)
    (tmp_path / "t.csv").write_text("s,y\n-2.2,0\n2.4,3\n0.1,1\n")
    refused(python(*flags, "-m", "hingemetrics", tmp_path / "t.csv", *options), "got 3", "index 1")
    assert python(*flags, "-m", "hingemetrics", "--help").returncode == 0


LIGHT = """
import runpy, sys
try:
    runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("version", [True, False])
def test_nothing_heavy_is_loaded(python, tmp_path, version):
    np.save(tmp_path / "preds.npy", PREDS)
    np.save(tmp_path / "target.npy", TARGET)
    files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
    run = python("-c", LIGHT, *(["--version"] if version else files))
    loaded = set(run.stderr.split())
    assert "hingemetrics.cli" in loaded
    # zipfile: NumPy imports it itself, to load a .npy file
    assert not loaded & {"csv", "pyarrow", "tqdm", "matplotlib", "numba", "sklearn", "tempfile"}


FRUGAL = """
import runpy, sys, tracemalloc
import hingemetrics.cli
tracemalloc.start()
try:
    runpy.run_module("hingemetrics", run_name="__main__")
finally:
    pyarrow = sys.modules.get("pyarrow")
    pool = 0 if pyarrow is None else pyarrow.default_memory_pool().max_memory()
    print(tracemalloc.get_traced_memory()[1] + pool, file=sys.stderr)
"""


@pytest.mark.parametrize("squeeze", [np.asarray, np.asfortranarray])
def test_files_larger_than_the_memory_it_takes(python, tmp_path, squeeze):
    rng = np.random.default_rng(0)
    preds, target = rng.normal(size=(1_200_000, 4)), rng.integers(0, 4, 1_200_000)
    weight = rng.random(1_200_000)
    files = [tmp_path / f"{k}.npy" for k in range(3)]
    for path, array in zip(files, (squeeze(preds), target, weight), strict=True):
        np.save(path, array)
    run = python(
        "-c", FRUGAL, files[0], files[1], "--sample-weight", files[2], HINGEMETRICS_BACKEND="numpy"
    )
    value = hingemetrics.hinge_loss(preds, target, sample_weight=weight)
    assert (run.returncode, run.stdout) == (0, f"{value!r}\n")
    assert int(run.stderr) < 16e6 < preds.nbytes


@pytest.mark.parametrize("suffix", ["csv", "npz", "F.npz", "parquet", "arrow"])
def test_other_files_larger_than_the_memory_it_takes(python, tmp_path, suffix):
    rng = np.random.default_rng(0)
    rows = 120_000 if suffix == "csv" else 300_000  # a text is longer, and slower to trace
    preds, target = rng.normal(size=(rows, 10)), rng.integers(0, 10, rows)
    path = tmp_path / f"large.{suffix}"
    columns = {**{f"c{k}": preds[:, k] for k in range(10)}, "y": target}
    table = pyarrow.table(columns)
    if suffix == "csv":
        pyarrow.csv.write_csv(table, path)
    elif suffix == "parquet":
        parquet.write_table(table, path, row_group_size=2**15, use_dictionary=False)
    elif suffix == "arrow":
        feather.write_feather(table, str(path), "uncompressed")
    else:
        preds = np.asarray(preds, order="F" if suffix == "F.npz" else "C")
        np.savez_compressed(path, preds=preds, y=target)
    named = "preds" if "npz" in suffix else ",".join(f"c{k}" for k in range(10))
    options = ["--preds", named, "--target", "y", "--worst", "5"]
    before = "import pyarrow.parquet" if suffix in ("parquet", "arrow") else ""  # 20 MB of code
    run = python("-c", before + FRUGAL, path, *options, HINGEMETRICS_BACKEND="numpy")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{hingemetrics.hinge_loss(preds, target)!r}\n")
    assert int(run.stderr) < 20e6 < path.stat().st_size
