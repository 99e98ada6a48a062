"""Anything that holds real numbers, as a NumPy array: no framework is imported, nothing is guessed.

`np.asarray` does the work and copies nothing that NumPy can read in place. What it would silently
change is refused first: a null would become NaN, a masked entry a number. DLPack is not used, as it
loses the sign of torch's lazily negated views.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from hingemetrics._core.typing import Array, Bools, Floats

_REFUSED = {
    "c": "complex numbers",
    "U": "strings",
    "S": "strings",
    "T": "strings",
    "M": "dates",
    "m": "time differences",
    "V": "records",
}
_TORCH_ONLY_FLOATS = ("bfloat16", "float8", "float4")  # which NumPy does not have
_ENCODED = ("dictionary", "run_end_encoded")  # pyarrow types whose nulls are not counted
_NUMBER_TYPES = {float, int, bool, np.float64, np.float32, np.int64, np.bool_}  # never null
_REMEDIES = ("toarray", "collect")  # methods of sparse matrices and of lazy frames


def as_array(value: object, name: str) -> Array:
    """Return an argument as an array of real numbers."""
    array = value if type(value) is np.ndarray else _converted(value, name)
    if array.dtype.kind not in "fiub" and not _is_extension_float(array.dtype):
        _refuse(value, array, name)
    return array


def as_float64(array: Array) -> Floats:
    """Return real numbers as float64, whatever the caller's `np.errstate` is.

    Values beyond float64 become inf or 0, and a signaling NaN a quiet one.
    """
    with np.errstate(all="ignore"):
        return array.astype(np.float64, copy=False)


def _converted(value: Any, name: str) -> Array:
    """Convert an argument with NumPy, or raise a TypeError that names it."""
    try:
        if _is_lazy_dask(value):
            value = value.compute()  # once; its __array__ would hide what is refused below
        refusal = _device_refusal(value, name) or _missing_refusal(value, name)
        if refusal is None:
            array = _frame_array(value) if _is_frame(value) else np.asanyarray(value)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, ValueError):
            if "inhomogeneous" in str(error):
                raise ValueError(f"{name} must be rectangular, got a ragged sequence") from error
            raise
        dtype = str(getattr(value, "dtype", ""))  # a framework's own error names no argument
        if any(small in dtype for small in _TORCH_ONLY_FLOATS):
            why = f"must have a dtype that NumPy has, got {dtype}; pass {name}.float()"
        else:
            kind, reason = type(value).__name__, str(error).partition("\n")[0]
            why = f"must be an array that NumPy can read, got a {kind}: {reason}"
        raise TypeError(f"{name} {why}") from error
    if refusal is not None:
        try:
            raise refusal
        finally:
            del refusal  # a cycle with its traceback would keep the argument alive
    return _unmasked(array, name) if _is_masked_array(array) else np.asarray(array)


def _is_lazy_dask(value: object) -> bool:
    """Whether a value is a Dask collection that has not been computed."""
    graph = getattr(value, "__dask_graph__", None)
    return graph is not None and graph() is not None  # None: an xarray object in memory


def _is_masked_array(value: object) -> bool:
    """Whether a value is a masked array, without importing numpy.ma."""
    ma = sys.modules.get("numpy.ma")
    masked = getattr(ma, "MaskedArray", None)  # missing while another thread imports numpy.ma
    return masked is not None and isinstance(value, masked)


def _unmasked(value: Any, name: str) -> Array:
    """Return the data of a masked array, or raise if anything is masked."""
    masked = np.argwhere(np.ma.getmaskarray(value))
    if masked.size:
        raise ValueError(
            f"{name} must have no masked entries, got one at index {_index_text(masked[0])}; "
            f"drop them, or mark their targets and pass ignore_index"
        )
    return np.asarray(value.data)


def _device_refusal(value: Any, name: str) -> TypeError | None:
    """Return the error for a tensor that is not plain numbers in the CPU's memory, if it is one."""
    kind = type(value).__name__
    if getattr(value, "requires_grad", False) is True:
        return TypeError(
            f"{name} must not require gradients, got a {kind} that does; pass {name}.detach()"
        )
    device = getattr(value, "device", None)
    place = getattr(device, "type", None) or getattr(device, "platform", None)  # torch, JAX
    if hasattr(value, "__cuda_array_interface__") or place not in (None, "cpu"):
        return TypeError(
            f"{name} must be in the memory of the CPU, got a {kind} on {device}; copy it there, "
            f"with {name}.cpu() or what its library has for that"
        )
    if _has_negative_bit(value):
        return TypeError(
            f"{name} must not be a lazily negated view, got a {kind} that is one; "
            f"pass {name}.resolve_neg()"
        )
    return None


def _has_negative_bit(value: Any) -> bool:
    """Whether a value is a torch tensor whose signs are flipped lazily."""
    return callable(getattr(value, "resolve_neg", None)) and value.is_neg() is True


def _missing_refusal(value: Any, name: str) -> Exception | None:
    """Return the error for a missing entry in a column, a table or a sequence of them, if any."""
    if isinstance(value, Sequence) and not isinstance(value, (str, memoryview)):
        return _sequence_refusal(value, name)
    columns: Iterable[tuple[int, Any]]
    if _is_frame(value):
        columns = ((index, value.iloc[:, index]) for index in _extension_columns(value))
    elif (found := _table_columns(value)) is not None:
        columns = enumerate(found)
    else:
        return _null_refusal(value, name, "")
    refusals = (_null_refusal(column, name, f" of column {i}") for i, column in columns)
    return next(filter(None, refusals), None)


def _sequence_refusal(sequence: Sequence[Any], name: str) -> Exception | None:
    """Return the error for an item, at any depth, that NumPy would read wrongly, if any."""
    kinds = set(map(type, sequence)) - _NUMBER_TYPES
    others = [item for item in sequence if type(item) in kinds] if kinds else []
    if others and kinds <= {list, tuple}:  # all rows at once: four times as fast
        return _sequence_refusal([*chain.from_iterable(others)], name)
    for item in others:
        if _is_lazy_dask(item):
            return TypeError(f"{name} must be one collection of Dask, got a sequence of them")
        if _is_masked_array(item):
            return ValueError(f"{name} must be one masked array, got a sequence of them")
        if (refusal := _missing_refusal(item, name)) is not None:
            return refusal
    return None


def _is_frame(value: Any) -> bool:
    """Whether a value is a pandas DataFrame."""
    return hasattr(value, "iloc") and getattr(value, "ndim", 0) == 2


def _extension_columns(frame: Any) -> list[int]:
    """Return the indices of the columns with a pandas dtype, where missing is not NaN."""
    return [i for i, dtype in enumerate(frame.dtypes) if not isinstance(dtype, np.dtype)]


def _frame_array(frame: Any) -> Array:
    """Convert a frame, column by column where NumPy would make an object array."""
    if _extension_columns(frame):
        columns = range(frame.shape[1])
        return np.column_stack([np.asarray(frame.iloc[:, index]) for index in columns])
    return np.asarray(frame)


def _table_columns(value: Any) -> Sequence[Any] | None:
    """Return the columns of a polars or pyarrow table, or None for anything else."""
    if hasattr(value, "get_columns"):
        return value.get_columns()  # type: ignore[no-any-return]
    return getattr(value, "columns", None) if hasattr(value, "column_names") else None


def _null_refusal(column: Any, name: str, where: str) -> Exception | None:
    """Return the error for a null in a column, which NumPy would read as NaN, if there is one."""
    if str(getattr(column, "type", "")).startswith(_ENCODED):
        return TypeError(
            f"{name} must hold plain numbers, got {column.type}{where}; decode it, or cast it to "
            f"the type of its values"
        )
    null = _null_mask(column)
    if null is not None and null.any():
        return ValueError(
            f"{name} must have no nulls, got one at index {int(null.argmax())}{where}; "
            f"null is not NaN: drop such rows or fill them"
        )
    return None


def _null_mask(column: Any) -> Bools | None:
    """Return a mask of the nulls of a column, or None if it is known to have none."""
    if hasattr(column, "null_count") and hasattr(column, "is_null"):  # polars and pyarrow
        level = column
        while not _null_count(level) and _is_nested(level):
            level = level.explode()
        if not _null_count(level):
            return None
        null: Bools = np.asarray(level.is_null())
        return np.asarray(null.reshape(len(column), -1).any(axis=1))
    if hasattr(column, "isna") and not isinstance(getattr(column, "dtype", None), np.dtype):
        return np.asarray(column.isna())  # a pandas dtype, in which missing is not NaN
    return None


def _is_nested(column: Any) -> bool:
    """Whether a column is one of polars' fixed-size arrays."""
    return bool(getattr(getattr(column, "dtype", None), "shape", None))


def _null_count(column: Any) -> int:
    """Return the number of nulls, which the column stores."""
    count = column.null_count
    return int(count() if callable(count) else count)  # a method in polars, a number in pyarrow


def _is_extension_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is a real one from outside NumPy, such as ml_dtypes' bfloat16."""
    return dtype.kind == "V" and np.can_cast(dtype, np.float64)


def _refuse(value: object, array: Array, name: str) -> NoReturn:
    """Raise for an argument that is not an array of real numbers."""
    must = f"{name} must hold real numbers"
    if array.dtype.kind in _REFUSED:
        raise TypeError(f"{must}, got {_REFUSED[array.dtype.kind]} (dtype {array.dtype})")
    if array.ndim == 0:
        remedies = [f"{name}.{method}()" for method in _REMEDIES if hasattr(value, method)]
        remedy = remedies[0] if remedies else "an array or a list"
        raise TypeError(f"{must}, got a {type(value).__name__}; pass {remedy}")
    for index, item in np.ndenumerate(array):
        if item is None:
            raise TypeError(f"{must}, got None at index {_index_text(index)}; missing is not NaN")
        if not isinstance(item, (int, float, np.number, np.bool_)):
            raise TypeError(f"{must}, got {item!r} at index {_index_text(index)}")
        if isinstance(item, int) and not -(1 << 63) <= item < 1 << 64:
            raise ValueError(
                f"{must} of 64 bits, got an int of {item.bit_length()} bits "
                f"at index {_index_text(index)}"
            )
    raise TypeError(f"{must}, got an object array; convert it with .astype(float)")


def _index_text(index: Any) -> str:
    """Format an index as users write it: 2, or 2, 0."""
    return ", ".join(str(int(i)) for i in index)
