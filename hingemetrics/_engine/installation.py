"""The versions, machine code and settings in use: `show_config`."""

from __future__ import annotations

import platform
import sys

import numpy as np

from hingemetrics._core.version import __version__
from hingemetrics._engine import backend, machine_code


def show_config() -> None:
    """Print the versions, machine code and settings in use.

    One line each: the versions of hingemetrics, Python and NumPy; that of Numba, if it is installed
    (it is not imported); the file of the compiled kernels and the processor target they are made
    for, or why NumPy does their work; the backend and the number of threads.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.show_config()  # doctest: +ELLIPSIS
    hingemetrics ...
    """
    print(configuration())


def configuration() -> str:
    """Return the lines of `show_config`."""
    facts: list[tuple[str, object]] = [
        ("Python", f"{sys.version.split()[0]} on {platform.system()} {platform.machine()}"),
        ("NumPy", np.__version__),
        ("Numba", _installed("numba")),
        ("compiled kernels", machine_code.origin()),
        ("backend", _setting(backend.get_backend)),
        ("threads", _setting(backend.get_num_threads)),
    ]
    lines = (f"{name}: {value}" for name, value in facts)
    return "\n".join((f"hingemetrics {__version__}", *lines))


def _installed(name: str) -> str:
    """Return a package's version, or that it is not there."""
    from importlib import metadata  # 20 ms that nothing else here needs

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _setting(get: object) -> object:
    """Return a setting, or the error that the environment variable causes."""
    try:
        return get()  # type: ignore[operator]
    except ValueError as error:
        return str(error)
