"""The command line, as a shell sees it: result on stdout, the rest on stderr, and a status."""

import csv
import json
import math
import signal
import sys
from base64 import b64decode
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.csv
import pytest
from pyarrow import feather, parquet
from reference import bits, cells, expected
from strategies import Case, battery, form, forms, name

import hingemetrics
from hingemetrics import _files, breakdown, cli
from hingemetrics._files import csv as csv_files
from hingemetrics.cli import main

PREDS, TARGET = [-2.2, 2.4, 0.1], [0, 1, 1]
ROWS, CLASSES = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]], [0, 1, 2]


@pytest.fixture(scope="module")
def hingemetrics_command(python):
    return lambda *arguments: python("-m", "hingemetrics", *arguments)


@pytest.fixture
def loss(hingemetrics_command, tmp_path):
    """Save the arrays and run the command on them."""

    def run(preds, target, *options, weight=None):
        np.save(tmp_path / "preds.npy", preds)
        np.save(tmp_path / "target.npy", target)
        if weight is not None:
            np.save(tmp_path / "weight.npy", weight)
            options = (*options, "--sample-weight", tmp_path / "weight.npy")
        return hingemetrics_command(tmp_path / "preds.npy", tmp_path / "target.npy", *options)

    return run


def printed(run):
    """The value on stdout: a float, or an array when there are several lines."""
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("\n")
    lines = [float(line) for line in run.stdout.splitlines()]
    assert [repr(value) for value in lines] == run.stdout.splitlines()
    return lines[0] if len(lines) == 1 else np.array(lines)


def refused(run, *words):
    """Status 2, nothing on stdout, one line and no traceback on stderr."""
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert run.stderr.startswith("hingemetrics: error:")
    assert all(word in run.stderr for word in words), run.stderr


class TestValue:
    @pytest.mark.parametrize("case", forms(300), ids=name)
    def test_to_the_bit(self, loss, case):
        options = ["--squared"] * case.squared
        options += ["--multiclass-mode", case.mode] if case.mode else []
        run = loss(case.preds, case.target, *options, weight=case.weight)
        assert bits(printed(run)) == bits(case.expected())

    def test_ignore_index(self, loss):
        run = loss([*PREDS, np.nan], [*TARGET, -1], "--ignore-index", "-1")
        assert printed(run) == expected(PREDS, TARGET)
        assert printed(loss(PREDS, TARGET, "--ignore-index=0")) == expected(PREDS[1:], TARGET[1:])

    @pytest.mark.parametrize("mode", ["ONE_VS_ALL", "One-vs-All"])
    def test_spellings(self, loss, mode):
        found = printed(loss(ROWS, CLASSES, "--multiclass-mode", mode))
        assert bits(found) == bits(expected(ROWS, CLASSES, mode="one-vs-all"))

    @pytest.mark.parametrize("dtype", ["f2", ">f4", "i1", "?"])
    def test_other_dtypes_and_layouts(self, loss, dtype):
        preds = np.asfortranarray(np.arange(12).reshape(4, 3) % 5).astype(dtype)
        assert printed(loss(preds, [0, 1, 2, 0])) == expected(preds, [0, 1, 2, 0])

    @pytest.mark.parametrize(
        ("preds", "text"), [([np.nan, 0.0], "nan\n"), ([np.inf, 0.0], "inf\n")]
    )
    def test_non_finite(self, loss, preds, text):
        run = loss(preds, [0, 0])
        assert (run.returncode, run.stdout, run.stderr) == (0, text, "")

    def test_nothing_seen(self, loss):
        for run in (loss([], []), loss(PREDS, TARGET, weight=[0, 0, 0])):
            assert (run.returncode, run.stdout) == (0, "nan\n")
            assert "Traceback" not in run.stderr


class TestJson:
    def strict(self, run):
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.count("\n") == 1

        def refuse(constant):
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(run.stdout, parse_constant=refuse)

    def test_scalar(self, loss):
        found = self.strict(loss(PREDS, TARGET, "--json"))
        assert bits(found["value"]) == bits(expected(PREDS, TARGET))
        assert (found["count"], found["num_classes"]) == (3, 1)

    def test_vector(self, loss):
        found = self.strict(loss(ROWS, CLASSES, "--json", "--multiclass-mode", "one-vs-all"))
        assert bits(found["value"]) == bits(expected(ROWS, CLASSES, mode="one-vs-all"))
        assert (found["count"], found["num_classes"]) == (3, 3)

    def test_nan_is_null(self, loss):
        assert self.strict(loss([np.nan], [0], "--json"))["value"] is None
        preds = [[np.nan, 0.5], [0.5, 0.5]]
        run = loss(preds, [0, 0], "--json", "--multiclass-mode", "one-vs-all")
        assert self.strict(run)["value"] == [None, 1.5]

    def test_inf_is_json_too(self, loss):
        assert self.strict(loss([np.inf], [0], "--json"))["value"] != 0


class TestFailAbove:
    @pytest.mark.parametrize(
        ("limit", "status"),
        [("0.2", 1), ("0.3", 0), ("0.29999999999999993", 1), ("1e9", 0), ("-1", 1), ("inf", 0)],
    )
    def test_status(self, loss, limit, status):
        run = loss(PREDS, TARGET, "--fail-above", limit)
        assert run.returncode == status
        assert run.stdout == f"{expected(PREDS, TARGET)!r}\n", "the value is printed all the same"
        assert "Traceback" not in run.stderr

    @pytest.mark.parametrize(("limit", "status"), [("1.4", 1), ("2.2", 1), ("2.3", 0)])
    def test_any_class(self, loss, limit, status):
        run = loss(ROWS, CLASSES, "--multiclass-mode", "one-vs-all", "--fail-above", limit)
        assert run.returncode == status
        assert len(run.stdout.splitlines()) == 3

    def test_nan_is_a_failure(self, loss):
        assert loss([np.nan], [0], "--fail-above", "1").returncode == 1
        assert loss([np.inf], [0], "--fail-above", "1").returncode == 1

    def test_with_json(self, loss):
        run = loss(PREDS, TARGET, "--json", "--fail-above", "0.1")
        assert run.returncode == 1
        assert json.loads(run.stdout)["value"] == expected(PREDS, TARGET)


class Trap:
    """Unpickling this touches a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class TestBadFiles:
    @pytest.fixture
    def good(self, tmp_path):
        np.save(tmp_path / "preds.npy", PREDS)
        np.save(tmp_path / "target.npy", TARGET)
        return tmp_path / "preds.npy", tmp_path / "target.npy"

    def bad_files(self, folder):
        (folder / "empty.npy").write_bytes(b"")
        (folder / "text.npy").write_text("0.1\n0.2\n0.3\n")
        (folder / "truncated.npy").write_bytes((folder / "preds.npy").read_bytes()[:-5])
        (folder / "magic.npy").write_bytes(b"\x93NUMPY")
        (folder / "huge.npy").write_bytes(
            (folder / "preds.npy").read_bytes().replace(b"(3,), }", b"(300000000000,), }")
        )
        np.savez(folder / "archive.npz", PREDS, TARGET)
        np.save(folder / "object.npy", np.array([Trap(folder / "sprung")], object))
        (folder / "folder.npy").mkdir()
        (folder / "zip.npy").write_bytes(b"PK\x03\x04 and nothing of the kind")
        archive = (folder / "archive.npz").read_bytes()
        (folder / "half.npy").write_bytes(archive[: len(archive) // 2])
        for stem, header in {
            "bracket": b"((((",
            "nested": b"(" * 60_000,
            "endless": b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 2**70,
            "negative": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }",
            "keyless": b"{'descr': '<f8'}",
            "unknown": b"{'descr': 'spam', 'fortran_order': False, 'shape': (3,), }",
        }.items():
            length = len(header).to_bytes(2, "little")
            (folder / f"{stem}.npy").write_bytes(b"\x93NUMPY\x01\0" + length + header + b"0" * 24)
        return [
            folder / f"{stem}"
            for stem in (
                "missing.npy",
                "empty.npy",
                "text.npy",
                "truncated.npy",
                "magic.npy",
                "huge.npy",
                "archive.npz",
                "object.npy",
                "folder.npy",
                "zip.npy",
                "half.npy",
                "bracket.npy",
                "nested.npy",
                "endless.npy",
                "negative.npy",
                "keyless.npy",
                "unknown.npy",
            )
        ]

    def test_each_argument(self, hingemetrics_command, good, tmp_path):
        preds, target = good
        for bad in self.bad_files(tmp_path):
            refused(hingemetrics_command(bad, target), bad.name)
        refused(hingemetrics_command(preds, tmp_path / "text.npy"), "text.npy")
        refused(hingemetrics_command(preds, target, "--sample-weight", bad), bad.name)
        assert not (tmp_path / "sprung").exists()


class TestBadInput:
    @pytest.mark.parametrize(
        ("preds", "target", "words"),
        [
            (PREDS, [0, 1, 7], ["target", "7", "index 2"]),
            (PREDS, [0, 1, -1], ["target", "ignore_index=-1"]),
            (PREDS, [0, 1], ["target", "(2,)"]),
            (ROWS, [0, 1, 3], ["target", "3", "index 2"]),
            (np.zeros((3, 3, 3)), [0, 1, 1], ["preds", "(3, 3, 3)"]),
            (np.array(["a", "b", "c"]), TARGET, ["preds"]),
            (np.ones(3) * 1j, TARGET, ["preds"]),
            (0.5, 1, ["()"]),
        ],
    )
    def test_arrays(self, loss, preds, target, words):
        refused(loss(preds, target), *words)

    def test_weight(self, loss):
        refused(loss(PREDS, TARGET, weight=[1.0, -2.0, 1.0]), "sample_weight", "-2", "index 1")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--multiclass-mode", "ovr"], ["crammer-singer", "one-vs-all"]),
            (["--ignore-index", "0.5"], ["ignore-index"]),
            (["--fail-above", "much"], ["fail-above"]),
            (["--fail-above"], ["fail-above"]),
            (["--cubed"], ["--cubed"]),
            (["extra.npy"], ["extra.npy"]),
        ],
    )
    def test_options(self, loss, options, words):
        refused(loss(PREDS, TARGET, *options), *words)

    def test_no_arguments(self, hingemetrics_command):
        refused(hingemetrics_command(), "PREDS")
        refused(hingemetrics_command("preds.npy"), "TARGET")

    def test_newline_in_a_file_name(self, hingemetrics_command):
        refused(hingemetrics_command("two\nlines.npy", "target.npy"))


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

    def test_a_reader_that_has_gone_hides_no_failure(self, python, files):
        run = python("-c", ELSEWHERE, "", *files, "--fail-above", "0")
        assert (run.returncode, run.stderr) == (1, "")


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
cli.blocks = lambda *_, **__: signal.raise_signal(signal.SIGINT)
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

        monkeypatch.setattr(cli, "blocks", interrupted)
        monkeypatch.setattr(sys, "argv", ["hingemetrics", "a.csv", "b.csv"])
        monkeypatch.setattr(sys, "excepthook", before := sys.excepthook)
        with pytest.raises(KeyboardInterrupt):
            main(["a.csv", "b.csv"] if given else None)
        assert (sys.excepthook is before) == given


def test_version(hingemetrics_command):
    run = hingemetrics_command("--version")
    assert (run.returncode, run.stderr) == (0, "")
    assert hingemetrics.__version__ in run.stdout


def test_help(hingemetrics_command):
    run = hingemetrics_command("--help")
    assert (run.returncode, run.stderr) == (0, "")
    for word in (
        "PREDS",
        "TARGET",
        "--squared",
        "--multiclass-mode",
        "--sample-weight",
        "--ignore-index",
        "--json",
        "--fail-above",
        "--preds",
        "--target",
        "--merge",
        "--worst",
        "--per-class",
        "--state-out",
        "--plot",
        "--version",
        "examples:",
    ):
        assert word in run.stdout


class Run(NamedTuple):
    """What the command did, called in this process."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys):
    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            status = stopped.code
        return Run(status, *capsys.readouterr())

    return run


@pytest.fixture
def table(command, tmp_path):
    """Write a case as one CSV and run the command on it, with the options the case stands for."""

    def run(case, *options):
        preds = case.preds if case.preds.ndim == 2 else case.preds[:, np.newaxis]
        names = [f"c{k}" for k in range(preds.shape[1])]
        columns = [*preds.T.tolist(), case.target.tolist()]
        header = [*names, "y"]
        options = ["--preds", ",".join(names), "--target", "y", *options]
        options += ["--squared"] * case.squared
        options += ["--multiclass-mode", case.mode] if case.mode else []
        if case.weight is not None:
            columns, header = [*columns, case.weight.tolist()], [*header, "w"]
            options += ["--sample-weight", "w"]
        with open(tmp_path / "table.csv", "w", newline="") as file:
            csv.writer(file).writerow(header)
            csv.writer(file).writerows(zip(*columns, strict=True))
        return command(tmp_path / "table.csv", *options)

    return run


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(cli, "blocks", partial(_files.blocks, elements=40))


def json_of(run):
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)


def losses_of(case):
    """The losses of each sample, in a list."""
    rows = zip(case.preds.tolist(), case.target.tolist(), strict=True)
    return [cells(row, label, case.squared, case.mode) for row, label in rows]


@pytest.mark.usefixtures("small_blocks")
class TestBlocks:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_to_the_bit(self, table, case):
        assert bits(printed(table(case))) == bits(case.expected())

    @pytest.mark.parametrize("case", list(battery(60)))
    def test_hard_doubles(self, table, case):
        found = json_of(table(case, "--json"))
        assert b64decode(found["state"]) == case.state().to_bytes()

    def test_ignored_rows(self, table):
        case = forms(60)[0]
        found = json_of(table(case, "--ignore-index=-1", "--json"))
        kept = case.rows(case.target == 1)
        assert found["count"] == len(kept)
        assert found["ignored"] == 60 - len(kept) > 0
        assert b64decode(found["state"]) == kept.state().to_bytes()

    @pytest.mark.parametrize("row", [0, 17, 39, 40, 41, 59])
    def test_errors_have_the_index_in_the_file(self, table, row):
        case = form(60, 3, "crammer-singer", False, "tenths")
        target, weight = case.target.copy(), case.weight.copy()
        target[row], weight[row] = 7, -2
        refused(table(replace(case, target=target)), "target", "got 7", f"index {row}\n")
        refused(table(replace(case, weight=weight)), "sample_weight", "-2", f"index {row}\n")

    @pytest.mark.parametrize("files", [("s.csv", "y.csv"), ("s.npy", "y.csv"), ("s.npy", "y.npy")])
    def test_errors_name_the_files(self, command, tmp_path, files):
        """Rows count from 0; a header is none."""
        for stem, column in (("s", [0.1, 0.2]), ("y", [0.0, 1.5])):
            np.save(tmp_path / f"{stem}.npy", column)
            (tmp_path / f"{stem}.csv").write_text(f"{stem}\n{column[0]}\n{column[1]}\n")
        paths = [str(tmp_path / file) for file in files]
        refused(command(*paths), f"error: {', '.join(paths)}: target must be", "1.5 at index 1\n")

    def test_a_file_is_named_once(self, table, tmp_path):
        run = table(Case(np.ones(2), np.array([0, 7]), np.ones(2)))
        assert run.stderr.count(str(tmp_path / "table.csv")) == 1

    @pytest.mark.parametrize("row", [1, 39, 40, 59])
    def test_mixed_codings_have_the_index_in_the_file(self, table, row):
        target = np.where(np.arange(60) == row, 0, -1)
        refused(table(Case(np.ones(60), target)), "0 and -1", f"index {row};")


class TestInputs:
    def test_standard_input(self, python, tmp_path):
        (tmp_path / "in.csv").write_text("s,y\n-2.2,0\n2.4,1\n0.1,1\n")
        code = "import os, runpy, sys; os.dup2(os.open(sys.argv.pop(1), os.O_RDONLY), 0); "
        code += "runpy.run_module('hingemetrics', run_name='__main__', alter_sys=True)"
        run = python("-c", code, tmp_path / "in.csv", "-", "--preds", "s", "--target", "y")
        assert printed(run) == expected(PREDS, TARGET)
        run = python("-c", code, tmp_path / "in.csv", "-", "--preds", "s", "--target", "z")
        refused(run, "standard input", "'z'", "'y'")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--preds", "s"], ["--preds", "--target"]),
            (["--target", "y"], ["--preds", "--target"]),
            (["t.npy", "--preds", "s", "--target", "y"], ["--preds", "--target", "FILE"]),
            (["--preds", "s", "--target", "s,y"], ["target", "one column", "2"]),
            (["--preds", "s", "--target", "y", "--sample-weight", "w"], ["'w'", "'s'", "'y'"]),
            (["--worst", "0"], ["--worst", "0"]),
            (["--worst", "all"], ["--worst", "all"]),
            (["--plot", "a.gif"], ["--plot", ".png", "a.gif"]),
        ],
    )
    def test_bad_options(self, command, tmp_path, options, words):
        (tmp_path / "t.csv").write_text("s,y\n-2.2,0\n")
        refused(command(tmp_path / "t.csv", *options), *words)

    @pytest.mark.parametrize("limit", ["-1e-3", "-inf"])
    def test_what_starts_with_a_hyphen(self, command, monkeypatch, tmp_path, limit):
        """As --help says: after "=", or after "--"."""
        (tmp_path / "in.csv").write_text("1.5,0,0.1\n2,1,0.2\n")
        np.save(tmp_path / "y.npy", [0, 1])
        opened = csv_files._opened
        monkeypatch.setattr(
            csv_files,
            "_opened",
            lambda path: opened(str(tmp_path / "in.csv") if path == "-" else path),
        )
        run = command(f"--fail-above={limit}", "--sample-weight=-:2", "--", "-:0", "-:1")
        loss = expected([1.5, 2], [0, 1], sample_weight=[0.1, 0.2])
        assert (run.returncode, run.stdout) == (1, f"{loss!r}\n")
        run = command(f"--fail-above={limit}", "--", "-:0", tmp_path / "y.npy")
        assert (run.returncode, run.stdout) == (1, f"{expected([1.5, 2], [0, 1])!r}\n")
        assert "--fail-above=-1e-3 -- a.npy -:0" in command("--help").stdout

    @pytest.mark.parametrize("files", [["", "t.npy"], ["t.npy", ""], ["t.npy", "t.npy:0"]])
    def test_no_name_of_a_file(self, command, files):
        refused(command(*files), "must be - or a file that ends in .npy", "got '")

    @pytest.mark.parametrize("counts", [(3, 2), (2, 3)])
    def test_other_numbers_of_rows(self, command, tmp_path, counts):
        for stem, count in zip(("preds", "target"), counts, strict=True):
            (tmp_path / f"{stem}.csv").write_text("1\n" * count)
            np.save(tmp_path / f"{stem}.npy", np.ones(count))
        for a, b in (("csv", "csv"), ("csv", "npy"), ("npy", "csv")):
            run = command(tmp_path / f"preds.{a}", tmp_path / f"target.{b}")
            refused(run, "preds", "target", "more than 2")
        run = command(tmp_path / "preds.npy", tmp_path / "target.npy")
        refused(run, "preds.npy", "target.npy", *map(str, counts))

    @pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 6, 1)])
    def test_dimensions_of_size_one(self, loss, shape):
        target = np.arange(6) % 2
        run = loss(np.linspace(-2, 2, 6).reshape(6, 1), target.reshape(shape))
        assert printed(run) == expected(np.linspace(-2, 2, 6), target)

    def test_a_header_and_no_rows(self, command, tmp_path):
        (tmp_path / "t.csv").write_text("s,y\n")
        run = command(tmp_path / "t.csv", "--preds", "s", "--target", "y", "--per-class")
        assert (run.returncode, run.stdout) == (0, "nan\n\nclass  count  loss\n")
        assert run.stderr.startswith("hingemetrics: warning:")


class TestExactJson:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_fractions(self, table, case):
        found = json_of(table(case, "--json"))
        exact = found["exact"] if case.mode == "one-vs-all" else [found["exact"]]
        assert all("/" in text for text in exact)
        weight = [1.0] * 60 if case.weight is None else case.weight.tolist()
        for text, column in zip(exact, zip(*losses_of(case), strict=True), strict=True):
            products = [Fraction(w * x) for w, x in zip(weight, column, strict=True)]
            assert Fraction(text) == sum(products) / sum(map(Fraction, weight))

    def test_no_fraction_is_null(self, table):
        preds = np.array([[np.nan, 0.5, np.inf], [0.5, 0.5, 0.5]])
        case = Case(preds, np.array([1, 1]), mode="one-vs-all")
        found = json_of(table(case, "--json"))
        assert found["exact"] == [None, "1/2", None]
        assert found["value"] == [None, 0.5, None]
        found = json_of(table(Case(np.array([np.nan]), np.array([1])), "--json"))
        assert found["exact"] is None

    def test_one_is_a_fraction_too(self, table):
        assert json_of(table(Case(np.array([0.0]), np.array([1])), "--json"))["exact"] == "1/1"


@pytest.mark.usefixtures("small_blocks")
class TestWorst:
    def rank(self, case, k):
        """Python's sort: the greatest loss first, NaN before all, then the smaller index."""
        found = []
        for row, (costs, label) in enumerate(zip(losses_of(case), case.target, strict=True)):
            ordered = [(math.isnan(x), 0.0 if math.isnan(x) else x) for x in costs]
            worst = max(range(len(costs)), key=lambda c: (ordered[c], -c))
            found.append((ordered[worst], -row, int(label), worst, costs[worst]))
        found.sort(key=lambda sample: sample[:2], reverse=True)
        vector = case.mode == "one-vs-all" and case.preds.ndim == 2
        return [
            {"index": -row, "target": y, **({"class": c} if vector else {}), "loss": loss}
            for _, row, y, c, loss in found[:k]
        ]

    @pytest.mark.parametrize("k", [1, 5, 60, 1000])
    @pytest.mark.parametrize("case", [*forms(60, [None]), *list(battery(60))[::2]])
    def test_samples(self, table, case, k):
        preds = case.preds.astype("f8")
        rounded = np.where(np.abs(preds) < 1e6, np.floor(preds), preds)  # for ties
        case = replace(case, preds=rounded, weight=None)
        found = json_of(table(case, "--json", "--worst", k))["worst"]
        wanted = self.rank(case, k)
        for sample in wanted:
            sample["loss"] = sample["loss"] if math.isfinite(sample["loss"]) else None
        assert found == wanted

    def test_ties_and_ignored_rows(self, table):
        case = Case(np.zeros(100), np.where(np.arange(100) % 3, 1, -1))
        found = json_of(table(case, "--json", "--worst", "4", "--ignore-index", "1"))["worst"]
        assert [sample["index"] for sample in found] == [0, 3, 6, 9]

    def test_text(self, table):
        run = table(Case(np.array([*PREDS, np.nan]), np.array([*TARGET, 0])), "--worst", "2")
        assert (
            run.stdout == "nan\n\nindex  target  loss\n    3       0   nan\n    2       1   0.9\n"
        )

    @pytest.mark.parametrize("case", [case for case in forms(60) if case.weight is not None])
    def test_by_what_they_add_to_the_loss(self, table, case):
        """The weighted losses of the oracle, sorted by Python."""
        case = replace(case, weight=np.where(np.arange(60) % 7, case.weight, 0.0))
        found = json_of(table(case, "--json", "--worst", "60"))["worst"]
        costs = expected(
            case.preds,
            case.target,
            case.squared,
            case.mode,
            sample_weight=case.weight,
            reduction="none",
        )
        loss = costs.reshape(60, -1).max(axis=1).tolist()
        order = sorted(range(60), key=lambda row: (-loss[row], row))
        assert [sample["index"] for sample in found] == order
        assert [sample["loss"] for sample in found] == [loss[row] for row in order]

    @pytest.mark.parametrize("zero", [0.0, -0.0])
    def test_a_weight_of_zero(self, table, zero):
        preds, target = np.array([-9.0, 9.0, 0.0, -np.inf]), np.ones(4, int)
        run = table(Case(preds[:3], target[:3], np.array([zero, 1.0, 0.5])), "--worst", "3")
        rows = [line.split() for line in run.stdout.splitlines()[3:]]
        assert rows == [["2", "1", "0.5"], ["0", "1", "0.0"], ["1", "1", "0.0"]]
        run = table(Case(preds, target, np.array([1, 1, 1, zero])), "--worst", "1")
        assert run.stdout.split()[-3:] == ["3", "1", "nan"]


@pytest.mark.usefixtures("small_blocks")
class TestPerClass:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_mean_of_each_class(self, table, case):
        found = json_of(table(case, "--json", "--per-class"))["per_class"]
        classes = [-1, 1] if case.preds.ndim == 1 else range(5)
        assert [row["class"] for row in found] == list(classes)
        for row in found:
            mine = case.rows(case.target == row["class"])
            assert row["count"] == len(mine)
            assert bits(row["value"]) == bits(mine.expected())

    def test_a_class_without_samples(self, table):
        case = Case(np.ones((2, 3)), np.array([0, 2]))
        run = table(case, "--per-class")
        lines = [line.split() for line in run.stdout.splitlines()[2:]]
        assert lines == [
            ["class", "count", "loss"],
            ["0", "1", "1.0"],
            ["1", "0", "nan"],
            ["2", "1", "1.0"],
        ]
        assert run.stderr == ""
        found = json_of(table(replace(case, mode="one-vs-all"), "--json", "--per-class"))
        assert [row["value"] for row in found["per_class"]] == [[0, 2, 2], [None] * 3, [2, 2, 0]]

    def test_too_many_classes_for_a_table(self, table, monkeypatch):
        monkeypatch.setattr(breakdown, "_MOST_TABLED", 3)
        for width in (3, 4):
            case = Case(np.ones((2, width)), np.array([0, 1]))
            assert table(case, "--per-class").returncode == 0
            run = table(replace(case, mode="one-vs-all"), "--per-class")
            assert run.returncode == (0 if width == 3 else 2)
        refused(run, "--per-class", "one-vs-all", "at most 3 classes, got 4")

    @pytest.mark.parametrize(
        ("labels", "classes"), [([1, 1], [0, 1]), ([0, 0], [0, 1]), ([-1, 1], [-1, 1])]
    )
    def test_binary_has_two(self, table, labels, classes):
        found = json_of(table(Case(np.ones(2), np.array(labels)), "--json", "--per-class"))
        assert [row["class"] for row in found["per_class"]] == classes


class TestStates:
    @pytest.fixture
    def shards(self, table, tmp_path):
        """Write the states of parts of a case."""

        def write(case, cuts=(7, 30)):
            files = []
            for k, rows in enumerate(np.split(np.arange(len(case)), cuts)):
                files.append(tmp_path / f"{k}.state")
                assert table(case.rows(rows), "--state-out", files[-1]).returncode == 0
                assert files[-1].read_bytes() == case.rows(rows).state().to_bytes()
            return files

        return write

    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_merged_to_the_bit(self, command, shards, case, tmp_path):
        files = shards(case)
        run = command("--merge", *files[::-1], "--state-out", tmp_path / "all.state")
        assert bits(printed(run)) == bits(case.expected())
        assert (tmp_path / "all.state").read_bytes() == case.state().to_bytes()
        found = json_of(command("--merge", *files, "--json"))
        assert b64decode(found["state"]) == case.state().to_bytes()
        assert (found["squared"], found["ignored"]) == (case.squared, None)

    def test_fail_above(self, command, shards):
        files = shards(Case(np.array(PREDS), np.array(TARGET)), [1])
        assert command("--merge", *files, "--fail-above", "0.3").returncode == 0
        assert command("--merge", *files, "--fail-above", "0.2").returncode == 1

    @pytest.mark.parametrize(
        "option",
        [
            ["--per-class"],
            ["--worst", "3"],
            ["--plot", "a.png"],
            ["--squared"],
            ["--multiclass-mode", "one-vs-all"],
            ["--ignore-index", "0"],
            ["--sample-weight", "w"],
            ["--preds", "a"],
            ["--target", "y"],
        ],
    )
    def test_what_needs_the_rows(self, command, shards, option):
        files = shards(forms(60)[0])
        refused(command("--merge", *files, *option), "--merge", option[0])
        refused(command(*option, "--merge", *files), "--merge", option[0])

    def test_with_data(self, command, shards):
        files = shards(forms(60)[0])
        refused(command("preds.npy", "target.npy", "--merge", *files), "--merge", "preds.npy")

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            (dict(squared=True), ["configuration"]),
            (dict(mode="one-vs-all"), ["configuration"]),
            (dict(preds=np.ones((1, 3))), ["3 classes"]),
            (dict(target=np.array([0])), ["0 and -1"]),
        ],
    )
    def test_configurations(self, command, tmp_path, other, words):
        case = Case(np.array([1.0]), np.array([-1]))
        strange = {"target": np.array([1]), "preds": np.array([1.0]), **other}
        (tmp_path / "a.state").write_bytes(case.state().to_bytes())
        (tmp_path / "b.state").write_bytes(Case(**strange).state().to_bytes())
        files = [tmp_path / "a.state", tmp_path / "b.state"]
        refused(command("--merge", *files), "b.state", *words)

    @pytest.mark.parametrize("content", [b"", b"hinge", b"hinge\x01" + bytes(20), None])
    def test_bad_states(self, command, tmp_path, content):
        if content is not None:
            (tmp_path / "a.state").write_bytes(content)
        refused(command("--merge", tmp_path / "a.state"), "a.state")

    def test_a_state_without_end(self, command, tmp_path):
        with open(tmp_path / "a.state", "wb") as file:
            file.truncate(2**33)
        refused(command("--merge", tmp_path / "a.state"), "a.state", "bytes")

    def test_all_or_nothing(self, table, tmp_path, monkeypatch):
        kept = tmp_path / "a.state"
        kept.write_bytes(b"before")
        monkeypatch.setattr(
            cli.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "x"))
        )
        refused(table(forms(60)[0], "--state-out", kept), "full")
        assert kept.read_bytes() == b"before"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.state", "table.csv"]

    def test_a_pipe_is_written_to(self, python, tmp_path):
        (tmp_path / "t.csv").write_text("-2.2,0\n2.4,1\n0.1,1\n")
        code = "import os, runpy, sys; os.mkfifo(sys.argv[-1]); "
        code += (
            "end = os.open(sys.argv[-1], os.O_RDWR | os.O_NONBLOCK); "  # both ends: nobody waits
        )
        code += "sys.argv[0] = 'hingemetrics'; import hingemetrics.cli as c; c.main(sys.argv[1:]); "
        code += "print(os.read(end, 999).hex())"
        options = ["--preds", "0", "--target", "1", "--state-out", tmp_path / "pipe"]
        run = python("-c", code, tmp_path / "t.csv", *options)
        state = Case(np.array(PREDS), np.array(TARGET)).state()
        assert run.stderr == ""
        assert bytes.fromhex(run.stdout.split()[-1]) == state.to_bytes()
        assert (tmp_path / "pipe").is_fifo()

    @pytest.mark.parametrize("there", [True, False])
    def test_a_link_is_followed(self, table, tmp_path, there):
        (tmp_path / "folder").mkdir()
        state = tmp_path / "folder" / "a.state"
        if there:
            state.write_bytes(b"before")
        (tmp_path / "link").symlink_to(state)
        case = forms(60)[0]
        assert table(case, "--state-out", tmp_path / "link").returncode == 0
        assert (tmp_path / "link").is_symlink()
        assert state.read_bytes() == case.state().to_bytes()
        assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.state"]

    def test_no_file_to_write(self, table):
        refused(table(forms(60)[0], "--state-out", ""), "--state-out", "file, got ''")

    def test_no_file_to_merge(self, command):
        refused(command("--merge", "a.state", ""), "--merge", "file, got ''")


class TestOutputs:
    """What cannot be written, or must not be, is refused before anything is read."""

    @pytest.fixture(autouse=True)
    def matplotlib(self, monkeypatch):
        """Is found, as far as the command looks."""
        monkeypatch.setattr(cli, "find_spec", lambda name: name)

    @pytest.mark.parametrize("option", ["--state-out", "--plot"])
    @pytest.mark.parametrize("path", ["none/a.png", "folder.png"])
    def test_no_file_in_a_folder(self, command, monkeypatch, tmp_path, option, path):
        (tmp_path / "folder.png").mkdir()
        monkeypatch.chdir(tmp_path)
        refused(
            command("no.npy", "no.npy", option, path), option, f"folder that exists, got {path}"
        )
        if option == "--state-out":
            refused(command("--merge", "no.state", option, path), option, f"got {path}")

    @pytest.mark.parametrize("names", ["{0} {1}", "{1} {0}:x", "{1} {1} --sample-weight {0}:x"])
    @pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
    def test_what_is_read_is_kept(self, command, tmp_path, names, link):
        source, other = tmp_path / "a.csv", tmp_path / "b.csv"
        for path in (source, other):
            path.write_text("x\n1\n")
        out = tmp_path / "a.png" if link else source
        if link:
            getattr(out, link)(source)
        words = names.format(source, other).split()
        for option in ["--state-out", *["--plot"] * (link is not None)]:
            refused(command(*words, option, out), option, str(out))
        assert source.read_text() == "x\n1\n"

    def test_states_are_kept(self, command, tmp_path):
        files = [tmp_path / "a.state", tmp_path / "b.state"]
        for path in files:
            path.write_bytes(forms(9)[0].state().to_bytes())
        refused(command("--merge", *files, "--state-out", files[1]), "--state-out", "b.state")
        assert files[1].read_bytes() == forms(9)[0].state().to_bytes()

    def test_standard_input_is_kept(self, python, tmp_path):
        (tmp_path / "in.csv").write_text("1,0\n2,1\n")
        code = "import os, runpy, sys; os.dup2(os.open(sys.argv[-1], os.O_RDONLY), 0); "
        code += "runpy.run_module('hingemetrics', run_name='__main__', alter_sys=True)"
        options = ["--preds", "0", "--target", "1", "--state-out", tmp_path / "in.csv"]
        refused(python("-c", code, "-", *options), "--state-out", "in.csv")
        assert (tmp_path / "in.csv").read_text() == "1,0\n2,1\n"

    def test_another_file_is_replaced(self, table, tmp_path):
        (tmp_path / "a.state").write_bytes(b"before")
        case = forms(60)[0]
        assert table(case, "--state-out", tmp_path / "a.state").returncode == 0
        assert (tmp_path / "a.state").read_bytes() == case.state().to_bytes()

    def test_a_full_disk(self, table, monkeypatch, tmp_path):
        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(cli.os, "fsync", full)
        run = table(forms(60)[0], "--state-out", tmp_path / "a.state")
        refused(run, f"{tmp_path / 'a.state'}: No space left on device\n")
        if Path("/dev/full").exists():
            run = table(forms(60)[0], "--state-out", "/dev/full")
            refused(run, "error: /dev/full: No space left on device\n")

    def test_a_folder_that_goes_away(self, table, monkeypatch, tmp_path):
        monkeypatch.setattr(cli, "_check_outputs", lambda *_: None)
        path = tmp_path / "none" / "a.state"
        refused(table(forms(60)[0], "--state-out", path), f"{path}: No such file or directory\n")


class Recorded:
    """Stands for the display: keeps what it was asked to draw."""

    @classmethod
    def from_predictions(cls, target, preds, **options):
        cls.target, cls.preds, cls.options, cls.figure_ = target, preds, options, cls
        return cls

    @classmethod
    def savefig(cls, file, format):
        cls.format = format
        file.write(b"drawn")


class Undrawn(Recorded):
    """Stands for a display that cannot draw."""

    error = RuntimeError("no\nroom")

    @classmethod
    def savefig(cls, file, format):
        file.write(b"half")
        raise cls.error


class TestPlot:
    @pytest.fixture
    def display(self, monkeypatch):
        """Put something else in the place of the display; then it goes without matplotlib."""

        def put(stand_in):
            monkeypatch.setattr(cli, "find_spec", lambda name: name)
            monkeypatch.setattr("hingemetrics.plot.HingeLossDisplay", stand_in)

        return put

    @pytest.mark.parametrize("suffix", ["png", "SVG", "pdf"])
    @pytest.mark.parametrize("case", [forms(60)[k] for k in (1, 5, 9)], ids=name)
    def test_picture(self, table, case, suffix, tmp_path):
        pytest.importorskip("matplotlib")
        run = table(case, "--plot", tmp_path / f"a.{suffix}")
        assert bits(printed(run)) == bits(case.expected())
        start = (tmp_path / f"a.{suffix}").read_bytes()[:5]
        assert start in (b"\x89PNG\r", b"<?xml", b"%PDF-")

    def test_nothing_to_draw(self, table, tmp_path):
        pytest.importorskip("matplotlib")
        run = table(forms(60)[0].rows(slice(0)), "--plot", tmp_path / "a.png")
        assert (run.returncode, run.stdout) == (0, "nan\n")
        last = run.stderr.splitlines()[-1]
        assert last.startswith("hingemetrics: note: no picture: ")
        assert "samples" in last

    @pytest.mark.parametrize(
        ("case", "status"),
        [
            (Case(np.ones(2), np.array([0, 1]), np.zeros(2)), 1),
            (Case(np.array([np.nan, 1.0]), np.array([0, 1])), 1),
            (Case(np.array([1e300, -1e300]), np.array([0, 1])), 1),
            (Case(np.array([1e300, -1e300]), np.array([0, 1]), squared=True), 1),
            (Case(np.array([np.inf, 1.0]), np.array([0, 1])), 1),
        ],
    )
    def test_what_cannot_be_drawn_changes_nothing(
        self, hingemetrics_command, tmp_path, case, status
    ):
        """One line says so, where there is no picture; no warning of any library gets out."""
        pytest.importorskip("matplotlib")
        arrays = {"preds": case.preds, "target": case.target}
        if case.weight is not None:
            arrays["weight"] = case.weight
        np.savez(tmp_path / "a.npz", **arrays)
        options = ["--preds", "preds", "--target", "target", "--fail-above", "1"]
        options += ["--sample-weight", "weight"] * (case.weight is not None)
        options += ["--squared"] * case.squared
        plain = hingemetrics_command(tmp_path / "a.npz", *options)
        run = hingemetrics_command(tmp_path / "a.npz", *options, "--plot", tmp_path / "a.png")
        assert (run.returncode, run.stdout) == (plain.returncode, plain.stdout)
        assert run.returncode == status
        said = run.stderr.removeprefix(plain.stderr).splitlines()
        assert [line[:31] for line in said] == ["hingemetrics: note: no picture:"] * len(said)
        assert len(said) == (not (tmp_path / "a.png").exists())

    @pytest.mark.parametrize("limit", ["0.2", "0.3"])
    def test_any_failure_to_draw(self, table, display, tmp_path, limit):
        display(Undrawn)
        (tmp_path / "a.png").write_text("before")
        case = Case(np.array(PREDS), np.array(TARGET))
        run = table(case, "--plot", tmp_path / "a.png", "--fail-above", limit)
        assert (run.returncode, run.stdout) == (limit == "0.2", f"{case.expected()!r}\n")
        assert run.stderr == "hingemetrics: note: no picture: no room\n"
        assert (tmp_path / "a.png").read_text() == "before"

    @pytest.mark.parametrize("error", [OSError(28, "full", "a.png"), ImportError("no part")])
    def test_errors_of_the_system(self, table, display, monkeypatch, tmp_path, error):
        monkeypatch.setattr(Undrawn, "error", error)
        display(Undrawn)
        case = Case(np.array(PREDS), np.array(TARGET))
        run = table(case, "--plot", tmp_path / "a.png")
        assert (run.returncode, run.stdout) == (2, f"{case.expected()!r}\n")
        assert run.stderr.startswith("hingemetrics: error: ")
        assert run.stderr.count("\n") == 1
        assert not (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("label", [np.nan, np.inf])
    def test_what_is_not_finite_is_of_the_command_s_arguments(self, table, tmp_path, label):
        pytest.importorskip("matplotlib")
        run = table(Case(np.array([0.5, label]), np.array([0, 1])), "--plot", tmp_path / "a.png")
        assert run.stderr.startswith("hingemetrics: note: no picture: preds must be finite")
        assert run.stderr.count("\n") == 1

    def test_a_missing_matplotlib_is_noticed_first(self, command, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        run = command(tmp_path / "none.npy", tmp_path / "none.npy", "--plot", tmp_path / "a.png")
        refused(run, "plots need matplotlib: pip install matplotlib\n")

    @pytest.mark.parametrize("suffix", ["png", "SVG"])
    def test_the_picture_is_whole_or_not_there(self, table, display, monkeypatch, tmp_path, suffix):
        display(Recorded)
        monkeypatch.setattr(
            cli.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "x"))
        )
        (tmp_path / f"a.{suffix}").write_text("before")
        assert table(forms(60)[0], "--plot", tmp_path / f"a.{suffix}").returncode == 2
        assert (tmp_path / f"a.{suffix}").read_text() == "before"
        assert Recorded.format == suffix.lower()
        assert len(list(tmp_path.iterdir())) == 2

    def test_more_classes_than_room(self, monkeypatch):
        monkeypatch.setattr(breakdown, "_SHOWN_ELEMENTS", 2)
        picture = breakdown.Picture(hingemetrics.HingeLoss())
        for first in (0, 2):
            rows = np.arange(first, first + 2)
            picture.add(breakdown.Kept(rows, np.ones((2, 3)), rows, None))
        assert picture.left_out == "1 of 4 rows, one in 4"

    @pytest.mark.usefixtures("small_blocks")
    @pytest.mark.parametrize(
        ("most", "step"), [(60, 1), (59, 2), (30, 2), (29, 4), (8, 8), (1, 64)]
    )
    def test_sample(self, table, display, monkeypatch, tmp_path, most, step):
        """Every 2**k-th row of all that are not ignored, as many as there is room for."""
        monkeypatch.setattr(breakdown, "_SHOWN_ROWS", most)
        display(Recorded)
        target = np.where(np.arange(90) % 3 == 2, 9, np.arange(90) % 3)
        case = Case(np.arange(180.0).reshape(90, 2), target, np.arange(90.0))
        run = table(case, "--ignore-index", "9", "--plot", tmp_path / "a.png")
        kept = np.flatnonzero(target != 9)[::step]
        assert np.array_equal(Recorded.preds, case.preds[kept])
        assert np.array_equal(Recorded.target, target[kept])
        assert np.array_equal(Recorded.options["sample_weight"], case.weight[kept])
        assert list(Recorded.options["labels"]) == [0, 1]
        assert (f"{len(kept)} of 60 rows" in run.stderr) == (step > 1)


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


EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("example", ["breast_cancer", "digits"] if EXAMPLES.is_dir() else [])
def test_examples(hingemetrics_command, example):
    files = [EXAMPLES / f"{example}_{part}.npy" for part in ("preds", "target")]
    found = printed(hingemetrics_command(*files))
    assert bits(found) == bits(expected(*map(np.load, files)))
