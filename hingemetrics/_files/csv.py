"""CSV and TSV, also gzipped: exactly what Python's `csv` and `float` read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from hingemetrics._core.text import shortened
from hingemetrics._core.typing import Array
from hingemetrics._files.columns import GROUPS, GZIPPED, Chunks, Table, is_number, kind_of
from hingemetrics._files.decimals import Fields, decimals, split
from hingemetrics._files.refusals import (
    STDIN,
    TableError,
    check_width,
    column_label,
    counted,
    file_label,
    reading,
)

if TYPE_CHECKING:
    from gzip import GzipFile

_MAX_LINE_BYTES = 1 << 24
_MAX_PLAIN_BYTES = 1 << 20  # of lines split at once, which takes 16 times the memory
_MAX_UNCOUNTED_BYTES = 1 << 20  # of a line; in longer ones, fields are counted before the split
_EXACT = 2.0**53  # float64 holds every integer below it
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TRUTH_VALUES = {"True": 1, "true": 1, "TRUE": 1, "False": 0, "false": 0, "FALSE": 0}


class _Layout(NamedTuple):
    """What the first line of a CSV determines for all others."""

    path: str
    delimiter: str
    width: int
    names: list[str] | None  # None: no header
    arguments: list[str]
    picked: list[list[int]]  # column indices, per argument

    @classmethod
    def of(cls, path: str, delimiter: str, first: list[str], table: Table) -> _Layout:
        """Decide whether the first line is a header: if columns are named, or it has no number.

        The line 0, 1, 2, ... is also a header, as pandas writes it for columns without names.
        """
        if not any(first):
            raise TableError(f"{file_label(path)} must have numbers or names in line 1, got none")
        by_name = any(not is_number(name) for part in table.wanted for name in part.names or ())
        line = f"the first line, {shortened(','.join(first))}, is taken for a"
        is_numbered = len(first) > 1 and first == list(map(str, range(len(first))))
        if is_numbered and not by_name:
            table.note(f"{file_label(path)}: {line} header; if it is a row, put a header before it")
        is_row = any(_is_valid(text, "target") for text in first) and not is_numbered
        names = first if by_name or not is_row else None
        if names is None:
            table.rows_hint = f"; {line} row; if it is a header, put names in it"
        picked = table.picked(path, names, len(first))
        arguments = [part.argument for part in table.wanted]
        return cls(path, delimiter, len(first), names, arguments, picked)


def csv_chunks(path: str, table: Table, elements: int) -> Chunks:
    """Yield the rows of a CSV or TSV."""
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
                    yield _plain_arrays(rows, layout) or _checked_arrays(rows, start, layout)
        except TableError as error:
            raise TableError(f"{error}{hint}") from error
        if layout is None:
            raise TableError(f"{file_label(path)} must have rows or a header, got nothing")


def _separator_hint(first: list[str], delimiter: str) -> str:
    """A hint to end a message with if the first line is delimited by semicolons; or nothing."""
    if len(first) != 1 or ";" not in first[0]:
        return ""
    separators = "tabs" if delimiter == "\t" else "commas"
    return f"; fields must be separated by {separators}, not semicolons"


def _opened(path: str) -> IO[bytes] | GzipFile:
    """Open a file, gzipped or not, or standard input."""
    if path == STDIN:
        return open(0, "rb", closefd=False)
    if path.lower().endswith(GZIPPED):
        import gzip

        return gzip.open(path, "rb")
    return open(path, "rb")


def _lines(file: IO[bytes] | GzipFile, path: str, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, about `size` bytes at once, with the number of the first of them.

    A blank line at the end of the file is skipped.
    """
    line, rest = 1, b""
    while data := file.read(size):
        data = rest + data
        end = data.rfind(b"\n") + 1
        lines, rest = data[:end], data[end:]
        if len(rest) > _MAX_LINE_BYTES:
            line += lines.count(b"\n")
            raise TableError(
                f"{file_label(path)} must have lines of at most {_MAX_LINE_BYTES} bytes, "
                f"got more in line {line}"
            )
        if not rest:
            lines, rest = _split_off_blank(lines)  # held back until it is known if more follows
        if lines:
            yield line, _without_mark(lines, line)
            line += lines.count(b"\n")
    if rest and (line == 1 or rest.strip(b"\r\n")):
        yield line, _without_mark(rest, line)


def _split_off_blank(lines: bytes) -> tuple[bytes, bytes]:
    """Split lines into those before a final blank line, and the blank line, if there is one."""
    for blank in (b"\r\n", b"\n"):
        before = lines.removesuffix(blank)
        if before != lines and before[-1:] in (b"", b"\n"):
            return before, blank
    return lines, b""


def _without_mark(lines: bytes, line: int) -> bytes:
    """Return lines; if the first is line 1, without a byte order mark."""
    return lines.removeprefix(_BYTE_ORDER_MARK) if line == 1 else lines


# The fast way, for lines without quotes or errors: many fields at a time


def _plain_arrays(lines: bytes, layout: _Layout) -> list[Array] | None:
    """Return each argument's array, or None if `_checked_arrays` must read or refuse the lines."""
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    if not lines.endswith(b"\n"):
        lines += b"\n"
    if len(lines) > _MAX_PLAIN_BYTES or any(mark in lines for mark in (b'"', b"\0", b"\r")):
        return None
    try:
        lines.isascii() or lines.decode()
        fields = split(lines, layout.delimiter.encode(), layout.width)
        if fields is None or (fields.end - fields.start).max() > csv.field_size_limit():
            return None
        return [
            _plain_columns(fields.of_columns(picked), argument)
            for argument, picked in zip(layout.arguments, layout.picked, strict=True)
        ]
    except ValueError:
        return None


def _plain_columns(fields: Fields, argument: str) -> Array:
    """Return one argument's fields, numbers or groups, (N,) or (N, C); raise if one is invalid."""
    if argument == GROUPS:
        return _parsed(fields.texts(np.arange(len(fields.start))), argument)
    values: Array
    values, others = decimals(fields)
    if argument == "target":
        if len(others) or not _are_exact_integers(values):
            values = _parsed(fields.texts(np.arange(len(values))), argument)
        else:
            values = values.astype(np.int64)
    elif len(others):
        values[others] = _parsed(fields.texts(others), argument)
    return _in_rows(values, fields.width)


def _are_exact_integers(values: Array) -> bool:
    """Whether all values are integers too small to have been rounded."""
    return bool(((np.abs(values) < _EXACT) & (values == np.rint(values))).all())


def _in_rows(values: Array, width: int) -> Array:
    return values.reshape(-1, width) if width > 1 else values


# The slow way, by Python's csv, which reads everything and says what is wrong: field by field


def _checked_arrays(lines: bytes, start: int, layout: _Layout) -> list[Array]:
    """Return each argument's array, or raise for the first error in the lines."""
    split_lines = lines.removesuffix(b"\n").split(b"\n")
    records = _records(split_lines, start, layout.path, layout.delimiter, layout.width)
    return [
        _checked_columns(records, start, layout, picked, argument)
        for argument, picked in zip(layout.arguments, layout.picked, strict=True)
    ]


def _records(
    lines: list[bytes], start: int, path: str, delimiter: str, width: int | None
) -> list[list[str]]:
    """Return the fields of each line, or raise unless each has `width` of them."""
    for data in lines:
        if len(data) > _MAX_UNCOUNTED_BYTES:
            check_width(data.count(delimiter.encode()) + 1, path)
    texts = chain(map(_decoded, lines), ['"'])  # the quote closes a field that is still open
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    records: list[list[str]] = []
    try:
        for record in islice(reader, len(lines)):
            if reader.line_num != len(records) + 1:
                raise ValueError("a quoted field with a line break, or without an end,")
            width = width or len(record)
            if len(record) != width:
                raise TableError(
                    f"{file_label(path)} must have {counted(width, 'field')} in each line, "
                    f"got {len(record)} in line {start + len(records)}"
                )
            records.append(record)
    except TableError:
        raise
    except (csv.Error, ValueError) as error:
        is_bare = isinstance(error, csv.Error) and b"\r" in lines[len(records)].rstrip(b"\r")
        got = "a carriage return alone" if is_bare else error
        raise TableError(
            f"{file_label(path)} must be a CSV in UTF-8, got {got} in line {start + len(records)}"
        ) from error
    return records


def _decoded(line: bytes) -> str:
    """Decode a line, or raise for NUL bytes, which csv itself refuses only in Python 3.10."""
    if b"\0" in line:
        raise ValueError("a NUL byte")
    return line.decode()


def _checked_columns(
    records: list[list[str]], start: int, layout: _Layout, picked: list[int], argument: str
) -> Array:
    """Return one argument's fields, numbers or groups, (N,) or (N, C); errors name the field."""
    try:
        values = _parsed(list(_picked_fields(records, picked)), argument)
    except ValueError:
        raise _invalid_field(records, start, layout, picked, argument) from None
    return _in_rows(values, len(picked))


def _picked_fields(records: list[list[str]], picked: list[int]) -> Iterable[str]:
    """Return the fields of some columns, row by row."""
    texts = map(itemgetter(*picked), records)
    return chain.from_iterable(texts) if len(picked) > 1 else texts


def _parsed(texts: Sequence[str], argument: str) -> Array:
    """Return numbers as Python's `float` reads them, labels as `_parsed_label` does, or groups.

    Groups are the texts as they are, and none may be empty. A target is int64 if all its labels are
    integers, even if written as 1.0, and else float64.
    """
    if argument == GROUPS:
        if "" in texts:
            raise ValueError("a missing group")
        return np.array(texts, object)  # not str: that takes the space of the longest for each
    _check_spelling("".join(texts))
    if argument != "target":
        return np.fromiter(map(float, texts), np.float64, len(texts))
    labels = list(map(_parsed_label, texts))
    dtype = np.int64 if all(isinstance(label, int) for label in labels) else np.float64
    return np.array(labels, dtype)


def _check_spelling(text: str) -> None:
    """Raise for what only Python reads as a number, such as 1_000."""
    if "_" in text or not text.isascii():
        raise ValueError("not a number")


def _parsed_label(text: str) -> float:
    """Return a label: an int if int64 holds it, 1 or 0 for a truth value, else a float."""
    try:
        label = int(text)
    except ValueError:
        if (truth := _TRUTH_VALUES.get(text.strip())) is not None:
            return truth
        number = float(text)
        if not number.is_integer():
            return number
        label = int(number)
    if -(1 << 63) <= label < 1 << 63:
        return label
    if (number := float(text)) != label:  # rounded, it would be another label
        raise ValueError("a label that float64 does not hold")
    return number


def _is_valid(text: str, argument: str) -> bool:
    """Whether a text is a number, a label for a target, or a group for groups."""
    try:
        _parsed([text], argument)
    except ValueError:
        return False
    return True


def _invalid_field(
    records: list[list[str]], start: int, layout: _Layout, picked: list[int], argument: str
) -> TableError:
    """Return the error for the first field that is not a number, or a label or group."""
    line, column = next(
        (line, column)
        for line, record in enumerate(records)
        for column in picked
        if not _is_valid(record[column], argument)
    )
    text = records[line][column]
    is_label = argument == "target" and _is_valid(text, "preds")
    must = "labels that int64 or float64 holds" if is_label else "numbers"
    must = "a group in each row" if argument == GROUPS else must
    return TableError(
        f"{file_label(layout.path)} must hold {must}, got {shortened(text) if text else 'nothing'} "
        f"in line {start + line}, {column_label(column, layout.names)}"
    )
