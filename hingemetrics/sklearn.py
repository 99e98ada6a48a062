"""The hinge loss for users of scikit-learn, which it does not import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.typing import Floats
from hingemetrics._inputs.estimators import decisions
from hingemetrics._inputs.labelled import checked_decisions, labelled, labelled_by_classes
from hingemetrics.comparison import Comparison
from hingemetrics.functional import hinge_loss as loss_of_indices
from hingemetrics.metrics.comparison import compare as compare_of_indices
from hingemetrics.metrics.grouped import GroupedHingeLoss
from hingemetrics.metrics.hinge import HingeLoss
from hingemetrics.plot import ComparisonDisplay, HingeLossDisplay
from hingemetrics.state import HingeState

__all__ = [
    "ComparisonDisplay",
    "HingeLossDisplay",
    "HingeScorer",
    "compare",
    "hinge_loss",
    "hinge_loss_by",
    "hinge_scorer",
    "make_hinge_scorer",
]


def hinge_loss(
    y_true: object,
    pred_decision: object,
    *,
    labels: object = None,
    sample_weight: object = None,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
) -> float | Floats:
    """Return the hinge loss for labels of any type: replaces `sklearn.metrics.hinge_loss`.

    Labels are converted to class indices and passed to `hingemetrics.hinge_loss`, whose formulas,
    modes and guarantees apply.

    Parameters
    ----------
    y_true : array_like, shape (N,) or (N, 1)
        Labels of any one type that can be sorted: numbers, bools, strings, dates, categories ...
    pred_decision : array_like, shape (N,), (N, 1) or (N, C)
        Finite decision values (dimensionless) of any real dtype: for more than two classes one
        column per class, in the order of the sorted labels, as every ``decision_function`` returns
        them. Of two classes the greater is the positive one.
    labels : array_like, shape (C,), optional
        All classes, at least two, in any order; by default those in `y_true`.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Two classes ignore it.

    Returns
    -------
    float or ndarray of float64, shape (C,)
        The mean loss (dimensionless); for one-vs-all with more than two classes, one per class in
        the order of the sorted labels.

    Raises
    ------
    ValueError
        If a shape does not fit, a label is missing or not among `labels`, a decision value is not
        a finite real number, a weight is negative or not finite, or `y_true` has only one class
        and `labels` is not given.
    TypeError
        If labels are None or cannot be sorted, or weights are not real numbers.
    ZeroDivisionError
        If all weights are zero.

    Notes
    -----
    Where scikit-learn's function is right, the two differ only in the last digits. Unlike it:

    - With `labels`, a part of the data gets the right loss. scikit-learn ignores `labels` when
      there are two, and treats a fold that has only one of them as all negative.
    - Without `labels`, a `y_true` of one class is refused: the same labels may be all the
      positives or all the negatives of the data, with opposite signs of the margin, and a loss
      that is wrong half of the time would be worse than none.
    - Negative weights, NaN weights and missing labels are refused, as are object arrays as
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
    return loss_of_indices(
        data.preds, data.target, squared, multiclass_mode, sample_weight=data.weight
    )


def compare(
    y_true: object,
    pred_decision: object,
    baseline_decision: object,
    *,
    labels: object = None,
    sample_weight: object = None,
    groups: object = None,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Compare two models' hinge losses on the same samples, for labels of any type.

    Parameters
    ----------
    y_true, pred_decision, labels, sample_weight, squared, multiclass_mode
        As for `hinge_loss`.
    baseline_decision : array_like, shape (N,), (N, 1) or (N, C)
        Finite decision values of the model that it is compared with.
    groups : array_like, shape (N,), optional
        Clusters of samples that depend on each other, as for `hingemetrics.compare`.
    confidence_level : float, default 0.95
        Of the interval of the difference.

    Returns
    -------
    Comparison
        As `hingemetrics.compare`.

    Raises
    ------
    TypeError, ValueError, ZeroDivisionError
        As `hinge_loss` and `hingemetrics.compare`.

    Examples
    --------
    >>> from hingemetrics.sklearn import compare
    >>> found = compare(["ham", "spam", "spam"], [-2.2, 2.4, 0.1], [-1.5, 0.7, 0.4])
    >>> found.value, found.baseline, found.difference
    (0.3, 0.3, 0.0)
    """
    data = labelled(y_true, pred_decision, labels, sample_weight)
    baseline = checked_decisions(
        baseline_decision, len(data.target), len(data.classes), "baseline_decision"
    )
    return compare_of_indices(
        data.preds,
        baseline,
        data.target,
        squared,
        multiclass_mode,
        sample_weight=data.weight,
        groups=groups,
        confidence_level=confidence_level,
    )


def hinge_loss_by(
    y_true: object,
    pred_decision: object,
    groups: object,
    *,
    labels: object = None,
    sample_weight: object = None,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
) -> dict[str, list[Any]]:
    """Return the hinge loss of each group, as columns of a frame, for labels of any type.

    Parameters
    ----------
    y_true, pred_decision, labels, sample_weight, squared, multiclass_mode
        As for `hinge_loss`. A group may lack some of the labels.
    groups : array_like, shape (N,)
        The group of each sample, as for `hingemetrics.hinge_loss_by`.

    Returns
    -------
    dict of str to list
        What ``pandas.DataFrame`` and ``polars.DataFrame`` take as it is: "group" (sorted), "count"
        (of samples) and "loss", the mean; for one-vs-all with more than two classes a column
        "loss of ..." for each class in its place.

    Raises
    ------
    TypeError, ValueError, ZeroDivisionError
        As `hinge_loss` and `hingemetrics.hinge_loss_by`.

    Examples
    --------
    >>> from hingemetrics.sklearn import hinge_loss_by
    >>> hinge_loss_by(["ham", "spam", "spam"], [-2.2, 2.5, 0.5], ["day", "day", "night"])
    {'group': ['day', 'night'], 'count': [2, 1], 'loss': [0.0, 0.5]}
    """
    data = labelled(y_true, pred_decision, labels, sample_weight)
    metric = GroupedHingeLoss(squared, multiclass_mode)
    metric.update(data.preds, data.target, groups, data.weight)
    values = metric.compute()
    losses = np.array(list(values.values()))
    names = ["loss"] if losses.ndim == 1 else [f"loss of {label}" for label in data.classes]
    return {
        "group": list(values),
        "count": [state.count for state in metric.states.values()],
        **dict(zip(names, losses.reshape(len(losses), -1).T.tolist(), strict=True)),
    }


@dataclass(frozen=True, repr=False)
class HingeScorer:
    """The negated hinge loss of a classifier: a scorer, so greater is better.

    Made by `make_hinge_scorer`, for everything that takes ``scoring=``: `cross_validate`,
    `GridSearchCV` and the like, alone or in a dictionary of scorers. The classes are those the
    classifier was fitted with, so a fold may lack some of them. A scorer is an immutable value: it
    can be compared, hashed, copied and pickled.

    Attributes
    ----------
    squared : bool
        Whether each loss is squared.
    multiclass_mode : MulticlassMode
        The loss of more than two classes; two classes ignore it.

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

    squared: bool = False
    multiclass_mode: MulticlassMode = MulticlassMode.CRAMMER_SINGER
    _request: bool | str | None = None  # for sample_weight, in the terms of scikit-learn's routing

    def __call__(
        self,
        estimator: object,
        X: object,  # noqa: N803
        y: object,
        sample_weight: object = None,
    ) -> float:
        """Return the score.

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
            The loss (dimensionless) of `hinge_loss`, negated. For one-vs-all with more than two
            classes it is the mean over the classes, correctly rounded from their exact sums.

        Raises
        ------
        AttributeError
            If the estimator has no ``decision_function`` or no ``classes_``.
        ValueError
            If its decision values are for pairs of classes (``decision_function_shape="ovo"``), if
            `y` has a class that it was not fitted with, or as `hinge_loss`.
        TypeError, ZeroDivisionError
            As `hinge_loss`.
        """
        pred_decision, classes = decisions(estimator, X)
        data = labelled_by_classes(y, pred_decision, classes, sample_weight)
        metric: HingeLoss = HingeLoss(self.squared, self.multiclass_mode)
        metric.update(data.preds, data.target, data.weight)
        return -_mean_over_classes(metric.state)

    def set_score_request(self, *, sample_weight: bool | str | None) -> HingeScorer:
        """Return a scorer that declares whether it takes the weights that scikit-learn routes.

        Until a scorer declares it, scikit-learn raises `UnsetMetadataPassedError` where weights
        are routed.

        Parameters
        ----------
        sample_weight : bool, str or None
            True: it takes them. False: it does without. A str: it takes what is passed under that
            name. None: passing them is an error, as before.

        Returns
        -------
        HingeScorer
            A new scorer; unlike scikit-learn's, this one does not change.

        Raises
        ------
        RuntimeError
            If scikit-learn's metadata routing is not enabled.
        ValueError
            If `sample_weight` is not one of these.

        Examples
        --------
        >>> import sklearn
        >>> from hingemetrics.sklearn import hinge_scorer
        >>> with sklearn.config_context(enable_metadata_routing=True):
        ...     weighted_scorer = hinge_scorer.set_score_request(sample_weight=True)
        """
        from sklearn import get_config

        if not get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request needs scikit-learn's metadata routing; enable it with "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        scorer = replace(self, _request=sample_weight)
        scorer.get_metadata_routing()  # raises for an invalid request
        return scorer

    def get_metadata_routing(self) -> Any:
        """Return which metadata the scorer takes, for scikit-learn's routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
        """
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=repr(self))
        request.score.add_request(param="sample_weight", alias=self._request)
        return request

    def __repr__(self) -> str:
        mode = self.multiclass_mode.value
        request = self._request
        suffix = "" if request is None else f".set_score_request(sample_weight={request!r})"
        return f"make_hinge_scorer(squared={self.squared}, multiclass_mode={mode!r}){suffix}"

    def __sklearn_clone__(self) -> HingeScorer:
        return self  # it cannot change

    # What scikit-learn asks of its own scorers without a public name for it: the parts from which
    # TunedThresholdClassifierCV builds its own scorer, and whether a dictionary of scorers passes
    # weights on when routing is disabled.
    _get_metadata_request = get_metadata_routing
    _sign: ClassVar[int] = -1

    @property
    def _score_func(self) -> Callable[..., float]:
        return _loss_of_labels

    @property
    def _kwargs(self) -> dict[str, bool]:
        return {"squared": self.squared}

    def _accept_sample_weight(self) -> bool:
        return True


def make_hinge_scorer(
    squared: bool = False, multiclass_mode: str | MulticlassMode | None = None
) -> HingeScorer:
    """Return a scorer of a hinge loss, for everything in scikit-learn that takes ``scoring=``.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all", whose score is the mean over the classes. Two
        classes ignore it.

    Returns
    -------
    HingeScorer

    Raises
    ------
    TypeError
        If `squared` is not a bool.
    ValueError
        If `multiclass_mode` is not one of the choices.

    Notes
    -----
    `LinearSVC` minimises the squared one-vs-all loss, up to the penalty:
    ``make_hinge_scorer(squared=True, multiclass_mode="one-vs-all")`` measures it.

    `TunedThresholdClassifierCV` passes labels to its scorer, not decision values. They count as
    decisions of -1 and +1: the loss is twice the (weighted) error rate, four times if squared.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import LinearSVC
    >>> from hingemetrics.sklearn import hinge_loss, make_hinge_scorer
    >>> scorer = make_hinge_scorer(squared=True, multiclass_mode="one-vs-all")
    >>> scorer
    make_hinge_scorer(squared=True, multiclass_mode='one-vs-all')
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LinearSVC(random_state=0).fit(X, y)
    >>> decisions = model.decision_function(X)
    >>> losses = hinge_loss(y, decisions, squared=True, multiclass_mode="one-vs-all")
    >>> bool(np.isclose(-scorer(model, X, y), losses.mean()))
    True
    """
    return HingeScorer(*Config.checked(squared, multiclass_mode))


hinge_scorer = make_hinge_scorer()
"""The scorer that `make_hinge_scorer` makes by default: binary, or Crammer-Singer for more than
two classes."""


def _mean_over_classes(state: HingeState) -> float:
    """Return a state's loss; for one-vs-all the mean over the classes, rounded once."""
    value = state.value()
    if not isinstance(value, np.ndarray):
        return value
    if not np.isfinite(value).all():
        return float(value.max())  # NaN if there is one, else inf
    exact = state.as_fraction()
    assert isinstance(exact, tuple)
    return float(sum(exact) / len(exact))


def _loss_of_labels(
    y_true: object, y_pred: object, *, squared: bool, sample_weight: object = None
) -> float:
    """Return the hinge loss of predicted labels, two classes read as decisions of -1 and +1."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    found = np.unique(np.concatenate([y_true, y_pred]))
    if len(found) > 2:
        raise ValueError(f"y_pred must hold labels of two classes, got {len(found)} labels")
    sides = np.where(y_true == y_pred, 1.0, -1.0)
    ones = np.ones(len(sides))
    loss = hinge_loss(ones, sides, labels=[0, 1], sample_weight=sample_weight, squared=squared)
    return float(loss)
