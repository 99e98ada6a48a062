"""The sum of the states in files that --state-out wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hingemetrics.cli.console import note
from hingemetrics.state import HingeState

_STATE_BYTES = 1 << 26  # more than any state of 100,000 classes takes


def merged_state(paths: Iterable[str]) -> HingeState:
    """Return the sum of the states in files, each of which may be given only once."""
    states = _states(paths)
    _, total = next(states)
    for path, state in states:
        with _located_errors(path):
            total = total + state
    return total


def _states(paths: Iterable[str]) -> Iterator[tuple[str, HingeState]]:
    """Yield paths and states; raise for the same file twice, note the same content twice."""
    import hashlib  # takes milliseconds, and only --merge needs it

    files: dict[tuple[int, int], str] = {}  # path by device and inode
    contents: dict[bytes, str] = {}  # first path by digest
    for path in paths:
        status = os.stat(path)  # first: opening a pipe that was read to its end may wait forever
        file = status.st_dev, status.st_ino
        if file in files:
            raise ValueError(
                f"--merge must be given each file once, got {path} after {files[file]}, "
                f"which is the same file"
            )
        files[file] = path
        data = _content(path)
        with _located_errors(path):
            state = HingeState.from_bytes(data)
        first = contents.setdefault(hashlib.sha256(data).digest(), path)
        if first != path:
            note(f"{path} and {first} are two files of the same content; both are counted")
        yield path, state


def _content(path: str) -> bytes:
    """Return the bytes of a file, or raise if it is too large for a state."""
    with open(path, "rb") as file:
        data = file.read(_STATE_BYTES + 1)
    if len(data) > _STATE_BYTES:
        raise ValueError(f"{path} must be a state of at most {_STATE_BYTES} bytes, got more")
    return data


@contextmanager
def _located_errors(path: str) -> Iterator[None]:
    """Prefix errors about a state with its file."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
