"""The loss of each group of rows, collected block by block, and its gate."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hingemetrics._core.group_keys import Key
from hingemetrics._core.typing import Floats
from hingemetrics._files import Block
from hingemetrics.cli.gate import Gate, limit_verdicts
from hingemetrics.metrics.grouped import GroupedHingeLoss
from hingemetrics.metrics.hinge import HingeLoss

_MOST_NAMED = 3  # besides the worst


class GroupLoss(NamedTuple):
    """The mean loss of a group's samples."""

    key: Key
    samples: int
    value: float | list[float]  # one per class (one-vs-all)

    @property
    def name(self) -> str:
        """Its key, for people: without line breaks, and what a terminal would obey."""
        if isinstance(self.key, datetime.date):
            return self.key.isoformat()
        text = str(self.key)
        return text if text and text.isprintable() else repr(text)


class GroupLosses:
    """The losses of the samples so far, by group."""

    def __init__(self, metric: HingeLoss) -> None:
        self._metric = GroupedHingeLoss(metric.squared, metric.multiclass_mode, metric.ignore_index)

    def add(self, block: Block) -> None:
        """Add each row of a block to its group."""
        self._metric.update(block.preds, block.target, block.groups, block.sample_weight)

    def losses(self) -> list[GroupLoss]:
        """Return the loss of every group, in the order of their keys."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a group without weight: its NaN is in the table
            values = self._metric.compute()
        return [
            GroupLoss(key, state.count, np.asarray(values[key]).tolist())
            for key, state in self._metric.states.items()
        ]


def group_gate(groups: Sequence[GroupLoss], limit: float) -> Gate:
    """The gate that no group's loss passes that is NaN or above `limit`; there is at least one."""
    names = [group.name for group in groups]
    losses = np.array([group.value for group in groups])
    labels = [f"group {name}" for name in names]
    parts = "group", "groups"
    if losses.ndim > 1:
        classes = range(losses.shape[1])
        names = [f"class {class_} of {name}" for name in names for class_ in classes]
        labels = [f"class {class_} of {label}" for label in labels for class_ in classes]
        parts = "class of a group", "classes of groups"
        losses = losses.ravel()
    verdicts = limit_verdicts(labels, losses, limit)
    worst, *others = _worst_first(losses)[: _MOST_NAMED + 1]
    named = [names[index] for index in others if not verdicts[index].is_open]
    return Gate("by", verdicts, worst, parts, named)


def worst_groups(groups: Sequence[GroupLoss]) -> list[GroupLoss]:
    """The groups, those with the greatest loss, or loss of a class, first."""
    losses = np.array([np.max(group.value) for group in groups])
    return [groups[index] for index in _worst_first(losses)]


def _worst_first(losses: Floats) -> list[int]:
    """Return the indices of losses, NaN first; of equal losses, the first."""
    are_nan = np.isnan(losses)
    order: list[int] = np.lexsort((np.where(are_nan, 0.0, -losses), ~are_nan)).tolist()
    return order
