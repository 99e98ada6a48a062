"""Files of machine code: nothing is executed that was not made of these very sources.

A seal is the SHA-256 of the format's version, of the platform, of the sources that kernels are made
of, of the name of a file and of its content. Who has no seal, or not the right one, is as good as
not there.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

FORMAT = b"hingemetrics machine code 1"
SOURCES = (
    "compiling.py",
    "frame.py",
    "group_kernel.py",
    "intrinsics.py",
    "kernels.py",
    "levels.py",
    "moment_kernel.py",
)
FOLDER = os.path.dirname(__file__)  # of the sources, and of what was made with the package
_SEAL_BYTES = 32


def seal(name: str, content: bytes) -> bytes:
    """Return the seal of a file."""
    return _sha256(b"\0".join((_key(), name.encode(), content)))


def sealed(name: str, content: bytes) -> bytes:
    """Return what `unsealed` reads."""
    return content + seal(name, content)


def unsealed(path: str) -> bytes | None:
    """Return the content of a sealed file, or None where it is not what was sealed."""
    try:
        both = _content(path)
    except OSError:
        return None
    content = both[:-_SEAL_BYTES]
    return content if both[-_SEAL_BYTES:] == seal(os.path.basename(path), content) else None


def is_sealed(path: str, beside: str) -> bool:
    """Whether a file is what another one is the seal of: linkers want their files as they are."""
    try:
        return _content(beside) == seal(os.path.basename(path), _content(path))
    except OSError:
        return False


def store_folder() -> str | None:
    """Return where machine code is stored that did not come with the package, if anywhere."""
    chosen = os.environ.get("HINGEMETRICS_CACHE_DIR")
    if chosen:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if base:
        return os.path.join(base, "hingemetrics")
    home = os.path.expanduser("~")
    return None if home == "~" else os.path.join(home, ".cache", "hingemetrics")


def stored_name(name: str) -> str:
    """Return the name that a file is stored under: one for each version of the sources."""
    return f"{name}-{_key().hex()[:16]}.o"


def store(folder: str, name: str, content: bytes) -> None:
    """Write a sealed file, whole or not at all; nothing happens where it cannot be written."""
    import tempfile  # 5 ms that nothing else here needs

    temporary = ""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            temporary = file.name
            file.write(sealed(name, content))
        os.replace(temporary, os.path.join(folder, name))
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)


@cache
def _key() -> bytes:
    """Return the digest of format, platform and sources; no two versions have the same."""
    return _sha256(b"\0".join((FORMAT, sys.platform.encode(), *map(_source, SOURCES))))


def _content(path: str) -> bytes:
    """Return what is in a file; pathlib imports urllib until Python 3.12, for 5 ms."""
    with open(path, "rb") as file:
        return file.read()


def _sha256(data: bytes) -> bytes:
    """Return a digest; hashlib would load OpenSSL, for 6 ms, as the module random avoids too."""
    for name in ("_sha2", "_sha256", "hashlib"):  # the second until Python 3.11
        with suppress(ImportError):
            digest: bytes = import_module(name).sha256(data).digest()
            return digest
    raise ImportError("this Python has no SHA-256")


def _source(name: str) -> bytes:
    """Return the text of a module beside this one, also from a zipped package."""
    loader: Any = sys.modules[__name__].__loader__
    try:
        text: bytes = loader.get_data(os.path.join(FOLDER, name))
    except OSError:
        return b""
    return text
