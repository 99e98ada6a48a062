"""The hinge loss of columns of a Spark DataFrame, through the DataFrame API alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.tally import check_reduction
from hingemetrics._core.typing import Array, Floats
from hingemetrics._inputs.arrays import as_array
from hingemetrics.distributed._blocks import (
    MetricFactory,
    located_errors,
    loss_of,
    merged,
    metric_factory,
    row_span,
)
from hingemetrics.state import HingeState

_MERGING_PARTITIONS = 4  # few: adding states takes microseconds, starting a task far longer


def spark_hinge_state(
    df: Any,
    preds: str | Sequence[str],
    target: str,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: str | None = None,
    ignore_index: int | None = None,
) -> HingeState:
    """Return the state of a hinge loss of columns of a Spark DataFrame.

    Each partition becomes a `HingeState` where it is, and the states are added in a tree. This
    package, NumPy and pyarrow must be installed on the workers.

    Parameters
    ----------
    df : pyspark DataFrame, classic or Connect
        What to read; only the columns named below are.
    preds : str, or list or tuple of str
        Decision values (dimensionless): the name of a column of numbers (binary) or of arrays of C
        numbers, or the names of C columns of numbers.
    target : str
        The column of labels, as for `hinge_loss`.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    sample_weight : str, optional
        The column of finite weights >= 0.
    ignore_index : int, optional
        Rows with this target are ignored.

    Returns
    -------
    HingeState

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an option is invalid.
    pyspark.errors.PythonException
        If values are invalid (nulls are refused): its text contains the error, which names the
        column or argument, the partition and the rows; the index counts from the first of these.

    Examples
    --------
    >>> from hingemetrics.distributed import spark_hinge_state
    >>> df = spark.createDataFrame(
    ...     [(-2.2, 0), (2.4, 1), (0.1, 1)], ["score", "label"]
    ... )  # doctest: +SKIP
    >>> spark_hinge_state(df, "score", "label").value()  # doctest: +SKIP
    0.3
    """
    if not callable(getattr(df, "mapInArrow", None)):
        raise TypeError(f"df must be a DataFrame of Spark, got a {type(df).__name__}")
    new_metric = metric_factory(squared, multiclass_mode, ignore_index)
    columns = _checked_columns(preds, target, sample_weight)
    measure = partial(_partition_state, columns=columns, new_metric=new_metric)
    picked = [df[name].alias(f"column{i}") for i, name in enumerate(columns.in_order())]
    states = df.select(*picked).mapInArrow(measure, "state binary")
    sums = states.repartition(_MERGING_PARTITIONS).mapInArrow(_merged_states, "state binary")
    return sum((HingeState.from_bytes(row[0]) for row in sums.collect()), new_metric().state)


def spark_hinge_loss(
    df: Any,
    preds: str | Sequence[str],
    target: str,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: str | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> float | Floats:
    """Return the hinge loss of columns of a Spark DataFrame.

    It equals `hinge_loss` of all the data at once, to the bit.

    Parameters
    ----------
    df, preds, target, squared, multiclass_mode, sample_weight, ignore_index
        As for `spark_hinge_state`.
    reduction : {"mean", "sum"}, default "mean"
        How the losses are combined.

    Returns
    -------
    float or ndarray of float64, shape (C,)
        The loss (dimensionless): one per class (one-vs-all). The mean of no samples, or of weights
        that are all zero, is NaN with a UserWarning. If `preds` is a column of arrays and there
        are no rows, it is one number, as the number of classes is unknown.

    Raises
    ------
    TypeError, ValueError, pyspark.errors.PythonException
        As `spark_hinge_state`.

    Examples
    --------
    >>> from hingemetrics.distributed import spark_hinge_loss
    >>> df = spark.createDataFrame(
    ...     [(-2.2, 0), (2.4, 1), (0.1, 1)], ["score", "label"]
    ... )  # doctest: +SKIP
    >>> spark_hinge_loss(df, "score", "label")  # doctest: +SKIP
    0.3
    """
    check_reduction(reduction)
    state = spark_hinge_state(
        df,
        preds,
        target,
        squared,
        multiclass_mode,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
    )
    num_classes = (state.num_classes or 1) if isinstance(preds, str) else len(preds)
    return loss_of(state, num_classes, reduction)


class _ColumnNames(NamedTuple):
    """The names of the columns that the arguments are in."""

    preds: str | tuple[str, ...]
    target: str
    sample_weight: str | None

    def in_order(self) -> list[str]:
        """Return all names in the order in which the columns are sent to workers."""
        preds = [self.preds] if isinstance(self.preds, str) else self.preds
        return [*preds, self.target, *([] if self.sample_weight is None else [self.sample_weight])]


def _checked_columns(preds: Any, target: Any, sample_weight: Any) -> _ColumnNames:
    """Return the column names, or raise for anything else."""
    several = isinstance(preds, (list, tuple))
    names = list(preds) if several else [preds]
    if not (names and all(isinstance(name, str) and name for name in names)):
        raise TypeError(f"preds must be the name of a column or a list of names, got {preds!r}")
    if not isinstance(target, str):
        raise TypeError(f"target must be the name of a column, got {target!r}")
    if not (sample_weight is None or isinstance(sample_weight, str)):
        raise TypeError(
            f"sample_weight must be None or the name of a column, got {sample_weight!r}"
        )
    return _ColumnNames(tuple(preds) if several else preds, target, sample_weight)


# Run on workers, which import these functions from this module


def _partition_state(
    batches: Iterable[Any], *, columns: _ColumnNames, new_metric: MetricFactory
) -> Iterator[Any]:
    """Yield the state of a partition, given as record batches."""
    from pyspark import TaskContext

    partition = TaskContext.get().partitionId()
    metric, first = new_metric(), 0
    for batch in filter(len, batches):
        stop = first + len(batch)
        with located_errors(f"partition {partition} ({row_span(first, stop)})"):
            metric.update(*_arrays(batch, columns))
        first = stop
    yield _state_record(metric.state)


def _merged_states(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield the sum of a partition of states, or nothing if it is empty."""
    states = [
        HingeState.from_bytes(data) for batch in batches for data in batch.column(0).to_pylist()
    ]
    if states:
        yield _state_record(merged("the states of partitions", *states))


def _state_record(state: HingeState) -> Any:
    """Return a state as a record batch of one row."""
    from pyarrow import RecordBatch, array, binary

    return RecordBatch.from_arrays([array([state.to_bytes()], binary())], ["state"])


def _arrays(batch: Any, columns: _ColumnNames) -> list[Array]:
    """Return preds, target and, if given, sample_weight from a record batch."""
    labels = map(_column_label, columns.in_order())
    labelled = list(zip(batch.columns, labels, strict=True))
    if isinstance(columns.preds, str):
        count, preds = 1, _array_of_lists(*labelled[0])
    else:
        count = len(columns.preds)
        preds = np.stack([as_array(*column) for column in labelled[:count]], axis=1)
    return [preds, *(as_array(*column) for column in labelled[count:])]


def _column_label(name: str) -> str:
    """A column's name, for error messages."""
    return f"column {name!r}"


def _array_of_lists(column: Any, label: str) -> Array:
    """Return a column of numbers as (N,), or of lists of C numbers as (N, C)."""
    if not hasattr(column, "value_lengths"):
        return as_array(column, label)
    lengths = as_array(column.value_lengths(), label)  # null where a list is
    others = lengths != lengths[0]
    if others.any():
        row = int(others.argmax())
        raise ValueError(
            f"{label} must hold lists of one length, got {lengths[row]} at index {row} "
            f"after {lengths[0]}"
        )
    values = as_array(column.flatten(), f"flattened lists of {label}")
    return values.reshape(len(column), lengths[0])
