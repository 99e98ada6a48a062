"""What users of scikit-learn hand in: labels of any type, and classifiers, as class indices."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._inputs.arrays import as_array, as_float64

Classes = list[Any]  # labels in the order of the columns of a decision function
_SHOWN_CLASSES = 10
_EXACT = 2**53  # float64 has each integer up to it


class Labelled(NamedTuple):
    """Decision values and what they are judged by."""

    preds: Floats  # (n,) for two classes, (n, C) for more
    target: Ints  # (n,), indices into classes
    weight: Array | None  # (n,)
    classes: Classes


def labelled(
    y_true: object, pred_decision: object, labels: object, sample_weight: object
) -> Labelled:
    """Return decision values whose columns follow the sorted labels: y_true's if none are given."""
    if labels is not None:
        return of_classes(y_true, pred_decision, _sorted_classes(labels, "labels"), sample_weight)
    classes = _sorted_classes(y_true, "y_true")
    if len(classes) == 1:
        raise ValueError(
            f"labels must be given where y_true has one class only, got none with only "
            f"{classes[0]!r} in y_true"
        )
    hint = "; if y_true misses some classes, pass labels"
    return of_classes(y_true, pred_decision, classes, sample_weight, hint)


def of_classes(
    y_true: object, pred_decision: object, classes: Classes, sample_weight: object, hint: str = ""
) -> Labelled:
    """Return decision values whose columns follow the classes as they are."""
    target = class_indices(_column(y_true, "y_true"), classes)
    preds = _decisions(pred_decision, len(target), len(classes), hint)
    weight = None if sample_weight is None else _weight(sample_weight, len(target))
    return Labelled(preds, target, weight, classes)


def class_indices(y_true: Array, classes: Classes) -> Ints:
    """Return the place of each label among the classes."""
    if isinstance(classes[0], (np.datetime64, np.timedelta64)):
        y_true = _as_times(y_true)
    known = _searchable(classes, y_true.dtype)
    if known is None:
        indices = _places_by_hash(y_true, classes)
    else:
        indices = _places_by_search(y_true, known)
    if (indices < 0).any():
        row = int(indices.argmin())
        raise ValueError(
            f"y_true must hold only the classes {_listed(classes)}, "
            f"got {_scalars(y_true[row : row + 1])[0]!r} at index {row}"
        )
    return indices


def _searchable(classes: Classes, dtype: np.dtype[Any]) -> Array | None:
    """Return classes as an array that labels of a dtype compare with; None if there is none."""
    if dtype.kind == "O":
        return None
    try:
        known = np.array(classes)
    except ValueError:  # tuples of several lengths
        return None
    if dtype.kind in "mM":
        known = _as_times(known)
        return known if known.dtype.kind == dtype.kind else None
    return known if _compare_alike(known.dtype, dtype) and known.tolist() == classes else None


def _compare_alike(one: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Tell whether NumPy compares labels of two dtypes as Python does."""
    if np.can_cast(one, np.int64) and np.can_cast(other, np.int64):
        return True
    return one.kind == other.kind and one.kind in "ufUS"


def _places_by_search(y_true: Array, classes: Array) -> Ints:
    """Return the place of each label among classes that compare with it; -1 if it is none."""
    order = np.argsort(classes, kind="stable")
    found = np.searchsorted(classes, y_true, sorter=order)
    places = order[np.minimum(found, len(classes) - 1)]
    return np.where(classes[places] == y_true, places, -1)


def _places_by_hash(y_true: Array, classes: Classes) -> Ints:
    """Return the place of each label among classes of any type; -1 if it is none."""
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places.get(label, -1) for label in _scalars(y_true)], dtype=np.int64)


def _as_times(labels: Array) -> Array:
    """Return objects of the standard library that are times as NumPy has them; others as is."""
    if labels.dtype == object:
        for kind, is_one in (("M8", _is_date), ("m8", _is_difference)):
            if all(map(is_one, labels)):
                return labels.astype(kind)
    return labels


def _is_date(label: Any) -> bool:
    """Tell a date without a time zone, and without the nanoseconds that pandas may add."""
    zone, rest = (getattr(label, name, None) for name in ("tzinfo", "nanosecond"))
    return isinstance(label, datetime.date) and zone is None and not rest


def _is_difference(label: Any) -> bool:
    """Tell a difference of times, without the nanoseconds that pandas may add."""
    return isinstance(label, datetime.timedelta) and not getattr(label, "nanoseconds", None)


def _scalars(labels: Array) -> list[Any]:
    """Return labels as Python has them, but times as NumPy does: of some tolist makes integers."""
    return list(labels) if labels.dtype.kind in "mM" else labels.tolist()


def decisions(estimator: Any, X: object) -> tuple[object, Classes]:  # noqa: N803
    """Return what a classifier decides, a column a class, and the classes in that order."""
    kind = type(estimator).__name__
    if not hasattr(estimator, "decision_function"):
        raise AttributeError(
            f"estimator must have a decision_function, got a {kind} without; "
            f"probabilities are no decision values"
        )
    pred_decision = estimator.decision_function(X)
    if not hasattr(estimator, "classes_"):
        raise AttributeError(f"estimator must be a classifier with classes_, got a {kind} without")
    classes = _scalars(_column(estimator.classes_, "estimator.classes_"))
    if len(classes) > 2 and _votes_by_pairs(estimator):
        raise ValueError(
            f"estimator must have a column a class, got a {kind} with a column a pair of classes; "
            f"set decision_function_shape='ovr'"
        )
    return pred_decision, classes


def _votes_by_pairs(estimator: Any) -> bool:
    """Tell an SVC, in a search or a pipeline perhaps, whose columns are pairs of classes."""
    shape = getattr(_deciding(estimator), "decision_function_shape", None)
    return isinstance(shape, str) and shape == "ovo"


def _deciding(estimator: Any) -> Any:
    """Return the estimator that decides: the one a wrapper has fitted, the last step of a pipe."""
    for fitted in ("best_estimator_", "final_estimator_", "estimator_"):
        if hasattr(estimator, fitted):
            return _deciding(getattr(estimator, fitted))
    return _deciding(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def _sorted_classes(labels: object, name: str) -> Classes:
    """Return the distinct labels, sorted as decision functions sort them."""
    array = _column(labels, name)
    if array.dtype.kind in "biufmM":
        return _scalars(np.unique(array))
    found = array.tolist()
    try:
        return sorted(set(found))
    except TypeError:
        kinds = " and ".join(sorted({type(label).__name__ for label in found}))
        raise TypeError(
            f"{name} must hold labels that can be sorted, got labels of type {kinds}"
        ) from None


def _column(labels: object, name: str) -> Array:
    """Return labels as (N,), none of them missing."""
    array = _as_labels(labels, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not len(array):
        got = array.shape if array.ndim else type(labels).__name__
        raise ValueError(f"{name} must have shape (N,), N >= 1, got {got}")
    missing = _missing(array)
    if missing.any():
        row = int(missing.argmax())
        error = TypeError if array[row] is None else ValueError
        raise error(f"{name} must have no missing labels, got {array[row]} at index {row}")
    return array


def _as_labels(labels: object, name: str) -> Array:
    """Return labels as an array of whatever type they have."""
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
    if isinstance(labels, Sequence) and _changes(labels, array):
        return np.asarray(labels, dtype=object)
    return array


def _changes(labels: Sequence[Any], array: Array) -> bool:
    """Tell where NumPy makes text of a NaN among strings, or floats of integers they have not."""
    if array.dtype.kind in "US":
        return True
    if array.dtype.kind != "f" or not (np.abs(as_float64(array)) >= _EXACT).any():
        return False
    items = np.asarray(labels, dtype=object).flat
    return any(isinstance(item, (int, np.integer)) and abs(int(item)) > _EXACT for item in items)


def _missing(labels: Array) -> npt.NDArray[np.bool_]:
    """Tell which labels are None, NaN, NaT or NA."""
    if labels.dtype.kind in "OT":
        return np.array([_is_missing(label) for label in labels.tolist()], dtype=np.bool_)
    return np.asarray(labels != labels)


def _is_missing(label: Any) -> bool:
    """Tell what is None or does not equal itself."""
    try:
        return label is None or bool(label != label)
    except TypeError:  # the truth of pandas.NA is ambiguous
        return True


def _decisions(pred_decision: object, rows: int, classes: int, hint: str) -> Floats:
    """Return finite decision values, (n,) for two classes and (n, C) for more."""
    if classes < 2:
        raise ValueError(f"labels must hold at least 2 classes, got {classes}")
    try:
        preds = as_array(pred_decision, "pred_decision")
    except TypeError as error:  # scikit-learn has one type for whatever is no array of numbers
        raise ValueError(str(error)) from error
    if classes == 2 and preds.ndim == 2 and preds.shape[1] == 1:
        preds = preds[:, 0]
    shape = (rows,) if classes == 2 else (rows, classes)
    if preds.shape != shape:
        raise ValueError(
            f"pred_decision must have shape {shape}, with {rows} labels of {classes} classes, "
            f"got {preds.shape}{hint if preds.shape[1:] > shape[1:] else ''}"
        )
    preds = as_float64(preds)
    finite = np.isfinite(preds)
    if not finite.all():
        index = tuple(map(int, np.argwhere(~finite)[0]))
        at = ", ".join(map(str, index))
        raise ValueError(f"pred_decision must be finite, got {preds[index]} at index {at}")
    return preds


def _weight(sample_weight: object, rows: int) -> Array:
    """Return weights as (n,), one of them not zero."""
    weight = as_array(sample_weight, "sample_weight")
    if weight.shape != (rows,):
        raise ValueError(f"sample_weight must have shape ({rows},) like y_true, got {weight.shape}")
    if not np.count_nonzero(as_float64(weight)):
        raise ZeroDivisionError("sample_weight must have a sum above 0, got only zeros")
    return weight


def _listed(classes: Classes) -> str:
    """Return classes as an error lists them."""
    shown = ", ".join(map(repr, classes[:_SHOWN_CLASSES]))
    return shown if len(classes) <= _SHOWN_CLASSES else f"{shown} ... ({len(classes)} in all)"
