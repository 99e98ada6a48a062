"""The files, and the columns in them, that an argument of the command names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Sequence
from glob import glob, has_magic
from itertools import chain
from typing import NamedTuple

from hingemetrics._core.text import closest, shortened
from hingemetrics._core.typing import Array
from hingemetrics._files.refusals import (
    STDIN,
    TableError,
    check_width,
    counted,
    file_label,
    listed,
)

Chunks = Generator[list[Array], None, None]  # an array per argument: (rows,) or (rows, columns)
GZIPPED = ".gz"
PREDICTIONS = ("preds", "baseline_preds")  # arguments that may have a column a class
GROUPS = "groups"  # the argument that may hold text, too
_NO_DATA = (".", "_")  # prefixes of files that Spark and Hive write beside the data
_WITH_COLUMNS = re.compile(
    r"(-|.*?\.(?:npz|[ct]sv(?:\.gz)?|parquet|arrow|feather)):(.*)", re.IGNORECASE | re.DOTALL
)


class Columns(NamedTuple):
    """The files, and the columns in them, that an argument is read from."""

    argument: str  # one of PREDICTIONS, target, sample_weight or GROUPS
    path: str  # a file, a pattern of files, or a folder
    names: tuple[str, ...] | None  # names or 0-based numbers; None: all columns


def columns(argument: str, text: str) -> Columns:
    """Parse ``file`` or ``file:column,column``.

    Parameters
    ----------
    argument : {"preds", "target", "sample_weight", "baseline_preds", "groups"}
        The argument that will be read.
    text : str
        A file, a pattern or a folder, or ``-`` for a CSV on standard input. If a file of exactly
        this name exists, a colon is part of its name.

    Returns
    -------
    Columns

    Raises
    ------
    TableError
        If a column has no name or is named twice.

    Examples
    --------
    >>> from hingemetrics._files import columns
    >>> columns("preds", "scores.csv:a,b")
    Columns(argument='preds', path='scores.csv', names=('a', 'b'))
    """
    if os.path.exists(text):
        return Columns(argument, text, None)
    if named := _WITH_COLUMNS.fullmatch(text):
        return columns_of(argument, named[1], named[2])
    for colon in re.finditer(":", text):
        if os.path.isdir(text[: colon.start()]):
            return columns_of(argument, text[: colon.start()], text[colon.end() :])
    return Columns(argument, text, None)


def columns_of(argument: str, path: str, names: str) -> Columns:
    """Parse the columns of a file: comma-separated names or 0-based numbers.

    Parameters
    ----------
    argument : {"preds", "target", "sample_weight", "baseline_preds", "groups"}
        The argument that will be read.
    path : str
        A file, a pattern or a folder.
    names : str
        The columns; if a column is called ``0``, that is its name, not a number.

    Returns
    -------
    Columns

    Raises
    ------
    TableError
        If a column has no name or is named twice.

    Examples
    --------
    >>> from hingemetrics._files import columns_of
    >>> columns_of("target", "scores.csv", "y").names
    ('y',)
    """
    parts = tuple(names.split(","))
    if not all(parts) or len(set(parts)) < len(parts):
        raise TableError(
            f"columns of {file_label(path)} must be named once each, got {shortened(names)}"
        )
    return Columns(argument, path, parts)


def paths_of(path: str) -> list[str]:
    """Return the files that a path stands for, sorted by name.

    Parameters
    ----------
    path : str
        A file, ``-``, a folder of Parquet files, or a pattern with ``*``, ``?`` or ``[...]`` that
        matches files and folders. If a file of exactly this name exists, it is not a pattern.

    Returns
    -------
    list of str

    Raises
    ------
    TableError
        If a pattern matches nothing, or a folder has no Parquet files.
    OSError
        If a folder cannot be read.

    Examples
    --------
    >>> from hingemetrics._files import paths_of
    >>> paths_of("scores.csv")
    ['scores.csv']
    """
    if os.path.isdir(path):
        return _parquet_files(path)
    if path == STDIN or os.path.lexists(path) or not has_magic(path):
        return [path]
    matches = sorted(glob(path))
    if not matches:
        raise TableError(f"{path}: No such file, and none that matches it as a pattern")
    return [
        file
        for match in matches
        for file in (_parquet_files(match) if os.path.isdir(match) else [match])
    ]


def _parquet_files(folder: str) -> list[str]:
    """The Parquet files in a folder, sorted by name."""
    names = sorted(
        name
        for name in os.listdir(folder)
        if name.lower().endswith(".parquet") and not name.startswith(_NO_DATA)
    )
    if not names:
        raise TableError(f"{folder} is a folder and must hold .parquet files, got none")
    return [os.path.join(folder, name) for name in names]


def kind_of(path: str) -> str:
    """The ending that tells a file's format: .csv also for a.csv.gz."""
    if path == STDIN:
        return ".csv"
    stem, ending = os.path.splitext(path.lower())
    packed = os.path.splitext(stem)[1]
    return packed if ending == GZIPPED and packed in (".csv", ".tsv") else ending


class Table:
    """One file, or several with the same columns, and the arguments read from it."""

    def __init__(self, wanted: Sequence[Columns], note: Callable[[str], None]) -> None:
        self.wanted = wanted
        self.rows_hint = ""  # ends the message if it has too many rows
        self._note = note
        self._first: tuple[str, Sequence[str] | None, int] | None = None  # file, names, width

    def note(self, text: str) -> None:
        """Pass on a note, about the first file only: the others are like it."""
        if self._first is None:
            self._note(text)

    def picked(self, path: str, names: Sequence[str] | None, width: int) -> list[list[int]]:
        """Return, per argument, the indices of its columns in a file."""
        check_width(width, path)
        self._check_same_columns(path, names, width)
        picked = [_picked(part, path, names, width) for part in self.wanted]
        numbers = list(chain.from_iterable(picked))
        if len(set(numbers)) < len(numbers):
            got = shortened(",".join(name for part in self.wanted for name in part.names or ()))
            raise TableError(f"columns of {file_label(path)} must be named once each, got {got}")
        return picked

    def _check_same_columns(self, path: str, names: Sequence[str] | None, width: int) -> None:
        """Raise if a file's columns differ from those of the first file."""
        if self._first is None:
            self._first = path, names, width
        first, first_names, first_width = self._first
        if (names, width) != (first_names, first_width):
            raise TableError(
                f"{file_label(path)} must have the same columns as {first}, "
                f"{_column_list(first_names, first_width)}, got {_column_list(names, width)}"
            )


def _column_list(names: Sequence[str] | None, width: int) -> str:
    """The names of a table's columns, or their number, for error messages."""
    return f"{counted(width, 'column')} without names" if names is None else listed(names)


def _picked(part: Columns, path: str, names: Sequence[str] | None, width: int) -> list[int]:
    """Return the indices of one argument's columns in a file."""
    file = file_label(path)
    if part.names is None:
        numbers = list(range(width))
    else:
        numbers = [column_number(name, names, width, file) for name in part.names]
    if part.argument not in PREDICTIONS and len(numbers) != 1:
        raise TableError(f"{part.argument} must be one column of {file}, got {len(numbers)}")
    return numbers


def column_number(name: str, names: Sequence[str] | None, width: int, file: str) -> int:
    """Return the index of a column given by its name or number."""
    named = 0 if names is None else names.count(name)
    if names is not None and named == 1:
        return names.index(name)
    if named:
        raise TableError(f"{file} must have one column {shortened(name)}, got {named}")
    if is_number(name) and int(name) < width:
        return int(name)
    got = counted(width, "column") if names is None else listed(names)
    raise TableError(
        f"{file} must have a column {shortened(name)}, got {got}{_suggestion(name, names)}"
    )


def _suggestion(name: str, names: Sequence[str] | None) -> str:
    """A suggestion for an unknown column, to end a message with; or nothing."""
    near = closest(name, names or ())
    return f"; did you mean {shortened(near)}?" if near else ""


def is_number(name: str) -> bool:
    """Whether a text can be a column's number."""
    return name.isascii() and name.isdecimal() and len(name) < 10
