"""Which files, and which columns of them, an argument names."""

from pathlib import Path

import pyarrow
import pytest
from cases import forms
from formats import FORMATS, of_one_file, one_column, read
from oracle import says
from pyarrow import parquet

from hingemetrics._files import TableError, blocks, columns, row_count


class TestTexts:
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


class TestColumns:
    def test_names_win_over_numbers(self, tmp_path):
        (tmp_path / "t.csv").write_text("1,0,y\n5,6,1\n")
        preds, _, _ = read(of_one_file(tmp_path / "t.csv", ("0,1", "y", None)))
        assert preds.tolist() == [[6.0, 5.0]]

    @pytest.mark.parametrize("text", ["0,a", "a,0", "0,00", "1,a,2,01"])
    def test_a_column_twice_by_other_names(self, text, tmp_path):
        (tmp_path / "t.csv").write_text("a,b,c,y\n5,6,7,1\n")
        with pytest.raises(TableError, match=says("t.csv", "once each", text)):
            read(of_one_file(tmp_path / "t.csv", (text, "y", None)))

    def test_all_columns(self, tmp_path):
        (tmp_path / "t.csv").write_text("5,6,1\n7,8,9\n")
        wanted = (
            columns("preds", str(tmp_path / "t.csv")),
            one_column(tmp_path, ["0", "1"], "target"),
        )
        assert read(wanted)[0].tolist() == [[5.0, 6.0, 1.0], [7.0, 8.0, 9.0]]

    def test_all_columns_but_others_name_some(self, tmp_path):
        (tmp_path / "t.csv").write_text("a,y\n7,1\n")
        path = str(tmp_path / "t.csv")
        wanted = columns("preds", path), columns("target", f"{path}:y")
        with pytest.raises(TableError, match=says("preds", "columns", "t.csv")):
            read(wanted)

    @pytest.mark.parametrize("argument", ["target", "sample_weight"])
    def test_one_column_only(self, argument, tmp_path):
        (tmp_path / "t.csv").write_text("1,0\n")
        wanted = {"preds": one_column(tmp_path, "1"), "target": one_column(tmp_path, "1", "target")}
        wanted[argument] = columns(argument, str(tmp_path / "t.csv"))
        with pytest.raises(TableError, match=says(argument, "one column", "2")):
            list(blocks(**wanted))


class TestPatterns:
    def test_in_the_order_of_their_names(self, tmp_path):
        for number in (2, 10, 1):
            (tmp_path / f"p-{number}.csv").write_text(f"{number},1\n")
        wanted = of_one_file(tmp_path / "p-*.csv", ("0", "1", None))
        assert read(wanted)[0].tolist() == [1.0, 10.0, 2.0]

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


class TestPaths:
    @pytest.mark.parametrize("form", ["npz", "csv", "parquet", "arrow"])
    def test_a_uri_is_only_a_path(self, form, tmp_path, monkeypatch):
        """Neither the network nor the file that a URI stands for is accessed."""
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
