"""What users of scikit-learn hand in: labels of any type, and classifiers, as class indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hingemetrics.arrays import as_array
from hingemetrics.exact import Array, Floats, Ints

Classes = list[Any]  # labels in the order of the columns of a decision function
_SHOWN_CLASSES = 10


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
    places = {label: place for place, label in enumerate(classes)}
    indices = np.array([places.get(label, -1) for label in y_true.tolist()], dtype=np.int64)
    if (indices < 0).any():
        row = int(indices.argmin())
        raise ValueError(
            f"y_true must hold only the classes {_listed(classes)}, "
            f"got {y_true[row : row + 1].tolist()[0]!r} at index {row}"
        )
    return indices


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
    classes: Classes = _column(estimator.classes_, "estimator.classes_").tolist()
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
    for fitted in ("best_estimator_", "estimator_"):
        if hasattr(estimator, fitted):
            return _deciding(getattr(estimator, fitted))
    return _deciding(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def _sorted_classes(labels: object, name: str) -> Classes:
    """Return the distinct labels, sorted as decision functions sort them."""
    found = _column(labels, name).tolist()
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
    if isinstance(labels, Sequence) and array.dtype.kind in "US":
        return np.asarray(labels, dtype=object)  # NumPy would make text of a NaN among strings
    return array


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
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes inf
        preds = preds.astype(np.float64, copy=False)
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
    if not weight.any():
        raise ZeroDivisionError("sample_weight must have a sum above 0, got only zeros")
    return weight


def _listed(classes: Classes) -> str:
    """Return classes as an error lists them."""
    shown = ", ".join(map(repr, classes[:_SHOWN_CLASSES]))
    return shown if len(classes) <= _SHOWN_CLASSES else f"{shown} ... ({len(classes)} in all)"
