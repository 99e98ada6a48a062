"""What all kernels are written with: the helper's decorator, addresses, bits and digits."""
# Numba infers the types below, and mypy cannot follow it there.
# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np
from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic

from hingemetrics._engine.frame import STACK_DOUBLES

LOW = (1 << 32) - 1

# Helpers are only called by kernels, and a quarter quicker to compile for knowing it.
helper = njit(  # type: ignore[call-overload]
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@helper
def bits_of(x):
    """Return the bit pattern of a double."""
    return np.float64(x).view(np.uint64)


@helper
def fold(digits, at, columns, place, amount):
    """Add amount * 2**place to a column of digits, the first of which is at `at`."""
    at += (place >> 5) * columns
    shift = place & 31
    low, high = (amount & LOW) << shift, (amount >> 32) << shift
    digits[at] += low & LOW
    digits[at + columns] += (low >> 32) + (high & LOW)
    digits[at + 2 * columns] += high >> 32


@intrinsic
def pointer(context, address, number):
    """Turn an address into a pointer to numbers of a type."""
    kind = types.CPointer(number.dtype)

    def inttoptr(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(types.int64, number), inttoptr


@helper
def data(field, number):
    """Return the pointer that a field holds, given the field's address."""
    return pointer(carray(pointer(field, np.int64), 1)[0], number)


@intrinsic
def stack(context):
    """Return the address of scratch on the stack."""

    def alloca(context, builder, signature, arguments):
        kind = context.get_value_type(types.float64)
        buffer = cgutils.alloca_once(builder, kind, size=STACK_DOUBLES)
        return builder.ptrtoint(buffer, context.get_value_type(types.int64))

    return types.int64(), alloca
