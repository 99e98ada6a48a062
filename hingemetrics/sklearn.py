"""The hinge loss for users of scikit-learn, which it does not import."""

from __future__ import annotations

import hingemetrics
from hingemetrics.exact import Floats
from hingemetrics.labels import decisions, labelled, of_classes
from hingemetrics.plot import HingeLossDisplay
from hingemetrics.state import MulticlassMode

__all__ = ["HingeLossDisplay", "hinge_loss", "hinge_scorer"]


def hinge_loss(
    y_true: object,
    pred_decision: object,
    *,
    labels: object = None,
    sample_weight: object = None,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
) -> float | Floats:
    """Return the hinge loss of labels of any type, in place of `sklearn.metrics.hinge_loss`.

    Labels are made into class indices, and `hingemetrics.hinge_loss` does the rest: formulas,
    modes and guarantees are its own.

    Parameters
    ----------
    y_true : array_like, shape (N,) or (N, 1)
        Labels of any one type that can be sorted: numbers, bools, strings, dates, categories ...
    pred_decision : array_like, shape (N,), (N, 1) or (N, C)
        Finite decision values (dimensionless) of any real dtype: a column each for more than two
        classes, in the order of the sorted labels, as every ``decision_function`` has them. Of two
        classes the greater is the positive one.
    labels : array_like, shape (C,), optional
        All classes, at least two, in any order. By default those in `y_true`.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Two classes ignore it.

    Returns
    -------
    float or ndarray of float64, shape (C,)
        The mean loss (dimensionless); one a class, in the order of the sorted labels, for
        one-vs-all with more than two classes.

    Raises
    ------
    ValueError
        If a shape does not fit, a label is missing or not among `labels`, a decision value is not
        a finite real number, a weight is negative or not finite, or `y_true` has one class only
        and there are no `labels`.
    TypeError
        If labels are None or cannot be sorted, or weights are not real numbers.
    ZeroDivisionError
        If all weights are zero.

    Notes
    -----
    Where scikit-learn's function has it right, the two differ in the last digits only. Unlike it:

    - With `labels`, part of the data gives its right loss. scikit-learn ignores `labels` when there
      are two, and takes a fold that has only one of them for one of the negative class.
    - Without `labels`, a `y_true` of one class is refused: the same labels may be all the
      positives or all the negatives of the data, with opposite signs of the margin, and a loss
      that is wrong half of the time would be worse than none.
    - Negative weights, NaN weights and missing labels are refused, as are arrays of objects as
      `pred_decision` and labels of mixed types.

    Examples
    --------
    >>> from hingemetrics.sklearn import hinge_loss
    >>> hinge_loss(["ham", "spam", "spam"], [-2.2, 2.4, 0.1])
    0.3
    >>> hinge_loss(["spam", "spam"], [2.4, 0.1], labels=["spam", "ham"])
    0.45
    """
    data = labelled(y_true, pred_decision, labels, sample_weight)
    return hingemetrics.hinge_loss(
        data.preds, data.target, squared, multiclass_mode, sample_weight=data.weight
    )


def hinge_scorer(
    estimator: object,
    X: object,  # noqa: N803
    y: object,
    sample_weight: object = None,
) -> float:
    """Return the negated hinge loss of a classifier: a scorer, the greater the better.

    It is passed as ``scoring=hinge_scorer`` to `cross_val_score`, `GridSearchCV` and the like. The
    classes are those the classifier was fitted with, so a fold may miss some of them. The
    multi-class loss is that of Crammer and Singer.

    Parameters
    ----------
    estimator : fitted classifier
        With ``decision_function`` and ``classes_``: also a pipeline or a search.
    X : array_like, shape (N, features)
        Samples, as the estimator takes them.
    y : array_like, shape (N,)
        Their labels.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0.

    Returns
    -------
    float
        The loss (dimensionless) of `hinge_loss`, negated.

    Raises
    ------
    AttributeError
        If the estimator has no ``decision_function`` or no ``classes_``.
    ValueError
        If its decision values are of pairs of classes (``decision_function_shape="ovo"``), if `y`
        has a class that it was not fitted with, or as `hinge_loss`.
    TypeError, ZeroDivisionError
        As `hinge_loss`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.svm import SVC
    >>> from hingemetrics.sklearn import hinge_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_val_score(SVC(), X, y, scoring=hinge_scorer, cv=3).round(2).tolist()
    [-0.08, -0.04, -0.12]
    """
    pred_decision, classes = decisions(estimator, X)
    data = of_classes(y, pred_decision, classes, sample_weight)
    return -float(hingemetrics.hinge_loss(data.preds, data.target, sample_weight=data.weight))
