"""What all metrics share: configuration, `update` with its docstring, and compare-and-swap.

A metric replaces what it has seen as a whole, so an interrupt or another thread finds it either as
it was before a change or as it is after. One lock serves all metrics. It is held only while what
was seen is replaced, so nothing that could wait or call back runs under it.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.typing import Value_co
from hingemetrics._inputs.arguments import checked_ignore_index
from hingemetrics._inputs.batch import Batch
from hingemetrics.state import HingeState

if TYPE_CHECKING:
    from typing_extensions import Self

_lock = threading.RLock()


def _renew_lock() -> None:
    """Start a forked child with a free lock: a thread of the parent may have held the old one."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def locked() -> threading.RLock:
    """Return the lock of all metrics, for a with statement."""
    return _lock


class _Constant:
    """A class attribute that is read-only on instances."""

    def __init__(self, value: bool) -> None:
        self._value = value

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> bool:
        return self._value

    def __set__(self, instance: object, value: NoReturn) -> None:
        raise AttributeError(f"{self._name} is a constant of {type(instance).__name__}")


class Metric:
    """Base of all metrics: configuration, copies, and what was seen, replaced as a whole."""

    is_differentiable = _Constant(True)
    higher_is_better = _Constant(False)

    def __init__(
        self,
        squared: bool,
        multiclass_mode: str | MulticlassMode | None,
        ignore_index: int | None,
    ) -> None:
        self._empty: HingeState[Any] = HingeState(squared, multiclass_mode)
        self._ignore_index = checked_ignore_index(ignore_index)
        self._seen: Any  # immutable, and replaced as a whole: never torn

    @property
    def squared(self) -> bool:
        """Whether each loss is squared."""
        return self._empty.squared

    @property
    def multiclass_mode(self) -> MulticlassMode:
        """The multi-class loss; binary data ignores it."""
        return self._empty.multiclass_mode

    @property
    def ignore_index(self) -> int | None:
        """Rows with this target are ignored."""
        return self._ignore_index

    def clone(self) -> Self:
        """Return an independent copy, including what was seen; a process group is shared.

        Returns
        -------
        Self
        """
        return copy.deepcopy(self)

    def _configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments: for `repr`, and to check state dicts."""
        return {
            "squared": self.squared,
            "multiclass_mode": self.multiclass_mode.value,
            "ignore_index": self._ignore_index,
        }

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._configuration().items())
        return f"{type(self).__name__}({arguments})"

    def _check_ignore_index(self, other: Metric) -> None:
        """Raise unless another metric, to be merged, ignores the same target."""
        if other._ignore_index != self._ignore_index:
            raise ValueError(
                f"metrics must have the same ignore_index, "
                f"got {self._ignore_index} and {other._ignore_index}"
            )

    def _swap(self, seen: Any, new: Any) -> bool:
        """Compare and swap: replace `seen`, unless another thread has replaced it."""
        with _lock:
            unchanged = self._seen is seen
            if unchanged:
                self._seen = new
        return unchanged

    def _change(self, changed: Callable[[Any], Any]) -> None:
        """Apply `changed` to what was seen, again if another thread was faster; all or nothing."""
        while True:
            seen = self._seen
            if self._swap(seen, changed(seen)):
                return


class BatchMetric(Metric):
    """A metric of one model, whose batches are predictions, targets and perhaps weights."""

    def update(self, preds: object, target: object, sample_weight: object = None) -> None:
        """Add a batch.

        Parameters
        ----------
        preds : array_like, shape (N,) or (N, C)
            Decision values, as for `hinge_loss`.
        target : array_like, shape (N,)
            Labels, as for `hinge_loss`.
        sample_weight : array_like, shape (N,), optional
            Finite weights >= 0.

        Raises
        ------
        TypeError, ValueError
            As `hinge_loss`; also if the number of classes, the form (binary or multi-class) or the
            binary coding (0 or -1) differs from that of earlier batches.
        RuntimeError
            While synced.

        Notes
        -----
        A batch without rows is not an update. If a window is full, its oldest update leaves it.
        """
        self._add_batch(Batch(preds, target, sample_weight, self._ignore_index))

    def _add_batch(self, batch: Batch) -> None:
        """Add a batch, all of it or, on any error, nothing."""
        raise NotImplementedError


class ForwardMetric(BatchMetric, Generic[Value_co]):
    """A metric that can also return the loss of a single batch."""

    def forward(self, preds: object, target: object, sample_weight: object = None) -> Value_co:
        """Add a batch and return its own loss; the data is read once.

        Parameters
        ----------
        preds, target, sample_weight
            As for `update`.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            The loss of this batch (over all ranks with `dist_sync_on_step`).

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As `update`.
        """
        return self._forward_batch(Batch(preds, target, sample_weight, self._ignore_index))

    def __call__(self, preds: object, target: object, sample_weight: object = None) -> Value_co:
        """Call `forward`; without weights, as a subclass's may not take any."""
        weights = () if sample_weight is None else (sample_weight,)
        return self.forward(preds, target, *weights)

    def _forward_batch(self, batch: Batch) -> Value_co:
        """Add a batch, as `_add_batch` does, and return its own loss."""
        raise NotImplementedError
