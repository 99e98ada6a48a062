"""Files as blocks: the same data in any format, split anywhere, gives the same arrays."""

import re
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

    def test_formats_may_differ(self, tmp_path):
        parquet.write_table(pyarrow.table({"a": [1.0], "y": [0]}), tmp_path / "t1.parquet")
        (tmp_path / "t2.csv").write_text("a,y\n2,1\n")
        assert read(of_one_file(tmp_path / "t*", ("a", "y", None)))[0].tolist() == [1.0, 2.0]

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
        found = blocks(*wanted)
        with pytest.raises(TableError, match=says("p2", "(N, 3) like", "p1")):
            next(found) if suffix == "npy" else list(found)  # of .npy before any is read

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
