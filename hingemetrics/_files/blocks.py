"""Files of any format, read side by side in blocks that end wherever one of their chunks ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from hingemetrics._core.typing import Array
from hingemetrics._engine.backend import get_num_threads
from hingemetrics._files.arrow import arrow_chunks, parquet_chunks, parquet_rows
from hingemetrics._files.columns import Chunks, Columns, Table, kind_of, paths_of
from hingemetrics._files.npy import (
    check_shapes,
    check_width_of_rows,
    npy_chunks,
    npy_header,
    npz_chunks,
    rows_shape,
)
from hingemetrics._files.refusals import STDIN, TableError, file_label

ELEMENTS = 1 << 18  # predictions in a block: 2 MiB
SHARED_ELEMENTS = 1 << 20  # in a block of .npy files with threads: enough for them to pay off
_CSV, _ARROW = (".csv", ".tsv"), (".arrow", ".feather")
_ENDINGS = (".npy", ".npz", *_CSV, ".parquet", *_ARROW)


class Source(NamedTuple):
    """A file, and where its rows begin."""

    path: str
    first: int  # index of its first row over all files

    def __str__(self) -> str:
        """Its name, for error messages that count rows over all files."""
        return file_label(self.path) + (f" (rows from {self.first} on)" if self.first else "")


class Block(NamedTuple):
    """Rows of all arguments."""

    first: int  # index of its first row over all files
    preds: Array
    target: Array
    sample_weight: Array | None = None
    baseline_preds: Array | None = None
    groups: Array | None = None  # numbers or times, or an array of Python objects
    sources: tuple[Source, ...] = ()  # each file once


class _Stream(NamedTuple):
    """Files read one after another, and the arguments read from them."""

    table: Table
    chunks: Generator[tuple[str, list[Array]], None, None]  # each with its file

    @property
    def label(self) -> str:
        """The name of the files, for error messages."""
        return file_label(self.table.wanted[0].path)


class _Head(NamedTuple):
    """Rows read from a stream that are not yet in a block."""

    source: Source
    arrays: list[Array]  # one per argument; none at the end of the stream

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.arrays[0]) if self.arrays else 0


Blocks = Generator[Block, None, None]


def blocks(
    preds: Columns,
    target: Columns,
    sample_weight: Columns | None = None,
    *,
    baseline_preds: Columns | None = None,
    groups: Columns | None = None,
    elements: int | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Blocks:
    """Yield the rows of files, in order, in blocks of bounded size.

    Parameters
    ----------
    preds, target, sample_weight, baseline_preds, groups : Columns
        What to read. A table named by several of them is read once; several files are read one
        after another. Groups may be text, too.
    elements : int, optional
        About the largest number of predictions in a block; by default ELEMENTS, or SHARED_ELEMENTS
        if all files are .npy and there are threads.
    note : callable, optional
        Called with a sentence about anything that is not an error but may not be intended.

    Yields
    ------
    Block
        Arrays of the dtypes in the file; CSV gives float64 and, for targets, int64 where possible,
        for groups str; text and times of Parquet and Arrow are Python objects.
        They are valid until the next block, which may be read into the same memory.

    Raises
    ------
    TableError
        If a file has an unknown ending, is not what its ending says, holds anything but numbers
        (for groups: nothing, in a field of a CSV, or a null), or differs from the others in its
        number of rows; if several files of one argument differ in their columns; if a pattern or
        folder has no files.
    OSError
        If a file cannot be read.
    ImportError
        If a file needs pyarrow, and it is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from hingemetrics._files import blocks, columns_of
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "scores.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("score,label" + os.linesep + "0.5,1" + os.linesep)
    ...     preds, target = columns_of("preds", path, "score"), columns_of("target", path, "label")
    ...     [block.preds.tolist() for block in blocks(preds, target)]
    [[0.5]]
    """
    asked = preds, target, sample_weight, baseline_preds, groups
    wanted = [part for part in asked if part is not None]
    paths = {part.path: paths_of(part.path) for part in wanted}
    for part in wanted:
        _check_endings(part, paths[part.path])
    are_arrays = all(kind_of(path) == ".npy" for files in paths.values() for path in files)
    if are_arrays:
        check_shapes(wanted, [paths[part.path] for part in wanted])
    if elements is None:
        elements = SHARED_ELEMENTS if are_arrays and get_num_threads() > 1 else ELEMENTS
    tables = [Table(group, note) for group in _grouped(wanted, paths)]
    streams = [
        _Stream(table, _stream_chunks(table, paths[table.wanted[0].path], elements))
        for table in tables
    ]
    arguments = [part.argument for table in tables for part in table.wanted]
    try:
        for first, arrays, sources in _joined(streams, elements):
            yield Block(first, **dict(zip(arguments, arrays, strict=True)), sources=sources)
    finally:
        for stream in streams:
            stream.chunks.close()


def row_count(part: Columns) -> int | None:
    """Return the number of rows that files declare, or None if one of them declares none.

    Parameters
    ----------
    part : Columns
        The files.

    Returns
    -------
    int or None

    Raises
    ------
    TableError, OSError, ImportError
        As `blocks`.

    Examples
    --------
    >>> from hingemetrics._files import columns, row_count
    >>> row_count(columns("preds", "-")) is None
    True
    """
    total = 0
    for path in paths_of(part.path):
        if kind_of(path) == ".npy":
            total += rows_shape(npy_header(path, part).shape, part.argument, path)[0]
        elif kind_of(path) == ".parquet":
            total += parquet_rows(path)
        else:
            return None
    return total


def _check_endings(part: Columns, paths: Sequence[str]) -> None:
    """Raise for a file whose name does not tell its format."""
    for path in paths:
        if kind_of(path) not in _ENDINGS:
            raise TableError(
                f"{part.argument} must be {STDIN} or a file that ends in "
                f"{', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]} (.gz behind .csv and .tsv), "
                f"got {path!r}"
            )


def _grouped(wanted: Sequence[Columns], paths: dict[str, list[str]]) -> list[list[Columns]]:
    """Return the arguments in groups, each read together from the same table."""
    groups: dict[object, list[Columns]] = {}
    for part in wanted:
        is_table = all(kind_of(path) not in (".npy", ".npz") for path in paths[part.path])
        groups.setdefault(part.path if is_table else part, []).append(part)
    for group in groups.values():
        for part in group:
            if len(group) > 1 and part.names is None:
                raise TableError(
                    f"{part.argument} must name its columns of {file_label(part.path)}, "
                    f"as other arguments name some of the same file, got none"
                )
    return list(groups.values())


def _stream_chunks(
    table: Table, paths: Sequence[str], elements: int
) -> Generator[tuple[str, list[Array]], None, None]:
    """Yield the nonempty chunks of one file after another, each with its file."""
    first: tuple[int, ...] | None = None
    for path in paths:
        for arrays in _file_chunks(path, table, elements):
            first = first or arrays[0].shape
            check_width_of_rows(arrays[0].shape, path, first, paths[0])
            if len(arrays[0]):
                yield path, arrays


def _file_chunks(path: str, table: Table, elements: int) -> Chunks:
    """Read a file by the reader for its format."""
    kind, part = kind_of(path), table.wanted[0]
    if kind in _CSV:
        from hingemetrics._files.csv import csv_chunks  # here, as it imports Python's csv

        return csv_chunks(path, table, elements)
    if kind == ".parquet":
        return parquet_chunks(path, table, elements)
    if kind in _ARROW:
        return arrow_chunks(path, table, elements)
    return (npz_chunks if kind == ".npz" else npy_chunks)(path, part, elements)


def _joined(
    streams: Sequence[_Stream], elements: int
) -> Iterator[tuple[int, list[Array], tuple[Source, ...]]]:
    """Join streams row by row: yield each block's first row, arrays and files."""
    heads: list[_Head] = [_Head(Source("", 0), []) for _ in streams]
    first = 0
    while True:
        heads = [
            head if head.rows else _next_head(stream, head.source, first)
            for head, stream in zip(heads, streams, strict=True)
        ]
        if not all(head.rows for head in heads):
            break
        widest = max(math.prod(array.shape[1:]) for head in heads for array in head.arrays)
        rows = min(elements // max(widest, 1) or 1, *(head.rows for head in heads))
        yield (
            first,
            [array[:rows] for head in heads for array in head.arrays],
            tuple(dict.fromkeys(head.source for head in heads)),
        )
        heads = [_Head(head.source, [array[rows:] for array in head.arrays]) for head in heads]
        first += rows
    longer = [stream for stream, head in zip(streams, heads, strict=True) if head.rows]
    shorter = [stream for stream, head in zip(streams, heads, strict=True) if not head.rows]
    if longer:  # the surplus is not counted: a pipe may never end
        raise TableError(
            f"{longer[0].label} must have as many rows as {shorter[0].label}, "
            f"got more than {first}{longer[0].table.rows_hint}"
        )


def _next_head(stream: _Stream, source: Source, row: int) -> _Head:
    """Return the next chunk of a stream; `source` is that of the last one, `row` its first row."""
    path, arrays = next(stream.chunks, ("", []))
    return _Head(source if path == source.path else Source(path, row), arrays)
