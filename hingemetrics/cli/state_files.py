"""Files of states, read: as bytes of a bounded number, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_MOST_BYTES = 1 << 26  # more than any state of 100,000 classes takes, or the JSON that holds it


def content(path: str) -> bytes:
    """Return the bytes of a file, or raise if it is too large for a state."""
    with open(path, "rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{path} must be a state of at most {_MOST_BYTES} bytes, got more")
    return data


@contextmanager
def located_errors(path: str) -> Iterator[None]:
    """Prefix errors about a state with its file."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
