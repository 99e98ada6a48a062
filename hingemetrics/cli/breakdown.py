"""Where a loss comes from: the worst samples, each class, a picture; gathered block by block."""

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

_SHOWN_ROWS = 100_000
_SHOWN_ELEMENTS = 1 << 23  # 64 MiB, where there are many classes
_MOST_TABLED = 1000  # classes of a table with a row and a column for each
_NO_CLASS = -1


class WorstSample(NamedTuple):
    """A sample and what it costs."""

    row: int  # in the file
    target: int
    class_: int | None  # the one of greatest loss, for one-vs-all
    loss: float


class ClassLoss(NamedTuple):
    """What the samples of a class cost."""

    label: int
    samples: int
    value: float | list[float]  # one a class for one-vs-all


class Kept(NamedTuple):
    """The rows of a block that are not ignored."""

    row: Ints  # in the file
    preds: Array
    target: Ints
    weight: Floats | None


def kept_rows(block: Block, ignored: int | None) -> Kept:
    """Return the rows of a block that are not ignored, as the metric saw them."""
    count = len(block.target)
    numbers, _, _ = Batch(np.arange(count), block.target, None, ignored).block(0, count)
    rows = Batch(block.preds, block.target, block.sample_weight, ignored).block(0, count)
    return Kept(block.first + numbers.astype(np.int64), *rows)


class WorstSamples:
    """The samples of greatest loss so far; of equal ones, the first."""

    def __init__(self, most: int, metric: HingeLoss) -> None:
        self._most = most
        self._metric = metric
        self._fields: list[Array] = []  # row, target, class and loss, the greatest loss first

    def add(self, kept: Kept) -> None:
        """Add the samples of a block, with what they add to the loss: weighted if it is."""
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
            class_ = loss.argmax(axis=1)  # to which NaN is the greatest
            loss = loss[np.arange(len(loss)), class_]
        new = [kept.row, kept.target, class_, loss]
        if self._fields:
            new = [np.concatenate(pair) for pair in zip(self._fields, new, strict=True)]
        first = _greatest(new[-1], self._most)
        self._fields = [field[first] for field in new]

    def listed(self) -> list[WorstSample]:
        """Return the samples one by one."""
        rows = zip(*(field.tolist() for field in self._fields), strict=True)
        return [
            WorstSample(row, target, None if class_ == _NO_CLASS else class_, loss)
            for row, target, class_, loss in rows
        ]


def _greatest(loss: Floats, most: int) -> Ints:
    """Return where the greatest losses are, NaN first; of equal ones, the first."""
    rank = loss.view(np.int64)  # doubles >= 0 are in the order of their bits, and then comes NaN
    candidates = np.arange(len(rank))
    if len(rank) > most:  # a partition is ten times as quick as a sort
        candidates = np.flatnonzero(rank >= np.partition(rank, -most)[-most])
    return candidates[np.argsort(-rank[candidates], kind="stable")[:most]]


class ClassLosses:
    """The loss of the samples of each class so far."""

    def __init__(self, metric: HingeLoss) -> None:
        self._metric = metric
        self._of: dict[int, HingeLoss] = {}

    def add(self, kept: Kept) -> None:
        """Add each row of a block to its class."""
        squared, mode = self._metric.squared, self._metric.multiclass_mode
        _check_table(mode, math.prod(kept.preds.shape[1:]))
        for label in np.unique(kept.target).tolist():
            mine = kept.target == label
            weight = None if kept.weight is None else kept.weight[mine]
            of_class = self._of.setdefault(label, HingeLoss(squared, mode))
            of_class.update(kept.preds[mine], kept.target[mine], weight)

    def listed(self) -> list[ClassLoss]:
        """Return the loss of every class, those without a sample included."""
        state = self._metric.state
        nothing = HingeState(state.squared, state.multiclass_mode)
        is_vector = state.multiclass_mode is MulticlassMode.ONE_VS_ALL
        is_vector = is_vector and state.num_classes != BINARY
        width = (state.num_classes or 0) if is_vector else None
        states = {label: of_class.state for label, of_class in self._of.items()}
        labels = _class_labels(state.num_classes, -1 in states)
        return [_class_loss(label, states.get(label, nothing), width) for label in labels]


def _check_table(mode: MulticlassMode, classes: int) -> None:
    """Raise where a row and a column a class are too many to hold."""
    if mode is MulticlassMode.ONE_VS_ALL and classes > _MOST_TABLED:
        raise ValueError(
            f"--per-class with one-vs-all must have at most {_MOST_TABLED} classes, got {classes}"
        )


def _class_loss(label: int, state: HingeState, width: int | None) -> ClassLoss:
    """Return the loss of a class, or so many; NaN is no news beside a count of zero."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = np.asarray(state.value())
    numbers: list[float] = np.broadcast_to(value, width or 1).tolist()
    return ClassLoss(label, state.count, numbers[0] if width is None else numbers)


def _class_labels(num_classes: int | None, negative: bool) -> Sequence[int]:
    """Return the labels of all classes; those of binary data are -1 and 1 if there is a -1."""
    if num_classes == BINARY:
        return (-1 if negative else 0, 1)
    return range(num_classes or 0)


class Picture:
    """The rows that a picture shows: one in `_step`, a power of two, of all so far."""

    def __init__(self, metric: HingeLoss) -> None:
        self._metric = metric
        self._step = 1
        self._rows = 0
        self._negative = False  # whether there is a label -1 among all rows
        self._arrays: list[Array] = []  # preds, target and perhaps weight

    def add(self, kept: Kept) -> None:
        """Add the rows of a block whose turn it is; when full, drop every other one."""
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
        """Which of the rows are shown, if not all."""
        if self._step == 1:
            return ""
        return f"{len(self._arrays[0])} of {self._rows} rows, one in {self._step}"

    def drawn(self, ending: str) -> bytes:
        """Return a drawing of the margins, in the format that an ending stands for."""
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
