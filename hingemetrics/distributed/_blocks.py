"""Blocks of rows: their states, the sum of states, and errors that name the block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.typing import Floats
from hingemetrics.metrics.hinge import HingeLoss
from hingemetrics.state import HingeState, tally_of

MetricFactory = Callable[[], HingeLoss]
"""Makes an empty metric of a fixed configuration, in any process."""


def metric_factory(
    squared: bool, multiclass_mode: str | MulticlassMode | None, ignore_index: int | None
) -> MetricFactory:
    """Return a factory of metrics; an invalid configuration raises here, not on a worker."""
    checked: HingeLoss = HingeLoss(squared, multiclass_mode, ignore_index=ignore_index)
    return partial(
        HingeLoss, checked.squared, checked.multiclass_mode, ignore_index=checked.ignore_index
    )


def row_span(first: int, stop: int) -> str:
    """A range of rows, for error messages."""
    return f"rows {first} to {stop - 1}"


@contextmanager
def located_errors(place: str) -> Iterator[None]:
    """Prefix errors with their place; re-raise as a built-in type, which survives pickling."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{place}: {error}") from None


def block_state(
    place: str,
    preds: object,
    target: object,
    sample_weight: object = None,
    *,
    new_metric: MetricFactory,
) -> HingeState:
    """Return the state of one block; errors name its place."""
    metric = new_metric()
    with located_errors(place):
        metric.update(preds, target, sample_weight)
    return metric.state


def merged(place: str, *states: HingeState) -> HingeState:
    """Return the sum of one or more states; errors name their place."""
    first, *others = states
    with located_errors(place):
        return sum(others, first)


def loss_of(state: HingeState, num_classes: int, reduction: str) -> float | Floats:
    """Return the loss; for one-vs-all one per class, even if no sample was seen."""
    return tally_of(state).value(reduction, num_classes)
