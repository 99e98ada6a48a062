"""Confidence intervals: of a loss, and of its difference from that of other predictions."""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np

from hingemetrics._core.typing import Floats
from hingemetrics._files import Block
from hingemetrics._inputs.batch import Batch
from hingemetrics.cli.difference import Difference
from hingemetrics.cli.gate import part_names
from hingemetrics.cli.report import Against, LossInterval
from hingemetrics.comparison import ComparisonState, compared, exact_differences
from hingemetrics.metrics.bootstrap import BootstrapHingeLoss
from hingemetrics.metrics.comparison import HingeComparison
from hingemetrics.metrics.hinge import HingeLoss

DEFAULT_LEVEL = 0.95
SEED = 0  # of the bootstrap


class IntervalOfBlocks(Protocol):
    """The interval of the loss of everything added."""

    def add(self, block: Block) -> None:
        """Add the rows of a block."""

    def interval(self) -> LossInterval:
        """Return the interval; NaN where there is none."""


class StandardErrorInterval:
    """The interval by the standard error, as of `loss_interval`."""

    def __init__(self, metric: HingeLoss, level: float) -> None:
        self._ignore_index = metric.ignore_index
        self._level = level
        self._state = ComparisonState(metric.squared, metric.multiclass_mode)

    def add(self, block: Block) -> None:
        """Add the rows of a block."""
        batch = Batch(block.preds, block.target, block.sample_weight, self._ignore_index)
        self._state = compared(self._state, batch, None)

    def interval(self) -> LossInterval:
        """Return the interval; NaN where there is none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the loss itself has warned
            found = self._state.comparison(self._level)
        return LossInterval(self._level, found.low, found.high, found.stderr)


class BootstrapInterval:
    """The percentile interval of `BootstrapHingeLoss`."""

    def __init__(self, metric: HingeLoss, level: float, resamples: int) -> None:
        self._level = level
        self._resamples = resamples
        try:
            self._metric = BootstrapHingeLoss(
                metric.squared,
                metric.multiclass_mode,
                ignore_index=metric.ignore_index,
                n_resamples=resamples,
                confidence_level=level,
                seed=SEED,
            )
        except ValueError as error:
            raise ValueError(f"--bootstrap: {error}") from None

    def add(self, block: Block) -> None:
        """Add the rows of a block."""
        self._metric.update(block.preds, block.target, block.sample_weight)

    def interval(self) -> LossInterval:
        """Return the interval; NaN where there is none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the loss itself has warned
            found = self._metric.compute()
        return LossInterval(self._level, found.low, found.high, resamples=self._resamples)


class PairedLosses:
    """The losses of two models on the same rows."""

    def __init__(self, metric: HingeLoss, label: str, level: float) -> None:
        self._label = label
        self._metric = HingeComparison(
            metric.squared,
            metric.multiclass_mode,
            ignore_index=metric.ignore_index,
            confidence_level=level,
        )

    def add(self, block: Block) -> None:
        """Add the rows of a block."""
        self._metric.update(block.preds, block.baseline_preds, block.target, block.sample_weight)

    def against(self) -> Against:
        """Return what they have come to."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the loss itself has warned
            found = self._metric.compute()
        names = part_names(found.value)
        columns = map(
            _listed, (found.value, found.baseline, found.difference, found.low, found.high)
        )
        exact = exact_differences(self._metric.state) or [None] * len(names)
        differences = map(Difference, names, *columns, exact)
        return Against(self._label, self._metric.confidence_level, list(differences), found)


def _listed(numbers: float | Floats) -> list[float]:
    found: list[float] = np.atleast_1d(numbers).tolist()
    return found
