"""CSV and TSV, also packed by gzip: what Python's `csv` and `float` read, and nothing else."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from hingemetrics._core.typing import Array
from hingemetrics._files.columns import GZIPPED, Chunks, Table, is_number, kind_of
from hingemetrics._files.decimals import Fields, decimals, split
from hingemetrics._files.refusals import (
    STDIN,
    TableError,
    check_width,
    column_label,
    counted,
    quoted,
    reading,
    shown,
)

if TYPE_CHECKING:
    from gzip import GzipFile

_LONGEST_LINE = 1 << 24  # bytes
_LONGEST_PLAIN = 1 << 20  # bytes of lines that are split at once, for 16 times the memory
_LONGEST_UNCOUNTED = 1 << 20  # bytes of a line that is split as it is: it may have too many fields
_EXACT = 2.0**53  # integers below it are doubles
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TRUTH = {"True": 1, "true": 1, "TRUE": 1, "False": 0, "false": 0, "FALSE": 0}


class _Layout(NamedTuple):
    """What the first line of a CSV tells."""

    path: str
    delimiter: str
    width: int
    names: list[str] | None
    arguments: list[str]
    picked: list[list[int]]  # a list for each of the arguments

    @classmethod
    def of(cls, path: str, delimiter: str, first: list[str], table: Table) -> _Layout:
        """Return the layout: a header if columns go by name, or if it is no row of numbers."""
        if not any(first):
            raise TableError(f"{shown(path)} must have numbers or names in line 1, got none")
        by_name = any(not is_number(name) for part in table.wanted for name in part.names or ())
        if _is_counted(first) and not by_name:
            table.note(
                f"{shown(path)}: the first line, {quoted(','.join(first))}, is taken for a header; "
                f"if it is a row, put a header before it"
            )
        is_row = any(_is_number(text, "target") for text in first) and not _is_counted(first)
        is_header = by_name or not is_row
        names = first if is_header else None
        picked = table.picked(path, names, len(first))
        arguments = [part.argument for part in table.wanted]
        return cls(path, delimiter, len(first), names, arguments, picked)


def _is_counted(first: list[str]) -> bool:
    """Tell whether a line is 0, 1, 2...: what pandas calls columns that have no names."""
    return len(first) > 1 and first == list(map(str, range(len(first))))


def csv_chunks(path: str, table: Table, elements: int) -> Chunks:
    """Yield the rows of a CSV, or TSV."""
    delimiter = "\t" if kind_of(path) == ".tsv" else ","
    layout, hint = None, ""
    with reading(path, "a CSV in UTF-8"), _opened(path) as file:
        try:
            for line, lines in _lines(file, path, elements):
                start, rows = line, lines
                if layout is None:
                    head, _, rest = lines.partition(b"\n")
                    [first] = _records([head], line, path, delimiter, None)
                    hint = _separator_hint(first, delimiter)
                    layout = _Layout.of(path, delimiter, first, table)
                    if layout.names is not None:
                        start, rows = line + 1, rest
                if rows:
                    yield _plain(rows, layout) or _exact(rows, start, layout)
        except TableError as error:
            raise TableError(f"{error}{hint}") from error
        if layout is None:
            raise TableError(f"{shown(path)} must have rows or a header, got nothing")


def _separator_hint(first: list[str], delimiter: str) -> str:
    """Return what may be wrong with a file whose first line has something else between fields."""
    if len(first) != 1 or ";" not in first[0]:
        return ""
    separators = "tabs" if delimiter == "\t" else "commas"
    return f"; fields must be separated by {separators}, not semicolons"


def _opened(path: str) -> IO[bytes] | GzipFile:
    """Return a file, or standard input, as bytes."""
    if path == STDIN:
        return open(0, "rb", closefd=False)
    if path.lower().endswith(GZIPPED):
        import gzip

        return gzip.open(path, "rb")
    return open(path, "rb")


def _lines(file: IO[bytes] | GzipFile, path: str, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number of the first and the bytes of whole lines, about so many bytes at once.

    A last line that is blank is none.
    """
    line, rest = 1, b""
    while data := file.read(size):
        data = rest + data
        end = data.rfind(b"\n") + 1
        lines, rest = data[:end], data[end:]
        if len(rest) > _LONGEST_LINE:
            line += lines.count(b"\n")
            raise TableError(
                f"{shown(path)} must have lines of at most {_LONGEST_LINE} bytes, "
                f"got more in line {line}"
            )
        if not rest:
            lines, rest = _without_blank(lines)  # until it is known what follows
        if lines:
            yield line, _unmarked(lines, line)
            line += lines.count(b"\n")
    if rest and (line == 1 or rest.strip(b"\r\n")):
        yield line, _unmarked(rest, line)


def _without_blank(lines: bytes) -> tuple[bytes, bytes]:
    """Return lines, and the last one of them if it is blank."""
    for blank in (b"\r\n", b"\n"):
        before = lines.removesuffix(blank)
        if before != lines and before[-1:] in (b"", b"\n"):
            return before, blank
    return lines, b""


def _unmarked(lines: bytes, line: int) -> bytes:
    """Take the byte order mark off the first line."""
    return lines.removeprefix(_BYTE_ORDER_MARK) if line == 1 else lines


# Plain lines: no quotes, and all as long as they must be


def _plain(lines: bytes, layout: _Layout) -> list[Array] | None:
    """Return the columns of lines, or None where there is more to them, or something is wrong."""
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    if not lines.endswith(b"\n"):
        lines += b"\n"
    if len(lines) > _LONGEST_PLAIN or any(mark in lines for mark in (b'"', b"\0", b"\r")):
        return None
    try:
        lines.isascii() or lines.decode()
        fields = split(lines, layout.delimiter.encode(), layout.width)
        if fields is None or (fields.end - fields.start).max() > csv.field_size_limit():
            return None
        return [
            _converted(fields.of_columns(picked), argument)
            for argument, picked in zip(layout.arguments, layout.picked, strict=True)
        ]
    except ValueError:
        return None


def _converted(fields: Fields, argument: str) -> Array:
    """Return columns as numbers."""
    values: Array
    values, others = decimals(fields)
    if argument == "target":
        if len(others) or not _are_small_integers(values):
            values = _numbers(fields.texts(np.arange(len(values))), argument)
        else:
            values = values.astype(np.int64)
    elif len(others):
        values[others] = _numbers(fields.texts(others), argument)
    return _columns(values, fields.width)


def _are_small_integers(values: Array) -> bool:
    """Whether int64 holds all numbers, and none was rounded."""
    return bool(((np.abs(values) < _EXACT) & (values == np.rint(values))).all())


def _columns(values: Array, width: int) -> Array:
    """Return numbers that come row by row as (N,) or (N, C)."""
    return values.reshape(-1, width) if width > 1 else values


# All others, by Python's csv


def _exact(lines: bytes, start: int, layout: _Layout) -> list[Array]:
    """Return the columns of lines, or refuse the first thing in them that is wrong."""
    split_lines = lines.removesuffix(b"\n").split(b"\n")
    records = _records(split_lines, start, layout.path, layout.delimiter, layout.width)
    return [
        _values(records, start, layout, picked, argument)
        for argument, picked in zip(layout.arguments, layout.picked, strict=True)
    ]


def _records(
    lines: list[bytes], start: int, path: str, delimiter: str, width: int | None
) -> list[list[str]]:
    """Return the fields of each line."""
    for data in lines:
        if len(data) > _LONGEST_UNCOUNTED:
            check_width(data.count(delimiter.encode()) + 1, path)
    texts = chain(map(_decoded, lines), ['"'])  # the last line ends a field that is still open
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    records: list[list[str]] = []
    try:
        for record in islice(reader, len(lines)):
            if reader.line_num != len(records) + 1:
                raise ValueError("a quoted field with a line break, or without an end,")
            width = width or len(record)
            if len(record) != width:
                raise TableError(
                    f"{shown(path)} must have {counted(width, 'field')} in each line, "
                    f"got {len(record)} in line {start + len(records)}"
                )
            records.append(record)
    except TableError:
        raise
    except (csv.Error, ValueError) as error:
        is_bare = isinstance(error, csv.Error) and b"\r" in lines[len(records)].rstrip(b"\r")
        got = "a carriage return alone" if is_bare else error
        raise TableError(
            f"{shown(path)} must be a CSV in UTF-8, got {got} in line {start + len(records)}"
        ) from error
    return records


def _decoded(line: bytes) -> str:
    """Return the text of a line."""
    if b"\0" in line:
        raise ValueError("a NUL byte")
    return line.decode()


def _values(
    records: list[list[str]], start: int, layout: _Layout, picked: list[int], argument: str
) -> Array:
    """Return columns of records as numbers."""
    try:
        values = _numbers(list(_fields(records, picked)), argument)
    except ValueError:
        raise _not_a_number(records, start, layout, picked, argument) from None
    return _columns(values, len(picked))


def _fields(records: list[list[str]], picked: list[int]) -> Iterable[str]:
    """Return the fields of columns, row by row."""
    texts = map(itemgetter(*picked), records)
    return chain.from_iterable(texts) if len(picked) > 1 else texts


def _numbers(texts: Sequence[str], argument: str) -> Array:
    """Return numbers as Python reads them; of a target as labels.

    Labels are integers exactly, also those written as 1.0; float64 if there are others.
    """
    _check_plain("".join(texts))
    if argument != "target":
        return np.fromiter(map(float, texts), np.float64, len(texts))
    labels = list(map(_label, texts))
    dtype = np.int64 if all(isinstance(label, int) for label in labels) else np.float64
    return np.array(labels, dtype)


def _check_plain(text: str) -> None:
    """Raise for what Python takes in a number, and no other reader of CSV does."""
    if "_" in text or not text.isascii():
        raise ValueError("not a number")


def _label(text: str) -> float:
    """Return a label: an int where it is one that int64 holds, or a truth value."""
    try:
        label = int(text)
    except ValueError:
        if (truth := _TRUTH.get(text.strip())) is not None:
            return truth
        number = float(text)
        if not number.is_integer():
            return number
        label = int(number)
    if -(1 << 63) <= label < 1 << 63:
        return label
    if (number := float(text)) != label:  # it would be taken for another label
        raise ValueError("a label that float64 does not hold")
    return number


def _is_number(text: str, argument: str) -> bool:
    """Whether a text is a number, or a label."""
    try:
        _numbers([text], argument)
    except ValueError:
        return False
    return True


def _not_a_number(
    records: list[list[str]], start: int, layout: _Layout, picked: list[int], argument: str
) -> TableError:
    """Return the refusal of the first field that is none."""
    line, column = next(
        (line, column)
        for line, record in enumerate(records)
        for column in picked
        if not _is_number(record[column], argument)
    )
    text = records[line][column]
    is_label = argument == "target" and _is_number(text, "preds")
    must = "labels that int64 or float64 holds" if is_label else "numbers"
    return TableError(
        f"{shown(layout.path)} must hold {must}, got {quoted(text) if text else 'nothing'} "
        f"in line {start + line}, {column_label(column, layout.names)}"
    )
