"""Files as blocks: any format of the same data, cut anywhere, is the same data."""

import csv
import io
import itertools
import re
import sys
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, parquet
from reference import says
from strategies import FLAVOURS, Case, cast, forms, labels, name, scores, weights

from hingemetrics import HingeLoss
from hingemetrics._files import Block, TableError, arrow, blocks, columns, columns_of, row_count
from hingemetrics._files import csv as csv_files

SIZES = (1, 7, 100, 2**20)


def table(case):
    """Names and columns of a case, as one table."""
    preds = case.preds.reshape(len(case), -1)
    names = [f"score {k}" for k in range(preds.shape[1])]
    found = {**dict(zip(names, preds.T, strict=True)), "label": case.target, "id": case.target}
    return found if case.weight is None else {**found, "weight": case.weight}


def text_of(case, header=True, newline="\n", quoting=csv.QUOTE_MINIMAL, delimiter=","):
    data, out = table(case), io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    if header:
        writer.writerow(data)
    writer.writerows(zip(*(column.tolist() for column in data.values()), strict=True))
    return out.getvalue().encode()


def numbered(case):
    """The columns of `table` by number."""
    names = list(table(case))
    picked = [k for k, column in enumerate(names) if column.startswith("score")]
    weight = None if case.weight is None else str(names.index("weight"))
    return ",".join(map(str, picked)), str(names.index("label")), weight


def named(case):
    names = ",".join(column for column in table(case) if column.startswith("score"))
    return names, "label", None if case.weight is None else "weight"


def of_one_file(path, picked):
    preds, target, weight = picked
    return (
        columns_of("preds", str(path), preds),
        columns_of("target", str(path), target),
        None if weight is None else columns_of("sample_weight", str(path), weight),
    )


def as_csv(case, folder, suffix="csv", by=named, mark=b"", end=None, **how):
    path = folder / f"table.{suffix}"
    path.write_bytes((mark + text_of(case, **how))[:end])
    return of_one_file(path, by(case))


def as_parquet(case, folder, **how):
    parquet.write_table(pyarrow.table(table(case)), folder / "table.parquet", **how)
    return of_one_file(folder / "table.parquet", named(case))


def as_arrow(case, folder, opened=pyarrow.ipc.new_file, rows=None, by=named):
    whole = pyarrow.table(table(case))
    with opened(str(folder / "table.arrow"), whole.schema) as writer:
        writer.write_table(whole, rows)
    return of_one_file(folder / "table.arrow", by(case))


def as_feather(case, folder, compression):
    whole = pyarrow.table(table(case))
    feather.write_feather(whole, str(folder / "table.feather"), compression, chunksize=37)
    return of_one_file(folder / "table.feather", named(case))


def as_npz(case, folder, save, order):
    arrays = {"scores": np.asarray(case.preds, order=order), "label": case.target}
    if case.weight is not None:
        arrays["weight"] = case.weight
    save(folder / "arrays.npz", **arrays)
    return of_one_file(
        folder / "arrays.npz", ("scores", "label", "weight" if "weight" in arrays else None)
    )


def as_npy(case, folder, order="C"):
    files = {"preds": np.asarray(case.preds, order=order), "target": case.target}
    if case.weight is not None:
        files["sample_weight"] = case.weight
    for argument, array in files.items():
        np.save(folder / f"{argument}.npy", array)
    return tuple(columns(argument, str(folder / f"{argument}.npy")) for argument in files)


def as_mixture(case, folder):
    preds, _, _ = as_parquet(case, folder, row_group_size=70)
    _, target, _ = as_csv(case, folder)
    _, _, weight = as_npz(case, folder, np.savez, "C")
    return preds, target, weight


def as_another_mixture(case, folder):
    preds, *_ = as_npy(case, folder)
    _, target, weight = as_arrow(case, folder, rows=41)
    return preds, target, weight


FORMATS = {
    "npy": as_npy,
    "npy, Fortran order": partial(as_npy, order="F"),
    "npz": partial(as_npz, save=np.savez, order="C"),
    "npz, compressed": partial(as_npz, save=np.savez_compressed, order="C"),
    "npz, Fortran order": partial(as_npz, save=np.savez_compressed, order="F"),
    "csv": as_csv,
    "csv by numbers": partial(as_csv, by=numbered),
    "csv without a header": partial(as_csv, by=numbered, header=False),
    "csv of Excel": partial(as_csv, mark=b"\xef\xbb\xbf", newline="\r\n"),
    "csv in quotes": partial(as_csv, quoting=csv.QUOTE_ALL),
    "csv without a last newline": partial(as_csv, end=-1),
    "tsv": partial(as_csv, suffix="TSV", delimiter="\t"),
    "parquet": as_parquet,
    "parquet, short groups": partial(as_parquet, row_group_size=33, compression="gzip"),
    "arrow": as_arrow,
    "arrow by numbers": partial(as_arrow, by=numbered, rows=50),
    "arrow stream": partial(as_arrow, opened=pyarrow.ipc.new_stream, rows=29),
    "feather": partial(as_feather, compression="uncompressed"),
    "feather, compressed": partial(as_feather, compression="zstd"),
    "mixture": as_mixture,
    "another mixture": as_another_mixture,
}


def copied(block):
    """A block whose arrays are its own: the next one may be read into the same memory."""
    arrays = (None if array is None else array.copy() for array in block[1:4])
    return Block(block.first, *arrays, block.sources)


def read(wanted, elements=2**20):
    """What the blocks hold, put together, after a look at where they begin and end."""
    found = list(map(copied, blocks(*wanted, elements=elements)))
    ends = [0, *itertools.accumulate(len(block.preds) for block in found)]
    assert [block.first for block in found] == ends[:-1]
    for block in found:
        assert 0 < len(block.preds) == len(block.target)
        assert block.preds.size <= max(elements, block.preds[:1].size)
    columns = zip(*(block[1:4] for block in found), strict=True)
    return [None if parts[0] is None else np.concatenate(parts) for parts in columns]


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


def one_column(folder, lines, argument="preds", suffix="csv"):
    path = folder / f"{argument}.{suffix}"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return columns(argument, str(path))


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
        "text", ["0.5", "nan", "inf", "9223372036854775808", "1e300", "1" + "0" * 400, "9" * 5000]
    )
    def test_what_is_no_label_is_left_to_the_metric(self, text, tmp_path):
        wanted = (one_column(tmp_path, ["1", "2"]), one_column(tmp_path, ["1", text], "target"))
        preds, target, _ = read(wanted)
        with pytest.raises(ValueError, match=says("target", "index 1")):
            HingeLoss().update(preds, target)


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

    def test_names_win_over_numbers(self, tmp_path):
        (tmp_path / "t.csv").write_text("1,0,y\n5,6,1\n")
        preds, _, _ = read(of_one_file(tmp_path / "t.csv", ("0,1", "y", None)))
        assert preds.tolist() == [[6.0, 5.0]]

    @pytest.mark.parametrize("text", ["0,a", "a,0", "0,00", "1,a,2,01"])
    def test_a_column_twice_by_other_names(self, text, tmp_path):
        (tmp_path / "t.csv").write_text("a,b,c,y\n5,6,7,1\n")
        with pytest.raises(TableError, match=says("t.csv", "once each", text)):
            read(of_one_file(tmp_path / "t.csv", (text, "y", None)))

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

    @pytest.mark.parametrize("argument", ["target", "sample_weight"])
    def test_one_column_only(self, argument, tmp_path):
        (tmp_path / "t.csv").write_text("1,0\n")
        wanted = {"preds": one_column(tmp_path, "1"), "target": one_column(tmp_path, "1", "target")}
        wanted[argument] = columns(argument, str(tmp_path / "t.csv"))
        with pytest.raises(TableError, match=says(argument, "one column", "2")):
            list(blocks(**wanted))

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
        with pytest.raises(TableError, match=says(*words, "no header")):
            list(blocks(*wanted, elements=elements))


def peak(action):
    """The most memory that an action took, which must fail."""
    tracemalloc.start()
    try:
        with pytest.raises((TableError, OSError)):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def seen(found, thing):
    """Keep a thing in a list and pass it on."""
    found.append(thing)
    return thing


def refusal(wanted):
    """What is said against files, or None; nothing but the two kinds of error may be raised."""
    try:
        list(blocks(*wanted))
    except (TableError, OSError) as error:
        return str(error)
    return None


class TestHostile:
    @pytest.mark.parametrize("start", [b"", b"1\n", b'"'])
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

    @pytest.mark.parametrize("rest", ["0", "0, 3", "3, 0"])
    def test_rows_of_no_columns(self, rest, tmp_path):
        """As many as there may be: nothing would be read, for ever."""
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**18}, {rest}), }}"
        wanted = [
            self.archive(tmp_path, header.encode(), stem=stem)._replace(argument=stem)
            for stem in ("preds", "target")
        ]
        with pytest.raises(TableError, match=says("preds.npz", "one column", str(10**18))):
            next(blocks(*wanted))

    def test_columns_of_a_large_array_in_fortran_order(self, tmp_path):
        header = b"{'descr': '|i1', 'fortran_order': True, 'shape': (1, %d), }" % 2**21
        wanted = (
            self.archive(tmp_path, header, bytes(2**21)),
            one_column(tmp_path, "1", "target"),
        )
        with pytest.raises(TableError, match=says("columns", str(2**21))):
            list(blocks(*wanted))

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

    def archive(self, folder, header, data=b"", stem="preds"):
        start = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little")
        with zipfile.ZipFile(folder / f"{stem}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", start + header + data)
        return columns(stem, str(folder / f"{stem}.npz"))

    @pytest.mark.parametrize(
        "header",
        [
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (300000000000,), }",
            b"{'descr': '<f8', 'fortran_order': True, 'shape': (300000000000, 2), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 2**70,
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3, -1), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }",
            b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
            b"{'descr': '<U2', 'fortran_order': False, 'shape': (3,), }",
            b"{'descr': 'spam', 'fortran_order': False, 'shape': (3,), }",
            b"{'descr': '<f8'}",
            b"(" * 60_000,
            b"((((",
            b"",
        ],
    )
    def test_headers(self, header, tmp_path):
        wanted = self.archive(tmp_path, header, bytes(24)), one_column(tmp_path, "111", "target")
        with pytest.raises(TableError, match=says("preds.npz")):
            list(blocks(*wanted))
        assert peak(lambda: list(blocks(*wanted))) < 10e6

    @pytest.mark.parametrize(("shape", "declared"), [("(2,)", 16), ("(4,)", 32), ("(1, 3)", None)])
    @pytest.mark.parametrize("order", ["False", "True"])
    def test_the_length_must_be_what_the_header_says(self, shape, declared, order, tmp_path):
        header = f"{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
        wanted = self.archive(tmp_path, header, bytes(24)), one_column(tmp_path, "1", "target")
        message = refusal(wanted)
        if declared is None:
            assert message is None
        else:
            assert f"{declared} bytes in x.npy, got 24" in message

    def test_a_bomb_is_only_long(self, tmp_path):
        """A small file that unpacks to much takes the memory of its blocks, no more."""
        zeros = bytes(2**26)
        header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (%d,), }" % len(zeros)
        wanted = self.archive(tmp_path, header, zeros), one_column(tmp_path, "1", "target")
        assert (tmp_path / "preds.npz").stat().st_size < 2**17
        assert peak(lambda: list(blocks(*wanted))) < 10e6

    def test_a_row_too_long(self, tmp_path):
        zeros = bytes(2**21)
        header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (1, %d), }" % len(zeros)
        wanted = self.archive(tmp_path, header, zeros), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=says("columns", str(2**21))):
            list(blocks(*wanted))

    @pytest.fixture(params=["npz, compressed", "npz", "parquet", "arrow", "feather"])
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


class TestArchives:
    @pytest.fixture
    def two(self, tmp_path):
        np.savez(tmp_path / "two.npz", a=[1.0, 2.0], b=[0, 1])
        return str(tmp_path / "two.npz")

    def test_a_name_is_needed(self, two):
        with pytest.raises(TableError, match=says("two.npz:NAME", "'a'", "'b'")):
            read((columns("preds", two), columns("target", f"{two}:b")))

    def test_an_unknown_name(self, two):
        with pytest.raises(TableError, match=says("'a'", "'b'", "'c'")):
            read((columns("preds", f"{two}:c"), columns("target", f"{two}:b")))

    def test_one_array_needs_no_name(self, tmp_path, two):
        np.savez(tmp_path / "one.npz", [0.5, 1.5])
        wanted = columns("preds", str(tmp_path / "one.npz")), columns("target", f"{two}:b")
        preds, target, _ = read(wanted)
        assert (preds.tolist(), target.tolist()) == ([0.5, 1.5], [0, 1])

    def test_no_arrays(self, two, tmp_path):
        np.savez(tmp_path / "none.npz")
        with pytest.raises(TableError, match=says("none.npz", "must hold arrays, got none")):
            read((columns("preds", str(tmp_path / "none.npz")), columns("target", f"{two}:b")))

    def test_no_columns_of_an_array(self, tmp_path):
        np.save(tmp_path / "a.npy", np.eye(3))
        with pytest.raises(TableError, match=says("a.npy", "table")):
            read(of_one_file(tmp_path / "a.npy", ("0,1", "2", None)))


class TestArrays:
    @pytest.mark.parametrize(
        ("preds", "target", "words"),
        [
            (np.ones(3), np.ones(2), ["(3,)"]),
            (np.ones((3, 3, 3)), np.ones(3), ["(3, 3, 3)"]),
            (0.5, 1, ["()"]),
        ],
    )
    def test_refusals_name_the_files(self, preds, target, words, tmp_path):
        np.save(tmp_path / "p.npy", preds)
        np.save(tmp_path / "t.npy", target)
        files = [str(tmp_path / "p.npy"), str(tmp_path / "t.npy")]
        with pytest.raises(TableError, match=says(*files, *words)):
            list(blocks(columns("preds", files[0]), columns("target", files[1])))

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    @pytest.mark.parametrize("argument", ["preds", "target"])
    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.array([None, 1, 2]), ["Python objects"]),
            (np.array([(None,)] * 3, "O,"), ["Python objects"]),
            (np.ones(3) * 1j, ["complex128"]),
            (np.array(["a", "b", "c"]), ["<U1"]),
            (np.ones(3, "V2"), ["V2"]),
        ],
    )
    def test_no_real_numbers(self, suffix, argument, array, words, tmp_path):
        wanted = {name: one_column(tmp_path, "111", name) for name in ("preds", "target")}
        path = tmp_path / f"a.{suffix}"
        (np.save if suffix == "npy" else np.savez)(path, array)
        wanted[argument] = columns(argument, str(path))
        with pytest.raises(TableError, match=says(str(path), "real numbers", *words)):
            list(blocks(**wanted))

    @pytest.mark.parametrize(
        "content",
        [
            b"0.1\n0.2\n0.3\n",
            b"\x80\x04K\x01.",
            b"\x93NUMPY\x01\0\x60\xea" + b"(" * 60_000,
            b"PK\x05\x06" + bytes(18),
        ],
    )
    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_no_advice(self, content, suffix, tmp_path):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(content)
        if suffix == "npz":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.npy", content)
        message = refusal((columns("preds", str(path)), one_column(tmp_path, "1", "target")))
        assert str(path) in message
        assert not any(word in message for word in ("allow", "trust", "pickle"))


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


class TestColumnar:
    @pytest.fixture(params=["parquet", "arrow"])
    def write(self, request, tmp_path):
        def write(**data):
            path = tmp_path / f"t.{request.param}"
            whole = pyarrow.table(data)
            if request.param == "parquet":
                parquet.write_table(whole, path, row_group_size=2)
            else:
                with pyarrow.ipc.new_file(str(path), whole.schema) as writer:
                    writer.write_table(whole, 2)
            return of_one_file(path, ("a", "y", None))

        return write

    @pytest.mark.parametrize("elements", SIZES)
    def test_nulls(self, write, elements):
        wanted = write(b=[1.0] * 6, a=[0.1, 0.2, 0.3, None, 0.5, None], y=[1, 0, 1, 0, 1, 0])
        with pytest.raises(TableError, match=says("nulls", "'a'", "index 3", "NaN")):
            list(blocks(*wanted, elements=elements))

    @pytest.mark.parametrize(
        "column",
        [["x", "y"], [[1.0], [2.0]], [{"a": 1}, {"a": 2}], [None, None], [b"1", b"2"]],
    )
    def test_no_numbers(self, write, column):
        with pytest.raises(TableError, match=says("numbers", "column 1", "'a'")):
            list(blocks(*write(b=[1.0, 2.0], a=column, y=[0, 1])))

    def test_no_such_column(self, write):
        with pytest.raises(TableError, match=says("'y'", "'a'", "'b'")):
            list(blocks(*write(b=[1.0], a=[1.0])))

    def test_nothing(self, write):
        assert list(blocks(*write(a=np.empty(0), y=np.empty(0, int)))) == []

    @pytest.mark.parametrize("opened", [pyarrow.ipc.new_file, pyarrow.ipc.new_stream])
    @pytest.mark.parametrize("compression", [None, "zstd"])
    def test_columns_of_arrow_not_asked_for_are_not_read(self, opened, compression, tmp_path):
        data = {f"c{k}": np.full(1000, float(k)) for k in range(100)}
        whole = pyarrow.table({**data, "text": ["x"] * 1000, "y": np.arange(1000) % 2})
        options = pyarrow.ipc.IpcWriteOptions(compression=compression)
        with opened(str(tmp_path / "t.arrow"), whole.schema, options=options) as writer:
            writer.write_table(whole)
        batches, cut = [], arrow._cut
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                arrow, "_cut", lambda found, rows: cut(map(partial(seen, batches), found), rows)
            )
            preds, target, _ = read(of_one_file(tmp_path / "t.arrow", ("c70,c3", "101", None)))
        assert [batch.schema.names for batch in batches] == [["c3", "c70", "y"]]
        assert (preds == [70.0, 3.0]).all()
        assert target.tolist() == [0, 1] * 500

    @pytest.mark.parametrize("kind", ["parquet", "arrow", "feather"])
    def test_without_pyarrow(self, kind, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        wanted = of_one_file(f"t.{kind}", ("a", "y", None))
        with pytest.raises(ImportError, match=rf"^t\.{kind} needs pyarrow .* pip install pyarrow$"):
            list(blocks(*wanted))
