"""CSV: the numbers that Python reads, and the place of anything else."""

import gzip
import io
import os
import threading

import numpy as np
import pytest
from formats import numbers_of_many_forms, of_one_file, one_column, peak, read
from hypothesis import given
from hypothesis import strategies as st
from oracle import says

from hingemetrics import HingeLoss
from hingemetrics._files import TableError, blocks, columns
from hingemetrics._files import csv as csv_files


class TestNumbers:
    @given(st.lists(st.floats(), min_size=1), st.sampled_from(["", ".17e", ".3g", "_>30", "E"]))
    def test_as_python_reads_them(self, tmp_path_factory, numbers, form):
        folder = tmp_path_factory.mktemp("numbers")
        texts = [f"{x:{form}}".replace("_", " ") for x in numbers]
        wanted = (
            one_column(folder, ["x", *texts]),
            one_column(folder, ["1"] * len(texts), "target"),
        )
        found, _, _ = read(wanted)
        assert found.tobytes() == np.array([float(text) for text in texts]).tobytes()

    @pytest.mark.parametrize("texts", [["2.4703282292062328e-324", "1e400", "-1e400", "inf"]])
    def test_rounding_at_the_ends(self, texts, tmp_path):
        wanted = (one_column(tmp_path, texts), one_column(tmp_path, texts, "target"))
        assert read(wanted)[0].tolist() == [5e-324, np.inf, -np.inf, np.inf]

    @pytest.mark.parametrize("extra", [[], ["1.0"], ["-1.0e0", "+3"]])
    def test_labels_are_exact(self, extra, tmp_path):
        texts = [str(label) for label in (2**53 + 1, 2**63 - 1, -(2**63) + 1, 0)] + extra
        wanted = (one_column(tmp_path, texts), one_column(tmp_path, texts, "target"))
        _, target, _ = read(wanted)
        assert target.dtype == np.int64
        assert target.tolist() == [int(float(t)) if len(t) < 9 else int(t) for t in texts]

    @pytest.mark.parametrize(
        "text", ["0.5", "nan", "inf", "9223372036854775808", "1e300", "-1e19", "9" * 5000]
    )
    def test_what_is_no_label_is_left_to_the_metric(self, text, tmp_path):
        wanted = (one_column(tmp_path, ["1", "2"]), one_column(tmp_path, ["1", text], "target"))
        preds, target, _ = read(wanted)
        with pytest.raises(ValueError, match=says("target", "index 1")):
            HingeLoss().update(preds, target)

    @pytest.mark.parametrize("text", [str(2**63 + 1), str(-(2**63) - 1), "1" + "0" * 400])
    def test_labels_that_would_be_rounded(self, text, tmp_path):
        """Rounded, they would be other labels, perhaps one that is ignored."""
        wanted = (one_column(tmp_path, ["1", "2"]), one_column(tmp_path, ["1", text], "target"))
        with pytest.raises(TableError, match=says("labels that int64 or float64 holds", "line 2")):
            read(wanted)

    def test_the_least_label(self, tmp_path):
        texts = [str(-(2**63)), str(2**53 + 1)]
        wanted = (one_column(tmp_path, ["1", "2"]), one_column(tmp_path, texts, "target"))
        assert read(wanted)[1].tolist() == [-(2**63), 2**53 + 1]


class TestFirstLine:
    @pytest.mark.parametrize("picked", [("0,1", "2", None), ("1,0", "2", None)])
    def test_a_header_of_numbers(self, picked, tmp_path):
        """What pandas writes for columns without names."""
        (tmp_path / "t.csv").write_text("0,1,2\n5,6,1\n7,8,0\n")
        preds, target, _ = read(of_one_file(tmp_path / "t.csv", picked))
        rows = np.array([[5.0, 6.0], [7.0, 8.0]])
        assert preds.tolist() == (rows if picked[0] == "0,1" else rows[:, ::-1]).tolist()
        assert target.tolist() == [1, 0]

    @pytest.mark.parametrize("first", ["0,1,3", "1,2,3", "0,1.0,2", "0.0,1,2"])
    def test_a_first_line_of_other_numbers(self, first, tmp_path):
        (tmp_path / "t.csv").write_text(f"{first}\n5,6,1\n")
        assert len(read(of_one_file(tmp_path / "t.csv", ("0,1", "2", None)))[0]) == 2

    @pytest.mark.parametrize("text", ["{}", "{}:0"])
    def test_one_column_has_no_header_of_numbers(self, text, tmp_path):
        (tmp_path / "y.csv").write_text("0\n1\n")
        wanted = (
            one_column(tmp_path, ["5", "6"]),
            columns("target", text.format(tmp_path / "y.csv")),
        )
        assert read(wanted)[1].tolist() == [0, 1]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("elements", [1, 3, 8, 2**20])
    def test_a_blank_line_at_the_end(self, end, elements, tmp_path):
        (tmp_path / "t.csv").write_bytes(f"a,y{end}5,1{end}6,0{end}{end}".encode())
        found = list(blocks(*of_one_file(tmp_path / "t.csv", ("a", "y", None)), elements=elements))
        assert np.concatenate([block.preds for block in found]).tolist() == [5.0, 6.0]

    @pytest.mark.parametrize("name", ["x_y", "\u00fc"])
    def test_columns_not_asked_for_are_no_numbers(self, name, tmp_path):
        (tmp_path / "t.csv").write_text(f"{name},a,y\n{name},5,1\n", encoding="utf-8")
        assert read(of_one_file(tmp_path / "t.csv", ("a", "y", None)))[0].tolist() == [5.0]


class TestMalformedText:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("", ["nothing"]),
            ("\n", ["line 1"]),
            (",,\n", ["line 1"]),
            ("a,y\n1,0\n2\n", ["2 fields", "1", "line 3"]),
            ("a,y\n1,0\n2,1,\n", ["2 fields", "3", "line 3"]),
            ("a,y\n1,0\n\n\n", ["2 fields", "0", "line 3"]),
            ("a,y\n1,0\n\n2,1\n", ["2 fields", "0", "line 3"]),
            ("a,y\n1,0\n\n2,1", ["2 fields", "0", "line 3"]),
            ("a,y\n1,0\n ", ["2 fields", "1", "line 3"]),
            ("a,y\n1,0\n1_0,1\n", ["'1_0'", "line 3", "column 0", "'a'"]),
            ("a,y\n1,0\n\u0661,1\n", ["'\u0661'", "line 3", "column 0"]),
            ("a,y\n1,0\n1,1_0\n", ["'1_0'", "line 3", "column 1"]),
            ("a,y\n1,0\nx,1\n", ["'x'", "line 3", "column 0", "'a'"]),
            ("a,y\n1,0\n1,one\n", ["'one'", "line 3", "column 1", "'y'"]),
            ("a,y\n1,0\n,1\n", ["nothing", "line 3", "column 0"]),
            ("a,y\n1,0\na,y\n", ["'a'", "line 3"]),
            ("a,y\n1,0x1\n", ["'0x1'", "line 2", "column 1"]),
            ('a,y\n1,0\n"2"3,1\n', ["line 3"]),
            ('a,y\n1,0\n"2,1\n3,0\n', ["quoted field with a line break", "line 3"]),
            ('a,y\n1,0\n"2\n",1\n3,0\n', ["quoted field with a line break", "line 3"]),
            ('a,y\n1,0\n2,"1', ["quoted field", "without an end", "line 3"]),
            ('a,y,"t\n1,0,x"\n', ["quoted field with a line break", "line 1"]),
            ("a,y\r1,0\r2,1\r", ["carriage return", "line 1"]),
            ("a,y\r\n1,0\r\n2,1\r3,0\r\n", ["carriage return", "line 3"]),
            ("a,y\n1,0\n\0,1\n", ["NUL", "line 3"]),
            ("a,y\n1,0\n" + "9" * 200_000 + ",1\n", ["field", "line 3"]),
            ("a,y\n1,0\n" + "x" * 900 + ",1\n", ["'xxxx", "line 3"]),
            (b"a,y\n1,0\n\xff,1\n", ["UTF-8", "line 3"]),
            (b'a,y\n1,0\n"\r\xff",1\n', ["UTF-8", "0xff", "line 3"]),
            ("a,y\n1,0\n".encode("utf-16"), ["UTF-8", "line 1"]),
            ("a,a,y\n1,1,0\n", ["one column 'a'", "2"]),
            ("b,y\n1,1\n", ["'a'", "'b'"]),
            ("1,2\n3,4\n", ["'a'", "'1'"]),
        ],
    )
    @pytest.mark.parametrize("elements", [3, 8, 2**20])
    def test_place(self, content, words, elements, tmp_path):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(TableError) as refused:
            read(of_one_file(path, ("a", "y", None)), elements)
        message = str(refused.value)
        assert all(word in message for word in [str(path), *words]), message
        assert len(message) < len(str(path)) + 200
        assert "universal" not in message
        assert "newline" not in message

    def test_one_field(self, tmp_path):
        wanted = one_column(tmp_path, ["y", "1,0"]), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=says("have 1 field in", "got 2 in line 2")):
            read(wanted)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("1,0\nx,1\n", ["'x'", "line 2", "column 0"]),
            ("1,y\n2,1\n", ["'y'", "line 1", "column 1"]),
            ("1,2\n", ["column", "'7'", "2 columns"]),
            ("1\n", ["column", "'7'", "1 column"]),
        ],
    )
    def test_without_a_header(self, content, words, tmp_path):
        (tmp_path / "t.csv").write_text(content)
        target = "7" if "7" in words[1] else "1"
        with pytest.raises(TableError) as refused:
            read(of_one_file(tmp_path / "t.csv", ("0", target, None)))
        assert all(word in str(refused.value) for word in words), str(refused.value)

    @pytest.mark.parametrize(("rows", "elements"), [((3, 2), 9), ((2, 3), 9), ((500, 499), 1)])
    @pytest.mark.parametrize("suffix", ["csv", "tsv"])
    def test_other_numbers_of_rows(self, rows, elements, suffix, tmp_path):
        wanted = [
            one_column(tmp_path, ["1"] * count, argument, suffix)
            for argument, count in zip(("preds", "target"), rows, strict=True)
        ]
        longer, shorter = ("preds", "target") if rows[0] > rows[1] else ("target", "preds")
        files = [str(tmp_path / f"{stem}.{suffix}") for stem in (longer, shorter)]
        words = f"{files[0]} must have as many rows as {files[1]}", f"more than {min(rows)}"
        with pytest.raises(
            TableError,
            match=says(*words, "'1'", "taken for a row; if it is a header, put names in it"),
        ):
            list(blocks(*wanted, elements=elements))

    def test_a_header_is_not_to_blame(self, tmp_path):
        """Where the first line was no row, too many rows have another cause."""
        wanted = one_column(tmp_path, ["s", "1", "2"]), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=r"got more than 1$"):
            list(blocks(*wanted))


class TestHostile:
    @pytest.mark.parametrize("start", [pytest.param(b"", marks=pytest.mark.more), b"1\n", b'"'])
    def test_a_line_without_end(self, start, tmp_path):
        with open(tmp_path / "t.csv", "wb") as file:
            file.write(start)
            file.truncate(2**31)
        wanted = columns("preds", str(tmp_path / "t.csv")), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=says("lines", "t.csv")):
            list(blocks(*wanted))
        assert peak(lambda: list(blocks(*wanted))) < 100e6

    def test_too_many_columns(self, tmp_path):
        (tmp_path / "t.csv").write_bytes(b"1," * 2**21 + b"1\n")
        wanted = columns("preds", str(tmp_path / "t.csv")), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=says("columns", "t.csv", str(2**21 + 1))):
            list(blocks(*wanted))

    def test_too_many_fields_are_not_split(self, tmp_path):
        for start in (b"", b"1,1\n"):
            (tmp_path / "t.csv").write_bytes(start + b"1," * 5_000_000 + b"1\n")
            wanted = columns("preds", str(tmp_path / "t.csv")), one_column(tmp_path, "1", "target")
            with pytest.raises(TableError, match=says("columns", "t.csv", "5000001")):
                list(blocks(*wanted))
            assert peak(lambda: list(blocks(*wanted))) < 60e6  # noqa: B023

    @pytest.mark.parametrize("ends", ["preds", "target"])
    def test_a_stream_without_end(self, ends, tmp_path, monkeypatch):
        class Endless(io.RawIOBase):
            """Stands for a pipe; reading on after the other file's end is a mistake."""

            reads = 0

            def read(self, size):
                self.reads += 1
                assert self.reads < 10
                return b"1\n" * (size // 2)

        opened = csv_files._opened
        monkeypatch.setattr(
            csv_files, "_opened", lambda path: Endless() if path == "-" else opened(path)
        )
        short = one_column(tmp_path, ["1"] * 3, ends)
        wanted = {ends: short, ("target" if ends == "preds" else "preds"): None}
        wanted = {k: part or columns(k, "-") for k, part in wanted.items()}
        message = says("standard input", "as many rows", ends, "more than 3")
        with pytest.raises(TableError, match=message):
            list(blocks(**wanted, elements=64))


def contents(wanted, elements):
    """The bytes of the arrays in files, or what is said against them."""
    try:
        return [
            (array.dtype, array.shape, array.tobytes())
            for block in blocks(*wanted, elements=elements)
            for array in block[1:3]
        ]
    except TableError as error:
        return str(error)


class TestManyAtATime:
    """Plain lines are read many numbers at a time, with the same result as one at a time."""

    @pytest.mark.parametrize("ends", ["\n", "\r\n"])
    def test_plain_rows_are_read_many_at_a_time(self, ends, tmp_path, monkeypatch):
        monkeypatch.setattr(csv_files, "_checked_arrays", None)
        lines = ["\u00fc,a,y,t", *(f"x,{k}.5,{k % 2},\u00fc" for k in range(1000))]
        (tmp_path / "t.csv").write_bytes(ends.join([*lines, ""]).encode())
        preds, target, _ = read(of_one_file(tmp_path / "t.csv", ("a", "y", None)), 1000)
        assert preds.tolist() == [k + 0.5 for k in range(1000)]
        assert target.tolist() == [k % 2 for k in range(1000)]

    @given(st.data())
    def test_or_one_at_a_time(self, tmp_path_factory, data):
        """The same arrays or the same refusal, whatever a table is changed to."""
        texts = numbers_of_many_forms(data.draw(st.integers(0, 2**32)), 12)
        lines = "".join(f"{a},{b},{c}\n" for a, b, c in zip(*[iter(texts)] * 3, strict=True))
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(lines)))
            new = data.draw(st.sampled_from([*'0.,\n-e_" ;', "\r\n", "True", "\u0661", "\0"]))
            lines = lines[:at] + new + lines[at + data.draw(st.integers(0, 1)) :]
        path = tmp_path_factory.mktemp("tables") / "t.csv"
        path.write_bytes(lines.encode())
        wanted = of_one_file(path, ("0,1", "2", None))
        elements = data.draw(st.sampled_from([1, 20, 2**20]))
        found = contents(wanted, elements)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_files, "_plain_arrays", lambda lines, layout: None)
            assert contents(wanted, elements) == found


class TestTruthValues:
    @pytest.mark.parametrize("pair", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
    def test_are_labels(self, pair, tmp_path):
        """As pandas, polars and Spark, and R and Excel write them."""
        true, false = pair
        for first in ("a,y\n", ""):
            (tmp_path / "t.csv").write_text(f"{first}1,{true}\n2,{false}\n3, {true}\n4,0\n5,1.0\n")
            target = read(of_one_file(tmp_path / "t.csv", ("0", "1", None)))[1]
            assert (target.dtype, target.tolist()) == (np.int64, [1, 0, 1, 0, 1])

    def test_are_rows_of_a_file_of_one_column(self, tmp_path):
        wanted = one_column(tmp_path, "12"), one_column(tmp_path, ["True", "False"], "target")
        assert read(wanted)[1].tolist() == [1, 0]

    @pytest.mark.parametrize("text", ["tRUE", "T", "yes", "truth", "True False"])
    def test_no_others(self, text, tmp_path):
        wanted = one_column(tmp_path, "12"), one_column(tmp_path, ["1", text], "target")
        with pytest.raises(TableError, match=says("target.csv", repr(text), "line 2")):
            read(wanted)

    def test_are_no_predictions(self, tmp_path):
        wanted = one_column(tmp_path, ["1", "True"]), one_column(tmp_path, "01", "target")
        with pytest.raises(TableError, match=says("preds.csv", "'True'", "line 2")):
            read(wanted)


class TestHints:
    @pytest.mark.parametrize(
        ("content", "picked"),
        [
            ("a;y\n0.5;1\n", ("a", "y", None)),
            ("a;y\n0.5;1\n", ("0", "1", None)),
            ("0.5;1\n0.5;1\n", ("0", "1", None)),
            ("a;y\n0,5;1\n", ("a;y", "0", None)),
        ],
    )
    @pytest.mark.parametrize(("suffix", "separators"), [("csv", "commas"), ("tsv", "tabs")])
    def test_semicolons(self, content, picked, suffix, separators, tmp_path):
        (tmp_path / f"t.{suffix}").write_text(content)
        words = f"t.{suffix}", f"separated by {separators}, not semicolons"
        with pytest.raises(TableError, match=says(*words)):
            read(of_one_file(tmp_path / f"t.{suffix}", picked))

    def test_semicolons_elsewhere(self, tmp_path):
        (tmp_path / "t.csv").write_text("a;b,y\n0.5,1\n0.5,x\n")
        with pytest.raises(TableError) as refused:
            read(of_one_file(tmp_path / "t.csv", ("a;b", "y", None)))
        assert "not semicolons" not in str(refused.value)

    @pytest.mark.parametrize(
        ("content", "picked", "count"),
        [
            ("0,1\n0.5,1\n", ("0", "1", None), 1),
            ("0,1,2\n0.5,1,7\n", ("2", "1", None), 1),
            ("0,y\n0.5,1\n", ("0", "y", None), 0),
            ("0,0\n0.5,1\n", ("0", "1", None), 0),
            ("a,y\n0.5,1\n", ("0", "1", None), 0),
        ],
    )
    def test_a_header_of_numbers(self, content, picked, count, tmp_path):
        (tmp_path / "t.csv").write_text(content)
        notes = []
        list(blocks(*of_one_file(tmp_path / "t.csv", picked), note=notes.append))
        assert len(notes) == count
        for note in notes:
            assert note.startswith(f"{tmp_path / 't.csv'}: the first line, ")
            assert "is taken for a header" in note


class TestGzipped:
    def test_a_bomb_is_only_long(self, tmp_path):
        """A small file that unpacks to much takes the memory of its blocks, no more."""
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"1\n" * 2**24, 1))
        wanted = columns("preds", str(tmp_path / "t.csv.gz")), one_column(tmp_path, "1", "target")
        assert peak(lambda: list(blocks(*wanted))) < 40e6

    def test_a_line_without_end(self, tmp_path):
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(bytes(2**26), 1))
        wanted = columns("preds", str(tmp_path / "t.csv.gz")), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=says("t.csv.gz", "lines")):
            list(blocks(*wanted))

    def test_not_gzipped(self, tmp_path):
        (tmp_path / "t.csv.gz").write_text("1,0\n")
        with pytest.raises(OSError, match=says("t.csv.gz", "Not a gzipped file")):
            list(blocks(*of_one_file(tmp_path / "t.csv.gz", ("0", "1", None))))

    def test_one_after_another(self, tmp_path):
        """As `cat a.gz b.gz` makes them."""
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"1,0\n2") + gzip.compress(b",1\n"))
        preds, target, _ = read(of_one_file(tmp_path / "t.csv.gz", ("0", "1", None)))
        assert (preds.tolist(), target.tolist()) == ([1.0, 2.0], [0, 1])


class TestPipes:
    """A CSV is read from start to end, so it may be a pipe."""

    @pytest.mark.parametrize("ending", ["csv", "csv.gz"])
    def test_read(self, ending, tmp_path):
        os.mkfifo(path := tmp_path / f"f.{ending}")
        data = b"0.5,1\n1.5,0\n"
        written = gzip.compress(data) if ending == "csv.gz" else data
        writer = threading.Thread(target=path.write_bytes, args=[written])
        writer.start()
        preds, target, _ = read(of_one_file(path, ("0", "1", None)))
        writer.join()
        assert (preds.tolist(), target.tolist()) == ([0.5, 1.5], [1, 0])
