# mypy: disable-error-code="call-overload,no-untyped-call"
"""Kernels as C functions, compiled by Numba: ``int64 kernel(int64 *frame)``, see `frame`.

The build takes LLVM's text of them for the library of the package. A process that asks for the
backend "numba" without a library calls them where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cfunc, types

from hingemetrics._engine.frame import GROUPS, MOMENTS
from hingemetrics._engine.group_kernel import group_entry, interpreted_groups
from hingemetrics._engine.kernels import entry, interpreted
from hingemetrics._engine.moment_kernel import interpreted_moments, moment_entry


def compiled(form: str, dtype: np.dtype[Any]) -> Any:
    """Return a kernel's C function, as Numba has it."""
    entries = {MOMENTS: moment_entry, GROUPS: group_entry}
    of_frame = entries[form]() if form in entries else entry(form, dtype)
    return cfunc(types.int64(types.CPointer(types.int64)), error_model="numpy")(of_frame)


def interpreted_kernel(form: str, dtype: np.dtype[Any]) -> Callable[..., int]:
    """Return a kernel as plain Python, as it is under NUMBA_DISABLE_JIT=1."""
    others = {MOMENTS: interpreted_moments, GROUPS: interpreted_groups}
    return others[form]() if form in others else interpreted(form, dtype)
