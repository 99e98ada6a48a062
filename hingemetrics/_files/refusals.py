"""Errors about files: their class, and how they name files, columns and counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hingemetrics._core.text import shortened

STDIN = "-"
_MAX_COLUMNS = 1 << 20
_SHOWN_NAMES = 10


class TableError(ValueError):
    """A file has unexpected content or a wrong form; the message names it."""


def file_label(path: str) -> str:
    """The name of a file, for error messages."""
    return "standard input" if path == STDIN else path


def counted(count: int, noun: str) -> str:
    """A count and its noun: 1 column, 2 columns."""
    return f"{count} {noun}{'s' * (count != 1)}"


def listed(names: Sequence[str]) -> str:
    """The first few names, quoted, for error messages."""
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    return ", ".join(map(shortened, names[:_SHOWN_NAMES])) + more if names else "none"


def column_label(column: int, names: Sequence[str] | None) -> str:
    """A column's number and, if it has one, its name, for error messages."""
    return f"column {column}" if names is None else f"column {column} ({shortened(names[column])})"


def check_width(width: int, path: str) -> None:
    """Raise for a row too wide to hold in memory."""
    if width > _MAX_COLUMNS:
        raise TableError(
            f"{file_label(path)} must have at most {_MAX_COLUMNS} columns, got {width}"
        )


def check_regular(path: str) -> None:
    """Raise for a pipe or device: reading could block, and neither has a length or can seek.

    A missing path or a folder is left to the reader that opens it.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
        raise TableError(f"{path} must be a regular file, got {kind}")


@contextmanager
def reading(path: str, kind: str) -> Iterator[None]:
    """Re-raise every error with the file's name: readers raise all sorts for damaged files."""
    try:
        yield
    except (TableError, ImportError):
        raise
    except OSError as error:
        raise OSError(f"{file_label(path)}: {error.strerror or error}") from error
    except Exception as error:
        reason = str(error).partition("\n")[0]  # NumPy's next lines tell how to load unsafe files
        raise TableError(
            f"{file_label(path)} must be {kind}, got one that does not load: {reason}"
        ) from error
