"""Who does the work: NumPy or Numba, and in how many threads. It never shows in the bits.

With the backend "auto" small work stays in NumPy, which starts at once. When the process has done
`SWITCH_WORK` of it (one for each prediction, `CALL_WORK` for each call) the compiled kernels take
over, also in the middle of a call: by then NumPy has cost about as much time as loading them does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from hingemetrics._core.text import shortened
from hingemetrics._inputs.arguments import checked_int

SWITCH_WORK = 1 << 25
CALL_WORK = 1 << 12
BACKENDS = ("auto", "numpy", "numba")
_MOST_DIGITS = 9  # of a number of threads


def set_backend(name: str) -> None:
    """Choose who does the work, for the whole process; the results are the same bits.

    Parameters
    ----------
    name : {"auto", "numpy", "numba"}
        "auto" starts with NumPy and goes over to Numba's compiled kernels when there is enough
        work to pay for loading them. The environment variable ``HINGEMETRICS_BACKEND`` sets the
        initial choice.

    Raises
    ------
    ValueError
        If `name` is not one of the choices.
    ImportError
        If `name` is "numba" and no working Numba is installed.

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
    if chosen == "numba":
        _import_machine_code()
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
    """Load every compiled kernel now, compiling those that are not in Numba's cache yet.

    Raises
    ------
    ImportError
        If no working Numba is installed.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.warmup()
    """
    _import_machine_code().warmup()


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


def kernel(form: str, dtype: np.dtype[Any], wait: bool = True) -> Callable[..., int] | None:
    """Return the compiled kernel whose turn it is, or None where it is NumPy's.

    "auto" never waits for another thread that is compiling, nor does anybody who must not.
    """
    chosen = _backend or get_backend()
    if chosen == "numpy" or (chosen == "auto" and _work < SWITCH_WORK):
        return None
    if chosen == "auto" and (form, dtype) in _broken:
        return None
    try:
        machine_code = _machine_code or _import_machine_code()
        return machine_code.get(form, dtype, wait and chosen == "numba")  # type: ignore[no-any-return]
    except Exception:  # whatever keeps Numba from working, NumPy does the same
        if chosen == "numba":
            raise
        _broken.add((form, dtype))  # to try again for each block could take seconds each
        return None


def _import_machine_code() -> ModuleType:
    """Return the module of compiled kernels; ImportError says why there is none."""
    global _machine_code, _no_machine_code
    if _machine_code is None and not _no_machine_code:
        try:
            from hingemetrics._engine import machine_code as _machine_code
        except Exception as error:  # a Numba that does not fit this NumPy raises all sorts
            _no_machine_code = f"the numba backend needs a working Numba, got {error!r}"
    if _machine_code is None:
        raise ImportError(_no_machine_code)
    return _machine_code


def _checked_backend(name: object, source: str) -> str:
    """Return the name of a backend, or raise."""
    if not isinstance(name, str) or name not in BACKENDS:
        choices = ", ".join(repr(choice) for choice in BACKENDS)
        raise ValueError(f"{source} must be one of {choices}, got {name!r}")
    return name


def _threads_of_the_environment() -> int:
    """Return what HINGEMETRICS_NUM_THREADS says, or 1."""
    text = os.environ.get("HINGEMETRICS_NUM_THREADS") or "1"
    if not text.isdecimal() or len(text) > _MOST_DIGITS:  # Python refuses thousands by itself
        raise ValueError(f"HINGEMETRICS_NUM_THREADS must be an int, got {shortened(text)}")
    return checked_int(int(text), "HINGEMETRICS_NUM_THREADS", least=1)


_backend: str | None = None  # the environment says, at first use: to refuse it fails no import
_num_threads: int | None = None  # as well
_machine_code: ModuleType | None = None
_no_machine_code = ""  # why there are none
_broken: set[tuple[str, np.dtype[Any]]] = set()  # kernels that cannot be compiled
_work = 0
