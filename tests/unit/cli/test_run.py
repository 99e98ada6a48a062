"""The command from its files to its exit status: blocks, inputs of any kind, refusals, memory."""

import json
import sys
import tracemalloc
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pytest
from cases import Case, battery, form, forms, name
from command import PREDS, ROWS, TARGET, json_of, printed, redirected, refused
from oracle import bits, expected

import hingemetrics
from hingemetrics.cli import main, run


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
    def test_standard_input(self, command, tmp_path):
        (tmp_path / "in.csv").write_text("s,y\n-2.2,0\n2.4,1\n0.1,1\n")
        with redirected(0, tmp_path / "in.csv"):
            run = command("-", "--preds", "s", "--target", "y")
        assert printed(run) == expected(PREDS, TARGET)
        with redirected(0, tmp_path / "in.csv"):
            run = command("-", "--preds", "s", "--target", "z")
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
    def test_what_starts_with_a_hyphen(self, command, tmp_path, limit):
        """As --help says: after "=", or after "--"."""
        (tmp_path / "in.csv").write_text("1.5,0,0.1\n2,1,0.2\n")
        np.save(tmp_path / "y.npy", [0, 1])
        with redirected(0, tmp_path / "in.csv"):
            run = command(f"--fail-above={limit}", "--sample-weight=-:2", "--", "-:0", "-:1")
        loss = expected([1.5, 2], [0, 1], sample_weight=[0.1, 0.2])
        assert (run.returncode, run.stdout) == (1, f"{loss!r}\n")
        with redirected(0, tmp_path / "in.csv"):
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


class TestSeveralFiles:
    @pytest.fixture
    def run(self, capsys, tmp_path, monkeypatch):
        """Run the command beside two files of two rows."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "p1.csv").write_text("score,label\n0.5,1\n-0.5,0\n")
        (tmp_path / "p2.csv").write_text("score,label\n0.25,1\n-9,1\n")

        def run(*arguments):
            try:
                status = main(arguments)
            except SystemExit as ended:
                status = ended.code
            return status, *capsys.readouterr()

        return run

    def test_rows_count_over_all_files(self, run):
        command = "p*.csv", "--preds", "score", "--target", "label", "--worst", "1", "--json"
        status, out, _ = run(*command)
        found = json.loads(out)
        assert (status, found["count"]) == (0, 4)
        assert found["worst"] == [{"index": 3, "target": 1, "loss": 10.0}]
        assert run("p*.csv:score", "p*.csv:label", *command[5:])[1] == out

    def test_a_label_that_is_none(self, run, tmp_path):
        (tmp_path / "p2.csv").write_text("score,label\n0.25,1\n-9,7\n")
        status, _, said = run("p*.csv", "--preds", "score", "--target", "label")
        assert status == 2
        assert "error: p2.csv (rows from 2 on): target must be" in said
        assert "got 7 at index 3" in said

    def test_what_is_read_is_not_written_to(self, run):
        status, _, said = run(
            "p*.csv", "--preds", "score", "--target", "label", "--state-out", "p2.csv"
        )
        assert status == 2
        assert "--state-out must be another file" in said

    def test_a_header_of_numbers_is_told(self, run, tmp_path):
        (tmp_path / "p1.csv").write_text("0,1\n0.5,1\n")
        (tmp_path / "p2.csv").write_text("0,1\n0.5,1\n")
        status, out, said = run("p*.csv", "--preds", "0", "--target", "1")
        assert (status, out) == (0, "0.5\n")
        assert said.startswith("hingemetrics: note: p1.csv: the first line, '0,1', is taken for a")
        assert said.count("\n") == 1


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

    def test_each_argument(self, command, good, tmp_path):
        preds, target = good
        for bad in self.bad_files(tmp_path):
            refused(command(bad, target), bad.name)
        refused(command(preds, tmp_path / "text.npy"), "text.npy")
        refused(command(preds, target, "--sample-weight", bad), bad.name)
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

    def test_no_arguments(self, command):
        refused(command(), "PREDS")
        refused(command("preds.npy"), "TARGET")

    def test_newline_in_a_file_name(self, command):
        refused(command("two\nlines.npy", "target.npy"))


class TestInterrupt:
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


class TestMemory:
    """Files larger than the memory that the command takes for them."""

    @pytest.fixture
    def peak(self, command):
        """Run the command and return, beside what it did, the most memory it took, in bytes."""

        def run(*arguments):
            tracemalloc.start()
            try:
                done = command(*arguments, "--backend", "numpy")
                return done, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        return run

    @pytest.mark.parametrize(
        "order", [np.asfortranarray, pytest.param(np.asarray, marks=pytest.mark.more)]
    )
    def test_arrays(self, peak, tmp_path, order):
        rng = np.random.default_rng(0)
        preds, target = rng.normal(size=(1_200_000, 4)), rng.integers(0, 4, 1_200_000)
        weight = rng.random(1_200_000)
        files = [tmp_path / f"{k}.npy" for k in range(3)]
        for path, array in zip(files, (order(preds), target, weight), strict=True):
            np.save(path, array)
        run, most = peak(files[0], files[1], "--sample-weight", files[2])
        assert printed(run) == hingemetrics.hinge_loss(preds, target, sample_weight=weight)
        assert most < 16e6 < preds.nbytes

    @pytest.mark.parametrize(
        "suffix", ["csv", *(pytest.param(s, marks=pytest.mark.more) for s in ("npz", "F.npz"))]
    )
    def test_tables(self, peak, tmp_path, suffix):
        rng = np.random.default_rng(0)
        rows = 120_000 if suffix == "csv" else 300_000  # a text is longer, and slower to trace
        preds, target = rng.normal(size=(rows, 10)), rng.integers(0, 10, rows)
        path = tmp_path / f"large.{suffix}"
        named = "preds"
        if suffix == "csv":
            names = [f"c{k}" for k in range(10)]
            columns = dict(zip([*names, "y"], [*preds.T, target], strict=True))
            pyarrow.csv.write_csv(pyarrow.table(columns), path)
            named = ",".join(names)
        else:
            preds = np.asarray(preds, order="F" if suffix == "F.npz" else "C")
            np.savez(path, preds=preds, y=target)
        run, most = peak(path, "--preds", named, "--target", "y", "--worst", "5")
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith(f"{hingemetrics.hinge_loss(preds, target)!r}\n")
        assert most < 20e6 < path.stat().st_size
