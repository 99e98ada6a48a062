"""The loss of each group of rows, collected block by block."""

from __future__ import annotations

import datetime
import math
import warnings
from typing import NamedTuple

import numpy as np

from hingemetrics._core.group_keys import Key
from hingemetrics._files import Block
from hingemetrics.metrics.grouped import GroupedHingeLoss
from hingemetrics.metrics.hinge import HingeLoss


class GroupLoss(NamedTuple):
    """The mean loss of a group's samples."""

    key: Key
    samples: int
    value: float | list[float]  # one per class (one-vs-all)

    @property
    def name(self) -> str:
        """Its key, for people."""
        return self.key.isoformat() if isinstance(self.key, datetime.date) else str(self.key)

    @property
    def greatest(self) -> float:
        """The loss, or the greatest of its classes'; infinity for NaN."""
        losses = np.atleast_1d(self.value)
        return math.inf if np.isnan(losses).any() else float(losses.max())


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
