"""The sum of the states in files that --state-out wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from hingemetrics.cli.console import note
from hingemetrics.cli.state_files import content, located_errors
from hingemetrics.state import HingeState


def merged_state(paths: Iterable[str]) -> HingeState:
    """Return the sum of the states in files, each of which may be given only once."""
    states = _states(paths)
    _, total = next(states)
    for path, state in states:
        with located_errors(path):
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
        data = content(path)
        with located_errors(path):
            state = HingeState.from_bytes(data)
        first = contents.setdefault(hashlib.sha256(data).digest(), path)
        if first != path:
            note(f"{path} and {first} are two files of the same content; both are counted")
        yield path, state
