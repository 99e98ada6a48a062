"""Compiled kernels: compiled or loaded at first use, checked, and never waited for in vain."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.exact import Accumulator
from hingemetrics._core.grid import WIDE_ROWS
from hingemetrics._core.losses import losses
from hingemetrics._core.tally import SAMPLES, UNWEIGHTED, ZEROS
from hingemetrics._engine import kernels

_compiled: dict[tuple[str, np.dtype[Any]], Callable[..., int]] = {}
_lock = threading.Lock()  # one thread compiles, and nothing is compiled twice
_compiling: int | None = None  # which thread that is
_stuck = False  # a fork copied the lock, and Numba's own, while another thread held them


def get(form: str, dtype: np.dtype[Any], wait: bool) -> Callable[..., int] | None:
    """Return the kernel for binary data or a multi-class mode, compiled at its first use.

    None if that would be to wait, unwanted, for another thread that is compiling, or forever: in a
    signal handler for the compiler it interrupts, in a forked child for one its parent has.
    """
    global _compiling
    kernel = _compiled.get((form, dtype))
    if kernel is not None:
        return kernel
    this = threading.get_ident()
    if _stuck or _compiling == this or (_lock.locked() and not wait):
        return None
    with _lock:  # an interrupt between a call of acquire and a try would leave it locked
        try:
            _compiling = this
            kernel = _compiled.get((form, dtype))
            if kernel is None:
                kernel = _compiled[form, dtype] = _compile(form, dtype)
        finally:
            _compiling = None
    return kernel


def warmup() -> None:
    """Compile every kernel."""
    for form, dtype in kernels.KERNELS:
        get(form, dtype, wait=True)


def _compile(form: str, dtype: np.dtype[Any]) -> Callable[..., int]:
    """Return a kernel, from Numba's cache on disk if that works."""
    kernel = kernels.from_cache(form, dtype)
    if kernel is None or not _is_right(kernel, form, dtype):
        kernel = kernels.compiled(form, dtype)
    return kernel


def _is_right(kernel: Callable[..., int], form: str, dtype: np.dtype[Any]) -> bool:
    """Whether a kernel gives known sums: a cache may hold other or damaged code."""
    try:
        return _gives_known_sums(kernel, form, dtype)
    except Exception:  # what was loaded does not even run
        return False


def _gives_known_sums(kernel: Callable[..., int], form: str, dtype: np.dtype[Any]) -> bool:
    """Whether a kernel agrees with NumPy, also where the wide grid is needed."""
    rows = np.arange(2 * kernels.BLOCK + 7)
    target, weight = rows % 2, rows % 5 / 2
    preds = (np.outer(rows, (5, 6, 7)) % 31 / 8 - 2).astype(dtype)
    preds[[3, -2], [0, 1]] = np.nan, -1e30
    if form == "binary":
        preds = preds[:, 0].copy()
    mode = MulticlassMode.ONE_VS_ALL if form == "one-vs-all" else MulticlassMode.CRAMMER_SINGER
    for squared, weights in ((False, None), (True, weight)):
        loss = losses(preds, target, mode, squared, weights)
        columns = loss.shape[1] + 1
        known = Accumulator.empty(columns)
        found = Accumulator(_spacious(len(known.digits)))
        known.add(loss)
        if weights is not None:
            known.add(weights[:, np.newaxis], first=columns - 1)
        known.digits[SAMPLES] = len(rows)
        known.digits[ZEROS] = np.count_nonzero(target == 0) if form == "binary" else 0
        known.digits[UNWEIGHTED] = len(rows) if weights is None else 0
        found.wide = _spacious(WIDE_ROWS * columns)
        given = np.empty(0) if weights is None else weights
        if kernel(preds, target, given, squared, 0, found.digits, found.wide) != len(rows):
            return False
        if found.sums().totals() != known.sums().totals():
            return False
    return True


def _spacious(length: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return zeros with spare room behind them, for wrong code that writes too far."""
    return np.zeros(2 * length + 1024, np.int64)[:length]


def _after_fork() -> None:
    """In a forked child, never wait for a thread that only the parent has."""
    global _compiling, _lock, _stuck
    _stuck = _lock.locked()
    _compiling = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
