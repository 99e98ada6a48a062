"""Files of strangers (SECURITY.md): nothing in them runs, and a small one takes little memory."""

import ast
import os

import numpy as np
import pytest
from places import PACKAGE


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_loads_code(path):
    """No room unpickles, evaluates or runs anything, and NumPy is told not to."""
    tree = ast.parse(path.read_text("utf-8"))
    imported, called = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called.add(node.func.id)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
            allowed = [ast.unparse(k.value) for k in node.keywords if k.arg == "allow_pickle"]
            assert allowed == ["False"], ast.unparse(node)
    runs_code = {"pickle", "marshal", "shelve", "cloudpickle", "subprocess", "ctypes"}
    if path.name == "machine_code.py":  # it loads one file, which its digest identifies
        runs_code -= {"ctypes"}
    assert not imported & runs_code
    assert not called & {"eval", "exec", "compile", "__import__", "input"}


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_small_file_of_many_rows(tmp_path, compression):
    """However small a Parquet file is, its rows are read a block at a time."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from hingemetrics._files import blocks, columns_of

    rows = 4_000_000
    path = str(tmp_path / "bomb.parquet")
    table = pyarrow.table({"s": np.zeros(rows), "y": np.zeros(rows, np.int64)})
    parquet.write_table(table, path, compression=compression, row_group_size=rows)
    del table
    assert os.path.getsize(path) < rows / 10
    pool = pyarrow.default_memory_pool()
    before, most, seen = pool.bytes_allocated(), 0, 0
    for block in blocks(columns_of("preds", path, "s"), columns_of("target", path, "y")):
        most = max(most, pool.bytes_allocated() - before)
        seen += len(block.target)
    assert seen == rows
    assert most < 16e6 < 16 * rows
