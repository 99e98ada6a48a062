"""Parquet and Arrow files, read by pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from hingemetrics._core.text import shortened
from hingemetrics._core.typing import Array
from hingemetrics._files.columns import GROUPS, Chunks, Table, column_number
from hingemetrics._files.refusals import TableError, check_regular, column_label, reading

_PARQUET_BUFFER = 1 << 16  # bytes of a column read at once, instead of a whole row group
_FLOATS = {"halffloat": "f2", "float": "f4", "double": "f8"}  # Arrow's names of NumPy's dtypes


def parquet_chunks(path: str, table: Table, elements: int) -> Chunks:
    """Yield the rows of a Parquet file."""
    with _parquet_file(path) as file:
        names = file.schema_arrow.names
        picked = _picked(path, table, file.schema_arrow)
        read = sorted({column for group in picked for column in group})
        for column in read:  # Parquet finds columns by their names, which must be unique then
            column_number(names[column], names, len(names), path)
        read_names = [names[column] for column in read]
        batches = file.iter_batches(
            max(elements // len(read), 1), columns=read_names, use_threads=False
        )
        places = _places(table, picked, read)
        # The name p.x also matches the field x of a column p; select takes it as a column's name.
        yield from _batch_chunks((batch.select(read_names) for batch in batches), places, path)


def parquet_rows(path: str) -> int:
    """Return the number of rows that a Parquet file's metadata declares."""
    with _parquet_file(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _parquet_file(path: str) -> Iterator[Any]:
    """Open a Parquet file for a with block; errors name it."""
    _check_pyarrow(path)
    check_regular(path)
    from pyarrow import OSFile, parquet

    with (
        reading(path, "a Parquet file"),
        OSFile(path) as source,  # given a path that looks like a URI, pyarrow would open the URI
        parquet.ParquetFile(source, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as file,
    ):
        yield file


def arrow_chunks(path: str, table: Table, elements: int) -> Chunks:
    """Yield the rows of an Arrow file (or Feather, version 2) or stream."""
    _check_pyarrow(path)
    check_regular(path)
    import pyarrow

    with reading(path, "an Arrow file"), pyarrow.memory_map(path) as source:
        is_file = source.read(6) == b"ARROW1"
        with _opened_arrow(source, is_file) as reader:
            picked = _picked(path, table, reader.schema)
        read = sorted({column for group in picked for column in group})
        with _opened_arrow(source, is_file, read) as reader:
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            rows = max(elements // len(read), 1)
            places = _places(table, picked, read)
            yield from _batch_chunks(_cut(batches, rows), places, path)


def _opened_arrow(source: Any, is_file: bool, columns: Sequence[int] = ()) -> Any:
    """Return a reader of some columns, by default all; others are not even decompressed."""
    from pyarrow import ipc

    source.seek(0)
    options = ipc.IpcReadOptions(included_fields=list(columns), use_threads=False)
    return (ipc.open_file if is_file else ipc.open_stream)(source, options=options)


def _cut(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    """Yield record batches, validated, in slices of at most `rows` rows."""
    for batch in batches:
        batch.validate(full=True)  # or corrupt offsets would be followed
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _check_pyarrow(path: str) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{path} needs pyarrow to be read: pip install pyarrow") from error


def _picked(path: str, table: Table, schema: Any) -> list[list[int]]:
    """Return, per argument, the indices of its columns; raise for one that must be numeric."""
    from pyarrow import types

    picked = table.picked(path, schema.names, len(schema.names))
    for part, numbers in zip(table.wanted, picked, strict=True):
        for column in numbers:
            kind = schema.field(column).type
            is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
            if not is_number and part.argument != GROUPS:
                raise TableError(
                    f"{path} must hold numbers, got {kind} in {column_label(column, schema.names)}"
                )
    return picked


class _Place(NamedTuple):
    """Where an argument is in the record batches that are read."""

    argument: str
    numbers: list[int]  # of its columns


def _places(table: Table, picked: list[list[int]], read: list[int]) -> list[_Place]:
    """Return the places of all arguments, if only the columns `read` are."""
    return [
        _Place(part.argument, [read.index(column) for column in numbers])
        for part, numbers in zip(table.wanted, picked, strict=True)
    ]


def _batch_chunks(batches: Iterable[Any], places: list[_Place], path: str) -> Chunks:
    """Yield record batches as one array per argument."""
    first = 0
    for batch in filter(len, batches):
        yield [_batch_array(batch, place, first, path) for place in places]
        first += batch.num_rows


def _batch_array(batch: Any, place: _Place, first: int, path: str) -> Array:
    """Return columns of a record batch as (N,) or (N, C); `first` is the index of its first row."""
    array = _group_array if place.argument == GROUPS else _number_array
    arrays = [array(_column(batch, number, first, path)) for number in place.numbers]
    return arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)


def _column(batch: Any, column: int, first: int, path: str) -> Any:
    """Return a column, or raise if it has nulls."""
    values = batch.column(column)
    if values.null_count:
        row = first + values.is_null().to_pylist().index(True)
        raise TableError(
            f"{path} must have no nulls, got one in column {shortened(batch.schema.names[column])} "
            f"at index {row}; null is not NaN"
        )
    return values


def _number_array(values: Any) -> Array:
    """Return a column of numbers without a copy (except of bools)."""
    if values.type.bit_width < 8:  # bool
        values = values.cast("uint8")
    name = str(values.type)  # to_numpy and, in older versions, to_pandas_dtype import pandas
    dtype = np.dtype(_FLOATS.get(name, name))
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def _group_array(values: Any) -> Array:
    """Return a column of groups: numbers, or Python objects, each of which is made once."""
    from pyarrow import types

    if types.is_integer(values.type) or types.is_floating(values.type):
        return _number_array(values)
    encoded = values.dictionary_encode()
    keys = np.empty(len(encoded.dictionary), object)
    keys[:] = encoded.dictionary.to_pylist()
    return keys[_number_array(encoded.indices)]
