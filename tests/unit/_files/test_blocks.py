"""Files as blocks: any format of the same data, cut anywhere, is the same data."""

import gzip
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from cases import FLAVOURS, Case, cast, forms, labels, name, scores, weights
from formats import FORMATS, SIZES, of_one_file, one_column, read, refusal
from oracle import says
from pyarrow import parquet

from hingemetrics import HingeLoss
from hingemetrics._files import TableError, blocks, columns, row_count
from hingemetrics.cli import main


def hard_cases():
    """Doubles of every flavour, NaN and inf included: binary, and of three classes."""
    for seed, flavour in enumerate(FLAVOURS):
        rng = np.random.default_rng(seed)
        shape = (110,) if seed % 2 else (110, 3)
        preds = cast(scores(rng, shape, flavour), "f8")
        target = labels(rng, 110, None if seed % 2 else 3)
        yield Case(preds, target, weights(rng, 110, "wild"))


CASES = [*forms(110), *hard_cases()]


class TestLaws:
    @pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
    def test_any_format_of_the_same_data(self, form, tmp_path):
        for case in CASES:
            preds, target, weight = read(form(case, tmp_path))
            for found, given_ in ((preds, case.preds), (target, case.target)):
                assert (found.dtype, found.shape) == (given_.dtype, given_.shape)
            assert np.array_equal(preds.view(np.int64), case.preds.view(np.int64))
            assert np.array_equal(target, case.target)
            assert (weight is None) == (case.weight is None)
            assert weight is None or weight.tobytes() == case.weight.tobytes()

    @pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
    @pytest.mark.parametrize("case", forms(60)[::5], ids=name)
    def test_any_block_size(self, form, case, tmp_path):
        wanted = form(case, tmp_path)
        for elements in SIZES:
            metric = HingeLoss(case.squared, case.mode)
            for block in blocks(*wanted, elements=elements):
                metric.update(block.preds, block.target, block.sample_weight)
            assert metric.state.to_bytes() == case.state().to_bytes()

    @pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", "u8", "?"])
    @pytest.mark.parametrize("form", ["npy", "npz", "npz, Fortran order"])
    def test_dtypes_stay(self, form, dtype, tmp_path):
        preds = (np.arange(24).reshape(8, 3) % 5 - 2).astype(dtype)
        wanted = FORMATS[form](Case(preds, np.arange(8) % 3), tmp_path)
        assert {block.preds.dtype for block in blocks(*wanted, elements=5)} == {preds.dtype}
        assert np.array_equal(read(wanted, 5)[0], preds)

    def test_dtypes_of_columns(self, tmp_path):
        """Columns of several dtypes are widened, one by one exactly."""
        data = {
            "a": pyarrow.array([1, -2, 3], pyarrow.int8()),
            "b": pyarrow.array([0.1, -0.0, np.nan], pyarrow.float32()),
            "c": pyarrow.array([2**63, 0, 2**64 - 1], pyarrow.uint64()),
            "y": pyarrow.array([False, True, True]),
        }
        parquet.write_table(pyarrow.table(data), tmp_path / "t.parquet")
        found, target, _ = read(of_one_file(tmp_path / "t.parquet", ("a,b,c", "y", None)))
        expected = np.array([[1, np.float32(0.1), 2**63], [-2, -0.0, 0], [3, np.nan, 2**64 - 1]])
        assert found.tobytes() == expected.astype("f8").tobytes()
        assert target.tolist() == [False, True, True]

    def test_what_a_file_says_of_its_rows(self, tmp_path):
        case = forms(60)[0]
        for form, rows in (("npy", 60), ("parquet", 60), ("csv", None), ("npz", None)):
            assert row_count(FORMATS[form](case, tmp_path)[0]) == rows


class TestSpecs:
    @pytest.mark.parametrize(
        ("text", "path", "names"),
        [
            ("a.npy", "a.npy", None),
            ("a.npy:0", "a.npy:0", None),
            ("a.csv", "a.csv", None),
            ("a.csv:x,0", "a.csv", ("x", "0")),
            ("C:\\a.Parquet:x y", "C:\\a.Parquet", ("x y",)),
            ("a.npz:b.csv:c", "a.npz", ("b.csv:c",)),
            ("-", "-", None),
            ("-:1", "-", ("1",)),
            ("a.csv.gz:x", "a.csv.gz", ("x",)),
            ("part-*.tsv.gz:0,1", "part-*.tsv.gz", ("0", "1")),
        ],
    )
    def test_file_and_columns(self, text, path, names):
        assert columns("preds", text) == ("preds", path, names)

    def test_a_file_that_is_there_wins(self, tmp_path):
        path = tmp_path / "a.csv:b"
        path.write_text("1\n")
        assert columns("preds", str(path)) == ("preds", str(path), None)

    @pytest.mark.parametrize("text", ["a.csv:", "a.csv:x,", "a.csv:,", "a.csv:x,y,x"])
    def test_columns_without_a_name_or_twice(self, text):
        with pytest.raises(TableError, match=says("a.csv")):
            columns("preds", text)

    @pytest.mark.parametrize("argument", ["preds", "target", "sample_weight"])
    @pytest.mark.parametrize(
        "path",
        ["x.npy.gz", "x.gz", "x.txt", "x.state", "/dev/stdin", "x", "npy", "x.npy:0", ""],
    )
    def test_an_unknown_ending(self, path, argument):
        wanted = {name: columns(name, "t.npy") for name in ("preds", "target")}
        wanted[argument] = columns(argument, path)
        with pytest.raises(TableError, match=says(argument, ".npy", ".tsv", ".feather")) as refused:
            list(blocks(**wanted))
        assert str(refused.value).endswith(f"got {path!r}")

    def test_an_array_with_another_ending(self, tmp_path):
        (tmp_path / "x.bin").write_bytes(b"\x93NUMPY")
        wanted = columns("preds", str(tmp_path / "x.bin")), columns("target", "t.npy")
        with pytest.raises(TableError, match=says("preds", "ends in", "x.bin")):
            list(blocks(*wanted))

    @pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "arrow"])
    @pytest.mark.parametrize(
        "picked",
        [
            ("score 0,label", "label", None),
            ("score 0,1", "label", None),
            ("label", "1", None),
            ("score 0", "label", "0"),
            ("score 0", "label", "label"),
        ],
    )
    def test_a_column_for_two_arguments(self, form, picked, tmp_path):
        path = FORMATS[form](forms(9)[0], tmp_path)[0].path
        with pytest.raises(TableError, match=says(path, "once each")):
            read(of_one_file(path, picked))


class TestDamage:
    @pytest.fixture(
        params=["npz, compressed", "npz", "csv, gzipped", "parquet", "arrow", "feather"]
    )
    def stored(self, request, tmp_path):
        """A file, what to read of it, and its bytes."""
        wanted = FORMATS[request.param](forms(40)[0], tmp_path)
        path = Path(wanted[0].path)
        return path, wanted, path.read_bytes()

    def test_cut_short(self, stored):
        path, wanted, whole = stored
        for end in (0, 1, 7, len(whole) // 3, len(whole) // 2, len(whole) - 30, len(whole) - 1):
            path.write_bytes(whole[:end])
            with pytest.raises((TableError, OSError), match=re.escape(str(path))):
                list(blocks(*wanted))

    def test_damaged(self, stored):
        """A byte changed is an error that names the file, or other rows where nothing checks it."""
        path, wanted, whole = stored
        messages = []
        for place in range(0, len(whole), len(whole) // 150):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            messages.append(refusal(wanted))
        refused = [message for message in messages if message is not None]
        assert all(str(path) in message for message in refused)
        assert len(refused) > 2


class TestPaths:
    @pytest.mark.parametrize("form", ["npz", "csv", "parquet", "arrow"])
    def test_a_uri_is_only_a_path(self, form, tmp_path, monkeypatch):
        """Nothing is asked of a network, or found by the file that a URI stands for."""
        case = forms(9)[0]
        wanted = FORMATS[form](case, tmp_path)
        path = wanted[0].path
        elsewhere = [part and part._replace(path=f"file://{path}") for part in wanted]
        with pytest.raises(OSError, match=says(f"file://{path}")):
            list(blocks(*elsewhere))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "s3:" / "b").mkdir(parents=True)
        Path(path).rename(tmp_path / "s3:" / "b" / Path(path).name)
        here = [part and part._replace(path=f"s3://b/{Path(path).name}") for part in wanted]
        assert read(here)[0].tobytes() == case.preds.tobytes()


ONE_TABLE = ["csv", "csv without a header", "csv, gzipped", "tsv", "parquet", "arrow", "npz"]


def parts_of(case, form, folder, ends):
    """The rows of a case as files, one for those up to each end; what to read of all of them."""
    found = []
    for k, (start, end) in enumerate(zip([0, *ends], [*ends, len(case)], strict=True)):
        weight = None if case.weight is None else case.weight[start:end]
        rows = replace(case, preds=case.preds[start:end], target=case.target[start:end])
        (here := folder / f"part-{k}").mkdir()
        found = form(replace(rows, weight=weight), here)
        for part in found:
            if part is not None and Path(part.path).parent == here:
                path = Path(part.path)
                if path.exists():
                    path.rename(folder / f"{path.stem}-{k}{''.join(path.suffixes)}")
    return [part and several(part, folder) for part in found]


def several(part, folder):
    """The same of all files in a folder that have a name like it."""
    path = Path(part.path)
    return part._replace(path=str(folder / f"{path.stem}-*{''.join(path.suffixes)}"))


class TestSeveralFiles:
    @pytest.mark.parametrize("form", [*ONE_TABLE, "npy", "npy, Fortran order"])
    @pytest.mark.parametrize("case", forms(40)[::5], ids=name)
    @pytest.mark.parametrize("elements", [7, 2**20])
    def test_the_rows_of_all(self, form, case, elements, tmp_path):
        wanted = parts_of(case, FORMATS[form], tmp_path, [17, 18])
        preds, target, weight = read(wanted, elements)
        assert preds.tobytes() == case.preds.tobytes()
        assert target.tobytes() == case.target.tobytes()
        assert weight is None or weight.tobytes() == case.weight.tobytes()

    def test_where_rows_are_from(self, tmp_path):
        wanted = parts_of(forms(40)[0], FORMATS["csv"], tmp_path, [17, 18])
        found = {source for block in blocks(*wanted, elements=3) for source in block.sources}
        files = [str(tmp_path / f"table-{k}.csv") for k in range(3)]
        assert sorted(found) == list(zip(files, [0, 17, 18], strict=True))

    def test_what_files_say_of_their_rows(self, tmp_path):
        for form in ("npy", "parquet"):
            (folder := tmp_path / form).mkdir()
            assert row_count(parts_of(forms(40)[0], FORMATS[form], folder, [17, 18])[0]) == 40

    def test_in_the_order_of_their_names(self, tmp_path):
        for number in (2, 10, 1):
            (tmp_path / f"p-{number}.csv").write_text(f"{number},1\n")
        wanted = of_one_file(tmp_path / "p-*.csv", ("0", "1", None))
        assert read(wanted)[0].tolist() == [1.0, 10.0, 2.0]

    def test_formats_may_differ(self, tmp_path):
        parquet.write_table(pyarrow.table({"a": [1.0], "y": [0]}), tmp_path / "t1.parquet")
        (tmp_path / "t2.csv").write_text("a,y\n2,1\n")
        assert read(of_one_file(tmp_path / "t*", ("a", "y", None)))[0].tolist() == [1.0, 2.0]

    @pytest.mark.parametrize("name", ["a[1].csv", "a*.csv", "a?.csv"])
    def test_a_file_of_that_very_name_wins(self, name, tmp_path):
        (tmp_path / name).write_text("1,0\n")
        (tmp_path / "a1.csv").write_text("2,1\n")
        assert read(of_one_file(tmp_path / name, ("0", "1", None)))[0].tolist() == [1.0]

    def test_none(self, tmp_path):
        wanted = of_one_file(tmp_path / "p-*.csv", ("0", "1", None))
        with pytest.raises(TableError, match=says("p-*.csv", "No such file", "pattern")):
            list(blocks(*wanted))
        with pytest.raises(TableError, match=says("p-*.csv", "No such file", "pattern")):
            row_count(wanted[0])

    @pytest.mark.parametrize("second", ["b,a\n1,0\n", "a\n1\n", "a,b,c\n1,0,1\n", "1,0\n"])
    @pytest.mark.parametrize("picked", [("a", "b", None), ("0", "1", None)])
    def test_other_columns(self, second, picked, tmp_path):
        (tmp_path / "p1.csv").write_text("a,b\n1,0\n")
        (tmp_path / "p2.csv").write_text(second)
        with pytest.raises(
            TableError, match=says("p2.csv", "same columns as", "p1.csv", "'a', 'b'")
        ):
            list(blocks(*of_one_file(tmp_path / "p*.csv", picked)))

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    @pytest.mark.parametrize("shape", [(2,), (2, 2), (2, 4)])
    def test_other_shapes(self, suffix, shape, tmp_path):
        save = np.save if suffix == "npy" else np.savez
        save(tmp_path / f"p1.{suffix}", np.zeros((2, 3)))
        save(tmp_path / f"p2.{suffix}", np.zeros(shape))
        np.save(tmp_path / "target.npy", np.zeros(4))
        wanted = (
            columns("preds", str(tmp_path / f"p*.{suffix}")),
            columns("target", str(tmp_path / "target.npy")),
        )
        with pytest.raises(TableError, match=says("p2", "(N, 3) like", "p1")):
            list(blocks(*wanted))

    @pytest.mark.parametrize(
        ("second", "words"),
        [("1,0\n1,x\n", ["'x'", "line 2"]), ("1,0\n1\n", ["line 2"]), ("", ["nothing"])],
    )
    def test_errors_name_the_very_file(self, second, words, tmp_path):
        (tmp_path / "p1.csv").write_text("1,0\n" * 9)
        (tmp_path / "p2.csv").write_text(second)
        message = refusal(of_one_file(tmp_path / "p*.csv", ("0", "1", None)))
        assert message.startswith(str(tmp_path / "p2.csv"))
        assert all(word in message for word in words)

    def test_nulls_have_the_row_of_their_file(self, tmp_path):
        for k, values in enumerate(([1.0, 2.0], [3.0, None])):
            parquet.write_table(
                pyarrow.table({"a": values, "y": [0, 1]}), tmp_path / f"{k}.parquet"
            )
        message = refusal(of_one_file(tmp_path, ("a", "y", None)))
        assert message.startswith(str(tmp_path / "1.parquet"))
        assert "at index 1;" in message

    def test_a_longer_argument(self, tmp_path):
        for k in range(2):
            np.save(tmp_path / f"p{k}.npy", np.zeros(2))
        wanted = columns("preds", str(tmp_path / "p*.npy")), one_column(tmp_path, "111", "target")
        with pytest.raises(TableError, match=says("p*.npy", "target.csv", "more than 3")):
            list(blocks(*wanted))


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path):
        """As Spark writes one."""
        (folder := tmp_path / "scores").mkdir()
        for k in (1, 0):
            parquet.write_table(pyarrow.table({"a": [k + 0.5], "y": [k]}), folder / f"{k}.parquet")
        for other in ("_SUCCESS", "_temporary.parquet", ".0.parquet.crc", ".x.parquet", "a.csv"):
            (folder / other).write_bytes(b"no table")
        return str(folder)

    @pytest.mark.parametrize("text", ["{}:", "{}/:", "{}/[01].parquet:"])
    def test_parquet_files(self, folder, text):
        text = text.format(folder)
        preds, target, _ = read((columns("preds", f"{text}a"), columns("target", f"{text}y")))
        assert (preds.tolist(), target.tolist()) == ([0.5, 1.5], [0, 1])

    def test_folders_that_a_pattern_matches(self, folder):
        preds, _, _ = read(of_one_file(f"{folder[:-1]}*", ("a", "y", None)))
        assert preds.tolist() == [0.5, 1.5]

    def test_no_parquet_files(self, tmp_path):
        wanted = of_one_file(tmp_path, ("a", "y", None))
        with pytest.raises(TableError, match=says(str(tmp_path), "folder", ".parquet", "none")):
            list(blocks(*wanted))


class TestPipes:
    """A reader that would wait for a pipe, or go back in it, refuses it at once."""

    @pytest.mark.parametrize("argument", ["preds", "target"])
    @pytest.mark.parametrize("ending", ["npy", "npz", "parquet", "arrow", "feather"])
    def test_refused(self, python, ending, argument, tmp_path):
        os.mkfifo(path := tmp_path / f"f.{ending}")
        np.save(tmp_path / "other.npy", [1, 0])
        wanted = f"{path}:a" if ending not in ("npy", "npz") else path
        files = [wanted, tmp_path / "other.npy"]
        run = python("-m", "hingemetrics", *(files if argument == "preds" else files[::-1]))
        assert (run.returncode, run.stdout) == (2, "")
        assert re.fullmatch(
            r"hingemetrics: error: .*/f\.\w+ must be a regular file, .*\n", run.stderr
        )

    @pytest.mark.parametrize("ending", ["csv", "csv.gz"])
    def test_csv(self, ending, tmp_path):
        os.mkfifo(path := tmp_path / f"f.{ending}")
        data = b"0.5,1\n1.5,0\n"
        written = gzip.compress(data) if ending == "csv.gz" else data
        writer = threading.Thread(target=path.write_bytes, args=[written])
        writer.start()
        preds, target, _ = read(of_one_file(path, ("0", "1", None)))
        writer.join()
        assert (preds.tolist(), target.tolist()) == ([0.5, 1.5], [1, 0])


class TestCommand:
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
