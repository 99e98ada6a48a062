"""Digests that identify the library of kernels, which is executed: nothing else ever is.

A file beside the library holds two: of the library, and of the sources it was made from. The second
tells in a clone that a kernel was edited since. Where no sources can be read, as in a frozen
program, the first is enough. Digests find damage, not forgery.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

FOLDER = os.path.dirname(__file__)
SOURCES = (
    "compiling.py",
    "frame.py",
    "group_kernel.py",
    "intrinsics.py",
    "kernels.py",
    "moment_kernel.py",
)
UNREADABLE = "its digests cannot be read; install the package again"
DAMAGED = "it is damaged; install the package again"
OUTDATED = "it was made from other sources; rebuild it: python setup.py build_ext --inplace"


def written(content: bytes) -> str:
    """Return the text that belongs beside a library made from the sources here."""
    return f"library {_digest(content)}\nsources {of_sources()}\n"


def problem(library: str, beside: str) -> str | None:
    """Return why a library must not be executed, or None if it is the one that was made here."""
    try:
        with open(library, "rb") as file:
            content = file.read()
        with open(beside, encoding="ascii") as file:
            of_library, made_from = file.read().splitlines()
    except (OSError, ValueError):
        return UNREADABLE
    if of_library != f"library {_digest(content)}":
        return DAMAGED
    if of_sources() not in (None, made_from.removeprefix("sources ")):
        return OUTDATED
    return None


def of_sources() -> str | None:
    """Return the digest of all sources, or None where they cannot be read."""
    loader: Any = sys.modules[__name__].__loader__  # also reads them from a zipped package
    try:
        texts = [loader.get_data(os.path.join(FOLDER, name)) for name in SOURCES]
    except OSError:
        return None
    return _digest(b"\0".join(texts))


def _digest(data: bytes) -> str:
    """Return a BLAKE2b digest: a third of SHA-256's time; hashlib would load OpenSSL, for 6 ms."""
    for name in ("_blake2", "hashlib"):
        with suppress(ImportError):
            digest: str = import_module(name).blake2b(data, digest_size=32).hexdigest()
            return digest
    raise ImportError("this Python has no BLAKE2b")
