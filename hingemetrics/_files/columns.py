"""What arguments name: files, patterns and folders, and columns in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Sequence
from glob import glob, has_magic
from itertools import chain
from typing import NamedTuple

from hingemetrics._core.text import closest
from hingemetrics._core.typing import Array
from hingemetrics._files.refusals import (
    STDIN,
    TableError,
    check_width,
    counted,
    listed,
    quoted,
    shown,
)

Chunks = Generator[list[Array], None, None]  # an array for each of the columns asked for
GZIPPED = ".gz"
_LEFT_OUT = (".", "_")  # how names start that Spark and Hive give to what is no data
_WITH_COLUMNS = re.compile(
    r"(-|.*?\.(?:npz|[ct]sv(?:\.gz)?|parquet|arrow|feather)):(.*)", re.IGNORECASE | re.DOTALL
)


class Columns(NamedTuple):
    """The part of files that an argument is read from."""

    argument: str  # preds, target or sample_weight
    path: str  # a file, a pattern of files, or a folder
    names: tuple[str, ...] | None  # names or 0-based numbers; None stands for all of it


def columns(argument: str, text: str) -> Columns:
    """Return what ``file`` or ``file:column,column`` names.

    Parameters
    ----------
    argument : {"preds", "target", "sample_weight"}
        What it is for.
    text : str
        A file, a pattern or a folder, ``-`` for a CSV on standard input. A file that is there wins
        over one with columns.

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
    """Return columns of a file, by names or 0-based numbers between commas.

    Parameters
    ----------
    argument : {"preds", "target", "sample_weight"}
        What they are for.
    path : str
        The file, or several as a pattern or a folder.
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
    >>> from hingemetrics._files import columns_of
    >>> columns_of("target", "scores.csv", "y").names
    ('y',)
    """
    parts = tuple(names.split(","))
    if not all(parts) or len(set(parts)) < len(parts):
        raise TableError(f"columns of {shown(path)} must be named once each, got {quoted(names)}")
    return Columns(argument, path, parts)


def paths_of(path: str) -> list[str]:
    """Return the files that are meant, in the order of their names.

    Parameters
    ----------
    path : str
        A file, ``-``, a folder of Parquet files, or a pattern with ``*``, ``?`` or ``[...]`` of
        files and folders. What is there by that very name is no pattern.

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
    """Return the Parquet files in a folder."""
    names = sorted(
        name
        for name in os.listdir(folder)
        if name.lower().endswith(".parquet") and not name.startswith(_LEFT_OUT)
    )
    if not names:
        raise TableError(f"{folder} is a folder and must hold .parquet files, got none")
    return [os.path.join(folder, name) for name in names]


def kind_of(path: str) -> str:
    """Return the ending that says what a file is; what only packs a CSV is no part of it."""
    if path == STDIN:
        return ".csv"
    stem, ending = os.path.splitext(path.lower())
    unpacked = os.path.splitext(stem)[1]
    return unpacked if ending == GZIPPED and unpacked in (".csv", ".tsv") else ending


class Table:
    """What arguments take of a table, be it in one file or in several with the same columns."""

    def __init__(self, wanted: Sequence[Columns], note: Callable[[str], None]) -> None:
        self.wanted = wanted
        self._note = note
        self._first: tuple[str, Sequence[str] | None, int] | None = None

    def note(self, text: str) -> None:
        """Tell what a user should know of the first file; the others are like it."""
        if self._first is None:
            self._note(text)

    def picked(self, path: str, names: Sequence[str] | None, width: int) -> list[list[int]]:
        """Return the numbers of the columns that each argument takes of a file."""
        check_width(width, path)
        self._check_alike(path, names, width)
        picked = [_numbers(part, path, names, width) for part in self.wanted]
        numbers = list(chain.from_iterable(picked))
        if len(set(numbers)) < len(numbers):
            got = quoted(",".join(name for part in self.wanted for name in part.names or ()))
            raise TableError(f"columns of {shown(path)} must be named once each, got {got}")
        return picked

    def _check_alike(self, path: str, names: Sequence[str] | None, width: int) -> None:
        """Raise for a file that has other columns than the first one."""
        if self._first is None:
            self._first = path, names, width
        first, names_there, width_there = self._first
        if (names, width) != (names_there, width_there):
            raise TableError(
                f"{shown(path)} must have the same columns as {first}, "
                f"{_layout(names_there, width_there)}, got {_layout(names, width)}"
            )


def _layout(names: Sequence[str] | None, width: int) -> str:
    """Return what a table has for columns."""
    return f"{counted(width, 'column')} without names" if names is None else listed(names)


def _numbers(part: Columns, path: str, names: Sequence[str] | None, width: int) -> list[int]:
    """Return the numbers of the columns that an argument takes."""
    file = shown(path)
    if part.names is None:
        numbers = list(range(width))
    else:
        numbers = [column_number(name, names, width, file) for name in part.names]
    if part.argument != "preds" and len(numbers) != 1:
        raise TableError(f"{part.argument} must be one column of {file}, got {len(numbers)}")
    return numbers


def column_number(name: str, names: Sequence[str] | None, width: int, file: str) -> int:
    """Return the number of a column that goes by a name or a number."""
    named = 0 if names is None else names.count(name)
    if names is not None and named == 1:
        return names.index(name)
    if named:
        raise TableError(f"{file} must have one column {quoted(name)}, got {named}")
    if is_number(name) and int(name) < width:
        return int(name)
    got = counted(width, "column") if names is None else listed(names)
    raise TableError(f"{file} must have a column {quoted(name)}, got {got}{_meant(name, names)}")


def _meant(name: str, names: Sequence[str] | None) -> str:
    """Return which column was probably meant, as the end of a message."""
    near = closest(name, names or ())
    return f"; did you mean {quoted(near)}?" if near else ""


def is_number(name: str) -> bool:
    """Tell a column's number from a name."""
    return name.isascii() and name.isdecimal() and len(name) < 10
