"""Scalar arguments, and errors that carry the index of their row."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

_MAX_IGNORE_BITS = 2048  # small enough for every Python to print, and for JSON


def row_error(refusal: str, row: int, hint: str = "") -> ValueError:
    """Return a ValueError about one row that carries the row's index, for `shifted`."""
    error = ValueError(f"{refusal} at index {row}{hint}")
    vars(error)["refused"] = refusal, row, hint  # no subclass: tracebacks would show its name
    return error


def shifted(error: Exception, by: int) -> Exception:
    """Return the error of `row_error` with its row moved by `by`; other errors unchanged."""
    refused = vars(error).get("refused")
    if refused is None:
        return error
    refusal, row, hint = refused
    return row_error(refusal, row + by, hint)


def checked_ignore_index(value: object) -> int | None:
    """Return `ignore_index` as an int or None, or raise."""
    if value is None:
        return None
    number = _as_int(value)
    if number is None:
        raise TypeError(f"ignore_index must be None or an int, got {value!r}")
    if number.bit_length() > _MAX_IGNORE_BITS:
        raise ValueError(
            f"ignore_index must be of at most {_MAX_IGNORE_BITS} bits, got {number.bit_length()}"
        )
    return number


def checked_int(value: object, name: str, least: int, bits: int | None = None) -> int:
    """Return an int from `least` to 2**bits - 1, or raise."""
    number = _as_int(value)
    if number is None:
        raise TypeError(f"{name} must be an int, got {value!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    if bits is not None and number >> bits:
        raise ValueError(f"{name} must be below 2**{bits}, got {value}")
    return number


def checked_confidence_level(value: object) -> float:
    """Return a float between 0 and 1, or raise."""
    if not isinstance(value, (float, np.floating)):
        raise TypeError(f"confidence_level must be a float between 0 and 1, got {value!r}")
    if not 0.0 < value < 1.0:
        raise ValueError(f"confidence_level must be between 0 and 1, got {value}")
    return float(value)


def _as_int(value: Any) -> int | None:
    """Return anything with __index__ as an int; None for a bool and everything else."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def checked_bool(value: object, name: str) -> bool:
    """Return a bool, or raise, also for what merely acts like one."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, got {value!r}")
    return value
