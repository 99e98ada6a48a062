"""Which backend computes, and in how many threads. Results are bit-identical.

With the backend "auto" the library that came with the package is used from the first call. Without
a library NumPy does everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hingemetrics._core.text import shortened
from hingemetrics._engine import machine_code
from hingemetrics._inputs.arguments import checked_int

BACKENDS = ("auto", "numpy", "numba")
_MAX_DIGITS = 9  # of a number of threads


def set_backend(name: str) -> None:
    """Choose the backend of the whole process; results are the same bits.

    Parameters
    ----------
    name : {"auto", "numpy", "numba"}
        "auto" uses the machine code that came with the package, from the first call, and NumPy
        where there is none. It never compiles. "numpy" uses NumPy alone. "numba" uses machine code
        alone: where none came with the package, Numba compiles each kernel in this process when it
        is first needed, which takes seconds. The environment variable ``HINGEMETRICS_BACKEND`` sets
        the initial choice.

    Raises
    ------
    ValueError
        If `name` is not one of the choices.
    ImportError
        If `name` is "numba", no machine code came with the package and Numba is not installed.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.set_backend("numpy")
    >>> hingemetrics.get_backend()
    'numpy'
    >>> hingemetrics.set_backend("auto")
    """
    global _backend
    chosen = _checked_backend(name, "name")
    if chosen == "numba" and not machine_code.is_available():
        raise ImportError(
            "the numba backend needs Numba, for no machine code came with this package; "
            "install hingemetrics[numba]"
        )
    _backend = chosen


def get_backend() -> str:
    """Return the backend chosen by `set_backend` or ``HINGEMETRICS_BACKEND``.

    Returns
    -------
    str
        "auto", "numpy" or "numba".

    Raises
    ------
    ValueError
        If ``HINGEMETRICS_BACKEND`` is to decide, and is not one of the choices.
    """
    global _backend
    if _backend is None:
        name = os.environ.get("HINGEMETRICS_BACKEND") or "auto"
        _backend = _checked_backend(name, "HINGEMETRICS_BACKEND")
    return _backend


def set_num_threads(number: int) -> None:
    """Choose how many threads share a large call; the bits do not depend on it.

    Parameters
    ----------
    number : int
        At least 1, which is the default: the calling thread is one of them. The environment
        variable ``HINGEMETRICS_NUM_THREADS`` sets the initial choice. Calls of fewer than a million
        predictions use one thread anyway.

    Raises
    ------
    TypeError
        If `number` is not an int.
    ValueError
        If `number` is below 1.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.set_num_threads(2)
    >>> hingemetrics.get_num_threads()
    2
    >>> hingemetrics.set_num_threads(1)
    """
    global _num_threads
    _num_threads = checked_int(number, "number", least=1)


def get_num_threads() -> int:
    """Return the number of threads chosen by `set_num_threads` or ``HINGEMETRICS_NUM_THREADS``.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If ``HINGEMETRICS_NUM_THREADS`` is to decide, and is no int of at least 1.
    """
    global _num_threads
    if _num_threads is None:
        _num_threads = _threads_of_the_environment()
    return _num_threads


def warmup() -> None:
    """Load the machine code of the backend now, so that no later call has to.

    Machine code that came with the package loads in about a millisecond. With the backend "numba"
    and no machine code in the package, Numba compiles every kernel in this process, which takes
    about half a minute. With "numpy" there is nothing to load.

    Raises
    ------
    ImportError
        If the backend is "numba" and Numba has to compile, but is not installed or does not work.
    RuntimeError
        If Numba has to compile, and was compiling in another thread when this process was forked.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.warmup()
    """
    for key in machine_code.KEYS:
        kernel(*key)


@contextmanager
def changed_settings(backend: str | None, num_threads: int | None) -> Iterator[None]:
    """Override what is not None inside a with block."""
    global _backend, _num_threads
    before = _backend, _num_threads
    try:
        if backend is not None:
            set_backend(backend)
        if num_threads is not None:
            set_num_threads(num_threads)
        yield
    finally:
        _backend, _num_threads = before


def kernel(form: str, dtype: np.dtype[Any]) -> machine_code.Kernel | None:
    """Return the compiled kernel to use, or None for NumPy."""
    chosen = _backend or get_backend()
    if chosen == "auto":
        return machine_code.in_library(form, dtype)
    return machine_code.on_request(form, dtype) if chosen == "numba" else None


def _checked_backend(name: object, source: str) -> str:
    """Return the name of a backend, or raise."""
    if not isinstance(name, str) or name not in BACKENDS:
        choices = ", ".join(repr(choice) for choice in BACKENDS)
        raise ValueError(f"{source} must be one of {choices}, got {name!r}")
    return name


def _threads_of_the_environment() -> int:
    """Return the number in HINGEMETRICS_NUM_THREADS, or 1."""
    text = os.environ.get("HINGEMETRICS_NUM_THREADS") or "1"
    if not text.isdecimal() or len(text) > _MAX_DIGITS:  # Python refuses thousands by itself
        raise ValueError(f"HINGEMETRICS_NUM_THREADS must be an int, got {shortened(text)}")
    return checked_int(int(text), "HINGEMETRICS_NUM_THREADS", least=1)


# None: the environment variable is read at first use, so that a wrong one does not fail the import.
_backend: str | None = None
_num_threads: int | None = None
