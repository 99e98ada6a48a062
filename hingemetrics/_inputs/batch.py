"""A batch of preds, target and weight: shapes, dtypes and values checked, with their errors.

An error names the argument, what it must be, what it was, and at which index. Nothing is guessed
from values: shapes alone tell binary from multi-class.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from hingemetrics._core.config import BINARY
from hingemetrics._core.typing import Array, Bools, Floats, Ints
from hingemetrics._inputs.arguments import row_error
from hingemetrics._inputs.arrays import as_array

_SEARCHED_ROWS = 1 << 18
_EXACT = 1 << 53  # float64 holds every integer up to it
_NOT_A_LABEL = int(np.iinfo(np.int64).min)  # stands for a target that int64 cannot hold
_INT64 = np.dtype(np.int64)
_FLOAT32 = np.dtype(np.float32)
_FLOAT64 = np.dtype(np.float64)

Block = tuple[Array, Ints, Floats | None]
"""preds (n,) or (n, C), target (n,) and weight (n,) or None, in dtypes that kernels read."""


class Batch:
    """Arrays with matching shapes and real dtypes; their values are checked block by block."""

    __slots__ = (
        "_ignore_index",
        "dtype",
        "in_place",
        "num_classes",
        "preds",
        "rows",
        "target",
        "weight",
    )

    def __init__(
        self,
        preds: object,
        target: object,
        sample_weight: object,
        ignore_index: int | None,
        name: str = "preds",
    ) -> None:
        self.target = as_array(target, "target")
        if self.target.ndim != 1:
            self.target = _checked_vector(self.target, "target")
        if ignore_index is not None:
            _check_unrounded(target, self.target, ignore_index)
        self.rows = len(self.target)
        self.preds = _checked_preds(as_array(preds, name), self.rows, name)
        self.dtype = _FLOAT32 if self.preds.dtype == _FLOAT32 else _FLOAT64
        self.num_classes = BINARY if self.preds.ndim == 1 else self.preds.shape[1]
        self.weight = None
        if sample_weight is not None:
            self.weight = _checked_vector(
                as_array(sample_weight, "sample_weight"), "sample_weight", self.rows
            )
        self._ignore_index = ignore_index
        self.in_place = (  # whether kernels can read all arrays without a copy
            ignore_index is None
            and _is_readable(self.preds, self.dtype)
            and _is_readable(self.target, _INT64)
            and (self.weight is None or _is_readable(self.weight, _FLOAT64))
        )

    def block(self, start: int, stop: int) -> Block:
        """Return the rows from start to stop that are not ignored, as views where possible."""
        if self.in_place and stop - start == self.rows:
            return self.preds, self.target, self.weight
        labels, weight, kept = self._labels_and_weight(start, stop)
        return self._kept(start, stop, labels, weight, kept)

    def checked_block(self, start: int, stop: int) -> Block:
        """Return `block`, or raise for its first invalid label or weight."""
        labels, weight, kept = self._labels_and_weight(start, stop)
        if self.num_classes == BINARY:
            least, most, must = -1, 1, "in {0, 1} or {-1, +1}"
        else:
            least, most = 0, self.num_classes - 1
            must = f"a class index in [0, {self.num_classes})"
        ordinary = weight is None and kept is None  # then two passes do
        if ordinary and least <= labels.min(initial=least) and labels.max(initial=least) <= most:
            return self._kept(start, stop, labels, weight, kept)
        label_fits = (labels >= least) & (labels <= most)
        fits = label_fits if weight is None else label_fits & np.isfinite(weight) & (weight >= 0)
        if kept is not None:
            fits |= ~kept
        if fits.all():
            return self._kept(start, stop, labels, weight, kept)
        at = int(fits.argmin())
        row = start + at
        if label_fits[at]:
            assert self.weight is not None
            raise row_error(f"sample_weight must be finite and >= 0, got {self.weight[row]}", row)
        hint = "; if -1 marks rows to leave out, pass ignore_index=-1" if labels[at] == -1 else ""
        raise row_error(f"target must be {must}, got {self.target[row]}", row, hint)

    @property
    def is_all_float64(self) -> bool:
        """Whether no row is ignored, and predictions are read as float64."""
        return self._ignore_index is None and self.dtype == _FLOAT64

    def labels(self, start: int, stop: int) -> tuple[Ints, Bools | None]:
        """Return labels as kernels read them, and a mask of the rows that are not ignored."""
        labels, _, kept = self._labels_and_weight(start, stop)
        return labels, kept

    def kept_rows(self) -> Ints:
        """Return the indices of the rows that are not ignored."""
        _, _, kept = self._labels_and_weight(0, self.rows)
        return np.arange(self.rows) if kept is None else np.flatnonzero(kept)

    def first(self, label: int) -> int:
        """Return the first row with a label, or the number of rows if there is none."""
        for start in range(0, self.rows, _SEARCHED_ROWS):
            labels, _, kept = self._labels_and_weight(start, start + _SEARCHED_ROWS)
            found = np.flatnonzero(labels == label if kept is None else (labels == label) & kept)
            if found.size:
                return start + int(found[0])
        return self.rows

    def _kept(
        self,
        start: int,
        stop: int,
        labels: Ints,
        weight: Floats | None,
        kept: Bools | None,
    ) -> Block:
        """Return the rows selected by `kept`, with preds as kernels read them."""
        preds = self.preds if stop - start == self.rows else self.preds[start:stop]
        if kept is not None and not kept.all():
            preds, labels = preds[kept], labels[kept]
            weight = None if weight is None else weight[kept]
        return _readable(preds, self.dtype), labels, weight

    def _labels_and_weight(self, start: int, stop: int) -> tuple[Ints, Floats | None, Bools | None]:
        """Return labels and weights as kernels read them, and a mask of the rows not ignored."""
        target, weight = self.target, self.weight
        if stop - start < self.rows:
            target = target[start:stop]
            weight = None if weight is None else weight[start:stop]
        labels = _labels(target)
        kept = None
        if self._ignore_index is not None:
            kept = _kept_mask(target, labels, self._ignore_index)
        return labels, None if weight is None else _readable(weight, _FLOAT64), kept


def check_same_shape(batch: Batch, baseline: Batch) -> None:
    """Raise unless two models' predictions of the same samples have the same shape."""
    if baseline.preds.shape != batch.preds.shape:
        raise ValueError(
            f"baseline_preds must have the shape of preds, {batch.preds.shape}, "
            f"got {baseline.preds.shape}"
        )


def _check_unrounded(target: object, array: Array, ignored: int) -> None:
    """Raise if NumPy rounded an integer in a list, so that it could pass for `ignored`."""
    if abs(ignored) < _EXACT or array.dtype.kind != "f":
        return
    if isinstance(target, (list, tuple)):
        for index, item in enumerate(np.asarray(target, dtype=object).ravel()):
            if isinstance(item, int) and item != float(item):
                raise row_error(
                    f"target must hold integers that float64 holds, among numbers that make it "
                    f"float64, got {item}",
                    index,
                    "; pass an array of integers",
                )


def _checked_vector(array: Array, name: str, rows: int | None = None) -> Array:
    """Return target or weights as (N,): dimensions of size 1 are dropped."""
    if array.ndim != 1:
        shape = tuple(n for n in array.shape if n != 1) or (1,)
        if array.ndim == 0 or len(shape) > 1:
            raise ValueError(f"{name} must have shape (N,), got {array.shape}")
        array = array.reshape(shape)
    if rows is not None and len(array) != rows:
        raise ValueError(f"{name} must have shape ({rows},) like target, got {array.shape}")
    return array


def _checked_preds(preds: Array, rows: int, name: str) -> Array:
    """Return preds as (N,) or (N, C): dimensions of size 1 are dropped.

    One exception: if the first dimension is 1 and one other is left, it is one sample of C classes.
    """
    if preds.ndim == 1 and len(preds) == rows:  # the usual case: nothing to drop
        return preds
    if preds.ndim == 2 and len(preds) == rows and preds.shape[1] > 1:
        return preds
    shape = tuple(n for n in preds.shape if n != 1)
    if preds.ndim and len(shape) < 2 and preds.shape[0] == 1:
        shape = (1, *shape)
    if preds.ndim == 0 or len(shape) > 2 or shape[0] != rows or 0 in shape[1:]:
        raise ValueError(
            f"{name} must have shape (N,) or (N, C), C >= 2, with target of shape (N,), "
            f"got {preds.shape} with ({rows},)"
        )
    return preds.reshape(shape)


def _kept_mask(target: Array, labels: Ints, ignored: int) -> Bools:
    """Return a mask of the targets other than `ignored`, compared in their own dtype."""
    differs: Bools = np.ones(len(target), bool)
    if _NOT_A_LABEL < ignored < -_NOT_A_LABEL:
        differs = labels != ignored
    elif target.dtype.kind in "fV":
        if target.dtype.kind == "V":  # of ml_dtypes, whose scalars take no large int
            target = target.astype(np.float64)
        with suppress(OverflowError), np.errstate(all="ignore"):  # beyond the dtype's range
            number = target.dtype.type(ignored)
            if int(number) == ignored:  # else the dtype does not hold it, and no target equals it
                differs = target != number
    elif np.can_cast(np.min_scalar_type(ignored), target.dtype):
        differs = target != np.array(ignored, target.dtype)
    return differs


def _is_readable(array: Array, dtype: np.dtype[Any]) -> bool:
    """Whether a kernel can read an array in place: the dtype, C-contiguous and aligned."""
    flags = array.flags
    return array.dtype == dtype and (
        flags.carray or (flags.c_contiguous and flags.aligned)  # carray: also writable
    )


def _readable(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return the array itself if a kernel can read it, else a copy that a kernel can read."""
    if _is_readable(array, dtype):
        return array
    with np.errstate(all="ignore"):  # a longdouble beyond float64 becomes inf or 0
        return np.require(array, dtype, ["C", "A"])


def _labels(target: Array) -> Ints:
    """Return targets as int64; what int64 cannot hold becomes a value that is never a label."""
    if target.dtype.kind in "ib" or (target.dtype.kind == "u" and target.dtype.itemsize < 8):
        return _readable(target, _INT64)
    if target.dtype.kind == "V":  # of ml_dtypes, which compare with int64 in low precision
        target = target.astype(np.float64)
    with np.errstate(all="ignore"):  # NaN, and what no int64 can hold
        labels = target.astype(np.int64)
        labels[labels != target] = _NOT_A_LABEL
    return labels
