"""Decision values with labels of any type, checked the way scikit-learn users expect."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._inputs.arrays import as_array, as_float64
from hingemetrics._inputs.labels import Classes, checked_labels, class_indices, sorted_classes


class Labelled(NamedTuple):
    """Decision values with their targets and weights."""

    preds: Floats  # (n,) for two classes, (n, C) for more
    target: Ints  # (n,), indices into classes
    weight: Array | None  # (n,)
    classes: Classes


def labelled(
    y_true: object, pred_decision: object, labels: object, sample_weight: object
) -> Labelled:
    """Return checked data with columns in the order of the sorted labels, by default y_true's."""
    if labels is not None:
        return labelled_by_classes(
            y_true, pred_decision, sorted_classes(labels, "labels"), sample_weight
        )
    classes = sorted_classes(y_true, "y_true")
    if len(classes) == 1:
        raise ValueError(
            f"labels must be given where y_true has one class only, got none with only "
            f"{classes[0]!r} in y_true"
        )
    hint = "; if y_true misses some classes, pass labels"
    return labelled_by_classes(y_true, pred_decision, classes, sample_weight, hint)


def labelled_by_classes(
    y_true: object, pred_decision: object, classes: Classes, sample_weight: object, hint: str = ""
) -> Labelled:
    """Return checked data with columns in the order of the given classes."""
    target = class_indices(checked_labels(y_true, "y_true"), classes)
    preds = checked_decisions(pred_decision, len(target), len(classes), hint=hint)
    weight = None if sample_weight is None else _checked_weight(sample_weight, len(target))
    return Labelled(preds, target, weight, classes)


def checked_decisions(
    pred_decision: object,
    rows: int,
    classes: int,
    name: str = "pred_decision",
    hint: str = "",
) -> Floats:
    """Return finite decision values, (n,) for two classes, (n, C) for more, or raise."""
    if classes < 2:
        raise ValueError(f"labels must hold at least 2 classes, got {classes}")
    try:
        preds = as_array(pred_decision, name)
    except TypeError as error:  # scikit-learn raises ValueError for anything else
        raise ValueError(str(error)) from error
    if classes == 2 and preds.ndim == 2 and preds.shape[1] == 1:
        preds = preds[:, 0]
    shape = (rows,) if classes == 2 else (rows, classes)
    if preds.shape != shape:
        raise ValueError(
            f"{name} must have shape {shape}, with {rows} labels of {classes} classes, "
            f"got {preds.shape}{hint if preds.shape[1:] > shape[1:] else ''}"
        )
    preds = as_float64(preds)
    finite = np.isfinite(preds)
    if not finite.all():
        index = tuple(map(int, np.argwhere(~finite)[0]))
        at = ", ".join(map(str, index))
        raise ValueError(f"{name} must be finite, got {preds[index]} at index {at}")
    return preds


def _checked_weight(sample_weight: object, rows: int) -> Array:
    """Return weights as (n,), not all of them zero, or raise."""
    weight = as_array(sample_weight, "sample_weight")
    if weight.shape != (rows,):
        raise ValueError(f"sample_weight must have shape ({rows},) like y_true, got {weight.shape}")
    if not np.count_nonzero(as_float64(weight)):
        raise ZeroDivisionError("sample_weight must have a sum above 0, got only zeros")
    return weight
