"""The hinge loss of Dask arrays and frames, as one layer of tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any
from uuid import uuid4

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.tally import check_reduction
from hingemetrics._inputs.arrays import as_array
from hingemetrics.distributed._blocks import (
    block_state,
    loss_of,
    merged,
    metric_factory,
    row_span,
)
from hingemetrics.state import HingeState

_FAN_IN = 8  # states that one task adds


def dask_hinge_state(
    preds: Any,
    target: Any,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: Any = None,
    ignore_index: int | None = None,
) -> Any:
    """Return a Dask Delayed of the state of a hinge loss of Dask arrays or frames.

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
        Rows with this target are ignored.

    Returns
    -------
    dask Delayed of HingeState

    Raises
    ------
    TypeError
        If an argument is another kind of Dask collection, or does not hold real numbers.
    ValueError
        If shapes, numbers of rows or numbers of partitions disagree, or an option is invalid.

    Notes
    -----
    Arguments may be of different kinds, including anything in memory that `hinge_loss` takes.
    Where chunks are known, `target` and `sample_weight` are rechunked like `preds`, and columns
    are joined. Where they are not, as for frames, all must have the same number of partitions, and
    the computation fails unless matching partitions have the same number of rows: rows are paired
    by position only. Each block is read once, for all arguments, with all columns that the reader
    was asked for: name those needed, as in ``read_parquet(path, columns=[...])``.

    Invalid values are found when they are computed. The error then names the block, and its
    indices count from the block's first row: ``block 3 (rows 3000 to 3999): target must be
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

    new_metric = metric_factory(squared, multiclass_mode, ignore_index)
    given = {"preds": preds, "target": target, "sample_weight": sample_weight}
    collections = _chunked_like_preds(
        {name: _as_collection(value, name) for name, value in given.items() if value is not None}
    )
    # All tasks in one layer: Dask's time grows with the square of the number of layers.
    layer = f"hinge-state-{uuid4().hex}"
    measure = partial(block_state, new_metric=new_metric)
    tasks, last = _state_tasks(layer, measure, _placed_keys(collections))
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
    """Return a Dask Delayed of the hinge loss of Dask arrays or frames.

    Computed, it equals `hinge_loss` of all the data at once, to the bit.

    Parameters
    ----------
    preds, target, squared, multiclass_mode, sample_weight, ignore_index
        As for `dask_hinge_state`.
    reduction : {"mean", "sum"}, default "mean"
        How the losses are combined.

    Returns
    -------
    dask Delayed of float, or of ndarray of float64, shape (C,), for one-vs-all
        The loss (dimensionless). The mean of no samples, or of weights that are all zero, is NaN;
        the UserWarning is issued where that is computed, which may be another process.

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

    check_reduction(reduction)
    preds = _as_collection(preds, "preds")
    state = dask_hinge_state(
        preds,
        target,
        squared,
        multiclass_mode,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
    )
    num_classes = 1 if preds.ndim == 1 else preds.shape[1]
    return delayed(loss_of, pure=False)(state, num_classes, reduction)


def _as_collection(value: Any, name: str) -> Any:
    """Return an argument as a Dask array or frame whose columns are all in one chunk."""
    import dask
    import dask.array

    if _is_frame(value):
        return _checked_shape(value, name)
    if isinstance(value, dask.array.Array):
        array = _checked_shape(value, name)
        as_array(np.empty(0, array.dtype), name)  # raises now for a dtype that is not real
        return array if array.ndim == 1 else array.rechunk({1: -1})
    if dask.is_dask_collection(value):
        raise TypeError(
            f"{name} must be an array, DataFrame or Series of Dask, got a {type(value).__name__}"
        )
    array = _checked_shape(as_array(value, name), name)
    return dask.array.from_array(array, chunks=("auto", -1)[: array.ndim], name=False)


def _is_frame(value: Any) -> bool:
    """Whether a value is a Dask DataFrame or Series."""
    return hasattr(value, "divisions") and isinstance(getattr(value, "ndim", None), int)


def _checked_shape(value: Any, name: str) -> Any:
    """Return an array or frame, or raise unless its shape suits the argument."""
    must = "(N,) or (N, C), C >= 2" if name == "preds" else "(N,)"
    if value.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape {must}, got {value.shape}")
    columns = 1 if value.ndim == 1 else value.shape[1]
    if not columns >= 1 or (name != "preds" and columns != 1):
        raise ValueError(f"{name} must have shape {must}, got (N, {columns})")
    return value


def _chunked_like_preds(collections: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments, rechunked like preds where Dask knows the chunks of both."""
    rows = _chunk_rows(collections["preds"])
    cut = dict(collections)
    for name, collection in collections.items():
        own = _chunk_rows(collection)
        if rows is None or own is None or own == rows:
            continue
        if sum(own) != sum(rows):
            raise ValueError(f"{name} must have {sum(rows)} rows like preds, got {sum(own)}")
        cut[name] = collection.rechunk({0: rows})
    return cut


def _chunk_rows(collection: Any) -> tuple[int, ...] | None:
    """Return the number of rows in each chunk, or None if Dask does not know it."""
    if _is_frame(collection) or any(map(math.isnan, collection.chunks[0])):
        return None
    rows: tuple[int, ...] = collection.chunks[0]
    return rows


def _placed_keys(collections: dict[str, Any]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return, for each block of rows, its place and the key of its chunk in each argument."""
    from dask.core import flatten

    keys = {name: [*flatten(part.__dask_keys__())] for name, part in collections.items()}
    for name, own in keys.items():
        if len(own) != len(keys["preds"]):
            raise ValueError(
                f"{name} must have as many partitions as preds where chunks are unknown, "
                f"got {len(own)} and {len(keys['preds'])}; take both from one frame, or call "
                f"compute_chunk_sizes() of arrays, to_dask_array(lengths=True) of frames"
            )
    return list(zip(_places(collections["preds"]), zip(*keys.values(), strict=True), strict=True))


def _places(preds: Any) -> list[str]:
    """Each block's number, and its rows where Dask knows them, for error messages."""
    rows = _chunk_rows(preds)
    if rows is None:
        return [f"block {i}" for i in range(preds.npartitions)]
    stops = accumulate(rows)
    return [
        f"block {i} ({row_span(stop - n, stop)})"
        for i, (n, stop) in enumerate(zip(rows, stops, strict=True))
    ]


def _state_tasks(
    layer: str, measure: Callable[..., HingeState], blocks: list[tuple[str, tuple[Any, ...]]]
) -> tuple[dict[Any, Any], Any]:
    """Return the tasks that turn blocks into states and add them in a tree, and the root's key."""
    from dask.task_spec import Task, TaskRef

    spans = [(i, i + 1) for i in range(len(blocks))]
    tasks = {
        (layer, *span): Task((layer, *span), measure, place, *map(TaskRef, keys))
        for span, (place, keys) in zip(spans, blocks, strict=True)
    }
    while len(spans) > 1:
        groups = [spans[at : at + _FAN_IN] for at in range(0, len(spans), _FAN_IN)]
        spans = [(group[0][0], group[-1][1]) for group in groups]
        for (first, stop), group in zip(spans, groups, strict=True):
            if len(group) > 1:
                key, place = (layer, first, stop), f"blocks {first} to {stop - 1}"
                states = [TaskRef((layer, *span)) for span in group]
                tasks[key] = Task(key, merged, place, *states)
    return tasks, (layer, *spans[0])
