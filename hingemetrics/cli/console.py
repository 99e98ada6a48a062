"""The streams: the result on standard output, all messages on standard error, one line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

BAD_INPUT = 2
_STANDARD_INPUT = 0


def show(result: str) -> None:
    """Print the result; a closed pipe is not an error, a full disk is."""
    error = _print(_encodable(result, sys.stdout), sys.stdout)
    if error is not None and not isinstance(error, BrokenPipeError):
        fail(f"standard output: {error.strerror}")


def _encodable(text: str, stream: TextIO | None) -> str:
    """Escape characters that a stream's encoding lacks, as standard error does."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def say(message: str) -> None:
    """Print a line on standard error, if there is one."""
    if sys.stderr is not None:
        _print(f"hingemetrics: {' '.join(message.split())}", sys.stderr)


def note(message: str) -> None:
    """Report something that is not an error but may not be intended."""
    say(f"note: {message}")


def fail(message: str) -> NoReturn:
    """Report an error in one line and exit."""
    say(f"error: {message}")
    raise SystemExit(BAD_INPUT)


def reason(error: Exception) -> str:
    """The message of an error; for an OSError, its file and cause without the errno."""
    if isinstance(error, OSError) and error.filename is not None:
        name = "standard input" if error.filename == _STANDARD_INPUT else error.filename
        return f"{name}: {error.strerror}"
    return str(error)


def progress_bar(total: Callable[[], int | None]) -> Any:
    """Return a tqdm bar that counts rows; None without a terminal, or without tqdm.

    `total` may have to open files, so it is called only if there is a bar.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total(), unit=" rows", unit_scale=True, delay=1, leave=False)


def end_streams() -> None:
    """Discard output that could not be written: at exit Python would flush it, and fail again."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and _error_of(stream.flush):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _print(text: str, stream: TextIO) -> OSError | None:
    """Print, and return the error if the stream cannot be written to."""
    return _error_of(lambda: print(text, file=stream, flush=True))


def _error_of(write: Callable[[], None]) -> OSError | None:
    """Call `write`, and return the OSError that it raises, if any."""
    try:
        write()
    except OSError as error:
        return error
    return None
