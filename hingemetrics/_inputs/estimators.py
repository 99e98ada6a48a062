"""scikit-learn style classifiers: their decision values, and the classes of the columns."""

from __future__ import annotations

from typing import Any

from hingemetrics._inputs.labels import Classes, checked_labels, label_values


def decisions(
    estimator: Any,
    X: object,  # noqa: N803
    name: str = "estimator",
) -> tuple[object, Classes]:
    """Return a classifier's decision values, and its classes in column order."""
    kind = type(estimator).__name__
    if not hasattr(estimator, "decision_function"):
        raise AttributeError(
            f"{name} must have a decision_function, got a {kind} without; "
            f"probabilities are no decision values"
        )
    pred_decision = estimator.decision_function(X)
    if not hasattr(estimator, "classes_"):
        raise AttributeError(f"{name} must be a classifier with classes_, got a {kind} without")
    classes = label_values(checked_labels(estimator.classes_, f"{name}.classes_"))
    if len(classes) > 2 and _has_columns_of_pairs(estimator):
        raise ValueError(
            f"{name} must have a column a class, got a {kind} with a column a pair of classes; "
            f"set decision_function_shape='ovr'"
        )
    return pred_decision, classes


def _has_columns_of_pairs(estimator: Any) -> bool:
    """Whether a classifier is an SVC of shape "ovo", perhaps in a search or a pipeline."""
    shape = getattr(_innermost(estimator), "decision_function_shape", None)
    return isinstance(shape, str) and shape == "ovo"


def _innermost(estimator: Any) -> Any:
    """Return the estimator that decides: unwrapped from searches, the last step of pipelines."""
    for fitted in ("best_estimator_", "final_estimator_", "estimator_"):
        if hasattr(estimator, fitted):
            return _innermost(getattr(estimator, fitted))
    return _innermost(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator
