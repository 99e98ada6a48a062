"""The command line, as a shell sees it: result on stdout, the rest on stderr, and a status."""

import json
from pathlib import Path

import numpy as np
import pytest
from reference import bits, expected
from strategies import forms, name

import hingemetrics

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
        np.savez(folder / "archive.npz", PREDS)
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
        "--version",
    ):
        assert word in run.stdout


FRUGAL = """
import runpy, sys, tracemalloc
import hingemetrics.cli
tracemalloc.start()
try:
    runpy.run_module("hingemetrics", run_name="__main__")
finally:
    print(tracemalloc.get_traced_memory()[1], file=sys.stderr)
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


EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("example", ["breast_cancer", "digits"] if EXAMPLES.is_dir() else [])
def test_examples(hingemetrics_command, example):
    files = [EXAMPLES / f"{example}_{part}.npy" for part in ("preds", "target")]
    found = printed(hingemetrics_command(*files))
    assert bits(found) == bits(expected(*map(np.load, files)))
