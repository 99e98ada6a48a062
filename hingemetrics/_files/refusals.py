"""Refusals of files: their class, and what they call a file, a column and a text."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

STDIN = "-"
_MOST_COLUMNS = 1 << 20
_SHOWN = 40  # characters of what was got
_SHOWN_NAMES = 10


class TableError(ValueError):
    """A file is not what it must be; the message names it."""


def shown(path: str) -> str:
    """Return what to call a file."""
    return "standard input" if path == STDIN else path


def quoted(text: str) -> str:
    """Return a text from a file, however long, as part of a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def counted(count: int, noun: str) -> str:
    """Return a number and its noun, in the plural where there are several."""
    return f"{count} {noun}{'s' * (count != 1)}"


def listed(names: Sequence[str]) -> str:
    """Return the first of some names as part of a message."""
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    return ", ".join(map(quoted, names[:_SHOWN_NAMES])) + more if names else "none"


def column_label(column: int, names: Sequence[str] | None) -> str:
    """Return a column's number and, where it has one, its name."""
    return f"column {column}" if names is None else f"column {column} ({quoted(names[column])})"


def check_width(width: int, path: str) -> None:
    """Raise for a row that is too long to hold."""
    if not width <= _MOST_COLUMNS:
        raise TableError(f"{shown(path)} must have at most {_MOST_COLUMNS} columns, got {width}")


def check_regular(path: str) -> None:
    """Raise for a pipe or device: it would be waited for, has no length and cannot be gone back in.

    What is not there, or a folder, is left to whoever opens it.
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
    """Name the file in whatever goes wrong with it: damaged files make readers raise all sorts."""
    try:
        yield
    except (TableError, ImportError):
        raise
    except OSError as error:
        raise OSError(f"{shown(path)}: {error.strerror or error}") from error
    except Exception as error:
        reason = str(error).partition("\n")[0]  # NumPy goes on with how to load what is unsafe
        raise TableError(
            f"{shown(path)} must be {kind}, got one that does not load: {reason}"
        ) from error
