"""From arrays to a state: blocks of rows, one after another or in threads, in either tier.

Both tiers add the same losses to the same exact sums, so which one did the work shows in nothing
but the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from hingemetrics._core.config import BINARY
from hingemetrics._core.exact import BLOCK_ROWS, Accumulator
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.losses import losses
from hingemetrics._core.typing import Floats, Ints
from hingemetrics._engine import backend
from hingemetrics._engine.threads import in_threads
from hingemetrics._inputs.batch import Batch
from hingemetrics.state import (
    NEGATIVES,
    SAMPLES,
    UNWEIGHTED,
    ZEROS,
    HingeState,
    MixedCodingsError,
)

_SPAN_ROWS = 1 << 28  # few enough that no digit of an accumulator overflows
_NUMPY_ELEMENTS = BLOCK_ROWS  # a block and its temporaries stay in the L2 cache
_NUMBA_ELEMENTS = 1 << 18  # a converted block takes 2 MiB
_IN_PLACE_ELEMENTS = 1 << 22  # Ctrl-C is heard between blocks, some milliseconds each
_THREAD_ELEMENTS = 500_000  # below that, handing work to a thread costs more than it saves
_THREAD_SPAN = 1 << 22  # predictions that a thread takes at once: 4 ms compiled, 60 ms in NumPy
_THREAD_ROWS = 64  # at least: 56 bytes a sum are then a ninth of 64 predictions of 8
_NO_WEIGHT = np.empty(0)


def measure(batch: Batch, onto: HingeState) -> HingeState:
    """Return a state with a batch added."""
    backend.count_work(backend.CALL_WORK)
    try:
        if onto._num_classes in (0, batch.num_classes):
            return _measure(batch, onto)
        return onto + _measure(batch, onto._emptied())  # refused, unless all rows are ignored
    except MixedCodingsError:
        raise MixedCodingsError.at(_where_codings_mix(batch, onto)) from None


def per_sample(batch: Batch, empty: HingeState) -> Floats:
    """Return the (weighted) losses of the samples that are not ignored, (n,) or (n, C)."""
    form = empty._config.form(batch.num_classes)
    values = np.empty((batch.rows, _outputs(batch, form)))
    filled = 0
    for loss, _ in loss_blocks(batch, empty, _NUMPY_ELEMENTS // batch.num_classes or 1):
        loss[np.isnan(loss)] = np.nan  # one NaN: sign and payload are the processor's whim
        values[filled : filled + len(loss)] = loss
        filled += len(loss)
    values = values[:filled]
    return values if form == "one-vs-all" else values[:, 0]


def loss_blocks(
    batch: Batch, empty: HingeState, rows: int
) -> Iterator[tuple[Floats, Floats | None]]:
    """Yield the (weighted) losses (n, outputs) and weights of so many rows at a time."""
    check_float_unit()
    counters = Accumulator.empty(1)
    for start in range(0, batch.rows, rows):
        stop = min(start + rows, batch.rows)
        preds, target, weight = batch.checked_block(start, stop)
        _count(target, weight, batch, counters)
        yield losses(preds, target, empty.multiclass_mode, empty.squared, weight), weight
    if counters.hot[ZEROS] and counters.hot[NEGATIVES]:
        raise MixedCodingsError.at(_where_codings_mix(batch, empty))


def reduced(state: HingeState, num_classes: int, reduction: str = "mean") -> float | Floats:
    """Return the value of a state; it is one a class also where nothing was seen."""
    value = state.value(reduction)
    if state._config.form(num_classes) == "one-vs-all" and not isinstance(value, np.ndarray):
        return np.full(num_classes, value)
    return value


def _measure(batch: Batch, onto: HingeState) -> HingeState:
    """Return a state with a batch added, by as many threads as there should be."""
    if batch.rows * batch.num_classes < 2 * _THREAD_ELEMENTS:
        return _measure_span(batch, onto, 0, batch.rows) if batch.rows else onto
    threads = backend.get_num_threads()
    rows = _span_rows(batch, threads)
    spans = [(at, min(at + rows, batch.rows)) for at in range(0, batch.rows, rows)]
    if threads == 1:
        for start, stop in spans:
            onto = _measure_span(batch, onto, start, stop)
        return onto
    if backend.get_backend() == "numba":
        # Who has to wait for a compiler does so here: it may be this very thread's, interrupted by
        # a signal handler, and none of the others could know. With "auto" nobody has to.
        backend.kernel(onto._config.form(batch.num_classes), batch.dtype)
    empty, elements = onto._emptied(), _NUMBA_ELEMENTS // threads
    parts = in_threads(
        lambda span: _measure_span(batch, empty, *span, elements, wait=False), spans, threads
    )
    return sum(parts, onto)


def _measure_span(
    batch: Batch,
    onto: HingeState,
    start: int,
    stop: int,
    elements: int = _NUMBA_ELEMENTS,
    wait: bool = True,
) -> HingeState:
    """Return a state with some rows added, at most _SPAN_ROWS, in blocks of so many predictions."""
    check_float_unit()
    form = onto._config.form(batch.num_classes)
    squared = onto._config.squared
    if batch.in_place:
        elements = _IN_PLACE_ELEMENTS
    if onto._sums is None:
        sums = Accumulator.empty(_outputs(batch, form) + 1)  # losses, then weights
    else:
        sums = onto._sums.accumulator(stop - start)
    while start < stop:
        kernel = backend.kernel(form, batch.dtype, wait)
        rows = (_NUMPY_ELEMENTS if kernel is None else elements) // batch.num_classes or 1
        end = min(start + rows, stop)
        if kernel is None:
            _add_numpy(batch, start, end, onto, sums)
        else:
            _add_numba(kernel, batch, start, end, squared, sums)
        start = end
    return onto._of(batch.num_classes, sums.finished())


def _outputs(batch: Batch, form: str) -> int:
    """Return how many losses a sample has."""
    return batch.num_classes if form == "one-vs-all" else 1


def _add_numpy(batch: Batch, start: int, stop: int, config: HingeState, sums: Accumulator) -> None:
    """Add a block in the NumPy tier."""
    backend.count_work((stop - start) * batch.num_classes)
    preds, target, weight = batch.checked_block(start, stop)
    _count(target, weight, batch, sums)
    loss = losses(preds, target, config.multiclass_mode, config.squared, weight)
    sums.add(loss)
    if weight is not None:
        sums.add(weight[:, np.newaxis], first=loss.shape[1])


def _count(target: Ints, weight: Floats | None, batch: Batch, sums: Accumulator) -> None:
    """Count the samples of a block, and how they are labelled and weighted."""
    sums.hot[SAMPLES] += len(target)
    if weight is None:
        sums.hot[UNWEIGHTED] += len(target)
    if batch.num_classes == BINARY:
        sums.hot[ZEROS] += np.count_nonzero(target == 0)
        sums.hot[NEGATIVES] += np.count_nonzero(target == -1)


def _add_numba(
    kernel: Callable[..., int],
    batch: Batch,
    start: int,
    stop: int,
    squared: bool,
    sums: Accumulator,
) -> None:
    """Add a block in the Numba tier."""
    preds, target, weight = batch.block(start, stop)
    if not len(target):
        return
    if weight is None:
        weight = _NO_WEIGHT
    done = kernel(preds, target, weight, squared, 0, sums.hot, sums.new_far)
    if done == len(target):
        return
    batch.checked_block(start, stop)  # no label or weight is wrong: a double needs the whole grid
    done = kernel(preds, target, weight, squared, done, sums.hot, sums.widen())
    if done < len(target):
        raise RuntimeError("target or sample_weight changed while they were read")


def _where_codings_mix(batch: Batch, onto: HingeState) -> int:
    """Return the index from which on a batch's negatives are of another coding."""
    zero, negative = batch.first(0), batch.first(-1)
    if onto._counted(ZEROS):
        return negative
    return zero if onto._counted(NEGATIVES) else max(zero, negative)


def _span_rows(batch: Batch, threads: int) -> int:
    """Return how many rows one accumulator takes.

    With threads: four spans each, if they are long enough, but none so long that an interrupt would
    have to wait for it, and none so short that accumulators would take memory to speak of.
    """
    if threads == 1:
        return _SPAN_ROWS
    spans = min(4 * threads, batch.rows * batch.num_classes // _THREAD_ELEMENTS)
    longest = max(_THREAD_SPAN // batch.num_classes, _THREAD_ROWS)
    return min(-(-batch.rows // spans), longest, _SPAN_ROWS)
