"""Files as blocks: any format of the same data, cut anywhere, is the same data."""

import re
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from formats import FORMATS, SIZES, of_one_file, read, refusal
from pyarrow import parquet
from reference import says
from strategies import FLAVOURS, Case, cast, forms, labels, name, scores, weights

from hingemetrics import HingeLoss
from hingemetrics._files import TableError, blocks, columns, row_count


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
