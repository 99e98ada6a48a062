"""Parquet and Arrow files."""

import sys
from functools import partial

import numpy as np
import pyarrow
import pytest
from formats import SIZES, of_one_file, read, seen
from oracle import says
from pyarrow import parquet

from hingemetrics._files import TableError, arrow, blocks


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


class TestDots:
    """Parquet calls the field x of a column p what it calls a column p.x."""

    @pytest.mark.parametrize("names", [("p", "p.x"), ("p.x", "p")])
    @pytest.mark.parametrize("kind", ["parquet", "arrow"])
    def test_a_struct_beside_a_column(self, names, kind, tmp_path):
        data = {"p": [{"x": "no"}, {"x": "number"}], "p.x": [0.5, 1.5], "y": [0, 1]}
        whole = pyarrow.table({name: data[name] for name in (*names, "y")})
        if kind == "parquet":
            parquet.write_table(whole, tmp_path / "t.parquet")
        else:
            with pyarrow.ipc.new_file(str(tmp_path / "t.arrow"), whole.schema) as writer:
                writer.write_table(whole)
        preds, target, _ = read(of_one_file(tmp_path / f"t.{kind}", ("p.x", "y", None)))
        assert (preds.tolist(), target.tolist()) == ([0.5, 1.5], [0, 1])
