"""Where a loss comes from: worst samples, loss by class, a picture; collected block by block."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hingemetrics._core.config import BINARY, MulticlassMode
from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._files import Block
from hingemetrics._inputs.batch import Batch
from hingemetrics.functional import hinge_loss
from hingemetrics.metrics.hinge import HingeLoss
from hingemetrics.state import HingeState

_SHOWN_ROWS = 100_000  # in a picture
_SHOWN_ELEMENTS = 1 << 23  # predictions in a picture, 64 MiB: the limit with many classes
_MAX_TABLED = 1000  # classes in a table with a row and a column for each
_NO_CLASS = -1


class WorstSample(NamedTuple):
    """A sample and its loss."""

    row: int  # index over all files
    target: int
    class_: int | None  # with the greatest loss (one-vs-all)
    loss: float


class ClassLoss(NamedTuple):
    """The mean loss of a class's samples."""

    label: int
    samples: int
    value: float | list[float]  # one per class (one-vs-all)


class KeptRows(NamedTuple):
    """The rows of a block that are not ignored, as the metric reads them."""

    row: Ints  # indices over all files
    preds: Array
    target: Ints
    weight: Floats | None


def kept_rows(block: Block, ignored: int | None) -> KeptRows:
    """Return the rows of a block whose label is not `ignored`."""
    batch = Batch(block.preds, block.target, block.sample_weight, ignored)
    return KeptRows(block.first + batch.kept_rows(), *batch.block(0, batch.rows))


class WorstSamples:
    """The samples with the greatest losses so far; of equal losses, the first."""

    def __init__(self, most: int, metric: HingeLoss) -> None:
        self._most = most
        self._metric = metric
        self._fields: list[Array] = []  # row, target, class and loss, greatest loss first

    def add(self, kept: KeptRows) -> None:
        """Add the samples of a block, with their (weighted) losses."""
        losses = hinge_loss(
            kept.preds,
            kept.target,
            self._metric.squared,
            self._metric.multiclass_mode,
            sample_weight=kept.weight,
            reduction="none",
        )
        loss = np.abs(losses)  # a weight may be -0.0
        class_ = np.full(len(loss), _NO_CLASS)
        if loss.ndim == 2:
            class_ = loss.argmax(axis=1)  # NaN counts as the greatest
            loss = loss[np.arange(len(loss)), class_]
        new = [kept.row, kept.target, class_, loss]
        if self._fields:
            new = [np.concatenate(pair) for pair in zip(self._fields, new, strict=True)]
        worst = _greatest_losses(new[-1], self._most)
        self._fields = [field[worst] for field in new]

    def samples(self) -> list[WorstSample]:
        """Return the samples, worst first."""
        rows = zip(*(field.tolist() for field in self._fields), strict=True)
        return [
            WorstSample(row, target, None if class_ == _NO_CLASS else class_, loss)
            for row, target, class_, loss in rows
        ]


def _greatest_losses(loss: Floats, most: int) -> Ints:
    """Return the indices of the greatest losses, NaN first; of equal losses, the first."""
    rank = loss.view(np.int64)  # doubles >= 0 sort by their bits, with NaN at the end
    candidates = np.arange(len(rank))
    if len(rank) > most:  # a partition is ten times as fast as a sort
        candidates = np.flatnonzero(rank >= np.partition(rank, -most)[-most])
    return candidates[np.argsort(-rank[candidates], kind="stable")[:most]]


class ClassLosses:
    """The losses of the samples so far, by class."""

    def __init__(self, metric: HingeLoss) -> None:
        self._metric = metric
        self._of_label: dict[int, HingeLoss] = {}

    def add(self, kept: KeptRows) -> None:
        """Add each row of a block to its class."""
        squared, mode = self._metric.squared, self._metric.multiclass_mode
        _check_table(mode, math.prod(kept.preds.shape[1:]))
        for label in np.unique(kept.target).tolist():
            mine = kept.target == label
            weight = None if kept.weight is None else kept.weight[mine]
            of_class = self._of_label.setdefault(label, HingeLoss(squared, mode))
            of_class.update(kept.preds[mine], kept.target[mine], weight)

    def losses(self) -> list[ClassLoss]:
        """Return the loss of every class, including classes without a sample."""
        state = self._metric.state
        nothing = HingeState(state.squared, state.multiclass_mode)
        is_vector = state.multiclass_mode is MulticlassMode.ONE_VS_ALL
        is_vector = is_vector and state.num_classes != BINARY
        width = (state.num_classes or 0) if is_vector else None
        states = {label: of_class.state for label, of_class in self._of_label.items()}
        labels = _class_labels(state.num_classes, -1 in states)
        return [_class_loss(label, states.get(label, nothing), width) for label in labels]


def _check_table(mode: MulticlassMode, classes: int) -> None:
    """Raise if a table with a row and a column per class would be too large."""
    if mode is MulticlassMode.ONE_VS_ALL and classes > _MAX_TABLED:
        raise ValueError(
            f"--per-class with one-vs-all must have at most {_MAX_TABLED} classes, got {classes}"
        )


def _class_loss(label: int, state: HingeState, width: int | None) -> ClassLoss:
    """Return the loss of a class: one number, or `width` numbers for one-vs-all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a count of zero explains the NaN
        value = np.asarray(state.value())
    numbers: list[float] = np.broadcast_to(value, width or 1).tolist()
    return ClassLoss(label, state.count, numbers[0] if width is None else numbers)


def _class_labels(num_classes: int | None, negative: bool) -> Sequence[int]:
    """Return the labels of all classes; for binary data -1 and 1 if `negative`, else 0 and 1."""
    if num_classes == BINARY:
        return (-1 if negative else 0, 1)
    return range(num_classes or 0)


class Picture:
    """The rows to draw: every `_step`-th row so far, a power of two that keeps memory bounded."""

    def __init__(self, metric: HingeLoss) -> None:
        self._metric = metric
        self._step = 1
        self._rows = 0
        self._negative = False  # whether any row has the label -1
        self._arrays: list[Array] = []  # preds, target and, if given, weights

    def add(self, kept: KeptRows) -> None:
        """Add every `_step`-th row of a block; when there are too many, drop every other one."""
        first = -self._rows % self._step
        self._rows += len(kept.target)
        self._negative = self._negative or bool((kept.target == -1).any())
        new = [array[first :: self._step] for array in kept[1:] if array is not None]
        old = self._arrays or [array[:0] for array in new]
        arrays = [np.concatenate(pair) for pair in zip(old, new, strict=True)]
        width = math.prod(kept.preds.shape[1:])
        most = max(1, min(_SHOWN_ROWS, _SHOWN_ELEMENTS // width))
        while len(arrays[0]) > most:
            self._step *= 2
            arrays = [array[::2] for array in arrays]
        self._arrays = arrays

    @property
    def left_out(self) -> str:
        """How many of the rows are shown; empty if all are."""
        if self._step == 1:
            return ""
        return f"{len(self._arrays[0])} of {self._rows} rows, one in {self._step}"

    def drawn(self, ending: str) -> bytes:
        """Draw the margins and return the picture as bytes: .png, .svg or .pdf."""
        from hingemetrics.plot import HingeLossDisplay

        if not self._rows:
            raise ValueError("there must be samples to draw, got none")
        preds, target, *weight = self._arrays
        if not np.isfinite(preds).all():
            raise ValueError("preds must be finite to be drawn, got NaN or infinity")
        display = HingeLossDisplay.from_predictions(
            target,
            preds,
            labels=_class_labels(self._metric.state.num_classes, self._negative),
            sample_weight=weight[0] if weight else None,
            squared=self._metric.squared,
            multiclass_mode=self._metric.multiclass_mode,
        )
        file = io.BytesIO()
        display.figure_.savefig(file, format=ending.lstrip("."))
        return file.getvalue()
