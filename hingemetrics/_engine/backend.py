"""Who does the work: NumPy or machine code, and in how many threads. It never shows in the bits.

With the backend "auto" the library that came with the package works from the first call. Where only
objects are at hand NumPy begins. When the process has done `SWITCH_WORK` of work (one for each
prediction, `CALL_WORK` for each call) they take over, also in the middle of a call: by then NumPy
has cost about as much time as loading them does. Without machine code NumPy does everything.
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

SWITCH_WORK = 1 << 21  # about as much as llvmlite takes to load an object, 35 ms
CALL_WORK = 1 << 12
BACKENDS = ("auto", "numpy", "numba")
_MAX_DIGITS = 9  # of a number of threads


def set_backend(name: str) -> None:
    """Choose who does the work, for the whole process; the results are the same bits.

    Parameters
    ----------
    name : {"auto", "numpy", "numba"}
        "auto" uses the machine code that came with the package, from the first call; where there
        is none, NumPy does the work. It never compiles. "numpy" is NumPy alone. "numba" is machine
        code alone: what is missing is compiled when it is first needed, which takes seconds, and
        stored as `warmup` does. The environment variable ``HINGEMETRICS_BACKEND`` sets the initial
        choice.

    Raises
    ------
    ValueError
        If `name` is not one of the choices.
    ImportError
        If `name` is "numba", and neither machine code came with the package nor Numba is installed.

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
    if chosen == "numba" and not machine_code.is_to_be_had():
        raise ImportError("the numba backend needs Numba: no machine code came with this package")
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
    r"""Load all machine code now, and compile what is missing.

    What came with the package is loaded in no time. What did not is compiled by Numba, in a process
    of its own, which takes seconds for each kind of loss and dtype. It is stored for later
    processes in ``$HINGEMETRICS_CACHE_DIR``, else ``$XDG_CACHE_HOME/hingemetrics``, else
    ``~/.cache/hingemetrics`` (``%LOCALAPPDATA%\hingemetrics`` on Windows), and not at all where
    nothing can be written there.

    Raises
    ------
    ImportError
        If something is missing, and no working Numba is installed or no machine code can be made
        for this processor.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.warmup()
    """
    for key in machine_code.KEYS:
        machine_code.compiled(*key)


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


def count_work(work: int) -> None:
    """Count work done, for the switch of tiers; a count lost to a race costs time, never bits."""
    global _work
    _work += work


def kernel(form: str, dtype: np.dtype[Any]) -> machine_code.Kernel | None:
    """Return the compiled kernel whose turn it is, or None where it is NumPy's."""
    chosen = _backend or get_backend()
    if chosen == "auto":
        found = machine_code.at_hand(form, dtype)
        if found is None and _work >= SWITCH_WORK:
            found = machine_code.in_objects(form, dtype)
        return found
    return machine_code.compiled(form, dtype) if chosen == "numba" else None


def _checked_backend(name: object, source: str) -> str:
    """Return the name of a backend, or raise."""
    if not isinstance(name, str) or name not in BACKENDS:
        choices = ", ".join(repr(choice) for choice in BACKENDS)
        raise ValueError(f"{source} must be one of {choices}, got {name!r}")
    return name


def _threads_of_the_environment() -> int:
    """Return what HINGEMETRICS_NUM_THREADS says, or 1."""
    text = os.environ.get("HINGEMETRICS_NUM_THREADS") or "1"
    if not text.isdecimal() or len(text) > _MAX_DIGITS:  # Python refuses thousands by itself
        raise ValueError(f"HINGEMETRICS_NUM_THREADS must be an int, got {shortened(text)}")
    return checked_int(int(text), "HINGEMETRICS_NUM_THREADS", least=1)


_backend: str | None = None  # the environment says, at first use: to refuse it fails no import
_num_threads: int | None = None  # as well
_work = 0
