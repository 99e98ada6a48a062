"""What the command says: results on standard output, all else on standard error, a line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

BAD_INPUT = 2
_STANDARD_INPUT = 0


def show(result: str) -> None:
    """Print the result; a reader that has gone away is no error, a full disk is."""
    error = _print(result, sys.stdout)
    if error is not None and not isinstance(error, BrokenPipeError):
        fail(f"standard output: {error.strerror}")


def say(message: str) -> None:
    """Say something beside the result, in one line, if there is anywhere to."""
    if sys.stderr is not None:
        _print(f"hingemetrics: {' '.join(message.split())}", sys.stderr)


def note(message: str) -> None:
    """Say what is no error, but may not be meant."""
    say(f"note: {message}")


def fail(message: str) -> NoReturn:
    """Say what is wrong in one line and exit."""
    say(f"error: {message}")
    raise SystemExit(BAD_INPUT)


def reason(error: Exception) -> str:
    """Return what went wrong, without Python's numbers of it."""
    if isinstance(error, OSError) and error.filename is not None:
        name = "standard input" if error.filename == _STANDARD_INPUT else error.filename
        return f"{name}: {error.strerror}"
    return str(error)


def progress_bar(total: Callable[[], int | None]) -> Any:
    """Return a bar that counts rows, or None where nobody would see it or tqdm is missing.

    How many rows there are is asked only where there is a bar.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total(), unit=" rows", unit_scale=True, delay=1, leave=False)


def end_streams() -> None:
    """Before the process ends: what a stream could not take is dropped, or Python would fail."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and _failed(stream.flush):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _print(text: str, stream: TextIO) -> OSError | None:
    """Print, or return the error of a stream that cannot take it."""
    return _failed(lambda: print(text, file=stream, flush=True))


def _failed(write: Callable[[], None]) -> OSError | None:
    """Return the error of a stream that is written to, if there is one."""
    try:
        write()
    except OSError as error:
        return error
    return None
