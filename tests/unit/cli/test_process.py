"""The command as a process of its own: streams, signals, flags, environment, modules, memory."""

import json
import re
import signal
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from command import PREDS, TARGET, refused
from oracle import expected
from pyarrow import feather, parquet

import hingemetrics

# The command several times in a process, each time as `python -m` runs it.
AGAIN = """
import json, runpy, sys
for arguments in json.loads(sys.argv.pop()):
    sys.argv[1:] = arguments
    try:
        runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
    except SystemExit as stopped:
        print("status", stopped.code, flush=True)
"""


def runs(*arguments):
    """What AGAIN takes."""
    return json.dumps([list(map(str, part)) for part in arguments])


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "preds.npy", PREDS)
    np.save(tmp_path / "target.npy", TARGET)
    return [tmp_path / "preds.npy", tmp_path / "target.npy"]


# The command with another standard output or error: a file, or a pipe whose reader has gone.
ELSEWHERE = """
import os, runpy, sys
number, name = int(sys.argv.pop(1)), sys.argv.pop(1)
if name:
    os.dup2(os.open(name, os.O_WRONLY), number)
else:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, number)
runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
"""


class TestStandardOutput:
    @pytest.fixture
    def many(self, tmp_path):
        """One loss for each of 3000 classes."""
        files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
        np.save(files[0], np.random.default_rng(0).normal(size=(4, 3000)))
        np.save(files[1], np.arange(4))
        return [*files, "--multiclass-mode", "one-vs-all"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_full_disk(self, python, many):
        run = python("-c", ELSEWHERE, 1, "/dev/full", *many, "--fail-above", "0")
        refused(run, "standard output")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    @pytest.mark.parametrize("option", ["--version", "--help"])
    def test_full_disk_without_files(self, python, option):
        refused(python("-c", ELSEWHERE, 1, "/dev/full", option), "standard output")

    @pytest.mark.parametrize("option", ["--version", "--help"])
    def test_a_reader_that_has_gone_without_files(self, python, option):
        """Unbuffered, every line would be an error of its own."""
        run = python("-c", ELSEWHERE, 1, "", option, PYTHONUNBUFFERED="1")
        assert (run.returncode, run.stderr) == (0, "")

    def test_a_reader_that_has_gone(self, python, many):
        run = python("-c", ELSEWHERE, 1, "", *many)
        assert (run.returncode, run.stderr) == (0, "")

    def test_a_reader_that_has_gone_hides_no_failure(self, python, many):
        run = python("-c", ELSEWHERE, 1, "", *many, "--fail-above", "0")
        assert run.returncode == 1
        assert re.fullmatch(r"hingemetrics: loss \S+ of class \d+ is above 0; .*\n", run.stderr)

    def test_a_host_keeps_its_output(self, python, many):
        """Called in a process, the command takes nothing away that is not its own."""
        code = "import os, sys; from hingemetrics.cli import main\n"
        code += "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
        code += "try: main(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
        code += "assert os.readlink('/proc/self/fd/1') == '/dev/full'; os._exit(code)"
        refused(python("-c", code, *many), "standard output: No space left on device")

    def test_is_kept(self, python, tmp_path):
        """What is printed would go to a file that has no name any more."""
        (out := tmp_path / "out.png").write_bytes(b"")
        run = python("-c", ELSEWHERE, 1, out, "no.npy", "no.npy", "--state-out", out)
        refused(run, f"--state-out must be another file than standard output, got {out}\n")
        assert out.read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "option", "status"),
    [("/dev/full", ["--fail-above", "0.2"], 1), ("", ["--cubed"], 2)],
)
def test_what_standard_error_cannot_take_changes_no_status(python, files, name, option, status):
    run = python("-c", ELSEWHERE, 2, name, *files, *option)
    assert (run.returncode, run.stderr) == (status, "")


def test_no_standard_input(python, tmp_path):
    (tmp_path / "a.state").write_bytes(b"before")
    command = ["-", "--preds", "0", "--target", "1"]
    code = f"import os\nos.close(0)\n{AGAIN}"
    run = python("-c", code, runs(command, [*command, "--state-out", tmp_path / "a.state"]))
    assert run.stdout == "status 2\n" * 2
    said = run.stderr.splitlines()
    assert [line[:36] for line in said] == ["hingemetrics: error: standard input:"] * 2


def test_numba_is_wanted_and_not_there(bare, files):
    """Nor any machine code."""
    code = f"import sys\nsys.modules['numba'] = None\n{AGAIN}"
    run = bare("-c", code, runs(files), HINGEMETRICS_BACKEND="numba")
    assert run.stdout == "status 2\n"
    assert re.fullmatch(r"hingemetrics: error: .*numba.*\n", run.stderr)
    run = bare("-c", code, runs(files, [*files, "--backend", "numba"]))
    assert run.stdout == f"{expected(PREDS, TARGET)!r}\nstatus 0\nstatus 2\n"
    assert re.fullmatch(r"hingemetrics: error: .*numba.*\n", run.stderr)


def test_a_wrong_environment(python, files):
    """It is no error before something depends on it."""
    wrong = {"HINGEMETRICS_BACKEND": "foo", "HINGEMETRICS_NUM_THREADS": "two"}
    assert python("-m", "hingemetrics", "--version", **wrong).returncode == 0
    refused(python("-m", "hingemetrics", *files, **wrong), "HINGEMETRICS_BACKEND", "foo")


INTERRUPTED = """
import signal, sys
from hingemetrics import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
cli.run.blocks = lambda *_, **__: signal.raise_signal(signal.SIGINT)
sys.exit(cli.main())
"""


def test_the_command_dies_by_an_interrupt(python):
    run = python("-c", INTERRUPTED, "a.csv", "b.csv")
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["-W", "error"], marks=pytest.mark.slow),  # -X dev warns of more
        pytest.param(["-O"], marks=pytest.mark.slow),  # -OO leaves out more
        ["-OO"],
        ["-X", "dev", "-W", "error"],
    ],
)
def test_interpreter_flags(python, tmp_path, flags):
    (tmp_path / "good.csv").write_text("s,y\n-2.2,0\n2.4,1\n0.1,1\n")
    (tmp_path / "bad.csv").write_text("s,y\n-2.2,0\n2.4,3\n0.1,1\n")
    good, bad = (
        [tmp_path / name, "--preds", "s", "--target", "y"] for name in ("good.csv", "bad.csv")
    )
    run = python(*flags, "-c", AGAIN, runs(good, bad, ["--help"]))
    value, status, help_ = run.stdout.split("\nstatus ", 2)
    assert (value, status) == (repr(expected(PREDS, TARGET)), "0")
    assert help_.startswith("2\nusage: ")
    assert help_.endswith("\nstatus 0\n")
    assert re.fullmatch(r"hingemetrics: error: .* got 3 at index 1\n", run.stderr)


LIGHT = """
import runpy, sys
try:
    runpy.run_module("hingemetrics", run_name="__main__", alter_sys=True)
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("version", [True, False])
def test_nothing_heavy_is_loaded(python, files, version):
    run = python("-c", LIGHT, *(["--version"] if version else files))
    loaded = set(run.stderr.split())
    assert "hingemetrics.cli" in loaded
    assert not loaded & {"pyarrow", "tqdm", "matplotlib", "numba", "llvmlite", "sklearn"}
    # zipfile: NumPy imports it itself, to load a .npy file; --version asks what is installed
    assert version or not loaded & {"csv", "tempfile", "email", "importlib.metadata"}


FRUGAL = """
import runpy, sys, tracemalloc
import hingemetrics.cli
import pyarrow.parquet  # 20 MB of code
tracemalloc.start()
try:
    runpy.run_module("hingemetrics", run_name="__main__")
finally:
    pool = pyarrow.default_memory_pool().max_memory()
    print(tracemalloc.get_traced_memory()[1] + pool, file=sys.stderr)
"""


@pytest.mark.parametrize("suffix", ["parquet", pytest.param("arrow", marks=pytest.mark.more)])
def test_tables_larger_than_the_memory_it_takes(python, tmp_path, suffix):
    """For those of other formats see test_run; pyarrow's memory is that of its whole process."""
    rng = np.random.default_rng(0)
    preds, target = rng.normal(size=(300_000, 10)), rng.integers(0, 10, 300_000)
    path = tmp_path / f"large.{suffix}"
    table = pyarrow.table({**{f"c{k}": preds[:, k] for k in range(10)}, "y": target})
    if suffix == "parquet":
        parquet.write_table(table, path, row_group_size=2**15, use_dictionary=False)
    else:
        feather.write_feather(table, str(path), "uncompressed")
    options = ["--preds", ",".join(f"c{k}" for k in range(10)), "--target", "y", "--worst", "5"]
    run = python("-c", FRUGAL, path, *options, HINGEMETRICS_BACKEND="numpy")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{hingemetrics.hinge_loss(preds, target)!r}\n")
    assert int(run.stderr) < 20e6 < path.stat().st_size
