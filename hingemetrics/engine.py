"""From arrays to a state: blocks, and the choice between the NumPy and the Numba tier.

Both tiers add the same losses to the same exact sums, so which one did the work shows in nothing
but the clock. With the backend "auto" small work stays in NumPy, and once the process has done
`SWITCH_WORK` of it (one for each prediction, `CALL_WORK` for each call) the compiled kernels take
over, also in the middle of a call: by then NumPy has cost about as much time as loading them does.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np

from hingemetrics.exact import BLOCK_ROWS, Accumulator, Floats
from hingemetrics.inputs import Batch
from hingemetrics.losses import losses
from hingemetrics.state import (
    BINARY,
    NEGATIVES,
    SAMPLES,
    UNWEIGHTED,
    ZEROS,
    HingeState,
    MulticlassMode,
)

SWITCH_WORK = 1 << 25
CALL_WORK = 1 << 12
_BACKENDS = ("auto", "numpy", "numba")
_SPAN_ROWS = 1 << 28  # few enough that no digit of an accumulator overflows
_NUMPY_ELEMENTS = 1 << 14  # a block and its temporaries stay in the L2 cache
_NUMBA_ELEMENTS = 1 << 18  # a converted block takes 2 MiB, and Ctrl-C is heard between blocks
_NO_WEIGHT = np.empty(0)


def set_backend(name: str) -> None:
    """Choose who does the work, for the whole process; the results are the same bits.

    Parameters
    ----------
    name : {"auto", "numpy", "numba"}
        "auto" starts with NumPy and goes over to Numba's compiled kernels when there is enough
        work to pay for loading them. The environment variable ``HINGEMETRICS_BACKEND`` sets the
        initial choice.

    Raises
    ------
    ValueError
        If `name` is not one of the choices.
    ImportError
        If `name` is "numba" and no working Numba is installed.

    Examples
    --------
    >>> import hingemetrics
    >>> hingemetrics.set_backend("numpy")
    >>> hingemetrics.get_backend()
    'numpy'
    >>> hingemetrics.set_backend("auto")
    """
    global _backend
    chosen = _checked_backend(name, "name")
    if chosen == "numba":
        _import_kernels()
    _backend = chosen


def get_backend() -> str:
    """Return the backend chosen by `set_backend` or ``HINGEMETRICS_BACKEND``.

    Returns
    -------
    str
        "auto", "numpy" or "numba".
    """
    return _backend


def measure(batch: Batch, onto: HingeState) -> HingeState:
    """Return a state with a batch added."""
    _count_work(CALL_WORK)
    for start in range(0, batch.rows, _SPAN_ROWS):
        onto = _measure_span(batch, onto, start, min(start + _SPAN_ROWS, batch.rows))
    return onto


def per_sample(batch: Batch, empty: HingeState) -> Floats:
    """Return the (weighted) losses of the samples that are not ignored, (n,) or (n, C)."""
    values = np.empty((batch.rows, _outputs(batch, empty)))
    filled = 0
    for start in range(0, batch.rows, _numpy_rows(batch)):
        stop = min(start + _numpy_rows(batch), batch.rows)
        batch.check(start, stop)
        preds, target, weight = batch.block(start, stop)
        loss = losses(preds, target, empty.multiclass_mode, empty.squared, weight)
        loss[np.isnan(loss)] = np.nan  # one NaN: sign and payload are the processor's whim
        values[filled : filled + len(loss)] = loss
        filled += len(loss)
    values = values[:filled]
    return values if per_class(batch, empty) else values[:, 0]


def per_class(batch: Batch, empty: HingeState) -> bool:
    """Tell whether a batch has one loss a class."""
    return batch.num_classes != BINARY and empty.multiclass_mode is MulticlassMode.ONE_VS_ALL


def _measure_span(batch: Batch, onto: HingeState, start: int, stop: int) -> HingeState:
    """Return a state with some rows added, at most _SPAN_ROWS."""
    columns = _outputs(batch, onto) + 1  # the losses, then the weights
    sums = onto.accumulator(batch.num_classes, columns, stop - start)
    while start < stop:
        kernel = _kernel(batch, onto)
        if kernel is None:
            end = min(start + _numpy_rows(batch), stop)
            _add_numpy(batch, start, end, onto, sums)
        else:
            end = min(start + _numba_rows(batch), stop)
            _add_numba(kernel, batch, start, end, onto.squared, sums)
        start = end
    return onto.of(batch.num_classes, sums.sums())


def _outputs(batch: Batch, empty: HingeState) -> int:
    """Return how many losses a sample has."""
    return batch.num_classes if per_class(batch, empty) else 1


def _numpy_rows(batch: Batch) -> int:
    """Return the rows of a block in the NumPy tier."""
    return max(1, min(BLOCK_ROWS, _NUMPY_ELEMENTS // batch.num_classes))


def _numba_rows(batch: Batch) -> int:
    """Return the rows of a block in the Numba tier."""
    return max(1, _NUMBA_ELEMENTS // batch.num_classes)


def _add_numpy(batch: Batch, start: int, stop: int, config: HingeState, sums: Accumulator) -> None:
    """Add a block in the NumPy tier."""
    _count_work((stop - start) * batch.num_classes)
    batch.check(start, stop)
    preds, target, weight = batch.block(start, stop)
    sums.hot[SAMPLES] += len(target)
    if batch.num_classes == BINARY:
        sums.hot[ZEROS] += np.count_nonzero(target == 0)
        sums.hot[NEGATIVES] += np.count_nonzero(target == -1)
    loss = losses(preds, target, config.multiclass_mode, config.squared, weight)
    sums.add(loss)
    if weight is None:
        sums.hot[UNWEIGHTED] += len(target)
    else:
        sums.add(weight[:, np.newaxis], first=loss.shape[1])


def _add_numba(
    kernel: Any, batch: Batch, start: int, stop: int, squared: bool, sums: Accumulator
) -> None:
    """Add a block in the Numba tier."""
    preds, target, weight = batch.block(start, stop)
    if weight is None:
        weight = _NO_WEIGHT
    done = kernel(preds, target, weight, squared, 0, sums.hot, sums.far)
    if done < len(target):  # a double that needs the whole grid, or a label that cannot be
        done = kernel(preds, target, weight, squared, done, sums.hot, sums.widen())
    if done < len(target):
        batch.check(start, stop)
        raise RuntimeError("target or sample_weight changed while they were read")


def _kernel(batch: Batch, empty: HingeState) -> Any:
    """Return the compiled kernel whose turn it is, or None where it is NumPy's."""
    if _backend == "numpy" or (_backend == "auto" and _work < SWITCH_WORK):
        return None
    try:
        return _import_kernels().get(_form(batch, empty), batch.dtype)
    except ImportError:
        if _backend == "numba":
            raise
        return None


def _form(batch: Batch, empty: HingeState) -> str:
    """Return which of the kernels a batch needs."""
    return "binary" if batch.num_classes == BINARY else empty.multiclass_mode.value


def _import_kernels() -> ModuleType:
    """Return the module of compiled kernels; ImportError says why there is none."""
    global _kernels
    if _kernels is None:
        try:
            from hingemetrics import kernels
        except Exception as error:  # a Numba that does not fit this NumPy raises all sorts
            _kernels = f"the numba backend needs a working Numba, got {error!r}"
        else:
            _kernels = kernels
    if isinstance(_kernels, str):
        raise ImportError(_kernels)
    return _kernels


def _count_work(work: int) -> None:
    """Count work done, for the switch of tiers; a lost count costs time, never bits."""
    global _work
    _work += work


def _checked_backend(name: object, source: str) -> str:
    """Return a backend's name."""
    if name not in _BACKENDS:
        choices = ", ".join(repr(choice) for choice in _BACKENDS)
        raise ValueError(f"{source} must be one of {choices}, got {name!r}")
    return str(name)


_backend = _checked_backend(os.environ.get("HINGEMETRICS_BACKEND", "auto"), "HINGEMETRICS_BACKEND")
_kernels: ModuleType | str | None = None  # the module, or why there is none
_work = 0
