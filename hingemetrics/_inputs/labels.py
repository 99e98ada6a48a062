"""Labels of any type, as scikit-learn users pass them, converted to class indices."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from hingemetrics._core.typing import Array, Bools, Ints
from hingemetrics._inputs.arrays import as_float64

Classes = list[Any]
"""Class labels in the order of a decision function's columns."""

_SHOWN_CLASSES = 10
_EXACT = 2**53  # float64 holds every integer up to it


def checked_labels(labels: object, name: str) -> Array:
    """Return labels as (N,), or raise if there are none or one of them is missing."""
    array = label_array(labels, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not len(array):
        got = array.shape if array.ndim else type(labels).__name__
        raise ValueError(f"{name} must have shape (N,), N >= 1, got {got}")
    missing = missing_mask(array)
    if missing.any():
        row = int(missing.argmax())
        error = TypeError if array[row] is None else ValueError
        raise error(f"{name} must have no missing labels, got {array[row]} at index {row}")
    return array


def label_values(labels: Array) -> list[Any]:
    """Return labels as Python values; times stay NumPy's, as tolist turns some into integers."""
    return list(labels) if labels.dtype.kind in "mM" else labels.tolist()


def sorted_classes(labels: object, name: str) -> Classes:
    """Return the distinct labels in the order of scikit-learn's classifiers."""
    array = checked_labels(labels, name)
    if array.dtype.kind in "biufmM":
        return label_values(np.unique(array))
    found = array.tolist()
    try:
        return sorted(set(found))
    except TypeError:
        kinds = " and ".join(sorted({type(label).__name__ for label in found}))
        raise TypeError(
            f"{name} must hold labels that can be sorted, got labels of type {kinds}"
        ) from None


def class_indices(y_true: Array, classes: Classes) -> Ints:
    """Return the index of each label among the classes, or raise for an unknown label."""
    if isinstance(classes[0], (np.datetime64, np.timedelta64)):
        y_true = _as_numpy_times(y_true)
    searchable = _searchable(classes, y_true.dtype)
    if searchable is None:
        indices = _indices_by_hash(y_true, classes)
    else:
        indices = _indices_by_search(y_true, searchable)
    if (indices < 0).any():
        row = int(indices.argmin())
        raise ValueError(
            f"y_true must hold only the classes {_listed_classes(classes)}, "
            f"got {label_values(y_true[row : row + 1])[0]!r} at index {row}"
        )
    return indices


def _searchable(classes: Classes, dtype: np.dtype[Any]) -> Array | None:
    """Return the classes as an array to search for labels of a dtype; None if NumPy cannot."""
    if dtype.kind == "O":
        return None
    try:
        known = np.array(classes)
    except ValueError:  # tuples of different lengths
        return None
    if dtype.kind in "mM":
        known = _as_numpy_times(known)
        return known if known.dtype.kind == dtype.kind else None
    return known if _compare_alike(known.dtype, dtype) and known.tolist() == classes else None


def _compare_alike(one: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Whether NumPy compares labels of two dtypes as Python does."""
    if np.can_cast(one, np.int64) and np.can_cast(other, np.int64):
        return True
    return one.kind == other.kind and one.kind in "ufUS"


def _indices_by_search(y_true: Array, classes: Array) -> Ints:
    """Return the index of each label among the classes by binary search, -1 if unknown."""
    order = np.argsort(classes, kind="stable")
    found = np.searchsorted(classes, y_true, sorter=order)
    indices = order[np.minimum(found, len(classes) - 1)]
    return np.where(classes[indices] == y_true, indices, -1)


def _indices_by_hash(y_true: Array, classes: Classes) -> Ints:
    """Return the index of each label among the classes by dictionary, -1 if unknown."""
    index = {label: place for place, label in enumerate(classes)}
    return np.array([index.get(label, -1) for label in label_values(y_true)], dtype=np.int64)


def _listed_classes(classes: Classes) -> str:
    """The first classes and their number, for error messages."""
    shown = ", ".join(map(repr, classes[:_SHOWN_CLASSES]))
    return shown if len(classes) <= _SHOWN_CLASSES else f"{shown} ... ({len(classes)} in all)"


def _as_numpy_times(labels: Array) -> Array:
    """Return the standard library's dates or timedeltas as NumPy's; other labels unchanged."""
    if labels.dtype == object:
        for kind, is_one in (("M8", _is_date), ("m8", _is_timedelta)):
            if all(map(is_one, labels)):
                return labels.astype(kind)
    return labels


def _is_date(label: Any) -> bool:
    """Whether a label is a date without time zone or nanoseconds, which NumPy would lose."""
    zone, rest = (getattr(label, name, None) for name in ("tzinfo", "nanosecond"))
    return isinstance(label, datetime.date) and zone is None and not rest


def _is_timedelta(label: Any) -> bool:
    """Whether a label is a timedelta without pandas' nanoseconds."""
    return isinstance(label, datetime.timedelta) and not getattr(label, "nanoseconds", None)


def label_array(labels: object, name: str) -> Array:
    """Return labels as an array, of objects where NumPy would change their values."""
    if isinstance(labels, np.ma.MaskedArray) and np.ma.is_masked(labels):
        row = int(np.ma.getmaskarray(labels).argmax())
        raise ValueError(f"{name} must have no missing labels, got a masked one at index {row}")
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{name} must have shape (N,), got a ragged sequence") from error
    except (RuntimeError, TypeError) as error:
        kind, reason = type(labels).__name__, str(error).partition("\n")[0]
        raise TypeError(
            f"{name} must be an array that NumPy can read, got a {kind}: {reason}"
        ) from error
    if isinstance(labels, Sequence) and _changed_by_numpy(labels, array):
        return np.asarray(labels, dtype=object)
    return array


def _changed_by_numpy(labels: Sequence[Any], array: Array) -> bool:
    """Whether NumPy may have turned NaN among strings into text, or has rounded large integers."""
    if array.dtype.kind in "US":
        return True
    if array.dtype.kind != "f" or not (np.abs(as_float64(array)) >= _EXACT).any():
        return False
    items = np.asarray(labels, dtype=object).flat
    return any(isinstance(item, (int, np.integer)) and abs(int(item)) > _EXACT for item in items)


def missing_mask(labels: Array) -> Bools:
    """Return a mask of the labels that are None, NaN, NaT or pandas.NA."""
    if labels.dtype.kind in "OT":
        return np.array([_is_missing(label) for label in labels.tolist()], dtype=np.bool_)
    return np.asarray(labels != labels)


def _is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, NaT or pandas.NA."""
    try:
        return label is None or bool(label != label)
    except TypeError:  # the truth of pandas.NA is ambiguous
        return True
