"""Files as blocks of rows, never read whole: .npy, .npz, CSV, Parquet and Arrow.

A file is a stream of chunks, of whatever length suits its format; streams are cut at each other's
ends into blocks. Where blocks end changes no bit of a loss, so nothing is ever copied to fit.
What a file holds is not trusted: memory is bounded by what a chunk may take, whatever a header
declares, and every refusal names the file and the place in it. What may be taken is a block of
predictions, but for Arrow a whole record batch of the columns read, where batches are compressed.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from operator import itemgetter
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from hingemetrics.exact import Array
from hingemetrics.inputs import Batch
from hingemetrics.spelling import closest

ELEMENTS = 1 << 18  # predictions in a block: 2 MiB
MAPPED_ELEMENTS = 1 << 20  # in one that is only a view of a file: enough for threads to pay
STDIN = "-"
_MOST_COLUMNS = 1 << 20
_LONGEST_LINE = 1 << 24  # bytes, of a CSV
_PARQUET_BUFFER = 1 << 16  # bytes read at once of a column: not a whole row group
_SHOWN = 40  # characters of what was got
_SHOWN_NAMES = 10
_BLANK = (b"", b"\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FLOATS = {"halffloat": "f2", "float": "f4", "double": "f8"}  # Arrow's names of NumPy's dtypes
_CSV, _ARROW = (".csv", ".tsv"), (".arrow", ".feather")
_ENDINGS = (".npy", ".npz", *_CSV, ".parquet", *_ARROW)
_WITH_COLUMNS = re.compile(
    r"(-|.*?\.(?:npz|csv|tsv|parquet|arrow|feather)):(.*)", re.IGNORECASE | re.DOTALL
)


class Columns(NamedTuple):
    """The part of a file that an argument is read from."""

    argument: str  # preds, target or sample_weight
    path: str
    names: tuple[str, ...] | None  # names or 0-based numbers; None stands for all of it

    @property
    def file(self) -> str:
        """What to call the file."""
        return _shown(self.path)


class Block(NamedTuple):
    """Rows of all arguments."""

    first: int  # index in the file of its first row
    preds: Array
    target: Array
    sample_weight: Array | None = None


class TableError(ValueError):
    """A file is not what it must be; the message names it."""


Blocks = Generator[Block, None, None]
_Chunks = Generator[list[Array], None, None]  # an array for each of the columns asked for


def columns(argument: str, text: str) -> Columns:
    """Return what ``file`` or ``file:column,column`` names.

    Parameters
    ----------
    argument : {"preds", "target", "sample_weight"}
        What it is for.
    text : str
        A file, ``-`` for a CSV on standard input. A file that is there wins over one with columns.

    Returns
    -------
    Columns

    Raises
    ------
    TableError
        If a column has no name or is named twice.

    Examples
    --------
    >>> from hingemetrics.tables import columns
    >>> columns("preds", "scores.csv:a,b")
    Columns(argument='preds', path='scores.csv', names=('a', 'b'))
    """
    named = None if os.path.exists(text) else _WITH_COLUMNS.fullmatch(text)
    if named is None:
        return Columns(argument, text, None)
    return columns_of(argument, named[1], named[2])


def columns_of(argument: str, path: str, names: str) -> Columns:
    """Return columns of a file, by names or 0-based numbers between commas.

    Parameters
    ----------
    argument : {"preds", "target", "sample_weight"}
        What they are for.
    path : str
        The file.
    names : str
        A name wins over a number.

    Returns
    -------
    Columns

    Raises
    ------
    TableError
        If a column has no name or is named twice.

    Examples
    --------
    >>> from hingemetrics.tables import columns_of
    >>> columns_of("target", "scores.csv", "y").names
    ('y',)
    """
    parts = tuple(names.split(","))
    if not all(parts) or len(set(parts)) < len(parts):
        raise TableError(f"columns of {_shown(path)} must be named once each, got {_text(names)}")
    return Columns(argument, path, parts)


def blocks(
    preds: Columns,
    target: Columns,
    sample_weight: Columns | None = None,
    elements: int | None = None,
) -> Blocks:
    """Yield the rows of files, in order, in blocks of a few predictions.

    Parameters
    ----------
    preds, target, sample_weight : Columns
        What to read; a table that several of them name is read once.
    elements : int, optional
        About how many predictions a block holds at most, by default MAPPED_ELEMENTS where all
        files are .npy, else ELEMENTS.

    Yields
    ------
    Block
        Arrays of the dtypes in the file; CSV gives float64 and, for targets, int64 where it can.

    Raises
    ------
    TableError
        If a file has an unknown ending, is not what its ending says, holds something else than
        numbers, or has another number of rows than the others.
    OSError
        If a file cannot be read.
    ImportError
        If a file needs pyarrow, and it is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from hingemetrics.tables import blocks, columns_of
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "scores.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("score,label" + os.linesep + "0.5,1" + os.linesep)
    ...     preds, target = columns_of("preds", path, "score"), columns_of("target", path, "label")
    ...     [block.preds.tolist() for block in blocks(preds, target)]
    [[0.5]]
    """
    wanted = [part for part in (preds, target, sample_weight) if part is not None]
    _check_endings(wanted)
    if elements is None:
        elements = MAPPED_ELEMENTS if _all_mapped(wanted) else ELEMENTS
    streams = _streams(wanted, elements)
    arguments = [part.argument for group, _ in streams for part in group]
    paths = [group[0].path for group, _ in streams]
    chunks = [stream for _, stream in streams]
    try:
        for first, arrays in _aligned(chunks, paths, elements):
            yield Block(first, **dict(zip(arguments, arrays, strict=True)))
    finally:
        for stream in chunks:
            stream.close()


def row_count(part: Columns) -> int | None:
    """Return how many rows a file says it has, or None where it does not say.

    Parameters
    ----------
    part : Columns
        What is to be read.

    Returns
    -------
    int or None

    Raises
    ------
    TableError, OSError, ImportError
        As `blocks`.

    Examples
    --------
    >>> from hingemetrics.tables import columns, row_count
    >>> row_count(columns("preds", "-")) is None
    True
    """
    kind = _kind(part.path)
    if kind == ".npy":
        array = _mapped(part)
        return len(array) if array.ndim else None
    if kind == ".parquet":
        with _parquet_file(part.path) as file:
            return int(file.metadata.num_rows)
    return None


def _streams(wanted: Sequence[Columns], elements: int) -> list[tuple[list[Columns], _Chunks]]:
    """Return the files to read: what is wanted of each, and its chunks."""
    if _all_mapped(wanted):
        return _of_arrays(wanted)
    groups: dict[object, list[Columns]] = {}
    for part in wanted:
        key = part if _kind(part.path) in (".npy", ".npz") else part.path
        groups.setdefault(key, []).append(part)
    for group in groups.values():
        _check_shared(group)
    return [(group, _read(group, elements)) for group in groups.values()]


def _all_mapped(wanted: Sequence[Columns]) -> bool:
    """Tell whether all files are memory-mapped as they are."""
    return all(_kind(part.path) == ".npy" for part in wanted)


def _of_arrays(wanted: Sequence[Columns]) -> list[tuple[list[Columns], _Chunks]]:
    """Return .npy files as streams of one chunk each, of shapes that `hinge_loss` takes."""
    preds, target, *weight = map(_mapped, wanted)
    try:
        batch = Batch(preds, target, weight[0] if weight else None, None)
    except (TypeError, ValueError) as error:
        raise TableError(f"{', '.join(part.path for part in wanted)}: {error}") from error
    arrays = [batch.preds, batch.target, *([] if batch.weight is None else [batch.weight])]
    return [([part], _once(array)) for part, array in zip(wanted, arrays, strict=True)]


def _check_endings(wanted: Sequence[Columns]) -> None:
    """Raise for a file of which nothing says what it is."""
    for part in wanted:
        if _kind(part.path) not in _ENDINGS:
            raise TableError(
                f"{part.argument} must be {STDIN} or a file that ends in "
                f"{', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}, got {part.path!r}"
            )


def _check_shared(group: Sequence[Columns]) -> None:
    """Raise if an argument takes all columns of a table that another one takes a column of."""
    for part in group:
        if len(group) > 1 and part.names is None:
            raise TableError(
                f"{part.argument} must name its columns of {_shown(part.path)}, "
                f"as other arguments name some of the same file, got none"
            )


def _read(group: Sequence[Columns], elements: int) -> _Chunks:
    """Return the chunks of a file."""
    path = group[0].path
    kind = _kind(path)
    if kind in _CSV:
        return _csv(path, group, elements)
    if kind == ".parquet":
        return _parquet(path, group, elements)
    if kind in _ARROW:
        return _arrow(path, group, elements)
    return _npz(group[0], elements) if kind == ".npz" else _npy(group[0])


def _kind(path: str) -> str:
    """Return the ending that says what a file is."""
    return ".csv" if path == STDIN else os.path.splitext(path)[1].lower()


def _shown(path: str) -> str:
    """Return what to call a file."""
    return "standard input" if path == STDIN else path


def _text(text: str) -> str:
    """Return a text from a file, however long, as part of a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _aligned(
    streams: Sequence[_Chunks], paths: Sequence[str], elements: int
) -> Iterator[tuple[int, list[Array]]]:
    """Yield the first row and the arrays of blocks that end wherever a chunk ends."""
    heads: list[list[Array]] = [[] for _ in streams]
    first = 0
    while True:
        heads = [
            head if head and len(head[0]) else _next(stream)
            for head, stream in zip(heads, streams, strict=True)
        ]
        if not all(heads):
            break
        widest = max(math.prod(array.shape[1:]) for head in heads for array in head)
        rows = min(elements // max(widest, 1) or 1, *(len(head[0]) for head in heads))
        yield first, [array[:rows] for head in heads for array in head]
        heads = [[array[rows:] for array in head] for head in heads]
        first += rows
    longer = [path for path, head in zip(paths, heads, strict=True) if head]
    shorter = [path for path, head in zip(paths, heads, strict=True) if not head]
    if longer:  # how many more there are is not counted: a pipe may have no end
        raise TableError(
            f"{_shown(longer[0])} must have as many rows as {_shown(shorter[0])}, "
            f"got more than {first}{_header_hint(longer[0])}"
        )


def _header_hint(path: str) -> str:
    """Return what else may be wrong with a file that has too many rows."""
    return "; a first line of one number is a row, no header" if _kind(path) in _CSV else ""


def _next(stream: _Chunks) -> list[Array]:
    """Return the next chunk that has rows, or nothing at the end."""
    return next((chunk for chunk in stream if len(chunk[0])), [])


def _once(array: Array) -> _Chunks:
    """Yield an array as one chunk."""
    yield [array]


@contextmanager
def _reading(path: str, kind: str) -> Iterator[None]:
    """Name the file in whatever goes wrong with it: damaged files make readers raise all sorts."""
    try:
        yield
    except (TableError, ImportError):
        raise
    except OSError as error:
        raise OSError(f"{_shown(path)}: {error.strerror or error}") from error
    except Exception as error:
        reason = str(error).partition("\n")[0]  # NumPy goes on with how to load what is unsafe
        raise TableError(
            f"{_shown(path)} must be {kind}, got one that does not load: {reason}"
        ) from error


# .npy and .npz


def _npy(part: Columns) -> _Chunks:
    """Yield a .npy file as one chunk, memory-mapped."""
    array = _mapped(part)
    _check_rows(array.shape, part.path)
    yield [array]


def _mapped(part: Columns) -> Array:
    """Return the array of a .npy file, memory-mapped."""
    path = part.path
    if part.names is not None:
        raise TableError(f"{path} must be a table to name columns of, got a .npy file")
    with _reading(path, "a .npy file of real numbers"), open(path, "rb") as file:
        shape, fortran, dtype = _npy_header(file, path)
        return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def _check_rows(shape: tuple[int, ...], path: str) -> None:
    """Raise for an array that has no rows to go through."""
    if not shape:
        raise TableError(f"{path} must have shape (N,) or (N, C), got ()")
    if shape[0] and not math.prod(shape[1:]):
        raise TableError(f"{path} must have at least one column, got shape {shape}")


def _npz(part: Columns, elements: int) -> _Chunks:
    """Yield the rows of an array in a .npz file."""
    import zipfile

    path = part.path
    with _reading(path, "a .npz file of real numbers"), zipfile.ZipFile(path) as archive:
        name = _member(part, archive.namelist())
        with archive.open(name) as member:
            shape, fortran, dtype = _npy_header(member, path)
            _check_rows(shape, path)
            row_bytes = dtype.itemsize * math.prod(shape[1:])
            declared, held = shape[0] * row_bytes, archive.getinfo(name).file_size - member.tell()
            if declared != held:
                raise TableError(f"{path} must hold {declared} bytes in {name}, got {held}")
            _check_width(math.prod(shape[1:]), path)
            if fortran and row_bytes > dtype.itemsize:
                yield from _spilled(member, shape, dtype)
                return
            yield from _rows(member, shape, dtype, elements)


def _member(part: Columns, names: Sequence[str]) -> str:
    """Return the name in the archive of the array that is asked for."""
    arrays = [name.removesuffix(".npy") for name in names]
    if not arrays:
        raise TableError(f"{part.path} must hold arrays, got none")
    if part.names is None and len(names) == 1:
        return names[0]
    asked = None if part.names is None else ",".join(part.names)
    if asked in arrays:
        return names[arrays.index(asked)]
    got = "no name" if asked is None else _text(asked)
    raise TableError(f"{part.path}:NAME must name one of {_listed(arrays)}, got {got}")


def _npy_header(member: Any, path: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and dtype of the array that comes next."""
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise TableError(f"{path} must hold arrays of .npy format 1.0 or 2.0, got {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what NumPy thinks of a header is no news here
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(member)
    if dtype.kind not in "fiub":
        got = "Python objects" if dtype.hasobject else f"dtype {dtype}"
        raise TableError(f"{path} must hold real numbers, got {got}")
    if min(shape, default=0) < 0:
        raise TableError(f"{path} must have a shape, got {shape}")
    return shape, fortran, dtype


def _rows(member: Any, shape: tuple[int, ...], dtype: np.dtype[Any], elements: int) -> _Chunks:
    """Yield the rows of an array in C order as they are unpacked."""
    width = math.prod(shape[1:])
    rows = max(elements // max(width, 1), 1)
    for start in range(0, shape[0], rows):
        here = min(rows, shape[0] - start)
        data = member.read(here * width * dtype.itemsize)
        yield [np.frombuffer(data, dtype).reshape(here, *shape[1:])]


def _spilled(member: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Chunks:
    """Yield an array in Fortran order, whose rows are all over it, as one mapped chunk on disk."""
    import shutil
    import tempfile

    with tempfile.TemporaryFile() as unpacked:
        shutil.copyfileobj(member, unpacked)
        unpacked.flush()
        if math.prod(shape):
            yield [np.memmap(unpacked, dtype, "r", shape=shape, order="F")]


def _check_width(width: int, path: str) -> None:
    """Raise for a row that is too long to hold."""
    if not width <= _MOST_COLUMNS:
        raise TableError(f"{_shown(path)} must have at most {_MOST_COLUMNS} columns, got {width}")


# Columns of tables


def _picked(wanted: Sequence[Columns], names: Sequence[str] | None, width: int) -> list[list[int]]:
    """Return the numbers of the columns that each argument takes of a table."""
    path = wanted[0].path
    _check_width(width, path)
    picked = [_numbers(part, names, width) for part in wanted]
    numbers = list(chain.from_iterable(picked))
    if len(set(numbers)) < len(numbers):
        got = _text(",".join(name for part in wanted for name in part.names or ()))
        raise TableError(f"columns of {_shown(path)} must be named once each, got {got}")
    return picked


def _numbers(part: Columns, names: Sequence[str] | None, width: int) -> list[int]:
    """Return the numbers of the columns that an argument takes."""
    if part.names is None:
        numbers = list(range(width))
    else:
        numbers = [_number(name, names, width, part.file) for name in part.names]
    if part.argument != "preds" and len(numbers) != 1:
        raise TableError(f"{part.argument} must be one column of {part.file}, got {len(numbers)}")
    return numbers


def _number(name: str, names: Sequence[str] | None, width: int, path: str) -> int:
    """Return the number of a column."""
    named = 0 if names is None else names.count(name)
    if names is not None and named == 1:
        return names.index(name)
    if named:
        raise TableError(f"{path} must have one column {_text(name)}, got {named}")
    if _is_number(name) and int(name) < width:
        return int(name)
    got = _counted(width, "column") if names is None else _listed(names)
    raise TableError(f"{path} must have a column {_text(name)}, got {got}{_meant(name, names)}")


def _meant(name: str, names: Sequence[str] | None) -> str:
    """Return which column was probably meant, as the end of a message."""
    near = closest(name, names or ())
    return f"; did you mean {_text(near)}?" if near else ""


def _counted(count: int, noun: str) -> str:
    """Return how many there are of something."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _is_number(name: str) -> bool:
    """Tell a column's number from a name."""
    return name.isascii() and name.isdecimal() and len(name) < 10


def _listed(names: Sequence[str]) -> str:
    """Return the first of some names as part of a message."""
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    return ", ".join(map(_text, names[:_SHOWN_NAMES])) + more if names else "none"


def _called(column: int, names: Sequence[str] | None) -> str:
    """Return what to call a column."""
    return f"column {column}" if names is None else f"column {column} ({_text(names[column])})"


# CSV


class _Csv(NamedTuple):
    """What the first line of a CSV tells."""

    path: str
    names: list[str] | None
    picked: list[list[int]]  # a list for each of the columns asked for

    @classmethod
    def of(cls, path: str, first: list[str], wanted: Sequence[Columns]) -> _Csv:
        """Return the layout: a header if columns go by name, or if it is no row of numbers."""
        if not any(first):
            raise TableError(f"{_shown(path)} must have numbers or names in line 1, got none")
        by_name = any(not _is_number(name) for part in wanted for name in part.names or ())
        is_header = by_name or _is_counted(first) or not any(map(_is_float, first))
        names = first if is_header else None
        return cls(path, names, _picked(wanted, names, len(first)))


def _is_counted(first: list[str]) -> bool:
    """Tell whether a line is 0, 1, 2...: what pandas calls columns that have no names."""
    return len(first) > 1 and first == list(map(str, range(len(first))))


def _csv(path: str, wanted: Sequence[Columns], elements: int) -> _Chunks:
    """Yield the rows of a CSV, or TSV."""
    delimiter = "\t" if _kind(path) == ".tsv" else ","
    layout = width = None
    with _reading(path, "a CSV in UTF-8"), _opened(path) as file:
        for line, lines in _lines(file, path, elements):
            records = _records(lines, line, path, delimiter, width)
            start = line
            if layout is None:
                layout, width = _Csv.of(path, records[0], wanted), len(records[0])
                if layout.names is not None:
                    del records[0]
                    start += 1
            yield [
                _values(records, start, layout, picked, part.argument)
                for part, picked in zip(wanted, layout.picked, strict=True)
            ]
        if layout is None:
            raise TableError(f"{_shown(path)} must have rows or a header, got nothing")


def _opened(path: str) -> BinaryIO | AbstractContextManager[BinaryIO]:
    """Return a file, or standard input, as bytes."""
    return open(0, "rb", closefd=False) if path == STDIN else open(path, "rb")


def _lines(file: BinaryIO, path: str, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the number of the first and the bytes of whole lines, about so many bytes at once.

    A last line that is blank is none.
    """
    line, rest = 1, b""
    while data := file.read(size):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise TableError(
                f"{_shown(path)} must have lines of at most {_LONGEST_LINE} bytes, "
                f"got more in line {line + len(lines)}"
            )
        if lines and not rest and lines[-1] in _BLANK:
            rest = lines.pop() + b"\n"  # until it is known what follows
        if lines:
            yield line, _unmarked(lines, line)
            line += len(lines)
    if rest and (line == 1 or rest.strip(b"\r\n")):
        yield line, _unmarked([rest], line)


def _unmarked(lines: list[bytes], line: int) -> list[bytes]:
    """Take the byte order mark off the first line."""
    if line == 1:
        lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
    return lines


def _records(
    lines: list[bytes], start: int, path: str, delimiter: str, width: int | None
) -> list[list[str]]:
    """Return the fields of each line."""
    import csv

    for data in lines:
        if len(data) > _MOST_COLUMNS:  # it may have too many fields to split
            _check_width(data.count(delimiter.encode()) + 1, path)
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
                    f"{_shown(path)} must have {_counted(width, 'field')} in each line, "
                    f"got {len(record)} in line {start + len(records)}"
                )
            records.append(record)
    except TableError:
        raise
    except (csv.Error, ValueError) as error:
        is_bare = isinstance(error, csv.Error) and b"\r" in lines[len(records)].rstrip(b"\r")
        got = "a carriage return alone" if is_bare else error
        raise TableError(
            f"{_shown(path)} must be a CSV in UTF-8, got {got} in line {start + len(records)}"
        ) from error
    return records


def _decoded(line: bytes) -> str:
    """Return the text of a line."""
    if b"\0" in line:
        raise ValueError("a NUL byte")
    return line.decode()


def _values(
    records: list[list[str]], start: int, layout: _Csv, picked: list[int], argument: str
) -> Array:
    """Return columns of records as numbers."""
    convert = _labels if argument == "target" else _floats
    try:
        _check_plain("".join(_fields(records, picked)))
        values = convert(_fields(records, picked), len(records) * len(picked))
    except ValueError:
        raise _not_a_number(records, start, layout, picked) from None
    return values.reshape(-1, len(picked)) if len(picked) > 1 else values


def _fields(records: list[list[str]], picked: list[int]) -> Iterable[str]:
    """Return the fields of columns, row by row."""
    texts = map(itemgetter(*picked), records)
    return chain.from_iterable(texts) if len(picked) > 1 else texts


def _check_plain(text: str) -> None:
    """Raise for what Python takes in a number, and no other reader of CSV does."""
    if "_" in text or not text.isascii():
        raise ValueError("not a number")


def _floats(texts: Iterable[str], count: int) -> Array:
    """Return numbers as Python reads them."""
    return np.fromiter(map(float, texts), np.float64, count)


def _labels(texts: Iterable[str], count: int) -> Array:
    """Return labels: integers exactly, also those written as 1.0; float64 if there are others."""
    labels = list(map(_label, texts))
    dtype = np.int64 if all(isinstance(label, int) for label in labels) else np.float64
    return np.array(labels, dtype)


def _label(text: str) -> float:
    """Return a label: an int where it is one that int64 holds."""
    try:
        label = int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            return number
        label = int(number)
    return label if label.bit_length() < 64 else float(text)


def _is_float(text: str) -> bool:
    """Tell whether a text is a number."""
    try:
        _check_plain(text)
        float(text)
    except ValueError:
        return False
    return True


def _not_a_number(
    records: list[list[str]], start: int, layout: _Csv, picked: list[int]
) -> TableError:
    """Return the refusal of the first field that is none."""
    line, column = next(
        (line, column)
        for line, record in enumerate(records)
        for column in picked
        if not _is_float(records[line][column])
    )
    text = records[line][column]
    return TableError(
        f"{_shown(layout.path)} must hold numbers, got {_text(text) if text else 'nothing'} "
        f"in line {start + line}, {_called(column, layout.names)}"
    )


# Parquet and Arrow


def _parquet(path: str, wanted: Sequence[Columns], elements: int) -> _Chunks:
    """Yield the rows of a Parquet file."""
    with _parquet_file(path) as file:
        names = file.schema_arrow.names
        picked = _typed(path, wanted, file.schema_arrow)
        read = sorted({column for group in picked for column in group})
        for column in read:  # Parquet finds columns by their names
            _number(names[column], names, len(names), path)
        batches = file.iter_batches(
            max(elements // len(read), 1), columns=[names[i] for i in read], use_threads=False
        )
        places = [[read.index(column) for column in group] for group in picked]
        yield from _converted(batches, places, path)


@contextmanager
def _parquet_file(path: str) -> Iterator[Any]:
    """Open a Parquet file."""
    _check_pyarrow(path)
    from pyarrow import OSFile, parquet

    with (
        _reading(path, "a Parquet file"),
        OSFile(path) as source,  # given the path, pyarrow would take a URI for what it names
        parquet.ParquetFile(source, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as file,
    ):
        yield file


def _arrow(path: str, wanted: Sequence[Columns], elements: int) -> _Chunks:
    """Yield the rows of an Arrow file (or Feather, version 2) or stream."""
    _check_pyarrow(path)
    import pyarrow

    with _reading(path, "an Arrow file"), pyarrow.memory_map(path) as source:
        is_file = source.read(6) == b"ARROW1"
        with _opened_arrow(source, is_file) as reader:
            picked = _typed(path, wanted, reader.schema)
        read = sorted({column for group in picked for column in group})
        with _opened_arrow(source, is_file, read) as reader:
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            rows = max(elements // len(read), 1)
            places = [[read.index(column) for column in group] for group in picked]
            yield from _converted(_cut(batches, rows), places, path)


def _opened_arrow(source: Any, is_file: bool, columns: Sequence[int] = ()) -> Any:
    """Return a reader of some columns, or of all; the others are not even looked at."""
    from pyarrow import ipc

    source.seek(0)
    options = ipc.IpcReadOptions(included_fields=list(columns), use_threads=False)
    return (ipc.open_file if is_file else ipc.open_stream)(source, options=options)


def _cut(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    """Yield checked record batches of at most so many rows."""
    for batch in batches:
        batch.validate(full=True)  # or damaged offsets would be followed
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _check_pyarrow(path: str) -> None:
    """Raise unless pyarrow is there."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{path} needs pyarrow to be read: pip install pyarrow") from error


def _typed(path: str, wanted: Sequence[Columns], schema: Any) -> list[list[int]]:
    """Return the columns that are asked for, which must be of numbers."""
    from pyarrow import types

    picked = _picked(wanted, schema.names, len(schema.names))
    for column in chain.from_iterable(picked):
        kind = schema.field(column).type
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
            raise TableError(
                f"{path} must hold numbers, got {kind} in {_called(column, schema.names)}"
            )
    return picked


def _converted(batches: Iterable[Any], picked: list[list[int]], path: str) -> _Chunks:
    """Yield the columns of record batches as arrays."""
    first = 0
    for batch in filter(len, batches):
        yield [_stacked(batch, group, first, path) for group in picked]
        first += batch.num_rows


def _stacked(batch: Any, picked: list[int], first: int, path: str) -> Array:
    """Return columns of a record batch, side by side."""
    arrays = [_filled(batch, column, first, path) for column in picked]
    return arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)


def _filled(batch: Any, column: int, first: int, path: str) -> Array:
    """Return a column in which nothing is missing."""
    values = batch.column(column)
    if values.null_count:
        row = first + values.is_null().to_pylist().index(True)
        raise TableError(
            f"{path} must have no nulls, got one in column {_text(batch.schema.names[column])} "
            f"at index {row}; null is not NaN"
        )
    if values.type.bit_width < 8:  # bool
        values = values.cast("uint8")
    name = str(values.type)  # to_numpy, and in older versions to_pandas_dtype, import pandas
    dtype = np.dtype(_FLOATS.get(name, name))
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)
