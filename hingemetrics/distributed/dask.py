"""The hinge loss of data spread over many processes or machines, with Dask and Spark.

They do the distributing: each block of rows becomes a state where it lies, states are added in a
tree, and one small state comes back. Sums are exact, so no bit depends on how rows are spread, on
who did what, or on what had to be done again. The adapters hold no arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.typing import Array, Floats
from hingemetrics._engine import measure as engine
from hingemetrics._inputs.arrays import as_array
from hingemetrics._inputs.batch import Batch, checked_ignore_index
from hingemetrics.state import HingeState, _check_reduction

_FAN_IN = 8  # states that one task of Dask adds
_SPARK_MERGES = 4  # tasks of Spark that add all states: adding takes microseconds, a task far more


def dask_hinge_state(
    preds: Any,
    target: Any,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: Any = None,
    ignore_index: int | None = None,
) -> Any:
    """Return, as a Delayed of Dask, the state of a hinge loss of Dask arrays or frames.

    Nothing is read before it is computed. Each block of rows becomes a `HingeState` where it is,
    and the states are added in a tree.

    Parameters
    ----------
    preds : dask Array, shape (N,), (N, 1) or (N, C); Series; or DataFrame of C columns
        Decision values (dimensionless), as for `hinge_loss`.
    target : dask Array, shape (N,) or (N, 1), Series, or DataFrame of one column
        Labels, as for `hinge_loss`.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    sample_weight : dask Array, shape (N,) or (N, 1), Series, or DataFrame of one column, optional
        Finite weights >= 0.
    ignore_index : int, optional
        Rows with this target are left out of everything.

    Returns
    -------
    dask Delayed of HingeState

    Raises
    ------
    TypeError
        If an argument is a Dask collection of another kind, or not of real numbers.
    ValueError
        If shapes, numbers of rows or numbers of partitions disagree, or a choice is none.

    Notes
    -----
    Arguments may be of different kinds, and arrays in memory (of anything `hinge_loss` takes)
    may be among them. Where chunks are known, `target` and `sample_weight` are cut like `preds`,
    and columns are joined. Where they are not, as for frames, all must have equally many
    partitions, and the computation fails unless each has equally many rows in all of them: rows
    are never paired by anything but their position. Each block is read once, for all arguments,
    with all columns that the reader was asked for: name those needed, as in
    ``read_parquet(path, columns=[...])``.

    What is wrong with values is found when they are computed. The error then names the block, and
    its indices count from the block's first row: ``block 3 (rows 3000 to 3999): target must be
    ... at index 17``.

    Examples
    --------
    >>> import dask.array as da
    >>> from hingemetrics.distributed import dask_hinge_state
    >>> state = dask_hinge_state(da.from_array([-2.2, 2.4, 0.1], chunks=2), [0, 1, 1])
    >>> state.compute().value()
    0.3
    """
    from dask.delayed import Delayed
    from dask.highlevelgraph import HighLevelGraph

    empty = HingeState(squared, multiclass_mode)
    measure = partial(_measured, onto=empty, ignore_index=checked_ignore_index(ignore_index))
    given = {"preds": preds, "target": target, "sample_weight": sample_weight}
    collections = _aligned(
        {name: _collection(value, name) for name, value in given.items() if value is not None}
    )
    # One layer for all: Dask takes time that grows with the square of their number.
    layer = f"hinge-state-{uuid4().hex}"
    tasks, last = _tree(layer, measure, _dask_blocks(collections))
    graph = HighLevelGraph.from_collections(layer, tasks, [*collections.values()])
    return Delayed(last, graph, layer=layer)


def dask_hinge_loss(
    preds: Any,
    target: Any,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """Return, as a Delayed of Dask, the hinge loss of Dask arrays or frames.

    Computed, it is what `hinge_loss` gives for all the data at once, to the bit.

    Parameters
    ----------
    preds, target, squared, multiclass_mode, sample_weight, ignore_index
        As for `dask_hinge_state`.
    reduction : {"mean", "sum"}, default "mean"
        What becomes of the losses.

    Returns
    -------
    dask Delayed of float, or of ndarray of float64, shape (C,), for one-vs-all
        The loss (dimensionless). The mean of no samples, or of weights that are all zero, is NaN;
        the UserWarning is given where that is computed, which may be another process.

    Raises
    ------
    TypeError, ValueError
        As `dask_hinge_state`.

    Examples
    --------
    >>> import dask.array as da
    >>> from hingemetrics.distributed import dask_hinge_loss
    >>> dask_hinge_loss(da.from_array([-2.2, 2.4, 0.1], chunks=2), [0, 1, 1]).compute()
    0.3
    """
    from dask.delayed import delayed

    _check_reduction(reduction)
    preds = _collection(preds, "preds")
    state = dask_hinge_state(
        preds,
        target,
        squared,
        multiclass_mode,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
    )
    return delayed(engine.reduced, pure=False)(state, _width(preds), reduction)


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
        Rows with this target are left out of everything.

    Returns
    -------
    HingeState

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If a choice is none.
    pyspark.errors.PythonException
        If values are not as they must be (nulls are refused): its text holds the error, which
        names the column or argument, the partition and the rows, from whose first the index
        counts.

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
    empty = HingeState(squared, multiclass_mode)
    ignored = checked_ignore_index(ignore_index)
    columns = _checked_columns(preds, target, sample_weight)
    measure = partial(_spark_measured, columns=columns, empty=empty, ignore_index=ignored)
    picked = [df[name].alias(f"column{i}") for i, name in enumerate(columns.names())]
    states = df.select(*picked).mapInArrow(measure, "state binary")
    merged = states.repartition(_SPARK_MERGES).mapInArrow(_spark_merged, "state binary")
    return sum((HingeState.from_bytes(row[0]) for row in merged.collect()), empty)


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

    It is what `hinge_loss` gives for all the data at once, to the bit.

    Parameters
    ----------
    df, preds, target, squared, multiclass_mode, sample_weight, ignore_index
        As for `spark_hinge_state`.
    reduction : {"mean", "sum"}, default "mean"
        What becomes of the losses.

    Returns
    -------
    float or ndarray of float64, shape (C,)
        The loss (dimensionless): one a class for one-vs-all. The mean of no samples, or of weights
        that are all zero, is NaN with a UserWarning; of no arrays it is one number, for nothing
        says how many classes there are.

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
    _check_reduction(reduction)
    state = spark_hinge_state(
        df,
        preds,
        target,
        squared,
        multiclass_mode,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
    )
    columns = (state.num_classes or 1) if isinstance(preds, str) else len(preds)
    return engine.reduced(state, columns, reduction)


# From rows to a number


def _measured(
    where: str,
    preds: object,
    target: object,
    sample_weight: object = None,
    *,
    onto: HingeState,
    ignore_index: int | None,
) -> HingeState:
    """Return a state with a block of rows added."""
    with _told(where):
        return engine.measure(Batch(preds, target, sample_weight, ignore_index), onto)


def _merged(where: str, *states: HingeState) -> HingeState:
    """Return the sum of states."""
    first, *others = states
    with _told(where):
        return sum(others, first)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say where an error is from; built-in errors come whole out of another process."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{where}: {error}") from None


def _rows(first: int, stop: int) -> str:
    """Return rows as part of a message."""
    return f"rows {first} to {stop - 1}"


# Dask


def _tree(
    name: str, measure: Callable[..., HingeState], blocks: list[tuple[str, tuple[Any, ...]]]
) -> tuple[dict[Any, Any], Any]:
    """Return the tasks that make states of blocks and add them in a tree, and the last key."""
    from dask.task_spec import Task, TaskRef

    spans = [(i, i + 1) for i in range(len(blocks))]
    tasks = {
        (name, *span): Task((name, *span), measure, where, *map(TaskRef, parts))
        for span, (where, parts) in zip(spans, blocks, strict=True)
    }
    while len(spans) > 1:
        groups = [spans[at : at + _FAN_IN] for at in range(0, len(spans), _FAN_IN)]
        spans = [(group[0][0], group[-1][1]) for group in groups]
        for (first, stop), group in zip(spans, groups, strict=True):
            if len(group) > 1:
                key, where = (name, first, stop), f"blocks {first} to {stop - 1}"
                states = [TaskRef((name, *span)) for span in group]
                tasks[key] = Task(key, _merged, where, *states)
    return tasks, (name, *spans[0])


def _dask_blocks(aligned: dict[str, Any]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return what to call each block of rows, and the key of its part of each argument."""
    from dask.core import flatten

    parts = {name: [*flatten(part.__dask_keys__())] for name, part in aligned.items()}
    for name, blocks in parts.items():
        if len(blocks) != len(parts["preds"]):
            raise ValueError(
                f"{name} must have as many partitions as preds where chunks are unknown, "
                f"got {len(blocks)} and {len(parts['preds'])}; take both from one frame, or call "
                f"compute_chunk_sizes() of arrays, to_dask_array(lengths=True) of frames"
            )
    return list(zip(_places(aligned["preds"]), zip(*parts.values(), strict=True), strict=True))


def _collection(value: Any, name: str) -> Any:
    """Return an argument as an array or a frame of Dask, its columns in one chunk."""
    import dask
    import dask.array

    if _is_frame(value):
        return _of_shape(value, name)
    if isinstance(value, dask.array.Array):
        array = _of_shape(value, name)
        as_array(np.empty(0, array.dtype), name)  # what is of no real numbers is refused now
        return array if array.ndim == 1 else array.rechunk({1: -1})
    if dask.is_dask_collection(value):
        raise TypeError(
            f"{name} must be an array, DataFrame or Series of Dask, got a {type(value).__name__}"
        )
    array = _of_shape(as_array(value, name), name)
    return dask.array.from_array(array, chunks=("auto", -1)[: array.ndim], name=False)


def _of_shape(value: Any, name: str) -> Any:
    """Return an array or a frame of as many dimensions and columns as an argument has."""
    must = "(N,) or (N, C), C >= 2" if name == "preds" else "(N,)"
    if value.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape {must}, got {value.shape}")
    columns = 1 if value.ndim == 1 else value.shape[1]
    if not columns >= 1 or (name != "preds" and columns != 1):
        raise ValueError(f"{name} must have shape {must}, got (N, {columns})")
    return value


def _is_frame(value: Any) -> bool:
    """Tell a DataFrame or Series of Dask."""
    return hasattr(value, "divisions") and isinstance(getattr(value, "ndim", None), int)


def _width(collection: Any) -> int:
    """Return the number of columns."""
    return 1 if collection.ndim == 1 else collection.shape[1]


def _aligned(collections: dict[str, Any]) -> dict[str, Any]:
    """Return arrays cut into the rows of preds, where both are known."""
    rows = _known_rows(collections["preds"])
    aligned = dict(collections)
    for name, collection in collections.items():
        own = _known_rows(collection)
        if rows is None or own is None or own == rows:
            continue
        if sum(own) != sum(rows):
            raise ValueError(f"{name} must have {sum(rows)} rows like preds, got {sum(own)}")
        aligned[name] = collection.rechunk({0: rows})
    return aligned


def _known_rows(collection: Any) -> tuple[int, ...] | None:
    """Return the number of rows in each block, or None where Dask does not know it."""
    if _is_frame(collection) or any(map(math.isnan, collection.chunks[0])):
        return None
    rows: tuple[int, ...] = collection.chunks[0]
    return rows


def _places(preds: Any) -> list[str]:
    """Return what to call each block."""
    rows = _known_rows(preds)
    if rows is None:
        return [f"block {i}" for i in range(preds.npartitions)]
    stops = accumulate(rows)
    return [
        f"block {i} ({_rows(stop - n, stop)})"
        for i, (n, stop) in enumerate(zip(rows, stops, strict=True))
    ]


# Spark


class _Columns(NamedTuple):
    """The names of the columns that the arguments are in."""

    preds: str | tuple[str, ...]
    target: str
    sample_weight: str | None

    def names(self) -> list[str]:
        """Return all names, in the order in which columns are sent."""
        preds = [self.preds] if isinstance(self.preds, str) else self.preds
        return [*preds, self.target, *([] if self.sample_weight is None else [self.sample_weight])]

    def arrays(self, batch: Any) -> list[Array]:
        """Return preds, target and, if there is one, sample_weight of a record batch."""
        columns = list(zip(batch.columns, map(_called, self.names()), strict=True))
        if isinstance(self.preds, str):
            count, preds = 1, _of_lists(*columns[0])
        else:
            count = len(self.preds)
            preds = np.stack([as_array(*column) for column in columns[:count]], axis=1)
        return [preds, *(as_array(*column) for column in columns[count:])]


def _checked_columns(preds: Any, target: Any, sample_weight: Any) -> _Columns:
    """Return the names of columns."""
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
    return _Columns(tuple(preds) if several else preds, target, sample_weight)


def _spark_measured(
    batches: Iterable[Any], *, columns: _Columns, empty: HingeState, ignore_index: int | None
) -> Iterator[Any]:
    """Yield the state of a partition, given as record batches."""
    from pyspark import TaskContext

    partition = TaskContext.get().partitionId()
    state, first = empty, 0
    for batch in filter(len, batches):
        stop = first + len(batch)
        where = f"partition {partition} ({_rows(first, stop)})"
        with _told(where):
            arrays = columns.arrays(batch)
        state = _measured(where, *arrays, onto=state, ignore_index=ignore_index)
        first = stop
    yield _record(state)


def _spark_merged(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield the sum of the states of a partition."""
    states = [
        HingeState.from_bytes(data) for batch in batches for data in batch.column(0).to_pylist()
    ]
    if states:
        yield _record(_merged("the states of partitions", *states))


def _record(state: HingeState) -> Any:
    """Return a state as a record batch."""
    from pyarrow import RecordBatch, array, binary

    return RecordBatch.from_arrays([array([state.to_bytes()], binary())], ["state"])


def _called(name: str) -> str:
    """Return what to call a column."""
    return f"column {name!r}"


def _of_lists(column: Any, called: str) -> Array:
    """Return a column of numbers as (N,), one of lists of C numbers as (N, C)."""
    if not hasattr(column, "value_lengths"):
        return as_array(column, called)
    lengths = as_array(column.value_lengths(), called)  # null where a list is
    others = lengths != lengths[0]
    if others.any():
        row = int(others.argmax())
        raise ValueError(
            f"{called} must hold lists of one length, got {lengths[row]} at index {row} "
            f"after {lengths[0]}"
        )
    values = as_array(column.flatten(), f"flattened lists of {called}")
    return values.reshape(len(column), lengths[0])
