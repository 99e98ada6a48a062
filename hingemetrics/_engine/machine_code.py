"""Compiled kernels: loaded from the package's library, or compiled by Numba on request, and called.

The library is built with the package, and is used from the first call. Numba compiles in this
process, and only where the backend "numba" was chosen and there is no library.
"""

from __future__ import annotations

import ctypes
import os
import sys
from _thread import allocate_lock
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._core.warn import warn_caller
from hingemetrics._engine import digests, frame, targets
from hingemetrics._engine.threads import aside

FORMS = ("binary", "crammer-singer", "one-vs-all")
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
MOMENTS, GROUPS = frame.MOMENTS, frame.GROUPS
KEYS: tuple[tuple[str, np.dtype[Any]], ...] = (
    *((form, dtype) for form in FORMS for dtype in DTYPES),
    (MOMENTS, np.dtype(np.float64)),
    (GROUPS, np.dtype(np.float64)),
)
"""All kernels: what they compute, and the dtype of what they read."""

LIBRARY = os.path.join(digests.FOLDER, "kernels.bin")
DIGESTS = os.path.join(digests.FOLDER, "kernels.digests")

# Offset of the data pointer in an array: NumPy's public array struct begins with it.
# `array.ctypes.data` takes eight times as long as reading it there. PyPy has neither.
_DATA = getattr(object, "__basicsize__", 0)
_NO_LOSSES = np.empty(0)
_RESULT = ctypes.c_int64
_ARGUMENTS = (ctypes.c_char_p,)
_PROTOTYPE = ctypes.CFUNCTYPE(_RESULT, *_ARGUMENTS)

Kernel = Callable[..., int]
"""Adds rows of (preds, target, weight, squared, start, digits, wide); returns where it stopped.

Given an array more, it writes the losses there, and of the sums it changes but the counters.
"""


def _bound(function: Any, form: str, dtype: np.dtype[Any], owner: object) -> Kernel:
    """Return what calls a function of machine code, which is in its owner's memory."""
    if form == MOMENTS:
        return _bound_moments(function, owner)
    if form == GROUPS:
        return _bound_groups(function, owner)
    return _bound_losses(function, form, dtype, owner)


def _rows(function: Any, words: bytes) -> int:
    """Call a function of machine code with a frame; return the row at which it stopped."""
    try:
        row: int = function(words)
    except ctypes.ArgumentError as error:  # what ctypes makes of it
        raise MemoryError from error
    return row


def _bound_moments(function: Any, owner: object) -> Kernel:
    """Return the kernel that adds losses, (n, k), to the digits of `MomentSums`."""
    pack = frame.pack_moments

    def kernel(
        x: Floats, y: Floats, weight: Floats, plain: bool, digits: Ints, owner: object = owner
    ) -> int:
        return _rows(
            function,
            pack(
                id(x) + _DATA,
                id(y) + _DATA,
                id(weight) + _DATA,
                id(digits) + _DATA,
                *x.shape,
                weight.size > 0,
                plain,
            ),
        )

    return kernel


def _bound_groups(function: Any, owner: object) -> Kernel:
    """Return the kernel that adds losses, (n, k), to the table of a `GroupAccumulator`.

    Given counters, it reads binary predictions instead, (n,), and adds to the pairs.
    """
    pack = frame.pack_groups

    def kernel(
        losses: Floats,
        weight: Floats,
        labels: Ints,
        codes: Ints,
        lowest: int,
        binary: bool,
        plain: bool,
        table: Ints,
        digits: Ints | None = None,
        owner: object = owner,
    ) -> int:
        of_preds = digits is not None
        return _rows(
            function,
            pack(
                id(losses) + _DATA,
                id(weight) + _DATA,
                id(labels) + _DATA,
                id(codes) + _DATA,
                id(table) + _DATA,
                id(digits if of_preds else table) + _DATA,
                len(losses),
                1 if of_preds else losses.shape[1],
                len(table),
                lowest,
                weight.size > 0,
                binary,
                plain,
                of_preds,
            ),
        )

    return kernel


def _bound_losses(function: Any, form: str, dtype: np.dtype[Any], owner: object) -> Kernel:
    """Return a kernel that reads predictions."""
    pack = frame.pack
    scratch_doubles = lru_cache(maxsize=16)(partial(frame.scratch_doubles, form, dtype.itemsize))

    def kernel(
        preds: Array,
        target: Ints,
        weight: Floats,
        squared: bool,
        start: int,
        digits: Ints,
        wide: Ints,
        losses: Floats = _NO_LOSSES,
        owner: object = owner,
    ) -> int:
        classes = 1 if preds.ndim == 1 else preds.shape[1]
        widened = wide.size > 0
        doubles, scratch = 0, digits
        if classes > 1 or widened:  # else the stack has room enough, whatever the rows
            doubles = scratch_doubles(classes, widened)
            if doubles > frame.STACK_DOUBLES:
                scratch = np.empty(doubles, np.int64)
        words = pack(
            id(preds) + _DATA,
            id(target) + _DATA,
            id(weight) + _DATA,
            id(digits) + _DATA,
            id(wide) + _DATA,
            id(losses) + _DATA,
            id(scratch) + _DATA,
            target.size,
            classes,
            squared,
            weight.size > 0,
            widened,
            losses.size > 0,
            start,
            doubles,
        )
        return _rows(function, words)

    return kernel


@cache
def in_library(form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return the kernel of the package's library, or None where the library cannot be used.

    Two threads may both load it; neither waits.
    """
    library, problem = _library()
    if library is not None:
        return of_library(library, form, dtype, _target(library))
    if problem in (digests.UNREADABLE, digests.DAMAGED, digests.OUTDATED):
        _warn_once(problem)
    return None


@cache
def _warn_once(problem: str) -> None:
    """Say that calls are slower than they should be, and why."""
    warn_caller(f"kernels.bin is not used: {problem}", RuntimeWarning)


def of_library(library: ctypes.CDLL, form: str, dtype: np.dtype[Any], target: str) -> Kernel:
    """Return the kernel that a library holds for a processor target."""
    function = library[targets.symbol(form, dtype, target)]
    function.restype, function.argtypes = _RESULT, _ARGUMENTS
    return _bound(function, form, dtype, library)


@cache
def on_request(form: str, dtype: np.dtype[Any]) -> Kernel:
    """Return the kernel of the library, or else compile it."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        from hingemetrics._engine.compiling import interpreted_kernel

        return interpreted_kernel(form, dtype)
    found = in_library(form, dtype)
    if found is not None:
        return found
    # A signal that raised in the midst of Numba would leave it torn, or be lost in its callbacks.
    return aside(partial(_one_at_a_time, form, dtype))


def _one_at_a_time(form: str, dtype: np.dtype[Any]) -> Kernel:
    """Compile a kernel, or take what another thread has compiled meanwhile."""
    pid = os.getpid()
    if any(other != pid for other in _compiling_in):
        raise RuntimeError(
            "this process was forked while Numba compiled, so Numba's lock is held forever; "
            "call hingemetrics.warmup() before forking"
        )
    _compiling_in.append(pid)
    try:
        with _lock:
            return _by_numba(form, dtype)
    finally:
        _compiling_in.remove(pid)


_lock = allocate_lock()
_compiling_in: list[int] = []  # a process id per thread that compiles or waits; forks copy it


@cache
def _by_numba(form: str, dtype: np.dtype[Any]) -> Kernel:
    """Compile a kernel in this process."""
    if not _is_layout_known():
        raise ImportError(
            f"the numba backend needs CPython's arrays, got {sys.implementation.name}"
        )
    try:
        from hingemetrics._engine.compiling import compiled

        function = compiled(form, dtype)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ImportError(f"the numba backend needs a working Numba, got {problem}") from error
    return _bound(_PROTOTYPE(function.address), form, dtype, function)


def origin() -> str:
    """Return where kernels come from and their processor target, or why there are none."""
    library, problem = _library()
    if library is None:
        return f"none: {problem}"
    return f"{os.path.basename(LIBRARY)}, {_target(library)}"


def is_available() -> bool:
    """Whether the backend "numba" has kernels, or can compile them."""
    from importlib.util import find_spec

    return in_library(*KEYS[0]) is not None or find_spec("numba") is not None


@cache
def _library() -> tuple[ctypes.CDLL | None, str]:
    """Load the package's library; None, and the reason, where it cannot be used."""
    if not os.path.exists(LIBRARY):
        return None, "the package was built without machine code"
    if not _is_layout_known():
        return None, f"{sys.implementation.name} does not lay out arrays as CPython does"
    problem = digests.problem(LIBRARY, DIGESTS)
    if problem is not None:
        return None, problem
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:  # built for another platform, or no code may be mapped from there
        return None, f"it cannot be loaded: {error}"
    if not _target(library):
        return None, "it has no code for this processor"
    return library, ""


def _target(library: ctypes.CDLL) -> str:
    """Return the best target of this processor that a library has code for, or nothing."""
    has = partial(targets.symbol, *KEYS[0])
    return next((x for x in targets.of_processor() if hasattr(library, has(x))), "")


def _is_layout_known() -> bool:
    """Whether arrays are laid out as kernels read them."""
    if sys.implementation.name != "cpython":
        return False
    array = np.empty(1)
    field = ctypes.c_void_p.from_address(id(array) + _DATA)
    return field.value == array.ctypes.data
