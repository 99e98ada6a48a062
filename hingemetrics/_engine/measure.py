"""A batch added to a tally: blocks of rows, one after another or in threads, in either tier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hingemetrics._core.config import Config
from hingemetrics._core.exact import BLOCK_ROWS, Accumulator
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.tally import NEGATIVES, ZEROS, MixedCodingsError, Tally
from hingemetrics._core.typing import Floats
from hingemetrics._engine import backend, tiers
from hingemetrics._engine.threads import in_threads
from hingemetrics._inputs.arguments import row_error
from hingemetrics._inputs.batch import Batch

_SPAN_ROWS = 1 << 28  # few enough that no digit of an accumulator overflows
_THREAD_ELEMENTS = 500_000  # below that, handing work to a thread costs more than it saves
_THREAD_SPAN = 1 << 22  # predictions that a thread takes at once: 4 ms compiled, 60 ms in NumPy
_THREAD_ROWS = 64  # at least: 56 bytes a sum are then a ninth of 64 predictions of 8


def measure(batch: Batch, onto: Tally) -> Tally:
    """Return a tally with a batch added."""
    try:
        if onto.num_classes not in (0, batch.num_classes):  # refused, unless all rows are ignored
            return onto + measure(batch, Tally(onto.config))
        if batch.rows * batch.num_classes >= 2 * _THREAD_ELEMENTS:
            return _measure_spans(batch, onto)
        return _measure_span(batch, onto, 0, batch.rows) if batch.rows else onto
    except MixedCodingsError:
        before = bool(onto.counted(ZEROS)), bool(onto.counted(NEGATIVES))
        raise mixed_codings(batch, *before) from None


def per_sample(batch: Batch, config: Config) -> Floats:
    """Return the (weighted) losses of the samples that are not ignored, (n,) or (n, C)."""
    values = np.empty((batch.rows, config.losses_per_sample(batch.num_classes)))
    filled = 0
    for loss, _ in loss_blocks(batch, config, BLOCK_ROWS // batch.num_classes or 1):
        loss[np.isnan(loss)] = np.nan  # one NaN: sign and payload are the processor's whim
        values[filled : filled + len(loss)] = loss
        filled += len(loss)
    values = values[:filled]
    return values if config.is_per_class(batch.num_classes) else values[:, 0]


def loss_blocks(
    batch: Batch, config: Config, rows: int, counted: Accumulator | None = None
) -> Iterator[tuple[Floats, Floats | None]]:
    """Yield the (weighted) losses (n, k) and weights of so many rows at a time; count samples.

    The next losses are written over the ones before.
    """
    check_float_unit()
    if counted is None:
        counted = Accumulator.empty(1)
    out = np.empty((min(rows, batch.rows), config.losses_per_sample(batch.num_classes)))
    tier = tiers.select_tier(config, batch)
    for start in range(0, batch.rows, rows):
        stop = min(start + rows, batch.rows)
        kept, weight = tier.write_losses(batch, start, stop, config, counted, out)
        yield out[:kept], weight
    if counted.digits[ZEROS] and counted.digits[NEGATIVES]:
        raise mixed_codings(batch, False, False)


def _measure_spans(batch: Batch, onto: Tally) -> Tally:
    """Add a large batch in as many threads as there are to be."""
    threads = backend.get_num_threads()
    rows = _span_rows(batch, threads)
    spans = [(at, min(at + rows, batch.rows)) for at in range(0, batch.rows, rows)]
    if threads == 1:
        for start, stop in spans:
            onto = _measure_span(batch, onto, start, stop)
        return onto
    tiers.select_tier(onto.config, batch)  # if Numba compiles, it does so once, in this thread
    empty = Tally(onto.config)
    parts = in_threads(lambda span: _measure_span(batch, empty, *span, threads), spans, threads)
    return sum(parts, onto)


def _measure_span(batch: Batch, onto: Tally, start: int, stop: int, threads: int = 1) -> Tally:
    """Add a span of at most _SPAN_ROWS rows in one thread."""
    check_float_unit()
    config = onto.config
    sums = onto.accumulator(batch.num_classes, stop - start)
    tier = tiers.select_tier(config, batch)
    while start < stop:
        start = tier.add(batch, start, stop, threads, config, sums)
    return Tally.of(config, batch.num_classes, sums.sums())


def mixed_codings(batch: Batch, zeros_before: bool, negatives_before: bool) -> ValueError:
    """Return the error that names the row where a second coding of the negatives begins."""
    zero, negative = batch.first(0), batch.first(-1)
    second = zero if negatives_before else max(zero, negative)
    row = negative if zeros_before else second
    return row_error(MixedCodingsError.problem, row, MixedCodingsError.hint)


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
