"""hinge_loss: the loss of arrays, in one call."""

from __future__ import annotations

from typing import Literal, overload

from hingemetrics._core.config import Config, MulticlassMode, OneNumber
from hingemetrics._core.tally import Tally
from hingemetrics._core.typing import Floats
from hingemetrics._engine.measure import measure, per_sample
from hingemetrics._inputs.arguments import checked_ignore_index
from hingemetrics._inputs.batch import Batch

_REDUCTIONS = ("mean", "sum", "none")


@overload
def hinge_loss(
    preds: object,
    target: object,
    squared: bool = ...,
    multiclass_mode: OneNumber = ...,
    *,
    sample_weight: object = ...,
    ignore_index: int | None = ...,
    reduction: Literal["mean", "sum"] = ...,
) -> float: ...


@overload
def hinge_loss(
    preds: object,
    target: object,
    squared: bool = ...,
    multiclass_mode: str | MulticlassMode | None = ...,
    *,
    sample_weight: object = ...,
    ignore_index: int | None = ...,
    reduction: Literal["none"],
) -> Floats: ...


@overload
def hinge_loss(
    preds: object,
    target: object,
    squared: bool = ...,
    multiclass_mode: str | MulticlassMode | None = ...,
    *,
    sample_weight: object = ...,
    ignore_index: int | None = ...,
    reduction: str = ...,
) -> float | Floats: ...


def hinge_loss(
    preds: object,
    target: object,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: object = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> float | Floats:
    r"""Return the hinge loss of decision values, correctly rounded from an exact sum.

    With the margin :math:`m` of a sample, its loss is :math:`l = \max(0, 1 - m)`, or :math:`l^2`:

    - binary: :math:`m = \hat y` for a positive target, :math:`m = -\hat y` for a negative one;
    - Crammer-Singer [1]_: :math:`m = \hat y_y - \max_{j \ne y} \hat y_j`;
    - one-vs-all [2]_: for each class the binary loss of that class against the others.

    Each loss is computed in float64 and the (weighted) losses are summed as integers [3]_, [4]_:
    the result has the same bits for any order, layout, batching, thread count and machine.

    Parameters
    ----------
    preds : array_like, shape (N,) or (N, C)
        Decision values (dimensionless, not probabilities) of any real dtype: (N,) is binary,
        (N, C) has a column for each of C >= 2 classes. Dimensions of size 1 are dropped, but a
        (1, C) batch stays one sample of C classes.
    target : array_like, shape (N,)
        Binary: {0, 1} or {-1, +1}. Multi-class: class indices in [0, C).
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0: the mean is sum(w * l) / sum(w).
    ignore_index : int, optional
        Rows with this target are ignored.
    reduction : {"mean", "sum", "none"}, default "mean"
        How the losses are combined; "none" returns each (weighted) loss.

    Returns
    -------
    float or ndarray of float64
        The loss (dimensionless): a float, or shape (C,) for one-vs-all; with "none" shape (N,),
        or (N, C) for one-vs-all. The mean of no samples, or of weights that are all zero, is NaN
        with a UserWarning.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers (strings, complex, objects, None, generators ...).
    ValueError
        If a shape, label, weight or choice is not as above; the message names the argument and
        the index.

    References
    ----------
    .. [1] Crammer, K. and Singer, Y., "On the algorithmic implementation of multiclass
       kernel-based vector machines", JMLR 2, 2001.
    .. [2] Rifkin, R. and Klautau, A., "In defense of one-vs-all classification", JMLR 5, 2004.
    .. [3] Kulisch, U., "Computer Arithmetic and Validity", 2013 (the long accumulator).
    .. [4] Neal, R. M., "Fast exact summation using small and large superaccumulators", 2015.

    Examples
    --------
    >>> from hingemetrics import hinge_loss
    >>> hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1])
    0.3
    >>> preds = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]]
    >>> round(hinge_loss(preds, [0, 1, 2]), 4)
    2.9
    >>> hinge_loss(preds, [0, 1, 2], multiclass_mode="one-vs-all").round(4).tolist()
    [2.2333, 1.5, 1.2333]
    """
    if not isinstance(reduction, str) or reduction not in _REDUCTIONS:
        choices = ", ".join(repr(choice) for choice in _REDUCTIONS)
        raise ValueError(f"reduction must be one of {choices}, got {reduction!r}")
    config = Config.checked(squared, multiclass_mode)
    batch = Batch(preds, target, sample_weight, checked_ignore_index(ignore_index))
    if reduction == "none":
        return per_sample(batch, config)
    return measure(batch, Tally(config)).value(reduction, batch.num_classes)
