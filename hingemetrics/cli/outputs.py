"""The files that the command writes: whole or not at all, keeping their modes and links.

A regular file is written to a temporary file beside it, which then replaces it, with the mode and,
as far as the process may set it, the owner of the file that was there. A symlink stays one: the
file that it points to is replaced. A file with hard links is overwritten in place, so that all its
names have the new content, and gets the old content back if that fails. Pipes and devices are
simply written to.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from io import FileIO
from itertools import combinations

_STREAMS = {"standard output": 1, "standard error": 2}
_MAX_ATTEMPTS = 100  # at a free name for a temporary file; the first is almost certainly free


def check_outputs(outputs: Mapping[str, str], inputs: Sequence[str | int]) -> None:
    """Raise for files that cannot be written, or that would overwrite each other or an input.

    `outputs` maps options to paths, `inputs` are paths and file descriptors.
    """
    for (option, path), (other, other_path) in combinations(outputs.items(), 2):
        if _is_same_file(path, other_path):
            raise ValueError(f"{option} and {other} must be two files, got {path} and {other_path}")
    for option, path in outputs.items():
        place = os.path.realpath(path)
        is_loop = os.path.islink(place)
        if os.path.isdir(path) or is_loop or not os.path.isdir(os.path.dirname(place)):
            raise ValueError(f"{option} must be a file in a folder that exists, got {path}")
        if (stream := _standard_stream(path)) is not None:
            raise ValueError(f"{option} must be another file than {stream}, got {path}")
        if not os.path.isfile(path):
            continue
        if not os.access(path, os.W_OK):
            raise ValueError(f"{option} must be a file that may be written to, got {path}")
        if any(os.path.samefile(path, read) for read in inputs):
            raise ValueError(f"{option} must be another file than those that are read, got {path}")


def write(path: str, data: bytes) -> None:
    """Write a file; errors name the path as the user gave it."""
    try:
        before = _status(path)
        if before is None or (stat.S_ISREG(before.st_mode) and before.st_nlink == 1):
            _replace(os.path.realpath(path), data, before)
        elif stat.S_ISREG(before.st_mode):
            _rewrite(path, data)
        else:
            with open(path, "wb") as stream:
                stream.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _is_same_file(path: str, other: str) -> bool:
    """Whether two paths lead to the same file, which need not exist yet."""
    a, b = (os.path.normcase(os.path.realpath(name)) for name in (path, other))
    return a == b or (
        os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
    )


def _standard_stream(path: str) -> str | None:
    """Return the standard stream that goes to this file or pipe, whose output would be mixed in."""
    status = _status(path)
    if status is not None and not stat.S_ISCHR(status.st_mode):  # a terminal, or /dev/null
        for stream, descriptor in _STREAMS.items():
            with suppress(OSError):  # it is closed
                if os.path.samestat(status, os.fstat(descriptor)):
                    return stream
    return None


def _status(path: str) -> os.stat_result | None:
    """Return a file's status, or None if it does not exist."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _replace(path: str, data: bytes, before: os.stat_result | None) -> None:
    """Write a temporary file and move it over the file that was there, if any."""
    mode = 0o666 if before is None else 0o600  # of a new file, before the umask
    for _ in range(_MAX_ATTEMPTS):
        temporary = os.path.join(os.path.dirname(path), f".hingemetrics-{os.urandom(8).hex()}.tmp")
        try:
            with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
                file.write(data)
                file.flush()
                if before is not None:
                    _copy_owner_and_mode(before, file.fileno())
                os.fsync(file.fileno())
            os.replace(temporary, path)
            return
        except FileExistsError:  # another process's
            continue
        except BaseException:
            with suppress(FileNotFoundError):
                os.remove(temporary)
            raise
    raise FileExistsError(errno.EEXIST, "no name left for a temporary file beside it")


def _copy_owner_and_mode(before: os.stat_result, file: int) -> None:
    if sys.platform != "win32":
        with suppress(PermissionError):  # only root may give files away
            os.fchown(file, before.st_uid, before.st_gid)
        os.fchmod(file, stat.S_IMODE(before.st_mode))  # last: a new owner clears some bits


def _rewrite(path: str, data: bytes) -> None:
    """Overwrite a file in place; on any error restore its content."""
    with open(path, "r+b", buffering=0) as file:
        before = file.read()
        try:
            _overwrite(file, data)
            os.fsync(file.fileno())
        except BaseException:
            _overwrite(file, before)
            raise


def _overwrite(file: FileIO, data: bytes) -> None:
    """Replace a file's whole content by `data`."""
    file.seek(0)
    rest = memoryview(data)
    while rest:  # a write may be partial
        rest = rest[file.write(rest) :]
    file.truncate()
